//! The gallery before the simulated tenant and its runtime: the whole way from our own access tokens to what is drawn.

use qlik_embed_bff::demo::IMPERSONATION;
use serde_json::json;

use super::audit;
use super::scene::Scene;
use super::window::{DESK, PHONE, Window, eventually};

/// Notes what the page's policy does not allow.
const VIOLATIONS: &str = "
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (violation) =>
        violations.push(`${violation.effectiveDirective} ${violation.blockedURI}`));";
/// How many components the gallery has, and how many are drawn.
const ALL: usize = 10;
const DRAWN: &str =
    "document.querySelectorAll('.component[data-shown=ready] .simulated-embed[data-state=ready]').length";
/// The regions that are selected, as the bar of selections says it.
const CHOSEN: &str = "document.querySelector('qlik-embed[ui=\"analytics/selections\"]').textContent.includes('Europe')";

async fn open(scene: &Scene) -> Window {
    let window = Window::open().await;
    window.tell("Page.enable", json!({})).await;
    window.tell("Page.addScriptToEvaluateOnNewDocument", json!({ "source": VIOLATIONS })).await;
    window.driver.goto(&format!("{}/gallery", scene.url)).await.expect("the portal answers");
    window.fill_in("ada").await;
    window.until(&format!("{DRAWN} === {ALL}")).await;
    window
}

/// A value of the field, as the list has it.
async fn choose_europe(window: &Window) {
    let click = "[...document.querySelectorAll('qlik-embed[ui=\"analytics/field\"] button')]
        .find((button) => button.textContent.includes('Europe')).click()";
    window.driver.execute(click, vec![]).await.expect("it can be chosen");
    window.until(CHOSEN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_is_shown_once_with_one_token_of_the_server() {
    let scene = Scene::with_gallery(&[]).await;
    let window = open(&scene).await;
    let kinds = window.value("[...document.querySelectorAll('qlik-embed')].map((one) => one.getAttribute('ui'))").await;
    assert_eq!(
        kinds,
        json!([
            "analytics/selections",
            "analytics/sheet",
            "analytics/chart",
            "analytics/field",
            "analytics/chart",
            "classic/chart",
            "classic/app",
            "analytics/snapshot",
            "ai/assistant",
            "ai/agentic-assistant"
        ])
    );
    assert_eq!(window.value("window.QlikMain.importMap").await, json!("applied"));
    assert_eq!(window.value("violations").await, json!([]));
    // Hers, made for her, and asked for once.
    let control = scene.tenant.control();
    assert_eq!(control.tokens_given(IMPERSONATION), 1);
    assert!(control.users().iter().any(|user| user.subject == "password|ada"));
    // What the browser has of it is in memory alone, and nothing of what is the server's.
    let kept = window.value("[localStorage.length, sessionStorage.length, document.cookie]").await;
    assert_eq!(kept, json!([0, 0, ""]));
    let page = window.value("document.documentElement.outerHTML").await;
    let page = page.as_str().expect("text");
    for secret in ["secret-of-embed", "key-of-an-administrator", "qlikbot"] {
        assert!(!page.contains(secret), "{secret}");
    }

    window.until("document.querySelectorAll('#data tbody tr').length === 5").await;
    let europe =
        "[...document.querySelectorAll('#data tr')].find((row) => row.textContent.includes('Europe')).textContent";
    assert_eq!(window.value(europe).await, json!("Europe6925861"));

    audit::passes(&window, "gallery").await;
    window.picture("gallery").await;
    let down = "document.querySelectorAll('.component')[2].scrollIntoView()";
    window.driver.execute(down, vec![]).await.expect("it scrolls");
    window.picture("gallery-below").await;
    window.driver.execute("document.querySelector('#data').scrollIntoView()", vec![]).await.expect("it scrolls");
    window.picture("gallery-data").await;
    window.prefer("dark").await;
    window.picture("gallery-dark").await;
    window.prefer("light").await;
    window.resize(PHONE).await;
    assert_eq!(window.value("document.documentElement.scrollWidth <= innerWidth").await, json!(true));
    window.picture("gallery-390").await;
    window.resize(DESK).await;
    window.close().await;
}

/// The token is revoked in the tenant and the sockets break off: each component can be shown again, by another token, without a
/// reload of the page.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_component_is_rebuilt_by_a_new_token_and_the_page_stays() {
    let scene = Scene::with_gallery(&[]).await;
    let window = open(&scene).await;
    choose_europe(&window).await;
    window.mark().await;
    let control = scene.tenant.control();
    control.revoke_tokens("password|ada");
    // Older than what is believed without a look.
    scene.app.clock.advance(time::Duration::minutes(1));
    control.shift_clock(time::Duration::minutes(1));
    control.drop_sockets();
    let failed = "document.querySelectorAll('.component[data-shown=failed]').length";
    window.until(&format!("{failed} === {}", ALL - 2)).await;
    let assistants = "document.querySelectorAll('.component[data-shown=ready] qlik-embed[ui^=\"ai/\"]').length";
    assert_eq!(window.value(assistants).await, json!(2), "they have no socket, and stay");
    assert_eq!(window.text("#status").await, "Partly connected");
    window.picture("gallery-disconnected").await;

    let retry = "document.querySelector('.component[data-shown=failed] button.primary').click()";
    window.driver.execute(retry, vec![]).await.expect("it can be pressed");
    window.until(&format!("{failed} === {}", ALL - 3)).await;
    eventually("another token", async || control.tokens_given(IMPERSONATION) == 2).await;
    for _ in 1..ALL - 2 {
        window.driver.execute(retry, vec![]).await.expect("it can be pressed");
    }
    window.until(&format!("{DRAWN} === {ALL}")).await;
    window.until("document.querySelector('#status').textContent === 'Connected'").await;
    assert!(window.is_marked().await, "nothing was reloaded");
    assert_eq!(control.tokens_given(IMPERSONATION), 2);
    window.close().await;
}

/// Signing out revokes the token at the tenant.
#[tokio::test(flavor = "multi_thread")]
async fn signing_out_leaves_no_token() {
    let scene = Scene::with_gallery(&[]).await;
    let window = open(&scene).await;
    let control = scene.tenant.control();
    assert!(!control.access_tokens("password|ada").is_empty());
    window.click("form[action=\"/logout\"] button").await;
    eventually("no token is left", async || control.access_tokens("password|ada").is_empty()).await;
    window.close().await;
}

/// What the tenant refuses is told on the page in a sentence, with another try.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_with_another_try() {
    let scene = Scene::with_gallery(&[]).await;
    scene.tenant.control().change(|tenant| tenant.clients[0].trusted = false);
    let window = Window::open().await;
    window.driver.goto(&format!("{}/gallery", scene.url)).await.expect("the portal answers");
    window.fill_in("ada").await;
    window.until_state("error").await;
    let words = window.text("#notice").await;
    assert!(words.contains("Qlik Cloud does not open this for you"), "{words}");
    window.picture("gallery-refused").await;
    scene.tenant.control().change(|tenant| tenant.clients[0].trusted = true);
    scene.app.clock.advance(time::Duration::minutes(2));
    scene.tenant.control().shift_clock(time::Duration::minutes(2));
    window.click("#notice-retry").await;
    window.until(&format!("{DRAWN} === {ALL}")).await;
    window.close().await;
}
