//! `POST /access-token`, as pages and other clients ask there.

use super::*;

#[tokio::test]
async fn a_visitor_gets_the_token_of_their_own_user() {
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    let answer = ada.post(&[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "text/plain; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let token = answer.body;
    assert_eq!(stage.whose(&token).await, "password|ada");
    assert_eq!(stage.control().access_tokens("password|ada").len(), 1);

    // Clients that know no other answer say so, or nothing.
    for accept in ["*/*", "text/plain, */*", "text/html"] {
        assert_eq!(ada.post(&[("accept", accept)]).await.body, token, "{accept}");
    }
    let answer = ada.post(&[("accept", "application/json")]).await.json();
    assert_eq!(answer["access_token"], token.as_str());
    let expires = time::OffsetDateTime::parse(
        answer["expires_at"].as_str().expect("a time"),
        &time::format_description::well_known::Rfc3339,
    );
    let life = expires.expect("RFC 3339") - stage.portal.clock.now();
    assert!((21_590..=21_600).contains(&life.whole_seconds()), "{life}");

    let mut bob = Guest::arrive(&stage.portal, "bob").await;
    let his = bob.post(&[]).await.body;
    assert_ne!(his, token);
    assert_eq!(stage.whose(&his).await, "password|bob");
}

/// Nobody is told anything but that, whatever else may be wrong with the request.
#[tokio::test]
async fn who_is_not_signed_in_gets_none() {
    let stage = Stage::set().await;
    for headers in [&[][..], &[("csrf-token", "x")], &[("accept", "text/html"), ("sec-fetch-dest", "empty")]] {
        let answer = stage.portal.browser().send(Method::POST, "/access-token", headers, "").await;
        assert_eq!(failure(&answer), (StatusCode::UNAUTHORIZED, "session_expired".into()));
    }
    assert_eq!(stage.asked(), Vec::<u16>::new());
}

#[tokio::test]
async fn only_our_own_pages_get_one() {
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    let mut bob = Guest::arrive(&stage.portal, "bob").await;
    let hers = ada.browser.fetch("/csrf-token").await.json()["csrfToken"].as_str().expect("a token").to_owned();
    let his = bob.browser.fetch("/csrf-token").await.json()["csrfToken"].as_str().expect("a token").to_owned();
    assert_ne!(hers, his);
    assert_eq!(ada.browser.fetch("/csrf-token").await.json()["csrfToken"], hers.as_str(), "it stays");
    for token in [None, Some(""), Some("x"), Some(his.as_str()), Some(&hers[1..])] {
        let headers: Vec<_> = token.map(|token| ("csrf-token", token)).into_iter().collect();
        let answer = ada.browser.send(Method::POST, "/access-token", &headers, "").await;
        assert_eq!(failure(&answer), (StatusCode::FORBIDDEN, "csrf_token".into()), "{token:?}");
    }
    // Not even with it.
    for foreign in
        [("origin", "https://evil.example"), ("sec-fetch-site", "same-site"), ("sec-fetch-site", "cross-site")]
    {
        let headers = [("csrf-token", hers.as_str()), ("host", "localhost:8080"), foreign];
        let answer = ada.browser.send(Method::POST, "/access-token", &headers, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{foreign:?}");
    }
    assert_eq!(ada.browser.fetch("/access-token").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(stage.asked(), Vec::<u16>::new());
}

/// The token of a session is not the one of the session before it, and without one there is none.
#[tokio::test]
async fn the_csrf_token_belongs_to_one_session() {
    let stage = Stage::set().await;
    let mut browser = stage.portal.browser();
    assert_eq!(failure(&browser.fetch("/csrf-token").await), (StatusCode::UNAUTHORIZED, "session_expired".into()));
    assert!(browser.cookies.is_empty(), "nothing is kept for it");
    assert_eq!(browser.sign_in("ada", crate::portal::PASSWORD).await.status, StatusCode::SEE_OTHER);
    let answer = browser.fetch("/csrf-token").await;
    let before = answer.json()["csrfToken"].as_str().expect("a token").to_owned();
    assert_eq!((before.len(), answer.header("cache-control")), (43, "no-store"));
    assert_eq!(browser.fetch("/csrf-token").await.json()["csrfToken"], before.as_str());
    assert_eq!(browser.sign_in("ada", crate::portal::PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_ne!(browser.fetch("/csrf-token").await.json()["csrfToken"], before.as_str());
}

#[tokio::test]
async fn pages_of_other_flows_get_none() {
    for (flow, client) in [("session", true), ("proxy", true), ("session", false)] {
        let none = [("QLIK_OAUTH_CLIENT_ID", ""), ("QLIK_OAUTH_CLIENT_SECRET", "")];
        let flow = [("QLIK_FLOW", flow)];
        let changes = if client { flow.to_vec() } else { [&flow[..], &none[..]].concat() };
        let stage = Stage::with(|_| {}, &changes).await;
        let mut ada = Guest::arrive(&stage.portal, "ada").await;
        assert_eq!(failure(&ada.post(&[]).await), (StatusCode::NOT_FOUND, "not_found".into()), "{changes:?}");
        assert_eq!(stage.asked(), Vec::<u16>::new());
    }
}

/// Who embeds by access tokens alone needs no key and no identity provider.
#[tokio::test]
async fn without_a_key_there_are_access_tokens_all_the_same() {
    let none = [("QLIK_JWT_ISSUER", ""), ("QLIK_JWT_KEY_ID", ""), ("QLIK_JWT_PRIVATE_KEY", "")];
    let stage = Stage::with(|_| {}, &none).await;
    stage.control().add_user("password|ada", "ada@example.com", "active");
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    assert_eq!(ada.post(&[]).await.status, StatusCode::OK);
    assert_eq!(failure(&ada.browser.fetch("/token").await), (StatusCode::NOT_FOUND, "not_found".into()));
    // Any other flow does.
    let env = crate::portal::settings(stage.portal.folder());
    let env = env.into_iter().filter(|(name, _)| !name.starts_with("QLIK_JWT_")).collect();
    let problems =
        qlik_embed_bff::config::load(&env, stage.portal.clock.now()).expect_err("it cannot sign").to_string();
    assert!(problems.contains("QLIK_JWT_ISSUER") && problems.contains("QLIK_JWT_KEY_ID"), "{problems}");
}

/// A page of components needs nothing of us for hours; it tells that its visitor is active.
#[tokio::test]
async fn who_is_active_stays_signed_in() {
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    let csrf = ada.browser.fetch("/csrf-token").await.json()["csrfToken"].as_str().expect("a token").to_owned();
    for _ in 0..3 {
        stage.pass(25 * 60);
        let answer = ada.browser.send(Method::POST, "/session", &[("csrf-token", &csrf)], "").await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(ada.post(&[]).await.status, StatusCode::OK);
    assert_eq!(ada.browser.send(Method::POST, "/session", &[], "").await.status, StatusCode::FORBIDDEN);
    stage.pass(31 * 60);
    let answer = ada.browser.send(Method::POST, "/session", &[("csrf-token", &csrf)], "").await;
    assert_eq!(failure(&answer), (StatusCode::UNAUTHORIZED, "session_expired".into()));
}

#[tokio::test]
async fn access_tokens_are_counted_by_person() {
    let stage = Stage::with(|_| {}, &[("RATE_LIMIT_ACCESS_TOKEN", "2")]).await;
    stage.control().add_user("password|ada", "ada@example.com", "active");
    let there = stage.portal.beside().await;
    stage.portal.clock.hold();
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    let answer = ada.post(&[]).await;
    assert_eq!((answer.status, answer.header("ratelimit")), (StatusCode::OK, "\"access_token\";r=1;t=60"));
    assert_eq!(answer.header("ratelimit-policy"), "\"access_token\";q=2;w=60");
    // Without the token of the page it is refused, and counted all the same.
    let elsewhere = ada.browser.through(there.front()).send(Method::POST, "/access-token", &[], "").await;
    assert_eq!((elsewhere.status, elsewhere.header("ratelimit")), (StatusCode::FORBIDDEN, "\"access_token\";r=0;t=60"));
    let answer = ada.post(&[]).await;
    assert_eq!(failure(&answer), (StatusCode::TOO_MANY_REQUESTS, "too_many_requests".into()));
    assert_eq!((answer.header("ratelimit"), answer.header("retry-after")), ("\"access_token\";r=0;t=60", "60"));
    stage.pass(60);
    assert_eq!(ada.post(&[]).await.status, StatusCode::OK);
}
