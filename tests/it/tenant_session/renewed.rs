//! What changes while a session lives, and when another one takes its place.

use axum::http::HeaderValue;
use futures_util::future::join_all;
use qlik_embed_bff::demo::{Refusal, Times};
use qlik_embed_bff::store::held::{Held, Kept, Put};
use qlik_embed_bff::tenant_session::TenantSession;

use super::{Guest, Stage, cookies, csrf};
use crate::portal::Portal;

const CSRF: &str = "/api/v1/csrf-token";

#[tokio::test]
async fn a_session_that_the_tenant_ended_is_renewed_once_under_load() {
    let stage = Stage::set().await;
    let other = stage.portal.beside().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let (stale, also_stale) = (ada.session(&stage.portal).await, ada.session(&other).await);
    stage.control().expire_sessions();
    let (here, there) = (0..100, 0..100);
    let here = join_all(here.map(|_| ada.renew(&stage.portal, &stale)));
    let there = join_all(there.map(|_| ada.renew(&other, &also_stale)));
    let (here, there) = futures_util::future::join(here, there).await;
    let first = here[0].clone().expect("a session");
    assert_ne!(cookies(&first), cookies(&stale));
    for session in here.into_iter().chain(there) {
        assert_eq!(cookies(&session.expect("a session")), cookies(&first));
    }
    assert_eq!(stage.logins(), 2);
    // Whoever comes late with the old one finds the new one.
    assert_eq!(cookies(&ada.renew(&other, &also_stale).await.expect("a session")), cookies(&first));
    assert_eq!(stage.logins(), 2);
}

#[tokio::test]
async fn another_instance_sees_a_renewal_within_five_seconds() {
    let stage = Stage::set().await;
    let other = stage.portal.beside().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let stale = ada.session(&stage.portal).await;
    ada.session(&other).await;
    let fresh = ada.renew(&stage.portal, &stale).await.expect("a session");
    stage.pass(5);
    assert_eq!(cookies(&ada.session(&other).await), cookies(&fresh));
    assert_eq!(stage.logins(), 2);
}

#[tokio::test]
async fn a_stale_csrf_token_is_renewed_once_for_all() {
    let stage = Stage::set().await;
    let other = stage.portal.beside().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let (stale, also_stale) = (ada.session(&stage.portal).await, ada.session(&other).await);
    assert_eq!(csrf(&stale), csrf(&also_stale));
    stage.control().stale_csrf();
    let renewed = join_all((0..50).map(|_| ada.renew_csrf(&stage.portal, &stale))).await;
    let renewed: Vec<_> = renewed.into_iter().map(|session| session.expect("a session")).collect();
    assert!(renewed.iter().all(|session| csrf(session) == csrf(&renewed[0]) && cookies(session) == cookies(&stale)));
    assert_ne!(csrf(&renewed[0]), csrf(&stale));
    let there = ada.renew_csrf(&other, &also_stale).await.expect("a session");
    assert_eq!(csrf(&there), csrf(&renewed[0]));
    assert_eq!((stage.asked(CSRF), stage.logins()), (2, 1), "one with the login, one since");
}

#[tokio::test]
async fn without_a_csrf_token_the_session_is_kept_and_one_is_fetched_when_asked() {
    for refusal in [Refusal::Status(404), Refusal::Status(400), Refusal::Status(500), Refusal::Unavailable] {
        let stage = Stage::set().await;
        let ada = Guest::arrive(&stage.portal, "ada").await;
        stage.control().refuse(CSRF, refusal, Times::Next(1));
        let without = ada.session(&stage.portal).await;
        assert_eq!((csrf(&without), stage.logins()), ("", 1), "{refusal:?}");
        let with = ada.renew_csrf(&stage.portal, &without).await.expect("a session");
        assert_eq!((csrf(&with).len(), cookies(&with)), (36, cookies(&without)));
        assert_eq!(csrf(&ada.session(&stage.portal).await), csrf(&with));
    }
}

#[tokio::test]
async fn a_csrf_token_of_a_session_that_is_over_comes_with_a_new_one() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let stale = ada.session(&stage.portal).await;
    stage.control().expire_sessions();
    let renewed = ada.renew_csrf(&stage.portal, &stale).await.expect("a session");
    assert!(cookies(&renewed) != cookies(&stale) && csrf(&renewed) != csrf(&stale));
    assert_eq!(stage.logins(), 2);
}

