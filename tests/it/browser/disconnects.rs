//! The connection ends while the sheet is on the screen.

use qlik_embed_bff::demo::AlreadyOpen;
use serde_json::json;

use super::scene::Scene;
use super::window::{Window, eventually};

async fn reconnects(window: &Window, scene: &Scene) {
    window.click("#notice-retry").await;
    is_back(window, scene).await;
}

/// The sheet is there without a reload, and with two sockets: the page's and the frame's. Not one more is left of
/// what was before.
async fn is_back(window: &Window, scene: &Scene) {
    window.until_state("connected").await;
    assert!(window.is_marked().await, "the page was reloaded");
    window.in_frame(async || window.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await).await;
    let control = scene.tenant.control();
    eventually("two sockets", async || control.sockets().len() == 2).await;
    assert_eq!(window.value("document.querySelectorAll('iframe').length").await, json!(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_engine_session_is_told_over_the_frame_and_reconnects_without_a_reload() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    window.mark().await;

    for round in 1..=3 {
        scene.tenant.control().close_sockets(4001, "idle");
        window.until_state("closed").await;
        assert_eq!(window.text("#notice-title").await, "Session ended");
        assert_eq!(window.text("#notice-what").await, "Because nothing happened for a while, this session has ended.");
        assert_eq!(window.value("document.querySelector('#frame').inert").await, json!(true));
        assert_eq!(window.value("document.activeElement.id").await, json!("notice-retry"));
        assert!(window.value("document.querySelector('#alert').textContent").await.as_str().unwrap().contains("ended"));
        if round == 1 {
            window.picture("closed").await;
        }
        reconnects(&window, &scene).await;
        assert_eq!(window.value("document.querySelector('#frame').inert").await, json!(false));
        assert_eq!(window.value("document.activeElement.tagName").await, json!("IFRAME"));
        assert_eq!(window.text("#status").await, "Connected");
    }
    assert_eq!(scene.tenant.control().logins().len(), 1, "the tenant session was still good");
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_suspends_and_reconnects_to_the_same_selections() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    window.mark().await;
    window
        .in_frame(async || {
            window.click("#bars button[data-value='Europe']").await;
            window.until("document.querySelectorAll('#bars button').length === 1").await;
        })
        .await;

    scene.tenant.control().drop_sockets();
    window.until_state("suspended").await;
    assert_eq!(window.text("#notice-title").await, "Connection interrupted");
    assert!(window.text("#notice-what").await.contains("Due to loss of connection, this session has been suspended."));
    window.picture("suspended").await;
    reconnects(&window, &scene).await;
    let bars = window.in_frame(async || window.value("document.querySelectorAll('#bars button').length").await).await;
    assert_eq!(bars, json!(1), "the engine session was attached to again");
    window.close().await;
}

/// The engine session outlives its sockets, and may refuse to open again what is open in it. The simulated sheet itself
/// cannot do with that, so only the page is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn a_living_engine_session_is_joined_whatever_opening_again_answers() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    window
        .in_frame(async || {
            window.click("#bars button[data-value='Europe']").await;
            window.until("document.querySelectorAll('#bars button').length === 1").await;
        })
        .await;
    let identity = window.value("document.querySelector('#embed').dataset.identity").await;
    let control = scene.tenant.control();
    for again in [AlreadyOpen::SameHandle, AlreadyOpen::Refused] {
        control.change(|settings| settings.switches.already_open = again);
        window.driver.refresh().await.unwrap();
        window.until_state("connected").await;

        window.mark().await;
        control.drop_sockets();
        window.until_state("suspended").await;
        window.click("#notice-retry").await;
        window.until_state("connected").await;
        assert!(window.is_marked().await, "{again:?}: the page was reloaded");
        window
            .in_frame(async || window.until("document.querySelector('#sheet').dataset.state === 'ready'").await)
            .await;
        let selected = control.selections("password|ada", identity.as_str());
        assert_eq!(selected.get("Region"), Some(&vec!["Europe".to_owned()]), "{again:?}");
    }
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expires_at_the_tenant_reconnects_with_a_new_login() {
    let scene = Scene::with(|settings| settings.switches.sockets_end_with_session = true).await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    window.mark().await;
    scene.tenant.control().expire_sessions();
    window.until_state("closed").await;
    assert_eq!(window.text("#notice-what").await, "Your sign-in at Qlik Cloud has ended.");
    reconnects(&window, &scene).await;
    assert_eq!(scene.tenant.control().logins().len(), 2);
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconnecting_after_our_own_session_has_ended_leads_to_the_sign_in_and_back() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    window.driver.goto(format!("{}/embed/default?from=a%20link", scene.url)).await.unwrap();
    window.until_state("connected").await;
    scene.app.clock.advance(time::Duration::hours(13));
    scene.tenant.control().close_sockets(4001, "idle");
    window.until_state("closed").await;
    window.click("#notice-retry").await;
    window.until_state("error").await;
    assert_eq!(window.text("#notice-what").await, "Your session here has ended.");
    assert_eq!(window.text("#notice-way").await, "Sign in");
    assert_eq!(window.value("document.activeElement.id").await, json!("notice-way"));
    window.click("#notice-way").await;
    window.until("location.pathname === '/login'").await;
    window.fill_in("ada").await;
    window.until_state("connected").await;
    assert_eq!(window.value("location.pathname + location.search").await, json!("/embed/default?from=a%20link"));
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_is_told_at_once_and_the_sheet_comes_back_by_itself() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    window.mark().await;
    window.be_offline(true).await;
    window.until_state("offline").await;
    assert_eq!(window.text("#notice-title").await, "You are offline");
    window.picture("offline").await;

    window.be_offline(false).await;
    is_back(&window, &scene).await;
    window.close().await;
}
