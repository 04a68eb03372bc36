//! What the audit says of failures, and of sessions that others end.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, filter::Targets, fmt};

use crate::portal::{Answer, Browser, PASSWORD, Portal};
use crate::provider::Provider;
use crate::{oidc, ticket};

/// What is recorded on this thread.
#[derive(Clone, Default)]
pub struct Recorded(Arc<Mutex<Vec<u8>>>);

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Recorded {
    pub fn begin() -> (Self, DefaultGuard) {
        Self::begin_with(Targets::new().with_target("audit", tracing::Level::INFO))
    }

    /// The log in place of the audit.
    pub fn begin_log() -> (Self, DefaultGuard) {
        Self::begin_with(Targets::new().with_target("qlik_embed_bff", tracing::Level::INFO))
    }

    /// How many lines so far have these words.
    pub fn count(&self, words: &str) -> usize {
        let text = self.0.lock().expect("not poisoned");
        String::from_utf8_lossy(&text).lines().filter(|line| line.contains(words)).count()
    }

    fn begin_with(targets: Targets) -> (Self, DefaultGuard) {
        let recorded = Self::default();
        let writer = recorded.clone();
        let lines = fmt::layer().json().flatten_event(true).without_time().with_target(false).with_current_span(false);
        let lines = lines.with_span_list(false).with_writer(move || writer.clone());
        let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.with_filter(targets)));
        (recorded, guard)
    }

    /// The events since the last time; all of this request, which is checked here.
    pub fn since(&self, answer: &Answer) -> Vec<Value> {
        let text = std::mem::take(&mut *self.0.lock().expect("not poisoned"));
        let lines = String::from_utf8(text).expect("text");
        let event = |line: &str| {
            let mut event: Value = serde_json::from_str(line).expect("an event");
            let fields = event.as_object_mut().expect("an object");
            assert_eq!(fields.remove("request_id").expect("a request"), answer.header("x-request-id"));
            assert_eq!(fields.remove("address").expect("an address"), "203.0.113.1");
            event
        };
        lines.lines().map(event).collect()
    }
}

#[tokio::test]
async fn what_cannot_be_served_now_is_refused_by_name() {
    let (recorded, _guard) = Recorded::begin();
    // Nobody listens there.
    let portal =
        Portal::with(&[("QLIK_TENANT", "http://127.0.0.1:9"), ("SUBJECT_LOOKUP", "email"), ("QLIK_API_KEY", "k")]);
    let portal = portal.await;
    let mut ada = portal.browser();
    let signed_in = ada.sign_in("ada", PASSWORD).await;
    recorded.since(&signed_in);
    let refused = |message: &str, reason: &str| json!({ "level": "WARN", "message": message, "identity": "password:ada", "page": "default", "reason": reason });
    let page = ada.open("/embed/default").await;
    let reason = "the tenant did not answer the look-up of a user";
    assert_eq!(
        (page.status, recorded.since(&page)),
        (StatusCode::SERVICE_UNAVAILABLE, vec![refused("page refused", reason)])
    );
    for path in ["/token", "/token/default"] {
        let token = ada.fetch(path).await;
        let events = recorded.since(&token);
        assert_eq!((token.status, events.len()), (StatusCode::SERVICE_UNAVAILABLE, 1));
        let reason = events[0]["reason"].as_str().expect("a reason");
        assert!(reason.starts_with("the tenant is not asked for users for another"), "{reason}");
        assert_eq!(events, [refused("token refused", reason)]);
    }

    // Without the store, nobody knows who that is: this session is not remembered from before.
    portal.app.store.close().await;
    let mut ada = portal.browser();
    ada.cookies.insert("qlik-embed-bff".into(), "AAAAAAAAAAAAAAAAAAAAAA".into());
    for (path, message) in [("/embed/default", "page refused"), ("/token/default", "token refused")] {
        let answer = ada.fetch(path).await;
        let events = recorded.since(&answer);
        assert_eq!((answer.status, events.len()), (StatusCode::SERVICE_UNAVAILABLE, 1), "{path}");
        let reason = &events[0]["reason"];
        assert!(reason.as_str().is_some_and(|reason| !reason.is_empty()));
        assert_eq!(events[0], json!({ "level": "WARN", "message": message, "page": "default", "reason": reason }));
    }
    let sign_in = ada.sign_in("ada", PASSWORD).await;
    assert_eq!(sign_in.status, StatusCode::SERVICE_UNAVAILABLE);
    // Nobody is signed in: no event.
    let nobody = portal.browser().fetch("/token/default").await;
    recorded.since(&sign_in);
    assert_eq!((nobody.status, recorded.since(&nobody)), (StatusCode::UNAUTHORIZED, vec![]));
}

