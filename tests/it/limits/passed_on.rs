//! Limits on what is passed on to the tenant, and on access tokens.

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use qlik_embed_bff::demo;
use time::Duration;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;

use super::{refused, standing, uncounted};
use crate::portal::{APP_ID, Browser};
use crate::proxied::Proxied;
use crate::proxied::clients::{listening, socket_of};

const ME: &str = "/api/v1/users/me";

#[tokio::test]
async fn nothing_that_is_passed_on_is_counted_unless_it_is_set() {
    let proxied = Proxied::open().await;
    let answer = proxied.portal.signed_in("ada").await.fetch(ME).await;
    assert_eq!(answer.status, StatusCode::OK);
    uncounted(&answer);
}

#[tokio::test]
async fn instances_share_what_a_person_may_have_passed_on() {
    let proxied = Proxied::with(&[("RATE_LIMIT_PROXY", "100")], |_| {}).await;
    let there = proxied.portal.beside().await;
    proxied.portal.clock.hold();
    let (ada, mut also_ada) = (proxied.portal.signed_in("ada").await, proxied.portal.signed_in("ada").await);
    let mut bob = proxied.portal.signed_in("bob").await;
    let first = ada.clone().fetch(ME).await;
    assert_eq!((first.status, standing(&first, "proxy", 100)), (StatusCode::OK, (99, 60)));
    assert_eq!(standing(&also_ada.fetch(ME).await, "proxy", 100), (98, 60), "another session of the same person");
    let before = proxied.control().requests().len();
    let burst = (0..150).map(|n| {
        let mut browser = if n % 2 == 0 { ada.clone() } else { ada.through(there.front()) };
        async move { browser.fetch("/api/v1/features").await }
    });
    let answers = join_all(burst).await;
    let (passed, held): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == StatusCode::OK);
    assert!((93..=98).contains(&passed.len()), "all but what is left of a block: {}", passed.len());
    for answer in &held {
        refused(answer, "proxy", 100);
        assert_eq!(answer.json()["error"], "too_many_requests");
    }
    for answer in &passed {
        standing(answer, "proxy", 100);
    }
    let asked = proxied.control().requests().split_off(before);
    let asked = asked.iter().filter(|request| request.path == "/api/v1/features").count();
    assert_eq!(asked, passed.len(), "the tenant does not hear of the others");
    assert_eq!(standing(&bob.fetch(ME).await, "proxy", 100), (99, 60));
    proxied.portal.clock.advance(Duration::MINUTE);
    assert_eq!(standing(&also_ada.through(there.front()).fetch(ME).await, "proxy", 100), (99, 60));
}

/// Somebody who has used up what may be passed on.
async fn used_up(proxied: &Proxied) -> Browser {
    proxied.portal.clock.hold();
    let mut ada = proxied.portal.signed_in("ada").await;
    assert_eq!(standing(&ada.fetch(ME).await, "proxy", 1).0, 0);
    ada
}

#[tokio::test]
async fn who_is_held_up_is_told_in_words_they_can_read() {
    let proxied = Proxied::with(&[("RATE_LIMIT_PROXY", "1")], |_| {}).await;
    let mut ada = used_up(&proxied).await;
    let frame = [("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-origin")];
    let sheet = format!("/single/?appid={APP_ID}");
    let answer = ada.send(Method::GET, &sheet, &frame, "").await;
    refused(&answer, "proxy", 1);
    assert_eq!(answer.text("h1"), "That was too often");
    let told = "Your account has asked for more than this portal gives within a minute. Try again in 60 seconds.";
    assert!(answer.text("main").contains(told), "{}", answer.text("main"));
    refused(&ada.open(&sheet).await, "proxy", 1);
    // What we answer ourselves is not passed on, and nobody's is nobody's.
    let answer = ada.fetch("/api/v1/csrf-token").await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    uncounted(&answer);
    let answer = proxied.portal.browser().fetch(ME).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    uncounted(&answer);
    // The pages of the portal are.
    assert_eq!(ada.open("/embed/default").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_the_tenant_says_of_its_own_limits_stays_beside_ours() {
    let proxied = Proxied::with(&[("RATE_LIMIT_PROXY", "10")], |_| {}).await;
    let mut ada = proxied.portal.signed_in("ada").await;
    let refusal = demo::Refusal::RateLimited { retry_after: 7 };
    proxied.control().refuse("/api/v1/features", refusal, demo::Times::Next(1));
    let answer = ada.fetch("/api/v1/features").await;
    assert_eq!((answer.status, answer.header("retry-after")), (super::TOO_MANY, "7"), "its own words: {}", answer.body);
    assert_eq!(answer.json()["errors"][0]["code"], "HTTP-429");
    assert_eq!(standing(&answer, "proxy", 10).0, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_are_counted_when_they_begin_and_refused_before() {
    let (proxied, origin, ada) = listening(&[("RATE_LIMIT_PROXY", "2")]).await;
    proxied.portal.clock.hold();
    let mut open = Vec::new();
    for left in [1, 0] {
        let (socket, answer) = connect_async(socket_of(&origin, &ada, &origin)).await.expect("a socket");
        let told = format!("\"proxy\";r={left};t=60");
        assert_eq!(answer.headers()["ratelimit"], told.as_str());
        open.push(socket);
    }
    let Err(Error::Http(answer)) = connect_async(socket_of(&origin, &ada, &origin)).await else { panic!("refused") };
    assert_eq!(answer.status(), super::TOO_MANY);
    assert_eq!(answer.headers()["retry-after"], "60");
    assert_eq!(proxied.portal.app.sockets.count(), 2, "those that are open stay");
    proxied.portal.clock.advance(Duration::MINUTE);
    connect_async(socket_of(&origin, &ada, &origin)).await.expect("a socket");
}
