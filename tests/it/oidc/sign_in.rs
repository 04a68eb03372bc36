//! Who is let in, and as whom.

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use qlik_embed_bff::clock::Clock;
use serde_json::{Value, json};
use time::Duration;

use super::{PORTAL, parameters, return_with, scene, sign_in};
use crate::portal::{Browser, Portal};
use crate::provider::{CLIENT_ID, CLIENT_SECRET, DISCOVERY, Provider};

const COOKIE: &str = "qlik-embed-bff";

/// The claims of the token that this browser's page would hand to the tenant.
async fn subject(browser: &mut Browser) -> Value {
    let answer = browser.fetch("/token/default").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let token = answer.json()["body"].as_str().expect("a token").to_owned();
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("three parts")).expect("base64");
    serde_json::from_slice(&claims).expect("JSON")
}

#[tokio::test]
async fn a_visitor_signs_in_and_gets_where_they_wanted() {
    let (portal, provider) = scene(&[]).await;
    let mut browser = portal.browser();
    assert_eq!(browser.open("/embed/default?a=b").await.location(), "/login");
    let before = browser.cookies[COOKIE].clone();

    let start = browser.open("/login/oidc").await;
    let (address, asked) = (start.location().to_owned(), parameters(start.location()));
    assert!(address.starts_with(&format!("{}/auth?", provider.issuer)), "{address}");
    let fixed = ["response_type", "client_id", "redirect_uri", "code_challenge_method", "scope"];
    assert_eq!(
        fixed.map(|name| asked[name].as_str()),
        ["code", CLIENT_ID, "http://localhost:8080/login/oidc/callback", "S256", "openid profile email"]
    );
    assert!(["state", "nonce", "code_challenge"].iter().all(|name| asked[*name].len() >= 22), "{asked:?}");
    assert!(!asked.contains_key("prompt"));

    let answer = provider.browser().follow(&address).await;
    let done = return_with(&mut browser, &answer).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/embed/default?a=b"));
    assert_eq!(done.header("referrer-policy"), "no-referrer");
    assert_ne!(browser.cookies[COOKIE], before, "a new session");
    assert_eq!(browser.fetch("/session").await.json()["id"], "ada");
    let claims = subject(&mut browser).await;
    assert_eq!(
        ["sub", "name", "email"].map(|name| claims[name].as_str().expect("text")),
        ["oidc|ada", "Ada Lovelace", "ada@example.com"]
    );
    assert_eq!(provider.seen().await["authorization"], json!(["Basic"]));
    assert_eq!(browser.open("/login/oidc").await.location(), "/", "whoever is signed in stays so");
}

#[tokio::test]
async fn another_secret_of_ours_is_used_by_who_was_on_the_way_too() {
    let (portal, provider) = scene(&[]).await;
    let new = "another s3cret";
    provider.set(json!({ "secret": new })).await;
    let refused = sign_in(&mut portal.browser(), &provider).await;
    assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "{}", refused.body);
    let mut browser = portal.browser();
    let start = browser.open("/login/oidc").await;
    let answer = provider.browser().follow(start.location()).await;
    let asked = provider.requests(DISCOVERY).await;

    portal.with_other(&[("OIDC_CLIENT_SECRET", new)]);
    let done = return_with(&mut browser, &answer).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert_eq!(browser.fetch("/session").await.json()["id"], "ada");
    assert_eq!(provider.requests(DISCOVERY).await, asked, "what is known of the provider is kept");
}

#[tokio::test]
async fn the_cookie_of_a_sign_in_is_as_closed_as_the_address_allows() {
    let provider = Provider::start("https://portal.example").await;
    let portal = Portal::with(&[&provider.settings()[..], &[("PUBLIC_URL", "https://portal.example")]].concat()).await;
    let start = portal.browser().open("/login/oidc").await;
    let cookie = start.header("set-cookie");
    let mut attributes: Vec<_> = cookie.split("; ").skip(1).collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax", "Secure"]);
    assert!(cookie.starts_with("__Host-qlik-embed-bff-login="), "{cookie}");
}