#[tokio::test]
async fn whose_session_is_replaced_and_whose_ticket_was_used_is_told() {
    let (recorded, _guard) = Recorded::begin();
    let portal = ticket::open(&[]).await;
    let mut browser = portal.browser();
    let signed_in = browser.sign_in("bob", PASSWORD).await;
    let signed = |who: &str| json!({ "level": "INFO", "message": "signed in", "identity": who });
    assert_eq!(recorded.since(&signed_in), [signed("password:bob")]);
    let emmy = ticket::ticket(&ticket::claims(&portal, "emmy"));
    let handed = ticket::hand_over(&mut browser, &emmy).await;
    let ended = json!({
        "level": "INFO", "message": "session ended", "identity": "password:bob", "reason": "somebody else signed in",
    });
    assert_eq!(recorded.since(&handed), [signed("ticket:emmy"), ended]);
    let again = ticket::hand_over(&mut portal.browser(), &emmy).await;
    let refused = json!({
        "level": "WARN", "message": "sign-in refused", "source": "ticket", "identity": "ticket:emmy",
        "reason": "the ticket was used already",
    });
    assert_eq!((again.status, recorded.since(&again)), (StatusCode::FORBIDDEN, vec![refused]));
    // The same person again ends nothing.
    let renewed = ticket::hand_over(&mut browser, &ticket::ticket(&ticket::claims(&portal, "emmy"))).await;
    assert_eq!(recorded.since(&renewed), [signed("ticket:emmy")]);
}

#[tokio::test]
async fn the_provider_names_who_has_too_many_claims_and_who_signed_out() {
    let (recorded, _guard) = Recorded::begin();
    let provider = Provider::start(ticket::PUBLIC_URL).await;
    provider.set(json!({ "account": "ada", "claims": { "story": "x".repeat(17 * 1024) } })).await;
    let portal = Portal::with(&provider.settings()).await;
    let mut browser = portal.browser();
    let large = oidc::sign_in(&mut browser, &provider).await;
    let events = recorded.since(&large);
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0]["message"], &events[0]["identity"]), (&json!("sign-in refused"), &json!("oidc:ada")));
    provider.set(json!({ "claims": {} })).await;
    let signed_in = oidc::sign_in(&mut browser, &provider).await;
    recorded.since(&signed_in);
    let ended = |more: Value| {
        let mut event = json!({
            "level": "INFO", "message": "sessions ended", "reason": "the visitor signed out at the OpenID provider",
        });
        event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        event
    };
    for (claims, told) in [
        (json!({ "sid": "another" }), ended(json!({ "ended": 0 }))),
        (json!({ "sid": "another", "sub": "ada" }), ended(json!({ "identity": "oidc:ada", "ended": 0 }))),
        (json!({ "sub": "ada" }), ended(json!({ "identity": "oidc:ada", "ended": 1 }))),
    ] {
        let answer = notify(&mut portal.browser(), &provider, claims).await;
        assert_eq!((answer.status, recorded.since(&answer)), (StatusCode::OK, vec![told]));
    }
}

async fn notify(sender: &mut Browser, provider: &Provider, claims: Value) -> Answer {
    let token = provider.logout_token(json!({ "claims": claims })).await;
    sender.post("/login/oidc/logout", &format!("logout_token={token}")).await
}
