//! Tickets that are worth nothing, and what is said about them.

use axum::http::{Method, StatusCode};
use base64::prelude::{BASE64_STANDARD, Engine};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::Duration;

use super::{ISSUER, PUBLIC_URL, SECRET, claims, hand_over, hmac_of, open, part, rs256, signed, ticket};
use crate::portal::{Answer, KEY, Portal};

const INVALID: (&str, &str) = ("You could not be signed in", "The link that led you here is not valid.");
const EXPIRED: (&str, &str) = ("This link has expired", "The link that led you here is good for minutes only.");
const USED: (&str, &str) = ("This link was used already", "The link that led you here works only once.");

/// The visitor gets one sentence and the way back; nobody is signed in, and no secret is told.
async fn is_refused(portal: &Portal, ticket: &str, (title, sentence): (&str, &str), what: &str) {
    let mut browser = portal.browser();
    let answer = hand_over(&mut browser, ticket).await;
    assert_eq!(
        (answer.status, answer.text("h1").as_str(), answer.text(".lead").as_str()),
        (StatusCode::FORBIDDEN, title, sentence),
        "{what}"
    );
    assert!(answer.text("main").contains("Go back to the page that led you here"), "{what}");
    assert!(browser.cookies.is_empty() && answer.headers.get("set-cookie").is_none(), "{what}");
    assert!(!answer.body.contains(ticket) || ticket.is_empty(), "{what}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "{what}");
}

#[tokio::test]
async fn claims_that_are_missing_or_wrong_are_refused() {
    let portal = open(&[]).await;
    let now = portal.clock.now().unix_timestamp();
    for (claim, value, told) in [
        ("iss", Some(json!("https://evil.example")), INVALID),
        ("iss", None, INVALID),
        ("aud", Some(json!("https://other.example")), INVALID),
        ("aud", Some(json!([PUBLIC_URL, "https://other.example"])), INVALID),
        ("aud", None, INVALID),
        ("sub", None, INVALID),
        ("sub", Some(json!("")), INVALID),
        ("jti", None, INVALID),
        ("jti", Some(json!(7)), INVALID),
        ("exp", None, INVALID),
        ("exp", Some(json!(now - 40)), EXPIRED),
        ("exp", Some(json!(now + 3600)), INVALID),
        ("iat", Some(json!(now + 120)), INVALID),
        ("nbf", Some(json!(now + 120)), INVALID),
        ("groups", Some(json!("Sales")), INVALID),
    ] {
        let mut claims = claims(&portal, "emmy");
        let claims_object = claims.as_object_mut().expect("an object");
        match value.clone() {
            Some(value) => claims_object.insert(claim.to_owned(), value),
            None => claims_object.remove(claim),
        };
        is_refused(&portal, &ticket(&claims), told, &format!("{claim} {value:?}")).await;
    }
}

#[tokio::test]
async fn a_ticket_is_good_once() {
    let portal = open(&[]).await;
    let claims = claims(&portal, "emmy");
    let used = ticket(&claims);
    assert_eq!(hand_over(&mut portal.browser(), &used).await.status, StatusCode::SEE_OTHER);
    is_refused(&portal, &used, USED, "again").await;
    // The name of the ticket counts, whatever else it says.
    let mut same_name = claims.clone();
    same_name["sub"] = json!("ada");
    is_refused(&portal, &ticket(&same_name), USED, "another person's with the same name").await;

    let other = portal.beside().await;
    is_refused(&other, &used, USED, "at another instance").await;
    let second = ticket(&super::claims(&portal, "emmy"));
    assert_eq!(hand_over(&mut other.browser(), &second).await.status, StatusCode::SEE_OTHER);
    is_refused(&portal, &second, USED, "at the first instance").await;

    // What is swept away was refused for its age before.
    for _ in 0..30 {
        portal.clock.advance(Duration::seconds(5));
        portal.app.store.sweep(portal.clock.now()).await.expect("the store answers");
        let answer = hand_over(&mut portal.browser(), &used).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    is_refused(&portal, &used, EXPIRED, "much later").await;
}

#[tokio::test]
async fn of_many_at_once_one_comes_in() {
    let portal = open(&[]).await;
    let instances = [portal.beside().await, portal.beside().await];
    let ticket = ticket(&claims(&portal, "emmy"));
    let mut tasks = tokio::task::JoinSet::new();
    for place in 0..20 {
        let (mut browser, ticket) = (instances[place % 2].browser(), ticket.clone());
        tasks.spawn(async move { hand_over(&mut browser, &ticket).await.status });
    }
    let statuses = tasks.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == StatusCode::SEE_OTHER).count(), 1, "{statuses:?}");
}