#[tokio::test]
async fn tabs_sign_in_side_by_side_and_each_gets_where_it_wanted() {
    let (portal, provider) = scene(&[]).await;
    let mut browser = portal.browser();
    let mut answers = Vec::new();
    for tab in ["/embed/default?tab=1", "/embed/default?tab=2", "/embed/default?tab=3"] {
        browser.open(tab).await;
        let start = browser.open("/login/oidc").await;
        answers.push((tab, provider.browser().follow(start.location()).await));
    }
    for (tab, answer) in answers.iter().rev() {
        let done = return_with(&mut browser, answer).await;
        assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, *tab));
    }
    assert_eq!(browser.fetch("/session").await.json()["id"], "ada");
}

/// A browser that restores its tabs opens all of them before any is sent on.
#[tokio::test]
async fn tabs_that_were_all_opened_first_share_out_their_pages() {
    let (portal, provider) = scene(&[]).await;
    let mut browser = portal.browser();
    let tabs = ["/embed/default?tab=a", "/embed/default?tab=b", "/embed/default?tab=c"];
    for tab in tabs {
        assert_eq!(browser.open(tab).await.location(), "/login");
    }
    // Two are on their way at once, and the third comes when the first of them is back.
    let (first, second) = (browser.open("/login/oidc").await, browser.open("/login/oidc").await);
    let first = provider.browser().follow(first.location()).await;
    let second = provider.browser().follow(second.location()).await;
    let reached = [
        return_with(&mut browser, &first).await.location().to_owned(),
        browser.open("/login").await.location().to_owned(),
        return_with(&mut browser, &second).await.location().to_owned(),
    ];
    assert_eq!(reached.each_ref().map(String::as_str), [tabs[2], tabs[0], tabs[1]]);
    assert_eq!(browser.open("/login/oidc").await.location(), "/", "nobody waits any more");

    // Who turns back at the provider and begins again gets there too.
    let mut browser = portal.browser();
    browser.open(tabs[0]).await;
    browser.open("/login/oidc").await;
    assert_eq!(sign_in(&mut browser, &provider).await.location(), tabs[0]);
    assert_eq!(browser.open("/login").await.location(), "/");
}

#[tokio::test]
async fn two_visitors_at_once_are_never_mixed() {
    let (portal, provider) = scene(&[]).await;
    let (mut ada, mut bob) = (portal.browser(), portal.browser());
    for _ in 0..5 {
        let (of_ada, of_bob) = (ada.open("/login/oidc").await, bob.open("/login/oidc").await);
        provider.set(json!({ "account": "ada" })).await;
        let to_ada = provider.browser().follow(of_ada.location()).await;
        provider.set(json!({ "account": "bob" })).await;
        let to_bob = provider.browser().follow(of_bob.location()).await;
        for (browser, answer) in [(&mut bob, &to_bob), (&mut ada, &to_ada)] {
            let done = return_with(browser, answer).await;
            assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
        }
        assert_eq!(ada.fetch("/session").await.json()["id"], "ada");
        assert_eq!(bob.fetch("/session").await.json()["id"], "bob");
        ada.post("/logout", "").await;
        bob.post("/logout", "").await;
    }
}

