//! Cookies for frames in pages of other sites.

use axum::http::{Method, StatusCode};

use super::{claims, hand_over, open, ticket};
use crate::portal::{PASSWORD, Portal};

const OURS: &str = "https://portal.example";

/// The attributes of the one cookie of an answer, sorted; without its age.
fn attributes(cookie: &str) -> Vec<&str> {
    let mut attributes: Vec<_> =
        cookie.split("; ").skip(1).filter(|attribute| !attribute.starts_with("Max-Age=1")).collect();
    attributes.sort_unstable();
    attributes
}

#[tokio::test]
async fn cookies_reach_frames_of_other_sites_when_there_may_be_such() {
    let lax = ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"];
    let none = ["HttpOnly", "Partitioned", "Path=/", "SameSite=None", "Secure"];
    for (ancestors, expected) in [
        ("self", &lax[..]),
        ("self https://intranet.portal.example", &lax),
        ("self https://intranet.example", &none),
        ("https://*.example", &none),
    ] {
        let portal = open(&[("PUBLIC_URL", OURS), ("FRAME_ANCESTORS", ancestors)]).await;
        let mut browser = portal.browser();
        let mut told = claims(&portal, "emmy");
        told["aud"] = OURS.into();
        let answer = hand_over(&mut browser, &ticket(&told)).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let cookie = answer.header("set-cookie").to_owned();
        assert!(cookie.starts_with("__Host-qlik-embed-bff="), "{cookie}");
        assert_eq!(attributes(&cookie), expected, "{ancestors}");

        // A removal without the same attributes would be ignored, or look into another jar.
        let removal = browser.post("/logout", "").await.header("set-cookie").to_owned();
        assert!(removal.starts_with("__Host-qlik-embed-bff=;") && removal.contains("Max-Age=0"), "{removal}");
        for attribute in expected.iter().filter(|name| !["HttpOnly", "SameSite=Lax"].contains(name)) {
            assert!(removal.split("; ").any(|part| part == *attribute), "{removal}");
        }
    }
    // Browsers take no such cookie over plain http.
    let portal = Portal::with(&[("FRAME_ANCESTORS", "https://intranet.example")]).await;
    let cookie = portal.browser().sign_in("ada", PASSWORD).await.header("set-cookie").to_owned();
    assert!(cookie.contains("SameSite=Lax") && !cookie.contains("Partitioned"), "{cookie}");
}

/// A frame there has a jar of its own, which nothing that happens in a tab can fill.
#[tokio::test]
async fn without_tickets_a_frame_on_another_site_opens_its_page_in_a_tab() {
    let frame = [("sec-fetch-dest", "iframe"), ("sec-fetch-site", "cross-site")];
    let changes = [("PUBLIC_URL", OURS), ("FRAME_ANCESTORS", "self https://intranet.example")];
    let portal = Portal::with(&changes).await;
    let page = portal.browser().send(Method::GET, "/embed/default", &frame, "").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert_eq!(page.text("h1"), "This page needs a tab of its own");
    let link = page.attributes("main a");
    assert_eq!((link["href"].as_str(), link["target"].as_str()), ("", "_blank"), "the address of the frame itself");
    assert_eq!(page.text("main a"), "Open it (opens a new tab)");
    assert!(!page.body.contains("reload") && !page.body.contains("Reload"), "{}", page.body);

    // On our own site, a session that begins in a tab is the frame's too.
    let page = Portal::open().await.browser().send(Method::GET, "/embed/default", &frame, "").await;
    assert_eq!(page.text(".lead"), "Sign in in a new tab, then come back and reload this page.");
}

/// With `SameSite=None` the cookie comes along from everywhere; where a request comes from decides as before.
#[tokio::test]
async fn what_other_sites_may_not_do_they_still_may_not() {
    let portal = open(&[("PUBLIC_URL", OURS), ("FRAME_ANCESTORS", "self https://intranet.example")]).await;
    let mut emmy = portal.browser();
    let mut told = claims(&portal, "emmy");
    told["aud"] = OURS.into();
    hand_over(&mut emmy, &ticket(&told)).await;
    let intranet = [("origin", "https://intranet.example"), ("sec-fetch-site", "cross-site")];
    for path in ["/token", "/token/default"] {
        let answer = emmy.send(Method::GET, path, &intranet, "").await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (StatusCode::FORBIDDEN, Some("foreign_origin")));
        // The script of our own page in a frame there.
        let ours = [("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty"), ("sec-fetch-mode", "cors")];
        assert_eq!(emmy.send(Method::GET, path, &ours, "").await.status, StatusCode::OK);
    }
    assert_eq!(emmy.send(Method::POST, "/logout", &intranet, "").await.status, StatusCode::FORBIDDEN);
    let framed = emmy
        .send(Method::GET, "/embed/default", &[("sec-fetch-dest", "iframe"), ("sec-fetch-site", "cross-site")], "")
        .await;
    assert_eq!((framed.status, framed.header("x-frame-options")), (StatusCode::OK, ""));
    assert!(framed.header("content-security-policy").ends_with("frame-ancestors 'self' https://intranet.example"));

    // A new tab has cookies of its own: only the page around can sign this visitor in again.
    let ended = portal.browser().send(Method::GET, "/embed/default", &[("sec-fetch-dest", "iframe")], "").await;
    assert_eq!(ended.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ended.text(".lead"), "Reload the page around this one: it signs you in again.");
    assert!(!ended.body.contains("target=\"_blank\""), "{}", ended.body);
}
