//! Requests that pass.

use axum::http::{Method, StatusCode};
use time::Duration;

use super::{Proxied, assert_refused, send};

#[tokio::test]
async fn a_visitor_is_known_to_the_tenant_without_its_cookies() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    let answer = ada.fetch("/api/v1/users/me").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.json()["subject"], "password|ada");
    // The link of the answer leads to us, not to the tenant.
    let own = answer.json()["links"]["self"]["href"].as_str().expect("a link").to_owned();
    assert!(own.starts_with("http://localhost:8080/api/v1/users/"), "{own}");
    assert_eq!(ada.cookies.len(), 1, "our own and no other: {:?}", ada.cookies.keys());
    assert!(answer.headers.get("set-cookie").is_none());

    let seen = proxied.control().requests();
    let me = seen.iter().find(|request| request.path == "/api/v1/users/me").expect("asked");
    assert_eq!(me.origin, None);
    for name in ["referer", "sec-fetch-site", "x-forwarded-for", "authorization"] {
        assert!(!me.headers.iter().any(|header| header == name), "{name}: {:?}", me.headers);
    }
    assert_eq!(proxied.logins(), 1);
    assert_eq!(proxied.asked("/api/v1/csrf-token"), 1);
}

#[tokio::test]
async fn a_cold_burst_is_one_login() {
    let proxied = Proxied::open().await;
    let ada = proxied.portal.signed_in("ada").await;
    let burst = (0..200).map(|_| {
        let mut ada = ada.clone();
        async move { ada.fetch("/api/v1/features").await.status }
    });
    let statuses = futures_util::future::join_all(burst).await;
    assert!(statuses.iter().all(|status| *status == StatusCode::OK), "{statuses:?}");
    assert_eq!(proxied.logins(), 1);
}

#[tokio::test]
async fn two_visitors_never_see_each_others_data() {
    let proxied = Proxied::open().await;
    let (ada, bob) = (proxied.portal.signed_in("ada").await, proxied.portal.signed_in("bob").await);
    let asks = (0..100).map(|turn| {
        let (mut browser, subject) =
            if turn % 2 == 0 { (ada.clone(), "password|ada") } else { (bob.clone(), "password|bob") };
        async move { assert_eq!(browser.fetch("/api/v1/users/me").await.json()["subject"], subject) }
    });
    futures_util::future::join_all(asks).await;
    assert_eq!(proxied.logins(), 2);
}

#[tokio::test]
async fn what_changes_something_has_the_csrf_token() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = send(&mut ada, method.clone(), "/api/v1/nothing", "{}").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method}: {}", answer.body);
    }
    assert_eq!(proxied.asked("/api/v1/csrf-token"), 1, "fetched once");
    // Stale: fetched once more, and nobody notices.
    proxied.control().stale_csrf();
    let answer = send(&mut ada, Method::POST, "/api/v1/nothing", "{}").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.body);
    assert_eq!(proxied.asked("/api/v1/csrf-token"), 2);
    assert_eq!(proxied.logins(), 1);
}

#[tokio::test]
async fn a_session_that_the_tenant_ended_is_renewed_and_nobody_sees_it() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
    proxied.control().expire_sessions();
    let under_load = (0..50).map(|_| {
        let mut ada = ada.clone();
        async move { ada.fetch("/api/v1/features").await.status }
    });
    let statuses = futures_util::future::join_all(under_load).await;
    assert!(statuses.iter().all(|status| *status == StatusCode::OK), "{statuses:?}");
    assert_eq!(proxied.logins(), 2, "renewed once for all");
    // With a body that is held.
    proxied.control().expire_sessions();
    assert_eq!(send(&mut ada, Method::POST, "/api/v1/nothing", "{}").await.status, StatusCode::NOT_FOUND);
    assert_eq!(proxied.logins(), 3);
    // With one that is too large for that: not sent twice, but the session is there for the next try.
    proxied.control().expire_sessions();
    let answer = send(&mut ada, Method::POST, "/api/v1/nothing", &"x".repeat(100_000)).await;
    assert_refused(&answer, StatusCode::SERVICE_UNAVAILABLE, "busy");
    assert_eq!(answer.header("retry-after"), "1");
    let answer = send(&mut ada, Method::POST, "/api/v1/nothing", &"x".repeat(100_000)).await;
    assert_eq!((answer.status, proxied.logins()), (StatusCode::NOT_FOUND, 4));
}

