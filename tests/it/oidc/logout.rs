//! Signing out at both places: begun here, and begun there.

use axum::http::StatusCode;
use qlik_embed_bff::clock::Clock;
use serde_json::{Value, json};
use time::Duration;

use super::{parameters, scene, sign_in};
use crate::portal::{Answer, Browser, Portal};
use crate::provider::{DISCOVERY, Provider};

#[tokio::test]
async fn signing_out_here_leads_to_the_provider_and_back() {
    let (portal, provider) = scene(&[]).await;
    let mut ada = portal.browser();
    sign_in(&mut ada, &provider).await;
    let mut thief = ada.clone();
    let leaving = ada.post("/logout", "").await;
    assert_eq!(thief.fetch("/session").await.status, StatusCode::UNAUTHORIZED, "ours has ended already");
    assert_eq!((leaving.status, leaving.text("h1").as_str()), (StatusCode::OK, "Signing out …"));
    let address = leaving.attributes("main a")["href"].clone();
    assert_eq!(leaving.attributes("meta[http-equiv=refresh]")["content"], format!("0; url={address}"));
    assert!(address.starts_with(&format!("{}/session/end?", provider.issuer)), "{address}");
    let sent = parameters(&address);
    assert_eq!((sent["client_id"].as_str(), sent["id_token_hint"].split('.').count()), ("portal", 3));
    assert_eq!(sent["post_logout_redirect_uri"], "http://localhost:8080/logout");
    assert_eq!(ada.open("/logout").await.text("h1"), "You are signed out");
    // The hint was given once; whoever is not signed in has none.
    assert_eq!(ada.post("/logout", "").await.location(), "/logout");
}

#[tokio::test]
async fn signing_out_works_without_the_provider() {
    let (portal, provider) = scene(&[]).await;
    // Its name is enough where the hint would be too long for an address.
    let mut ada = portal.browser();
    provider.set(json!({ "claims": { "story": "x".repeat(5000) } })).await;
    sign_in(&mut ada, &provider).await;
    let leaving = ada.post("/logout", "").await;
    let sent = parameters(&leaving.attributes("main a")["href"]);
    assert!(sent.contains_key("client_id") && !sent.contains_key("id_token_hint"), "{sent:?}");

    // A provider that offers no such thing.
    let (portal, provider) = scene(&[]).await;
    provider.set(json!({ "metadata": { "end_session_endpoint": null } })).await;
    let mut ada = portal.browser();
    sign_in(&mut ada, &provider).await;
    let ended = ada.post("/logout", "").await;
    assert_eq!((ended.status, ended.location()), (StatusCode::SEE_OTHER, "/logout"));
    assert_eq!(ada.open("/logout").await.text("h1"), "You are signed out");
}

#[tokio::test]
async fn signing_out_waits_for_no_provider() {
    let (portal, provider) = scene(&[("SESSION_IDLE", "3h")]).await;
    let mut ada = portal.browser();
    sign_in(&mut ada, &provider).await;
    provider.set(json!({ "held": true })).await;
    // An instance that knows nothing of the provider yet. The tab is closed while it asks.
    let beside = portal.beside().await;
    let here = |of: &Browser| {
        let mut browser = beside.browser();
        browser.cookies = of.cookies.clone();
        browser
    };
    let mut leaving = here(&ada);
    tokio::select! {
        _ = leaving.post("/logout", "") => panic!("the provider says nothing"),
        () = provider.asked(DISCOVERY, 2) => {}
    }
    assert!(!is_in(&mut here(&ada)).await);

    // It stays open: its visitor is sent on, though not to the provider.
    let mut ada = portal.browser();
    sign_in(&mut ada, &provider).await;
    let ended = here(&ada).post("/logout", "").await;
    assert_eq!((ended.status, ended.location()), (StatusCode::SEE_OTHER, "/logout"));
    assert_eq!(provider.requests(DISCOVERY).await, 2);

    // What is known serves, however old.
    let mut ada = portal.browser();
    sign_in(&mut ada, &provider).await;
    portal.clock.advance(Duration::hours(2));
    assert!(ada.post("/logout", "").await.attributes("main a")["href"].contains("id_token_hint"));
    assert_eq!(provider.requests(DISCOVERY).await, 2);
}

