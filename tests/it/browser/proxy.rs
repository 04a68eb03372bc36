//! Behind a real nginx with the configuration of the documentation, and a stand-in for the service that it asks who the
//! visitor is.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use qlik_embed_bff::commands::serve;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::cookies::{PORTAL, TENANT, certificate};
use super::scene::{Scene, Sites};
use super::window::{Window, Wishes};
use crate::servers::nginx::{ADDRESS as NGINX, Nginx, documented};

const SETTINGS: [(&str, &str); 7] = [
    ("SIGN_IN", "header, password"),
    ("TRUSTED_PROXIES", NGINX),
    ("HEADER_ID", "X-Forwarded-User"),
    ("HEADER_NAME", "X-Forwarded-Preferred-Username"),
    ("HEADER_EMAIL", "X-Forwarded-Email"),
    ("HEADER_GROUPS", "X-Forwarded-Groups"),
    ("HEADER_SIGN_OUT_URL", "/oauth2/sign_out"),
];

const AUTHELIA_SETTINGS: [(&str, &str); 6] = [
    ("SIGN_IN", "header"),
    ("TRUSTED_PROXIES", NGINX),
    ("HEADER_ID", "Remote-User"),
    ("HEADER_NAME", "Remote-Name"),
    ("HEADER_EMAIL", "Remote-Email"),
    ("HEADER_GROUPS", "Remote-Groups"),
];

/// The services that the page on proxies has nginx ask, by their addresses there.
const OAUTH2_PROXY: &str = "127.0.0.1:4180";
const AUTHELIA: &str = "127.0.0.1:9091";

/// What nginx asks: who this cookie belongs to. Its sign-in page asks nothing and takes whoever is next.
#[derive(Clone, Default)]
struct Company(Arc<Mutex<String>>);

impl Company {
    fn next(&self, id: &str) {
        *self.0.lock().unwrap() = id.to_owned();
    }

    async fn start(&self) -> u16 {
        let router = Router::new()
            .route("/oauth2/auth", get(auth))
            .route("/oauth2/sign_in", get(sign_in))
            .route("/oauth2/sign_out", get(sign_out))
            .route("/api/authz/auth-request", get(authz))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move { axum::serve(listener, router).await });
        port
    }
}

fn signed_in(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    cookies.split("; ").find_map(|cookie| cookie.strip_prefix("company="))
}

