//! Pages with components, before a tenant with a runtime of these tests: what is drawn, what fails, and what the policy says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::audit;
use super::scene::Scene;
use super::window::{DESK, PHONE, Window, Wishes};

const CLIENT: [(&str, &str); 2] =
    [("QLIK_OAUTH_CLIENT_ID", "client-1"), ("QLIK_OAUTH_CLIENT_SECRET", "only-for-tests")];
const PAGES: &str = r#"
    [[pages]]
    slug = "all"
    title = "Sales at a glance"
    flow = "oauth"
    columns = 6

    [[pages.embeds]]
    ui = "analytics/selections"
    title = "What is selected"

    [[pages.embeds]]
    ui = "analytics/chart"
    title = "Sales by region"
    object = "hRZaKk"
    width = 4
    height = 240

    [[pages.embeds]]
    ui = "analytics/chart"
    title = "Margin"
    object = "JsVPe"
    width = 2
    height = 240
"#;
/// What the page finds when its scripts begin: a note of each violation of its policy; and answers to its questions for tokens,
/// which are noted.
const PREPARED: &str = "
    window.violations = [];
    document.addEventListener('securitypolicyviolation', (violation) =>
        violations.push(`${violation.effectiveDirective} ${violation.blockedURI}`));
    window.asked = [];
    window.refusals = [];
    const ask = window.fetch;
    window.fetch = (address, init = {}) => {
        if (address !== '/access-token') return ask(address, init);
        asked.push(`${init.method} ${init.headers['csrf-token'] === document.querySelector('#embed').dataset.csrf}`);
        const refusal = refusals.shift();
        const body = refusal?.body ?? { access_token: `token-${asked.length}`, expires_at: '2030-01-01T00:00:00Z' };
        return Promise.resolve(Response.json(body, { status: refusal?.status ?? 200 }));
    };";
const DRAWN: &str = "document.querySelectorAll('.component .drawn').length";

/// A tenant that signs everybody in as ada, and takes any token and its own cookie.
struct FarSide {
    origin: String,
    /// Whether its runtime cannot be had.
    down: Arc<AtomicBool>,
    server: JoinHandle<()>,
}

impl FarSide {
    async fn start() -> Self {
        let down = Arc::new(AtomicBool::new(false));
        let script = |text: &'static str| {
            let headers = [("content-type", "text/javascript"), ("access-control-allow-origin", "*")];
            get(async move || (headers, text))
        };
        let main = async |State(down): State<Arc<AtomicBool>>| {
            if down.load(Ordering::Relaxed) {
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
            ([("content-type", "text/javascript")], include_str!("components/main.js")).into_response()
        };
        let cookies = ["eas.sid=1", "eas.sid.sig=2"].map(|pair| ("set-cookie", format!("{pair}; Path=/; HttpOnly")));
        let router = Router::new()
            .route("/qlik-embed/main.js", get(main))
            .route("/qlik-embed/stub.js", script(include_str!("components/stub.js")))
            .route("/login/jwt-session", post(async move || (AppendHeaders(cookies), "{}")))
            .route("/api/v1/csrf-token", get(async || (StatusCode::NO_CONTENT, [("qlik-csrf-token", "c")])))
            .route("/api/v1/users/me", get(me).options(me))
            .with_state(Arc::clone(&down));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://localhost:{}", listener.local_addr().expect("a bound address").port());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { origin, down, server }
    }
}