#[tokio::test]
async fn groups_are_found_and_nobody_else_has_an_unverified_address() {
    for (path, claims) in [
        ("groups", json!({ "groups": ["sales", "all"] })),
        ("realm_access.roles", json!({ "realm_access": { "roles": ["sales", "all"] } })),
        ("https://acme.example/groups", json!({ "https://acme.example/groups": ["sales", "all"] })),
    ] {
        let (portal, provider) = scene(&[("OIDC_GROUPS_CLAIM", path)]).await;
        provider.set(json!({ "claims": claims })).await;
        let mut browser = portal.browser();
        assert_eq!(sign_in(&mut browser, &provider).await.status, StatusCode::SEE_OTHER);
        assert_eq!(subject(&mut browser).await["groups"], json!(["all", "sales"]), "{path}");
        assert_eq!(provider.requests("/me").await, 0, "the ID token had all");
    }
    // Bob's address is not verified: who says that it is his?
    let (portal, provider) = scene(&[]).await;
    provider.set(json!({ "account": "bob" })).await;
    let mut bob = portal.browser();
    assert_eq!(sign_in(&mut bob, &provider).await.status, StatusCode::SEE_OTHER);
    assert_eq!(bob.fetch("/token/default").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_the_id_token_lacks_is_asked_for() {
    let (portal, provider) = scene(&[]).await;
    provider.set(json!({ "lean": true, "claims": { "groups": ["sales"] } })).await;
    let mut browser = portal.browser();
    assert_eq!(sign_in(&mut browser, &provider).await.status, StatusCode::SEE_OTHER);
    let claims = subject(&mut browser).await;
    assert_eq!((&claims["name"], &claims["email"]), (&json!("Ada Lovelace"), &json!("ada@example.com")));
    assert_eq!(claims["groups"], json!(["sales"]));
    assert_eq!(provider.requests("/me").await, 1);
}

#[tokio::test]
async fn the_client_shows_who_it_is_in_the_way_that_the_provider_takes() {
    for (method, secret, seen) in [
        ("client_secret_basic", CLIENT_SECRET, "Basic"),
        ("client_secret_post", CLIENT_SECRET, "none"),
        ("none", "", "none"),
    ] {
        let (portal, provider) = scene(&[("OIDC_CLIENT_SECRET", secret)]).await;
        provider.set(json!({ "auth": method })).await;
        let mut browser = portal.browser();
        let done = sign_in(&mut browser, &provider).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{method}: {}", done.body);
        assert_eq!(provider.seen().await["authorization"], json!([seen]), "{method}");
    }
}

#[tokio::test]
async fn a_session_at_the_provider_is_enough_when_it_is_asked_silently() {
    let (portal, provider) = scene(&[("OIDC_PROMPT_NONE", "true")]).await;
    let (mut browser, mut there) = (portal.browser(), provider.browser());
    browser.open("/embed/default?a=b").await;
    let silent = browser.open("/login/oidc").await;
    assert_eq!(parameters(silent.location())["prompt"], "none");
    let answer = there.follow(silent.location()).await;
    assert_eq!(parameters(&answer)["error"], "login_required");
    // Nobody is signed in there: once more, and this time it may ask.
    let loud = return_with(&mut browser, &answer).await;
    assert_eq!(loud.status, StatusCode::SEE_OTHER);
    let asked = parameters(loud.location());
    assert!(!asked.contains_key("prompt"));
    assert_ne!(asked["state"], parameters(silent.location())["state"]);
    let answer = there.follow(loud.location()).await;
    assert_eq!(return_with(&mut browser, &answer).await.location(), "/embed/default?a=b");

    let mut another = portal.browser();
    let silent = another.open("/login/oidc").await;
    let answer = there.follow(silent.location()).await;
    let done = return_with(&mut another, &answer).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/"));
    assert_eq!(another.fetch("/session").await.json()["id"], "ada");
}

#[tokio::test]
async fn a_refusal_after_asking_ends_in_a_page_and_no_circle() {
    let (portal, provider) = scene(&[("OIDC_PROMPT_NONE", "true")]).await;
    let mut browser = portal.browser();
    let state = async |address: &str| parameters(address)["state"].clone();
    let silent = browser.open("/login/oidc").await;
    let refused =
        |state: String| format!("/login/oidc/callback?error=login_required&state={state}&iss={}", provider.issuer);
    let loud = return_with(&mut browser, &refused(state(silent.location()).await)).await;
    let end = return_with(&mut browser, &refused(state(loud.location()).await)).await;
    assert_eq!((end.status, end.text("h1").as_str()), (StatusCode::FORBIDDEN, "You were not signed in"));
}

#[tokio::test]
async fn keys_are_rotated_without_a_restart_and_not_fetched_for_everybody() {
    let (portal, provider) = scene(&[]).await;
    assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, StatusCode::SEE_OTHER);
    assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, StatusCode::SEE_OTHER);
    assert_eq!(provider.requests("/jwks").await, 1);

    // Within the minute, an unknown key is not looked for again.
    provider.rotate().await;
    assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(provider.requests("/jwks").await, 1);
    portal.clock.advance(Duration::minutes(1));
    assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, StatusCode::SEE_OTHER);
    assert_eq!(provider.requests("/jwks").await, 2);

    // A key that the provider has withdrawn is forgotten within the hour, though nobody shows an unknown one.
    portal.clock.advance(Duration::hours(1) - Duration::SECOND);
    portal.browser().open("/login/oidc").await;
    assert_eq!(provider.requests("/jwks").await, 2);
    portal.clock.advance(Duration::SECOND);
    portal.browser().open("/login/oidc").await;
    assert_eq!(provider.requests("/jwks").await, 3);
}

