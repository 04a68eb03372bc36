//! Signing in by what a proxy before us says: whom it is believed, and what the session makes of it.

use axum::http::{Method, StatusCode};
use qlik_embed_bff::store::SessionsOf;

use crate::portal::{Answer, Browser, Portal};

const COOKIE: &str = "qlik-embed-bff";
const SETTINGS: [(&str, &str); 6] = [
    ("SIGN_IN", "header, password"),
    ("TRUSTED_PROXIES", "10.0.0.0/8"),
    ("HEADER_ID", "X-Forwarded-User"),
    ("HEADER_NAME", "X-Forwarded-Preferred-Username"),
    ("HEADER_EMAIL", "X-Forwarded-Email"),
    ("HEADER_GROUPS", "X-Forwarded-Groups"),
];

async fn portal() -> Portal {
    Portal::with(&SETTINGS).await
}

/// A browser behind the proxy, which names this person.
fn behind_proxy(portal: &Portal, id: &str) -> Browser {
    let mut browser = portal.browser();
    browser.address = "10.0.0.1".into();
    named(&mut browser, id);
    browser
}

fn named(browser: &mut Browser, id: &str) {
    browser.proxied = vec![
        ("x-forwarded-for", "198.51.100.7".into()),
        ("x-forwarded-user", id.into()),
        ("x-forwarded-preferred-username", format!("The one named {id}")),
        ("x-forwarded-email", format!("{id}@example.com")),
        ("x-forwarded-groups", "sales,all".into()),
    ];
}

/// The claims of a token, which the portal itself has just signed.
fn claims(answer: &Answer) -> serde_json::Value {
    use base64::Engine as _;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let token = answer.json()["body"].as_str().expect("a token").to_owned();
    let payload = token.split('.').nth(1).expect("three parts").to_owned();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims")
}

#[tokio::test]
async fn the_first_request_is_answered_at_once() {
    let portal = portal().await;
    let page = behind_proxy(&portal, "ada").open("/embed/default").await;
    assert_eq!((page.status, page.text(".name").as_str()), (StatusCode::OK, "Signed in as The one named ada"));
    assert_eq!(page.attributes("#embed")["data-subject"], "header|ada");
    assert_eq!(behind_proxy(&portal, "ada").open("/login").await.location(), "/");
    let mut ada = behind_proxy(&portal, "ada");
    let claims = claims(&ada.fetch("/token").await);
    assert_eq!(
        (&claims["sub"], &claims["name"], &claims["email"], &claims["groups"]),
        (
            &"header|ada".into(),
            &"The one named ada".into(),
            &"ada@example.com".into(),
            &serde_json::json!(["all", "sales"])
        )
    );
    let session = ada.cookies[COOKIE].clone();
    assert_eq!(ada.fetch("/session").await.json()["id"], "ada");
    assert_eq!(ada.cookies[COOKIE], session, "one session, however many requests");
}

#[tokio::test]
async fn nobody_else_is_believed() {
    let portal = portal().await;
    for address in ["203.0.113.9", "11.0.0.1", "127.0.0.1", "::1"] {
        let mut mallory = behind_proxy(&portal, "ada");
        mallory.address = address.into();
        // Nor is what the client says about the address.
        mallory.proxied.push(("x-forwarded-for", "10.0.0.1".into()));
        mallory.proxied.push(("forwarded", "for=10.0.0.1".into()));
        assert_eq!(mallory.fetch("/token").await.status, StatusCode::UNAUTHORIZED, "{address}");
        assert_eq!(mallory.open("/embed/default").await.location(), "/login", "{address}");
        assert_eq!(mallory.fetch("/session").await.status, StatusCode::UNAUTHORIZED, "{address}");
        // Somebody who is signed in otherwise stays who they are.
        mallory.sign_in("bob", crate::portal::PASSWORD).await;
        assert_eq!(claims(&mallory.fetch("/token").await)["sub"], "password|bob", "{address}");
    }
    let mut mapped = behind_proxy(&portal, "ada");
    mapped.address = "::ffff:10.0.0.1".into();
    assert_eq!(claims(&mapped.fetch("/token").await)["sub"], "header|ada");
}

