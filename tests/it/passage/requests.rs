//! What the tenant gets of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::stream;
use http::{Method, Request};
use qlik_embed_bff::proxy::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::{Tenant, body_of, get, proxy_to, send, serve};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const PIECE: usize = 64 * 1024;

#[tokio::test]
async fn every_method_passes_with_path_and_query_as_they_are() {
    let tenant = Tenant::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let proxy = proxy_to(&tenant);
    let path = "/api/v1/x;y=1/a%20b?filter=name%20eq%20'%2f..'&&x=1+2|3";
    let methods = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "REPORT"];
    for method in methods {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        assert_eq!(send(&proxy, request).await.unwrap().response.status(), 200, "{method}");
    }
    for (head, method) in tenant.heads().iter().zip(methods) {
        let first = head.lines().next().unwrap();
        assert_eq!(first, format!("{method} {path} HTTP/1.1").to_lowercase());
        assert_eq!(
            head.contains("qlik-csrf-token: csrf of/tenant"),
            !["GET", "HEAD", "OPTIONS"].contains(&method),
            "{head}"
        );
        assert!(head.contains(&format!("host: {}", tenant.origin().trim_start_matches("http://"))), "{head}");
        assert!(head.contains("cookie: eas.sid=t"), "{head}");
        assert!(!head.contains("transfer-encoding"), "{head}");
    }
}

#[tokio::test]
async fn bodies_with_and_without_a_length_arrive() {
    let tenant = Tenant::start(|mut line, _| async move {
        while let Some(head) = line.head().await {
            let body = match head.to_lowercase() {
                head if head.contains("transfer-encoding: chunked") => line.chunks().await,
                head => {
                    let length =
                        head.split_once("content-length: ").unwrap().1.lines().next().unwrap().parse().unwrap();
                    String::from_utf8(line.body(length).await).unwrap()
                }
            };
            line.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        }
    })
    .await;
    let proxy = proxy_to(&tenant);
    let echo = async |body| {
        let passed = send(&proxy, Request::post("/api/v1/x").body(body).unwrap()).await.unwrap();
        body_of(passed).await.unwrap()
    };
    assert_eq!(echo(Body::from("known")).await, "known");
    let pieces = stream::iter(["un", "", "known"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece))));
    assert_eq!(echo(Body::from_stream(pieces)).await, "2\r\nun\r\n5\r\nknown\r\n0\r\n\r\n");
    assert_eq!(tenant.connections(), 1);
}

/// A body of pieces that counts how many were taken from it.
fn counted(pieces: usize, taken: &Arc<AtomicUsize>) -> Body {
    let taken = Arc::clone(taken);
    Body::from_stream(stream::iter((0..pieces).map(move |_| {
        taken.fetch_add(PIECE, Ordering::SeqCst);
        Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; PIECE]))
    })))
}

