//! How connections to the tenant are made, kept and given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::Request;
use qlik_embed_bff::proxy::{Error, Limits, Proxy};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

use super::tenant::Line;
use super::{LIMITS, Tenant, body_of, get, proxy_to, proxy_with, send, settings, text};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn answer_all(mut line: Line, _number: usize) {
    while line.head().await.is_some() {
        line.say(OK).await;
    }
}

fn post(body: Body) -> Request<Body> {
    Request::post("/api/v1/x").body(body).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_get_their_own_answers() {
    let tenant = Tenant::start_tls(|mut line, _| async move {
        while let Some(head) = line.head().await {
            let path = head.split(' ').nth(1).unwrap().to_owned();
            line.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len())).await;
        }
    })
    .await;
    let proxy = proxy_to(&tenant);
    let callers = (0..32).map(|caller| {
        let proxy = proxy.clone();
        tokio::spawn(async move {
            for number in 0..50 {
                let path = format!("/api/v1/{caller}/{number}?{}", "x".repeat(number * 40));
                assert_eq!(text(&proxy, &path).await, path);
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert!((1..=32).contains(&tenant.connections()), "{}", tenant.connections());
}

#[tokio::test]
async fn one_that_was_closed_meanwhile_is_replaced() {
    let tenant = Tenant::start(|mut line, _| async move {
        line.head().await;
        line.say(OK).await;
    })
    .await;
    let proxy = proxy_to(&tenant);
    for number in 1..=3 {
        let passed = send(&proxy, post(Body::from("body"))).await.unwrap();
        assert_eq!(body_of(passed).await.unwrap(), "ok");
        assert_eq!(tenant.connections(), number);
        // Its end arrives while nobody looks.
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn one_that_is_closed_at_the_same_moment_is_replaced_for_what_may_be_repeated() {
    // The first connection ends when its second request is there.
    let tenant = Tenant::start(|mut line, number| async move {
        line.head().await;
        line.say(OK).await;
        while line.head().await.is_some() && number > 0 {
            line.say(OK).await;
        }
    })
    .await;
    let proxy = proxy_to(&tenant);
    assert_eq!(text(&proxy, "/api/v1/x").await, "ok");
    assert_eq!(text(&proxy, "/api/v1/x").await, "ok");
    assert_eq!(tenant.connections(), 2);

    for request in [post(Body::empty()), Request::put("/api/v1/x").body(Body::from("body")).unwrap()] {
        let tenant = Tenant::start(|mut line, _| async move {
            line.head().await;
            line.say(OK).await;
            line.head().await;
        })
        .await;
        let proxy = proxy_to(&tenant);
        assert_eq!(text(&proxy, "/api/v1/x").await, "ok");
        // The tenant may have done it.
        let error = send(&proxy, request).await;
        assert!(matches!(error, Err(Error::Broken(_))), "{error:?}");
        assert_eq!((tenant.connections(), tenant.heads().len()), (1, 2));
    }
}

#[tokio::test]
async fn a_new_one_that_fails_is_not_replaced() {
    let tenant = Tenant::start(|mut line, _| async move {
        line.head().await;
    })
    .await;
    assert!(matches!(get(&proxy_to(&tenant), "/api/v1/x").await, Err(Error::Broken(_))));
    assert_eq!(tenant.connections(), 1);
}

#[tokio::test]
async fn those_that_nobody_uses_are_closed() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let tenant = Tenant::start(move |line, number| {
        let count = Arc::clone(&count);
        async move {
            answer_all(line, number).await;
            count.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let proxy = proxy_with(&tenant, Limits { idle: Duration::from_millis(300), ..LIMITS });
    for _ in 0..2 {
        let before = ended.load(Ordering::SeqCst);
        let begin = Instant::now();
        assert_eq!(text(&proxy, "/api/v1/x").await, "ok");
        while ended.load(Ordering::SeqCst) == before {
            assert!(begin.elapsed() < Duration::from_secs(5));
            sleep(Duration::from_millis(10)).await;
        }
        assert!(begin.elapsed() >= Duration::from_millis(250), "{:?}", begin.elapsed());
    }
    assert_eq!(tenant.connections(), 2);
}

#[tokio::test]
async fn a_tenant_that_cannot_be_reached_is_told_apart() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let tls = Arc::new(tls);
    for tenant in [format!("http://{free}"), format!("https://{free}"), "https://no-such-host.invalid".to_owned()] {
        let error = get(&Proxy::with_tls(settings(&tenant), Arc::clone(&tls)), "/api/v1/x?secret").await.unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
        assert!(!format!("{error:?}{error}").contains("secret"), "{error:?}");
    }
    // Somebody listens, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let limits = Limits { connect: Duration::from_millis(300), ..LIMITS };
    let tenant = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    let waits = get(&Proxy::with_limits(settings(&tenant), tls, limits), "/api/v1/x").await;
    assert!(matches!(waits, Err(Error::TimedOut)), "{waits:?}");
}

#[tokio::test]
async fn a_tenant_with_the_certificate_of_somebody_else_gets_nothing() {
    let tenant = Tenant::start_tls(answer_all).await;
    let other = Tenant::start_tls(answer_all).await;
    assert_eq!(text(&proxy_to(&tenant), "/api/v1/x").await, "ok");
    let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(other.authorities())
        .with_no_client_auth();
    let refused = get(&Proxy::with_tls(settings(&tenant.origin()), tls.into()), "/api/v1/x").await;
    assert!(matches!(refused, Err(Error::Unreachable(_))), "{refused:?}");
    assert_eq!(tenant.heads().len(), 1);
}

#[tokio::test]
async fn a_thousand_requests_leave_nothing_behind() {
    let open = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let tenant = Tenant::start_tls(answer_all).await;
    let proxy = proxy_to(&tenant);
    assert_eq!(text(&proxy, "/api/v1/x").await, "ok");
    let before = (open(), tasks());
    for number in 0..1000 {
        match number % 3 {
            0 => assert_eq!(text(&proxy, "/api/v1/x").await, "ok"),
            1 => drop(get(&proxy, "/api/v1/x").await.unwrap()),
            _ => drop(timeout(Duration::ZERO, get(&proxy, "/api/v1/x")).await),
        }
    }
    sleep(Duration::from_millis(200)).await;
    let after = (open(), tasks());
    assert!(after.0 <= before.0 + 2 && after.1 <= before.1 + 2, "{before:?} {after:?}");
}
