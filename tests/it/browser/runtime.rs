//! The tenant's stand-in for the embedding runtime, in a page of our own that is no portal: what the elements draw and share,
//! and how they behave when tokens and sockets end (Qlik Cloud facts, sections H.3 to H.5). And the published @qlik/api in the
//! browser, which exchanges its token by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use qlik_embed_bff::demo::{self, Control, IdentityProvider, OauthClient, Settings, TOKEN_EXCHANGE, Tenant};
use serde_json::{Value, json};

use super::window::{Window, eventually};
use crate::packages::PACKAGES;
use crate::portal::KEY;

const CLIENT: &str = "embedding";
const SCRIPT: &str = r#"
    globalThis.accessToken = async () => (await fetch("/access-token")).text();
    const mounted = new Map();
    // What the driver calls directly may evaluate whatever the policy says.
    const later = () => new Promise((resolve) => setTimeout(resolve));
    const apis = (globalThis.apis = {});
    globalThis.unmount = (id) => mounted.get(id).then((embed) => embed.$destroy());
    globalThis.mount = (id, props) => {
        const target = document.createElement("div");
        target.id = id;
        document.body.append(target);
        const api = new Promise((exposeRefApi) => mounted.set(id, later().then(() => QlikMain.import("embed-vanilla@v1")).then(
            ({ mountVanillaEmbedComponent }) => mountVanillaEmbedComponent({ target, props: { ...props, exposeRefApi } }))));
        apis[id] = api;
        mounted.get(id).catch((problem) => { target.dataset.problem = problem.name; });
    };
"#;

/// A page on another origin than the tenant, and the token function behind it.
struct Stage {
    tenant: Tenant,
    page: String,
    asked: Arc<AtomicUsize>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Clone)]
struct Behind {
    control: Control,
    asked: Arc<AtomicUsize>,
    tenant: String,
}

impl Stage {
    async fn set(edit: impl FnOnce(&mut Settings)) -> Self {
        // Fails when another test of the same process was first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let mut settings = Settings {
            name: "127.0.0.1".into(),
            clients: vec![OauthClient::impersonating(CLIENT, "s3cret").at([page.as_str()])],
            providers: vec![IdentityProvider::new("portal", "key-1", &KEY.certificate)],
            ..Settings::default()
        };
        edit(&mut settings);
        let tenant = Tenant::start(settings).await.unwrap();
        tenant.control().add_user("ada", "ada@portal.example", "active");
        let asked = Arc::new(AtomicUsize::new(0));
        let behind =
            Behind { control: tenant.control().clone(), asked: asked.clone(), tenant: tenant.origin().to_owned() };
        let router = Router::new()
            .route("/", get(|State(behind): State<Behind>| async move { html(&behind.tenant, "") }))
            .route("/strict", get(|State(behind): State<Behind>| async move { html(&behind.tenant, &policy(&behind)) }))
            .route("/page.js", get(async || ([(header::CONTENT_TYPE, "text/javascript")], SCRIPT)))
            .route("/access-token", get(access_token))
            .route("/lib/{*path}", get(library))
            .with_state(behind);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { tenant, page, asked, server }
    }

    fn control(&self) -> &Control {
        self.tenant.control()
    }

    /// How often a path was asked for, by any method but OPTIONS.
    fn requests(&self, path: &str) -> usize {
        let meant = |request: &&demo::Request| request.path.starts_with(path) && request.method != "OPTIONS";
        self.control().requests().iter().filter(meant).count()
    }

    fn tokens_asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn open(&self, window: &Window, path: &str) {
        window.driver.goto(format!("{}{path}", self.page)).await.unwrap();
    }

    /// Puts an element into the page; `props` are those that are not the same for all.
    async fn mount(&self, window: &Window, id: &str, ui: &str, props: Value) {
        let host = json!({
            "host": self.tenant.origin(), "authType": "oauth2", "clientId": CLIENT, "getAccessToken": "accessToken",
        });
        mount(window, id, ui, host, props).await;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn html(tenant: &str, policy: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=en><title>A page</title><script src='{tenant}/qlik-embed/main.js'></script><script src='/page.js'></script><body></body></html>"
    );
    let mut response = Html(page).into_response();
    if !policy.is_empty() {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.parse().unwrap());
    }
    response
}

/// As section H.6 has it, and nothing inline.
fn policy(behind: &Behind) -> String {
    let (tenant, socket) = (&behind.tenant, behind.tenant.replace("http", "ws"));
    format!(
        "default-src 'none'; script-src 'self' {tenant}; style-src 'unsafe-inline'; connect-src 'self' {tenant} {socket}"
    )
}

async fn access_token(State(behind): State<Behind>) -> String {
    behind.asked.fetch_add(1, Ordering::SeqCst);
    behind.control.access_token_of(CLIENT, "ada").unwrap_or_default()
}

