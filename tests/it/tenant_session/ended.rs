//! Whatever ends our session ends the tenant's, soon and once; and nothing is begun for one that has ended.

use std::time::Duration;

use qlik_embed_bff::errand::Error;
use qlik_embed_bff::store::held::Held;
use qlik_embed_bff::store::{self, Kind, SessionRef, SessionsOf, Store};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use super::{Guest, Stage, cookies, until};

/// A listener hears of an end within a second; a busy machine gets a little more.
async fn hears(ended: &mut Receiver<SessionRef>) -> SessionRef {
    timeout(Duration::from_secs(3), ended.recv()).await.expect("told in time").expect("told")
}

async fn gone_from_the_tenant(stage: &Stage, before: usize) {
    until(|| stage.control().session_count() < before).await;
    assert_eq!(stage.control().session_count(), before - 1, "one of them");
}

#[tokio::test]
async fn signing_out_ends_it() {
    let stage = Stage::set().await;
    let (mut ada, bob) = (Guest::arrive(&stage.portal, "ada").await, Guest::arrive(&stage.portal, "bob").await);
    let (hers, his) = (ada.session(&stage.portal).await, bob.session(&stage.portal).await);
    assert_ne!(cookies(&hers), cookies(&his));
    let mut ended = stage.portal.app.store.ended();
    ada.browser.post("/logout", "").await;
    assert_eq!(hears(&mut ended).await, ada.session);
    gone_from_the_tenant(&stage, 2).await;
    assert_eq!(stage.asked("/logout"), 1);
    assert!(matches!(ada.get(&stage.portal).await, Err(Error::SessionEnded)));
    assert!(matches!(ada.renew(&stage.portal, &hers).await, Err(Error::SessionEnded)));
    assert_eq!(cookies(&bob.session(&stage.portal).await), cookies(&his));
    assert_eq!(stage.logins(), 2);
}

#[tokio::test]
async fn another_instance_hears_of_it_and_one_of_them_ends_it() {
    let stage = Stage::set().await;
    let others = [stage.portal.beside().await, stage.portal.beside().await];
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    for portal in [&stage.portal, &others[0], &others[1]] {
        ada.session(portal).await;
    }
    let mut ended = others.each_ref().map(|portal| portal.app.store.ended());
    ada.browser.post("/logout", "").await;
    for ended in &mut ended {
        assert_eq!(hears(ended).await, ada.session);
    }
    gone_from_the_tenant(&stage, 1).await;
    for portal in [&stage.portal, &others[0], &others[1]] {
        assert!(matches!(ada.get(portal).await, Err(Error::SessionEnded)), "not from memory either");
        let record = portal.app.store.session_record(ada.session, portal.clock.now()).await;
        assert!(record.expect("the store answers").is_none());
    }
    assert_eq!(stage.asked("/logout"), 1);
}

#[tokio::test]
async fn removing_an_account_ending_sessions_and_age_end_it() {
    for how in 0..4 {
        let stage = Stage::set().await;
        let ada = Guest::arrive(&stage.portal, "ada").await;
        ada.session(&stage.portal).await;
        let mut ended = stage.portal.app.store.ended();
        // As a command on the same database does it.
        let elsewhere = &stage.portal.beside().await.app.store;
        match how {
            0 => assert!(elsewhere.remove_account("ada", "password:ada").await.expect("the store answers")),
            1 => assert!(elsewhere.set_password("ada", "$x", "password:ada").await.expect("the store answers")),
            2 => {
                assert_eq!(
                    elsewhere.end_sessions(SessionsOf::Owner("password:ada")).await.expect("the store answers"),
                    1
                );
            }
            _ => {
                stage.portal.clock.advance(time::Duration::hours(1));
                elsewhere.sweep(stage.portal.clock.now()).await.expect("the store answers");
            }
        }
        assert_eq!(hears(&mut ended).await, ada.session, "{how}");
        gone_from_the_tenant(&stage, 1).await;
        assert_eq!(stage.asked("/logout"), 1, "{how}");
    }
}

#[tokio::test]
async fn somebody_else_who_signs_in_over_it_ends_it() {
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    ada.session(&stage.portal).await;
    let mut ended = stage.portal.app.store.ended();
    ada.browser.sign_in("bob", crate::portal::PASSWORD).await;
    assert_eq!(hears(&mut ended).await, ada.session);
    gone_from_the_tenant(&stage, 1).await;
}

