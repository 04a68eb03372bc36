//! Links in JSON that comes as it likes.

use async_compression::tokio::write::{GzipDecoder, GzipEncoder};
use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use tokio::io::AsyncWriteExt;

use super::{Tenant, get, proxy_to, send, text};

fn json(tenant: &Tenant, items: usize) -> String {
    let item = format!(r#"{{"links":{{"self":{{"href":"{}/api/v1/x"}}}}}}"#, tenant.origin());
    format!(r#"{{"data":[{}]}}"#, vec![item; items].join(","))
}

#[tokio::test]
async fn they_lead_here_wherever_the_tenant_pauses() {
    // The path says where the body is cut, and how long it is.
    let tenant = Tenant::start(|mut line, _| async move {
        while let Some(head) = line.head().await {
            let host = head.split_once("host: ").unwrap().1.lines().next().unwrap().to_owned();
            let body = format!(r#"{{"links":{{"next":{{"href":"http://{host}/api/v1/x"}}}}}}"#);
            let cut: usize = head.split([' ', '/']).nth(3).unwrap().parse().unwrap();
            let (first, second) = body.split_at(cut.min(body.len()));
            line.say("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            for piece in [first, second].into_iter().filter(|piece| !piece.is_empty()) {
                line.say(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
                // Sometimes both pieces are there at once, and sometimes not.
                tokio::task::yield_now().await;
            }
            line.say("0\r\n\r\n").await;
        }
    })
    .await;
    let proxy = proxy_to(&tenant);
    for cut in 0..70 {
        let found = text(&proxy, &format!("/api/{cut}")).await;
        assert_eq!(found, r#"{"links":{"next":{"href":"https://analytics.portal.example/api/v1/x"}}}"#, "{cut}");
    }
    assert_eq!(tenant.connections(), 1);
}

#[tokio::test]
async fn lengths_are_true() {
    for items in [1, 20_000] {
        let tenant = Tenant::start(move |mut line, _| async move {
            while let Some(head) = line.head().await {
                let host = head.split_once("host: ").unwrap().1.lines().next().unwrap().to_owned();
                let item = format!(r#"{{"links":{{"self":{{"href":"http://{host}/api/v1/x"}}}}}}"#);
                let body = format!(r#"{{"data":[{}]}}"#, vec![item; items].join(","));
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
                line.say(format!("{head}{}\r\n\r\n{body}", body.len())).await;
            }
        })
        .await;
        let expected = json(&tenant, items).replace(&tenant.origin(), "https://analytics.portal.example");
        let passed = get(&proxy_to(&tenant), "/api/v1/items").await.unwrap();
        let length =
            passed.response.headers().get(header::CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned());
        assert_eq!(length, (items == 1).then(|| expected.len().to_string()));
        let body = passed.response.into_body().collect().await.unwrap().to_bytes();
        assert!(body == expected.as_bytes());
    }
}

#[tokio::test]
async fn compressed_json_is_asked_for_and_read() {
    let tenant = Tenant::start(|mut line, _| async move {
        while let Some(head) = line.head().await {
            let host = head.split_once("host: ").unwrap().1.lines().next().unwrap().to_owned();
            let body = format!(r#"{{"links":{{"self":{{"href":"http://{host}/api/v1/x"}}}}}}"#);
            let mut gzip = GzipEncoder::new(Vec::new());
            gzip.write_all(body.as_bytes()).await.unwrap();
            gzip.shutdown().await.unwrap();
            let gzip = gzip.into_inner();
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: ";
            line.say(format!("{head}{}\r\n\r\n", gzip.len())).await;
            line.say(gzip).await;
        }
    })
    .await;
    let proxy = proxy_to(&tenant);
    let request =
        Request::get("/api/v1/x").header("accept-encoding", "gzip, deflate, br, zstd").body(Body::empty()).unwrap();
    let passed = send(&proxy, request).await.unwrap();
    assert!(tenant.heads()[0].contains("accept-encoding: gzip, br\r\n"), "{:?}", tenant.heads());
    assert_eq!(passed.response.headers()[header::CONTENT_ENCODING], "gzip");
    let body = passed.response.into_body().collect().await.unwrap().to_bytes();
    let mut decoder = GzipDecoder::new(Vec::new());
    decoder.write_all(&body).await.unwrap();
    decoder.shutdown().await.unwrap();
    let expected = r#"{"links":{"self":{"href":"https://analytics.portal.example/api/v1/x"}}}"#;
    assert_eq!(String::from_utf8(decoder.into_inner()).unwrap(), expected);
}
