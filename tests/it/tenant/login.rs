//! Section M 1 and 3: what a token must be, and who comes of it.

use qlik_embed_bff::demo::{IdentityProvider, Settings, Switches};
use reqwest::Response;
use serde_json::{Value, json};

use super::site::{ISSUER, KEY, KEY_ID, Key, Site, jwt_header};

async fn body(response: Response) -> Value {
    response.json().await.unwrap()
}

/// Status and body for a token whose claims were edited.
async fn verdict(site: &Site, edit: impl FnOnce(&mut Value)) -> (u16, Value) {
    let response = site.post_token(&site.token(edit)).await;
    (response.status().as_u16(), body(response).await)
}

#[tokio::test]
async fn a_good_token_is_accepted_and_remembered() {
    let site = Site::start().await;
    assert_eq!(verdict(&site, |_| {}).await, (200, json!({})));
    let login = site.control().logins().remove(0);
    assert_eq!((login.status, login.reason.as_str()), (200, ""));
    assert_eq!(login.claims["sub"], "ada");
}

#[tokio::test]
async fn every_required_claim_is_named_when_it_is_missing() {
    let site = Site::start().await;
    for claim in ["iss", "aud", "sub", "subType", "name", "email", "email_verified", "jti", "iat", "nbf", "exp"] {
        let (status, body) = verdict(&site, |claims| drop(claims.as_object_mut().unwrap().remove(claim))).await;
        assert_eq!(status, 400, "{claim}");
        let error = &body["errors"][0];
        assert_eq!(error["code"], "INTERNAL-TOKEN-1");
        assert_eq!(error["status"], "400", "a string, as the login service has it");
        assert_eq!(error["detail"], format!("JWT_LOGIN_VALIDATIONS Missing required claim: {claim}"));
        assert_eq!(body["traceId"].as_str().unwrap().len(), 32);
    }
    assert!(site.control().users().is_empty());
}

#[tokio::test]
async fn every_claim_has_its_type() {
    let site = Site::start().await;
    let wrong = [
        ("sub", json!(7)),
        ("sub", json!("")),
        ("name", json!(["Ada"])),
        ("email", json!(false)),
        ("email_verified", json!("true")),
        ("jti", json!({})),
        ("iat", json!("now")),
        ("nbf", json!(1.5)),
        ("exp", json!("later")),
        ("aud", json!(["qlik.api/login/jwt-session"])),
        ("groups", json!("analysts")),
        ("groups", json!([1])),
    ];
    for (claim, value) in wrong {
        let (status, body) = verdict(&site, |claims| claims[claim] = value.clone()).await;
        assert_eq!(status, 400, "{claim} = {value}");
        assert!(body["errors"][0]["detail"].as_str().unwrap().ends_with(claim));
    }
    assert_eq!(verdict(&site, |claims| claims["jti"] = json!(190_734)).await.0, 200, "a number is seen in the wild");
}

#[tokio::test]
async fn doubtful_claims_are_switches() {
    let lenient = Switches { sub_type_required: false, email_required: false, ..Switches::default() };
    let site = Site::with(|settings| settings.switches = lenient).await;
    let without = |names: &'static [&'static str]| {
        move |claims: &mut Value| names.iter().for_each(|name| drop(claims.as_object_mut().unwrap().remove(*name)))
    };
    assert_eq!(verdict(&site, without(&["subType", "email", "email_verified", "groups"])).await.0, 200);
    assert_eq!(verdict(&site, |claims| claims["subType"] = json!("app")).await.0, 400);
}

#[tokio::test]
async fn a_token_lives_an_hour_at_most() {
    let site = Site::start().await;
    let life =
        |seconds: i64| move |claims: &mut Value| claims["exp"] = json!(claims["nbf"].as_i64().unwrap() + seconds);
    assert_eq!(verdict(&site, life(3600)).await.0, 200);
    assert_eq!(verdict(&site, life(3601)).await.0, 400);
    site.control().change(|settings| settings.switches.long_life_status = 401);
    assert_eq!(verdict(&site, life(3601)).await.0, 401);
}

#[tokio::test]
async fn times_are_kept_within_the_tolerance() {
    let site = Site::start().await;
    let times = |nbf: i64, exp: i64| {
        let now = site.control().now().unix_timestamp();
        move |claims: &mut Value| {
            claims["nbf"] = json!(now + nbf);
            claims["exp"] = json!(now + exp);
        }
    };
    // Two seconds of leeway for the test itself, five of tolerance for the tenant.
    for (nbf, exp, status) in [(0, 60, 200), (4, 60, 200), (9, 60, 401), (-60, -2, 200), (-60, -7, 401)] {
        assert_eq!(verdict(&site, times(nbf, exp)).await.0, status, "nbf {nbf}, exp {exp}");
    }
    site.control().change(|settings| settings.providers[0].clock_tolerance = std::time::Duration::from_secs(60));
    assert_eq!(verdict(&site, times(9, 60)).await.0, 200);
}

#[tokio::test]
async fn a_token_is_good_once() {
    let site = Site::start().await;
    let token = site.token(|_| {});
    assert_eq!(site.post_token(&token).await.status(), 200);
    let again = site.post_token(&token).await;
    assert_eq!(again.status(), 401);
    assert_eq!(body(again).await["errors"][0]["title"], "Unauthorized");
    assert_eq!(site.control().logins()[1].reason, "jti was used before");
    // Nor is its identifier in another token, of whatever lifetime.
    let jti = site.control().logins()[0].claims["jti"].clone();
    assert_eq!(verdict(&site, |claims| claims["jti"] = jti).await.0, 401);
}

