//! Visitors of a host portal on a third site, who come with a ticket: in a window, and in a frame of the portal's page.

use qlik_embed_bff::demo::{Cookies, HostPortal};
use serde_json::json;
use tempfile::TempDir;

use super::audit;
use super::cookies::{PORTAL, TENANT, certificate};
use super::scene::{Scene, Sites};
use super::window::{Window, Wishes};

const HOST: &str = "intranet.test";

async fn start(cookies: Cookies) -> (Scene, HostPortal, TempDir) {
    let (folder, certificate, key) = certificate(&[PORTAL, TENANT, HOST]);
    let sites = Sites { portal: PORTAL, tenant: TENANT, certificate: &certificate, key: &key };
    let (scene, host) = Scene::with_host_portal(sites, HOST, cookies, None, &[("QLIK_FLOW", "session")]).await;
    (scene, host, folder)
}

async fn window(block_third_party_cookies: bool) -> Window {
    Window::like(Wishes { hosts: &[PORTAL, TENANT, HOST], block_third_party_cookies }).await
}

async fn sees_the_sheet(window: &Window, scene: &Scene) {
    window.until_state("connected").await;
    assert_eq!(window.value("document.querySelector('#embed').dataset.subject").await, json!("ticket|emmy"));
    assert!(window.text(".visitor").await.contains("Emmy Noether"));
    window.in_frame(async || window.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await).await;
    let subjects: Vec<_> = scene.tenant.control().sockets().into_iter().map(|socket| socket.subject).collect();
    assert_eq!(subjects, ["ticket|emmy", "ticket|emmy"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_at_the_portal_leads_to_the_sheet_and_leaves_no_ticket_behind() {
    let (scene, host, _folder) = start(Cookies::cross_site()).await;
    let window = window(false).await;
    window.driver.goto(host.origin()).await.unwrap();
    window.click("#open").await;
    sees_the_sheet(&window, &scene).await;
    // The redirect's own policy keeps even the portal's origin from the next page.
    let place = window.value("[location.href, document.referrer]").await;
    assert_eq!(place, json!([format!("{}/embed/default", scene.url), ""]));
    // Behind this page lies the portal's, and no page with a ticket.
    window.driver.back().await.unwrap();
    window.until("document.querySelector('#open')").await;
    assert_eq!(window.value("location.href").await, json!(format!("{}/", host.origin())));

    // A ticket that is no good: the way back, in words that everybody understands.
    window.driver.goto(format!("{}/login/ticket?ticket=x", scene.url)).await.unwrap();
    assert_eq!(window.text("h1").await, "You could not be signed in");
    audit::passes(&window, "a refused ticket").await;
    window.close().await;
}

/// Our cookie is partitioned, and comes along where third-party cookies are blocked. With such a tenant too, all is well.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_the_portal_shows_the_sheet_without_third_party_cookies() {
    let cookies = Cookies { partitioned: true, ..Cookies::cross_site() };
    let (scene, host, _folder) = start(cookies).await;
    let window = window(true).await;
    window.driver.goto(host.origin()).await.unwrap();
    window.click("#show").await;
    window.enter_frame().await;
    sees_the_sheet(&window, &scene).await;
    window.picture("host-portal").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_the_portal_shows_the_sheet_with_third_party_cookies() {
    let (scene, host, _folder) = start(Cookies::cross_site()).await;
    let window = window(false).await;
    window.driver.goto(format!("{}/framed", host.origin())).await.unwrap();
    window.enter_frame().await;
    sees_the_sheet(&window, &scene).await;
    window.close().await;
}

/// Where the tenant's cookies are blocked, it is the tenant's session that fails, and the page says so: ours is there.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_the_portal_tells_that_the_cookies_of_the_tenant_are_blocked() {
    let (scene, host, _folder) = start(Cookies::cross_site()).await;
    let window = window(true).await;
    window.driver.goto(format!("{}/framed", host.origin())).await.unwrap();
    window.enter_frame().await;
    window.until_state("error").await;
    assert_eq!(
        window.text("#notice-what").await,
        "Third-party cookies are not enabled in your browser settings and/or browser mode."
    );
    let logins: Vec<_> =
        scene.tenant.control().logins().into_iter().map(|login| (login.status, login.claims["sub"].clone())).collect();
    assert_eq!(logins, [(200, json!("ticket|emmy"))], "the token was given, and accepted");
    window.close().await;
}
