//! Good tickets: who comes in, and where to.

use axum::http::{Method, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use time::Duration;

use super::{claims, hand_over, hmac_of, open, rs256, signed, ticket};
use crate::portal::{KEY, PASSWORD, Portal};

const COOKIE: &str = "qlik-embed-bff";
/// What a browser says when another site's page posts a form.
const FROM_THE_PORTAL: [(&str, &str); 5] = [
    ("content-type", "application/x-www-form-urlencoded"),
    ("origin", "https://intranet.example"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

#[tokio::test]
async fn a_ticket_signs_in_by_link_and_by_form() {
    let portal = open(&[]).await;
    for by_form in [false, true] {
        let mut browser = portal.browser();
        let ticket = ticket(&claims(&portal, "Emmy"));
        let answer = if by_form {
            let form = format!("ticket={ticket}&to=%2Fembed%2Fdefault%3Fx%3D1");
            browser.send(Method::POST, "/login/ticket", &FROM_THE_PORTAL, &form).await
        } else {
            browser.open(&format!("/login/ticket?ticket={ticket}&to=%2Fembed%2Fdefault%3Fx%3D1")).await
        };
        assert_eq!(
            (answer.status, answer.location()),
            (StatusCode::SEE_OTHER, "/embed/default?x=1"),
            "{}",
            answer.body
        );
        assert_eq!((answer.header("cache-control"), answer.header("referrer-policy")), ("no-store", "same-origin"));
        let session = browser.fetch("/session").await.json();
        assert_eq!((&session["id"], &session["name"]), (&json!("Emmy"), &json!("Emmy Noether")));
        let page = browser.open("/embed/default").await;
        assert_eq!(page.attributes("#embed")["data-subject"], "ticket|Emmy");
        assert_eq!(browser.fetch("/token").await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn every_algorithm_is_taken_where_it_is_set() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let (public, private) = (pair.public_key_pem(), pair.serialize_pem());
    let certificate = pair_certificate(&pair);
    let key = EncodingKey::from_ec_pem(private.as_bytes()).expect("a key");
    for (algorithm, pem) in [("RS256", KEY.certificate.as_str()), ("ES256", &public), ("ES256", &certificate)] {
        let portal = open(&[("TICKET_SECRET", ""), ("TICKET_PUBLIC_KEY", pem)]).await;
        let (header, claims) = (json!({ "alg": algorithm }), claims(&portal, "emmy"));
        let ticket = match algorithm {
            "RS256" => rs256(&header, &claims),
            _ => signed(&header, &claims, |input| {
                jsonwebtoken::crypto::sign(input.as_bytes(), &key, Algorithm::ES256).expect("signed")
            }),
        };
        let answer = hand_over(&mut portal.browser(), &ticket).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/embed/default"), "{algorithm}");
    }
}

fn pair_certificate(pair: &rcgen::KeyPair) -> String {
    rcgen::CertificateParams::new(Vec::new()).and_then(|parameters| parameters.self_signed(pair)).expect("signed").pem()
}

#[tokio::test]
async fn the_way_leads_to_pages_of_ours_only() {
    let portal = open(&[]).await;
    for (to, reached) in [
        ("&to=/embed/default", "/embed/default"),
        ("", "/"),
        ("&to=", "/"),
        ("&to=https://evil.example", "/"),
        ("&to=//evil.example", "/"),
        ("&to=/%5Cevil.example", "/"),
        ("&to=/login/ticket", "/"),
        ("&to=javascript:alert(1)", "/"),
    ] {
        let path = format!("/login/ticket?ticket={}{to}", ticket(&claims(&portal, "emmy")));
        assert_eq!(portal.browser().open(&path).await.location(), reached, "{to}");
    }
    // Without a wish of the portal's, what the visitor wanted before they were sent to sign in.
    let mut browser = portal.browser();
    browser.open("/embed/default?a=b").await;
    let answer = browser.open(&format!("/login/ticket?ticket={}", ticket(&claims(&portal, "emmy")))).await;
    assert_eq!(answer.location(), "/embed/default?a=b");
}

#[tokio::test]
async fn the_same_person_keeps_their_session_and_another_gets_their_own() {
    let portal = open(&[("SESSION_MAX", "1h"), ("SESSION_IDLE", "1h")]).await;
    let mut browser = portal.browser();
    hand_over(&mut browser, &ticket(&claims(&portal, "emmy"))).await;
    let cookie = browser.cookies[COOKIE].clone();
    let engine = browser.open("/embed/default").await.attributes("#embed")["data-identity"].clone();

    portal.clock.advance(Duration::minutes(50));
    let mut renamed = claims(&portal, "emmy");
    renamed["name"] = json!("Amalie Emmy Noether");
    hand_over(&mut browser, &ticket(&renamed)).await;
    assert_eq!(browser.cookies[COOKIE], cookie);
    portal.clock.advance(Duration::minutes(50));
    let page = browser.open("/embed/default").await;
    assert_eq!(page.attributes("#embed")["data-identity"], engine, "selections stay");
    assert_eq!(page.text(".name"), "Signed in as Amalie Emmy Noether");

    let mut thief = browser.clone();
    hand_over(&mut browser, &ticket(&claims(&portal, "ada"))).await;
    assert_ne!(browser.cookies[COOKIE], cookie);
    assert_eq!(browser.fetch("/session").await.json()["id"], "ada");
    assert_eq!(thief.fetch("/session").await.status, StatusCode::UNAUTHORIZED, "the old session has ended");

    // One name from two sources is two people.
    let mut ada = portal.signed_in("ada").await;
    let before = ada.cookies[COOKIE].clone();
    hand_over(&mut ada, &ticket(&claims(&portal, "ada"))).await;
    assert_ne!(ada.cookies[COOKIE], before);
    assert_eq!(ada.open("/embed/default").await.attributes("#embed")["data-subject"], "ticket|ada");
}

#[tokio::test]
async fn a_second_click_leads_on_whoever_is_signed_in_by_it() {
    let portal = open(&[]).await;
    let link = format!("/login/ticket?ticket={}&to=/embed/default", ticket(&claims(&portal, "emmy")));
    let (mut emmy, mut ada) = (portal.browser(), portal.signed_in("ada").await);
    emmy.open(&link).await;
    let cookie = emmy.cookies[COOKIE].clone();
    let answer = emmy.open(&link).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/embed/default"));
    assert_eq!(emmy.cookies[COOKIE], cookie);
    assert_eq!(ada.open(&link).await.status, StatusCode::FORBIDDEN, "to anybody else it is used up");
    emmy.post("/logout", "").await;
    assert_eq!(emmy.open(&link).await.status, StatusCode::FORBIDDEN, "it does not sign in again");
}

#[tokio::test]
async fn tickets_are_taken_only_where_they_are_switched_on() {
    let portal = Portal::open().await;
    let ticket = ticket(&claims(&portal, "emmy"));
    assert_eq!(hand_over(&mut portal.browser(), &ticket).await.status, StatusCode::NOT_FOUND);
    let form = format!("ticket={ticket}");
    let answer = portal.browser().send(Method::POST, "/login/ticket", &FROM_THE_PORTAL, &form).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);

    let portal = open(&[("SIGN_IN", "ticket")]).await;
    assert_eq!(portal.browser().sign_in("ada", PASSWORD).await.status, StatusCode::METHOD_NOT_ALLOWED);
    // The way in of the portal's form is open to no other form.
    let mut emmy = portal.browser();
    hand_over(&mut emmy, &super::ticket(&claims(&portal, "emmy"))).await;
    for path in ["/logout", "/login", "/login/ticket/", "/login/ticket/x"] {
        let answer = emmy.send(Method::POST, path, &FROM_THE_PORTAL, "").await;
        assert!(matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND), "{path} {}", answer.status);
    }
    assert_eq!(emmy.fetch("/session").await.status, StatusCode::OK);
}

#[tokio::test]
async fn another_secret_and_then_a_key_are_taken_while_it_runs() {
    let portal = open(&[]).await;
    let new = "another secret that the portal and the server share";
    let by_new = || {
        let header = json!({ "alg": "HS256", "typ": "JWT" });
        signed(&header, &claims(&portal, "emmy"), |input| hmac_of(new.as_bytes(), input))
    };
    let by_key = || rs256(&json!({ "alg": "RS256", "typ": "JWT" }), &claims(&portal, "emmy"));
    let is_taken = async |ticket: String| hand_over(&mut portal.browser(), &ticket).await.status;
    assert_eq!(is_taken(by_new()).await, StatusCode::FORBIDDEN);
    portal.with_other(&[("TICKET_SECRET", new)]);
    assert_eq!(is_taken(by_new()).await, StatusCode::SEE_OTHER);
    assert_eq!(is_taken(ticket(&claims(&portal, "emmy"))).await, StatusCode::FORBIDDEN, "the old one");
    assert_eq!(is_taken(by_key()).await, StatusCode::FORBIDDEN);
    portal.with_other(&[("TICKET_SECRET", ""), ("TICKET_PUBLIC_KEY", &KEY.certificate)]);
    assert_eq!(is_taken(by_key()).await, StatusCode::SEE_OTHER);
    assert_eq!(is_taken(by_new()).await, StatusCode::FORBIDDEN);
}