#[tokio::test]
async fn a_session_that_must_have_ended_is_not_tried() {
    let proxied = Proxied::with(&[("SESSION_IDLE", "2h")], |_| {}).await;
    let mut ada = proxied.portal.signed_in("ada").await;
    assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
    proxied.portal.clock.advance(Duration::minutes(31));
    proxied.control().shift_clock(Duration::minutes(31));
    assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
    let answered: Vec<_> = proxied.control().requests().into_iter().filter(|request| request.status == 401).collect();
    assert!(answered.is_empty(), "{answered:?}");
    assert_eq!(proxied.logins(), 2);
}

#[tokio::test]
async fn asking_through_the_proxy_is_activity() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    for _ in 0..4 {
        assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
        proxied.portal.clock.advance(Duration::minutes(20));
    }
    assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
    proxied.portal.clock.advance(Duration::minutes(31));
    assert_refused(&ada.fetch("/api/v1/features").await, StatusCode::UNAUTHORIZED, "session_expired");
}

#[tokio::test]
async fn the_frame_gets_its_page_and_only_its_own_kind_may_frame_it() {
    let proxied = Proxied::with(&[("FRAME_ANCESTORS", "'self' https://intranet.example")], |settings| {
        settings.switches.x_frame_options = true;
    })
    .await;
    let mut ada = proxied.portal.signed_in("ada").await;
    let frame = [("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-origin")];
    let address = format!("/single/?appid={}&sheet=PpVjBm", crate::portal::APP_ID);
    let answer = ada.send(Method::GET, &address, &frame, "").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(answer.header("content-type").starts_with("text/html"));
    let policy = answer.header("content-security-policy");
    assert_eq!(policy, "frame-ancestors 'self' http://localhost:8080 https://intranet.example");
    assert_eq!(answer.header("x-frame-options"), "");
    // And its files, as they are.
    let answer = ada.fetch("/resources/single/sheet.js").await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-cache"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn clients_always_learn_what_they_ask_first() {
    let proxied = Proxied::open().await;
    const PRODUCT: &str = "/resources/autogenerated/product-info.json";
    // Before anybody is anybody.
    let answer = proxied.portal.browser().fetch(PRODUCT).await;
    assert_eq!(answer.json()["composition"]["deploymentType"], "CloudNative");
    let mut ada = proxied.portal.signed_in("ada").await;
    assert_eq!(ada.fetch("/api/v1/user-locale").await.json()["locale"], "en");
    let answer = ada.fetch("/api/v1/csrf-token").await;
    assert_eq!((answer.status, answer.header("qlik-csrf-token")), (StatusCode::NO_CONTENT, "added-by-the-portal"));

    proxied.control().unplug().await;
    let answer = ada.fetch("/api/v1/user-locale").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    proxied.portal.clock.advance(Duration::minutes(10));
    let answer = ada.fetch(PRODUCT).await;
    assert_eq!(answer.json()["composition"]["deploymentType"], "CloudNative", "as it was before");

    // A host that never answered is none of Windows either.
    let dark = Proxied::open().await;
    dark.control().unplug().await;
    let answer = dark.portal.browser().fetch(PRODUCT).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "{}"));
    // To a stranger, whoever is signed in is the question.
    assert_refused(
        &dark.portal.browser().fetch("/api/v1/user-locale").await,
        StatusCode::UNAUTHORIZED,
        "session_expired",
    );
}

#[tokio::test]
async fn signing_out_ends_the_tenants_session() {
    let proxied = Proxied::open().await;
    let mut ada = proxied.portal.signed_in("ada").await;
    let mut tab = ada.clone();
    assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
    ada.post("/logout", "").await;
    super::until(async || proxied.asked("/logout") == 1).await;
    super::until(async || tab.fetch("/api/v1/features").await.status == StatusCode::UNAUTHORIZED).await;
    assert_eq!(proxied.logins(), 1);
}

#[tokio::test]
async fn a_restart_keeps_the_tenants_session() {
    let Proxied { portal, tenant } = Proxied::open().await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
    let cookies = ada.cookies.clone();
    let portal = portal.restart_with(&[]).await;
    let mut ada = portal.browser();
    ada.cookies = cookies;
    assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
    let logins = tenant.control().logins().len();
    assert_eq!(logins, 1);
}