/// The files of the published packages; two of them are no modules yet.
async fn library(Path(path): Path<String>) -> Response {
    let text = std::fs::read_to_string(PACKAGES.join("node_modules").join(&path)).unwrap_or_default();
    let text = if matches!(path.as_str(), "extend/index.js" | "enigma.js/enigma.min.js") {
        format!("const module = {{ exports: {{}} }}, exports = module.exports;\n{text}\nexport default module.exports;")
    } else {
        text
    };
    ([(header::CONTENT_TYPE, "text/javascript")], text).into_response()
}

async fn mount(window: &Window, id: &str, ui: &str, host: Value, mut props: Value) {
    let props = props.as_object_mut().unwrap();
    props.insert("ui".into(), ui.into());
    props.insert("hostConfig".into(), host);
    props.entry("appId").or_insert(demo::APP_ID.into());
    window.value(&format!("mount({}, {})", json!(id), json!(props))).await;
}

/// Waits until an element is in this state.
async fn until(window: &Window, id: &str, state: &str) {
    window.until(&format!("document.querySelector('#{id} > .simulated-embed')?.dataset.state === '{state}'")).await;
}

async fn bars(window: &Window, id: &str) -> Value {
    window.value(&format!("document.querySelectorAll('#{id} .bars button').length")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn elements_of_one_app_and_identity_share_a_socket_and_its_selections() {
    let stage = Stage::set(|_| {}).await;
    let window = Window::open().await;
    stage.open(&window, "/").await;
    let elements = [
        ("sheet", "analytics/sheet", json!({ "sheetId": demo::SHEET_ID })),
        ("chart", "analytics/chart", json!({ "objectId": demo::CHART_ID })),
        (
            "made",
            "analytics/chart",
            json!({ "type": "barchart", "dimensions": ["Product"], "measures": ["Sum(Sales)"] }),
        ),
        ("field", "analytics/field", json!({ "fieldId": "Region" })),
        ("selections", "analytics/selections", json!({})),
        ("snapshot", "analytics/snapshot", json!({ "objectId": demo::CHART_ID })),
        ("app", "classic/app", json!({ "sheetId": demo::SHEET_ID })),
        ("object", "classic/chart", json!({ "objectId": demo::KPI_ID })),
        ("assistant", "ai/assistant", json!({ "assistantId": "helper" })),
        ("agent", "ai/agentic-assistant", json!({ "assistantId": "doer" })),
    ];
    for (id, ui, props) in &elements {
        stage.mount(&window, id, ui, props.clone()).await;
    }
    for (id, ..) in &elements {
        until(&window, id, "ready").await;
    }
    assert_eq!((bars(&window, "chart").await, bars(&window, "made").await), (json!(5), json!(5)));
    assert_eq!(window.text("#agent h2").await, "Agentic assistant doer");
    assert_eq!(window.value("QlikMain.importMap").await, json!("applied"));
    let viewer = window.value("document.querySelector('#field > .simulated-embed').dataset.viewer").await;
    assert_eq!(viewer, json!("ada"));

    window.click("#field button[data-value='Europe']").await;
    window.until("document.querySelectorAll('#chart .bars button').length === 1").await;
    window.until("document.querySelectorAll('#app .bars button').length === 1").await;
    window.until("document.querySelector('#selections .chip')?.textContent.includes('Europe')").await;
    assert_eq!(bars(&window, "snapshot").await, json!(5), "it is a picture");
    assert_eq!(stage.control().selections("ada", None)["Region"], ["Europe"]);
    let ask = "const done = arguments[0]; apis.chart.then(async ({ getDoc, getObject }) => {
        const field = await (await getDoc()).getField('Region');
        const layout = await (await getObject()).getLayout();
        done([await field.getCardinal(), layout.title]);
    });";
    let told = window.driver.execute_async(ask, vec![]).await.unwrap();
    assert_eq!(*told.json(), json!([5, "Sales by region"]), "what pages get hold of");

    stage.mount(&window, "apart", "analytics/chart", json!({ "objectId": demo::CHART_ID, "identity": "other" })).await;
    until(&window, "apart", "ready").await;
    assert_eq!(bars(&window, "apart").await, json!(5), "another identity, other selections");
    assert_eq!((stage.control().sockets().len(), stage.requests("/app/")), (2, 2));
    assert_eq!(stage.control().tokens_given(TOKEN_EXCHANGE), 2, "one for each socket");
    assert_eq!((stage.tokens_asked(), stage.requests("/api/v1/users/me")), (1, 1));
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_says_so_and_works_again_when_mounted_again() {
    let stage = Stage::set(|_| {}).await;
    let window = Window::open().await;
    stage.open(&window, "/").await;
    let chart = json!({ "objectId": demo::CHART_ID });
    stage.mount(&window, "chart", "analytics/chart", chart.clone()).await;
    until(&window, "chart", "ready").await;
    window.click("#chart button[data-value='Africa']").await;
    window.until("document.querySelectorAll('#chart .bars button').length === 1").await;

    stage.control().close_sockets(4006, "Authentication failed");
    until(&window, "chart", "closed").await;
    assert!(window.text("#chart .simulated-error").await.contains("Authentication failed"));
    assert_eq!(stage.requests("/app/"), 1, "it does not connect by itself");

    // The tenant has forgotten the token that the page still has: it is asked for again, once.
    stage.control().revoke_tokens("ada");
    stage.mount(&window, "again", "analytics/chart", chart.clone()).await;
    until(&window, "again", "ready").await;
    assert_eq!(bars(&window, "again").await, json!(1), "the selection has survived");
    assert_eq!(stage.tokens_asked(), 2);

    stage.control().disable_user("ada");
    stage.control().close_sockets(1011, "");
    until(&window, "again", "closed").await;
    stage.mount(&window, "never", "analytics/chart", chart.clone()).await;
    until(&window, "never", "failed").await;
    assert_eq!(stage.tokens_asked(), 3, "once more, and no further");
    stage.control().enable_user("ada");

    stage.control().change(|settings| settings.switches.embed_reconnects = true);
    stage.open(&window, "/").await;
    stage.mount(&window, "chart", "analytics/chart", chart).await;
    until(&window, "chart", "ready").await;
    let before = stage.requests("/app/");
    stage.control().drop_sockets();
    eventually("another handshake", async || stage.requests("/app/") > before).await;
    until(&window, "chart", "ready").await;
    window.value("unmount('chart')").await;
    window.until("!document.querySelector('.simulated-embed')").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_without_inline_scripts_shows_and_may_matter() {
    let stage = Stage::set(|_| {}).await;
    let window = Window::open().await;
    let field = json!({ "fieldId": "Year" });
    for (required, evaluates, state) in [(false, false, Some("ready")), (true, false, None), (false, true, None)] {
        stage.control().change(|settings| {
            settings.switches.embed_import_map_required = required;
            settings.switches.embed_evaluates = evaluates;
        });
        stage.open(&window, "/strict").await;
        stage.mount(&window, "field", "analytics/field", field.clone()).await;
        match state {
            Some(state) => until(&window, "field", state).await,
            None => window.until("document.querySelector('#field').dataset.problem").await,
        }
        window.until("QlikMain.importMap === 'blocked'").await;
    }
    stage.control().change(|settings| {
        settings.switches.embed_import_map = false;
        settings.switches.embed_evaluates = false;
    });
    stage.open(&window, "/strict").await;
    stage.mount(&window, "field", "analytics/field", field).await;
    until(&window, "field", "ready").await;
    assert_eq!(window.value("QlikMain.importMap").await, json!("off"));
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_that_the_client_does_not_list_sees_nothing() {
    let stage = Stage::set(|settings| settings.clients[0].origins = vec!["https://another.example".into()]).await;
    let window = Window::open().await;
    stage.open(&window, "/").await;
    stage.mount(&window, "chart", "analytics/chart", json!({ "objectId": demo::CHART_ID })).await;
    until(&window, "chart", "failed").await;
    assert_eq!((stage.requests("/api/"), stage.requests("/app/")), (0, 0), "the preflight has failed");
    window.close().await;
}

/// On the tenant's own origin, as behind a proxy, with the cookies of a login.
#[tokio::test(flavor = "multi_thread")]
async fn with_cookies_classic_elements_are_frames() {
    let stage = Stage::set(|_| {}).await;
    let window = Window::open().await;
    let origin = stage.tenant.origin();
    window.driver.goto(format!("{origin}/login")).await.unwrap();
    let now = stage.control().now().unix_timestamp();
    let claims = json!({
        "iss": "portal", "aud": "qlik.api/login/jwt-session", "jti": "once", "sub": "ada", "subType": "user", "name": "Ada",
        "email": "ada@portal.example", "email_verified": true, "iat": now, "nbf": now - 5, "exp": now + 60,
    });
    let header =
        jsonwebtoken::Header { kid: Some("key-1".into()), ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256) };
    let key =
        jsonwebtoken::EncodingKey::from_rsa_pem(secrecy::ExposeSecret::expose_secret(&KEY.private_key).as_bytes());
    let token = jsonwebtoken::encode(&header, &claims, &key.unwrap()).unwrap();
    let login = "fetch('/login/jwt-session', { method: 'POST', headers: { Authorization: `Bearer ${arguments[0]}` } })
        .then(async () => {
            const script = Object.assign(document.createElement('script'), { src: '/qlik-embed/main.js' });
            await new Promise((loaded) => { script.onload = loaded; document.head.append(script); });
            arguments[1]();
        });";
    window.driver.execute_async(login, vec![json!(token)]).await.unwrap();
    window.driver.execute(SCRIPT, vec![]).await.unwrap();

    // What the proxy would add at the socket, the tenant does without.
    stage.control().change(|settings| settings.switches.csrf_on_handshake = false);
    let none = json!({ "host": origin, "authType": "none" });
    mount(&window, "none", "analytics/chart", none.clone(), json!({ "objectId": demo::CHART_ID })).await;
    until(&window, "none", "ready").await;
    stage.control().change(|settings| settings.switches.csrf_on_handshake = true);
    let cookie = json!({ "host": origin, "authType": "cookie" });
    let chart = json!({ "objectId": demo::CHART_ID, "identity": "mine" });
    mount(&window, "cookie", "analytics/chart", cookie, chart).await;
    until(&window, "cookie", "ready").await;
    let queries: Vec<_> = stage.control().sockets().into_iter().map(|socket| socket.query).collect();
    assert_eq!(queries, [vec!["reloadUri"], vec!["reloadUri", "qlik-csrf-token"]]);

    mount(&window, "frame", "classic/app", none, json!({ "sheetId": demo::SHEET_ID })).await;
    until(&window, "frame", "ready").await;
    let src = window.value("document.querySelector('#frame iframe').src").await;
    assert!(src.as_str().unwrap().starts_with(&format!("{origin}/single/?appid={}", demo::APP_ID)), "{src}");
    window.in_frame(async || window.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await).await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_published_client_exchanges_its_token_for_each_socket() {
    let stage = Stage::set(|settings| settings.switches.exchange_required = true).await;
    let window = Window::open().await;
    stage.open(&window, "/").await;
    let script = r#"
        const [host, clientId, appId, objectId, done] = arguments;
        const hostConfig = { host, authType: "oauth2", clientId, getAccessToken: "accessToken" };
        const text = async (path) => (await fetch(`/lib/@qlik/api/${path}`)).text();
        // What a bundler would have put in.
        globalThis.process = { env: {} };
        const map = document.createElement("script");
        map.type = "importmap";
        map.textContent = `{ "imports": { "lodash-es/": "/lib/lodash-es/", "extend": "/lib/extend/index.js",
            "enigma.js": "/lib/enigma.js/enigma.min.js" } }`;
        document.head.append(map);
        // In a browser the library takes its inner parts from the tenant's runtime. They are in the package too: where, its
        // own text says.
        const innards = async () => {
            const [names] = /public-runtime-modules-[^"]+/.exec(await text("qix.js"));
            const found = (await text(`chunks/${names}`)).matchAll(/import\("\.\/((auth|qix|invoke-fetch)-[^"]+)"\)/g);
            const files = Object.fromEntries([...found].map(([, file, name]) => [`${name}@v1`, file]));
            const modules = async (name) => import(`/lib/@qlik/api/chunks/${files[name]}`);
            return { ...globalThis.QlikMain, import: async (name) => name === "qix@v1" ? (await modules(name)).t : modules(name) };
        };
        innards().then((main) => {
            globalThis.QlikMain = main;
            return Promise.all([import("/lib/@qlik/api/qix.js"), import("/lib/@qlik/api/users.js")]);
        }).then(async ([{ default: qix }, { default: users }]) => {
            const me = await users.getMyUser({ hostConfig });
            const session = qix.openAppSession({ appId, hostConfig });
            const chart = await (await session.getDoc()).getObject(objectId);
            const bars = (await chart.getLayout()).qHyperCube.qDataPages[0].qMatrix.length;
            await session.close();
            done([me.data.subject, bars]);
        }).catch((problem) => done([String(problem)]));"#;
    let run = async || {
        let arguments = vec![json!(stage.tenant.origin()), json!(CLIENT), json!(demo::APP_ID), json!(demo::CHART_ID)];
        window.driver.execute_async(script, arguments).await.unwrap().json().clone()
    };
    assert_eq!(run().await, json!(["ada", 5]));
    assert_eq!((stage.tokens_asked(), stage.control().tokens_given(TOKEN_EXCHANGE)), (1, 1));
    let query = |request: &demo::Request| request.query.clone();
    let socket = stage.control().requests().iter().find(|request| request.path.starts_with("/app/")).map(query);
    assert!(socket.unwrap().contains("accessToken="));

    // The token that it keeps is over: it asks the page for another, once.
    stage.control().expire_tokens();
    assert_eq!(run().await[0], json!("ada"));
    assert_eq!(stage.tokens_asked(), 2);
    window.close().await;
}
