//! The pages as browsers get them: what they say, and what they forbid.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use scraper::{Html, Selector};

use crate::portal::{APP_ID, Portal};

#[tokio::test]
async fn the_embed_page_tells_its_script_everything_and_no_secret() {
    let portal = Portal::with(&[
        ("QLIK_THEME", "breeze"),
        ("QLIK_TITLE", "Sales & \"more\""),
        ("PORTAL_NAME", "<script>alert(1)</script>"),
        ("FRAME_ANCESTORS", "'self' https://host.example"),
    ])
    .await;
    let mut bob = portal.signed_in("bob").await;
    let page = bob.open("/embed/default").await;
    assert_eq!(page.status, StatusCode::OK);
    let mut told = page.attributes("#embed");
    told.retain(|name, _| name.starts_with("data-"));
    let identity = told.remove("data-identity").expect("an identity");
    assert_eq!(identity.len(), 22, "16 random bytes in base64url");
    let expected: BTreeMap<_, _> = [
        ("data-slug", "default"),
        ("data-tenant", "https://acme.eu.qlikcloud.com"),
        ("data-origin", "http://localhost:8080"),
        ("data-subject", "password|bob"),
        ("data-app", APP_ID),
        ("data-sheet", "PpVjBm"),
        ("data-select", ""),
        ("data-web-integration", "web-integration-1"),
        ("data-flow", "auto"),
        ("data-theme", "breeze"),
        ("data-options", "ctxmenu,currsel"),
        ("data-language", ""),
        ("data-token", "/token/default"),
        ("data-proxy", "http://localhost:8080"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    assert_eq!(told, expected);
    assert_eq!(page.text("h1"), "Sales & \"more\"");
    assert_eq!(page.text(".brand"), "<script>alert(1)</script>");
    assert_eq!(page.text(".name"), "Signed in as Bob <b>");
    assert_eq!(
        page.header("content-security-policy"),
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self' https://acme.eu.qlikcloud.com wss://acme.eu.qlikcloud.com \
         http://localhost:8080 ws://localhost:8080; \
         frame-src 'self' https://acme.eu.qlikcloud.com http://localhost:8080; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'self' https://host.example"
    );
    assert_eq!(page.header("x-frame-options"), "", "it cannot name other sites, so it must not contradict the policy");
    let cookie = &bob.cookies["qlik-embed-bff"];
    assert!(!page.body.contains(cookie) && !page.body.contains("PRIVATE"));
    // Its own for each session, and the same on each visit.
    assert_eq!(bob.open("/embed/default").await.attributes("#embed")["data-identity"], identity);
    let other = portal.signed_in("bob").await.open("/embed/default").await;
    assert_ne!(other.attributes("#embed")["data-identity"], identity);
}

#[tokio::test]
async fn a_configured_identity_is_everybodys() {
    let portal = Portal::with(&[("QLIK_IDENTITY", "kiosk"), ("QLIK_LANGUAGE", "de"), ("QLIK_OPTIONS", "none")]).await;
    let told = portal.signed_in("ada").await.open("/embed/default").await.attributes("#embed");
    assert_eq!((&*told["data-identity"], &*told["data-language"], &*told["data-options"]), ("kiosk", "de", ""));
}

#[tokio::test]
async fn pages_work_under_their_own_policy() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    let pages = [
        ada.open("/embed/default").await,
        ada.open("/embed/unknown").await,
        portal.browser().open("/login").await,
        portal.browser().open("/logout").await,
    ];
    for page in pages {
        let html = Html::parse_document(&page.body);
        for inline in
            ["style", "script:not([src])", "[style]", "[onclick]", "[onload]", "[onerror]", "[href^='javascript']"]
        {
            let selector = Selector::parse(inline).expect("a selector");
            assert_eq!(html.select(&selector).count(), 0, "{inline}: {}", page.body);
        }
        let selector = Selector::parse("script[src], link[href], img[src]").expect("a selector");
        for element in html.select(&selector) {
            let address = element.value().attr("src").or(element.value().attr("href")).unwrap_or_default();
            let asset = portal.browser().fetch(address).await;
            assert_eq!(asset.status, StatusCode::OK, "{address}");
            assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        }
    }
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let portal = Portal::with(&[("PUBLIC_URL", "https://portal.example")]).await;
    let mut ada = portal.signed_in("ada").await;
    let paths = [
        "/",
        "/embed/default",
        "/embed/x",
        "/token",
        "/token/x",
        "/login",
        "/logout",
        "/session",
        "/healthz",
        "/readyz",
        "/favicon.ico",
        "/nothing",
        "/static/x/css/base.css",
    ];
    for path in paths {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let answer = ada.send(method.clone(), path, &[], "").await;
            let header = |name| answer.header(name);
            assert!(header("content-security-policy").contains("default-src 'none'"), "{method} {path}");
            assert_eq!(header("x-content-type-options"), "nosniff");
            assert_eq!(header("referrer-policy"), "same-origin");
            assert_eq!(header("cross-origin-opener-policy"), "same-origin");
            assert_eq!(header("strict-transport-security"), "max-age=31536000");
            assert_eq!(
                header("permissions-policy"),
                "camera=(), microphone=(), geolocation=(), payment=(), usb=(), \
                 fullscreen=(self \"https://acme.eu.qlikcloud.com\"), clipboard-write=(self \"https://acme.eu.qlikcloud.com\")"
            );
            assert_eq!(header("x-request-id").len(), 32);
            assert_eq!(answer.headers.get_all("content-security-policy").iter().count(), 1);
            if path != "/favicon.ico" {
                assert_eq!(header("cache-control"), "no-store", "{method} {path}");
            }
        }
    }
    assert_eq!(portal.browser().open("/login").await.header("x-frame-options"), "DENY");
}