#[tokio::test]
async fn forged_tickets_are_refused() {
    let portal = open(&[]).await;
    let good = claims(&portal, "emmy");
    let hs256 = json!({ "alg": "HS256" });
    let sign = |input: &str| hmac_of(SECRET.as_bytes(), input);
    let honest = ticket(&good);
    let [header, _, signature] = honest.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let mut other = good.clone();
    other["sub"] = json!("ada");
    let embedded = json!({ "kty": "oct", "k": BASE64_STANDARD.encode("the forger's"), "alg": "HS256" });
    let forged = |header: &Value| signed(header, &good, |input| hmac_of(b"the forger's", input));
    for (what, ticket) in [
        ("nothing", String::new()),
        ("no ticket at all", "ticket".into()),
        ("two parts", format!("{header}.{}", part(&good))),
        ("four parts", format!("{honest}.x")),
        ("other claims", format!("{header}.{}.{signature}", part(&other))),
        ("a cut signature", honest[..honest.len() - 2].to_owned()),
        ("no signature", format!("{header}.{}.", part(&good))),
        ("another secret", forged(&hs256)),
        ("alg none", format!("{}.{}.", part(&json!({ "alg": "none" })), part(&good))),
        ("alg None", signed(&json!({ "alg": "None" }), &good, |_| String::new())),
        ("alg none, signed", signed(&json!({ "alg": "none" }), &good, sign)),
        ("HS512", signed(&json!({ "alg": "HS512" }), &good, sign)),
        ("no alg", signed(&json!({}), &good, sign)),
        ("crit", signed(&json!({ "alg": "HS256", "crit": ["exp"], "exp": 1 }), &good, sign)),
        ("an empty crit", signed(&json!({ "alg": "HS256", "crit": [] }), &good, sign)),
        ("another kind", signed(&json!({ "alg": "HS256", "typ": "at+jwt" }), &good, sign)),
        ("its own key", forged(&json!({ "alg": "HS256", "jwk": embedded }))),
        ("its own address of keys", forged(&json!({ "alg": "HS256", "jku": "https://evil.example/jwks", "kid": "x" }))),
        ("claims that are no object", signed(&hs256, &json!(["sub"]), sign)),
        ("endless", "x".repeat(13_000)),
    ] {
        is_refused(&portal, &ticket, INVALID, what).await;
    }
    assert_eq!(portal.browser().open("/login/ticket").await.status, StatusCode::FORBIDDEN);
    // A header that is not looked at does no harm either.
    let with_key = signed(&json!({ "alg": "HS256", "jwk": embedded, "x5c": 7 }), &good, sign);
    assert_eq!(hand_over(&mut portal.browser(), &with_key).await.status, StatusCode::SEE_OTHER);
}

