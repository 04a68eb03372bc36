//! Section M 2, 4, 7, 8 and 10: cookies, their end, CSRF tokens, and what REST answers.

use std::time::Duration;

use qlik_embed_bff::demo::{Cookies, Tenant};
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::site::{Site, jar};

#[tokio::test]
async fn four_cookies_in_four_headers() {
    let dressings = [
        (
            Cookies { load_balancer: false, ..Cookies::plain() },
            "Path=/; SameSite=Lax; HttpOnly",
            "Path=/; SameSite=Lax",
        ),
        (
            Cookies { load_balancer: false, http_only: false, ..Cookies::cross_site() },
            "Path=/; SameSite=None; Secure",
            "Path=/; SameSite=None; Secure",
        ),
        (
            Cookies { load_balancer: false, partitioned: true, ..Cookies::cross_site() },
            "Path=/; SameSite=None; Secure; Partitioned; HttpOnly",
            "Path=/; SameSite=None; Secure; Partitioned",
        ),
    ];
    let site = Site::start().await;
    for (cookies, closed, readable) in dressings {
        site.control().change(|settings| settings.cookies = cookies);
        let response = site.post_token(&site.token(|_| {})).await;
        let set: Vec<&str> =
            response.headers().get_all(header::SET_COOKIE).iter().map(|v| v.to_str().unwrap()).collect();
        let expected = [
            ("eas.sid", 32, closed),
            ("eas.sid.sig", 86, closed),
            ("_csrfToken", 36, readable),
            ("_csrfToken.sig", 86, readable),
        ];
        assert_eq!(set.len(), expected.len());
        for (line, (name, length, attributes)) in set.iter().zip(expected) {
            let (pair, rest) = line.split_once("; ").unwrap();
            let (got, value) = pair.split_once('=').unwrap();
            assert_eq!((got, value.len(), rest), (name, length, attributes));
        }
    }
    site.control().change(|settings| settings.cookies = Cookies::plain());
    let response = site.post_token(&site.token(|_| {})).await;
    assert!(jar(&response).contains("AWSALB=") && jar(&response).contains("AWSALBCORS="));
}

#[tokio::test]
async fn the_signature_is_needed_and_checked() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let pairs: Vec<&str> = ada.cookies.split("; ").collect();
    let status = async |cookies: &str| {
        site.ask(Method::GET, "/api/v1/users/me")
            .header(header::COOKIE, cookies)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(status(&pairs[..2].join("; ")).await, 301, "session and signature are enough for reading");
    assert_eq!(status(pairs[0]).await, 401);
    assert_eq!(status(&format!("{}; {}x", pairs[0], pairs[1])).await, 401);
    assert_eq!(status(&format!("eas.sid=00000000000000000000000000000000; {}", pairs[1])).await, 401);
}

#[tokio::test]
async fn a_session_ends_when_idle_and_in_any_case() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    for _ in 0..47 {
        site.control().shift_clock(time::Duration::minutes(29));
        assert_eq!(ada.get("/api/v1/users/me").await.status(), 301, "use keeps it alive");
    }
    site.control().shift_clock(time::Duration::minutes(29) + time::Duration::hours(1));
    assert_eq!(ada.get("/api/v1/users/me").await.status(), 401);

    let ada = site.visitor("ada").await;
    site.control().shift_clock(time::Duration::minutes(30));
    assert_eq!(ada.get("/api/v1/users/me").await.status(), 401, "half an hour without use");

    site.control().change(|settings| settings.longest_session = Duration::from_secs(60 * 60));
    let ada = site.visitor("ada").await;
    for status in [301, 301, 401] {
        site.control().shift_clock(time::Duration::minutes(20));
        assert_eq!(ada.get("/api/v1/users/me").await.status(), status);
    }
}

#[tokio::test]
async fn the_date_follows_the_tenants_clock() {
    let site = Site::start().await;
    site.control().shift_clock(time::Duration::hours(-5));
    let expected = site.control().now();
    let date = site.get("/login").await.headers()[header::DATE].to_str().unwrap().to_owned();
    let date =
        time::OffsetDateTime::parse(&date.replace("GMT", "+0000"), &time::format_description::well_known::Rfc2822);
    assert!((date.unwrap() - expected).abs() < time::Duration::seconds(3));
}

#[tokio::test]
async fn csrf_tokens_come_in_a_header_and_guard_what_changes() {
    let site = Site::start().await;
    assert_eq!(site.get("/api/v1/csrf-token").await.status(), 401);
    let ada = site.visitor("ada").await;
    let token = ada.csrf().await;
    assert_eq!(token.len(), 36);
    assert!(!ada.cookies.contains(&token), "both were seen in the wild: equal to the cookie, and not");

    let post = async |token: Option<&str>| {
        let request = ada.ask(Method::POST, "/api/v1/anything");
        let request = token.into_iter().fold(request, |request, token| request.header("qlik-csrf-token", token));
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, body) = post(None).await;
    assert_eq!(status, 403);
    assert_eq!((&body["code"], &body["errors"][0]["code"]), (&json!("CSRF-TOKEN-2"), &json!("CSRF-TOKEN-2")));
    assert_eq!(post(Some("aaaaaaaa-bbbbbbbbbbbbbbbbbbbbbbbbbbb")).await.0, 403);
    assert_eq!(post(Some(&token)).await.0, 404, "past the guard, where nothing is");
    site.control().stale_csrf();
    assert_eq!(post(Some(&token)).await.0, 403);
    assert_eq!(post(Some(&ada.csrf().await)).await.0, 404);
    assert_eq!(site.visitor("grace").await.csrf().await.len(), 36);
}

