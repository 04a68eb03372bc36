//! `PROXY_URL`: the tenant's content at an origin of its own.

use axum::http::{Method, StatusCode};

use super::{Proxied, assert_refused, until};
use crate::portal::{Answer, Browser, Portal};

const PORTAL: &str = "https://portal.example";
const SIBLING: &str = "https://analytics.portal.example";
const COOKIE: &str = "__Host-qlik-embed-bff-proxy";

async fn open() -> Proxied {
    Proxied::with(&[("PUBLIC_URL", PORTAL), ("PROXY_URL", SIBLING)], |_| {}).await
}

/// The same browser at the other origin, where it has other cookies.
fn at_sibling(portal: &Portal) -> Browser {
    let mut browser = portal.browser();
    browser.proxied = vec![("host", "analytics.portal.example".into())];
    browser
}

/// What the page does before it asks for anything there.
async fn hand_over(portal: &mut Browser, sibling: &mut Browser) -> Answer {
    let headers = [("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty"), ("origin", PORTAL)];
    let answer = portal.send(Method::POST, "/hand-over", &headers, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let code = answer.json()["code"].as_str().expect("a code").to_owned();
    enter(sibling, &code).await
}

async fn enter(sibling: &mut Browser, code: &str) -> Answer {
    let headers = [
        ("origin", PORTAL),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-dest", "empty"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    sibling.send(Method::POST, "/hand-over", &headers, &format!("code={code}")).await
}

#[tokio::test]
async fn the_tenant_is_at_its_own_origin_and_nowhere_else() {
    let proxied = open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    let mut there = at_sibling(&proxied.portal);
    assert_refused(&there.fetch("/api/v1/users/me").await, StatusCode::UNAUTHORIZED, "session_expired");
    let answer = hand_over(&mut ada, &mut there).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
    assert_eq!(answer.header("access-control-allow-origin"), PORTAL);
    assert_eq!(there.cookies.keys().collect::<Vec<_>>(), [COOKIE]);
    let cookie = answer.header("set-cookie");
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let answer = there.fetch("/api/v1/users/me").await;
    assert_eq!(answer.json()["subject"], "password|ada", "{}", answer.body);
    assert!(answer.body.contains("https://analytics.portal.example/api/v1/users/"), "{}", answer.body);

    // Our pages are not there, and the tenant is not at our pages'.
    for path in
        ["/token", "/token/default", "/session", "/embed/default", "/flow", "/static/x/css/base.css", "/healthz"]
    {
        assert_refused(&there.fetch(path).await, StatusCode::NOT_FOUND, "not_found");
    }
    assert_refused(&ada.fetch("/api/v1/users/me").await, StatusCode::NOT_FOUND, "not_found");
    // The cookie of one is worth nothing at the other.
    let mut both = at_sibling(&proxied.portal);
    both.cookies = ada.cookies.clone();
    assert_refused(&both.fetch("/api/v1/users/me").await, StatusCode::UNAUTHORIZED, "session_expired");
    let mut back = proxied.portal.browser();
    back.cookies = there.cookies.clone();
    assert_refused(&back.fetch("/session").await, StatusCode::UNAUTHORIZED, "session_expired");
    // Where a client goes that takes itself for signed out.
    let answer = there.open("/login").await;
    assert!(answer.location().starts_with(PORTAL), "{}", answer.location());
}

#[tokio::test]
async fn scripts_that_draw_components_are_for_anybody_where_there_are_components_and_nothing_else_is() {
    const SCRIPT: &str = "/qlik-embed/main.js";
    let urls = [("PUBLIC_URL", PORTAL), ("PROXY_URL", SIBLING), ("QLIK_FLOW", "proxy")];
    for (embed, passes) in [("analytics/sheet", true), ("", false)] {
        let proxied = Proxied::with(&[&urls[..], &[("QLIK_EMBED", embed)]].concat(), |_| {}).await;
        let mut there = at_sibling(&proxied.portal);
        // Without cookies, as browsers ask for modules of another origin.
        let module = [("origin", PORTAL), ("sec-fetch-site", "same-site"), ("sec-fetch-dest", "script")];
        let answer = there.send(Method::GET, SCRIPT, &module, "").await;
        assert_eq!((answer.status != StatusCode::UNAUTHORIZED, proxied.asked(SCRIPT)), (passes, usize::from(passes)));
        if passes {
            assert_eq!(answer.header("access-control-allow-origin"), PORTAL);
        }
        let asked = proxied.control().requests();
        assert!(asked.iter().all(|request| request.path != "/login/jwt-session"), "in nobody's name");
        let post = [("origin", PORTAL), ("sec-fetch-site", "same-site"), ("content-length", "0")];
        assert_refused(&there.send(Method::POST, SCRIPT, &post, "").await, StatusCode::UNAUTHORIZED, "session_expired");
        let worker = [("service-worker", "script"), ("sec-fetch-dest", "serviceworker")];
        assert_refused(
            &there.send(Method::GET, SCRIPT, &worker, "").await,
            StatusCode::UNAUTHORIZED,
            "session_expired",
        );
        for path in ["/resources/a.js", "/api/v1/users/me", "/assets/x"] {
            let answer = there.send(Method::GET, path, &module, "").await;
            assert_refused(&answer, StatusCode::UNAUTHORIZED, "session_expired");
        }
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_for_a_minute() {
    let proxied = open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    let headers = [("sec-fetch-site", "same-origin"), ("origin", PORTAL)];
    let code = async |browser: &mut Browser| {
        let answer = browser.send(Method::POST, "/hand-over", &headers, "").await;
        answer.json()["code"].as_str().expect("a code").to_owned()
    };
    let once = code(&mut ada).await;
    assert_eq!(enter(&mut at_sibling(&proxied.portal), &once).await.status, StatusCode::NO_CONTENT);
    assert!(enter(&mut at_sibling(&proxied.portal), &once).await.status.is_client_error());
    let late = code(&mut ada).await;
    proxied.portal.clock.advance(time::Duration::seconds(61));
    assert!(enter(&mut at_sibling(&proxied.portal), &late).await.status.is_client_error());
    let left = code(&mut ada).await;
    ada.post("/logout", "").await;
    assert!(enter(&mut at_sibling(&proxied.portal), &left).await.status.is_client_error());

    // Given to our own pages only, and taken from them only.
    let mut ada = proxied.portal.signed_in("ada").await;
    let foreign = [("sec-fetch-site", "same-site"), ("origin", SIBLING)];
    assert_eq!(ada.send(Method::POST, "/hand-over", &foreign, "").await.status, StatusCode::FORBIDDEN);
    let good = code(&mut ada).await;
    let body = format!("code={good}");
    for origin in ["https://evil.example", SIBLING, "null"] {
        let headers = [("origin", origin), ("content-type", "application/x-www-form-urlencoded")];
        let answer = at_sibling(&proxied.portal).send(Method::POST, "/hand-over", &headers, &body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin}: {}", answer.body);
    }
}

#[tokio::test]
async fn signing_out_at_one_origin_ends_both() {
    let proxied = open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    let mut there = at_sibling(&proxied.portal);
    hand_over(&mut ada, &mut there).await;
    assert_eq!(there.fetch("/api/v1/features").await.status, StatusCode::OK);
    ada.post("/logout", "").await;
    until(async || there.fetch("/api/v1/features").await.status == StatusCode::UNAUTHORIZED).await;
    until(async || proxied.asked("/logout") == 1).await;
}

#[tokio::test]
async fn failures_there_are_dressed_by_our_origin() {
    let proxied = open().await;
    let mut there = at_sibling(&proxied.portal);
    let frame = [("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-site")];
    let answer = there.send(Method::GET, "/single/", &frame, "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let style = &answer.attributes("link[rel=stylesheet]")["href"];
    assert!(style.starts_with("https://portal.example/static/"), "{style}");
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("style-src https://portal.example;"), "{policy}");
    assert!(policy.ends_with("frame-ancestors 'self' https://portal.example"), "{policy}");
    let asset = style.strip_prefix(PORTAL).expect("ours");
    let answer = proxied.portal.browser().fetch(asset).await;
    assert_eq!(answer.header("cross-origin-resource-policy"), "same-site");
}
