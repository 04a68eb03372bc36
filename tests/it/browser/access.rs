//! For everybody: keyboards without a mouse, phones, large type, screen readers.

use std::time::Duration;

use qlik_embed_bff::demo::{Refusal, Times};
use serde_json::json;
use thirtyfour::Key;

use super::audit;
use super::scene::Scene;
use super::window::{DESK, PHONE, Window};
use crate::portal::PASSWORD;

/// 1280 × 800 at 200 % zoom.
const ZOOMED: (u32, u32) = (640, 400);

async fn fits(window: &Window, page: &str) {
    for size in [PHONE, ZOOMED, (320, 640)] {
        window.resize(size).await;
        let overhang =
            window.value("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(overhang, json!(0), "{page} at {size:?} scrolls sideways");
    }
    window.resize(DESK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyboard_is_enough() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    let focus = async || window.value("document.activeElement.id || document.activeElement.tagName").await;

    window.driver.goto(format!("{}/", scene.url)).await.unwrap();
    window.type_text("ada").await;
    window.press(Key::Tab).await;
    window.type_text(PASSWORD).await;
    window.press(Key::Enter).await;
    window.until_state("connected").await;

    // The first stop skips to the sheet.
    window.press(Key::Tab).await;
    assert_eq!(window.value("document.activeElement.className").await, json!("skip"));
    window.press(Key::Enter).await;
    window.press(Key::Tab).await;
    assert_eq!(focus().await, json!("IFRAME"));
    window
        .in_frame(async || {
            window.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await;
            for _ in 0..20 {
                if window.value("document.activeElement.dataset.value === 'Europe'").await == json!(true) {
                    break;
                }
                window.press(Key::Tab).await;
            }
            window.press(Key::Enter).await;
            window.until("document.querySelectorAll('#bars button').length === 1").await;
        })
        .await;

    // The way forward has the focus when something happens, and the sheet has it again afterwards.
    scene.tenant.control().close_sockets(4001, "idle");
    window.until_state("closed").await;
    assert_eq!(focus().await, json!("notice-retry"));
    window.press(Key::Enter).await;
    window.until_state("connected").await;
    assert_eq!(focus().await, json!("IFRAME"));
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_scrolls_sideways_on_a_phone_or_at_large_zoom() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.driver.goto(format!("{}/", scene.url)).await.unwrap();
    fits(&window, "sign-in").await;
    window.see_the_sheet(&scene, "ada").await;
    fits(&window, "the sheet").await;

    window.resize(PHONE).await;
    let frame = window.value("document.querySelector('iframe').getBoundingClientRect().width").await;
    assert_eq!(frame, json!(390), "the frame has the whole width");
    scene.tenant.control().close_sockets(4001, "idle");
    window.until_state("closed").await;
    fits(&window, "a notice").await;
    window.resize(PHONE).await;
    window.picture("closed-390").await;
    assert!(
        window.value("document.querySelector('#notice-retry').getBoundingClientRect().height").await.as_f64()
            >= Some(40.0)
    );

    window.driver.goto(format!("{}/nowhere", scene.url)).await.unwrap();
    fits(&window, "the error page").await;
    window.driver.goto(format!("{}/embed/default", scene.url)).await.unwrap();
    window.click("form[action='/logout'] button").await;
    fits(&window, "signed out").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_and_every_notice_passes_the_audit() {
    let scene = Scene::start().await;
    let control = scene.tenant.control();
    let window = Window::open().await;

    control.delay("/api/v1/users/me", Duration::from_secs(8));
    window.sign_in(&scene, "ada").await;
    window.until_state("loading").await;
    audit::passes(&window, "loading").await;
    control.mend();
    window.until_state("connected").await;
    audit::passes(&window, "connected").await;

    control.close_sockets(4001, "idle");
    window.until_state("closed").await;
    window.click("#notice-details summary").await;
    audit::passes(&window, "closed, with details").await;
    window.click("#notice-retry").await;
    window.until_state("connected").await;

    control.drop_sockets();
    window.until_state("suspended").await;
    audit::passes(&window, "suspended").await;

    control.refuse("/api/v1/csrf-token", Refusal::RateLimited { retry_after: 60 }, Times::Next(1));
    window.click("#notice-retry").await;
    window.until_state("error").await;
    audit::passes(&window, "waiting").await;

    window.be_offline(true).await;
    window.until_state("offline").await;
    audit::passes(&window, "offline").await;
    window.be_offline(false).await;
    window.until_state("connected").await;

    scene.app.clock.advance(time::Duration::hours(13));
    control.close_sockets(4001, "idle");
    window.until_state("closed").await;
    window.click("#notice-retry").await;
    window.until_state("error").await;
    audit::passes(&window, "session ended").await;

    // The same in a frame of a page of the portal's, which may show frames that this one may not.
    window.tell("Page.setBypassCSP", json!({ "enabled": true })).await;
    window.driver.goto(format!("{}/login", scene.url)).await.unwrap();
    let frame = "const frame = document.createElement('iframe');
        frame.src = '/embed/default';
        document.getElementById('content').replaceWith(Object.assign(document.createElement('div'), { id: 'frame' }));
        document.getElementById('frame').append(frame);";
    window.driver.execute(frame, vec![]).await.unwrap();
    window
        .in_frame(async || {
            window.until("document.querySelector('h1')?.textContent === 'Your session has ended'").await;
            let way = window.value("document.querySelector('a[target=_blank]').pathname").await;
            assert_eq!(way, json!("/embed/default"), "the sign-in leads back to the page");
            audit::passes(&window, "session ended, in a frame").await;
        })
        .await;
    window.tell("Page.setBypassCSP", json!({ "enabled": false })).await;

    window.see_the_sheet(&scene, "ada").await;
    window.driver.goto(format!("{}/nowhere", scene.url)).await.unwrap();
    audit::passes(&window, "error page").await;
    window.picture("error").await;
    window.close().await;
}

/// What a screen reader would say, in order: the status line politely, failures at once.
#[tokio::test(flavor = "multi_thread")]
async fn states_are_announced() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    let listen = "window.said = [];
        for (const id of ['status', 'alert']) {
            const element = document.getElementById(id);
            new MutationObserver(() => element.textContent && window.said.push([element.getAttribute('role'), element.textContent]))
                .observe(element, { childList: true, characterData: true, subtree: true });
        }";
    window.driver.execute(listen, vec![]).await.unwrap();
    scene.tenant.control().close_sockets(4001, "idle");
    window.until_state("closed").await;
    window.click("#notice-retry").await;
    window.until_state("connected").await;
    let said = window.value("window.said").await;
    assert_eq!(
        said,
        json!([
            [
                "alert",
                "Session ended. Because nothing happened for a while, this session has ended. Reconnect to carry on."
            ],
            ["status", "Connecting"],
            ["status", "Connected"],
        ])
    );
    window.close().await;
}