#[tokio::test]
async fn a_hundred_megabytes_go_at_the_pace_of_the_tenant() {
    const SIZE: usize = 100 * 1024 * 1024;
    let go_on = Arc::new(tokio::sync::Notify::new());
    let waits = Arc::clone(&go_on);
    let tenant = Tenant::start(move |mut line, _| {
        let waits = Arc::clone(&waits);
        async move {
            line.head().await;
            line.body(1).await;
            waits.notified().await;
            let mut received = 1;
            while received < SIZE {
                received += line.body((SIZE - received).min(1 << 20)).await.len();
            }
            line.say(OK).await;
        }
    })
    .await;
    let proxy = proxy_to(&tenant);
    let taken = Arc::new(AtomicUsize::new(0));
    let request = Request::put("/api/v1/x").header("content-length", SIZE).body(counted(SIZE / PIECE, &taken)).unwrap();
    let upload = tokio::spawn(async move { body_of(send(&proxy, request).await.unwrap()).await.unwrap() });
    sleep(Duration::from_millis(300)).await;
    // What the system buffers for a socket, and little more.
    let under_way = taken.load(Ordering::SeqCst);
    assert!((1..8 << 20).contains(&under_way), "{under_way} bytes were taken while the tenant read one");
    go_on.notify_one();
    assert_eq!(upload.await.unwrap(), "ok");
    assert_eq!(taken.load(Ordering::SeqCst), SIZE);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_body_is_an_answer() {
    let tenant = Tenant::start(|mut line, _| async move {
        line.head().await;
        line.say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge").await;
        line.until_end().await;
    })
    .await;
    let proxy = proxy_to(&tenant);
    let taken = Arc::new(AtomicUsize::new(0));
    let passed = send(&proxy, Request::post("/api/v1/x").body(counted(16_000, &taken)).unwrap()).await.unwrap();
    assert_eq!(passed.response.status(), 413);
    assert_eq!(body_of(passed).await.unwrap(), "large");
    assert!(taken.load(Ordering::SeqCst) < 1 << 30, "the rest stays where it is");
    // Half a body is on that connection.
    assert_eq!(get(&proxy, "/api/v1/x").await.unwrap().response.status(), 413);
    assert_eq!(tenant.connections(), 2);
}

#[tokio::test]
async fn an_answer_may_come_while_the_body_does() {
    let tenant = Tenant::start(|mut line, _| async move {
        line.head().await;
        line.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n").await;
        let first = line.body(2).await;
        line.say(first).await;
        let second = line.body(2).await;
        line.say(second).await;
        line.until_end().await;
    })
    .await;
    let address = serve(proxy_to(&tenant)).await;
    let mut browser = TcpStream::connect(address).await.unwrap();
    browser
        .write_all(b"POST /api/v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nConnection: close\r\n\r\nab")
        .await
        .unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"ab") {
        assert_ne!(browser.read_buf(&mut read).await.unwrap(), 0);
    }
    browser.write_all(b"cd").await.unwrap();
    browser.read_to_end(&mut read).await.unwrap();
    assert!(read.ends_with(b"\r\n\r\nabcd"), "{}", String::from_utf8_lossy(&read));
}

#[tokio::test]
async fn a_visitor_who_breaks_off_is_told_from_a_tenant_that_does() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let tenant = Tenant::start(move |mut line, _| {
        let tell = tell.clone();
        async move {
            line.head().await;
            line.until_end().await;
            tell.send(()).unwrap();
        }
    })
    .await;
    let proxy = proxy_to(&tenant);
    let pieces = stream::iter([Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("gone"))]);
    let broken = send(&proxy, Request::post("/api/v1/x").body(Body::from_stream(pieces)).unwrap()).await;
    assert!(matches!(broken, Err(Error::Request(_))), "{broken:?}");
    timeout(Duration::from_secs(5), told.recv()).await.expect("the tenant's connection ends too");

    // A request that nobody waits for any more takes its connection along.
    let given_up = timeout(Duration::from_millis(100), get(&proxy, "/api/v1/x")).await;
    assert!(given_up.is_err());
    timeout(Duration::from_secs(5), told.recv()).await.expect("the tenant's connection ends too");
}

#[tokio::test]
async fn expectations_are_met_here() {
    let tenant = Tenant::start(|mut line, _| async move {
        line.head().await;
        assert_eq!(line.body(2).await, b"ab");
        line.say(OK).await;
    })
    .await;
    let address = serve(proxy_to(&tenant)).await;
    let mut browser = TcpStream::connect(address).await.unwrap();
    let head =
        "POST /api/v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    browser.write_all(head.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        browser.read_buf(&mut read).await.unwrap();
    }
    assert!(read.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&read));
    browser.write_all(b"ab").await.unwrap();
    browser.read_to_end(&mut read).await.unwrap();
    assert!(read.ends_with(b"\r\n\r\nok"), "{}", String::from_utf8_lossy(&read));
    assert!(!tenant.heads()[0].contains("expect"), "{:?}", tenant.heads());
}

#[tokio::test]
async fn methods_that_echo_or_tunnel_do_not_reach_the_tenant() {
    let tenant = Tenant::answering(OK).await;
    let proxy = proxy_to(&tenant);
    for method in [Method::TRACE, Method::CONNECT] {
        let head = Request::builder().method(method).uri("/api/v1/x").body(()).unwrap().into_parts().0;
        assert!(proxy.target(&head).is_err());
    }
}
