//! A tenant that is away, slow, or in a bad temper.

use axum::http::{Method, StatusCode};
use qlik_embed_bff::demo::{Refusal, Times};
use time::Duration;

use super::{Proxied, assert_refused};

#[tokio::test]
async fn a_tenant_that_is_away_is_named_as_such() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
    proxied.control().unplug().await;
    assert_refused(&ada.fetch("/api/v1/features").await, StatusCode::BAD_GATEWAY, "tenant_unreachable");
    let frame = [("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-origin")];
    let answer = ada.send(Method::GET, "/single/", &frame, "").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer.text("h1"), "Qlik Cloud cannot be reached");
    // Also before there is a session at all; and it is back as soon as the tenant is.
    let mut bob = proxied.portal.signed_in("bob").await;
    let answer = bob.fetch("/api/v1/features").await;
    assert_refused(&answer, StatusCode::BAD_GATEWAY, "tenant_unreachable");
    assert!(answer.header("retry-after").parse::<u64>().is_ok_and(|wait| wait >= 1));
    proxied.control().plug_in().expect("the port is free");
    let answer = ada.fetch("/api/v1/features").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    // What follows a failure is a pause of seconds.
    proxied.portal.clock.advance(Duration::seconds(10));
    proxied.control().shift_clock(Duration::seconds(10));
    assert_eq!(bob.fetch("/api/v1/features").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_tenant_that_wants_a_pause_gets_it() {
    let proxied = Proxied::open().await;
    proxied.control().refuse("/login/jwt-session", Refusal::RateLimited { retry_after: 13 }, Times::Next(1));
    let (mut ada, mut bob) = (proxied.portal.signed_in("ada").await, proxied.portal.signed_in("bob").await);
    for browser in [&mut ada, &mut bob] {
        let answer = browser.fetch("/api/v1/features").await;
        assert_refused(&answer, StatusCode::SERVICE_UNAVAILABLE, "busy");
        let wait: u64 = answer.header("retry-after").parse().expect("seconds");
        assert!((1..=14).contains(&wait), "{wait}");
    }
    assert_eq!(proxied.logins(), 1, "nobody asks during the pause");
    proxied.portal.clock.advance(Duration::seconds(15));
    proxied.control().shift_clock(Duration::seconds(15));
    assert_eq!(bob.fetch("/api/v1/features").await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_the_tenant_says_about_a_request_is_passed_on() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    proxied.control().refuse("/api/v1/features", Refusal::RateLimited { retry_after: 13 }, Times::Next(1));
    let answer = ada.fetch("/api/v1/features").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "13"));
    assert_eq!(answer.json()["errors"][0]["code"], "HTTP-429");
    assert_eq!(ada.fetch("/api/v1/users/nobody").await.json()["errors"][0]["code"], "USERS-7");
}
