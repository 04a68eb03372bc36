//! Who is signed in and nobody to Qlik: the way out of there.

use axum::http::{Method, StatusCode};

use crate::portal::{Answer, Browser, PASSWORD, Portal};

const DENY_BOB: &str = "[[mapping]]\nname = 'bob'\nwhen = { id = 'bob' }\ndeny = 'Not you, Bob.'\n";

async fn framed(browser: &mut Browser) -> Answer {
    browser.send(Method::GET, "/embed/default", &[("sec-fetch-dest", "iframe")], "").await
}

#[tokio::test]
async fn who_is_denied_can_sign_out_and_in_as_somebody_else() {
    let portal = Portal::with_file(DENY_BOB, &[]).await;
    let mut browser = portal.signed_in("bob").await;
    assert_eq!(browser.open("/").await.location(), "/embed/default", "the start page is the page");
    let page = browser.open("/embed/default").await;
    assert_eq!((page.status, page.text(".lead").as_str()), (StatusCode::FORBIDDEN, "Not you, Bob."));
    let form = page.attributes("main form");
    assert_eq!((form["method"].as_str(), form["action"].as_str()), ("post", "/logout"));
    assert_eq!(page.text("main form button[type=submit]"), "Sign out");
    assert_eq!(page.text("main a"), "", "no other way, since it would lead back here");
    // The browser sends that form, and says where it comes from.
    assert!(page.header("content-security-policy").contains("form-action 'self'"));
    assert_eq!(page.header("referrer-policy"), "same-origin");

    assert_eq!(browser.post("/logout", "").await.location(), "/logout");
    assert_eq!(browser.open("/logout").await.attributes("main a")["href"], "/login");
    browser.sign_in("ada", PASSWORD).await;
    let page = browser.open("/embed/default").await;
    assert_eq!((page.status, page.text(".name").as_str()), (StatusCode::OK, "Signed in as Ada Lovelace"));
}

#[tokio::test]
async fn every_denial_has_that_way_out() {
    let no_mail = Portal::with(&[("SIGN_IN", "header"), ("TRUSTED_PROXIES", "10.0.0.0/8"), ("HEADER_ID", "X-User")]);
    let no_mail = no_mail.await.restart_with(&[("HEADER_SIGN_OUT_URL", "/oauth2/sign_out")]).await;
    let mut browser = no_mail.browser();
    browser.address = "10.0.0.1".into();
    browser.proxied = vec![("x-user", "ada".into())];
    let page = browser.open("/embed/default").await;
    assert_eq!((page.status, page.text("h1").as_str()), (StatusCode::FORBIDDEN, "This page is not for you yet"));
    assert_eq!(page.attributes("main form")["action"], "/logout");
    // Behind the proxy that leads to where its own session is ended.
    browser.post("/logout", "").await;
    assert_eq!(browser.open("/logout").await.attributes("main a")["href"], "/oauth2/sign_out");

    let unmapped = Portal::with(&[("SUBJECT_UNMAPPED", "deny")]).await;
    let page = unmapped.signed_in("ada").await.open("/embed/default").await;
    assert_eq!((page.status, page.attributes("main form")["action"].as_str()), (StatusCode::FORBIDDEN, "/logout"));
}

/// The page after signing out is never framed; and a tab has another session than a frame on another site.
#[tokio::test]
async fn in_a_frame_signing_out_opens_a_tab_or_is_left_to_the_page_around() {
    let portal = Portal::with_file(DENY_BOB, &[]).await;
    let page = framed(&mut portal.signed_in("bob").await).await;
    assert_eq!((page.status, page.attributes("main form")["target"].as_str()), (StatusCode::FORBIDDEN, "_blank"));
    assert_eq!(page.text("main form button"), "Sign out (opens a new tab)");

    let changes = [("PUBLIC_URL", "https://portal.example"), ("FRAME_ANCESTORS", "self https://intranet.example")];
    let page = framed(&mut Portal::with_file(DENY_BOB, &changes).await.signed_in("bob").await).await;
    assert_eq!((page.status, page.text("main form, main a").as_str()), (StatusCode::FORBIDDEN, ""));
}
