//! What the tenant's refusals lead to: it is left alone, for as long as it takes or as it says, by all instances.

use std::time::Duration;

use qlik_embed_bff::demo::{Refusal, Times};
use qlik_embed_bff::errand::Error;

use super::{Guest, Stage, cookies};

const LOGIN: &str = "/login/jwt-session";

async fn refused(stage: &Stage, guest: &Guest) -> Error {
    guest.get(&stage.portal).await.expect_err("no session")
}

#[tokio::test]
async fn a_refusal_says_what_the_tenant_said() {
    for (refusal, status, said, advice) in [
        (Refusal::UnknownHostname, 401, "LOGIN-2, No authentication configured for this hostname", "unknown-host"),
        (Refusal::Unauthorized, 401, "LOGIN-1, Unauthorized", "token-refused"),
        (Refusal::NotAMember, 403, "AUTH-5, User is not a member of the tenant", "not-a-member"),
        (Refusal::NotAcceptablePage, 406, "406 Not Acceptable", "not-acceptable"),
        (Refusal::Status(400), 400, "HTTP-400, Bad Request", "token-incomplete"),
    ] {
        let stage = Stage::set().await;
        let ada = Guest::arrive(&stage.portal, "ada").await;
        stage.control().refuse(LOGIN, refusal, Times::Next(1));
        // The second one is answered from what is remembered.
        for _ in 0..2 {
            match refused(&stage, &ada).await {
                Error::Refused { refusal, retry_after } => {
                    assert_eq!((refusal.status(), &*refusal.told.said()), (status, said));
                    assert_eq!(refusal.advice().id, advice);
                    assert!(retry_after <= Duration::from_secs(1), "{retry_after:?}");
                }
                other => panic!("{other}"),
            }
        }
        assert_eq!(stage.asked(LOGIN), 1);
        stage.pass(1);
        ada.session(&stage.portal).await;
    }
}

#[tokio::test]
async fn a_tenant_that_refuses_is_asked_less_and_less_often_by_all_instances() {
    let stage = Stage::set().await;
    let other = stage.portal.beside().await;
    let (ada, bob) = (Guest::arrive(&stage.portal, "ada").await, Guest::arrive(&stage.portal, "bob").await);
    stage.control().refuse(LOGIN, Refusal::NotAMember, Times::Next(9));
    let mut asked = 0;
    for rest in [1, 2, 4, 8, 16, 32, 60, 60] {
        let burst = ada.burst(&stage.portal, 20).await;
        assert!(burst.iter().all(Result::is_err));
        asked += 1;
        assert_eq!(stage.asked(LOGIN), asked, "before {rest}");
        if rest > 1 {
            stage.pass(rest - 1);
        }
        assert!(matches!(ada.get(&other).await, Err(Error::Refused { .. })), "nor does another instance");
        assert_eq!(stage.asked(LOGIN), asked, "within {rest}");
        stage.pass(1);
    }
    // Whom it does not concern is not kept waiting, and a session that is given ends it.
    assert!(bob.get(&stage.portal).await.is_err(), "the last one that was ordered");
    stage.pass(1);
    bob.session(&stage.portal).await;
    let session = ada.session(&other).await;
    stage.control().refuse(LOGIN, Refusal::NotAMember, Times::Next(1));
    let Err(Error::Refused { retry_after, .. }) = ada.renew(&other, &session).await else { panic!("it was refused") };
    assert!(retry_after <= Duration::from_secs(1), "failures count anew: {retry_after:?}");
}

#[tokio::test]
async fn a_pause_that_the_tenant_asks_for_is_everybodys() {
    for (refusal, as_date) in [
        (Refusal::RateLimited { retry_after: 30 }, false),
        (Refusal::RateLimited { retry_after: 30 }, true),
        (Refusal::Busy { retry_after: 30 }, false),
        (Refusal::Busy { retry_after: 30 }, true),
    ] {
        let stage = Stage::with(|settings| settings.switches.retry_after_is_date = as_date, &[]).await;
        let other = stage.portal.beside().await;
        let (ada, bob) = (Guest::arrive(&stage.portal, "ada").await, Guest::arrive(&stage.portal, "bob").await);
        let before = bob.session(&stage.portal).await;
        stage.control().refuse(LOGIN, refusal, Times::Next(1));
        let first = ada.get(&stage.portal).await;
        for paused in [first, ada.get(&stage.portal).await, ada.get(&other).await, bob.renew(&other, &before).await] {
            let Err(Error::Paused { retry_after }) = paused else { panic!("{refusal:?}: {paused:?}") };
            assert!((28..=31).contains(&retry_after.as_secs()), "{retry_after:?}");
        }
        assert_eq!(cookies(&bob.session(&stage.portal).await), cookies(&before), "who has a session has it");
        assert_eq!(stage.asked(LOGIN), 2);
        stage.pass(32);
        ada.session(&other).await;
    }
}

