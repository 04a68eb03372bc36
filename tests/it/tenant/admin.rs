//! Section M 9: what administrators set up over REST, and that login, CORS, frames and engine follow it.

use qlik_embed_bff::demo::{self, ApiKey, OauthClient, Refusal, Settings, TENANT_ID, Times};
use reqwest::{Method, Response, header};
use serde_json::{Value, json};

use super::site::{ISSUER, KEY, KEY_ID, PORTAL, Site, jwt_header};

pub const API_KEY: &str = "the-key-of-an-administrator";
const POWERLESS: &str = "the-key-of-somebody-else";

/// A tenant that trusts nobody yet, with one administrator, one user's key and one client.
pub async fn fresh(edit: impl FnOnce(&mut Settings)) -> Site {
    Site::with(|settings| {
        settings.providers.clear();
        settings.web_integrations.clear();
        settings.csp_origins.clear();
        settings.auto_create_groups = false;
        settings.api_keys = vec![API_KEY.into(), ApiKey::of_user(POWERLESS)];
        settings.clients = vec![OauthClient::admin("machine", "its-secret")];
        edit(settings);
    })
    .await
}

/// Status and body of a request by the administrator. The body is null where there is none.
pub async fn call(site: &Site, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = site.ask(method, path).bearer_auth(API_KEY);
    let request = if body.is_null() { request } else { json_body(request, &body) };
    told(request.send().await.unwrap()).await
}

pub fn json_body(request: reqwest::RequestBuilder, body: &Value) -> reqwest::RequestBuilder {
    request.header(header::CONTENT_TYPE, "application/json").body(body.to_string())
}

