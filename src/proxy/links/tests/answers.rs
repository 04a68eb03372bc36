//! Whole answers: their headers, and bodies in every coding.

use async_compression::Level;
use async_compression::tokio::write;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{CASES, HERE, links};
use crate::proxy::links::*;

/// An answer's headers and body after [`Links::rewrite`]; whole, or in pieces.
async fn rewrite(
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
    piece: Option<usize>,
) -> (HeaderMap, Result<Bytes, String>) {
    let mut head = HeaderMap::new();
    for (name, value) in headers {
        head.append(
            HeaderName::from_bytes(name.as_bytes()).expect("a name"),
            HeaderValue::from_str(value).expect("a value"),
        );
    }
    head.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let whole = piece.is_none().then(|| Bytes::copy_from_slice(body));
    let pieces: Vec<_> =
        body.chunks(piece.unwrap_or(1)).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let rest = StreamBody::new(stream::iter(pieces));
    let status = StatusCode::from_u16(status).expect("a status");
    let body = links().rewrite(&Method::GET, status, &mut head, whole, rest);
    let body = body.collect().await.map(|body| body.to_bytes()).map_err(|error| error.to_string());
    (head, body)
}

async fn encode(coding: &str, text: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder = write::GzipEncoder::new(Vec::new());
            encoder.write_all(text).await.expect("memory takes it");
            encoder.shutdown().await.expect("memory takes it");
            encoder.into_inner()
        }
        "br" => {
            let mut encoder = write::BrotliEncoder::with_quality(Vec::new(), Level::Precise(3));
            encoder.write_all(text).await.expect("memory takes it");
            encoder.shutdown().await.expect("memory takes it");
            encoder.into_inner()
        }
        _ => text.to_vec(),
    }
}

async fn decode(coding: &str, body: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut decoder = write::GzipDecoder::new(Vec::new());
            decoder.write_all(body).await.expect("what we or the other side encoded");
            decoder.shutdown().await.expect("a whole body");
            decoder.into_inner()
        }
        "br" => {
            let mut decoder = write::BrotliDecoder::new(Vec::new());
            decoder.write_all(body).await.expect("what we or the other side encoded");
            decoder.shutdown().await.expect("a whole body");
            decoder.into_inner()
        }
        _ => body.to_vec(),
    }
}

fn large() -> String {
    let item =
        |number| json!({"id": number, "links": {"self": {"href": format!("https://t.eu.qlikcloud.com/{number}")}}});
    json!({"data": (0..3000).map(item).collect::<Vec<_>>()}).to_string()
}

