//! `GET /token`: who gets a token, and what it says.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use qlik_embed_bff::client::Authorities;
use qlik_embed_bff::client::way_out::WayOut;
use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::demo::{self, IdentityProvider, Tenant};
use qlik_embed_bff::qlik::key::{self, CertificateDates, KeySize, SigningKey};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::Duration;

use crate::portal::{Answer, KEY, Portal};

fn claims(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let json = answer.json();
    assert_eq!(json.as_object().map(|object| object.keys().collect::<Vec<_>>()), Some(vec![&"body".to_owned()]));
    let key: DecodingKey = SigningKey::parse(&KEY.private_key).expect("the key").public();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["qlik.api/login/jwt-session"]);
    let token = decode::<Value>(json["body"].as_str().expect("a token"), &key, &validation).expect("a good signature");
    assert_eq!(token.header.kid.as_deref(), Some("key-1"));
    token.claims
}

#[tokio::test]
async fn the_token_says_who_this_is() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    let now = portal.clock.now().unix_timestamp();
    for path in ["/token", "/token/default"] {
        let answer = ada.fetch(path).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let mut claims = claims(&answer);
        let iat = claims["iat"].as_i64().expect("a time");
        assert!((0..5).contains(&(iat - now)));
        let jti = claims["jti"].take();
        assert_eq!(jti.as_str().map(str::len), Some(43), "32 bytes in base64url");
        assert_eq!(
            claims,
            json!({
                "jti": null, "sub": "password|ada", "subType": "user", "name": "Ada Lovelace", "email": "ada@example.com",
                "email_verified": true, "groups": ["all", "sales"], "iss": "https://portal.example",
                "aud": "qlik.api/login/jwt-session", "iat": iat, "nbf": iat - 30, "exp": iat + 60,
            })
        );
    }
}

#[tokio::test]
async fn tokens_are_for_pages_that_exist() {
    let portal = Portal::open().await;
    let answer = portal.signed_in("ada").await.fetch("/token/unknown").await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
}

#[tokio::test]
async fn tokens_are_for_our_own_pages() {
    let portal = Portal::with(&[("TOKEN_ALLOWED_ORIGINS", "https://host.example")]).await;
    let ada = portal.signed_in("ada").await;
    for (headers, status) in [
        (vec![("sec-fetch-site", "same-origin")], StatusCode::OK),
        (vec![("origin", "http://localhost:8080")], StatusCode::OK),
        (vec![], StatusCode::OK),
        (vec![("sec-fetch-site", "cross-site")], StatusCode::FORBIDDEN),
        (vec![("sec-fetch-site", "same-site")], StatusCode::FORBIDDEN),
        (vec![("sec-fetch-site", "none"), ("sec-fetch-dest", "document")], StatusCode::FORBIDDEN),
        (vec![("origin", "https://evil.example")], StatusCode::FORBIDDEN),
        (vec![("origin", "null")], StatusCode::FORBIDDEN),
        (vec![("origin", "https://host.example"), ("sec-fetch-site", "cross-site")], StatusCode::OK),
    ] {
        let answer = ada.clone().send(Method::GET, "/token", &headers, "").await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert_eq!(answer.body.contains("eyJ"), status == StatusCode::OK, "{headers:?}");
        assert!(answer.header("vary").contains("origin") || status != StatusCode::OK);
        let listed = headers.contains(&("origin", "https://host.example"));
        assert_eq!(answer.header("access-control-allow-origin"), if listed { "https://host.example" } else { "" });
        assert_eq!(answer.header("access-control-allow-credentials"), if listed { "true" } else { "" });
    }
    let headers = [("origin", "https://host.example"), ("access-control-request-method", "GET")];
    let preflight = ada.clone().send(Method::OPTIONS, "/token", &headers, "").await;
    assert_eq!(
        (preflight.status, preflight.header("access-control-allow-origin")),
        (StatusCode::NO_CONTENT, "https://host.example")
    );
    // Who is signed out learns so, from a listed origin too.
    let signed_out = portal.browser().send(Method::GET, "/token", &headers, "").await;
    assert_eq!(
        (signed_out.status, signed_out.header("access-control-allow-origin")),
        (StatusCode::UNAUTHORIZED, "https://host.example")
    );
}

