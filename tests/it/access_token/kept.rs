//! One token for each session, however many ask; renewed in time, and revoked with the session.

use futures_util::future::join_all;
use qlik_embed_bff::demo::Refusal::Status;
use qlik_embed_bff::demo::{ClientKey, Times};

use super::*;
use crate::tenant_session::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_ask_once_together() {
    let stage = Stage::set().await;
    let others = [stage.portal.beside().await, stage.portal.beside().await];
    let ada = Guest::arrive(&stage.portal, "ada").await;
    // Slow enough for all to come while it is under way.
    stage.control().delay("/oauth/token", std::time::Duration::from_millis(300));
    let instances = [&stage.portal, &others[0], &others[1]];
    let tokens = join_all(instances.iter().flat_map(|portal| (0..50).map(|_| ada.token(portal)))).await;
    assert_eq!((tokens.len(), stage.asked()), (150, vec![200]));
    assert!(tokens.iter().all(|token| *token == tokens[0]));
}

#[tokio::test]
async fn each_session_has_its_own_and_keeps_it_sealed() {
    let stage = Stage::set().await;
    let (one, two) = (Guest::arrive(&stage.portal, "ada").await, Guest::arrive(&stage.portal, "ada").await);
    let (first, second) = (one.token(&stage.portal).await, two.token(&stage.portal).await);
    assert_ne!(first, second);
    for file in std::fs::read_dir(stage.portal.folder()).expect("a folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("readable");
        assert!(!bytes.windows(first.len()).any(|window| window == first.as_bytes()));
    }
}

/// Should a session of ours ever come with another person, that one gets nothing of the first one's.
#[tokio::test]
async fn one_persons_token_is_never_anothers() {
    let stage = Stage::set().await;
    let (ada, bob) = (Guest::arrive(&stage.portal, "ada").await, Guest::arrive(&stage.portal, "bob").await);
    let hers = ada.token(&stage.portal).await;
    let mixed = Guest { browser: ada.browser.clone(), identity: bob.identity.clone(), session: ada.session };
    assert_ne!(mixed.token(&stage.portal).await, hers);
    assert_eq!(stage.control().access_tokens("password|bob").len(), 1);
}

#[tokio::test]
async fn it_is_kept_until_five_minutes_before_its_end() {
    let stage = Stage::set().await;
    stage.control().change(|settings| settings.switches.access_token_lifetime = std::time::Duration::from_secs(3600));
    let stage = Stage { portal: stage.portal.restart_with(&[("SESSION_IDLE", "8h")]).await, ..stage };
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let first = ada.token(&stage.portal).await;
    stage.pass(3600 - 300 - 20);
    assert_eq!(ada.token(&stage.portal).await, first);
    stage.pass(40);
    let second = ada.token(&stage.portal).await;
    assert_ne!(second, first);
    assert_eq!(stage.asked(), [200, 200]);
    // The clocks of other instances say the same.
    assert_eq!(ada.token(&stage.portal.beside().await).await, second);
}

/// Very short lives are not asked for again and again.
#[tokio::test]
async fn a_short_life_is_used_to_its_half() {
    let stage = Stage::set().await;
    stage.control().change(|settings| settings.switches.access_token_lifetime = std::time::Duration::from_secs(120));
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let first = ada.token(&stage.portal).await;
    stage.pass(50);
    assert_eq!(ada.token(&stage.portal).await, first);
    stage.pass(20);
    assert_ne!(ada.token(&stage.portal).await, first);
}

/// A client whose token was refused asks again, and must not get the same one until it expires.
#[tokio::test]
async fn a_token_that_the_tenant_has_forgotten_is_not_given_out_again() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    let first = ada.token(&stage.portal).await;
    stage.pass(60);
    assert_eq!(ada.token(&stage.portal).await, first, "it is good");
    stage.control().revoke_token(&first);
    stage.pass(60);
    let later = stage.portal.beside().await; // which believes nothing yet
    let second = ada.token(&later).await;
    assert_ne!(second, first);
    assert_eq!(stage.asked(), [200, 200]);

    // Whatever else is wrong there is no reason to throw it away.
    stage.pass(60);
    stage.control().refuse("/api/v1/users", Status(503), Times::Always);
    assert_eq!(ada.token(&stage.portal.beside().await).await, second);
}

#[tokio::test]
async fn signing_out_revokes_it() {
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    ada.token(&stage.portal).await;
    let bob = Guest::arrive(&stage.portal, "bob").await;
    bob.token(&stage.portal).await;
    ada.browser.post("/logout", "").await;
    until(|| stage.control().access_tokens("password|ada").is_empty()).await;
    assert_eq!(stage.answers("POST", "/oauth/revoke"), [200]);
    assert_eq!(stage.control().access_tokens("password|bob").len(), 1, "his stays");
    assert!(matches!(ada.granted(&stage.portal).await, Err(Error::SessionEnded)));
    assert_eq!(stage.asked(), [200, 200]);
}

/// Also one that ended while nobody looked, by another instance, and of a portal that began anew.
#[tokio::test]
async fn whatever_ends_a_session_revokes_its_token() {
    let stage = Stage::set().await;
    let ada = Guest::arrive(&stage.portal, "ada").await;
    ada.token(&stage.portal).await;
    let portal = stage.portal.restart_with(&[]).await;
    stage.tenant.control().shift_clock(time::Duration::hours(1));
    portal.clock.advance(time::Duration::hours(1));
    portal.app.store.sweep(portal.clock.now()).await.expect("the store answers");
    until(|| stage.tenant.control().access_tokens("password|ada").is_empty()).await;
}

#[tokio::test]
async fn private_keys_authenticate_too() {
    use secrecy::ExposeSecret;
    let key = [
        ("QLIK_OAUTH_CLIENT_SECRET", ""),
        ("QLIK_OAUTH_PRIVATE_KEY", KEY.private_key.expose_secret()),
        ("QLIK_OAUTH_KEY_ID", "key-of-the-client"),
    ];
    let public = ClientKey::new("key-of-the-client", &KEY.certificate);
    let with_key = |settings: &mut demo::Settings| settings.clients[0].keys = vec![public];
    let stage = Stage::with(with_key, &key).await;
    stage.control().add_user("password|ada", "ada@example.com", "active");
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    assert_eq!(ada.post(&[]).await.status, StatusCode::OK);
    ada.browser.post("/logout", "").await;
    until(|| stage.control().access_tokens("password|ada").is_empty()).await;
    assert_eq!((stage.asked(), stage.answers("POST", "/oauth/revoke")), (vec![200], vec![200]));
}
