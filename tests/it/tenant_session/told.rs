//! What is told of the tenant's sessions, where, and what never is.

use std::io::Write;
use std::sync::{Arc, Mutex};

use qlik_embed_bff::demo::{Refusal, Times};
use serde_json::{Value, json};
use tracing::Level;
use tracing::subscriber::DefaultGuard;

use super::{Guest, Stage, cookies, csrf, until};

/// What is logged on this thread, down to the last word.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub fn begin() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt().json().flatten_event(true).with_max_level(Level::TRACE).without_time();
        let guard = tracing::subscriber::set_default(lines.with_writer(move || writer.clone()).finish());
        (log, guard)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
    }

    /// The events of this target, without it.
    fn events(&self, target: &str) -> Vec<Value> {
        let event = |line: &str| {
            let mut event: Value = serde_json::from_str(line).expect("an event");
            (event.as_object_mut().expect("an object").remove("target")? == target).then_some(event)
        };
        self.text().lines().filter_map(event).collect()
    }
}

#[tokio::test]
async fn the_audit_says_when_sessions_begin_are_refused_and_end() {
    let (log, _guard) = Log::begin();
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().refuse("/login/jwt-session", Refusal::NotAMember, Times::Next(1));
    for _ in 0..3 {
        assert!(ada.get(&stage.portal).await.is_err());
    }
    stage.pass(1);
    ada.session(&stage.portal).await;
    ada.session(&stage.portal).await;
    ada.browser.post("/logout", "").await;
    until(|| log.text().contains("tenant session ended")).await;
    let request = uuid::Uuid::nil().simple().to_string();
    let of_tenant = |event: &Value| event["message"].as_str().is_some_and(|text| text.starts_with("tenant session"));
    let events: Vec<_> = log.events("audit").into_iter().filter(of_tenant).collect();
    let expected = [
        json!({
            "level": "WARN", "message": "tenant session refused", "identity": "password:ada", "rule": "template",
            "reason": "the tenant refused the token with status 403: AUTH-5, User is not a member of the tenant",
            "request_id": request, "address": "203.0.113.1",
        }),
        json!({
            "level": "INFO", "message": "tenant session begun", "identity": "password:ada", "subject": "password|ada",
            "rule": "template", "request_id": request, "address": "203.0.113.1",
        }),
        json!({ "level": "INFO", "message": "tenant session ended", "identity": "password:ada" }),
    ];
    assert_eq!(events, expected, "each once, whoever asks meanwhile");
}

#[tokio::test]
async fn the_log_says_what_to_do_about_a_refusal() {
    let (log, _guard) = Log::begin();
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().refuse("/login/jwt-session", Refusal::UnknownHostname, Times::Next(1));
    let answer = ada.browser.fetch("/api/v1/users/me").await;
    assert_eq!(answer.status.as_u16(), 502);
    let expected = json!({
        "level": "ERROR", "message": "request failed",
        "problem": "the tenant refused the token with status 401: LOGIN-2, No authentication configured for this hostname",
        "advice": "unknown-host",
        "remedy": "Correct QLIK_TENANT: name and region as in the address of the tenant's hub",
    });
    let mut events = log.events("qlik_embed_bff::web::error");
    for event in &mut events {
        for of_request in ["span", "spans"] {
            event.as_object_mut().expect("an object").remove(of_request);
        }
    }
    assert_eq!(events, [expected]);
}

#[tokio::test]
async fn the_log_says_what_is_left_of_the_budget() {
    let (log, _guard) = Log::begin();
    let stage = Stage::with(|_| {}, &[("QLIK_LOGIN_BUDGET", "10")]).await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let mut session = ada.session(&stage.portal).await;
    while let Ok(next) = ada.renew(&stage.portal, &session).await {
        session = next;
    }
    assert!(ada.renew(&stage.portal, &session).await.is_err());
    let events = log.events("qlik_embed_bff::errand::budget");
    let said = |level: &str| -> Vec<_> {
        let of_level = events.iter().filter(|event| event["level"] == level);
        of_level.map(|event| (event["message"].as_str().unwrap_or_default(), event["left"].as_i64())).collect()
    };
    assert_eq!(
        said("WARN"),
        [
            ("few logins are left in this minute", Some(1)),
            ("the logins of this minute are used up: whoever comes now waits", None)
        ]
    );
    let left: Vec<_> = said("DEBUG").into_iter().map(|(_, left)| left).collect();
    assert_eq!(left, [9, 8, 7, 6, 5, 4, 3, 2, 0].map(Some));
}

#[tokio::test]
async fn no_log_no_debug_output_and_no_database_has_a_cookie_or_a_token() {
    let (log, _guard) = Log::begin();
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    let first = ada.session(&stage.portal).await;
    stage.control().stale_csrf();
    let second = ada.renew_csrf(&stage.portal, &first).await.expect("a session");
    stage.control().expire_sessions();
    let third = ada.renew(&stage.portal, &second).await.expect("a session");
    stage.control().unplug().await;
    let failed = ada.renew(&stage.portal, &third).await.expect_err("nobody is there");
    stage.control().plug_in().expect("the same port");
    let mut secrets = Vec::new();
    for session in [&first, &second, &third] {
        secrets.push(csrf(session).to_owned());
        secrets.extend(
            cookies(session).split("; ").filter_map(|pair| pair.split_once('=')).map(|(_, value)| value.to_owned()),
        );
    }
    assert!(secrets.len() == 21 && secrets.iter().all(|secret| secret.len() >= 32));
    let jti = stage.control().logins()[0].claims["jti"].as_str().expect("text").to_owned();
    secrets.push(jti);

    let debug = format!("{:?} {third:?} {:?} {failed:?} {failed}", stage.portal.app.tenant_sessions, ada.visit());
    let folder = stage.portal.folder().to_owned();
    let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
    let database = [bytes("portal.db"), bytes("portal.db-wal")].concat();
    assert!(database.windows(15).any(|part| part == b"ada@example.com"), "this looks at the right file");
    ada.browser.post("/logout", "").await;
    until(|| stage.control().session_count() == 0).await;
    let log = log.text();
    assert!(log.contains("tenant session begun") && log.contains("hyper"), "it is the whole log");
    for secret in secrets {
        assert!(!log.contains(&secret) && !debug.contains(&secret), "{secret}");
        assert!(!database.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
    }
    assert!(!log.contains("eyJ"), "nor a token");
}
