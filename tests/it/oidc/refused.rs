//! What is refused: each answer and each token that is not what it should be.

use std::io::Write;
use std::sync::{Arc, Mutex};

use axum::http::StatusCode;
use qlik_embed_bff::clock::Clock;
use serde_json::json;
use time::Duration;

use super::{parameters, return_with, scene, sign_in};
use crate::portal::Answer;
use crate::provider::CLIENT_SECRET;

/// A page of its own, with a way on, and nothing of what the provider or an attacker sent.
fn assert_refused(answer: &Answer, status: StatusCode, title: &str, what: &str) {
    assert_eq!((answer.status, answer.text("h1").as_str()), (status, title), "{what}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
    assert_eq!(answer.attributes("main a")["href"], "/login", "{what}");
    assert_eq!(answer.text(".fine code"), answer.header("x-request-id"), "{what}");
}

#[tokio::test]
async fn id_tokens_that_are_not_good_are_refused() {
    let (portal, provider) = scene(&[]).await;
    let now = Clock::default().now().unix_timestamp();
    for (what, change) in [
        ("forged", json!({ "key": "foreign" })),
        ("forged, with a key id of its own", json!({ "key": "foreign", "kid": "another" })),
        ("alg none", json!({ "alg": "none" })),
        ("alg none without key id", json!({ "alg": "none", "kid": "" })),
        ("signed with the public key as a secret", json!({ "alg": "HS256" })),
        ("expired", json!({ "claims": { "exp": now - 3600 } })),
        ("without expiry", json!({ "without": ["exp"] })),
        ("issued in the future", json!({ "claims": { "iat": now + 3600 } })),
        ("another audience", json!({ "claims": { "aud": "another" } })),
        ("another audience as well", json!({ "claims": { "aud": ["portal", "another"] } })),
        (
            "another as well, to which it was issued",
            json!({ "claims": { "aud": ["portal", "another"], "azp": "another" } }),
        ),
        ("no audience", json!({ "without": ["aud"] })),
        ("another issuer", json!({ "claims": { "iss": "https://another.example" } })),
        ("another issuer by a slash", json!({ "claims": { "iss": format!("{}/", provider.issuer) } })),
        ("another nonce", json!({ "claims": { "nonce": "another" } })),
        ("no nonce", json!({ "without": ["nonce"] })),
        ("another party", json!({ "claims": { "azp": "another" } })),
        ("another access token", json!({ "claims": { "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" } })),
        ("a logout token", json!({ "typ": "logout+jwt" })),
        ("no subject to speak of", json!({ "claims": { "sub": " " } })),
    ] {
        provider.set(json!({ "change": change })).await;
        let mut browser = portal.browser();
        let answer = sign_in(&mut browser, &provider).await;
        if ["without expiry", "no audience"].contains(&what) && answer.status == StatusCode::BAD_GATEWAY {
            // Without these it is no ID token at all.
            assert_refused(&answer, StatusCode::BAD_GATEWAY, "Signing in does not work", what);
        } else {
            assert_refused(&answer, StatusCode::BAD_REQUEST, "Your sign-in could not be verified", what);
        }
        assert_eq!(browser.fetch("/session").await.status, StatusCode::UNAUTHORIZED, "{what}");
    }
    for good in [json!(null), json!({ "claims": { "aud": ["another", "portal"], "azp": "portal" } })] {
        provider.set(json!({ "change": good })).await;
        assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, StatusCode::SEE_OTHER, "{good}");
    }
}

