//! To the tenant through the proxy of the network that we are in.

use std::time::{Duration, Instant};

use qlik_embed_bff::client::way_out::WayOut;
use qlik_embed_bff::proxy::{Error, Limits, NoWayOut, Proxy};
use url::Url;

use super::network::{Gateway, Mood};
use super::{LIMITS, Tenant, get, settings, text, tls_for};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn tenant() -> Tenant {
    Tenant::start_tls(|mut line, _| async move {
        while line.head().await.is_some() {
            line.say(OK).await;
        }
    })
    .await
}

fn proxy_through(url: &str, straight: &str, tenant: &Tenant, limits: Limits) -> Proxy {
    let way_out = WayOut::through(Some(Url::parse(url).unwrap()), None, straight);
    let settings = qlik_embed_bff::proxy::Settings { way_out, ..settings(&tenant.origin()) };
    Proxy::with_limits(settings, tls_for(tenant), limits)
}

#[tokio::test]
async fn it_is_asked_once_for_each_connection_and_sees_nothing_more() {
    let (gateway, tenant) = (Gateway::start(Mood::Good).await, tenant().await);
    let proxy = proxy_through(&gateway.url(), "elsewhere.example", &tenant, LIMITS);
    for _ in 0..3 {
        assert_eq!(text(&proxy, "/api/v1/x").await, "ok");
    }
    let authority = tenant.origin().strip_prefix("https://").unwrap().to_owned();
    let [head] = &gateway.heads()[..] else { panic!("{:?}", gateway.heads()) };
    let lines: Vec<_> = head.trim_end().split("\r\n").collect();
    let expected = [
        format!("CONNECT {authority} HTTP/1.1"),
        format!("host: {authority}"),
        // ada:s3cret
        "proxy-authorization: Basic YWRhOnMzY3JldA==".to_owned(),
    ];
    assert_eq!(lines, expected);
    assert_eq!(tenant.connections(), 1);
    assert!(tenant.heads().iter().all(|head| !head.contains("proxy-authorization")), "{:?}", tenant.heads());
}

#[tokio::test]
async fn hosts_that_need_none_are_reached_straight() {
    let (gateway, tenant) = (Gateway::start(Mood::Hangs).await, tenant().await);
    let proxy = proxy_through(&gateway.url(), "elsewhere.example, localhost", &tenant, LIMITS);
    assert_eq!(text(&proxy, "/api/v1/x").await, "ok");
    assert_eq!(gateway.heads(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_wrong_with_it_is_told() {
    let (gateway, tenant) = (Gateway::start(Mood::Good).await, tenant().await);
    let proxy = proxy_through(&gateway.url(), "", &tenant, LIMITS);
    for (answer, words) in [
        ("HTTP/1.1 407 Nope\r\nProxy-Authenticate: Basic\r\nContent-Length: 3\r\n\r\nno!", "refused with status 407"),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "refused with status 502"),
        ("HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", "refused with status 302"),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "refused with status 101"),
        ("HTTP/1.1 200 OK\r\n\r\n<html>", "gave an answer that cannot be used"),
        ("SSH-2.0-x\r\n", "broke off its answer"),
        ("HTTP/1.1 200 OK\r\n", "broke off its answer"),
        ("", "broke off its answer"),
    ] {
        gateway.change(Mood::Says(answer));
        let error = get(&proxy, "/api/v1/x").await.expect_err(answer);
        assert!(matches!(error, Error::NoWayOut(_)) && !error.is_late(), "{answer}: {error:?}");
        assert_eq!(error.to_string(), format!("the proxy on the way to the tenant {words}"), "{answer}");
    }
    gateway.change(Mood::Rambles);
    let error = get(&proxy, "/api/v1/x").await.expect_err("an endless head");
    assert!(matches!(error, Error::NoWayOut(NoWayOut::Broken(_))), "{error:?}");
    assert_eq!(tenant.connections(), 0);
    // What an interim answer says is not the answer (RFC 9110, section 15.2).
    gateway.change(Mood::Says("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 No\r\n\r\n"));
    assert!(get(&proxy, "/api/v1/x").await.unwrap_err().to_string().ends_with("403"));
    gateway.change(Mood::Good);
    assert_eq!(text(&proxy, "/api/v1/x").await, "ok");

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = proxy_through(&format!("http://{closed}"), "", &tenant, LIMITS);
    let error = get(&proxy, "/api/v1/x").await.unwrap_err();
    assert_eq!(error.to_string(), "the proxy on the way to the tenant cannot be reached");
}

#[tokio::test]
async fn one_that_hangs_is_not_waited_for() {
    let (gateway, tenant) = (Gateway::start(Mood::Hangs).await, tenant().await);
    for limits in [
        Limits { connect: Duration::from_millis(300), ..LIMITS },
        Limits { stalled: Duration::from_millis(300), ..LIMITS },
    ] {
        let proxy = proxy_through(&gateway.url(), "", &tenant, limits);
        let begun = Instant::now();
        let error = get(&proxy, "/api/v1/x").await.unwrap_err();
        assert!(matches!(error, Error::NoWayOut(NoWayOut::TimedOut)) && error.is_late(), "{error:?}");
        assert_eq!(error.to_string(), "the proxy on the way to the tenant does not answer");
        let waited = begun.elapsed();
        assert!((Duration::from_millis(250)..Duration::from_secs(2)).contains(&waited), "{waited:?}");
    }
    assert_eq!(gateway.tunnels(), 2);
}