#[tokio::test]
async fn keys_may_be_replaced_under_their_name_and_without_one() {
    let (portal, provider) = scene(&[]).await;
    provider.replace_key("the key").await;
    assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, StatusCode::SEE_OTHER);
    let mut fetched = 1;
    for change in [json!(null), json!({ "kid": "" })] {
        provider.set(json!({ "change": change })).await;
        provider.replace_key("the key").await;
        portal.clock.advance(Duration::minutes(1));
        for _ in 0..2 {
            assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, StatusCode::SEE_OTHER, "{change}");
        }
        fetched += 1;
        assert_eq!(provider.requests("/jwks").await, fetched);
    }
    // A logout token finds it, too; a forged one makes us look once a minute at the most.
    provider.replace_key("the key").await;
    portal.clock.advance(Duration::minutes(1));
    for (key, expected) in [("own", StatusCode::OK), ("foreign", StatusCode::BAD_REQUEST)] {
        let claims = json!({ "sub": "ada", "exp": portal.clock.now().unix_timestamp() + 60 });
        let token = provider.logout_token(json!({ "claims": claims, "key": key })).await;
        let answer = portal.browser().post("/login/oidc/logout", &format!("logout_token={token}")).await;
        assert_eq!(answer.status, expected, "{key}");
        assert_eq!(provider.requests("/jwks").await, fetched + 1);
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_told_and_waited_for() {
    let provider = Provider::start(PORTAL).await;
    provider.set(json!({ "account": "ada" })).await;
    provider.go_down().await;
    let portal = Portal::with(&provider.settings()).await;
    let mut browser = portal.browser();
    let answer = browser.open("/login/oidc").await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    assert_eq!(answer.text("h1"), "Signing in is not possible right now");
    assert_eq!(answer.attributes("main a")["href"], "/login");

    provider.come_up().await;
    assert_eq!(
        browser.open("/login/oidc").await.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "it is left alone for a while"
    );
    portal.clock.advance(Duration::seconds(5));
    assert_eq!(sign_in(&mut browser, &provider).await.status, StatusCode::SEE_OTHER);

    // Between the answer and the code's redemption, and after the hour: what is known still serves.
    let mut other = portal.browser();
    let start = other.open("/login/oidc").await;
    let answer = provider.browser().follow(start.location()).await;
    provider.go_down().await;
    let answer = return_with(&mut other, &answer).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "5"));
    portal.clock.advance(Duration::hours(2));
    assert_eq!(portal.browser().open("/login/oidc").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn clocks_may_differ_by_a_minute() {
    let (portal, provider) = scene(&[]).await;
    let now = Clock::default().now().unix_timestamp();
    for (claims, status) in [
        (json!({ "exp": now - 50 }), StatusCode::SEE_OTHER),
        (json!({ "exp": now - 70 }), StatusCode::BAD_REQUEST),
        (json!({ "iat": now + 50 }), StatusCode::SEE_OTHER),
        (json!({ "iat": now + 120 }), StatusCode::BAD_REQUEST),
    ] {
        provider.set(json!({ "change": { "claims": claims } })).await;
        assert_eq!(sign_in(&mut portal.browser(), &provider).await.status, status, "{claims}");
    }
}

#[tokio::test]
async fn only_what_is_switched_on_is_routed() {
    let portal = Portal::open().await;
    for path in ["/login/oidc", "/login/oidc/callback?state=a&code=b"] {
        assert_eq!(portal.browser().open(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(portal.browser().post("/login/oidc/logout", "logout_token=a").await.status, StatusCode::NOT_FOUND);
    let (portal, _provider) = scene(&[]).await;
    assert_eq!(
        portal.browser().sign_in("ada", crate::portal::PASSWORD).await.status,
        StatusCode::METHOD_NOT_ALLOWED,
        "no password where only the provider is asked"
    );
}

#[tokio::test]
async fn frames_and_scripts_are_not_sent_to_the_provider() {
    let (portal, provider) = scene(&[]).await;
    assert_eq!(portal.browser().fetch("/login/oidc").await.json()["error"], "session_expired");
    let framed = [("sec-fetch-dest", "iframe")];
    let framed = portal.browser().send(axum::http::Method::GET, "/login/oidc", &framed, "").await;
    assert_eq!((framed.status, framed.text("h1").as_str()), (StatusCode::UNAUTHORIZED, "Your session has ended"));
    assert_eq!(provider.requests("/auth").await, 0);
}