async fn auth(headers: HeaderMap) -> Response {
    let Some(id) = signed_in(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    let said = [
        ("x-auth-request-user", id.to_owned()),
        ("x-auth-request-preferred-username", format!("The one named {id}")),
        ("x-auth-request-email", format!("{id}@example.com")),
        ("x-auth-request-groups", "sales,all".to_owned()),
    ];
    (StatusCode::ACCEPTED, said).into_response()
}

/// As Authelia answers: where to sign in, or who it is; about this cookie, no name and no groups.
async fn authz(headers: HeaderMap) -> Response {
    let Some(id) = signed_in(&headers) else {
        let wanted = headers["x-original-url"].to_str().unwrap();
        let at =
            format!("https://auth.portal.example/?rd={wanted}&rm={}", headers["x-original-method"].to_str().unwrap());
        return (StatusCode::UNAUTHORIZED, [(LOCATION, at)]).into_response();
    };
    (StatusCode::OK, [("remote-user", id.to_owned()), ("remote-email", format!("{id}@example.com"))]).into_response()
}

#[derive(Deserialize)]
struct Wanted {
    rd: String,
}

async fn sign_in(State(company): State<Company>, Query(wanted): Query<Wanted>) -> Response {
    let cookie = format!("company={}; Path=/; Secure; HttpOnly", company.0.lock().unwrap());
    (StatusCode::FOUND, [(SET_COOKIE, cookie), (LOCATION, wanted.rd)]).into_response()
}

async fn sign_out() -> Response {
    ([(SET_COOKIE, "company=; Path=/; Max-Age=0; Secure")], Html("<h1>Signed out of the company</h1>")).into_response()
}

/// Everything that there is between a browser and the tenant.
struct Place {
    scene: Scene,
    /// Where the product listens, past nginx.
    product: u16,
    company: Company,
    _nginx: Nginx,
    _folders: [TempDir; 2],
}

async fn behind_nginx() -> Place {
    behind_nginx_that_asks(OAUTH2_PROXY, &SETTINGS).await
}

async fn behind_nginx_that_asks(asked: &str, settings: &[(&str, &str)]) -> Place {
    let (files, certificate, key) = certificate(&[PORTAL, TENANT]);
    let folder = tempfile::tempdir().unwrap();
    let company = Company::default();
    let sites = Sites { portal: PORTAL, tenant: TENANT, certificate: &certificate, key: &key };
    let free = serve::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap().local_addr().unwrap().port();
    let (scene, product) = Scene::behind_proxy(sites, free, settings).await;
    let company_port = company.start().await;
    let server = documented("proxy.md", asked)
        .with("listen 443 ssl", format!("listen 127.0.0.1:{free} ssl"))
        .with("portal.example;", format!("{PORTAL};"))
        .with("/etc/ssl/portal.example.pem", certificate.display())
        .with("/etc/ssl/portal.example.key", key.display())
        .with("127.0.0.1:8080", format!("127.0.0.1:{product}"))
        .with(asked, format!("127.0.0.1:{company_port}"));
    let nginx = Nginx::start(server, folder.path(), free);
    Place { scene, product, company, _nginx: nginx, _folders: [files, folder] }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_the_proxy_names_sees_the_sheet() {
    let place = behind_nginx().await;
    let scene = &place.scene;
    let window = Window::like(Wishes { hosts: &[PORTAL, TENANT], ..Wishes::default() }).await;
    for id in ["ada", "bob"] {
        place.company.next(id);
        window.driver.goto(format!("{}/embed/default", scene.url)).await.unwrap();
        window.until_state("connected").await;
        window
            .in_frame(async || window.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await)
            .await;
        let viewer =
            window.in_frame(async || window.value("document.querySelector('#sheet').dataset.viewer").await).await;
        assert_eq!(viewer, json!(format!("The one named {id}")));
        let subject = window.value("document.querySelector('#embed').dataset.subject").await;
        assert_eq!(subject, json!(format!("header|{id}")));
        let sockets = scene.tenant.control().sockets();
        assert!(!sockets.is_empty() && sockets.iter().all(|socket| socket.subject == format!("header|{id}")));

        window.click("form[action='/logout'] button").await;
        window.until("document.querySelector('h1').textContent === 'You are signed out'").await;
        assert!(window.text(".lead").await.contains("sign out there too"));
        window.click("a.primary").await;
        window.until("document.querySelector('h1').textContent === 'Signed out of the company'").await;
    }
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_about_itself_is_overwritten() {
    let place = behind_nginx().await;
    let scene = &place.scene;
    let client = client(&scene.url);
    let ask = async |url: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = client.get(format!("{url}{path}")).header("sec-fetch-dest", "empty");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    };
    let forged = [
        ("x-forwarded-user", "root"),
        ("x-forwarded-email", "root@example.com"),
        ("x-forwarded-groups", "admins"),
        ("x_forwarded_user", "root"),
        ("x-forwarded-for", NGINX),
        ("x-auth-request-user", "root"),
    ];
    let known = [&forged[..], &[("cookie", "company=ada")]].concat();
    for headers in [&[("cookie", "company=ada")][..], &known] {
        let answer = ask(&scene.url, "/token", headers).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let claims = claims(&answer.json::<Value>().await.unwrap());
        assert_eq!(
            (&claims["sub"], &claims["name"], &claims["email"], &claims["groups"]),
            (&json!("header|ada"), &json!("The one named ada"), &json!("ada@example.com"), &json!(["all", "sales"]))
        );
    }
    // Nobody to the company's sign-in; and past nginx, where the product listens on loopback for everybody to reach.
    let direct = format!("http://127.0.0.1:{}", place.product);
    for url in [&scene.url, &direct] {
        assert_eq!(ask(url, "/token", &forged).await.status(), StatusCode::UNAUTHORIZED, "{url}");
    }
    // nginx tells the address: all attempts count for one, whatever the client invents.
    let store = &scene.app.store;
    for _ in 0..100 {
        store.count_attempt("address 127.0.0.1", scene.app.clock.now(), Duration::from_secs(900)).await.unwrap();
    }
    let attempt = client
        .post(format!("{}/login", scene.url))
        .header("cookie", "company=ada")
        .header("x-forwarded-for", "198.51.100.1")
        .header("content-type", "application/x-www-form-urlencoded")
        .body("username=nobody&password=wrong")
        .send();
    assert_eq!(attempt.await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn authelia_says_who_it_is_and_where_to_sign_in() {
    let place = behind_nginx_that_asks(AUTHELIA, &AUTHELIA_SETTINGS).await;
    let scene = &place.scene;
    let client = client(&scene.url);
    let ask = async |destination: &str, cookie: &str| {
        let request = client.get(format!("{}/token?a=b", scene.url)).header("sec-fetch-dest", destination);
        let request =
            request.header("remote-user", "root").header("remote-name", "Root").header("remote-groups", "admins");
        request.header("cookie", cookie).send().await.unwrap()
    };
    let window = ask("document", "").await;
    assert_eq!(window.status(), StatusCode::FOUND);
    let at = window.headers()[LOCATION].to_str().unwrap();
    assert_eq!(at, format!("https://auth.portal.example/?rd={}/token?a=b&rm=GET", scene.url));
    assert_eq!(ask("empty", "").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask("iframe", "").await.status(), StatusCode::UNAUTHORIZED);

    let answer = ask("empty", "company=ada").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let claims = claims(&answer.json::<Value>().await.unwrap());
    assert_eq!((&claims["sub"], &claims["name"]), (&json!("header|ada"), &json!("ada")));
    assert_eq!((&claims["email"], &claims["groups"]), (&json!("ada@example.com"), &json!([])));
}

#[expect(
    clippy::disallowed_methods,
    reason = "a client that finds the name here, with a certificate of the test's own"
)]
fn client(url: &str) -> reqwest::Client {
    let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .resolve(PORTAL, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap()
}

fn claims(answer: &Value) -> Value {
    let payload = answer["body"].as_str().and_then(|token| token.split('.').nth(1)).expect("a token");
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}
