//! What goes wrong on the way to the sheet, and the sentence for it.

use std::time::{Duration, Instant};

use qlik_embed_bff::demo::{NoAccess, Refusal, Times};
use serde_json::json;

use super::scene::Scene;
use super::window::Window;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_down_cannot_be_reached_and_another_try_helps_when_it_is_back() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    scene.tenant.control().unplug().await;
    window.sign_in(&scene, "ada").await;
    window.until_state("error").await;
    assert_eq!(window.text("#notice-what").await, "Qlik Cloud cannot be reached.");
    assert!(!window.text("#notice-advice").await.is_empty());
    window.picture("tenant-down").await;
    window.mark().await;

    scene.tenant.control().plug_in().unwrap();
    window.click("#notice-retry").await;
    window.until_state("connected").await;
    assert!(window.is_marked().await);
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_token_is_told_with_what_the_administrator_can_do() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    scene.tenant.control().change(|settings| settings.providers[0].issuer = "somebody-else".into());
    window.sign_in(&scene, "ada").await;
    window.until_state("error").await;
    assert_eq!(window.text("#notice-what").await, "Qlik Cloud refused this portal's sign-in token.");
    assert!(window.text("#notice-advice").await.contains("issuer, key ID and certificate"));
    let detail = window.value("document.querySelector('#notice-detail').textContent").await;
    let detail = detail.as_str().unwrap();
    assert!(detail.starts_with("login/jwt-session: 401"), "{detail}");
    assert!(!detail.contains("eyJ"), "no token in sight: {detail}");
    window.picture("token-refused").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expired_at_the_tenant_is_renewed_without_a_word() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    let control = scene.tenant.control();
    assert_eq!(control.logins().len(), 1);
    control.expire_sessions();
    window.driver.refresh().await.unwrap();
    window.until_state("connected").await;
    let statuses: Vec<_> = control.logins().iter().map(|login| login.status).collect();
    assert_eq!(statuses, [200, 200]);
    window.close().await;
}

/// Between the look at the session and the CSRF token: still nothing that the visitor has to know.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_expires_on_the_way_is_renewed_without_a_word() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    let control = scene.tenant.control();
    control.refuse("/api/v1/csrf-token", Refusal::Unauthorized, Times::Next(1));
    window.see_the_sheet(&scene, "ada").await;
    let statuses: Vec<_> = control.logins().iter().map(|login| login.status).collect();
    assert_eq!(statuses, [200, 200]);
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_the_tenant_asks_for_is_kept_and_shown() {
    let pause = Duration::from_secs(6);
    let scene = Scene::start().await;
    let window = Window::open().await;
    let control = scene.tenant.control();
    control.refuse("/login/jwt-session", Refusal::RateLimited { retry_after: 6 }, Times::Next(1));
    let start = Instant::now();
    window.sign_in(&scene, "ada").await;
    window.until_state("error").await;
    // At one glance: the page carries on by itself.
    let said = "['what', 'wait', 'retry'].map((part) => document.querySelector(`#notice-${part}`).textContent)";
    let said = window.value(said).await;
    assert_eq!(said[0], json!("Qlik Cloud is receiving too many requests."));
    assert!(said[1].as_str().is_some_and(|wait| wait.starts_with("Trying again in ")), "{said}");
    assert_eq!(said[2], json!(""), "no button for those who cannot wait");

    window.until_state("connected").await;
    assert!(start.elapsed() >= pause, "asked again after {:?}", start.elapsed());
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_without_access_gets_a_second_try_and_then_the_sentence() {
    // An account from an hour ago: the tenant's clock is put back for its first login.
    let hour = time::Duration::hours(1);
    let scene = Scene::with(|settings| settings.providers[0].clock_tolerance = Duration::from_secs(2 * 3600)).await;
    let control = scene.tenant.control();
    control.shift_clock(-hour);
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    control.shift_clock(hour);

    control.deny_app("password|ada", NoAccess::ClosePermission);
    control.forget();
    window.driver.refresh().await.unwrap();
    window.until_state("error").await;
    assert_eq!(window.text("#notice-what").await, "You have no permission to open the app.");
    assert!(window.text("#notice-advice").await.contains("a role in the app's space"));
    let tries = control.requests().iter().filter(|request| request.path.starts_with("/app/")).count();
    assert_eq!(tries, 2);

    control.grant_app("password|ada");
    window.click("#notice-retry").await;
    window.until_state("connected").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_by_another_address_is_led_to_the_right_one() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    let elsewhere = scene.url.replace("localhost", "127.0.0.1");
    window.driver.goto(format!("{elsewhere}/")).await.unwrap();
    window.fill_in("ada").await;
    window.until_state("error").await;
    assert_eq!(window.text("#notice-what").await, "Qlik Cloud knows this portal under another address.");
    let way = window.value("document.querySelector('#notice-way').href").await;
    assert_eq!(way, json!(format!("{}/embed/default", scene.url)));
    window.close().await;
}