/// The public key as the secret of an HMAC (RFC 8725, section 2.1), in every form that a careless server might use.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let portal = open(&[("TICKET_SECRET", ""), ("TICKET_PUBLIC_KEY", &KEY.certificate)]).await;
    let claims = claims(&portal, "emmy");
    let pem = KEY.certificate.as_str();
    let der =
        BASE64_STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).expect("PEM");
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
    let info = certificate.public_key();
    for (what, secret) in [
        ("the text", pem.as_bytes()),
        ("the trimmed text", pem.trim().as_bytes()),
        ("the certificate", &der),
        ("the key's info", info.raw),
        ("the key", &info.subject_public_key.data),
    ] {
        let confused = signed(&json!({ "alg": "HS256" }), &claims, |input| hmac_of(secret, input));
        is_refused(&portal, &confused, INVALID, what).await;
        let claimed = signed(&json!({ "alg": "RS256" }), &claims, |input| hmac_of(secret, input));
        is_refused(&portal, &claimed, INVALID, what).await;
    }
    assert_eq!(
        hand_over(&mut portal.browser(), &rs256(&json!({ "alg": "RS256" }), &claims)).await.status,
        StatusCode::SEE_OTHER
    );
}

#[tokio::test]
async fn nobody_is_signed_in_behind_their_back() {
    let portal = open(&[]).await;
    let path = format!("/login/ticket?ticket={}", ticket(&claims(&portal, "emmy")));
    for mode in ["no-cors", "cors", "same-origin"] {
        let headers = [("sec-fetch-mode", mode), ("sec-fetch-dest", "image"), ("sec-fetch-site", "same-site")];
        let mut browser = portal.browser();
        let answer = browser.send(Method::GET, &path, &headers, "").await;
        assert_eq!((answer.status, answer.json()["error"].as_str()), (StatusCode::FORBIDDEN, Some("ticket_refused")));
        assert!(browser.cookies.is_empty());
    }
    // A hidden frame of a site that may not frame our pages.
    let headers = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-site")];
    let mut browser = portal.browser();
    assert_eq!(browser.send(Method::GET, &path, &headers, "").await.status, StatusCode::FORBIDDEN);
    assert!(browser.cookies.is_empty());
    assert_eq!(portal.browser().open(&path).await.status, StatusCode::SEE_OTHER, "it was not used up");
}

#[tokio::test]
async fn a_refusal_in_a_frame_is_a_page_for_frames() {
    let portal =
        open(&[("FRAME_ANCESTORS", "self https://intranet.example"), ("PUBLIC_URL", "https://portal.example")]).await;
    let framed: Answer =
        portal.browser().send(Method::GET, "/login/ticket?ticket=x", &[("sec-fetch-dest", "iframe")], "").await;
    assert_eq!((framed.status, framed.text("h1").as_str()), (StatusCode::FORBIDDEN, "You could not be signed in"));
    assert!(!framed.body.contains("<header") && !framed.body.contains("href=\"/\""), "{}", framed.body);
    assert_eq!(framed.header("x-frame-options"), "");
    assert!(framed.header("content-security-policy").ends_with("frame-ancestors 'self' https://intranet.example"));
    assert_eq!(framed.text("main code"), framed.header("x-request-id"));
}

/// The exact reason is in the log, and what was sent is not.
#[test]
fn reasons_are_logged_and_tickets_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = crate::binary::log_of(
        folder.path(),
        &[("SIGN_IN", "ticket"), ("TICKET_ISSUER", ISSUER), ("TICKET_SECRET", SECRET), ("RUST_LOG", "debug")],
        |get| {
            // No part of it is so short that a random id could have it.
            let claims = json!({ "sub": "somebody who is not there" });
            let forged = signed(&json!({ "alg": "HS256" }), &claims, |input| hmac_of(b"forged", input));
            assert!(get(&format!("/login/ticket?ticket={forged}")).starts_with("HTTP/1.1 403"));
            forged
        },
    );
    let (log, forged) = lines;
    assert!(log.contains("the ticket's signature does not match"), "{log}");
    assert!(log.contains("\"route\":\"/login/ticket\""), "{log}");
    for secret in forged.split('.').chain([SECRET, KEY.private_key.expose_secret()]) {
        assert!(!log.contains(secret), "{log}");
    }
}