#[tokio::test]
async fn the_csrf_token_may_be_that_of_the_cookie() {
    let site = Site::with(|settings| settings.switches.fresh_csrf_tokens = false).await;
    let ada = site.visitor("ada").await;
    assert!(ada.cookies.contains(&format!("_csrfToken={}", ada.csrf().await)));
}

#[tokio::test]
async fn access_tokens_need_no_csrf_and_get_none() {
    let site = Site::start().await;
    assert_eq!(site.control().access_token("ada"), None);
    site.visitor("ada").await;
    let token = site.control().access_token("ada").unwrap();
    let ask = async |method: Method, path: &str| {
        site.ask(method, path).bearer_auth(&token).send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask(Method::GET, "/api/v1/users/me").await, 301);
    assert_eq!(ask(Method::GET, "/api/v1/csrf-token").await, 400);
    assert_eq!(ask(Method::POST, "/api/v1/anything").await, 404);
}

#[tokio::test]
async fn users_me_leads_to_the_user_by_an_absolute_address() {
    let site = Site::start().await;
    let strangers = site.get("/api/v1/users/me").await;
    assert_eq!(strangers.status(), 401);
    assert!(strangers.json::<Value>().await.unwrap()["errors"][0]["code"].is_string());

    let ada = site.visitor("ada").await;
    let response = ada.get("/api/v1/users/me").await;
    assert_eq!(response.status(), 301);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let id = site.control().users().remove(0).id;
    let address = format!("{}/api/v1/users/{id}", site.tenant.origin());
    assert_eq!(response.headers()[header::LOCATION], address);
    let user: Value = ada.get(&format!("/api/v1/users/{id}")).await.json().await.unwrap();
    assert_eq!((&user["subject"], &user["links"]["self"]["href"]), (&json!("ada"), &json!(address)));
    assert_eq!(user["assignedGroups"][0]["name"], "analysts");

    let missing = ada.get("/api/v1/users/000000000000000000000000").await;
    assert_eq!(missing.status(), 404);
    let error = missing.json::<Value>().await.unwrap()["errors"][0].clone();
    assert_eq!((&error["code"], &error["status"]), (&json!("USERS-7"), &json!(404)), "a number, in this service");

    let tenant = ada.get("/api/v1/tenants/me").await;
    assert_eq!(tenant.status(), 302);
    site.control().change(|settings| settings.switches.cacheable_redirects = true);
    assert!(!ada.get("/api/v1/users/me").await.headers().contains_key(header::CACHE_CONTROL));
}

#[tokio::test]
async fn small_answers_have_their_types() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    for path in ["/api/v1/user-locale", "/api/v1/features", "/api/v1/boot/core-init", "/api/v1/themes"] {
        assert_eq!(site.get(path).await.status(), 401, "{path}");
        let response = ada.get(path).await;
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json", "{path}");
        assert_eq!(response.json::<Value>().await.unwrap().is_array(), path.ends_with("core-init"));
    }
    let product: Value = site.get("/resources/autogenerated/product-info.json").await.json().await.unwrap();
    assert!(product["composition"]["deploymentType"].is_string());
    let metadata: Value = site.get("/.well-known/oauth-authorization-server").await.json().await.unwrap();
    assert_eq!(metadata["issuer"], site.tenant.origin());
    // Strangers do not learn what there is.
    assert_eq!(site.get("/api/v1/nothing").await.status(), 401);
    assert_eq!(site.get("/nothing").await.status(), 404);
    assert_eq!(ada.get("/api/v1/nothing").await.status(), 404);
    assert_eq!(site.get("/").await.headers()[header::LOCATION], "/login");
}

#[tokio::test]
async fn logout_ends_the_session_and_knows_the_way_back() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let id = qlik_embed_bff::demo::WEB_INTEGRATION_ID;
    let path = format!("/logout?returnto=https%3A%2F%2Fportal.example%2Fbye&qlik-web-integration-id={id}");
    let response = ada.get(&path).await;
    assert_eq!(response.headers()[header::LOCATION], "https://portal.example/bye");
    assert!(response.headers().get_all(header::SET_COOKIE).iter().all(|c| c.to_str().unwrap().ends_with("Max-Age=0")));
    assert_eq!(ada.get("/api/v1/users/me").await.status(), 401);
    assert_eq!(site.get("/logout?returnto=https%3A%2F%2Fevil.example").await.headers()[header::LOCATION], "/login");
}

#[tokio::test]
async fn login_page_refuses_frames_and_unknown_ways_back() {
    let site = Site::start().await;
    let page = site.get("/login?returnto=%2Fsingle%2F").await;
    assert_eq!(page.status(), 200);
    assert!(page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().contains("frame-ancestors 'none'"));
    let refused = site.get("/login?returnto=https%3A%2F%2Fevil.example").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.json::<Value>().await.unwrap()["errors"][0]["code"], "LOGIN-10");
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let site = Site::start().await;
    let settings = qlik_embed_bff::demo::Settings { listen: site.tenant.address(), ..Default::default() };
    assert!(Tenant::start(settings).await.is_err());
}
