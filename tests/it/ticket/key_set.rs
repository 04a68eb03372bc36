//! Keys that the portal publishes: fetched, kept, changed, and not there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use axum::{Router, routing::get};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use time::Duration;
use tokio::task::JoinHandle;

use super::{claims, hand_over, open, signed};
use crate::portal::Portal;

/// The portal's key set, on a port of this machine.
struct Publisher {
    url: String,
    answer: Arc<Mutex<(StatusCode, String)>>,
    asked: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Publisher {
    async fn start(keys: &[&Pair]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let (answer, asked) = (Arc::new(Mutex::new((StatusCode::OK, String::new()))), Arc::new(AtomicUsize::new(0)));
        let (told, counted) = (answer.clone(), asked.clone());
        let handler = async move || {
            counted.fetch_add(1, Ordering::SeqCst);
            told.lock().expect("not poisoned").clone()
        };
        let router = Router::new().route("/keys", get(handler));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        let publisher = Self { url, answer, asked, server };
        publisher.publish(keys);
        publisher
    }

    fn publish(&self, keys: &[&Pair]) {
        let strange = json!({ "kty": "new", "kid": "strange" });
        let keys: Vec<_> = std::iter::once(strange).chain(keys.iter().map(|key| key.public.clone())).collect();
        self.say(StatusCode::OK, json!({ "keys": keys }).to_string());
    }

    fn say(&self, status: StatusCode, body: String) {
        *self.answer.lock().expect("not poisoned") = (status, body);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn portal(&self) -> Portal {
        open(&[("TICKET_SECRET", ""), ("TICKET_JWKS_URL", &self.url), ("TICKET_ALGORITHM", "ES256")]).await
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.server.abort();
    }
}

struct Pair {
    id: &'static str,
    private: EncodingKey,
    public: Value,
}

impl Pair {
    fn new(id: &'static str) -> Self {
        let pem = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key").serialize_pem();
        let private = EncodingKey::from_ec_pem(pem.as_bytes()).expect("a key");
        let mut jwk = Jwk::from_encoding_key(&private, Algorithm::ES256).expect("a JWK");
        jwk.common.key_id = Some(id.to_owned());
        Self { id, private, public: serde_json::to_value(jwk).expect("JSON") }
    }

    fn ticket(&self, portal: &Portal) -> String {
        self.ticket_naming(portal, &json!({ "alg": "ES256", "kid": self.id }))
    }

    fn ticket_naming(&self, portal: &Portal, header: &Value) -> String {
        let sign = |input: &str| {
            jsonwebtoken::crypto::sign(input.as_bytes(), &self.private, Algorithm::ES256).expect("signed")
        };
        signed(header, &claims(portal, "emmy"), sign)
    }
}

async fn status(portal: &Portal, ticket: &str) -> StatusCode {
    hand_over(&mut portal.browser(), ticket).await.status
}

#[tokio::test]
async fn keys_are_fetched_once_kept_and_changed() {
    let (first, second, third) = (Pair::new("first"), Pair::new("second"), Pair::new("third"));
    let publisher = Publisher::start(&[&first]).await;
    let portal = publisher.portal().await;
    assert_eq!(publisher.asked(), 0, "nothing is fetched before it is needed");
    for _ in 0..3 {
        assert_eq!(status(&portal, &first.ticket(&portal)).await, StatusCode::SEE_OTHER);
    }
    assert_eq!(publisher.asked(), 1);
    // The only key need not be named.
    assert_eq!(status(&portal, &first.ticket_naming(&portal, &json!({ "alg": "ES256" }))).await, StatusCode::SEE_OTHER);

    publisher.publish(&[&first, &second]);
    portal.clock.advance(Duration::seconds(11));
    assert_eq!(status(&portal, &second.ticket(&portal)).await, StatusCode::SEE_OTHER, "a new key is asked for");
    assert_eq!(publisher.asked(), 2);
    assert_eq!(status(&portal, &first.ticket_naming(&portal, &json!({ "alg": "ES256" }))).await, StatusCode::FORBIDDEN);
    // Names that are made up do not make us ask again and again.
    for _ in 0..5 {
        assert_eq!(status(&portal, &third.ticket(&portal)).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(publisher.asked(), 2);
    portal.clock.advance(Duration::seconds(11));
    assert_eq!(status(&portal, &third.ticket(&portal)).await, StatusCode::FORBIDDEN);
    assert_eq!(publisher.asked(), 3);

    // A key that is taken out is not believed for longer than ten minutes.
    publisher.publish(&[&second]);
    portal.clock.advance(Duration::minutes(11));
    assert_eq!(status(&portal, &first.ticket(&portal)).await, StatusCode::FORBIDDEN);
    assert_eq!(status(&portal, &second.ticket(&portal)).await, StatusCode::SEE_OTHER);
    assert_eq!(publisher.asked(), 4);
}

#[tokio::test]
async fn many_at_once_ask_once() {
    let key = Pair::new("key");
    let publisher = Publisher::start(&[&key]).await;
    let portal = publisher.portal().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (mut browser, ticket) = (portal.browser(), key.ticket(&portal));
        tasks.spawn(async move { hand_over(&mut browser, &ticket).await.status });
    }
    assert!(tasks.join_all().await.iter().all(|status| *status == StatusCode::SEE_OTHER));
    assert_eq!(publisher.asked(), 1);
}

#[tokio::test]
async fn without_its_keys_the_portal_says_so_and_recovers() {
    let key = Pair::new("key");
    let publisher = Publisher::start(&[&key]).await;
    for (answer, body) in [
        (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        (StatusCode::FOUND, String::new()),
        (StatusCode::OK, "<html>".to_owned()),
        (StatusCode::OK, format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(70_000))),
    ] {
        let portal = publisher.portal().await;
        publisher.say(answer, body);
        let ticket = key.ticket(&portal);
        let page = hand_over(&mut portal.browser(), &ticket).await;
        assert_eq!((page.status, page.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"), "{answer}");
        assert_eq!(page.text(".lead"), "Your sign-in cannot be checked at the moment.");
        publisher.publish(&[&key]);
        portal.clock.advance(Duration::seconds(11));
        assert_eq!(status(&portal, &ticket).await, StatusCode::SEE_OTHER, "the ticket was not used up");
    }
    // While the publisher is down, what is known is used for an hour.
    let portal = publisher.portal().await;
    assert_eq!(status(&portal, &key.ticket(&portal)).await, StatusCode::SEE_OTHER);
    publisher.server.abort();
    portal.clock.advance(Duration::minutes(59));
    assert_eq!(status(&portal, &key.ticket(&portal)).await, StatusCode::SEE_OTHER);
    assert_eq!(status(&portal, &Pair::new("other").ticket(&portal)).await, StatusCode::SERVICE_UNAVAILABLE);
    portal.clock.advance(Duration::minutes(2));
    assert_eq!(status(&portal, &key.ticket(&portal)).await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn keys_for_something_else_are_none() {
    let key = Pair::new("key");
    let publisher = Publisher::start(&[]).await;
    for (name, value) in [
        ("use", json!("enc")),
        ("key_ops", json!(["sign"])),
        ("alg", json!("ES384")),
        ("crv", json!("P-384")),
        ("kty", json!("oct")),
    ] {
        let portal = publisher.portal().await;
        let mut other = key.public.clone();
        other[name] = value;
        publisher.say(StatusCode::OK, json!({ "keys": [other] }).to_string());
        assert_eq!(status(&portal, &key.ticket(&portal)).await, StatusCode::FORBIDDEN, "{name}");
    }
}
