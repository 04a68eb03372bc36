//! Secrets that change while visitors work: those of the clients at the tenant, and the one that seals sessions.

use qlik_embed_bff::demo::ClientKey;

use super::*;
use crate::portal::Browser;

const OLD: &str = "the secret of the first year and of some length";
const NEW: &str = "the secret of the second year and of some length";

#[tokio::test]
async fn what_the_client_shows_for_itself_changes_and_tokens_stay() {
    let stage = Stage::set().await;
    let (ada, bob) = (Guest::arrive(&stage.portal, "ada").await, Guest::arrive(&stage.portal, "bob").await);
    let hers = ada.token(&stage.portal).await;
    let public = ClientKey::new("key-of-the-client", &KEY.certificate);
    let change = move |settings: &mut demo::Settings| {
        settings.clients = vec![OauthClient::impersonating(CLIENT, "its-new-secret").with_key(public)];
    };
    stage.control().change(change);
    assert!(bob.granted(&stage.portal).await.is_err(), "the tenant knows another secret");
    stage.pass(2);
    let key = [
        ("QLIK_OAUTH_CLIENT_SECRET", ""),
        ("QLIK_OAUTH_PRIVATE_KEY", KEY.private_key.expose_secret()),
        ("QLIK_OAUTH_KEY_ID", "key-of-the-client"),
    ];
    stage.portal.with_other(&key);
    assert_eq!(stage.whose(&bob.token(&stage.portal).await).await, "password|bob");
    assert_eq!(ada.token(&stage.portal).await, hers);
}

#[tokio::test]
async fn another_secret_of_the_client_is_used_from_then_on() {
    let stage = Stage::set().await;
    let mut ada = Guest::arrive(&stage.portal, "ada").await;
    stage.control().change(|settings| settings.clients = vec![OauthClient::impersonating(CLIENT, "its-new-secret")]);
    assert_ne!(ada.post(&[]).await.status, StatusCode::OK);
    stage.pass(2);
    stage.portal.with_other(&[("QLIK_OAUTH_CLIENT_SECRET", "its-new-secret")]);
    assert_eq!(ada.post(&[]).await.status, StatusCode::OK);
    // It ends by the new secret, too.
    ada.browser.post("/logout", "").await;
    crate::tenant_session::until(|| stage.control().access_tokens("password|ada").is_empty()).await;
    assert_eq!(stage.answers("POST", "/oauth/revoke"), [200]);
}

#[tokio::test]
async fn another_api_key_makes_users_from_then_on() {
    let stage = Stage::with(|_| {}, &PROVISION).await;
    stage.control().change(|settings| settings.api_keys = vec![ApiKey::of_admin("another-api-key")]);
    let ada = Guest::arrive(&stage.portal, "ada").await;
    assert!(ada.granted(&stage.portal).await.is_err(), "nobody can make her");
    stage.pass(2);
    stage.portal.with_other(&[("QLIK_API_KEY", "another-api-key")]);
    assert_eq!(stage.whose(&ada.token(&stage.portal).await).await, "password|ada");
}

#[tokio::test]
async fn another_secret_of_the_administrators_client_is_used_once_its_token_is_refused() {
    let machine =
        [("QLIK_API_KEY", ""), ("QLIK_ADMIN_CLIENT_ID", "machine"), ("QLIK_ADMIN_CLIENT_SECRET", OLD_MACHINE)];
    let edit = |settings: &mut demo::Settings| settings.clients.push(OauthClient::admin("machine", OLD_MACHINE));
    let stage = Stage::with(edit, &[&PROVISION[..], &machine].concat()).await;
    Guest::arrive(&stage.portal, "ada").await.token(&stage.portal).await;
    stage.control().change(|settings| settings.clients[1].secret = "its-new-secret".into());
    stage.portal.with_other(&[("QLIK_ADMIN_CLIENT_SECRET", "its-new-secret")]);
    let given = stage.control().tokens_given(demo::CLIENT_CREDENTIALS);
    Guest::arrive(&stage.portal, "bob").await.token(&stage.portal).await;
    assert_eq!(stage.control().tokens_given(demo::CLIENT_CREDENTIALS), given, "the token of before is good");
    stage.pass(7 * 3600);
    let ada = Guest::arrive(&stage.portal, "ada").await;
    ada.token(&stage.portal).await;
    assert_eq!(stage.control().tokens_given(demo::CLIENT_CREDENTIALS), given + 1, "had by the new secret");
}