#[tokio::test]
async fn compressed_json_is_read_and_written_anew() {
    let small = CASES[0].0.to_owned();
    for coding in ["identity", "gzip", "br"] {
        for text in [small.clone(), large()] {
            let body = encode(coding, text.as_bytes()).await;
            for piece in [None, Some(1), Some(1000), Some(60_000)] {
                if piece == Some(1) && body.len() > 10_000 {
                    continue;
                }
                let headers = [
                    ("content-type", "application/json; charset=utf-8"),
                    ("content-encoding", coding),
                    ("digest", "x"),
                ];
                let (headers, found) = rewrite(200, &headers, &body, piece).await;
                let found = found.expect("a body");
                let expected = text.replace("https://t.eu.qlikcloud.com", HERE);
                assert!(decode(coding, &found).await == expected.as_bytes(), "{coding} {piece:?}");
                assert_eq!(headers[header::CONTENT_ENCODING], coding);
                assert!(!headers.contains_key("digest"));
                let length =
                    headers.get(header::CONTENT_LENGTH).map(|length| length.to_str().expect("digits").to_owned());
                let expected = (coding == "identity" && piece.is_none()).then(|| found.len().to_string());
                assert_eq!(length, expected, "{coding} {piece:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_without_such_links_stays_as_it_is() {
    let text = br#"{"name":"x","url":"https://t.eu.qlikcloud.com/x"}"#;
    for coding in ["identity", "gzip", "br"] {
        let body = encode(coding, text).await;
        let headers = [("content-type", "application/json"), ("content-encoding", coding), ("digest", "x")];
        let (headers, found) = rewrite(200, &headers, &body, None).await;
        assert_eq!(found.expect("a body"), body);
        assert_eq!(headers[header::CONTENT_LENGTH], body.len().to_string());
        assert_eq!(headers["digest"], "x");
        // Nothing is nothing in every coding.
        let (_, nothing) =
            rewrite(200, &[("content-type", "application/json"), ("content-encoding", coding)], b"", None).await;
        assert_eq!(nothing.expect("a body"), "");
        let streamed = [("content-type", "application/json"), ("content-encoding", coding)];
        assert_eq!(rewrite(200, &streamed, b"", Some(1)).await.1.expect("a body"), "");
    }
}

#[tokio::test]
async fn what_is_not_whole_json_in_a_known_coding_is_not_touched() {
    let link = CASES[0].0.as_bytes();
    let json = ("content-type", "application/json");
    for (status, headers) in [
        (206, vec![json]),
        (200, vec![]),
        (200, vec![("content-type", "text/html")]),
        (200, vec![("content-type", "application/jsonx")]),
        (200, vec![("content-type", "text/plain; x=application/json")]),
        (200, vec![json, ("content-encoding", "zstd")]),
        (200, vec![json, ("content-encoding", "gzip, br")]),
        (200, vec![json, ("content-encoding", "gzip"), ("content-encoding", "br")]),
    ] {
        for piece in [None, Some(10)] {
            let (head, found) = rewrite(status, &headers, link, piece).await;
            assert_eq!(found.expect("a body"), link, "{status} {headers:?}");
            assert_eq!(head[header::CONTENT_LENGTH], link.len().to_string());
        }
    }
    for media_type in
        ["application/json", "APPLICATION/JSON", "application/vnd.api+json", "application/problem+json;x=y"]
    {
        let (_, found) = rewrite(404, &[("content-type", media_type)], link, None).await;
        assert!(
            found.expect("a body").starts_with(b"{\"links\":{\"next\":{\"href\":\"https://analytics."),
            "{media_type}"
        );
    }
}

#[tokio::test]
async fn a_broken_coding_breaks_off() {
    let body = encode("gzip", large().as_bytes()).await;
    let mut damaged = body.clone();
    damaged[2000] ^= 0x55;
    for broken in [&body[..body.len() - 1], &body[..20], b"{\"links\":{}}", &damaged] {
        for piece in [None, Some(1000)] {
            let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
            let (_, found) = rewrite(200, &headers, broken, piece).await;
            assert!(found.is_err(), "{piece:?}");
        }
    }
    let body = encode("br", large().as_bytes()).await;
    let headers = [("content-type", "application/json"), ("content-encoding", "br")];
    assert!(rewrite(200, &headers, &body[..body.len() - 1], Some(1000)).await.1.is_err());
}

#[tokio::test]
async fn a_small_body_that_becomes_a_large_one_comes_in_steps() {
    // 16 MiB in 16 KiB, with a link at the beginning.
    let mut text = CASES[0].0.as_bytes().to_vec();
    text.resize(16 << 20, b' ');
    let body = encode("gzip", &text).await;
    let mut input = Bytes::from(body.clone());
    let mut decoder = Decoder::of(Coding::Gzip).expect("gzip is decoded");
    let mut size = 0;
    while let Some(piece) = decoder.step(&mut input).expect("it is whole") {
        assert!(piece.len() <= 32 * 1024);
        size += piece.len();
    }
    decoder.finish().expect("it is whole");
    assert_eq!(size, text.len());
    // Two members are one body (RFC 1952, section 2.2).
    let two = [
        encode("gzip", br#"{"links":{"a":{"href":"https://t.eu."#).await,
        encode("gzip", br#"qlikcloud.com/"}}}"#).await,
    ];
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let (_, found) = rewrite(200, &headers, &two.concat(), None).await;
    assert_eq!(
        decode("gzip", &found.expect("a body")).await,
        format!(r#"{{"links":{{"a":{{"href":"{HERE}/"}}}}}}"#).as_bytes()
    );
}