impl Drop for FarSide {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn me(headers: HeaderMap) -> Response {
    let says = |name: &str, part: &str| {
        headers.get(name).and_then(|value| value.to_str().ok()).is_some_and(|text| text.contains(part))
    };
    let shared = [
        ("access-control-allow-origin", "*"),
        ("access-control-allow-headers", "authorization"),
        ("content-type", "application/json"),
    ];
    let is_known = says("authorization", "Bearer token-") || says("cookie", "eas.sid=1");
    let (status, body) = if is_known {
        (StatusCode::OK, json!({ "subject": "password|ada", "createdAt": "2026-01-01T00:00:00Z" }))
    } else if headers.contains_key("access-control-request-method") {
        (StatusCode::OK, Value::Null)
    } else {
        (StatusCode::UNAUTHORIZED, json!({ "errors": [{ "code": "AUTH-1" }] }))
    };
    (status, shared, body.to_string()).into_response()
}

/// The page with three components, in a browser whose questions for tokens these tests answer.
struct Place {
    scene: Scene,
    far_side: FarSide,
    window: Window,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn open() -> Self {
        let far_side = FarSide::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("portal.toml");
        std::fs::write(&file, PAGES).expect("the folder can be written to");
        let settings = [&CLIENT[..], &[("CONFIG_FILE", file.to_str().expect("a path"))]].concat();
        let scene = Scene::before(&far_side.origin, "localhost", None, &settings).await;
        let window = Window::open().await;
        prepare(&window, PREPARED).await;
        Self { scene, far_side, window, _folder: folder }
    }

    /// Signs in, and sees all three drawn.
    async fn drawn() -> Self {
        let place = Self::open().await;
        place.window.sign_in(&place.scene, "ada").await;
        place.is_drawn().await;
        place
    }

