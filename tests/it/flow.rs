//! The flow of a page, as its script, its policy and the page after signing out have it; and how a browser's way is
//! remembered.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};

use crate::portal::{Answer, Browser, Portal};

const TENANT: &str = "https://acme.eu.qlikcloud.com";
const SOCKET: &str = "wss://acme.eu.qlikcloud.com";
const HTTPS: (&str, &str) = ("PUBLIC_URL", "https://portal.example");
const SIBLING: (&str, &str) = ("PROXY_URL", "https://analytics.portal.example");

/// The attributes of the page by which it finds its way to the tenant.
fn way(page: &Answer) -> BTreeMap<String, String> {
    let mut told = page.attributes("#embed");
    let names = ["data-flow", "data-tenant", "data-web-integration", "data-token", "data-proxy"];
    told.retain(|name, _| names.contains(&name.as_str()));
    told
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (format!("data-{name}"), (*value).to_owned())).collect()
}

async fn post(browser: &mut Browser, flow: &str) -> Answer {
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
    browser.send(Method::POST, "/flow", &headers, &format!("flow={flow}")).await
}

#[tokio::test]
async fn a_page_tells_what_its_flow_needs_and_nothing_else() {
    let there = [("tenant", TENANT), ("web-integration", "web-integration-1"), ("token", "/token/default")];
    for (flow, sibling, told, connect, frame) in [
        ("session", false, there.to_vec(), format!("{TENANT} {SOCKET}"), TENANT.to_owned()),
        (
            "proxy",
            false,
            vec![("proxy", "https://portal.example")],
            "https://portal.example wss://portal.example".into(),
            "'self' https://portal.example".into(),
        ),
        (
            "proxy",
            true,
            vec![("proxy", SIBLING.1)],
            format!("{} wss://analytics.portal.example", SIBLING.1),
            format!("'self' {}", SIBLING.1),
        ),
        (
            "auto",
            true,
            [&there[..], &[("proxy", SIBLING.1)]].concat(),
            format!("{TENANT} {SOCKET} {} wss://analytics.portal.example", SIBLING.1),
            format!("'self' {TENANT} {}", SIBLING.1),
        ),
    ] {
        let mut settings = vec![HTTPS, ("QLIK_FLOW", flow)];
        settings.extend(sibling.then_some(SIBLING));
        let portal = Portal::with(&settings).await;
        let page = portal.signed_in("ada").await.open("/embed/default").await;
        assert_eq!(way(&page), map(&[&told[..], &[("flow", flow)]].concat()), "{flow}");
        let policy = page.header("content-security-policy");
        assert!(policy.contains(&format!("connect-src 'self' {connect}; frame-src {frame};")), "{flow}: {policy}");
        let frames = match (flow, sibling) {
            ("session", _) => format!("(self \"{TENANT}\")"),
            ("proxy", false) => "(self)".to_owned(),
            ("proxy", true) => format!("(self \"{}\")", SIBLING.1),
            _ => format!("(self \"{TENANT}\" \"{}\")", SIBLING.1),
        };
        let permissions = page.header("permissions-policy");
        assert!(permissions.ends_with(&format!("fullscreen={frames}, clipboard-write={frames}")), "{permissions}");
    }
}

#[tokio::test]
async fn a_browser_that_keeps_no_cookies_of_the_tenant_is_remembered_until_it_signs_out() {
    let portal = Portal::with(&[HTTPS, SIBLING]).await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(way(&ada.open("/embed/default").await)["data-flow"], "auto");
    for _ in 0..2 {
        assert_eq!(post(&mut ada, "proxy").await.status, StatusCode::NO_CONTENT);
        let page = ada.open("/embed/default").await;
        assert_eq!(way(&page), map(&[("flow", "proxy"), ("proxy", SIBLING.1)]));
        assert!(!page.header("content-security-policy").contains(TENANT));
    }
    // Another browser of the same person has found out nothing, and this one begins anew after signing out.
    assert_eq!(way(&portal.signed_in("ada").await.open("/embed/default").await)["data-flow"], "auto");
    ada.post("/logout", "").await;
    ada.sign_in("ada", crate::portal::PASSWORD).await;
    assert_eq!(way(&ada.open("/embed/default").await)["data-flow"], "auto");
}

#[tokio::test]
async fn only_auto_has_a_choice() {
    let portal = Portal::with(&[("QLIK_FLOW", "session")]).await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(post(&mut ada, "proxy").await.status, StatusCode::NO_CONTENT);
    assert_eq!(way(&ada.open("/embed/default").await)["data-flow"], "session");
}

#[tokio::test]
async fn only_pages_of_ours_choose_for_who_is_signed_in() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(post(&mut portal.browser(), "proxy").await.status, StatusCode::UNAUTHORIZED);
    for flow in ["session", "auto", ""] {
        assert_eq!(post(&mut ada, flow).await.status, StatusCode::UNPROCESSABLE_ENTITY, "{flow}");
    }
    let form = ("content-type", "application/x-www-form-urlencoded");
    for from in [("sec-fetch-site", "same-site"), ("origin", "https://analytics.portal.example")] {
        let answer = ada.send(Method::POST, "/flow", &[form, from], "flow=proxy").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{from:?}");
    }
    assert_eq!(way(&ada.open("/embed/default").await)["data-flow"], "auto");
}

#[tokio::test]
async fn the_page_after_signing_out_calls_the_tenant_only_where_browsers_do() {
    for (flow, calls) in [("session", true), ("auto", true), ("proxy", false)] {
        let portal = Portal::with(&[("QLIK_FLOW", flow)]).await;
        let page = portal.browser().open("/logout").await;
        assert_eq!(page.attributes("#content").contains_key("data-tenant"), calls, "{flow}");
        assert_eq!(page.body.contains("signed_out.js"), calls, "{flow}");
        assert_eq!(page.header("content-security-policy").contains("connect-src"), calls, "{flow}");
    }
}