pub async fn told(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

pub async fn get(site: &Site, path: &str) -> Value {
    let (status, body) = call(site, Method::GET, path, Value::Null).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

pub async fn post(site: &Site, path: &str, body: Value) -> Value {
    let (status, body) = call(site, Method::POST, path, body).await;
    assert_eq!(status, 201, "{path}: {body}");
    body
}

pub fn replace(path: &str, value: impl Into<Value>) -> Value {
    json!([{ "op": "replace", "path": path, "value": value.into() }])
}

fn one_line(pem: &str) -> String {
    pem.replace('\n', "")
}

fn provider(issuer: &str, key_id: &str, pem: &str) -> Value {
    json!({
        "tenantIds": [TENANT_ID], "provider": "external", "protocol": "jwtAuth", "interactive": false, "active": true,
        "description": "Portal", "clockToleranceSec": 5,
        "options": { "jwtLoginEnabled": true, "issuer": issuer, "staticKeys": [{ "kid": key_id, "pem": pem }] },
    })
}

/// Follows the links of a list from page to page.
pub async fn all(site: &Site, path: &str) -> Vec<Value> {
    let (mut found, mut next) = (Vec::new(), Some(format!("{}{path}", site.tenant.origin())));
    while let Some(link) = next {
        let path = link.strip_prefix(site.tenant.origin()).expect("links are absolute, on the tenant");
        let page = get(site, path).await;
        assert_eq!(page["links"]["self"]["href"], link);
        found.extend(page["data"].as_array().unwrap().clone());
        next = page["links"]["next"]["href"].as_str().map(str::to_owned);
    }
    found
}

const RESOURCES: [&str; 9] = [
    "/api/v1/identity-providers",
    "/api/v1/web-integrations",
    "/api/v1/csp-origins",
    "/api/v1/groups",
    "/api/v1/groups/settings",
    "/api/v1/users",
    "/api/v1/oauth-clients",
    "/api/v1/licenses/settings",
    "/api/core/auth-settings",
];

#[tokio::test]
async fn only_administrators_come_in() {
    let site = fresh(|_| {}).await;
    let expired =
        ApiKey { expires: Some(site.control().now() - time::Duration::DAY), ..ApiKey::of_admin("an-old-key") };
    site.control().change(|settings| settings.api_keys.push(expired));
    for path in RESOURCES {
        for (key, status) in [(API_KEY, 200), (POWERLESS, 403), ("an-old-key", 401), ("nobodys-key", 401)] {
            let response = site.ask(Method::GET, path).bearer_auth(key).send().await.unwrap();
            let (got, body) = told(response).await;
            assert_eq!(got, status, "{path} {key}");
            assert_eq!(body["errors"].is_array(), status != 200);
        }
        assert_eq!(site.get(path).await.status(), 401, "{path}");
    }
    let request = site.ask(Method::POST, "/api/v1/web-integrations").bearer_auth(POWERLESS);
    let (status, body) = told(json_body(request, &json!({ "name": "x" })).send().await.unwrap()).await;
    assert_eq!((status, &body["errors"][0]["title"]), (403, &json!("Forbidden")));
    // Who they are, and where, all of them may know.
    for (key, subject) in [(API_KEY, "auth0|administrator"), (POWERLESS, "auth0|somebody")] {
        let me = site.ask(Method::GET, "/api/v1/users/me").bearer_auth(key).send().await.unwrap();
        assert_eq!(me.status(), 301);
        let path = me.headers()[header::LOCATION].to_str().unwrap().replace(site.tenant.origin(), "");
        let (_, me) = told(site.ask(Method::GET, &path).bearer_auth(key).send().await.unwrap()).await;
        assert_eq!(me["subject"], subject);
        assert_eq!(me["assignedRoles"][0]["name"] == "TenantAdmin", key == API_KEY);
    }
    assert_eq!(site.ask(Method::GET, "/api/v1/tenants/me").bearer_auth(API_KEY).send().await.unwrap().status(), 302);
}

#[tokio::test]
async fn a_machine_gets_a_token_in_each_of_four_ways() {
    let site = fresh(|_| {}).await;
    let body = json!({ "grant_type": "client_credentials", "client_id": "machine", "client_secret": "its-secret" });
    let form = "grant_type=client_credentials&client_id=machine&client_secret=its-secret";
    let ask = || site.ask(Method::POST, "/oauth/token");
    let as_form =
        |request: reqwest::RequestBuilder| request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let ways = [
        json_body(ask(), &body),
        as_form(ask()).body(form),
        as_form(ask()).basic_auth("machine", Some("its-secret")).body("grant_type=client_credentials"),
        json_body(ask().basic_auth("machine", Some("its-secret")), &json!({ "grant_type": "client_credentials" })),
    ];
    for way in ways {
        let (status, given) = told(way.send().await.unwrap()).await;
        assert_eq!((status, &given["expires_in"], &given["token_type"]), (200, &json!(21600), &json!("bearer")));
        assert_eq!(given["scope"], "admin_classic user_default");
        let token = given["access_token"].as_str().unwrap();
        let users = site.ask(Method::GET, "/api/v1/users?limit=1").bearer_auth(token).send().await.unwrap();
        assert_eq!(users.status(), 200);
        let revoked = json_body(site.ask(Method::POST, "/oauth/revoke"), &json!({ "token": token })).send().await;
        assert_eq!(revoked.unwrap().status(), 200);
        let again = site.ask(Method::GET, "/api/v1/users").bearer_auth(token).send().await.unwrap();
        assert_eq!(again.status(), 401);
    }
    let bots = get(&site, "/api/v1/users?filter=clientId%20eq%20%22machine%22").await;
    assert_eq!(bots["data"][0]["subject"], "qlikbot\\machine");
}

#[tokio::test]
async fn a_provider_that_was_made_lets_people_in_until_it_is_deleted() {
    let site = fresh(|_| {}).await;
    assert_eq!(site.post_token(&site.token(|_| {})).await.status(), 401, "nobody is trusted");
    let path = "/api/v1/identity-providers";
    let made = post(&site, path, provider(ISSUER, KEY_ID, &one_line(&KEY.certificate))).await;
    assert_eq!(made["options"]["staticKeys"][0]["kid"], KEY_ID);
    assert_eq!(made["id"].as_str().unwrap().len(), 24);
    site.visitor("ada").await;

    let this = format!("{path}/{}", made["id"].as_str().unwrap());
    assert_eq!(get(&site, &this).await, made);
    assert_eq!(call(&site, Method::PATCH, &this, replace("/description", "Other")).await.0, 204);
    assert_eq!(get(&site, &this).await["description"], "Other");
    for path in ["/active", "/options/issuer", "/clockToleranceSec"] {
        assert_eq!(call(&site, Method::PATCH, &this, replace(path, "x")).await.0, 400, "{path}");
    }
    assert_eq!(all(&site, &format!("{path}?active=true&limit=1")).await.len(), 1);
    assert_eq!(all(&site, &format!("{path}?active=false")).await.len(), 0);
    assert_eq!(call(&site, Method::GET, &format!("{path}?limit=0"), Value::Null).await.0, 400);

    assert_eq!(call(&site, Method::DELETE, &this, Value::Null).await.0, 204);
    assert_eq!(call(&site, Method::DELETE, &this, Value::Null).await.0, 404);
    assert_eq!(site.post_token(&site.token(|_| {})).await.status(), 401);
}

#[tokio::test]
async fn a_provider_has_to_be_as_documented() {
    let site = fresh(|_| {}).await;
    let path = "/api/v1/identity-providers";
    let good = provider(ISSUER, KEY_ID, &one_line(&KEY.certificate));
    let mut two_keys = good.clone();
    two_keys["options"]["staticKeys"].as_array_mut().unwrap().push(json!({ "kid": "b", "pem": "x" }));
    let edited = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let pem = "/options/staticKeys/0/pem";
    for body in [
        two_keys,
        edited("/options/staticKeys", json!([])),
        edited("/options/issuer", json!("")),
        edited("/protocol", json!("OIDC")),
        edited("/tenantIds", json!(["another"])),
        edited(pem, json!(KEY.certificate)),
        edited(pem, json!(format!("{} ", one_line(&KEY.certificate)))),
        edited(pem, json!(one_line(&KEY.private))),
        json!([]),
    ] {
        assert_eq!(call(&site, Method::POST, path, body.clone()).await.0, 400, "{body}");
    }
    assert!(site.control().settings().providers.is_empty());
    let sent_as_form = site.ask(Method::POST, path).bearer_auth(API_KEY).body(good.to_string()).send().await.unwrap();
    assert_eq!(sent_as_form.status(), 415);

    site.control().change(|settings| settings.switches.one_line_required = false);
    post(&site, path, edited(pem, json!(KEY.certificate))).await;
    site.visitor("ada").await;
    assert_eq!(call(&site, Method::POST, path, good.clone()).await.0, 400, "issuer and key id are taken");
    site.control().change(|settings| settings.switches.duplicate_provider_status = 409);
    assert_eq!(call(&site, Method::POST, path, good.clone()).await.0, 409);
    let sibling = edited("/options/staticKeys/0/kid", json!("key-2"));
    site.control().change(|settings| settings.switches.shared_issuer_refused = true);
    assert_eq!(call(&site, Method::POST, path, sibling.clone()).await.0, 409);
    site.control().change(|settings| settings.switches.shared_issuer_refused = false);
    post(&site, path, sibling).await;
    assert_eq!(get(&site, &format!("{path}/status")).await["idps_metadata"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn two_providers_stand_side_by_side_while_the_key_changes() {
    let site = fresh(|_| {}).await;
    let other = super::site::Key::generate();
    let path = "/api/v1/identity-providers";
    post(&site, path, provider(ISSUER, KEY_ID, &one_line(&KEY.certificate))).await;
    post(&site, path, provider("portal-2", "key-2", &one_line(&other.certificate))).await;
    let mut claims = site.claims();
    claims["iss"] = "portal-2".into();
    let header = jsonwebtoken::Header { kid: Some("key-2".into()), ..jwt_header() };
    assert_eq!(site.post_token(&other.sign(&header, &claims)).await.status(), 200);
    assert_eq!(site.post_token(&site.token(|_| {})).await.status(), 200);
    assert_eq!(site.control().users().iter().filter(|user| user.subject == "ada").count(), 1, "known by the subject");
}

#[tokio::test]
async fn cors_follows_the_web_integrations() {
    let site = fresh(|_| {}).await;
    let path = "/api/v1/web-integrations";
    for origins in
        [json!(["https://*.example"]), json!(["portal.example"]), json!(["https://portal.example/"]), json!("x")]
    {
        let body = json!({ "name": "Portal", "validOrigins": origins });
        assert_eq!(call(&site, Method::POST, path, body).await.0, 400, "{origins}");
    }
    let made = post(&site, path, json!({ "name": "Portal", "validOrigins": ["https://other.example"] })).await;
    let id = made["id"].as_str().unwrap();
    let granted = async || {
        let request = site.ask(Method::GET, "/api/v1/users/me").header(header::ORIGIN, PORTAL);
        request.header("qlik-web-integration-id", id).send().await.unwrap().status().as_u16()
    };
    assert_eq!(granted().await, 403);
    let this = format!("{path}/{id}");
    assert_eq!(call(&site, Method::PATCH, &this, replace("/validOrigins", json!([PORTAL]))).await.0, 204);
    assert_eq!(granted().await, 401, "granted, and not signed in");
    assert_eq!(get(&site, &this).await["validOrigins"], json!([PORTAL]));
    site.control().change(|settings| settings.switches.origins_as_text = true);
    assert_eq!(call(&site, Method::PATCH, &this, replace("/validOrigins", json!([PORTAL]))).await.0, 400);
    for text in ["[\"https://a.example\",\"https://b.example\"]", "https://a.example,https://b.example"] {
        assert_eq!(call(&site, Method::PATCH, &this, replace("/validOrigins", text)).await.0, 204, "{text}");
        assert_eq!(get(&site, &this).await["validOrigins"], json!(["https://a.example", "https://b.example"]));
    }
    for name in ["b", "c"] {
        post(&site, path, json!({ "name": name })).await;
    }
    let names: Vec<Value> =
        all(&site, &format!("{path}?limit=1")).await.iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["Portal", "b", "c"]);
    assert_eq!(get(&site, &format!("{path}?limit=0")).await["data"], json!([]));
    assert_eq!(call(&site, Method::DELETE, &this, Value::Null).await.0, 204);
    assert_eq!(granted().await, 403);
}

#[tokio::test]
async fn frames_follow_the_csp_entries() {
    let site = fresh(|settings| {
        settings.providers.push(demo::IdentityProvider::new(ISSUER, KEY_ID, &KEY.public));
    })
    .await;
    let ada = site.visitor("ada").await;
    let path = "/api/v1/csp-origins";
    let compiled = async || {
        let header = get(&site, &format!("{path}/actions/generate-header")).await;
        let policy = header["Content-Security-Policy"].as_str().unwrap().to_owned();
        let page = ada.get("/single/?appid=a").await;
        assert_eq!(page.headers()[header::CONTENT_SECURITY_POLICY], policy.as_str());
        policy.split_once("frame-ancestors ").unwrap().1.to_owned()
    };
    assert_eq!(compiled().await, "'self'");
    for origin in ["", "https://portal.example", "portal.example/path", "a b", "*.", "x;y"] {
        let body = json!({ "origin": origin, "frameAncestors": true });
        assert_eq!(call(&site, Method::POST, path, body).await.0, 400, "{origin}");
    }
    let body = json!({ "origin": "portal.example", "name": "Portal", "imgSrc": true });
    let made = post(&site, path, body).await;
    assert_eq!((&made["frameAncestors"], &made["imgSrc"]), (&json!(false), &json!(true)));
    assert_eq!(compiled().await, "'self'", "another directive");
    let this = format!("{path}/{}", made["id"].as_str().unwrap());
    let (status, _) =
        call(&site, Method::PUT, &this, json!({ "origin": "portal.example", "frameAncestors": true })).await;
    assert_eq!((status, compiled().await.as_str()), (200, "'self' portal.example"));
    post(&site, path, json!({ "origin": "*.example.com", "frameAncestors": true })).await;
    assert_eq!(compiled().await, "'self' portal.example *.example.com");
    assert_eq!(all(&site, &format!("{path}?frameAncestors=true&limit=1")).await.len(), 2);
    assert_eq!(all(&site, &format!("{path}?origin=*PORTAL*")).await.len(), 1);
    site.control().change(|settings| settings.switches.duplicate_csp_status = Some(409));
    assert_eq!(call(&site, Method::POST, path, json!({ "origin": "portal.example" })).await.0, 409);
    site.control().change(|settings| settings.switches.csp_scheme_accepted = true);
    post(&site, path, json!({ "origin": "https://other.example:8443", "frameAncestors": true })).await;
    for at in 0..400 {
        let origin = format!("host-{at}.a-rather-long-name-of-a-domain.example");
        let (status, _) = call(&site, Method::POST, path, json!({ "origin": origin, "frameAncestors": true })).await;
        if status == 400 {
            break;
        }
        assert!(at < 255, "the header has a limit");
    }
    assert_eq!(call(&site, Method::DELETE, &this, Value::Null).await.0, 204);
    assert!(!compiled().await.contains(" portal.example"));
}

#[tokio::test]
async fn runs_can_be_broken_off_after_any_request() {
    let site = fresh(|_| {}).await;
    let control = site.control();
    control.refuse_after(1, Some("POST"), "/api/v1/groups", Refusal::AnswerLost, Times::Next(1));
    let make = async |name: &str| call(&site, Method::POST, "/api/v1/groups", json!({ "name": name })).await.0;
    assert_eq!([make("a").await, make("b").await, make("c").await], [201, 502, 201]);
    let names: Vec<String> = control.groups().into_iter().map(|group| group.name).collect();
    assert_eq!(names, ["a", "b", "c"], "the lost answer was of a request that was carried out");
    control.refuse_after(2, None, "/", Refusal::RateLimited { retry_after: 3 }, Times::Always);
    assert_eq!([make("d").await, make("e").await, make("f").await, make("g").await], [201, 201, 429, 429]);
    assert_eq!(control.administration()["groups"].as_array().unwrap().len(), 5);
}
