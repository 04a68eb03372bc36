//! Signing in and out.

use axum::http::{Method, StatusCode};
use serde_json::json;
use time::Duration;

use crate::portal::{PASSWORD, Portal};

const COOKIE: &str = "qlik-embed-bff";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn whoever_is_not_signed_in_is_led_to_login_and_back() {
    let portal = Portal::open().await;
    for (wanted, reached) in
        [("/", "/"), ("/embed/default", "/embed/default"), ("/embed/default?a=b%20c", "/embed/default?a=b%20c")]
    {
        let mut browser = portal.browser();
        let answer = browser.open(wanted).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login"));
        let form = browser.open("/login").await;
        assert_eq!((form.status, form.text("h1").as_str()), (StatusCode::OK, "Sign in"));
        let answer = browser.sign_in("ada", PASSWORD).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, reached));
        assert_eq!(browser.open("/login").await.location(), "/", "the form is for those who are not signed in");
    }
}

/// A browser that restores its tabs opens all of them before anybody can sign in.
#[tokio::test]
async fn every_tab_that_was_opened_first_gets_to_a_page_that_was_wanted() {
    let portal = Portal::open().await;
    let mut browser = portal.browser();
    for tab in ["/embed/default?tab=a", "/embed/default?tab=b", "/embed/default?tab=c"] {
        assert_eq!(browser.open(tab).await.location(), "/login");
        assert_eq!(browser.open("/login").await.status, StatusCode::OK);
    }
    // One tab sends the form, one is loaded again, and one sends the form that it still shows.
    assert_eq!(browser.sign_in("ada", PASSWORD).await.location(), "/embed/default?tab=c");
    assert_eq!(browser.open("/login").await.location(), "/embed/default?tab=b");
    assert_eq!(browser.sign_in("ada", PASSWORD).await.location(), "/embed/default?tab=a");
    assert_eq!(browser.open("/login").await.location(), "/");

    // Somebody else at this browser is not led to what ada wanted, and nobody after a quarter of an hour.
    let mut browser = portal.browser();
    let open_two = async |browser: &mut crate::portal::Browser| {
        browser.open("/embed/default?tab=a").await;
        browser.open("/embed/default?tab=b").await;
    };
    open_two(&mut browser).await;
    assert_eq!(browser.sign_in("ada", PASSWORD).await.location(), "/embed/default?tab=b");
    assert_eq!(browser.sign_in("bob", PASSWORD).await.location(), "/");
    let mut browser = portal.browser();
    open_two(&mut browser).await;
    assert_eq!(browser.sign_in("ada", PASSWORD).await.location(), "/embed/default?tab=b");
    portal.clock.advance(Duration::minutes(15));
    assert_eq!(browser.open("/login").await.location(), "/");
    // Being led on is no activity: the session ends when it would have.
    let mut browser = portal.browser();
    open_two(&mut browser).await;
    browser.sign_in("ada", PASSWORD).await;
    let ends = browser.fetch("/session").await.json()["expires_at"].clone();
    portal.clock.advance(Duration::minutes(5));
    assert_eq!(browser.open("/login").await.location(), "/embed/default?tab=a");
    assert_eq!(browser.fetch("/session").await.json()["expires_at"], ends);
    portal.clock.advance(Duration::minutes(25));
    assert_eq!(browser.fetch("/session").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn fetches_get_json_and_frames_a_page_without_a_form() {
    let portal = Portal::open().await;
    for path in ["/", "/embed/default", "/embed/unknown", "/token", "/token/default", "/session"] {
        let answer = portal.browser().fetch(path).await;
        let id = answer.header("x-request-id").to_owned();
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(
            answer.json(),
            json!({ "error": "session_expired", "message": "You are not signed in, or no longer.", "request_id": id })
        );
        assert!(answer.headers.get("set-cookie").is_none(), "{path}");
    }
    let framed = portal.browser().send(Method::GET, "/embed/default", &[("sec-fetch-dest", "iframe")], "").await;
    assert_eq!((framed.status, framed.text("h1").as_str()), (StatusCode::UNAUTHORIZED, "Your session has ended"));
    assert!(!framed.body.contains("<form"));
    assert_eq!(framed.header("x-frame-options"), "SAMEORIGIN");
    // Clients that send no Sec-Fetch headers are told apart by what they accept.
    let old = portal.browser().send(Method::GET, "/", &[("accept", "text/html,*/*")], "").await;
    assert_eq!(old.location(), "/login");
    assert_eq!(
        portal.browser().send(Method::GET, "/", &[("accept", "*/*")], "").await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn unknown_names_and_wrong_passwords_get_one_answer() {
    let portal = Portal::open().await;
    let masked = |body: String| body.replace("ada", "NAME").replace("nobody", "NAME");
    let wrong = portal.browser().sign_in("ada", "not her password").await;
    let unknown = portal.browser().sign_in("nobody", "not her password").await;
    assert_eq!((wrong.status, unknown.status), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED));
    assert_eq!(wrong.text("#problem"), "The user name or the password is wrong. Check both and try again.");
    assert_eq!(wrong.attributes("#username")["value"], "ada");
    assert_eq!(masked(wrong.body), masked(unknown.body));
    let names = |headers: &axum::http::HeaderMap| headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&wrong.headers), names(&unknown.headers));
}

#[tokio::test]
async fn names_are_one_in_any_case() {
    let portal = Portal::open().await;
    let mut browser = portal.browser();
    assert_eq!(browser.sign_in("Ada", PASSWORD).await.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.fetch("/session").await.json()["id"], "ada");
}

#[tokio::test]
async fn signing_in_gives_a_new_session_id() {
    let portal = Portal::open().await;
    let mut browser = portal.browser();
    browser.open("/embed/default").await;
    let before = browser.cookies[COOKIE].clone();
    let planted = browser.clone();
    browser.sign_in("ada", PASSWORD).await;
    assert_ne!(browser.cookies[COOKIE], before);
    for mut other in [planted, portal.browser()] {
        other.cookies.insert(COOKIE.into(), before.clone());
        assert_eq!(other.fetch("/session").await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn cookies_are_as_closed_as_the_address_allows() {
    let portal = Portal::with(&[("PUBLIC_URL", "https://portal.example")]).await;
    let mut browser = portal.browser();
    let answer = browser.sign_in("ada", PASSWORD).await;
    let cookie = answer.header("set-cookie").to_owned();
    let (value, attributes) = cookie.split_once("; ").expect("attributes");
    assert!(value.starts_with("__Host-qlik-embed-bff="), "{cookie}");
    let mut attributes: Vec<_> = attributes.split("; ").collect();
    attributes.sort_unstable();
    assert!(attributes[1].starts_with("Max-Age=1"), "{cookie}");
    attributes.remove(1);
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);

    // Browsers ignore the removal of a __Host- cookie that is not Secure.
    let ended = browser.post("/logout", "").await;
    assert_eq!((ended.status, ended.location()), (StatusCode::SEE_OTHER, "/logout"));
    let removal = ended.header("set-cookie");
    assert!(removal.starts_with("__Host-qlik-embed-bff=;") && removal.contains("Secure"), "{removal}");
    assert!(removal.contains("Max-Age=0") && removal.contains("Path=/"), "{removal}");

    let plain = Portal::open().await.browser().sign_in("ada", PASSWORD).await;
    let cookie = plain.header("set-cookie");
    assert!(cookie.starts_with("qlik-embed-bff=") && !cookie.contains("Secure"), "{cookie}");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
}

#[tokio::test]
async fn signing_out_ends_the_session_for_good() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    let mut thief = ada.clone();
    ada.post("/logout", "").await;
    assert!(ada.cookies.is_empty());
    let page = ada.open("/logout").await;
    assert_eq!((page.status, page.text("h1").as_str()), (StatusCode::OK, "You are signed out"));
    assert_eq!(page.attributes("#content")["data-tenant"], "https://acme.eu.qlikcloud.com");
    assert!(page.header("content-security-policy").contains("connect-src https://acme.eu.qlikcloud.com"));
    assert_eq!(thief.fetch("/session").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(thief.fetch("/token").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_link_does_not_sign_anybody_out() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(ada.open("/logout").await.location(), "/");
    assert_eq!(ada.fetch("/session").await.status, StatusCode::OK);
}

#[tokio::test]
async fn other_sites_cannot_post_our_forms() {
    let portal = Portal::open().await;
    let form = "username=ada&password=correct+horse";
    for (headers, status) in [
        (vec![("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")], StatusCode::FORBIDDEN),
        (vec![("sec-fetch-site", "same-site"), ("origin", "http://evil.localhost:8080")], StatusCode::FORBIDDEN),
        (vec![("origin", "https://evil.example"), ("host", "localhost:8080")], StatusCode::FORBIDDEN),
        (vec![("origin", "null"), ("host", "localhost:8080")], StatusCode::FORBIDDEN),
        // A referrer policy of no-referrer makes browsers say null about our own pages.
        (vec![("origin", "null"), ("sec-fetch-site", "same-origin")], StatusCode::SEE_OTHER),
        (vec![("origin", "http://localhost:8080"), ("host", "127.0.0.1:9000")], StatusCode::SEE_OTHER),
        (vec![], StatusCode::SEE_OTHER),
    ] {
        for path in ["/login", "/logout"] {
            let answer = portal.browser().send(Method::POST, path, &[&headers[..], &[FORM]].concat(), form).await;
            assert_eq!(answer.status, status, "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn guessing_is_throttled_per_account() {
    let portal = Portal::open().await;
    for place in 0..10 {
        let mut browser = portal.browser();
        browser.address = format!("203.0.113.{place}");
        assert_eq!(browser.sign_in("ada", "a guess").await.status, StatusCode::UNAUTHORIZED);
    }
    for password in ["a guess", PASSWORD] {
        let answer = portal.browser().sign_in("ada", password).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.text("#problem"), "Too many attempts. Wait 15 minutes, then try again.");
        let wait: u64 = answer.header("retry-after").parse().expect("seconds");
        assert!((890..=900).contains(&wait), "{wait}");
    }
    assert_eq!(portal.browser().sign_in("bob", PASSWORD).await.status, StatusCode::SEE_OTHER);
    portal.clock.advance(Duration::minutes(15) + Duration::SECOND);
    assert_eq!(portal.browser().sign_in("ada", PASSWORD).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn guessing_is_throttled_per_address() {
    let portal = Portal::with(&[("TRUSTED_PROXIES", "10.0.0.0/8"), ("RATE_LIMIT_SIGN_IN", "off")]).await;
    let guess = async |name: String, address: &str| {
        let mut browser = portal.browser();
        browser.address = "10.0.0.1".into();
        let headers = [FORM, ("x-forwarded-for", address)];
        browser.send(Method::POST, "/login", &headers, &format!("username={name}&password=x")).await.status
    };
    for place in 0..100 {
        assert_eq!(guess(format!("name{place}"), "198.51.100.1").await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(guess("another".into(), "198.51.100.1").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(guess("another".into(), "198.51.100.2").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn good_sign_ins_are_not_counted() {
    let portal = Portal::open().await;
    for _ in 0..12 {
        portal.signed_in("ada").await;
    }
}

#[tokio::test]
async fn forms_that_are_no_forms_are_refused_in_words() {
    let portal = Portal::open().await;
    for (body, status) in [
        ("username=ada".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        (format!("username=ada&password={}", "x".repeat(20_000)), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let answer = portal.browser().post("/login", &body).await;
        assert_eq!(answer.status, status);
        assert!(answer.text("h1").len() > 10 && answer.text("main").contains("Request"), "{}", answer.body);
    }
    let answer = portal.browser().send(Method::DELETE, "/login", &[("accept", "*/*")], "").await;
    assert_eq!(
        (answer.status, answer.json()["error"].as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, Some("method_not_allowed"))
    );
    assert!(answer.header("allow").contains("POST"), "{}", answer.header("allow"));
}
