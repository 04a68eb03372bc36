//! One login for all.

use futures_util::future::{join, join_all};

use super::{Guest, Stage, cookies, csrf};
use crate::portal::Portal;

#[tokio::test]
async fn two_hundred_requests_at_once_make_one_login() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let sessions = ada.burst(&stage.portal, 200).await;
    let first = sessions[0].clone().expect("a session");
    for session in sessions {
        assert_eq!(cookies(&session.expect("a session")), cookies(&first));
    }
    assert_eq!((stage.logins(), stage.asked("/api/v1/csrf-token")), (1, 1));
    for name in ["eas.sid=", "eas.sid.sig=", "_csrfToken=", "_csrfToken.sig="] {
        assert!(cookies(&first).contains(name), "{name}");
    }
    assert_eq!(csrf(&first).len(), 36);
    let credentials = first.credentials();
    assert!(credentials.cookies.is_sensitive() && credentials.csrf.as_ref().is_some_and(|csrf| csrf.is_sensitive()));
}

/// The requests of a browser that was closed: the login goes on, and is there for the next one.
#[tokio::test]
async fn a_login_whose_requests_have_gone_is_kept() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().delay("/login/jwt-session", std::time::Duration::from_millis(200));
    let gone = tokio::time::timeout(std::time::Duration::from_millis(100), ada.get(&stage.portal)).await;
    assert!(gone.is_err(), "it left before");
    ada.session(&stage.portal).await;
    assert_eq!(stage.logins(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_log_in_once_together() {
    let stage = Stage::set().await;
    let others: [Portal; 2] = [stage.portal.beside().await, stage.portal.beside().await];
    let ada = Guest::arrive(&stage.portal, "ada").await;
    // Slow enough for all to come while it is under way.
    stage.control().delay("/login/jwt-session", std::time::Duration::from_millis(300));
    let instances = [&stage.portal, &others[0], &others[1]];
    let sessions = join_all(instances.map(|portal| ada.burst(portal, 50))).await;
    let mut all: Vec<_> = sessions.into_iter().flatten().map(|session| session.expect("a session")).collect();
    assert_eq!((all.len(), stage.logins()), (150, 1));
    all.dedup_by(|a, b| cookies(a) == cookies(b) && csrf(a) == csrf(b));
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn each_session_of_a_visitor_has_its_own() {
    let stage = Stage::set().await;
    let (ada, also_ada, bob) = (
        Guest::arrive(&stage.portal, "ada").await,
        Guest::arrive(&stage.portal, "ada").await,
        Guest::arrive(&stage.portal, "bob").await,
    );
    let (one, two) = join(ada.session(&stage.portal), also_ada.session(&stage.portal)).await;
    let three = bob.session(&stage.portal).await;
    assert!(cookies(&one) != cookies(&two) && cookies(&two) != cookies(&three));
    let subjects: Vec<_> = stage.control().logins().iter().map(|login| login.claims["sub"].clone()).collect();
    assert_eq!(subjects, ["password|ada", "password|ada", "password|bob"]);
}

/// Should a session of ours ever come with another person, that one gets nothing of the first one's.
#[tokio::test]
async fn one_persons_session_is_never_anothers() {
    let stage = Stage::set().await;
    let (ada, bob) = (Guest::arrive(&stage.portal, "ada").await, Guest::arrive(&stage.portal, "bob").await);
    let hers = ada.session(&stage.portal).await;
    let mixed = Guest { browser: ada.browser.clone(), identity: bob.identity.clone(), session: ada.session };
    let his = mixed.session(&stage.portal).await;
    assert_ne!(cookies(&hers), cookies(&his));
    assert_eq!(stage.control().logins()[1].claims["sub"], "password|bob");
}

#[tokio::test]
async fn a_restart_keeps_sessions() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let before = ada.session(&stage.portal).await;
    let portal = stage.portal.restart_with(&[]).await;
    let after = ada.session(&portal).await;
    assert_eq!((cookies(&after), csrf(&after)), (cookies(&before), csrf(&before)));
    let other = [("SESSION_SECRET", "another secret of more than thirty-two characters")];
    let portal = portal.restart_with(&other).await;
    assert!(ada.get(&portal).await.is_ok(), "what does not open is replaced");
    assert_eq!(stage.tenant.control().logins().len(), 2);
}