const OLD_MACHINE: &str = "its-old-secret";

/// What a page posts that was opened with this token.
async fn post(browser: &mut Browser, token: &str) -> StatusCode {
    let headers = [("csrf-token", token), ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")];
    browser.send(Method::POST, "/access-token", &headers, "").await.status
}

async fn csrf(browser: &mut Browser) -> String {
    browser.fetch("/csrf-token").await.json()["csrfToken"].as_str().expect("a token").to_owned()
}

/// One instance after the other, as `docs/operation.md` has it.
#[tokio::test]
async fn visitors_and_their_open_pages_outlive_the_secret_of_sessions() {
    let stage = Stage::with(|_| {}, &[("SESSION_SECRET", OLD)]).await;
    for id in ["ada", "bob"] {
        stage.control().add_user(&format!("password|{id}"), &format!("{id}@example.com"), "active");
    }
    let (one, other) = (&stage.portal, stage.portal.beside().await);
    let mut ada = one.signed_in("ada").await;
    let before = csrf(&mut ada).await;
    for portal in [one, &other] {
        portal.with_other(&[("SESSION_SECRET_PREVIOUS", NEW)]);
    }
    // The first seals under the new one, and the other still under the old.
    one.with_other(&[("SESSION_SECRET", NEW), ("SESSION_SECRET_PREVIOUS", OLD)]);
    let mut bob = one.signed_in("bob").await;
    let newest = csrf(&mut bob).await;
    let (mut ada_there, mut bob_there) = (ada.through(other.front()), bob.through(other.front()));
    assert_eq!(bob_there.open("/embed/default").await.status, StatusCode::OK, "sealed under the new one");
    assert_eq!(post(&mut bob_there, &newest).await, StatusCode::OK);
    assert_eq!(post(&mut ada, &before).await, StatusCode::OK, "a page from before");
    assert_ne!(csrf(&mut ada).await, before, "new pages get the newest");

    other.with_other(&[("SESSION_SECRET", NEW), ("SESSION_SECRET_PREVIOUS", OLD)]);
    assert_eq!(post(&mut ada_there, &before).await, StatusCode::OK);
    // Nothing of before is left: the old one goes.
    let portal = other.restart_with(&[("SESSION_SECRET", NEW), ("SESSION_SECRET_PREVIOUS", "")]).await;
    let mut bob = bob.through(portal.front());
    assert_eq!(bob.open("/embed/default").await.status, StatusCode::OK);
    assert_eq!(post(&mut bob, &newest).await, StatusCode::OK);
}

#[tokio::test]
async fn without_the_secret_of_before_visitors_sign_in_again() {
    let portal = Portal::with(&[("SESSION_SECRET", OLD)]).await;
    let ada = portal.signed_in("ada").await;
    let wrong = "the secret of another house and of some length";
    let portal = portal.restart_with(&[("SESSION_SECRET", NEW), ("SESSION_SECRET_PREVIOUS", wrong)]).await;
    let mut lost = ada.through(portal.front());
    let answer = lost.open("/embed/default").await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login"));
    assert_eq!(lost.sign_in("ada", crate::portal::PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_eq!(lost.open("/embed/default").await.status, StatusCode::OK);
    // Of several, one is the right one.
    let both = format!("{wrong}, {OLD}");
    let portal = portal.restart_with(&[("SESSION_SECRET", NEW), ("SESSION_SECRET_PREVIOUS", &both)]).await;
    assert_eq!(ada.through(portal.front()).open("/embed/default").await.status, StatusCode::OK);
}
