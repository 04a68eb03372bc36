//! A provider that takes the question and gives no answer: who waits for it, and for how long.

use axum::http::StatusCode;
use serde_json::json;
use time::Duration;

use super::{PORTAL, scene, sign_in};
use crate::portal::Portal;
use crate::provider::{DISCOVERY, Provider};

#[tokio::test]
async fn one_visitor_waits_and_the_others_go_by_what_is_known() {
    let (portal, provider) = scene(&[]).await;
    assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, StatusCode::SEE_OTHER);
    provider.set(json!({ "held": true })).await;
    portal.clock.advance(Duration::HOUR);
    let mut first = portal.browser();
    let others = async {
        provider.asked(DISCOVERY, 2).await;
        assert_eq!(portal.browser().open("/login/oidc").await.status, StatusCode::SEE_OTHER);
        assert_eq!(provider.requests(DISCOVERY).await, 2);
        provider.set(json!({ "held": false })).await;
    };
    let (first, ()) = tokio::join!(first.open("/login/oidc"), others);
    assert_eq!(first.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_visitor_who_goes_away_takes_the_question_from_nobody() {
    let provider = Provider::start(PORTAL).await;
    provider.set(json!({ "held": true })).await;
    let portal = Portal::with(&provider.settings()).await;
    let (mut impatient, mut patient) = (portal.browser(), portal.browser());
    tokio::select! {
        _ = impatient.open("/login/oidc") => panic!("the provider says nothing"),
        () = provider.asked(DISCOVERY, 1) => {}
    }
    let (answer, ()) = tokio::join!(patient.open("/login/oidc"), provider.set(json!({ "held": false })));
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(provider.requests(DISCOVERY).await, 1);
}

#[tokio::test]
async fn who_waited_for_the_same_question_gets_the_same_answer() {
    let provider = Provider::start(PORTAL).await;
    provider.set(json!({ "held": true })).await;
    let portal = Portal::with(&provider.settings()).await;
    let (mut first, mut second, mut third) = (portal.browser(), portal.browser(), portal.browser());
    let meanwhile = async {
        provider.asked(DISCOVERY, 1).await;
        portal.clock.advance(Duration::seconds(7));
        provider.set(json!({ "held": false, "metadata": { "issuer": "https://another.example" } })).await;
    };
    let (first, second, ()) = tokio::join!(first.open("/login/oidc"), second.open("/login/oidc"), meanwhile);
    // The pause begins when the answer is there.
    portal.clock.advance(Duration::seconds(3));
    for answer in [first, second, third.open("/login/oidc").await] {
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    }
    assert_eq!(provider.requests(DISCOVERY).await, 1);
    provider.set(json!({ "metadata": {} })).await;
    portal.clock.advance(Duration::seconds(2));
    assert_eq!(third.open("/login/oidc").await.status, StatusCode::SEE_OTHER);
}
