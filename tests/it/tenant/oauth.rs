//! Section M 19: how clients prove themselves, the exchange of tokens, revoking them, and the list of them.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use qlik_embed_bff::demo::{self, ClientKey, Control, IMPERSONATION, OauthClient, Purpose, Settings, TOKEN_EXCHANGE};
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::admin::{API_KEY, json_body, told};
use super::site::{KEY, Key, PORTAL, Site};

const CLIENT: &str = "embedding";
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A tenant with ada in it and a client for the portal, and perhaps more.
pub async fn embedding(edit: impl FnOnce(&mut Settings)) -> Site {
    let site = Site::with(|settings| {
        settings.web_integrations.clear();
        settings.api_keys = vec![API_KEY.into()];
        settings.clients = vec![
            OauthClient::impersonating(CLIENT, "s3cret").at([PORTAL]),
            OauthClient::impersonating("another", "s3cret").at(["https://another.example"]),
        ];
        edit(settings);
    })
    .await;
    site.control().add_user("ada", "ada@portal.example", "active");
    site
}

async fn ask(site: &Site, body: &Value, origin: Option<&str>) -> (u16, Value) {
    let request = json_body(site.ask(Method::POST, "/oauth/token"), body);
    let request = origin.into_iter().fold(request, |request, origin| request.header(header::ORIGIN, origin));
    told(request.send().await.unwrap()).await
}

pub fn exchange_of(token: &str, purpose: &str) -> Value {
    json!({
        "grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN, "purpose": purpose,
        "redirect_uri": format!("{PORTAL}/page"), "client_id": CLIENT,
    })
}

/// The token that a page at the portal gets for another.
pub async fn exchanged(site: &Site, token: &str, purpose: &str) -> String {
    let (status, given) = ask(site, &exchange_of(token, purpose), Some(PORTAL)).await;
    assert_eq!(status, 200, "{given}");
    given["access_token"].as_str().unwrap().to_owned()
}

/// Whether the REST interface takes it as a bearer token.
async fn status_of(site: &Site, token: &str) -> u16 {
    site.ask(Method::GET, "/api/v1/user-locale").bearer_auth(token).send().await.unwrap().status().as_u16()
}

/// Claims of an assertion that is accepted.
fn claims(site: &Site) -> Value {
    let now = site.control().now().unix_timestamp();
    json!({
        "iss": CLIENT, "sub": CLIENT, "aud": format!("{}/oauth/token", site.tenant.origin()),
        "jti": uuid::Uuid::new_v4().to_string(), "iat": now, "exp": now + 300,
    })
}

fn asserted(assertion: &str) -> Value {
    json!({
        "grant_type": IMPERSONATION, "scope": "user_default", "user_lookup": { "field": "subject", "value": "ada" },
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_assertion": assertion,
    })
}

fn by_key(kid: &str, algorithm: Algorithm) -> Header {
    Header { kid: Some(kid.into()), ..Header::new(algorithm) }
}

