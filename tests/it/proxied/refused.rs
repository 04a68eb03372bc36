//! Requests that do not pass: none of them reaches the tenant.

use axum::http::{Method, StatusCode};
use qlik_embed_bff::demo::{Refusal, Times};
use qlik_embed_bff::identity::Source;

use super::{Proxied, assert_refused, send};
use crate::portal::APP_ID;

#[tokio::test]
async fn nobody_passes_without_a_session() {
    let proxied = Proxied::open().await;
    let mut stranger = proxied.portal.browser();
    assert_refused(&stranger.fetch("/api/v1/users/me").await, StatusCode::UNAUTHORIZED, "session_expired");
    let frame = [("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-origin")];
    let answer = stranger.send(Method::GET, "/single/?appid=x", &frame, "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.text("h1"), "Your session has ended");
    assert!(!answer.body.contains("<form"), "never the form in a frame");
    let answer = stranger.open(&format!("/single/?appid={APP_ID}")).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login"));
    stranger.cookies.insert("qlik-embed-bff".into(), "AAAAAAAAAAAAAAAAAAAAAA".into());
    assert_refused(&stranger.fetch("/api/v1/users/me").await, StatusCode::UNAUTHORIZED, "session_expired");
    assert!(proxied.control().requests().is_empty());
}

#[tokio::test]
async fn no_address_leads_elsewhere() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    for path in [
        "/api//evil.example/x",
        "/api/..%2f..%2flogout",
        "/api/%2e%2e/login",
        "/api/../logout",
        "/api/./x",
        "/api/%5cevil.example",
        "/api/x%00",
        "/api/x%0d%0aHost:evil.example",
        "http://evil.example/api/v1/users/me",
        "http://localhost:8080@evil.example/api/v1/users/me",
    ] {
        let answer = ada.fetch(path).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{path}: {} {}", answer.status, answer.body);
    }
    let long = format!("/api/{}", "x".repeat(9000));
    assert_eq!(ada.fetch(&long).await.status, StatusCode::URI_TOO_LONG);
    for path in ["/hub", "/api", "/apix/v1", "/oauth/token", "/console/", "/singleton"] {
        let answer = ada.fetch(path).await;
        assert_refused(&answer, StatusCode::NOT_FOUND, "not_found");
    }
    assert!(proxied.control().requests().is_empty(), "{:?}", proxied.control().requests());
    // Ours stay ours: the tenant's sign-in and sign-out cannot be reached.
    assert_eq!(ada.open("/login").await.location(), "/");
    assert_eq!(send(&mut ada, Method::POST, "/login/jwt-session", "").await.status, StatusCode::NOT_FOUND);
    assert!(proxied.control().requests().is_empty());
}

#[tokio::test]
async fn only_apps_of_the_visitors_pages_are_shown() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    let other = "00000000-0000-4000-8000-000000000000";
    for path in [
        format!("/single/?appid={other}"),
        format!("/single/?appid={APP_ID}&appid={other}"),
        format!("/single/?appid={APP_ID}&%61ppid={other}"),
        format!("/sense/app/{other}/sheet/x/state/analysis"),
    ] {
        assert_refused(&ada.fetch(&path).await, StatusCode::FORBIDDEN, "forbidden");
    }
    assert!(proxied.control().requests().is_empty());
    assert_eq!(ada.fetch(&format!("/single/?appid={}", APP_ID.to_uppercase())).await.status, StatusCode::OK);
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let proxied = Proxied::with(&[("TOKEN_ALLOWED_ORIGINS", "https://sister.example")], |_| {}).await;
    let ada = proxied.portal.signed_in("ada").await;
    for (headers, passes) in [
        (vec![("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")], false),
        (vec![("origin", "null")], false),
        (vec![("sec-fetch-site", "same-site")], false),
        (vec![("origin", "http://localhost:8081")], false),
        (vec![("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")], true),
        (vec![("origin", "https://sister.example"), ("sec-fetch-site", "same-site")], true),
        (vec![], true),
    ] {
        let answer = ada.clone().send(Method::POST, "/api/v1/nothing", &headers, "").await;
        if passes {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{headers:?}");
        } else {
            assert_refused(&answer, StatusCode::FORBIDDEN, "foreign_origin");
        }
        // Who may only look sees nothing of what there is.
        let answer = ada.clone().send(Method::GET, "/api/v1/features", &headers, "").await;
        let shared = answer.header("access-control-allow-origin");
        let origin = headers.iter().find(|(name, _)| *name == "origin").map_or("", |(_, origin)| origin);
        assert_eq!(shared, if passes { origin } else { "" }, "{headers:?}");
    }
    let preflight = [
        ("origin", "https://sister.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,qlik-csrf-token"),
    ];
    let answer = proxied.portal.browser().send(Method::OPTIONS, "/api/v1/x", &preflight, "").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-headers"), "content-type,qlik-csrf-token");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
}