#[tokio::test]
async fn two_visitors_at_once_never_mix() {
    let portal = Portal::open().await;
    let (ada, bob) = (portal.signed_in("ada").await, portal.signed_in("bob").await);
    let rounds = (0..100).flat_map(|_| [(ada.clone(), "password|ada"), (bob.clone(), "password|bob")]);
    let mut tasks = tokio::task::JoinSet::new();
    for (mut browser, subject) in rounds {
        tasks.spawn(async move { (claims(&browser.fetch("/token").await), subject) });
    }
    let mut names = BTreeSet::new();
    while let Some(done) = tasks.join_next().await {
        let (claims, subject) = done.expect("no panic");
        assert_eq!(claims["sub"], subject);
        names.insert(claims["jti"].as_str().expect("a name").to_owned());
    }
    assert_eq!(names.len(), 200, "each token has its own jti");
}

#[tokio::test]
async fn the_template_decides_the_subject() {
    let portal = Portal::with(&[("SUBJECT_TEMPLATE", "acme\\{email}")]).await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(claims(&ada.fetch("/token").await)["sub"], "acme\\ada@example.com");
    assert_eq!(ada.open("/embed/default").await.attributes("#embed")["data-subject"], "acme\\ada@example.com");
}

/// A burst of tokens waits its turn; pages are answered meanwhile; what is too much is told when to come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_tokens_queues_and_starves_nobody() {
    let now = Clock::default().now();
    let dates = CertificateDates { not_before: now - Duration::HOUR, not_after: now + Duration::DAY };
    let slow = key::generate(KeySize::Rsa4096, "test", dates).expect("a key that takes milliseconds to sign with");
    let changes = [("QLIK_JWT_PRIVATE_KEY", slow.private_key.expose_secret()), ("RATE_LIMIT_TOKEN", "off")];
    let portal = Portal::with(&changes).await;
    let ada = portal.signed_in("ada").await;
    let mut burst = tokio::task::JoinSet::new();
    for _ in 0..2_000 {
        let mut browser = ada.clone();
        burst.spawn(async move { browser.fetch("/token").await });
    }
    let page = ada.clone().open("/embed/default").await;
    let mut finished = 0;
    while burst.try_join_next().is_some() {
        finished += 1;
    }
    assert_eq!(page.status, StatusCode::OK);
    assert!(finished < 2_000, "the page did not wait for the burst");
    let (mut tokens, mut refused) = (finished, 0);
    while let Some(answer) = burst.join_next().await {
        let answer = answer.expect("no panic");
        match answer.status {
            StatusCode::OK => tokens += 1,
            StatusCode::SERVICE_UNAVAILABLE => {
                refused += 1;
                assert_eq!(answer.json()["error"], "busy");
                assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|seconds| (1..=60).contains(&seconds)));
            }
            other => panic!("{other}: {}", answer.body),
        }
    }
    assert!(tokens > 0 && refused > 0, "{tokens} tokens, {refused} refused");
    assert_eq!(ada.clone().fetch("/token").await.status, StatusCode::OK, "the burst is over");
}

/// Posted once it opens a session at the tenant; posted again it is worth nothing.
#[tokio::test]
async fn the_tenant_takes_our_token_once() {
    let provider = IdentityProvider::new("https://portal.example", "key-1", KEY.certificate.clone());
    let settings = demo::Settings { providers: vec![provider], ..Default::default() };
    let tenant = Tenant::start(settings).await.expect("a tenant");
    let portal = Portal::with(&[("QLIK_TENANT", tenant.origin())]).await;
    let token =
        portal.signed_in("ada").await.fetch("/token").await.json()["body"].as_str().expect("a token").to_owned();
    let client = Authorities::default().client(&WayOut::default()).expect("a client");
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let url = format!("{}/login/jwt-session", tenant.origin());
        statuses.push(client.post(url).bearer_auth(&token).send().await.expect("an answer").status().as_u16());
    }
    assert_eq!(statuses, [200, 401]);
    let users: Vec<_> = tenant.control().users().into_iter().map(|user| user.subject).collect();
    assert_eq!(users, ["password|ada"]);
}
