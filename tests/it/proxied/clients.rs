//! The published clients, unmodified, with our server as their host.

use std::path::Path;
use std::process::Command;

use axum::http::{Request, StatusCode};
use qlik_embed_bff::commands::serve;
use qlik_embed_bff::demo;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::Proxied;
use crate::packages::PACKAGES;
use crate::portal::Browser;

/// A portal that listens, and the cookie of somebody who is signed in there.
pub async fn listening(more: &[(&str, &str)]) -> (Proxied, String, Browser) {
    let listener = serve::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let origin = format!("http://localhost:{}", listener.local_addr().expect("bound").port());
    let changes = [("PUBLIC_URL", origin.as_str()), ("QLIK_APP_ID", demo::APP_ID), ("QLIK_SHEET_ID", demo::SHEET_ID)];
    let proxied = Proxied::with(&[&changes[..], more].concat(), |_| {}).await;
    let ada = proxied.portal.signed_in("ada").await;
    tokio::spawn(serve::serve(proxied.portal.app.clone(), listener));
    (proxied, origin, ada)
}

fn cookie(browser: &Browser) -> String {
    browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// The request for a socket to the engine, as a page of an origin makes it.
pub fn socket_of(server: &str, browser: &Browser, origin: &str) -> Request<()> {
    let address = format!("{}/app/{}/identity/x", server.replacen("http", "ws", 1), demo::APP_ID);
    let mut request = address.into_client_request().expect("an address");
    request.headers_mut().insert("cookie", cookie(browser).parse().expect("a header"));
    request.headers_mut().insert("origin", origin.parse().expect("a header"));
    request
}

async fn run(script: &'static str, settings: Vec<(&'static str, String)>) -> Value {
    let run = move || {
        Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(script))
            .envs([("APP", demo::APP_ID), ("SHEET", demo::SHEET_ID), ("CHART", demo::CHART_ID)])
            .envs(settings)
            .env("PACKAGES", &*PACKAGES)
            .output()
            .expect("node runs")
    };
    let output = tokio::task::spawn_blocking(run).await.expect("no panic");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn qlik_api_works_with_both_types_of_authentication() {
    let (proxied, origin, ada) = listening(&[]).await;
    for auth in ["none", "cookie"] {
        let settings = vec![("ORIGIN", origin.clone()), ("COOKIE", cookie(&ada)), ("AUTH", auth.to_owned())];
        let seen = run("qlik-api-through-us.mjs", settings).await;
        assert_eq!(seen["user"], json!([200, "password|ada"]), "{auth}");
        assert_eq!(seen["themes"], 200, "{auth}");
        assert_eq!(
            seen["changed"],
            json!([403, "USERS-3"]),
            "{auth}: refused to a visitor, and not for the CSRF token"
        );
        assert_eq!((&seen["title"], &seen["before"]), (&json!("Sales overview"), &json!(5)), "{auth}");
        assert_eq!(seen["after"].as_array().map(Vec::len), Some(1), "{auth}");
    }
    assert_eq!((proxied.logins(), proxied.asked("/api/v1/csrf-token")), (1, 1));
    let sockets = proxied.control().requests();
    let sockets: Vec<_> = sockets.iter().filter(|request| request.path.starts_with("/app/")).collect();
    assert!(sockets.iter().all(|socket| socket.status == 101 && socket.origin.is_none()), "{sockets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn enigma_works_with_our_server_as_the_engine() {
    let (_proxied, origin, ada) = listening(&[]).await;
    let settings = vec![
        ("ORIGIN", origin),
        ("COOKIE", cookie(&ada)),
        ("CSRF", "ours-to-add".to_owned()),
        ("DELTA", "no".to_owned()),
    ];
    let seen = run("enigma.mjs", settings).await;
    assert_eq!(seen["notifications"], json!(["SESSION_CREATED", "SESSION_ATTACHED"]));
    assert_eq!((&seen["title"], &seen["theme"]), (&json!("Sales overview"), &json!("breeze")));
    assert_eq!(seen["after"], json!([seen["before"][1]]));
    assert_eq!(seen["closed"], 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_closes_the_sockets_with_a_reason() {
    use futures_util::StreamExt;
    let (proxied, origin, mut ada) = listening(&[]).await;
    let foreign = tokio_tungstenite::connect_async(socket_of(&origin, &ada, "https://evil.example")).await;
    let Err(tokio_tungstenite::tungstenite::Error::Http(refused)) = foreign else { panic!("{foreign:?}") };
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let (mut socket, _) = tokio_tungstenite::connect_async(socket_of(&origin, &ada, &origin)).await.expect("a socket");
    let first = socket.next().await.expect("a message").expect("no error");
    assert!(first.to_text().expect("text").contains("SESSION_CREATED"), "{first}");
    assert_eq!(proxied.portal.app.sockets.count(), 1);
    ada.post("/logout", "").await;
    let closed = tokio::time::timeout(std::time::Duration::from_secs(5), socket.next()).await.expect("in time");
    let closed = closed.expect("a message").expect("no error");
    let tokio_tungstenite::tungstenite::Message::Close(Some(frame)) = closed else { panic!("{closed}") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4401, "session ended"));
    super::until(async || proxied.control().sockets().is_empty()).await;
    super::until(async || proxied.portal.app.sockets.count() == 0).await;
}