#[tokio::test]
async fn a_refused_token_does_not_use_up_its_identifier() {
    let site = Site::start().await;
    let jti = json!("once");
    let ahead = site.control().now().unix_timestamp() + 600;
    assert_eq!(verdict(&site, |c| (c["jti"], c["nbf"]) = (jti.clone(), json!(ahead))).await.0, 401);
    assert_eq!(verdict(&site, |c| c["jti"] = jti.clone()).await.0, 200);
}

#[tokio::test]
async fn key_issuer_audience_and_signature_must_all_fit() {
    let site = Site::start().await;
    let good = site.token(|_| {});
    let stranger = Key::generate();
    let mut other_kid = jwt_header();
    other_kid.kid = Some("key-2".into());
    let mut no_kid = jwt_header();
    no_kid.kid = None;
    let mut no_type = jwt_header();
    no_type.typ = None;
    let hs256 = jsonwebtoken::Header { kid: Some(KEY_ID.into()), ..Default::default() };
    let secret = jsonwebtoken::EncodingKey::from_secret(KEY.public.as_bytes());
    let [head, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { unreachable!() };
    let tokens = [
        ("unable to decode jwt", String::new()),
        ("unable to decode jwt", "not a token".into()),
        ("kid is not that of a provider", KEY.sign(&other_kid, &site.claims())),
        ("kid is not that of a provider", KEY.sign(&no_kid, &site.claims())),
        ("typ is not JWT", KEY.sign(&no_type, &site.claims())),
        ("alg is not RS256", jsonwebtoken::encode(&hs256, &site.claims(), &secret).unwrap()),
        ("signature does not match", stranger.sign(&jwt_header(), &site.claims())),
        ("signature does not match", format!("{head}.{claims}.{}", signature.chars().rev().collect::<String>())),
        ("iss is not that of the provider", site.token(|claims| claims["iss"] = json!("portal/"))),
        ("aud is not the login's", site.token(|claims| claims["aud"] = json!("qlik.api/login/jwt-session/"))),
    ];
    for (reason, token) in tokens {
        assert_eq!(site.post_token(&token).await.status(), 401, "{reason}");
        assert_eq!(site.control().logins().pop().unwrap().reason, reason);
    }
    assert!(site.control().users().is_empty());
}

#[tokio::test]
async fn a_certificate_is_a_key_in_many_lines_or_in_one() {
    let one_line = KEY.certificate.replace(['\r', '\n'], "");
    for pem in [KEY.certificate.clone(), one_line] {
        let trusts = |settings: &mut Settings| settings.providers = vec![IdentityProvider::new(ISSUER, KEY_ID, &pem)];
        let site = Site::with(trusts).await;
        assert_eq!(verdict(&site, |_| {}).await.0, 200);
        // It ends in 2030; whether that matters is not known.
        site.control().shift_clock(time::Duration::days(3650));
        assert_eq!(verdict(&site, |_| {}).await.0, 200);
        site.control().change(|settings| settings.switches.certificate_expiry_enforced = true);
        assert_eq!(verdict(&site, |_| {}).await.0, 401);
        assert_eq!(site.control().logins()[2].reason, "certificate has run out");
    }
}

#[tokio::test]
async fn a_subject_is_a_user_for_ever() {
    let site = Site::start().await;
    site.visitor("ada").await;
    site.visitor("grace").await;
    site.visitor("ada").await;
    let users = site.control().users();
    assert_eq!(users.len(), 2);
    let ada = users.iter().find(|user| user.subject == "ada").unwrap();
    assert_eq!((ada.id.len(), ada.groups.as_slice()), (24, &["analysts".to_owned()][..]));
}

#[tokio::test]
async fn what_a_later_login_changes_is_a_switch() {
    let site = Site::start().await;
    verdict(&site, |_| {}).await;
    let renamed = |claims: &mut Value| {
        claims["name"] = json!("Countess Lovelace");
        claims.as_object_mut().unwrap().remove("groups");
    };
    site.control().change(|settings| settings.switches.profile_refreshed = false);
    verdict(&site, renamed).await;
    let ada = site.control().users().remove(0);
    assert_eq!((ada.name.as_str(), ada.groups.len()), ("Ada Lovelace", 1));

    site.control().change(|settings| {
        settings.switches.profile_refreshed = true;
        settings.switches.missing_groups_clear = true;
    });
    verdict(&site, renamed).await;
    let ada = site.control().users().remove(0);
    assert_eq!((ada.name.as_str(), ada.groups.len()), ("Countess Lovelace", 0));
}

#[tokio::test]
async fn groups_need_their_setting_and_addresses_their_proof() {
    let site = Site::with(|settings| settings.auto_create_groups = false).await;
    verdict(&site, |claims| claims["email_verified"] = json!(false)).await;
    let ada = site.control().users().remove(0);
    assert_eq!((ada.groups.len(), ada.email), (0, None));
}

#[tokio::test]
async fn one_address_for_two_people_may_be_refused() {
    let site = Site::start().await;
    verdict(&site, |_| {}).await;
    let second = |claims: &mut Value| claims["sub"] = json!("augusta");
    assert_eq!(verdict(&site, second).await.0, 200);
    site.control().change(|settings| settings.switches.email_collision_refused = true);
    let (status, body) = verdict(&site, |claims| claims["sub"] = json!("third")).await;
    assert_eq!((status, &body["errors"][0]["code"]), (400, &json!("LOGIN-12")));
}

#[tokio::test]
async fn a_disabled_user_neither_signs_in_nor_stays() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    site.control().disable_user("ada");
    assert_eq!(verdict(&site, |_| {}).await.0, 403);
    assert_eq!(ada.get("/api/v1/users/me").await.status(), 401);
    site.control().enable_user("ada");
    assert_eq!(ada.get("/api/v1/users/me").await.status(), 301);
}
