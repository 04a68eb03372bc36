//! The hand-over: how a visitor of the portal comes to be known at `PROXY_URL`, and nobody else.

use axum::http::{Method, StatusCode};
use time::Duration;

use crate::portal::{Answer, Browser, Portal};

const PORTAL: &str = "https://portal.example";
const SIBLING: &str = "https://analytics.portal.example";
const HOST: (&str, &str) = ("host", "analytics.portal.example");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const COOKIE: &str = "__Host-qlik-embed-bff-proxy";

async fn two_origins() -> Portal {
    Portal::with(&[("PUBLIC_URL", PORTAL), ("PROXY_URL", SIBLING), ("QLIK_FLOW", "proxy")]).await
}

/// Asks for a code as a script of the portal's page does.
async fn ask(browser: &mut Browser) -> Answer {
    browser.send(Method::POST, "/hand-over", &[("origin", PORTAL), ("sec-fetch-site", "same-origin")], "").await
}

async fn code(browser: &mut Browser) -> String {
    let answer = ask(browser).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"), "{}", answer.body);
    answer.json()["code"].as_str().expect("a code").to_owned()
}

/// Brings a code to the other origin.
async fn bring(browser: &mut Browser, code: &str, origin: &str) -> Answer {
    let headers = [HOST, FORM, ("origin", origin), ("sec-fetch-site", "same-site"), ("sec-fetch-dest", "empty")];
    browser.send(Method::POST, "/hand-over", &headers, &format!("code={code}")).await
}

#[tokio::test]
async fn a_page_of_the_portal_makes_its_visitor_known_at_the_other_origin() {
    let portal = two_origins().await;
    let mut ada = portal.signed_in("ada").await;
    let code = code(&mut ada).await;
    let answer = bring(&mut ada, &code, PORTAL).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(answer.header("access-control-allow-origin"), PORTAL);
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    let cookie = answer.header("set-cookie");
    let (value, attributes) = cookie.split_once("; ").expect("attributes");
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/; Secure");
    assert!(value.starts_with(&format!("{COOKIE}=")) && !cookie.contains(&code), "{cookie}");

    // Each page begins so; the browser keeps the cookie that it has.
    let again = self::code(&mut ada).await;
    let answer = bring(&mut ada, &again, PORTAL).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::NO_CONTENT, ""));
}

#[tokio::test]
async fn a_code_is_good_once_and_for_a_minute_and_for_this_session() {
    let portal = two_origins().await;
    let mut ada = portal.signed_in("ada").await;
    let used = code(&mut ada).await;
    assert_eq!(bring(&mut ada.clone(), &used, PORTAL).await.status, StatusCode::NO_CONTENT);
    let late = code(&mut ada).await;
    portal.clock.advance(Duration::seconds(61));
    let left = code(&mut ada).await;
    ada.post("/logout", "").await;
    for refused in [&used, &late, &left, "", "AAAAAAAAAAAAAAAAAAAAAA", &"x".repeat(2000)] {
        let answer = bring(&mut ada, refused, PORTAL).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::UNAUTHORIZED, ""), "{refused}");
        assert_eq!(answer.json()["error"], "session_expired");
        assert_eq!(answer.header("access-control-allow-origin"), PORTAL, "the page can read why");
    }
}

#[tokio::test]
async fn another_session_in_the_same_browser_gets_another_cookie() {
    let portal = two_origins().await;
    let mut browser = portal.signed_in("ada").await;
    let of_ada = code(&mut browser).await;
    bring(&mut browser, &of_ada, PORTAL).await;
    let before = browser.cookies[COOKIE].clone();
    browser.sign_in("bob", crate::portal::PASSWORD).await;
    let of_bob = code(&mut browser).await;
    bring(&mut browser, &of_bob, PORTAL).await;
    assert_ne!(browser.cookies[COOKIE], before);
}

#[tokio::test]
async fn only_pages_of_the_portal_get_codes_and_bring_them() {
    let portal = two_origins().await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(ask(&mut portal.browser()).await.status, StatusCode::UNAUTHORIZED);
    for from in [("origin", SIBLING), ("origin", "https://evil.example"), ("sec-fetch-site", "same-site")] {
        let answer = ada.send(Method::POST, "/hand-over", &[from], "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{from:?}");
    }
    let code = code(&mut ada).await;
    for origin in [SIBLING, "https://evil.example", "null", "https://portal.example.evil.example"] {
        let answer = bring(&mut ada, &code, origin).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::FORBIDDEN, ""), "{origin}");
    }
    let unsaid = ada.send(Method::POST, "/hand-over", &[HOST, FORM], &format!("code={code}")).await;
    assert_eq!(unsaid.status, StatusCode::FORBIDDEN, "browsers say where they come from");
    for method in [Method::GET, Method::PUT] {
        let answer =
            ada.send(method.clone(), &format!("/hand-over?code={code}"), &[HOST, ("origin", PORTAL)], "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}");
    }
    assert_eq!(bring(&mut ada, &code, PORTAL).await.status, StatusCode::NO_CONTENT, "nobody has used it up");
}

#[tokio::test]
async fn a_browser_may_ask_first() {
    let portal = two_origins().await;
    let asked = [HOST, ("access-control-request-method", "POST"), ("access-control-request-headers", "content-type")];
    for (origin, status) in [(PORTAL, StatusCode::NO_CONTENT), ("https://evil.example", StatusCode::FORBIDDEN)] {
        let headers = [&asked[..], &[("origin", origin)]].concat();
        let answer = portal.browser().send(Method::OPTIONS, "/hand-over", &headers, "").await;
        let allowed = if status.is_success() { origin } else { "" };
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, allowed));
    }
}

#[tokio::test]
async fn the_cookie_is_as_closed_as_the_portals_own() {
    let framed = [("PUBLIC_URL", PORTAL), ("PROXY_URL", SIBLING), ("FRAME_ANCESTORS", "self https://intranet.other")];
    let portal = Portal::with(&framed).await;
    let mut ada = portal.signed_in("ada").await;
    let code = self::code(&mut ada).await;
    let cookie = bring(&mut ada, &code, PORTAL).await;
    let cookie = cookie.header("set-cookie");
    assert!(cookie.ends_with("HttpOnly; Path=/; Secure; SameSite=None; Partitioned"), "{cookie}");

    let plain =
        [("PUBLIC_URL", "http://portal.localhost:8080"), ("PROXY_URL", "http://analytics.portal.localhost:8080")];
    let portal = Portal::with(&plain).await;
    let mut ada = portal.signed_in("ada").await;
    let from = [("origin", plain[0].1), ("sec-fetch-site", "same-origin")];
    let code =
        ada.send(Method::POST, "/hand-over", &from, "").await.json()["code"].as_str().expect("a code").to_owned();
    let headers = [("host", "analytics.portal.localhost:8080"), FORM, ("origin", plain[0].1)];
    let answer = ada.send(Method::POST, "/hand-over", &headers, &format!("code={code}")).await;
    let cookie = answer.header("set-cookie");
    assert!(
        cookie.starts_with("qlik-embed-bff-proxy=") && cookie.ends_with("; HttpOnly; SameSite=Lax; Path=/"),
        "{cookie}"
    );
}

#[tokio::test]
async fn without_another_origin_there_is_nothing_to_hand_over() {
    let portal = Portal::with(&[("QLIK_FLOW", "proxy")]).await;
    let mut ada = portal.signed_in("ada").await;
    let answer = ada.send(Method::POST, "/hand-over", &[("sec-fetch-site", "same-origin")], "").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