#[tokio::test]
async fn a_rate_limit_without_a_time_is_a_short_pause() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().refuse(LOGIN, Refusal::Status(429), Times::Next(1));
    let Error::Paused { retry_after } = refused(&stage, &ada).await else { panic!("not paused") };
    assert_eq!(retry_after.as_secs(), 15);
    stage.pass(17);
    ada.session(&stage.portal).await;
}

#[tokio::test]
async fn a_tenant_that_is_down_is_tried_again_soon() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().unplug().await;
    for rest in [1, 2, 4, 8, 8] {
        let burst = ada.burst(&stage.portal, 20).await;
        for failed in burst {
            let Err(Error::Unreachable { why, advice, retry_after }) = failed else { panic!("{failed:?}") };
            assert!(why.contains("did not answer") && why.contains("refused"), "{why}");
            assert_eq!(advice.id, "connection-refused");
            assert!(
                retry_after <= Duration::from_secs(rest)
                    && retry_after + Duration::from_secs(2) > Duration::from_secs(rest)
            );
        }
        stage.pass(i64::try_from(rest).expect("a small number"));
    }
    stage.control().plug_in().expect("the same port");
    ada.session(&stage.portal).await;
}

#[tokio::test]
async fn a_tenant_that_fails_is_tried_again_soon() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().refuse(LOGIN, Refusal::Status(500), Times::Next(1));
    stage.control().refuse(LOGIN, Refusal::Unavailable, Times::Next(1));
    for (words, rest) in [("status 500: HTTP-500", 1), ("status 503: 503 Service", 2)] {
        let Error::Unreachable { why, advice, .. } = refused(&stage, &ada).await else { panic!("not so") };
        assert!(why.contains(words), "{why}");
        assert_eq!(advice.id, "tenant-trouble");
        stage.pass(rest);
    }
    ada.session(&stage.portal).await;
}

#[tokio::test]
async fn a_session_without_cookies_is_none() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().refuse(LOGIN, Refusal::Status(200), Times::Next(1));
    let Error::Refused { refusal, .. } = refused(&stage, &ada).await else { panic!("not refused") };
    assert_eq!((refusal.status(), &*refusal.told.words), (200, "the answer sets no cookie"));
    assert_eq!(refusal.advice().id, "cookies-not-set");
}

#[tokio::test]
async fn who_is_nobody_to_qlik_is_denied_and_the_tenant_not_asked() {
    let stage = Stage::with(|_| {}, &[("SUBJECT_UNMAPPED", "deny")]).await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    assert!(matches!(refused(&stage, &ada).await, Error::Denied(_)));
    assert_eq!(stage.asked(LOGIN), 0);
}

#[tokio::test]
async fn the_budget_of_logins_is_one_for_all_instances() {
    let stage = Stage::with(|_| {}, &[("QLIK_LOGIN_BUDGET", "3")]).await;
    let other = stage.portal.beside().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let mut session = ada.session(&stage.portal).await;
    for portal in [&other, &stage.portal] {
        session = ada.renew(portal, &session).await.expect("a session");
    }
    for portal in [&stage.portal, &other] {
        let Err(Error::Paused { retry_after }) = ada.renew(portal, &session).await else { panic!("not paused") };
        assert!((1..=60).contains(&retry_after.as_secs()), "{retry_after:?}");
    }
    assert_eq!(stage.logins(), 3);
    stage.pass(61);
    ada.renew(&other, &session).await.expect("a session");
    // What never arrived was no login.
    stage.control().unplug().await;
    let bob = Guest::arrive(&stage.portal, "bob").await;
    for _ in 0..5 {
        assert!(matches!(refused(&stage, &bob).await, Error::Unreachable { .. }));
        stage.pass(8);
    }
    stage.control().plug_in().expect("the same port");
    bob.session(&stage.portal).await;
}

/// An instance that died while it logged in: others wait for half a minute, and then do it themselves.
#[tokio::test]
async fn a_lock_of_somebody_who_died_expires() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let (store, now) = (&stage.portal.app.store, stage.portal.clock.now());
    let lock = async |seconds: i64, now: time::OffsetDateTime| {
        store.lock("work", now + time::Duration::seconds(seconds), now).await.expect("the store answers")
    };
    let dead = lock(30, now).await.expect("free");
    assert!(lock(30, now + time::Duration::seconds(29)).await.is_none());
    let later = now + time::Duration::seconds(30);
    let heir = lock(30, later).await.expect("it has expired");
    store.unlock(dead).await.expect("the store answers");
    assert!(lock(30, later).await.is_none(), "the dead one's is not the heir's");
    store.unlock(heir).await.expect("the store answers");
    assert!(lock(30, later).await.is_some());
    ada.session(&stage.portal).await;
}
