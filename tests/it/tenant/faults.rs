//! Section M 6, 11, 15 and 16: everything that can be made to go wrong.

use std::time::{Duration, Instant};

use qlik_embed_bff::demo::{self, NoAccess, Race, Refusal, Settings, Times, Tls};
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::site::{End, KEY, Site};

#[tokio::test]
async fn refusals_have_the_shapes_of_the_facts() {
    let site = Site::start().await;
    let cases = [
        (Refusal::UnknownHostname, 401, "LOGIN-2"),
        (Refusal::NotAMember, 403, "AUTH-5"),
        (Refusal::DisabledUser, 403, "AUTH-6"),
        (Refusal::Unauthorized, 401, "LOGIN-1"),
        (Refusal::RateLimited { retry_after: 13 }, 429, "HTTP-429"),
        (Refusal::Status(500), 500, "HTTP-500"),
    ];
    for (refusal, status, code) in cases {
        site.control().refuse("/login/jwt-session", refusal, Times::Next(1));
        let response = site.post_token(&site.token(|_| {})).await;
        assert_eq!(response.status(), status);
        let wait = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(wait.as_deref(), (status == 429).then_some("13"));
        assert_eq!(response.json::<Value>().await.unwrap()["errors"][0]["code"], code);
    }
    for (refusal, status, title) in
        [(Refusal::NotAcceptablePage, 406, "406 Not Acceptable"), (Refusal::Unavailable, 503, "503 ")]
    {
        site.control().refuse("/login/jwt-session", refusal, Times::Next(1));
        let response = site.post_token(&site.token(|_| {})).await;
        assert_eq!(response.status(), status);
        assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        assert!(response.text().await.unwrap().contains(&format!("<title>{title}")));
    }
    assert_eq!(site.post_token(&site.token(|_| {})).await.status(), 200, "used up");
}

#[tokio::test]
async fn refusals_count_and_are_mended() {
    let site = Site::start().await;
    let control = site.control();
    control.refuse("/api/v1/users", Refusal::Status(500), Times::Next(2));
    control.refuse("/api/v1/users", Refusal::Status(502), Times::Always);
    let ask = async || site.get("/api/v1/users/me").await.status().as_u16();
    assert_eq!([ask().await, ask().await, ask().await, ask().await], [500, 500, 502, 502]);
    assert_eq!(site.get("/login").await.status(), 200, "other paths are well");
    control.mend();
    assert_eq!(ask().await, 401);
}

#[tokio::test]
async fn answers_can_be_slow() {
    let site = Site::start().await;
    site.control().delay("/login/jwt-session", Duration::from_millis(300));
    let start = Instant::now();
    assert_eq!(site.post_token(&site.token(|_| {})).await.status(), 200);
    assert!(start.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn unplugged_it_refuses_connections_and_comes_back_as_it_was() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let mut socket = ada.document("").await;
    site.control().unplug().await;
    assert_eq!(socket.end().await, End::Broken);
    assert!(site.ask(Method::GET, "/login").send().await.is_err());
    site.control().plug_in().unwrap();
    assert_eq!(ada.get("/api/v1/users/me").await.status(), 301, "sessions outlive it");
}

#[tokio::test]
async fn sessions_expire_on_demand() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let mut socket = ada.document("").await;
    site.control().expire_sessions();
    assert_eq!(ada.get("/api/v1/users/me").await.status(), 401);
    assert!(socket.call(-1, "EngineVersion", json!([])).await["result"].is_object(), "the socket lives on");

    site.control().change(|settings| settings.switches.sockets_end_with_session = true);
    let ada = site.visitor("ada").await;
    let mut socket = ada.document("").await;
    site.control().expire_sessions();
    assert_eq!(socket.end().await, End::Closed(4006, "Authentication failed".into()));
}

#[tokio::test]
async fn sockets_close_with_any_code_or_break() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    for code in [4001, 4003, 4005, 4203, 4240, 1011] {
        let mut socket = ada.document("").await;
        site.control().close_sockets(code, "as ordered");
        assert_eq!(socket.end().await, End::Closed(code, "as ordered".into()));
    }
    let mut socket = ada.document("").await;
    site.control().drop_sockets();
    assert_eq!(socket.end().await, End::Broken);
    site.until(|control| control.sockets().is_empty()).await;
}

#[tokio::test]
async fn sockets_freeze_and_thaw() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let mut socket = ada.document("").await;
    site.control().freeze_sockets(true);
    socket.say(r#"{"jsonrpc":"2.0","id":99,"handle":-1,"method":"EngineVersion","params":[]}"#).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), socket.hear()).await.is_err(), "silent");
    site.control().freeze_sockets(false);
    assert_eq!(socket.hear().await["id"], 99);
}