#[tokio::test]
async fn a_state_is_good_once_in_its_browser_and_for_ten_minutes() {
    const OVER: &str = "This sign-in is over";
    const ELSEWHERE: &str = "This sign-in did not begin here";
    let (portal, provider) = scene(&[]).await;
    let mut browser = portal.browser();

    for (what, answer) in [
        ("unknown", "/login/oidc/callback?code=a&state=unknown"),
        ("none", "/login/oidc/callback?code=a"),
        ("nothing", "/login/oidc/callback"),
        ("an error of an unknown state", "/login/oidc/callback?error=access_denied&state=unknown"),
    ] {
        assert_refused(&return_with(&mut browser, answer).await, StatusCode::BAD_REQUEST, OVER, what);
    }

    // Replayed, in the same browser.
    let start = browser.open("/login/oidc").await;
    let answer = provider.browser().follow(start.location()).await;
    assert_eq!(return_with(&mut browser, &answer).await.status, StatusCode::SEE_OTHER);
    assert_refused(&return_with(&mut browser, &answer).await, StatusCode::BAD_REQUEST, OVER, "replayed");
    assert_eq!(browser.fetch("/session").await.json()["id"], "ada", "the session itself is as it was");

    // Somebody leads another browser to their own answer, to sign it in as themselves.
    let mut attacker = portal.browser();
    let start = attacker.open("/login/oidc").await;
    let answer = provider.browser().follow(start.location()).await;
    let mut victim = portal.browser();
    assert_refused(&return_with(&mut victim, &answer).await, StatusCode::BAD_REQUEST, ELSEWHERE, "no cookie");
    assert_eq!(victim.fetch("/session").await.status, StatusCode::UNAUTHORIZED);
    let start = attacker.open("/login/oidc").await;
    let answer = provider.browser().follow(start.location()).await;
    victim.open("/login/oidc").await;
    assert_refused(&return_with(&mut victim, &answer).await, StatusCode::BAD_REQUEST, ELSEWHERE, "another cookie");
    assert_refused(&return_with(&mut attacker, &answer).await, StatusCode::BAD_REQUEST, OVER, "tried elsewhere");

    // Too late.
    let mut late = portal.browser();
    let start = late.open("/login/oidc").await;
    let answer = provider.browser().follow(start.location()).await;
    portal.clock.advance(Duration::minutes(10));
    assert_refused(&return_with(&mut late, &answer).await, StatusCode::BAD_REQUEST, OVER, "late");
}

