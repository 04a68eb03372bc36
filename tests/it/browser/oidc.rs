//! Signing in at an OpenID provider on another site, and signing out of both.

use serde_json::json;

use super::scene::Scene;
use super::window::{Window, eventually};
use crate::provider::Provider;

/// Goes to a page, signs in at the provider, and waits for the sheet.
async fn see_the_sheet(window: &Window, scene: &Scene, name: &str) {
    window.driver.goto(format!("{}/embed/default?from=mail", scene.url)).await.unwrap();
    window.driver.goto(format!("{}/login/oidc", scene.url)).await.unwrap();
    window.until("document.title === 'The provider'").await;
    window.type_text(name).await;
    window.click("button").await;
    window.until_state("connected").await;
    window.in_frame(async || window.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await).await;
}

/// Signs out on the provider's page.
async fn leave(window: &Window, provider: &Provider) {
    window.until("document.title === 'Sign out'").await;
    assert_eq!(window.value("location.origin").await, json!(provider.issuer));
    window.click("#leave").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_of_the_provider_sees_the_sheet_and_signs_out_of_both() {
    let (scene, provider) = Scene::with_provider().await;
    let window = Window::open().await;
    see_the_sheet(&window, &scene, "ada").await;
    let control = scene.tenant.control();
    assert!(control.sockets().iter().all(|socket| socket.subject == "oidc|ada"));
    let viewer = window.in_frame(async || window.value("document.querySelector('#sheet').dataset.viewer").await).await;
    assert_eq!(viewer, json!("Ada Lovelace"));
    assert_eq!(window.value("location.pathname + location.search").await, json!("/embed/default?from=mail"));
    assert_eq!(window.value("document.referrer.includes('code')").await, json!(false));

    window.click("form[action='/logout'] button").await;
    leave(&window, &provider).await;
    window.until("document.querySelector('h1').textContent === 'You are signed out'").await;
    assert_eq!(window.value("location.href").await, json!(format!("{}/logout", scene.url)));
    eventually("the tenant was told", async || control.requests().iter().any(|request| request.path == "/logout"))
        .await;

    // The provider has forgotten her, too: it asks again.
    see_the_sheet(&window, &scene, "grace").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_at_the_provider_ends_here() {
    let (scene, provider) = Scene::with_provider().await;
    let window = Window::open().await;
    see_the_sheet(&window, &scene, "ada").await;
    let session = format!("{}/session", scene.url);
    window.driver.goto(&session).await.unwrap();
    assert!(window.text("body").await.contains("\"id\":\"ada\""));

    window.driver.goto(format!("{}/session/end", provider.issuer)).await.unwrap();
    leave(&window, &provider).await;
    eventually("the portal was told", async || provider.requests("/session/end/confirm").await == 1).await;
    eventually("the session is over", async || {
        window.driver.goto(format!("{}/embed/default", scene.url)).await.unwrap();
        window.value("location.pathname").await != json!("/embed/default")
    })
    .await;
    window.close().await;
}
