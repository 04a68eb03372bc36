//! Somebody whom the tenant has only just created: their rights need a while to arrive (Qlik Cloud facts, section F.5).

use std::time::Duration;

use qlik_embed_bff::demo::{NoAccess, Race};

use super::audit;
use super::scene::Scene;
use super::window::Window;

/// The race lasts a minute by the tenant's clock, which is put forward as soon as the visitor is told to wait.
async fn waits_and_then_sees_the_sheet(signal: NoAccess) {
    let race = Race { lasts: Duration::from_secs(60), signal };
    let scene = Scene::with(|settings| settings.switches.race = Some(race)).await;
    let window = Window::open().await;
    window.sign_in(&scene, "ada").await;
    window.until_state("preparing").await;
    assert_eq!(window.text("#notice-title").await, "Preparing your access…");
    assert_eq!(window.text("#status").await, "Preparing access");
    window.picture("preparing").await;
    audit::passes(&window, "preparing").await;

    scene.tenant.control().shift_clock(time::Duration::minutes(1));
    window.until_state("connected").await;
    assert_eq!(scene.tenant.control().logins().len(), 1);
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_visitor_waits_when_the_socket_closes_after_connecting() {
    waits_and_then_sees_the_sheet(NoAccess::CloseAfterConnect).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_visitor_waits_when_the_session_state_is_access_denied() {
    waits_and_then_sees_the_sheet(NoAccess::ConnectedState).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_visitor_waits_when_the_app_does_not_open() {
    waits_and_then_sees_the_sheet(NoAccess::OpenDocError).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_visitor_waits_when_the_socket_closes_for_want_of_permission() {
    waits_and_then_sees_the_sheet(NoAccess::ClosePermission).await;
}
