//! What visitors come for: the sheet, and what can be done with it.

use qlik_embed_bff::demo::Theme;
use serde_json::json;

use super::audit;
use super::scene::{NAME, Scene, TITLE};
use super::window::{DESK, PHONE, Window};

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_signs_in_and_sees_the_sheet() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;

    assert_eq!(window.text(".brand").await, NAME);
    assert_eq!(window.text("h1").await, TITLE);
    assert!(window.text(".visitor").await.contains("Ada Lovelace"));
    assert_eq!(window.text("#status").await, "Connected");
    let (bars, total, viewer) = window
        .in_frame(async || {
            let bars = window.value("document.querySelectorAll('#bars button').length").await;
            let total = window.text("#kpi-value").await;
            (bars, total, window.value("document.querySelector('#sheet').dataset.viewer").await)
        })
        .await;
    assert_eq!(bars, json!(5));
    assert!(total.chars().any(|c| c.is_ascii_digit()), "{total}");
    assert_eq!(viewer, json!("Ada Lovelace"));

    audit::passes(&window, "the sheet").await;
    window.picture("embed").await;
    window.prefer("dark").await;
    window.picture("embed-dark").await;
    window.prefer("light").await;
    window.resize(PHONE).await;
    window.picture("embed-390").await;
    window.resize(DESK).await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_filters() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    window.see_the_sheet(&scene, "ada").await;
    window
        .in_frame(async || {
            let all = window.text("#kpi-value").await;
            window.click("#bars button[data-value='Europe']").await;
            window.until("document.querySelectorAll('#bars button').length === 1").await;
            window.until(&format!("document.querySelector('#kpi-value').textContent !== '{all}'")).await;
            window.click("#clear-all").await;
            window.until("document.querySelectorAll('#bars button').length === 5").await;
            window.click("#bars button[data-value='Africa']").await;
            window.until("document.querySelectorAll('#bars button').length === 1").await;
        })
        .await;

    // Page and frame share one engine session, and that belongs to this session of ours.
    let identity = window.value("document.querySelector('#embed').dataset.identity").await;
    let identity = identity.as_str().unwrap();
    let control = scene.tenant.control();
    let selected = control.selections("password|ada", Some(identity));
    assert_eq!(selected.get("Region"), Some(&vec!["Africa".to_owned()]));
    let identities: Vec<_> = control.sockets().into_iter().map(|socket| socket.identity).collect();
    assert_eq!(identities, [Some(identity.to_owned()), Some(identity.to_owned())]);
    window.picture("selection").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_frame_has_the_theme_of_the_app_and_a_missing_one_is_no_error() {
    let scene = Scene::start().await;
    let window = Window::open().await;
    for (theme, expected) in
        [(Theme::Named("horizon".into()), "horizon"), (Theme::Unset, ""), (Theme::NoAppProperties, "")]
    {
        scene.tenant.control().change(|settings| settings.switches.theme = theme);
        if expected.is_empty() {
            window.driver.goto(format!("{}/embed/default", scene.url)).await.unwrap();
        } else {
            window.sign_in(&scene, "ada").await;
        }
        window.until_state("connected").await;
        let src = window.value("new URL(document.querySelector('iframe').src).searchParams.get('theme') ?? ''").await;
        assert_eq!(src, json!(expected));
    }
    window.close().await;
}
