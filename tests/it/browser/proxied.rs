//! A browser that keeps no third-party cookies, and a tenant on another site: the sheet comes through our server (Qlik Cloud
//! facts, section K).

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::audit;
use super::cookies::{PORTAL, certificate};
use super::scene::{Scene, Sites};
use super::window::{DESK, PHONE, Window, Wishes, eventually};

mod demo;
mod endings;
mod frames;
mod newcomers;
mod nginx;
mod origins;

/// Beside the portal, on the same site.
const SIBLING: &str = "analytics.portal.test";
/// The one name of another site that our server can find without a name server.
const TENANT: &str = "localhost";

/// Portal and tenant, and a browser that knows the portal by these names and blocks third-party cookies.
struct Place {
    scene: Scene,
    window: Window,
    _files: (TempDir, PathBuf, PathBuf),
}

impl Place {
    async fn with(sibling: Option<&str>, hosts: &[&str], settings: &[(&str, &str)]) -> Self {
        let files = certificate(&[PORTAL, SIBLING, TENANT]);
        let sites = Sites { portal: PORTAL, tenant: TENANT, certificate: &files.1, key: &files.2 };
        let scene = Scene::with_proxy(sites, sibling, settings).await;
        let window = Window::like(Wishes { hosts, block_third_party_cookies: true }).await;
        Self { scene, window, _files: files }
    }

    async fn of_flow(flow: Option<&str>, sibling: Option<&str>) -> Self {
        let settings: Vec<_> = flow.map(|flow| ("QLIK_FLOW", flow)).into_iter().collect();
        Self::with(sibling, &[PORTAL, SIBLING], &settings).await
    }

    /// The origin of the sheet.
    fn proxy(&self, sibling: Option<&str>) -> String {
        sibling.map_or_else(|| self.scene.url.clone(), |name| self.scene.url.replace(PORTAL, name))
    }

    /// How often a browser has called the tenant itself.
    fn calls_of_browser(&self) -> usize {
        let requests = self.scene.tenant.control().requests();
        requests.iter().filter(|request| request.origin.is_some()).count()
    }
}

/// Writes down each state that the page shows from now on, on each page.
async fn watch_states(window: &Window) {
    let source = "window.states = []; new MutationObserver(() => {
            const state = document.querySelector('#embed')?.dataset.state;
            if (state && states.at(-1) !== state) states.push(state);
        }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-state'] });";
    window.tell("Page.enable", json!({})).await;
    window.tell("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
}

async fn states(window: &Window) -> Value {
    window.value("window.states").await
}

