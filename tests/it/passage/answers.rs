//! What the browser gets of an answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use qlik_embed_bff::proxy::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Tenant, body_of, get, proxy_to, send, serve, text};

#[tokio::test]
async fn bodies_end_as_they_say() {
    for (answer, keeps) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n", true),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nSet-Cookie: a=b\r\n\r\n",
            true,
        ),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", false),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false),
    ] {
        let tenant = Tenant::answering(answer).await;
        let proxy = proxy_to(&tenant);
        for _ in 0..3 {
            assert_eq!(text(&proxy, "/api/v1/x").await, "hello", "{answer}");
        }
        assert_eq!(tenant.connections(), if keeps { 1 } else { 3 }, "{answer}");
    }
    let tenant = Tenant::start(|mut line, _| async move {
        line.head().await;
        line.say("HTTP/1.1 200 OK\r\n\r\nhel").await;
        sleep(Duration::from_millis(50)).await;
        line.say("lo").await;
    })
    .await;
    assert_eq!(text(&proxy_to(&tenant), "/api/v1/x").await, "hello");
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nContent-Type: application/json\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 1234\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n"),
        ("DELETE", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ] {
        let tenant = Tenant::answering(answer).await;
        let address = serve(proxy_to(&tenant)).await;
        let mut browser = TcpStream::connect(address).await.unwrap();
        // Twice: what were too much of the first would be the beginning of the second.
        for end in ["", "Connection: close\r\n"] {
            let head = format!("{method} /api/v1/x HTTP/1.1\r\nHost: x\r\n{end}\r\n");
            browser.write_all(head.as_bytes()).await.unwrap();
        }
        let mut read = String::new();
        timeout(Duration::from_secs(5), browser.read_to_string(&mut read)).await.expect(answer).unwrap();
        let mut answers = read.split_terminator("\r\n\r\n");
        let status = &answer[..12];
        assert!(answers.next().is_some_and(|answer| answer.starts_with(status)), "{answer}: {read}");
        assert!(answers.next().is_some_and(|answer| answer.starts_with(status)), "{answer}: {read}");
        assert_eq!(answers.next(), None, "{answer}: {read}");
        let has_length = read.to_lowercase().contains("content-length: 1234");
        assert_eq!(has_length, method == "HEAD" && answer.contains("1234"), "{answer}: {read}");
        assert_eq!(tenant.connections(), 1, "{answer}");
    }
}

#[tokio::test]
async fn interim_answers_are_no_answers() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    let tenant = Tenant::answering(format!("{interim}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")).await;
    let proxy = proxy_to(&tenant);
    let passed = get(&proxy, "/single/?appid=1").await.unwrap();
    assert_eq!((passed.response.status().as_u16(), passed.response.headers().get("link")), (200, None));
    assert_eq!(body_of(passed).await.unwrap(), "ok");
    assert_eq!(text(&proxy, "/single/").await, "ok");
    assert_eq!(tenant.connections(), 1);
}

#[tokio::test]
async fn conditions_and_ranges_are_between_browser_and_tenant() {
    let tenant = Tenant::answering(
        "HTTP/1.1 206 Partial Content\r\nContent-Type: application/json\r\nContent-Range: bytes 2-3/9\r\nETag: W/\"1\"\r\n\
         Content-Length: 2\r\n\r\nok",
    )
    .await;
    let request = Request::get("/resources/a.json")
        .header("range", "bytes=2-3")
        .header("if-range", "W/\"1\"")
        .header("if-none-match", "\"2\"")
        .body(Body::empty())
        .unwrap();
    let passed = send(&proxy_to(&tenant), request).await.unwrap();
    assert_eq!(passed.response.status(), 206);
    let headers = passed.response.headers();
    assert_eq!(
        (&headers[header::CONTENT_RANGE], &headers[header::ETAG]),
        (&"bytes 2-3/9".parse().unwrap(), &"W/\"1\"".parse().unwrap())
    );
    assert_eq!(body_of(passed).await.unwrap(), "ok");
    let head = &tenant.heads()[0];
    assert!(
        ["range: bytes=2-3", "if-range: w/\"1\"", "if-none-match: \"2\""].iter().all(|line| head.contains(line)),
        "{head}"
    );
}

#[tokio::test]
async fn refusals_pass_with_their_words() {
    let tenant = Tenant::answering(
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 13\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"errors\":[]}",
    )
    .await;
    let passed = get(&proxy_to(&tenant), "/api/v1/x").await.unwrap();
    assert_eq!(
        (passed.response.status().as_u16(), &passed.response.headers()[header::RETRY_AFTER]),
        (429, &"13".parse().unwrap())
    );
    assert_eq!(body_of(passed).await.unwrap(), "{\"errors\":[]}");
}

#[tokio::test]
async fn cookies_are_for_us_and_the_login_page_is_told() {
    let tenant = Tenant::answering(
        "HTTP/1.1 302 Found\r\nLocation: /login?returnto=%2Fsingle\r\nSet-Cookie: AWSALB=1; Path=/\r\nSet-Cookie: eas.sid=2\r\n\
         Content-Length: 0\r\n\r\n",
    )
    .await;
    let passed = get(&proxy_to(&tenant), "/single/?appid=1").await.unwrap();
    assert!(passed.leads_to_login);
    assert_eq!(passed.set_cookies, ["AWSALB=1; Path=/", "eas.sid=2"]);
    assert!(!passed.response.headers().contains_key(header::SET_COOKIE));
    assert_eq!(passed.response.headers()[header::LOCATION], "https://portal.example/login");
    assert!(!format!("{passed:?}").contains("eas.sid"), "{passed:?}");
}