#[tokio::test]
async fn idle_sessions_are_replaced_before_the_tenant_ends_them() {
    let ages = [("SESSION_IDLE", "12h")];
    let stage = Stage::with(|_| {}, &ages).await;
    let other = stage.portal.beside().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let first = ada.session(&stage.portal).await;
    ada.session(&other).await;
    // Used now and then, it lives on; and the other instance knows, though nobody used it there.
    for _ in 0..4 {
        stage.pass(25 * 60);
        assert_eq!(cookies(&ada.session(&stage.portal).await), cookies(&first));
        written(&stage.portal, &ada).await;
    }
    assert_eq!(cookies(&ada.session(&other).await), cookies(&first));
    stage.pass(29 * 60 + 1);
    assert_ne!(cookies(&ada.session(&stage.portal).await), cookies(&first));
    assert_eq!(stage.logins(), 2);
}

/// Waits until the last use is in the store, to the minute.
async fn written(portal: &Portal, guest: &Guest) {
    for _ in 0..500 {
        let kept = portal
            .app
            .store
            .held(guest.session, Held::TenantSession)
            .await
            .expect("the store answers")
            .expect("a session");
        if portal.clock.now() - kept.used < time::Duration::minutes(1) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("never written");
}

#[tokio::test]
async fn old_sessions_are_replaced_before_the_tenant_ends_them() {
    let ages = [("QLIK_SESSION_MAX", "2h"), ("SESSION_IDLE", "12h")];
    let stage = Stage::with(|settings| settings.longest_session = std::time::Duration::from_secs(7200), &ages).await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let first = ada.session(&stage.portal).await;
    for _ in 0..7 {
        stage.pass(17 * 60);
        let session = ada.session(&stage.portal).await;
        assert_eq!(stage.control().requests().iter().filter(|request| request.status == 401).count(), 0);
        if cookies(&session) != cookies(&first) {
            assert_eq!(stage.logins(), 2);
            return;
        }
    }
    panic!("after 119 minutes it is as good as over");
}

async fn absorb(portal: &Portal, guest: &Guest, session: &TenantSession, lines: &[&'static str]) {
    let lines: Vec<_> = lines.iter().map(|line| HeaderValue::from_static(line)).collect();
    portal.app.tenant_sessions.absorb(&guest.visit(), session, &lines, portal.clock.now()).await;
}

/// How often it was changed in the store.
async fn changes(portal: &Portal, guest: &Guest) -> i64 {
    portal
        .app
        .store
        .held(guest.session, Held::TenantSession)
        .await
        .expect("the store answers")
        .expect("a session")
        .version
}

#[tokio::test]
async fn what_the_tenant_sets_later_is_kept_and_seen_by_others() {
    let stage = Stage::with(|settings| settings.cookies.load_balancer = true, &[]).await;
    let (portal, other) = (&stage.portal, stage.portal.beside().await);
    let ada = Guest::arrive(portal, "ada").await;
    let session = ada.session(portal).await;
    ada.session(&other).await;
    absorb(portal, &ada, &session, &[]).await;
    absorb(portal, &ada, &session, &["no cookie", "gone=; Max-Age=0"]).await;
    absorb(portal, &ada, &session, &["AWSALB=new; Path=/", "AWSALBCORS=new; Path=/; SameSite=None; Secure"]).await;
    assert_eq!(changes(portal, &ada).await, 0, "nothing new, or nothing that matters");

    absorb(portal, &ada, &session, &["eas.uaid=u; Path=/; Expires=Tue, 01 Jan 2080 00:00:00 GMT", "AWSALB=new"]).await;
    absorb(portal, &ada, &session, &["eas.uaid=u; Path=/; Expires=Wed, 02 Jan 2080 00:00:00 GMT"]).await;
    assert_eq!(changes(portal, &ada).await, 1);
    let now = ada.session(portal).await;
    assert!(cookies(&now).contains("eas.uaid=u") && cookies(&now).contains("AWSALB=new"));
    // The other instance has not seen that yet, and learns of another one: neither is lost.
    let there = ada.session(&other).await;
    absorb(&other, &ada, &there, &["eas.more=m", "_csrfToken=changed"]).await;
    stage.pass(5);
    for portal in [portal, &other] {
        let now = ada.session(portal).await;
        for part in ["eas.uaid=u", "eas.more=m", "_csrfToken=changed", "eas.sid="] {
            assert!(cookies(&now).contains(part), "{part}");
        }
    }
    absorb(portal, &ada, &session, &["eas.uaid=; Max-Age=0"]).await;
    assert!(!cookies(&ada.session(portal).await).contains("eas.uaid"));
    stage.pass(61);
    let before = changes(portal, &ada).await;
    absorb(portal, &ada, &session, &["AWSALB=newer; Path=/"]).await;
    assert_eq!(changes(portal, &ada).await, before + 1, "now and then");
    assert_eq!(stage.logins(), 1);
}

#[tokio::test]
async fn a_hundred_changes_at_once_are_all_kept() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let session = ada.session(&stage.portal).await;
    let names = ["a=1", "b=1", "c=1", "d=1", "e=1", "f=1"];
    join_all(names.map(|line| absorb(&stage.portal, &ada, &session, std::slice::from_ref(Box::leak(Box::new(line))))))
        .await;
    let now = ada.session(&stage.portal).await;
    assert!(names.iter().all(|name| cookies(&now).contains(name)), "all of them");
}

#[tokio::test]
async fn a_cookie_that_ends_is_sent_no_more() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let session = ada.session(&stage.portal).await;
    absorb(&stage.portal, &ada, &session, &["short=lived; Max-Age=3"]).await;
    assert!(cookies(&ada.session(&stage.portal).await).contains("short=lived"));
    stage.pass(3);
    assert!(!cookies(&ada.session(&stage.portal).await).contains("short"));
    assert_eq!(stage.logins(), 1);
}

