//! How long sessions live, and what ends them.

use axum::http::StatusCode;
use qlik_embed_bff::store::{Kind, SessionsOf};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::portal::{Browser, Portal};

async fn is_signed_in(browser: &mut Browser) -> bool {
    browser.fetch("/session").await.status == StatusCode::OK
}

#[tokio::test]
async fn idle_sessions_end_and_used_ones_go_on() {
    let portal = Portal::with(&[("SESSION_IDLE", "10m"), ("SESSION_MAX", "1h")]).await;
    let (mut used, mut idle) = (portal.signed_in("ada").await, portal.signed_in("ada").await);
    for _ in 0..5 {
        portal.clock.advance(Duration::minutes(9));
        assert_eq!(used.open("/embed/default").await.status, StatusCode::OK);
    }
    assert!(!is_signed_in(&mut idle).await);
    assert_eq!(idle.open("/embed/default").await.location(), "/login");
    // Forty-five minutes in use; whatever happens, it ends after an hour.
    portal.clock.advance(Duration::minutes(9));
    assert_eq!(used.open("/embed/default").await.status, StatusCode::OK);
    portal.clock.advance(Duration::minutes(7));
    assert!(!is_signed_in(&mut used).await);
    assert_eq!(used.fetch("/token").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn asking_about_the_session_does_not_extend_it() {
    let portal = Portal::with(&[("SESSION_IDLE", "10m")]).await;
    let mut ada = portal.signed_in("ada").await;
    let answer = ada.fetch("/session").await.json();
    assert_eq!((answer["name"].as_str(), answer["id"].as_str()), (Some("Ada Lovelace"), Some("ada")));
    let ends = OffsetDateTime::parse(answer["expires_at"].as_str().expect("a time"), &Rfc3339).expect("RFC 3339");
    let left = ends - portal.clock.now();
    assert!(left <= Duration::minutes(10) && left > Duration::minutes(9), "{left}");
    portal.clock.advance(Duration::minutes(6));
    assert_eq!(ada.fetch("/session").await.json(), answer);
    portal.clock.advance(Duration::minutes(5));
    assert!(!is_signed_in(&mut ada).await);
}

#[tokio::test]
async fn sessions_survive_a_restart() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    let identity = ada.open("/embed/default").await.attributes("#embed")["data-identity"].clone();
    let portal = portal.restart_with(&[]).await;
    let mut browser = portal.browser();
    browser.cookies = ada.cookies.clone();
    let page = browser.open("/embed/default").await;
    assert_eq!(page.attributes("#embed")["data-identity"], identity);
}

#[tokio::test]
async fn another_secret_ends_all_sessions_and_nothing_else() {
    let portal = Portal::with(&[("SESSION_SECRET", "a secret of more than thirty-two characters")]).await;
    let ada = portal.signed_in("ada").await;
    let portal = portal.restart_with(&[("SESSION_SECRET", "another secret of more than thirty-two")]).await;
    let mut browser = portal.browser();
    browser.cookies = ada.cookies.clone();
    assert_eq!(browser.open("/").await.location(), "/login");
    portal.signed_in("ada").await;
}

#[tokio::test]
async fn the_database_holds_no_session_in_clear() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    let id = ada.cookies["qlik-embed-bff"].clone();
    let engine = ada.open("/embed/default").await.attributes("#embed")["data-identity"].clone();
    portal.app.store.close().await;
    let bytes = std::fs::read(portal.folder().join("portal.db")).expect("the database");
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("ada@example.com"), "the account is there, so this looks at the right file");
    assert!(holds("password:ada"), "whose a subject is, administrators may read");
    assert!(!holds(&id) && !holds(&engine) && !holds("signed_in"));
}

#[tokio::test]
async fn removing_an_account_or_changing_its_password_ends_its_sessions() {
    for remove in [true, false] {
        let portal = Portal::open().await;
        let (ada, bob) = (portal.signed_in("ada").await, portal.signed_in("bob").await);
        if remove {
            assert!(portal.app.store.remove_account("ada", "password:ada").await.expect("the store answers"));
        } else {
            assert!(portal.app.store.set_password("ada", "$x", "password:ada").await.expect("the store answers"));
        }
        // Another process did that: this one may answer from memory for five seconds, a new one never does.
        let portal = portal.restart_with(&[]).await;
        let mut browser = portal.browser();
        browser.cookies = ada.cookies.clone();
        assert!(!is_signed_in(&mut browser).await);
        browser.cookies = bob.cookies.clone();
        assert!(is_signed_in(&mut browser).await);
    }
}

#[tokio::test]
async fn what_has_expired_is_swept() {
    let portal = Portal::open().await;
    portal.signed_in("ada").await;
    portal.browser().open("/embed/default").await;
    portal.browser().sign_in("ada", "a guess").await;
    assert_eq!(portal.app.store.sweep(portal.clock.now()).await.expect("the store answers"), 0);
    portal.clock.advance(Duration::hours(1));
    // The session, the way back, and three counts: bad attempts of the account and of the address, and all of the address.
    assert_eq!(portal.app.store.sweep(portal.clock.now()).await.expect("the store answers"), 5);
}

#[tokio::test]
async fn strange_cookies_are_nobody() {
    let portal = Portal::open().await;
    for value in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA", "../../etc/passwd", "%00", &"A".repeat(4000)] {
        let mut browser = portal.browser();
        browser.cookies.insert("qlik-embed-bff".into(), value.to_owned());
        assert!(!is_signed_in(&mut browser).await, "{value}");
        assert_eq!(browser.open("/").await.location(), "/login", "{value}");
    }
}

#[tokio::test]
async fn what_is_kept_under_a_name_is_claimed_once_and_taken_once() {
    let portal = Portal::open().await;
    let (store, now) = (&portal.app.store, portal.clock.now());
    let until = now + Duration::minutes(10);
    for (kind, name, first) in [
        (Kind::UsedTicket, "a", true),
        (Kind::UsedTicket, "a", false),
        (Kind::UsedTicket, "b", true),
        (Kind::PendingLogin, "a", true),
    ] {
        assert_eq!(store.keep(kind, name, b"value".to_vec(), until).await.expect("kept"), first, "{kind:?} {name}");
    }
    assert_eq!(store.take(Kind::UsedLogoutToken, "a", now).await.expect("asked"), None, "kinds are apart");
    assert_eq!(store.take(Kind::PendingLogin, "a", until).await.expect("asked"), None, "it has expired");
    assert_eq!(store.take(Kind::PendingLogin, "a", now).await.expect("asked"), Some(b"value".to_vec()));
    assert_eq!(store.take(Kind::PendingLogin, "a", now).await.expect("asked"), None, "once");
}

#[tokio::test]
async fn all_sessions_of_one_person_can_be_ended() {
    let portal = Portal::open().await;
    let (mut ada, mut also_ada, mut bob) =
        (portal.signed_in("ada").await, portal.signed_in("ada").await, portal.signed_in("bob").await);
    assert_eq!(portal.app.store.end_sessions(SessionsOf::Owner("password:ada")).await.expect("ended"), 2);
    assert!(!is_signed_in(&mut ada).await && !is_signed_in(&mut also_ada).await);
    assert!(is_signed_in(&mut bob).await);
}