async fn is_ready(window: &Window) {
    window.until_state("connected").await;
    window.in_frame(async || window.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flow_proxy_shows_the_sheet_where_third_party_cookies_are_blocked() {
    for sibling in [None, Some(SIBLING)] {
        let place = Place::of_flow(Some("proxy"), sibling).await;
        let (scene, window) = (&place.scene, &place.window);
        watch_states(window).await;
        window.see_the_sheet(scene, "ada").await;
        assert_eq!(states(window).await, json!(["loading", "connected"]));
        let source = window.value("document.querySelector('iframe').src").await;
        assert!(
            source.as_str().is_some_and(|at| at.starts_with(&format!("{}/single/?", place.proxy(sibling)))),
            "{source}"
        );
        let viewer = window.in_frame(async || window.text("#viewer").await).await;
        assert!(viewer.contains("Ada Lovelace"), "{viewer}");

        let control = scene.tenant.control();
        assert_eq!(control.logins().iter().map(|login| login.status).collect::<Vec<_>>(), [200]);
        assert_eq!(place.calls_of_browser(), 0);
        assert_eq!(window.value("document.cookie").await, json!(""), "no cookie of the tenant's for scripts");

        let name = if sibling.is_some() { "proxied-sibling" } else { "proxied" };
        audit::passes(window, name).await;
        window.picture(name).await;
        window.resize(PHONE).await;
        window.picture(&format!("{name}-390")).await;
        window.resize(DESK).await;
        place.window.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn auto_carries_on_without_a_word_and_is_remembered() {
    for sibling in [None, Some(SIBLING)] {
        let place = Place::of_flow(None, sibling).await;
        let (scene, window) = (&place.scene, &place.window);
        watch_states(window).await;
        window.sign_in(scene, "ada").await;
        window.until("location.pathname === '/embed/default'").await;
        window.mark().await;
        is_ready(window).await;
        assert!(window.is_marked().await, "the page was reloaded");
        assert_eq!(states(window).await, json!(["loading", "connected"]), "no error in between");
        assert_eq!(window.value("document.querySelector('#embed').dataset.flow").await, json!("auto"));
        // The browser's own login, which it did not keep; and the server's.
        assert_eq!(scene.tenant.control().logins().len(), 2);

        let before = place.calls_of_browser();
        for _ in 0..2 {
            window.driver.refresh().await.unwrap();
            is_ready(window).await;
            assert_eq!(window.value("document.querySelector('#embed').dataset.flow").await, json!("proxy"));
            assert_eq!(states(window).await, json!(["loading", "connected"]));
        }
        assert_eq!(place.calls_of_browser(), before, "the tenant is not tried again");
        assert_eq!(scene.tenant.control().logins().len(), 2);
        place.window.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_and_frame_share_their_engine_session_through_the_server() {
    for sibling in [None, Some(SIBLING)] {
        let place = Place::of_flow(Some("proxy"), sibling).await;
        let (scene, window) = (&place.scene, &place.window);
        window.see_the_sheet(scene, "ada").await;
        window
            .in_frame(async || {
                window.click("#bars button[data-value='Africa']").await;
                window.until("document.querySelectorAll('#bars button').length === 1").await;
            })
            .await;
        let identity = window.value("document.querySelector('#embed').dataset.identity").await;
        let control = scene.tenant.control();
        let selected = control.selections("password|ada", identity.as_str());
        assert_eq!(selected.get("Region"), Some(&vec!["Africa".to_owned()]));
        let identities: Vec<_> = control.sockets().into_iter().map(|socket| socket.identity).collect();
        assert_eq!(identities, vec![identity.as_str().map(str::to_owned); 2]);

        // Notices of the page and of the frame: both sockets tell.
        control.close_sockets(4001, "idle");
        window.until_state("closed").await;
        assert_eq!(window.text("#notice-what").await, "Because nothing happened for a while, this session has ended.");
        window
            .in_frame(async || window.until("document.querySelector('#sheet').dataset.state === 'closed'").await)
            .await;
        window.click("#notice-retry").await;
        is_ready(window).await;
        eventually("two sockets", async || control.sockets().len() == 2).await;
        let bars =
            window.in_frame(async || window.value("document.querySelectorAll('#bars button').length").await).await;
        assert_eq!(bars, json!(1), "what was selected is selected");
        assert_eq!(control.logins().len(), 1);
        place.window.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_neither_way_open_the_words_of_the_tutorial_and_advice() {
    // The name leads nowhere: nobody has told the browser where it is.
    let place = Place::with(Some(SIBLING), &[PORTAL], &[]).await;
    let (scene, window) = (&place.scene, &place.window);
    window.sign_in(scene, "ada").await;
    window.until_state("error").await;
    assert_eq!(
        window.text("#notice-what").await,
        "Third-party cookies are not enabled in your browser settings and/or browser mode."
    );
    assert!(window.text("#notice-advice").await.contains("the details tell an administrator why"));
    let detail = window.value("document.querySelector('#notice-detail').textContent").await;
    assert!(detail.as_str().is_some_and(|detail| detail.contains(&place.proxy(Some(SIBLING)))), "{detail}");
    audit::passes(window, "neither way").await;
    window.picture("neither-way").await;
    window.resize(PHONE).await;
    window.picture("neither-way-390").await;
    place.window.close().await;
}