#[tokio::test]
async fn a_login_under_way_when_the_session_ends_is_undone() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().delay("/login/jwt-session", Duration::from_millis(300));
    let mut browser = ada.browser.clone();
    let (session, ()) = futures_util::future::join(ada.get(&stage.portal), async {
        // The request is on its way; the tenant takes its time.
        tokio::time::sleep(Duration::from_millis(100)).await;
        browser.post("/logout", "").await;
    })
    .await;
    assert!(matches!(session, Err(Error::SessionEnded)), "{session:?}");
    assert_eq!((stage.logins(), stage.asked("/logout")), (1, 1), "it was made, and ended at once");
    assert_eq!(stage.control().session_count(), 0);
    let kept = stage.portal.app.store.held(ada.session, Held::TenantSession).await.expect("the store answers");
    assert!(kept.is_none());
}

/// Nobody was there to end it: the next instance that starts does.
#[tokio::test]
async fn what_an_instance_left_behind_is_ended_by_the_next() {
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    ada.session(&stage.portal).await;
    let kept = stage.portal.app.store.clone();
    // With the tenant away, ending fails; it is not tried for ever.
    stage.control().unplug().await;
    let bob = Guest::arrive(&stage.portal, "bob").await;
    ada.browser.post("/logout", "").await;
    stage.control().plug_in().expect("the same port");
    let mut left = 1;
    for _ in 0..500 {
        left = kept.held_left(Held::TenantSession).await.expect("the store answers").len();
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(left, 0);

    bob.session(&stage.portal).await;
    let Stage { tenant, portal } = stage;
    let before = tenant.control().session_count();
    // The account goes while no server runs.
    portal.app.store.close().await;
    let settings = store::Settings::file(portal.folder().join("portal.db"));
    let alone = Store::open(&settings).await.expect("it opens");
    assert!(alone.remove_account("bob", "password:bob").await.expect("the store answers"));
    alone.close().await;
    let portal = portal.restart_with(&[]).await;
    until(|| tenant.control().session_count() < before).await;
    drop(portal);
}

#[tokio::test]
async fn what_is_attached_to_a_session_goes_with_it() {
    let stage = Stage::set().await;
    let (store, now) = (stage.portal.app.store.clone(), stage.portal.clock.now());
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    let later = now + time::Duration::minutes(1);
    let attach = async |name: &str, value: &[u8]| {
        let attached = store.attach(ada.session, Kind::ProxyVisit, name, value.to_vec(), later).await;
        attached.expect("the store answers")
    };
    let find = async |name: &str, at| {
        let found = store.find(Kind::ProxyVisit, name, at).await.expect("the store answers");
        found.map(|found| (found.session, found.value.to_vec()))
    };
    assert!(attach("a", b"one").await && attach("a", b"two").await && attach("b", b"three").await);
    assert_eq!(find("a", now).await, Some((ada.session, b"two".to_vec())), "the last one counts");
    assert_eq!((find("a", later).await, find("c", now).await), (None, None));
    assert!(store.find(Kind::HandOver, "a", now).await.expect("the store answers").is_none(), "kinds are apart");
    let take = async |name: &str| store.take_attached(Kind::ProxyVisit, name, now).await.expect("the store answers");
    assert_eq!(
        take("b").await.map(|taken| (taken.session, taken.value.to_vec())),
        Some((ada.session, b"three".to_vec()))
    );
    assert!(take("b").await.is_none() && find("b", now).await.is_none(), "once");

    let mut ended = store.ended();
    ada.browser.post("/logout", "").await;
    assert_eq!(hears(&mut ended).await, ada.session);
    assert!(store.find_anew(Kind::ProxyVisit, "a", now).await.expect("the store answers").is_none());
    let nobody = Guest { session: SessionRef::of(Default::default()), ..ada };
    for session in [ada.session, nobody.session] {
        let late = store.attach(session, Kind::ProxyVisit, "late", Vec::new(), later).await;
        assert!(!late.expect("the store answers"), "nothing to attach to");
    }
}

/// Somebody who is not signed in has a session too, which remembers where they wanted to go: nobody is told of its end.
#[tokio::test]
async fn sessions_of_nobody_end_in_silence() {
    let stage = Stage::set().await;
    let mut browser = stage.portal.browser();
    browser.open("/embed/default").await;
    let before = browser.cookies["qlik-embed-bff"].parse().expect("an id");
    let mut ended = stage.portal.app.store.ended();
    let ada = Guest::arrive(&stage.portal, "ada").await;
    browser.sign_in("bob", crate::portal::PASSWORD).await;
    assert!(
        !stage.portal.app.store.has_session(SessionRef::of(before), stage.portal.clock.now()).await.expect("asked")
    );
    let mut browser = ada.browser.clone();
    browser.post("/logout", "").await;
    assert_eq!(hears(&mut ended).await, ada.session, "the first that is told of");
}