#[tokio::test]
async fn what_breaks_off_does_not_look_complete() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nz\r\n",
    ] {
        let tenant = Tenant::start(move |mut line, _| async move {
            line.head().await;
            line.say(answer).await;
        })
        .await;
        let proxy = proxy_to(&tenant);
        assert!(body_of(get(&proxy, "/api/v1/x").await.unwrap()).await.is_err(), "{answer}");
        let mut browser = TcpStream::connect(serve(proxy).await).await.unwrap();
        browser.write_all(b"GET /api/v1/x HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut read = Vec::new();
        // The connection is all that can still say so.
        let _ = timeout(Duration::from_secs(5), browser.read_to_end(&mut read)).await.expect(answer);
        let read = String::from_utf8(read).unwrap();
        assert!(!read.ends_with("0\r\n\r\n"), "{answer}: {read}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad name: 1\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let tenant = Tenant::start(move |mut line, _| async move {
            line.head().await;
            line.say(answer).await;
        })
        .await;
        let error = get(&proxy_to(&tenant), "/api/v1/x").await.map(|passed| passed.response.status());
        assert!(matches!(error, Err(Error::Broken(_) | Error::Unusable(_))), "{answer}: {error:?}");
    }
}

#[tokio::test]
async fn large_heads_pass_within_bounds() {
    let head = |size: usize, count: usize| {
        let headers: String = (0..count).map(|number| format!("x-{number}: {}\r\n", "v".repeat(size))).collect();
        format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n")
    };
    for (size, count, passes) in [(30_000, 1, true), (500, 90, true), (300_000, 1, false), (1, 101, false)] {
        let tenant = Tenant::answering(head(size, count)).await;
        let passed = get(&proxy_to(&tenant), "/api/v1/x").await;
        assert_eq!(passed.is_ok(), passes, "{count} headers of {size}");
        if let Ok(passed) = passed {
            let name = format!("x-{}", count - 1);
            assert_eq!(passed.response.headers()[name].len(), size);
        }
    }
    let name = format!("x-{}", "n".repeat(4000));
    let tenant = Tenant::answering(format!("HTTP/1.1 200 OK\r\n{name}: 1\r\nContent-Length: 0\r\n\r\n")).await;
    let request = Request::get("/api/v1/x").header(&name, "2").body(Body::empty()).unwrap();
    let passed = send(&proxy_to(&tenant), request).await.unwrap();
    assert_eq!(passed.response.headers()[&name], "1");
    assert!(tenant.heads()[0].contains(&format!("{name}: 2")));
}

#[tokio::test]
async fn slow_is_well_as_long_as_something_comes() {
    let tenant = Tenant::start(|mut line, _| async move {
        line.head().await;
        for byte in "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".bytes() {
            sleep(Duration::from_millis(40)).await;
            line.say([byte]).await;
        }
    })
    .await;
    let begin = Instant::now();
    assert_eq!(text(&proxy_to(&tenant), "/api/v1/x").await, "ok");
    assert!(begin.elapsed() > Duration::from_secs(1));
}

#[tokio::test]
async fn silence_is_not() {
    let tenant = Tenant::start(|mut line, number| async move {
        line.head().await;
        if number == 1 {
            line.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no").await;
        }
        line.until_end().await;
    })
    .await;
    let proxy = proxy_to(&tenant);
    let begin = Instant::now();
    assert!(matches!(get(&proxy, "/api/v1/x").await, Err(Error::TimedOut)));
    assert!((Duration::from_millis(500)..Duration::from_secs(3)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    let passed = get(&proxy, "/api/v1/x").await.unwrap();
    assert_eq!(body_of(passed).await, Err(Error::TimedOut.to_string()));
}

#[tokio::test]
async fn a_download_goes_at_the_pace_of_the_browser() {
    let said = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&said);
    let tenant = Tenant::start(move |mut line, _| {
        let count = Arc::clone(&count);
        async move {
            line.head().await;
            line.say("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n").await;
            while count.load(Ordering::SeqCst) < 104_857_600 && line.try_say([b'x'; 65536]).await {
                count.fetch_add(65536, Ordering::SeqCst);
            }
        }
    })
    .await;
    let mut body = get(&proxy_to(&tenant), "/api/v1/x").await.unwrap().response.into_body();
    // Longer than the tenant may be silent: whoever does not read cannot complain.
    sleep(Duration::from_millis(900)).await;
    let under_way = said.load(Ordering::SeqCst);
    assert!(under_way < 16 << 20, "{under_way} bytes were said while nobody read");
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        read += frame.unwrap().data_ref().unwrap().len();
    }
    assert_eq!(read, 104_857_600);
}

#[tokio::test]
async fn a_browser_that_goes_away_takes_the_tenants_connection_along() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let tenant = Tenant::start(move |mut line, _| {
        let tell = tell.clone();
        async move {
            line.head().await;
            line.say("HTTP/1.1 200 OK\r\n\r\n").await;
            while line.try_say([b'x'; 65536]).await {}
            tell.send(()).unwrap();
        }
    })
    .await;
    let mut browser = TcpStream::connect(serve(proxy_to(&tenant)).await).await.unwrap();
    browser.write_all(b"GET /api/v1/x HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    browser.read_exact(&mut [0; 1000]).await.unwrap();
    drop(browser);
    timeout(Duration::from_secs(5), told.recv()).await.expect("its end");
}