#[tokio::test]
async fn no_script_of_the_tenant_stays_between_us_and_the_browser() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    let worker = [("service-worker", "script"), ("sec-fetch-dest", "serviceworker")];
    let answer = ada.send(Method::GET, "/resources/single/sheet.js", &worker, "").await;
    assert_refused(&answer, StatusCode::NOT_FOUND, "not_found");
}

#[tokio::test]
async fn the_session_follows_the_company_proxy() {
    let changes = [
        ("SIGN_IN", "password, header"),
        ("TRUSTED_PROXIES", "10.0.0.1"),
        ("HEADER_ID", "x-user"),
        ("HEADER_EMAIL", "x-email"),
    ];
    let proxied = Proxied::with(&changes, |_| {}).await;
    let mut browser = proxied.portal.browser();
    browser.address = "10.0.0.1".into();
    browser.proxied = vec![("x-user", "ada".into()), ("x-email", "ada@example.com".into())];
    assert_eq!(browser.open("/embed/default").await.status, StatusCode::OK);
    let answer = browser.fetch("/api/v1/users/me").await;
    assert_eq!(answer.json()["subject"], format!("{}|ada", Source::Header));
    let seen = proxied.control().requests();
    assert!(seen.iter().all(|request| !request.headers.iter().any(|name| name == "x-user")));
    // The proxy names somebody else, or nobody: what is left of the session before shows nothing.
    for named in [vec![("x-user", "bob".to_owned())], vec![]] {
        let mut other = browser.clone();
        other.proxied = named;
        assert_refused(&other.fetch("/api/v1/users/me").await, StatusCode::UNAUTHORIZED, "session_expired");
    }
    // Whoever sends such a header itself is not believed, and is not passed on with it either.
    let mut ada = proxied.portal.signed_in("ada").await;
    ada.proxied = vec![("x-user", "bob".into())];
    assert_eq!(ada.fetch("/api/v1/users/me").await.json()["subject"], "password|ada");
}

#[tokio::test]
async fn a_tenant_that_refuses_its_own_session_is_no_loop() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    proxied.control().refuse("/api/v1/features", Refusal::Unauthorized, Times::Always);
    let answer = ada.fetch("/api/v1/features").await;
    assert_refused(&answer, StatusCode::BAD_GATEWAY, "tenant_refused");
    assert_eq!((proxied.asked("/api/v1/features"), proxied.logins()), (2, 2));
}

/// Visitors read what concerns them; an administrator who looks over their shoulder, the rest.
#[tokio::test]
async fn a_refused_login_is_told_to_visitors_to_administrators_and_to_programs() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    proxied.control().refuse("/login/jwt-session", Refusal::NotAMember, Times::Always);
    let answer = ada.fetch("/api/v1/users/me").await;
    assert_refused(&answer, StatusCode::BAD_GATEWAY, "tenant_refused");
    let mut said = answer.json();
    said.as_object_mut().expect("an object").remove("request_id");
    let told = "the tenant refused the token with status 403: AUTH-5, User is not a member of the tenant";
    let expected = serde_json::json!({
        "error": "tenant_refused", "message": "You are not a member of this Qlik Cloud tenant.", "advice": "not-a-member", "detail": told,
    });
    assert_eq!(said, expected);

    let frame = [("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-origin")];
    let page = ada.send(Method::GET, &format!("/single/?appid={APP_ID}"), &frame, "").await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert_eq!(page.text("h1"), "Qlik Cloud does not let you in");
    assert_eq!(page.text(".lead"), "You are not a member of this Qlik Cloud tenant.");
    assert_eq!(page.text(".lead + p"), "An administrator of the tenant can add you.");
    assert_eq!(page.text("details > summary"), "For your administrator");
    assert_eq!(page.text("details code"), told);
    assert!(page.text("details").contains("not-a-member"), "{}", page.body);
    assert!(!page.body.contains('`'), "{}", page.body);
}

#[tokio::test]
async fn a_tenant_that_cannot_be_reached_is_told_with_what_to_do() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    proxied.control().unplug().await;
    let answer = ada.fetch("/api/v1/users/me").await;
    assert_refused(&answer, StatusCode::BAD_GATEWAY, "tenant_unreachable");
    assert_eq!(answer.json()["advice"], "connection-refused");
}
