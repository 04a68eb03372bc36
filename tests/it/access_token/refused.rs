//! What the tenant's refusals lead to: words for the visitor, advice for the administrator, and patience.

use qlik_embed_bff::demo::Refusal::{RateLimited, Status, Unavailable};
use qlik_embed_bff::demo::Times;

use super::*;
use crate::tenant_session::told::Log;

/// The tenant's refusal, the advice in the log, and what the visitor is told.
async fn refused(edit: impl FnOnce(&Control), changes: &[(&str, &str)]) -> (Answer, String) {
    let (log, _guard) = Log::begin();
    let stage = Stage::with(|_| {}, changes).await;
    stage.control().add_user("password|ada", "ada@example.com", "active");
    edit(stage.control());
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    let answer = ada.post(&[]).await;
    let text = log.text();
    assert!(!text.contains(SECRET) && !answer.body.contains(SECRET), "the secret is nowhere");
    for advice in ["oauth-client", "oauth-request", "oauth-forbidden", "too-many-requests"] {
        if text.contains(advice) {
            return (answer, advice.to_owned());
        }
    }
    (answer, text)
}

#[tokio::test]
async fn each_refusal_has_its_advice() {
    let tenant_refused = (StatusCode::BAD_GATEWAY, "tenant_refused".to_owned());
    let wrong_secret = refused(|_| {}, &[("QLIK_OAUTH_CLIENT_SECRET", "wrong")]).await;
    assert_eq!((failure(&wrong_secret.0), &*wrong_secret.1), (tenant_refused.clone(), "oauth-client"));

    let untrusted = |control: &Control| control.change(|settings| settings.clients[0].trusted = false);
    let (answer, advice) = refused(untrusted, &[]).await;
    assert_eq!((failure(&answer), &*advice), (tenant_refused.clone(), "oauth-forbidden"));

    let no_grant = |control: &Control| {
        control.change(|settings| settings.clients[0].grants = vec![demo::CLIENT_CREDENTIALS.into()]);
    };
    let (answer, advice) = refused(no_grant, &[]).await;
    assert_eq!((failure(&answer), &*advice), (tenant_refused.clone(), "oauth-request"));

    let (answer, advice) = refused(|_| {}, &[("QLIK_OAUTH_SCOPES", "user_default,admin_classic")]).await;
    assert_eq!((failure(&answer), &*advice), (tenant_refused.clone(), "oauth-request"));

    let (answer, advice) = refused(|control| control.disable_user("password|ada"), &[]).await;
    assert_eq!((failure(&answer), &*advice), (tenant_refused.clone(), "oauth-forbidden"));
    assert!(answer.json()["message"].as_str().is_some_and(|text| text.contains("disabled")), "{}", answer.body);

    let full = |control: &Control| control.change(|settings| settings.switches.most_access_tokens = 0);
    let (answer, advice) = refused(full, &[]).await;
    assert_eq!((failure(&answer), &*advice), (tenant_refused, "oauth-forbidden"));
}

#[tokio::test]
async fn a_tenant_that_is_down_is_said_to_be() {
    let (answer, text) = refused(|control| control.refuse("/oauth/token", Unavailable, Times::Always), &[]).await;
    assert_eq!(failure(&answer), (StatusCode::BAD_GATEWAY, "tenant_unreachable".into()), "{text}");
    assert!(answer.header("retry-after").parse::<u32>().is_ok());
}

/// A tenant that refuses is not hammered; the budget of a minute is everybody's.
#[tokio::test]
async fn the_tenant_is_left_alone_after_a_refusal() {
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().refuse("/oauth/token", Status(403), Times::Next(2));
    for _ in 0..5 {
        assert_eq!(failure(&ada.post(&[]).await), (StatusCode::BAD_GATEWAY, "tenant_refused".into()));
    }
    assert_eq!(stage.asked(), [403]);
    stage.pass(2);
    let other = stage.portal.beside().await;
    assert!(matches!(ada.granted(&other).await, Err(Error::Refused { .. })));
    assert!(matches!(ada.granted(&stage.portal).await, Err(Error::Refused { .. })), "the other instance told it");
    assert_eq!(stage.asked(), [403, 403]);
    stage.pass(3);
    ada.token(&stage.portal).await;

    // Bob comes while the tenant wants a pause, of everybody.
    stage.control().refuse("/oauth/token", RateLimited { retry_after: 40 }, Times::Next(1));
    let (bob, again) = (Guest::arrive(&stage.portal, "bob").await, Guest::arrive(&stage.portal, "ada").await);
    assert!(
        matches!(bob.granted(&stage.portal).await, Err(Error::Paused { retry_after }) if retry_after.as_secs() == 40)
    );
    assert!(matches!(again.granted(&other).await, Err(Error::Paused { .. })));
    ada.token(&other).await; // has one already
    stage.pass(42);
    again.token(&other).await;
    assert_eq!(stage.asked(), [403, 403, 200, 429, 200]);
}

#[tokio::test]
async fn the_budget_of_a_minute_is_kept() {
    let stage = Stage::with(|_| {}, &[("QLIK_LOGIN_BUDGET", "2")]).await;
    for id in ["ada", "bob"] {
        stage.control().add_user(&format!("password|{id}"), &format!("{id}@example.com"), "active");
    }
    for _ in 0..2 {
        Guest::arrive(&stage.portal, "ada").await.token(&stage.portal).await;
    }
    let mut bob = Guest::arrive(&stage.portal, "bob").await;
    let answer = bob.post(&[]).await;
    assert_eq!(failure(&answer), (StatusCode::SERVICE_UNAVAILABLE, "busy".into()));
    assert!((1..=60).contains(&answer.header("retry-after").parse::<u32>().expect("seconds")));
    stage.pass(61);
    assert_eq!(bob.post(&[]).await.status, StatusCode::OK);
}

/// Not from the cache either.
#[tokio::test]
async fn who_is_denied_by_now_gets_none() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    ada.token(&stage.portal).await;
    let portal = stage.portal.restart_with(&[("SUBJECT_UNMAPPED", "deny")]).await;
    assert!(matches!(ada.granted(&portal).await, Err(Error::Denied(_))));
    assert!(stage.tenant.control().access_tokens("password|ada").is_empty(), "and what there was is revoked");
}

/// A token of who somebody was before is worth nothing any more.
#[tokio::test]
async fn who_is_somebody_else_by_now_leaves_no_token_behind() {
    let stage = Stage::set().await;
    stage.control().add_user("other|ada", "other@example.com", "active");
    let ada = Guest::arrive(&stage.portal, "ada").await;
    ada.token(&stage.portal).await;
    let portal = stage.portal.restart_with(&[("SUBJECT_TEMPLATE", "other|{id}"), ("SUBJECT_SHARED", "allow")]).await;
    ada.token(&portal).await;
    let control = stage.tenant.control();
    assert_eq!((control.access_tokens("password|ada").len(), control.access_tokens("other|ada").len()), (0, 1));
}

#[tokio::test]
async fn no_secret_and_no_token_is_in_a_log() {
    let (log, _guard) = Log::begin();
    let stage = Stage::with(|_| {}, &PROVISION).await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    let token = ada.post(&[]).await.body;
    ada.browser.post("/logout", "").await;
    crate::tenant_session::until(|| stage.control().access_tokens("password|ada").is_empty()).await;
    let text = log.text();
    assert!(text.contains("access token issued") && text.contains("user made"), "{text}");
    for secret in [token.as_str(), SECRET, API_KEY] {
        assert!(!text.contains(secret));
    }
}