#[tokio::test]
async fn what_does_not_exist_is_said_in_words() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    for path in ["/embed/unknown", "/nothing", "/static/x/y", "/embed/..%2f", "/wp-login.php"] {
        let page = ada.open(path).await;
        assert_eq!((page.status, page.text("h1").as_str()), (StatusCode::NOT_FOUND, "There is nothing here"), "{path}");
        assert_eq!(page.text("main code"), page.header("x-request-id"));
        assert_eq!(ada.fetch(path).await.json()["error"], "not_found");
    }
}

#[tokio::test]
async fn assets_are_ours_and_nothing_beside_them() {
    let portal = Portal::open().await;
    let login = portal.browser().open("/login").await;
    let css = login.attributes("link[rel=stylesheet]")["href"].clone();
    let prefix = css.strip_suffix("css/base.css").expect("the style sheet");
    let asset = portal.browser().fetch(&css).await;
    assert_eq!(asset.header("content-type"), "text/css; charset=utf-8");
    for (name, kind) in [
        ("js/main.js", "text/javascript; charset=utf-8"),
        ("favicon.svg", "image/svg+xml"),
        ("vendor/enigma.min.js", "text/javascript; charset=utf-8"),
        ("vendor/enigma-schema.json", "application/json"),
        ("vendor/LICENSES.txt", "text/plain; charset=utf-8"),
    ] {
        let asset = portal.browser().fetch(&format!("{prefix}{name}")).await;
        assert_eq!((asset.status, asset.header("content-type")), (StatusCode::OK, kind), "{name}");
    }
    for name in ["../Cargo.toml", "..%2fCargo.toml", "%2e%2e/Cargo.toml", "/etc/passwd", "js/", "vendor"] {
        assert_eq!(portal.browser().fetch(&format!("{prefix}{name}")).await.status, StatusCode::NOT_FOUND, "{name}");
    }
    let zipped = portal.browser().send(Method::GET, &css, &[("accept-encoding", "br")], "").await;
    assert_eq!(zipped.header("content-encoding"), "br");
}

#[tokio::test]
async fn probes_say_alive_and_ready() {
    let portal = Portal::open().await;
    let mut probe = portal.browser();
    assert_eq!(probe.fetch("/healthz").await.body, r#"{"status":"ok"}"#);
    assert_eq!(probe.fetch("/readyz").await.body, r#"{"status":"ready"}"#);
    portal.app.drain();
    let draining = probe.fetch("/readyz").await;
    assert_eq!(
        (draining.status, draining.body.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"draining"}"#)
    );
    assert_eq!(probe.fetch("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_its_store_the_portal_says_so() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    portal.app.store.close().await;
    let ready = ada.fetch("/readyz").await;
    assert_eq!(
        (ready.status, ready.body.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"status":"store unavailable"}"#)
    );
    let mut browser = portal.browser();
    browser.cookies.insert("qlik-embed-bff".into(), "AAAAAAAAAAAAAAAAAAAAAA".into());
    let page = browser.open("/embed/default").await;
    assert_eq!((page.status, page.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert_eq!(page.text("h1"), "Not available right now");
    assert_eq!(portal.browser().sign_in("ada", "x").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(portal.browser().open("/login").await.status, StatusCode::OK);
}

#[tokio::test]
async fn failures_are_readable_however_the_answer_was_asked_for() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    for path in ["/embed/%FF", "/static/x/%FF"] {
        let headers = [("accept", "text/html"), ("accept-encoding", "gzip, br")];
        let page = ada.send(Method::GET, path, &headers, "").await;
        assert!(page.status.is_client_error(), "{path}");
        assert_eq!(page.header("content-encoding"), "", "{path}");
        assert!(page.text("h1").len() > 10, "{path}: {}", page.body);
    }
}