/// What a provider does.
async fn tell(portal: &Portal, token: &str) -> Answer {
    let form = format!("logout_token={token}");
    let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", "*/*")];
    portal.browser().send(axum::http::Method::POST, "/login/oidc/logout", &headers, &form).await
}

async fn is_in(browser: &mut Browser) -> bool {
    browser.fetch("/session").await.status == StatusCode::OK
}

/// Two browsers of ada, each with a session of its own there, and one of bob.
async fn visitors(portal: &Portal, provider: &Provider) -> [Browser; 3] {
    let mut browsers = [portal.browser(), portal.browser(), portal.browser()];
    for (place, (browser, name)) in browsers.iter_mut().zip(["ada", "ada", "bob"]).enumerate() {
        let named = json!({ "claims": { "sid": format!("session-{place}") } });
        provider.set(json!({ "account": name, "change": named })).await;
        assert_eq!(sign_in(browser, provider).await.status, StatusCode::SEE_OTHER);
    }
    browsers
}

#[tokio::test]
async fn a_session_that_ends_there_ends_here() {
    let (portal, provider) = scene(&[]).await;
    let [mut ada, mut ada_elsewhere, mut bob] = visitors(&portal, &provider).await;

    let token = provider.logout_token(json!({ "claims": { "sub": "ada", "sid": "session-0" } })).await;
    let answer = tell(&portal, &token).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
    assert!(answer.headers.get("set-cookie").is_none());
    assert!(!is_in(&mut ada).await && is_in(&mut ada_elsewhere).await && is_in(&mut bob).await);

    // By sub alone: all of hers.
    assert_eq!(sign_in(&mut ada, &provider).await.status, StatusCode::SEE_OTHER);
    let token = provider.logout_token(json!({ "claims": { "sub": "ada" } })).await;
    let [mut ada, _, _] = visitors(&portal, &provider).await;
    assert_eq!(tell(&portal, &token).await.status, StatusCode::OK);
    assert!(!is_in(&mut ada).await && !is_in(&mut ada_elsewhere).await && is_in(&mut bob).await);
}

#[tokio::test]
async fn a_session_that_does_not_know_its_name_there_ends_with_any_of_its_owner() {
    let (portal, provider) = scene(&[]).await;
    let [mut ada, mut ada_elsewhere, mut bob] = visitors(&portal, &provider).await;
    let mut nameless = portal.browser();
    provider.set(json!({ "account": "ada", "change": { "without": ["sid"] } })).await;
    assert_eq!(sign_in(&mut nameless, &provider).await.status, StatusCode::SEE_OTHER);

    // Without her name it may be anybody's.
    let token = provider.logout_token(json!({ "claims": { "sid": "session-7" } })).await;
    assert_eq!(tell(&portal, &token).await.status, StatusCode::OK);
    assert!(is_in(&mut nameless).await);
    let token = provider.logout_token(json!({ "claims": { "sub": "ada", "sid": "session-0" } })).await;
    assert_eq!(tell(&portal, &token).await.status, StatusCode::OK);
    assert!(!is_in(&mut ada).await && !is_in(&mut nameless).await);
    assert!(is_in(&mut ada_elsewhere).await && is_in(&mut bob).await);
}

#[tokio::test]
async fn logout_tokens_that_are_not_good_end_nothing() {
    let (portal, provider) = scene(&[]).await;
    let [mut ada, ..] = visitors(&portal, &provider).await;
    let now = Clock::default().now().unix_timestamp();
    let with = |more: Value| {
        let mut claims = json!({ "sub": "ada", "sid": "session-0" });
        claims.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({ "claims": claims })
    };
    let how = |more: Value| {
        let mut token = with(json!({}));
        token.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        token
    };
    for (what, differences) in [
        ("forged", how(json!({ "key": "foreign" }))),
        ("an unknown key", how(json!({ "key": "foreign", "kid": "another" }))),
        ("alg none", how(json!({ "alg": "none" }))),
        ("signed with the public key as a secret", how(json!({ "alg": "HS256" }))),
        ("another kind of token", how(json!({ "typ": "at+jwt" }))),
        ("another issuer", with(json!({ "iss": "https://another.example" }))),
        ("another audience", with(json!({ "aud": "another" }))),
        ("other audiences", with(json!({ "aud": ["another"] }))),
        ("no audience", how(json!({ "without": ["aud"] }))),
        ("expired", with(json!({ "exp": now - 70 }))),
        ("without expiry", how(json!({ "without": ["exp"] }))),
        ("issued in the future", with(json!({ "iat": now + 120 }))),
        ("without time of issue", how(json!({ "without": ["iat"] }))),
        ("no event", with(json!({ "events": {} }))),
        ("without events", how(json!({ "without": ["events"] }))),
        ("another event", with(json!({ "events": { "https://example.com/event": {} } }))),
        ("a nonce, so an ID token", with(json!({ "nonce": "n" }))),
        ("nobody", how(json!({ "without": ["sub", "sid"] }))),
        ("without jti", how(json!({ "without": ["jti"] }))),
    ] {
        let token = provider.logout_token(differences).await;
        let answer = tell(&portal, &token).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (StatusCode::BAD_REQUEST, Some("not_verified")),
            "{what}"
        );
        assert!(is_in(&mut ada).await, "{what}");
    }
    for garbage in ["", "a", "a.b", "a.b.c", "..", "%00"] {
        assert_eq!(tell(&portal, garbage).await.status, StatusCode::BAD_REQUEST, "{garbage}");
    }
    assert!(is_in(&mut ada).await);
}

#[tokio::test]
async fn a_logout_token_is_good_once_and_by_new_keys_too() {
    let (portal, provider) = scene(&[]).await;
    let [mut ada, ..] = visitors(&portal, &provider).await;
    let token = provider.logout_token(json!({ "claims": { "sub": "ada" } })).await;
    assert_eq!(tell(&portal, &token).await.status, StatusCode::OK);
    let [mut again, ..] = visitors(&portal, &provider).await;
    assert_eq!(tell(&portal, &token).await.status, StatusCode::BAD_REQUEST);
    assert!(!is_in(&mut ada).await && is_in(&mut again).await);

    provider.rotate().await;
    portal.clock.advance(Duration::minutes(1));
    let typeless = json!({ "claims": { "sub": "ada", "aud": ["portal"] }, "typ": "JWT" });
    let token = provider.logout_token(typeless).await;
    assert_eq!(tell(&portal, &token).await.status, StatusCode::OK);
    assert!(!is_in(&mut again).await);
}

#[tokio::test]
async fn a_page_of_another_site_ends_nothing() {
    let (portal, provider) = scene(&[]).await;
    let [mut ada, ..] = visitors(&portal, &provider).await;
    let token = provider.logout_token(json!({ "claims": { "sub": "ada" } })).await;
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    let form = format!("logout_token={token}");
    let answer = portal.browser().send(axum::http::Method::POST, "/login/oidc/logout", &headers, &form).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(is_in(&mut ada).await);
}