#[tokio::test]
async fn a_client_proves_itself_with_each_kind_of_key() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let site = embedding(|settings| {
        let client = settings.clients.remove(0).with_key(ClientKey::new("rsa", &KEY.public));
        settings.clients.insert(0, client.with_key(ClientKey::new("ec", pair.public_key_pem())));
    })
    .await;
    let ec = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
    for algorithm in [Algorithm::RS256, Algorithm::RS512] {
        let assertion = KEY.sign(&by_key("rsa", algorithm), &claims(&site));
        assert_eq!(ask(&site, &asserted(&assertion), None).await.0, 200, "{algorithm:?}");
        assert_eq!(ask(&site, &asserted(&assertion), None).await.0, 401, "a second time");
    }
    let assertion = jsonwebtoken::encode(&by_key("ec", Algorithm::ES384), &claims(&site), &ec).unwrap();
    let (status, given) = ask(&site, &asserted(&assertion), None).await;
    assert_eq!((status, &given["expires_in"], &given["token_type"]), (200, &json!(21600), &json!("bearer")));
    let told = site.control().access_tokens("ada");
    assert_eq!((told.len(), told[0].client.as_deref(), told[0].purpose), (3, Some(CLIENT), None));

    // By form too, and next to the client's id.
    let assertion = KEY.sign(&by_key("rsa", Algorithm::RS256), &claims(&site));
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("grant_type", "client_credentials"), ("client_id", CLIENT)])
        .extend_pairs([("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")])
        .extend_pairs([("client_assertion", &assertion)])
        .finish();
    let request =
        site.ask(Method::POST, "/oauth/token").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    assert_eq!(request.body(form).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_assertion_that_is_not_right_in_all_is_none() {
    let site = embedding(|settings| {
        let client = settings.clients.remove(0).with_key(ClientKey::new("rsa", &KEY.public));
        settings.clients.insert(0, client);
    })
    .await;
    let status = async |kid: &str, edit: &dyn Fn(&mut Value)| {
        let mut claims = claims(&site);
        edit(&mut claims);
        let assertion = KEY.sign(&by_key(kid, Algorithm::RS256), &claims);
        ask(&site, &asserted(&assertion), None).await.0
    };
    assert_eq!(status("rsa", &|_| {}).await, 200);
    assert_eq!(status("another-kid", &|_| {}).await, 401);
    let origin = site.tenant.origin().to_owned();
    let now = site.control().now().unix_timestamp();
    let cases: [(&str, Value); 11] = [
        ("iss", "another".into()),
        ("sub", "another".into()),
        ("aud", format!("{origin}/oauth/token/").into()),
        ("aud", origin.clone().into()),
        ("jti", "".into()),
        ("jti", Value::Null),
        ("iat", Value::Null),
        ("iat", (now - 1).into()),
        ("exp", (now + 302).into()),
        ("exp", (now - 6).into()),
        ("exp", Value::Null),
    ];
    for (name, value) in cases {
        assert_eq!(status("rsa", &|claims| claims[name] = value.clone()).await, 401, "{name}: {value}");
    }
    let stranger = Key::generate().sign(&by_key("rsa", Algorithm::RS256), &claims(&site));
    assert_eq!(ask(&site, &asserted(&stranger), None).await.0, 401, "another key");
    let mut untyped = asserted(&KEY.sign(&by_key("rsa", Algorithm::RS256), &claims(&site)));
    untyped["client_assertion_type"] = "jwt".into();
    assert_eq!(ask(&site, &untyped, None).await.0, 401);
    let mut named = asserted(&KEY.sign(&by_key("rsa", Algorithm::RS256), &claims(&site)));
    named["client_id"] = "another".into();
    assert_eq!(ask(&site, &named, None).await.0, 401, "the id of another client");
    site.control().change(|settings| settings.switches.assertion_tolerance = Duration::ZERO);
    let ahead = |claims: &mut Value| claims["iat"] = (claims["iat"].as_i64().unwrap() + 5).into();
    assert_eq!(status("rsa", &ahead).await, 401, "not yet");
}

#[tokio::test]
async fn a_page_exchanges_its_token_for_one_purpose() {
    let site = embedding(|_| {}).await;
    let token = site.control().access_token_of(CLIENT, "ada").unwrap();
    let (status, given) = ask(&site, &exchange_of(&token, "websocket"), Some(PORTAL)).await;
    assert_eq!((status, &given["issued_token_type"], &given["expires_in"]), (200, &json!(ACCESS_TOKEN), &json!(60)));
    let child = given["access_token"].as_str().unwrap();
    assert_ne!(child, token);
    let known = site.control().access_tokens("ada");
    assert_eq!((known[1].purpose, &known[1].parent), (Some(Purpose::Websocket), &Some(known[0].id.clone())));
    assert_eq!(site.control().tokens_given(TOKEN_EXCHANGE), 1);

    assert_eq!(status_of(&site, child).await, 401, "not for the REST interface");
    site.control().change(|settings| settings.switches.exchanged_as_bearer = true);
    assert_eq!(status_of(&site, child).await, 200);
    let image = exchanged(&site, &token, "webresource").await;
    let path = format!("/api/v1/user-locale?accessToken={image}");
    assert_eq!(site.get(&path).await.status(), 200, "images have it in their address");
    assert_eq!(site.ask(Method::DELETE, &path).send().await.unwrap().status(), 405, "no such method");
    let path = format!("/api/v1/user-locale?accessToken={child}");
    assert_eq!(site.get(&path).await.status(), 401, "one for sockets is not for images");
    site.control().shift_clock(time::Duration::seconds(60));
    assert_eq!((status_of(&site, child).await, status_of(&site, &token).await), (401, 200));

    site.control().change(|settings| settings.switches.exchanged_token_lifetime = Duration::from_secs(86400));
    let (_, given) = ask(&site, &exchange_of(&token, "websocket"), None).await;
    let left = given["expires_in"].as_i64().unwrap();
    assert!((21_500..=21_540).contains(&left), "it does not outlive the other: {left}");
}

#[tokio::test]
async fn the_exchange_is_refused_for_each_reason() {
    let site = embedding(|_| {}).await;
    let token = site.control().access_token_of(CLIENT, "ada").unwrap();
    let child = exchanged(&site, &token, "websocket").await;
    let status = async |edit: &dyn Fn(&mut Value), origin: Option<&str>| {
        let mut body = exchange_of(&token, "websocket");
        edit(&mut body);
        let (status, answer) = ask(&site, &body, origin).await;
        assert!(status == 200 || answer["errors"][0]["code"].is_string(), "{answer}");
        status
    };
    assert_eq!(status(&|_| {}, None).await, 200, "from a server");
    assert_eq!(status(&|_| {}, Some(site.tenant.origin())).await, 200, "from the tenant's own pages");
    for (name, value, expected) in [
        ("purpose", "everything", 400),
        ("subject_token_type", "jwt", 400),
        ("subject_token", "unknown", 401),
        ("subject_token", child.as_str(), 401),
        ("client_id", "another", 401),
        ("client_id", "nobody", 401),
    ] {
        assert_eq!(status(&|body| body[name] = value.into(), None).await, expected, "{name}: {value}");
    }
    assert_eq!(status(&|body| drop(body.as_object_mut().unwrap().remove("client_id")), None).await, 400);
    assert_eq!(status(&|_| {}, Some("https://another.example")).await, 401, "listed by another client");
    site.control().change(|settings| settings.switches.token_origin_status = 403);
    assert_eq!(status(&|_| {}, Some("https://evil.example")).await, 403);
    site.control().disable_user("ada");
    assert_eq!(status(&|_| {}, None).await, 403, "disabled");
    site.control().enable_user("ada");
    site.control().change(|settings| settings.switches.most_access_tokens = 1);
    assert_eq!(status(&|_| {}, None).await, 200, "exchanged ones do not count");
    site.control().change(|settings| settings.switches.exchanged_tokens_count = true);
    assert_eq!(status(&|_| {}, None).await, 403, "or do");
    site.control().expire_tokens();
    assert_eq!(status(&|_| {}, None).await, 401, "too old");
}

#[tokio::test]
async fn revoking_ends_what_was_exchanged_unless_told_not_to() {
    for with_children in [true, false] {
        let site = embedding(|settings| {
            settings.switches.exchanged_as_bearer = true;
            settings.switches.revocation_ends_exchanged = with_children;
        })
        .await;
        let token = site.control().access_token_of(CLIENT, "ada").unwrap();
        let child = exchanged(&site, &token, "websocket").await;
        let revoked = json_body(site.ask(Method::POST, "/oauth/revoke"), &json!({ "token": token })).send().await;
        assert_eq!(revoked.unwrap().status(), 200);
        let expected = if with_children { 401 } else { 200 };
        assert_eq!((status_of(&site, &token).await, status_of(&site, &child).await), (401, expected));
    }
}

#[tokio::test]
async fn tokens_are_opaque_even_when_they_look_like_something() {
    let site = embedding(|_| {}).await;
    let impersonate = json!({
        "client_id": CLIENT, "client_secret": "s3cret", "grant_type": IMPERSONATION,
        "user_lookup": { "field": "subject", "value": "ada" },
    });
    for (as_jwt, parts) in [(false, 1), (true, 3)] {
        site.control().change(|settings| settings.switches.tokens_look_like_jwt = as_jwt);
        let (_, given) = ask(&site, &impersonate, None).await;
        let token = given["access_token"].as_str().unwrap();
        assert_eq!((token.split('.').count(), status_of(&site, token).await), (parts, 200));
        assert_eq!(jsonwebtoken::decode_header(token).is_ok(), as_jwt);
    }
    assert_eq!(site.control().tokens_given(IMPERSONATION), 2);
    assert_eq!(site.control().revoke_tokens("ada"), 2);
    assert!(site.control().access_tokens("ada").is_empty());
}

#[tokio::test]
async fn administrators_and_users_see_tokens_and_revoke_them() {
    let site = embedding(|_| {}).await;
    let control: &Control = site.control();
    control.add_user("bob", "bob@portal.example", "active");
    let [ada, bob] = ["ada", "bob"].map(|who| control.access_token_of(CLIENT, who).unwrap());
    control.access_token_of(CLIENT, "ada").unwrap();
    exchanged(&site, &ada, "websocket").await;
    let path = "/api/v1/oauth-tokens";
    let list = async |bearer: &str, query: &str| {
        told(site.ask(Method::GET, &format!("{path}{query}")).bearer_auth(bearer).send().await.unwrap()).await
    };
    let (status, all) = list(API_KEY, "").await;
    assert_eq!((status, all["data"].as_array().unwrap().len()), (200, 3), "without the exchanged one");
    assert_eq!(all["data"][0]["tenantId"], demo::TENANT_ID);
    let bobs_id = control.users().iter().find(|user| user.subject == "bob").unwrap().id.clone();
    assert_eq!(list(API_KEY, &format!("?userId={bobs_id}")).await.1["data"].as_array().unwrap().len(), 1);
    assert_eq!(list(API_KEY, "?limit=0").await.0, 400);
    assert_eq!(list(API_KEY, "?limit=101").await.0, 400);
    let (_, page) = list(API_KEY, "?limit=2").await;
    let next = page["links"]["next"]["href"].as_str().unwrap().strip_prefix(site.tenant.origin()).unwrap();
    let next = next.strip_prefix(path).unwrap();
    assert_eq!(list(API_KEY, next).await.1["data"].as_array().unwrap().len(), 1);

    let (_, own) = list(&bob, "").await;
    assert_eq!((own["data"].as_array().unwrap().len(), &own["data"][0]["userId"]), (1, &json!(bobs_id)));
    assert!(own["data"][0]["lastUsed"].is_string());
    assert!(!all.to_string().contains(&ada) && !own.to_string().contains(&bob), "tokens are no ids");
    assert_eq!(list(&ada, &format!("?userId={bobs_id}")).await.0, 403);
    assert_eq!(list("nobodys-token", "").await.0, 401);

    let delete = async |bearer: &str, id: &Value| {
        let path = format!("{path}/{}", id.as_str().unwrap());
        site.ask(Method::DELETE, &path).bearer_auth(bearer).send().await.unwrap().status().as_u16()
    };
    let bobs = &own["data"][0]["id"];
    assert_eq!(delete(&ada, bobs).await, 404, "somebody else's");
    assert_eq!(delete(API_KEY, bobs).await, 204);
    assert_eq!((status_of(&site, &bob).await, delete(API_KEY, bobs).await), (401, 404));
    let (_, own) = list(&ada, "").await;
    assert_eq!(delete(&ada, &own["data"][1]["id"]).await, 204);
    assert_eq!(list(&ada, "").await.1["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn anybody_may_ask_where_tokens_come_from() {
    let site = embedding(|_| {}).await;
    let (status, told_of) = told(site.get("/.well-known/oauth-authorization-server").await).await;
    let origin = site.tenant.origin();
    assert_eq!((status, &told_of["issuer"]), (200, &json!(origin)));
    assert_eq!(told_of["token_endpoint"], format!("{origin}/oauth/token"));
    let keys = told_of["jwks_uri"].as_str().unwrap().strip_prefix(origin).unwrap();
    assert_eq!(told(site.get(keys).await).await, (200, json!({ "keys": [] })));
}

#[tokio::test]
async fn keys_are_registered_over_rest() {
    let site = embedding(|_| {}).await;
    let (modulus, exponent) = public_numbers();
    let jwk = json!({ "kid": "by-rest", "kty": "RSA", "alg": "RS256", "use": "sig", "n": modulus, "e": exponent });
    let path = format!("/api/v1/oauth-clients/{CLIENT}");
    let patch = super::admin::replace("/publicKeys", json!([jwk]));
    assert_eq!(super::admin::call(&site, Method::PATCH, &path, patch).await.0, 204);
    let shown = super::admin::get(&site, &path).await;
    assert_eq!((&shown["publicKeys"], &shown["allowedAuthMethods"][1]), (&json!([jwk]), &json!("private_key_jwt")));
    let assertion = KEY.sign(&by_key("by-rest", Algorithm::RS256), &claims(&site));
    assert_eq!(ask(&site, &asserted(&assertion), None).await.0, 200);
}

/// Modulus and exponent of the key of these tests, as a JWK has them.
fn public_numbers() -> (String, String) {
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(
        &EncodingKey::from_rsa_pem(KEY.private.as_bytes()).unwrap(),
        Algorithm::RS256,
    )
    .unwrap();
    let shown = serde_json::to_value(jwk).unwrap();
    (shown["n"].as_str().unwrap().to_owned(), shown["e"].as_str().unwrap().to_owned())
}