#[tokio::test]
async fn headers_that_can_be_read_in_two_ways_are_refused() {
    let portal = portal().await;
    for name in ["x-forwarded-user", "x-forwarded-email", "x-forwarded-groups", "x-forwarded-preferred-username"] {
        let mut ada = behind_proxy(&portal, "ada");
        ada.proxied.push((name, "eve".into()));
        for path in ["/token", "/session", "/embed/default"] {
            let answer = ada.fetch(path).await;
            assert_eq!(
                (answer.status, answer.json()["error"].as_str()),
                (StatusCode::BAD_REQUEST, Some("unclear_identity"))
            );
            assert!(ada.cookies.is_empty());
        }
        let page = ada.open("/").await;
        assert_eq!((page.status, page.text("h1").as_str()), (StatusCode::BAD_REQUEST, "It is not clear who you are"));
    }
    // A spelling that the proxy does not overwrite is not the header.
    let mut ada = behind_proxy(&portal, "ada");
    ada.proxied.push(("x_forwarded_user", "eve".into()));
    assert_eq!(claims(&ada.fetch("/token").await)["sub"], "header|ada");
    ada.proxied.retain(|(name, _)| *name == "x_forwarded_user");
    assert_eq!(ada.fetch("/token").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn another_person_gets_another_session() {
    let portal = portal().await;
    let mut browser = behind_proxy(&portal, "ada");
    let engine = |page: Answer| page.attributes("#embed")["data-identity"].clone();
    let of_ada = engine(browser.open("/embed/default").await);
    let mut thief = browser.clone();
    named(&mut browser, "bob");
    let page = browser.open("/embed/default").await;
    assert_eq!(page.attributes("#embed")["data-subject"], "header|bob");
    assert_ne!(engine(page), of_ada);
    assert_ne!(browser.cookies[COOKIE], thief.cookies[COOKIE]);
    // The session of the first has ended: its cookie is worth a new session, not the old one.
    assert_ne!(engine(thief.open("/embed/default").await), of_ada);
    // Ids are compared as they are written.
    named(&mut browser, "Bob");
    assert_eq!(browser.fetch("/session").await.json()["id"], "Bob");
}

#[tokio::test]
async fn without_the_headers_nobody_is_signed_in() {
    let portal = portal().await;
    let mut ada = behind_proxy(&portal, "ada");
    assert_eq!(ada.open("/embed/default").await.status, StatusCode::OK);
    let mut thief = ada.clone();
    thief.proxied.clear();
    let mut direct = ada.clone();
    direct.address = "203.0.113.9".into();
    assert_eq!(thief.fetch("/token").await.status, StatusCode::UNAUTHORIZED);
    assert!(thief.cookies.is_empty());
    assert_eq!(direct.open("/embed/default").await.location(), "/login");
    // The proxy still names her: she goes on, in a session of her own.
    assert_eq!(claims(&ada.fetch("/token").await)["sub"], "header|ada");
}

#[tokio::test]
async fn what_the_proxy_says_later_counts_from_then_on() {
    let portal = portal().await;
    let mut ada = behind_proxy(&portal, "ada");
    let engine = ada.open("/embed/default").await.attributes("#embed")["data-identity"].clone();
    let session = ada.cookies[COOKIE].clone();
    ada.proxied.retain(|(name, _)| !matches!(*name, "x-forwarded-groups" | "x-forwarded-email"));
    ada.proxied.push(("x-forwarded-groups", "boards".into()));
    ada.proxied.push(("x-forwarded-email", "countess@example.com".into()));
    let claims = claims(&ada.fetch("/token").await);
    assert_eq!((&claims["groups"], &claims["email"]), (&serde_json::json!(["boards"]), &"countess@example.com".into()));
    assert_eq!(ada.cookies[COOKIE], session);
    assert_eq!(ada.open("/embed/default").await.attributes("#embed")["data-identity"], engine, "the same person");
    ada.proxied.retain(|(name, _)| *name != "x-forwarded-email");
    assert_eq!(ada.fetch("/token").await.status, StatusCode::FORBIDDEN, "Qlik asks for an address");
}

#[tokio::test]
async fn other_ways_go_on_where_the_proxy_names_nobody() {
    let portal = portal().await;
    let mut browser = portal.signed_in("bob").await;
    browser.address = "10.0.0.1".into();
    assert_eq!(claims(&browser.fetch("/token").await)["sub"], "password|bob");
    let of_bob = browser.clone();
    named(&mut browser, "ada");
    assert_eq!(claims(&browser.fetch("/token").await)["sub"], "header|ada");
    // His session has ended with that: one browser, one visitor.
    let mut later = of_bob.clone();
    assert_eq!(later.fetch("/token").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn signing_out_leads_to_the_proxy() {
    for (url, words, link) in [
        (
            "",
            "The company's sign-in still knows you: the next page that you open signs you in again. \
             On a shared computer, close the browser.",
            "/",
        ),
        (
            "/oauth2/sign_out?rd=%2F",
            "The company's sign-in still knows you. On a shared computer, sign out there too.",
            "/oauth2/sign_out?rd=%2F",
        ),
    ] {
        let portal = Portal::with(&[&SETTINGS[..], &[("HEADER_SIGN_OUT_URL", url)]].concat()).await;
        let mut ada = behind_proxy(&portal, "ada");
        ada.open("/embed/default").await;
        let mut thief = ada.clone();
        assert_eq!(ada.post("/logout", "").await.location(), "/logout");
        assert!(ada.cookies.is_empty());
        let page = ada.open("/logout").await;
        assert_eq!((page.status, page.text("h1").as_str()), (StatusCode::OK, "You are signed out"));
        assert_eq!((page.text(".lead").as_str(), &*page.attributes("a.primary")["href"]), (words, link));
        assert!(ada.cookies.is_empty(), "the page that says so begins no session");
        thief.proxied.clear();
        assert_eq!(thief.fetch("/session").await.status, StatusCode::UNAUTHORIZED);
        let elsewhere = portal.browser().open("/logout").await;
        assert_eq!(elsewhere.text(".lead"), "On a shared computer, close the browser as well.");
    }
}

#[tokio::test]
async fn a_way_that_is_closed_closes_its_sessions() {
    let portal = portal().await;
    let mut ada = behind_proxy(&portal, "ada");
    ada.open("/embed/default").await;
    let bob = portal.signed_in("bob").await;
    let portal = portal.restart_with(&[("SIGN_IN", "password")]).await;
    let with = async |cookies: &Browser| {
        let mut browser = behind_proxy(&portal, "ada");
        browser.cookies = cookies.cookies.clone();
        browser.fetch("/session").await.status
    };
    assert_eq!(with(&ada).await, StatusCode::UNAUTHORIZED, "neither the session nor the headers count");
    assert_eq!(with(&bob).await, StatusCode::OK);
}

#[tokio::test]
async fn probes_and_addresses_that_are_none_begin_no_session() {
    let portal = portal().await;
    let probes = [("/healthz", StatusCode::OK), ("/readyz", StatusCode::OK), ("/nothing", StatusCode::NOT_FOUND)];
    for (path, status) in probes {
        let answer = behind_proxy(&portal, "eve").send(Method::GET, path, &[], "").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (status, ""), "{path}");
    }
    let ended = portal.app.store.end_sessions(SessionsOf::Owner("header:eve")).await.expect("the store answers");
    assert_eq!(ended, 0);
}