#[tokio::test]
async fn frames_may_be_large_and_pings_and_idleness_happen() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let mut socket = ada.document("").await;
    let large = "x".repeat(3 << 20);
    site.control().push(&json!({ "jsonrpc": "2.0", "method": "OnLarge", "params": { "text": large } }));
    assert_eq!(socket.hear().await["params"]["text"].as_str().unwrap().len(), 3 << 20);

    site.control().change(|settings| settings.switches.ping_every = Some(Duration::from_millis(50)));
    assert!(socket.pinged().await);
    site.control().change(|settings| settings.switches.idle_close = Some(Duration::from_millis(100)));
    assert_eq!(socket.end().await, End::Closed(4001, "Closed for idleness".into()));
}

#[tokio::test]
async fn handshakes_can_be_refused_with_a_status() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let path = format!("/app/{}?qlik-csrf-token={}", demo::APP_ID, ada.csrf().await);
    for status in [403, 429, 503] {
        site.control().refuse("/app/", Refusal::Status(status), Times::Next(1));
        assert_eq!(ada.try_socket(&path).await.err(), Some(status));
    }
    assert!(ada.try_socket(&path).await.is_ok());
}

#[tokio::test]
async fn a_new_user_waits_for_access_in_each_of_four_ways() {
    let site = Site::start().await;
    let race = |signal| {
        move |settings: &mut Settings| {
            settings.switches.race = Some(Race { lasts: Duration::from_millis(10_000), signal })
        }
    };
    for (at, signal) in
        [NoAccess::CloseAfterConnect, NoAccess::ConnectedState, NoAccess::OpenDocError, NoAccess::ClosePermission]
            .into_iter()
            .enumerate()
    {
        site.control().change(race(signal));
        let newcomer = site.visitor(&format!("newcomer-{at}")).await;
        let mut socket = newcomer.socket("").await;
        match signal {
            NoAccess::CloseAfterConnect => assert_eq!(socket.next().await, Err(End::Closed(1005, String::new()))),
            NoAccess::ClosePermission => {
                assert_eq!(socket.next().await, Err(End::Closed(4203, "No permission to open the app".into())));
            }
            NoAccess::ConnectedState => {
                assert_eq!(socket.hear().await["params"]["qSessionState"], "SESSION_ERROR_APP_ACCESS_DENIED");
                assert_eq!(socket.call(-1, "OpenDoc", json!([demo::APP_ID])).await["error"]["code"], 5);
            }
            NoAccess::OpenDocError => {
                assert_eq!(socket.hear().await["params"]["qSessionState"], "SESSION_CREATED");
                assert_eq!(socket.call(-1, "OpenDoc", json!([demo::APP_ID])).await["error"]["code"], 5);
            }
        }
        site.control().shift_clock(time::Duration::seconds(11));
        newcomer.document("").await;
    }
}

#[tokio::test]
async fn access_to_the_app_can_be_taken_away() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    site.control().deny_app("ada", NoAccess::ClosePermission);
    assert_eq!(ada.socket("").await.end().await, End::Closed(4203, "No permission to open the app".into()));
    site.visitor("grace").await.document("").await;
    site.control().grant_app("ada");
    ada.document("").await;
}

#[tokio::test]
async fn requests_are_recorded_without_secrets() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    site.control().forget();
    ada.get("/api/v1/users/me?x=1").await;
    let requests = site.control().requests();
    assert_eq!(requests.len(), 1);
    let request = &requests[0];
    assert_eq!(
        (request.method.as_str(), request.path.as_str(), request.query.as_str()),
        ("GET", "/api/v1/users/me", "x=1")
    );
    assert_eq!(request.status, 301);
    assert!(request.headers.iter().any(|name| name == "cookie"));
    assert!(site.control().logins().is_empty());
}

#[tokio::test]
async fn it_speaks_tls_under_a_public_name() {
    let tls = Tls { certificate: KEY.certificate.clone(), key: KEY.private.clone() };
    let site = Site::with(|settings| {
        settings.tls = Some(tls);
        settings.public_origin = Some("https://acme.eu.qlikcloud.test".into());
    })
    .await;
    assert_eq!(site.tenant.origin(), "https://acme.eu.qlikcloud.test");
    let login = site.ask(Method::POST, "/login/jwt-session").bearer_auth(site.token(|_| {})).send().await.unwrap();
    assert_eq!((login.status().as_u16(), login.version()), (200, reqwest::Version::HTTP_2));
    let me = site
        .ask(Method::GET, "/api/v1/users/me")
        .header(header::COOKIE, super::site::jar(&login))
        .send()
        .await
        .unwrap();
    assert!(
        me.headers()[header::LOCATION].to_str().unwrap().starts_with("https://acme.eu.qlikcloud.test/api/v1/users/")
    );
    let nonsense = Settings { tls: Some(Tls { certificate: "x".into(), key: "y".into() }), ..Settings::default() };
    assert!(demo::Tenant::start(nonsense).await.is_err());
}
