//! Signing in and out, and who is shown what after it.

use qlik_embed_bff::demo::{Refusal, Times};
use serde_json::json;
use thirtyfour::By;

use super::audit;
use super::scene::Scene;
use super::window::{PHONE, Window, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_the_name_is_kept() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.driver.goto(format!("{}/embed/default", scene.url)).await.unwrap();
    assert_eq!(window.value("location.pathname").await, json!("/login"));
    assert_eq!(window.value("document.activeElement.id").await, json!("username"));
    audit::passes(&window, "sign-in").await;
    window.picture("sign-in").await;
    window.resize(PHONE).await;
    window.picture("sign-in-390").await;

    window.driver.find(By::Id("username")).await.unwrap().send_keys("ada").await.unwrap();
    window.driver.find(By::Id("password")).await.unwrap().send_keys("not this one").await.unwrap();
    window.click("form[action='/login'] button").await;

    assert!(window.text("[role=alert]").await.contains("user name or the password is wrong"));
    assert_eq!(window.value("document.querySelector('#username').value").await, json!("ada"));
    assert_eq!(window.value("document.activeElement.id").await, json!("password"));
    assert!(window.driver.title().await.unwrap().starts_with("Error: "));
    audit::passes(&window, "sign-in with a problem").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_at_the_tenant_too() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    window.click("form[action='/logout'] button").await;
    window.until("document.querySelector('h1').textContent === 'You are signed out'").await;

    let control = scene.tenant.control();
    eventually("the tenant was told", async || control.requests().iter().any(|request| request.path == "/logout"))
        .await;
    eventually("no socket is left", async || control.sockets().is_empty()).await;
    audit::passes(&window, "signed out").await;

    window.driver.goto(&scene.url).await.unwrap();
    assert_eq!(window.value("location.pathname").await, json!("/login"));
    window.close().await;
}

/// The tenant's session outlives ours when its sign-out fails, and the next visitor must not be taken for the last.
#[tokio::test(flavor = "multi_thread")]
async fn the_next_person_at_the_same_browser_sees_their_own_data() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    scene.tenant.control().refuse("/logout", Refusal::Status(500), Times::Always);
    window.click("form[action='/logout'] button").await;
    window.until("document.querySelector('h1').textContent === 'You are signed out'").await;

    window.see_the_sheet(&scene, "bob").await;
    let viewer = window.in_frame(async || window.value("document.querySelector('#sheet').dataset.viewer").await).await;
    assert_eq!(viewer, json!("Bob Noyce"));
    let subjects: Vec<_> = scene.tenant.control().sockets().into_iter().map(|socket| socket.subject).collect();
    assert_eq!(subjects, ["password|bob", "password|bob"]);
    window.close().await;
}

/// Whoever tried too often reads when to come again, and finds the way back; so does a person to whom a page was to be opened.
#[tokio::test(flavor = "multi_thread")]
async fn too_many_attempts_are_told_with_the_time_to_come_again() {
    let scene = Scene::limited(&[("RATE_LIMIT_SIGN_IN", "2")]).await;
    let window = Window::open().await;
    window.driver.goto(&format!("{}/embed/default", scene.url)).await.unwrap();
    for _ in 0..3 {
        window.fill_in_as("ada", "not this one").await;
    }
    assert_eq!(window.text("h1").await, "That was too often");
    let words = window.text("main").await;
    assert!(words.contains("Try again in ") && words.contains(" seconds."), "{words}");
    audit::passes(&window, "sign-in limited").await;
    window.picture("sign-in-limited").await;
    window.prefer("dark").await;
    window.picture("sign-in-limited-dark").await;
    window.resize(PHONE).await;
    window.picture("sign-in-limited-390-dark").await;
    window.prefer("light").await;
    assert_eq!(window.value("document.documentElement.scrollWidth <= innerWidth").await, json!(true));
    window.picture("sign-in-limited-390").await;

    // The way on leads to the form again.
    window.click("main a.primary").await;
    assert_eq!(window.value("location.pathname").await, json!("/login"));
    window.close().await;
}
