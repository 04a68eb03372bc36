//! What ends on the way, and what the visitor hears of it.

use std::time::Duration;

use qlik_embed_bff::demo::{Refusal, Times};
use serde_json::json;

use super::{PHONE, Place, SIBLING, audit, eventually, is_ready};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expired_at_the_tenant_is_renewed_behind_the_scenes() {
    let place = Place::of_flow(Some("proxy"), Some(SIBLING)).await;
    let (scene, window) = (&place.scene, &place.window);
    window.see_the_sheet(scene, "ada").await;
    let control = scene.tenant.control();
    control.expire_sessions();
    let name = window
        .in_frame(async || {
            let ask = "const done = arguments[0];
                fetch('/api/v1/users/me').then((answer) => answer.json()).then(({ name }) => done(name), (p) => done(String(p)));";
            window.driver.execute_async(ask, vec![]).await.unwrap().json().clone()
        })
        .await;
    assert_eq!(name, json!("Ada Lovelace"));
    assert_eq!(control.logins().len(), 2);
    control.expire_sessions();
    window.driver.refresh().await.unwrap();
    is_ready(window).await;
    assert_eq!(control.logins().len(), 3);
    place.window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_down_is_told_and_the_page_carries_on_when_it_is_back() {
    let place = Place::of_flow(Some("proxy"), None).await;
    let (scene, window) = (&place.scene, &place.window);
    scene.tenant.control().unplug().await;
    window.sign_in(scene, "ada").await;
    window.until_state("error").await;
    assert_eq!(window.text("#notice-what").await, "Qlik Cloud cannot be reached.");
    let detail = window.value("document.querySelector('#notice-detail').textContent").await;
    assert!(detail.as_str().is_some_and(|detail| detail.contains("tenant_unreachable")), "{detail}");
    window.picture("proxied-tenant-down").await;
    window.mark().await;

    scene.tenant.control().plug_in().unwrap();
    is_ready(window).await;
    assert!(window.is_marked().await, "by itself, and without a reload");
    place.window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_is_told_as_one() {
    let place = Place::of_flow(Some("proxy"), Some(SIBLING)).await;
    let (scene, window) = (&place.scene, &place.window);
    scene.tenant.control().refuse("/login/jwt-session", Refusal::Unauthorized, Times::Always);
    window.sign_in(scene, "ada").await;
    window.until_state("error").await;
    assert_eq!(window.text("#notice-what").await, "Qlik Cloud refused this portal's sign-in token.");
    audit::passes(window, "refused").await;
    window.picture("proxied-refused").await;
    window.resize(PHONE).await;
    window.picture("proxied-refused-390").await;
    scene.tenant.control().mend();
    // The server asks the tenant again after a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    window.click("#notice-retry").await;
    is_ready(window).await;
    place.window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_in_another_tab_ends_the_sheet_and_the_session_at_the_tenant() {
    let place = Place::of_flow(Some("proxy"), Some(SIBLING)).await;
    let (scene, window) = (&place.scene, &place.window);
    window.see_the_sheet(scene, "ada").await;
    let control = scene.tenant.control();
    let sheet = window.driver.window().await.unwrap();
    let tab = window.driver.new_tab().await.unwrap();
    window.driver.switch_to_window(tab).await.unwrap();
    window.driver.goto(format!("{}/session", scene.url)).await.unwrap();
    window.driver.goto(format!("{}/embed/default", scene.url)).await.unwrap();
    window.click("form[action='/logout'] button").await;
    window.until("document.querySelector('h1').textContent === 'You are signed out'").await;
    assert_eq!(window.value("document.scripts.length").await, json!(0), "there is nothing to end in this browser");

    window.driver.switch_to_window(sheet).await.unwrap();
    window.until_state("closed").await;
    assert_eq!(window.text("#notice-title").await, "Please sign in again");
    assert_eq!(window.text("#notice-way").await, "Sign in");
    assert_eq!(window.value("document.querySelector('#notice-retry').hidden").await, json!(true));
    audit::passes(window, "signed out").await;
    window.picture("proxied-signed-out").await;
    window.resize(PHONE).await;
    window.picture("proxied-signed-out-390").await;
    eventually("no socket is left", async || control.sockets().is_empty()).await;
    eventually("the tenant's session has ended", async || {
        control.requests().iter().any(|request| request.path == "/logout")
    })
    .await;

    window.click("#notice-way").await;
    window.fill_in("ada").await;
    is_ready(window).await;
    place.window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_told_and_the_sheet_comes_back() {
    let place = Place::of_flow(Some("proxy"), None).await;
    let (scene, window) = (&place.scene, &place.window);
    window.see_the_sheet(scene, "ada").await;
    window.mark().await;
    scene.tenant.control().drop_sockets();
    window.until_state("suspended").await;
    window.click("#notice-retry").await;
    is_ready(window).await;
    assert!(window.is_marked().await, "the page was reloaded");
    window.be_offline(true).await;
    window.until_state("offline").await;
    window.be_offline(false).await;
    is_ready(window).await;
    place.window.close().await;
}