    async fn is_drawn(&self) {
        self.window.until_state("connected").await;
        self.window.until(&format!("{DRAWN} === 3")).await;
        self.window.until("document.querySelectorAll('.component[data-shown=ready]').length === 3").await;
    }
}

/// Runs in every page before its own scripts.
async fn prepare(window: &Window, source: &str) {
    window.tell("Page.enable", json!({})).await;
    window.tell("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn components_are_drawn_with_a_token_and_within_the_policy() {
    let place = Place::drawn().await;
    let window = &place.window;
    let texts = window.value("[...document.querySelectorAll('.drawn')].map((one) => one.firstChild.textContent)").await;
    let of = |ui| json!(format!("{ui} as password|ada in a session of its own "));
    let expected = ["analytics/selections", "analytics/chart", "analytics/chart"].map(of);
    assert_eq!(texts, json!(expected));
    // The first had the token that was fetched before; the others asked together.
    assert_eq!(window.value("asked").await, json!(["POST true", "POST true"]));
    assert_eq!(window.value("violations").await, json!([]), "import map and styles are allowed");
    assert_eq!(window.text("#status").await, "Connected");
    let kept = window.value("[localStorage.length, sessionStorage.length, document.cookie]").await;
    assert_eq!(kept, json!([0, 0, ""]), "tokens are in memory alone");

    // A script that somebody smuggles in does not run, and what is no source of the policy is blocked.
    let inline = "const script = document.implementation.createHTMLDocument().createElement('script');
        script.textContent = 'window.smuggled = true'; document.body.append(document.adoptNode(script));";
    window.driver.execute(inline, vec![]).await.expect("a script can be made elsewhere");
    assert_eq!(window.value("window.smuggled === undefined && violations.length === 1").await, json!(true));

    // One column on a phone, and nothing to the right of it.
    let columns =
        "new Set([...document.querySelectorAll('.component')].map((one) => one.getBoundingClientRect().left)).size";
    assert_eq!(window.value(columns).await, json!(2));
    audit::passes(window, "components").await;
    window.picture("components").await;
    window.prefer("dark").await;
    window.picture("components-dark").await;
    window.prefer("light").await;
    window.resize(PHONE).await;
    window.until(&format!("{columns} === 1")).await;
    assert_eq!(window.value("document.documentElement.scrollWidth <= innerWidth").await, json!(true));
    window.picture("components-390").await;
    window.resize(DESK).await;
    place.window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_to_be_had_is_told_and_another_try_draws_without_a_reload() {
    let place = Place::open().await;
    let window = &place.window;
    prepare(
        window,
        "refusals.push({ status: 403, body: { error: 'no_user', message: 'You have no access to Qlik Cloud yet.' } });",
    )
    .await;
    window.sign_in(&place.scene, "ada").await;
    window.until_state("error").await;
    window.mark().await;
    assert_eq!(window.text("#notice-title").await, "The page cannot be shown");
    assert_eq!(window.text("#notice-what").await, "You have no access to Qlik Cloud yet.");
    assert_eq!(window.text("#notice-advice").await, "Ask your administrator to add you to Qlik Cloud.");
    assert_eq!(window.value("document.activeElement.id").await, json!("notice-retry"));
    assert_eq!(window.value("document.querySelectorAll('script[src*=qlik-embed]').length").await, json!(0));
    window.picture("components-refused").await;
    window.click("#notice-retry").await;
    place.is_drawn().await;

    // A renewal that fails: what is drawn stays under the panel, and who asked is answered after another try.
    window
        .driver
        .execute(
            "refusals.push({ status: 500, body: { error: 'internal' } }); window.renewed = '';
        window.kept = document.querySelector('.drawn'); qlikAccessToken().then((token) => (renewed = token));",
            vec![],
        )
        .await
        .expect("the function is there");
    window.until_state("error").await;
    assert_eq!(window.text("#notice-what").await, "This portal has a problem at the moment.");
    assert_eq!(window.value("renewed").await, json!(""));
    window.click("#notice-retry").await;
    window.until("renewed.startsWith('token-')").await;
    window.until_state("connected").await;
    assert_eq!(window.value("kept.isConnected").await, json!(true));

    // A session that has ended leads to the sign-in.
    let expired = "refusals.push({ status: 401, body: { error: 'session_expired' } }); qlikAccessToken();";
    window.driver.execute(expired, vec![]).await.expect("the function is there");
    window.until_state("error").await;
    assert_eq!(window.text("#notice-way").await, "Sign in");
    assert!(window.is_marked().await, "the page was reloaded");
    place.window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runtime_that_cannot_be_had_is_told_and_asked_for_again() {
    let place = Place::open().await;
    let window = &place.window;
    place.far_side.down.store(true, Ordering::Relaxed);
    window.sign_in(&place.scene, "ada").await;
    window.until_state("error").await;
    assert_eq!(window.text("#notice-what").await, "Qlik Cloud cannot be reached.");
    let detail = window.value("document.querySelector('#notice-detail').textContent").await;
    assert!(detail.as_str().is_some_and(|text| text.contains("/qlik-embed/main.js: not loaded")), "{detail}");
    place.far_side.down.store(false, Ordering::Relaxed);
    window.click("#notice-retry").await;
    place.is_drawn().await;

    window.be_offline(true).await;
    window.until_state("offline").await;
    assert_eq!(window.text("#notice-title").await, "You are offline");
    window.be_offline(false).await;
    window.until_state("connected").await;
    assert_eq!(window.value(DRAWN).await, json!(3));
    place.window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_fails_is_told_alone_and_made_anew_alone() {
    let place = Place::drawn().await;
    let window = &place.window;
    window.click(".component:nth-of-type(3) .drawn button").await;
    let keep = "window.elements = [...document.querySelectorAll('qlik-embed')];";
    window.driver.execute(keep, vec![]).await.expect("they are there");
    let close = "elements[1].session.emit('closed', { code: 4001, reason: '' });";
    window.driver.execute(close, vec![]).await.expect("it has a session");
    let failed = "[...document.querySelectorAll('.component')].map((one) => one.dataset.shown)";
    window.until("document.querySelectorAll('.component[data-shown=failed]').length === 1").await;
    assert_eq!(window.value(failed).await, json!(["ready", "failed", "ready"]));
    let panel = ".component[data-shown=failed] .fault";
    let what = window.text(&format!("{panel} .what")).await;
    assert_eq!(what, "Because nothing happened for a while, this session has ended.");
    assert_eq!(window.value("document.querySelector('#embed').dataset.state").await, json!("connected"));
    assert_eq!(window.value("document.querySelector('.component[data-shown=failed] .body').inert").await, json!(true));
    audit::passes(window, "a component that failed").await;
    window.picture("component-failed").await;
    window.prefer("dark").await;
    window.picture("component-failed-dark").await;
    window.prefer("light").await;
    window.resize(PHONE).await;
    window.picture("component-failed-390").await;
    window.resize(DESK).await;

    window.click(&format!("{panel} button")).await;
    window.until("document.querySelectorAll('.component[data-shown=ready]').length === 3").await;
    let same = "[...document.querySelectorAll('qlik-embed')].map((element, at) => element === elements[at])";
    assert_eq!(window.value(same).await, json!([true, false, true]));
    let selected = "document.querySelector('.component:nth-of-type(3) .drawn').dataset.on";
    assert_eq!(window.value(selected).await, json!("yes"), "the others keep what is selected");
    assert_eq!(window.value("document.activeElement.getAttribute('aria-label')").await, json!("Sales by region"));
    assert_eq!(window.value(DRAWN).await, json!(3));

    // One that cannot be mounted, and says why without what an address may hide.
    let broken = "window.broken = 'hidden-token';
        document.querySelectorAll('qlik-embed')[1].session.emit('closed', { code: 4001 });";
    window.driver.execute(broken, vec![]).await.expect("it has a session");
    window.click(&format!("{panel} button")).await;
    window.until(&format!("document.querySelector('{panel} .what').textContent.startsWith('This part')")).await;
    let detail = window.value(&format!("document.querySelector('{panel} code').textContent")).await;
    assert_eq!(detail, json!("analytics/chart · Error: no analytics/chart at /app?…"));

    // Our own close code: the session with us is over, and so it is for all of them.
    window
        .driver
        .execute("elements[0].session.emit('closed', { code: 4401 });", vec![])
        .await
        .expect("it has a session");
    window.until_state("error").await;
    assert_eq!(window.text("#notice-way").await, "Sign in");
    place.window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_flow_proxy_they_are_drawn_through_the_portal_and_through_its_sibling() {
    const PORTAL: &str = "portal.localhost";
    const SIBLING: &str = "analytics.portal.localhost";
    let settings = [("QLIK_FLOW", "proxy"), ("QLIK_EMBED", "analytics/sheet")];
    for sibling in [None, Some(SIBLING)] {
        let far_side = FarSide::start().await;
        let scene = Scene::before(&far_side.origin, PORTAL, sibling, &settings).await;
        let window = Window::like(Wishes { hosts: &[PORTAL, SIBLING], block_third_party_cookies: true }).await;
        prepare(&window, PREPARED).await;
        window.sign_in(&scene, "ada").await;
        window.until_state("connected").await;
        window.until(&format!("{DRAWN} === 1")).await;
        let text = window.text(".drawn").await;
        assert!(text.starts_with("analytics/sheet as password|ada in a session of its own"), "{text}");
        assert_eq!(window.value("violations").await, json!([]));
        assert_eq!(window.value("asked").await, json!([]), "no access token is needed");

        // Why it is `cookie` there: with the credentials that `none` asks with, nobody is known at the sibling.
        let status = "const done = arguments[0];
            const at = document.querySelector('.grid').getAttribute('data-qlik-embed-host');
            fetch(`${at}/api/v1/users/me`, { credentials: 'same-origin' }).then(({ status }) => done(status));";
        let status = window.driver.execute_async(status, vec![]).await.expect("an answer");
        assert_eq!(status.json(), &json!(if sibling.is_some() { 401 } else { 200 }));
        if sibling.is_some() {
            window.driver.execute("qlikSignedOut();", vec![]).await.expect("the function is there");
            window.until_state("connected").await;
            audit::passes(&window, "a component that fills the page").await;
            window.picture("component-filled").await;
        }
        window.close().await;
    }
}