/// What an old login sets later is not the new one's.
#[tokio::test]
async fn late_cookies_of_an_old_session_change_nothing() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let stale = ada.session(&stage.portal).await;
    let fresh = ada.renew(&stage.portal, &stale).await.expect("a session");
    absorb(&stage.portal, &ada, &stale, &["eas.sid=; Max-Age=0", "eas.old=x"]).await;
    assert_eq!(cookies(&ada.session(&stage.portal).await), cookies(&fresh));
}

#[tokio::test]
async fn a_session_whose_cookies_are_all_taken_is_replaced() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let session = ada.session(&stage.portal).await;
    let farewell =
        ["eas.sid=; Max-Age=0", "eas.sid.sig=; Max-Age=0", "_csrfToken=; Max-Age=0", "_csrfToken.sig=; Max-Age=0"];
    absorb(&stage.portal, &ada, &session, &farewell).await;
    assert_ne!(cookies(&ada.session(&stage.portal).await), cookies(&session));
    assert_eq!(stage.logins(), 2);
}

/// The store decides between logins that overlap: whoever knew of the one that is there may replace it.
#[tokio::test]
async fn a_slow_login_never_replaces_a_newer_one() {
    let portal = Portal::open().await;
    let ada = Guest::arrive(&portal, "ada").await;
    let (store, now) = (&portal.app.store, portal.clock.now());
    let put = async |login: i64, instead_of: Option<i64>| {
        let kept = Kept { login, version: 0, used: now, value: vec![1] };
        let until = now + time::Duration::hours(1);
        store.put_held(ada.session, Held::TenantSession, kept, until, instead_of, now).await.expect("the store answers")
    };
    let there =
        async || store.held(ada.session, Held::TenantSession).await.expect("the store answers").map(|kept| kept.login);
    assert_eq!(put(1, None).await, Put::Done);
    assert_eq!((put(2, None).await, there().await), (Put::Late, Some(1)), "it knew of none");
    assert_eq!((put(3, Some(1)).await, there().await), (Put::Done, Some(3)));
    assert_eq!((put(4, Some(1)).await, there().await), (Put::Late, Some(3)), "it knew of the one before");
    let change = async |login, version| {
        let kept = Kept { login, version, used: now, value: vec![2] };
        store.change_held(ada.session, Held::TenantSession, kept).await.expect("the store answers")
    };
    assert_eq!(
        [change(1, 0).await, change(3, 1).await, change(3, 0).await, change(3, 0).await],
        [false, false, true, false]
    );
    let mut browser = ada.browser.clone();
    browser.post("/logout", "").await;
    assert_eq!((put(5, Some(3)).await, there().await), (Put::SessionEnded, None));
}