#[tokio::test]
async fn an_answer_of_another_issuer_is_refused() {
    let (portal, provider) = scene(&[]).await;
    for (what, iss, status) in [
        ("another", json!("https://another.example"), StatusCode::BAD_REQUEST),
        ("none, though the provider promises one", json!(null), StatusCode::BAD_REQUEST),
        ("the right one", json!(provider.issuer), StatusCode::SEE_OTHER),
    ] {
        provider.set(json!({ "iss": iss })).await;
        assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, status, "{what}");
    }
    assert_eq!(provider.requests("/token").await, 1, "no code is redeemed where it may not belong");

    // Of a provider that promises none, none is asked; but one that is there has to be right.
    let (portal, provider) = scene(&[]).await;
    provider.set(json!({ "metadata": { "authorization_response_iss_parameter_supported": false }, "iss": null })).await;
    assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, StatusCode::SEE_OTHER);
    provider.set(json!({ "iss": "https://another.example" })).await;
    assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_the_provider_refuses_is_told() {
    let (portal, provider) = scene(&[]).await;
    provider.set(json!({ "account": "" })).await; // turns back at the form
    let answer = sign_in(&mut portal.browser(), &provider).await;
    assert_refused(&answer, StatusCode::FORBIDDEN, "You were not signed in", "access_denied");
    assert!(!answer.body.contains("turned back</"), "not in the provider's words");

    for (error, status, title) in [
        ("server_error", StatusCode::SERVICE_UNAVAILABLE, "Signing in is not possible right now"),
        ("temporarily_unavailable", StatusCode::SERVICE_UNAVAILABLE, "Signing in is not possible right now"),
        ("login_required", StatusCode::FORBIDDEN, "You were not signed in"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", StatusCode::FORBIDDEN, "You were not signed in"),
    ] {
        let mut browser = portal.browser();
        let state = parameters(browser.open("/login/oidc").await.location())["state"].clone();
        let answer = format!("/login/oidc/callback?error={error}&state={state}&iss={}", provider.issuer);
        let answer = return_with(&mut browser, &answer).await;
        assert_refused(&answer, status, title, error);
        assert!(!answer.body.contains("alert(1)"));
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_used_is_told() {
    const TITLE: &str = "Signing in does not work";
    // It does not take us for its client.
    let (portal, provider) = scene(&[("OIDC_CLIENT_SECRET", "another secret")]).await;
    let answer = sign_in(&mut portal.browser(), &provider).await;
    assert_refused(&answer, StatusCode::BAD_GATEWAY, TITLE, "another secret");

    let (portal, provider) = scene(&[]).await;
    provider
        .set(json!({ "tokenError": { "status": 200, "body": { "token_type": "Bearer", "access_token": "a" } } }))
        .await;
    assert_refused(&sign_in(&mut portal.browser(), &provider).await, StatusCode::BAD_GATEWAY, TITLE, "no ID token");
    provider.set(json!({ "tokenError": { "status": 200, "body": "no JSON" } })).await;
    assert_refused(&sign_in(&mut portal.browser(), &provider).await, StatusCode::BAD_GATEWAY, TITLE, "no JSON");

    // Its discovery document is another's, or leads codes and secrets onto the open network.
    for (what, metadata) in [
        ("another issuer", json!({ "issuer": "https://another.example" })),
        ("an open token endpoint", json!({ "token_endpoint": "http://portal.example/token" })),
        ("open keys", json!({ "jwks_uri": format!("{}/nothing", provider.issuer) })),
        ("no endpoint", json!({ "authorization_endpoint": null })),
    ] {
        let (portal, provider) = scene(&[]).await;
        provider.set(json!({ "metadata": metadata })).await;
        let answer = portal.browser().open("/login/oidc").await;
        assert_eq!((answer.status, answer.text("h1").as_str()), (StatusCode::BAD_GATEWAY, TITLE), "{what}");
    }
}

#[tokio::test]
async fn more_than_a_session_can_hold_is_refused() {
    let (portal, provider) = scene(&[]).await;
    for (name, claim) in [("story", json!("x".repeat(17 * 1024))), ("groups", json!(vec!["x".repeat(1023); 17]))] {
        provider.set(json!({ "claims": { name: claim } })).await;
        let mut browser = portal.browser();
        let answer = sign_in(&mut browser, &provider).await;
        assert_refused(&answer, StatusCode::FORBIDDEN, "Your account is too large", name);
        assert_eq!(browser.fetch("/session").await.status, StatusCode::UNAUTHORIZED);
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_why_and_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false);
    let _logged = tracing::subscriber::set_default(lines.with_writer(move || writer.clone()).finish());
    let (portal, provider) = scene(&[]).await;
    let mut secrets = vec![CLIENT_SECRET.to_owned(), "s3cret".to_owned()];
    for change in [json!(null), json!({ "key": "foreign" }), json!({ "claims": { "nonce": "another" } })] {
        provider.set(json!({ "change": change })).await;
        let mut browser = portal.browser();
        let start = browser.open("/login/oidc").await;
        let answer = provider.browser().follow(start.location()).await;
        secrets.extend([parameters(&answer)["code"].clone(), parameters(&answer)["state"].clone()]);
        secrets.extend(browser.cookies.values().cloned());
        return_with(&mut browser, &answer).await;
        secrets.extend(browser.cookies.values().cloned());
    }
    let token = provider.logout_token(json!({ "claims": { "sub": "ada" }, "key": "foreign" })).await;
    portal.browser().post("/login/oidc/logout", &format!("logout_token={token}")).await;
    secrets.push(token);

    let said = String::from_utf8(log.0.lock().expect("not poisoned").clone()).expect("text");
    let ours: Vec<_> = said.lines().filter(|line| line.contains("qlik_embed_bff") || line.contains("audit")).collect();
    for wanted in ["signed in", "oidc:ada", "the key that the provider publishes: ", "nonce mismatch", "no key fits"] {
        assert!(ours.iter().any(|line| line.contains(wanted)), "{wanted}: {said}");
    }
    for secret in secrets {
        assert!(!said.contains(&secret), "{secret}:\n{said}");
    }
    assert!(!said.contains("eyJ"), "no token: {said}");
}
