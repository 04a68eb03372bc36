use async_compression::Level;
use async_compression::tokio::write;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::scan::BEFORE;
use super::*;

const HERE: &str = "https://analytics.portal.example";

fn origins() -> (Origin, Origin) {
    (Origin::parse("https://t.eu.qlikcloud.com").unwrap(), Origin::parse(HERE).unwrap())
}

fn names() -> Arc<Names> {
    let (tenant, origin) = origins();
    Arc::new(Names::new(&tenant, &origin))
}

fn links() -> Links {
    let (tenant, origin) = origins();
    Links::new(&tenant, &origin)
}

/// What becomes of JSON that comes in these pieces.
fn scan<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut scan = Scan::new(names());
    let mut output = VecDeque::new();
    for piece in pieces {
        scan.push(Bytes::copy_from_slice(piece), &mut output);
    }
    scan.finish(&mut output);
    output.into_iter().flatten().collect()
}

fn scan_text(text: &str) -> String {
    String::from_utf8(scan([text.as_bytes()])).unwrap()
}

/// JSON as the tenant writes it, and as visitors see it.
const CASES: [(&str, &str); 22] = [
    (
        r#"{"links":{"next":{"href":"https://t.eu.qlikcloud.com/api/v1/items?next=1"}}}"#,
        r#"{"links":{"next":{"href":"HERE/api/v1/items?next=1"}}}"#,
    ),
    (
        r#"{"links":{"next":{"href":"https:\/\/t.eu.qlikcloud.com\/api"}}}"#,
        r#"{"links":{"next":{"href":"ESCAPED\/api"}}}"#,
    ),
    (r#"{"links":{"self":{"href":"https://t.eu.qlikcloud.com"}}}"#, r#"{"links":{"self":{"href":"HERE"}}}"#),
    (r#"{"links":{"self":{"href":"https://t.eu.qlikcloud.com?a"}}}"#, r#"{"links":{"self":{"href":"HERE?a"}}}"#),
    // With all the space that there may be.
    (
        "{ \"links\" :\r\n\t{ \"a\"\n:\t{ \"href\"  :  \"https://t.eu.qlikcloud.com/x\" } } }",
        "{ \"links\" :\r\n\t{ \"a\"\n:\t{ \"href\"  :  \"HERE/x\" } } }",
    ),
    // At any depth, several, with others beside them.
    (
        r#"{"data":[{"id":"1","links":{"self":{"href":"https://t.eu.qlikcloud.com/1"},"open":{"rel":"a","href":"https://t.eu.qlikcloud.com/2","x":{"y":[1,{"z":"]"}]}},"last":{"href":"https://t.eu.qlikcloud.com/3"}}}],"links":{"next":{"href":"https://t.eu.qlikcloud.com/4"},"prev":null}}"#,
        r#"{"data":[{"id":"1","links":{"self":{"href":"HERE/1"},"open":{"rel":"a","href":"HERE/2","x":{"y":[1,{"z":"]"}]}},"last":{"href":"HERE/3"}}}],"links":{"next":{"href":"HERE/4"},"prev":null}}"#,
    ),
    (
        r#"{"links":{"a":{"x":"}\"{[\\","y":[[]],"href":"https://t.eu.qlikcloud.com/x"}}}"#,
        r#"{"links":{"a":{"x":"}\"{[\\","y":[[]],"href":"HERE/x"}}}"#,
    ),
    (r#"{"links":{"\\\"":{"href":"https://t.eu.qlikcloud.com/x"}}}"#, r#"{"links":{"\\\"":{"href":"HERE/x"}}}"#),
    // Elsewhere.
    (r#"{"href":"https://t.eu.qlikcloud.com/x"}"#, ""),
    (r#"{"links":{"href":"https://t.eu.qlikcloud.com/x"}}"#, ""),
    (r#"{"links":{"self":"https://t.eu.qlikcloud.com/x"}}"#, ""),
    (r#"{"links":{"self":{"url":"https://t.eu.qlikcloud.com/x"}}}"#, ""),
    (r#"{"links":[{"href":"https://t.eu.qlikcloud.com/x"}]}"#, ""),
    (r#"{"links":{"a":[{"href":"https://t.eu.qlikcloud.com/x"}]}}"#, ""),
    (r#"{"links":{"a":{"b":{"href":"https://t.eu.qlikcloud.com/x"}}}}"#, ""),
    (r#"{"link":{"a":{"href":"https://t.eu.qlikcloud.com/x"}}}"#, ""),
    (r#"{"links":{},"a":{"href":"https://t.eu.qlikcloud.com/x"}}"#, ""),
    // Another host, or another place in the text.
    (r#"{"links":{"a":{"href":"https://t.eu.qlikcloud.com.evil.example/x"}}}"#, ""),
    (r#"{"links":{"a":{"href":"https://t.eu.qlikcloud.com:8443/x"}}}"#, ""),
    (r#"{"links":{"a":{"href":"https://a@t.eu.qlikcloud.com/x"}}}"#, ""),
    (r#"{"links":{"a":{"href":"/login?to=https://t.eu.qlikcloud.com/x"}}}"#, ""),
    // JSON within JSON belongs to whoever wrote it.
    (r#"{"text":"{\"links\":{\"a\":{\"href\":\"https://t.eu.qlikcloud.com/x\"}}}"}"#, ""),
];

fn cases() -> impl Iterator<Item = (String, String)> {
    let escaped = HERE.replace('/', "\\/");
    CASES.into_iter().map(move |(from, to)| {
        let to = if to.is_empty() { from.to_owned() } else { to.replace("HERE", HERE).replace("ESCAPED", &escaped) };
        (from.to_owned(), to)
    })
}

#[test]
fn links_to_the_tenant_lead_here_and_nothing_else_changes() {
    for (from, to) in cases() {
        assert_eq!(scan_text(&from), to);
    }
}

#[test]
fn what_is_no_json_is_left_alone() {
    for text in [
        "",
        "https://t.eu.qlikcloud.com/",
        "\"https://t.eu.qlikcloud.com/",
        "\"href\":\"https://t.eu.qlikcloud.com/",
        "{\"href\":\"https://t.eu.qlikcloud.com/",
        "\"a\":{\"href\":\"https://t.eu.qlikcloud.com/",
        "links\":{\"a\":{\"href\":\"https://t.eu.qlikcloud.com/",
        "}}}]]\"\"\\\"\\:{\"href\":\"https://t.eu.qlikcloud.com/",
        "https://t.eu.qlikcloud.comhttps://t.eu.qlikcloud.com",
        "https:\\/\\/t.eu.qlikcloud.com",
        "https:/",
    ] {
        assert_eq!(scan_text(text), text);
    }
}

#[test]
fn it_does_not_matter_where_pieces_end() {
    for (from, to) in cases() {
        let (from, to) = (from.as_bytes(), to.as_bytes());
        for first in 0..=from.len() {
            assert_eq!(scan([&from[..first], &from[first..]]), to, "{first} of {}", String::from_utf8_lossy(from));
            let second = (first + 7).min(from.len());
            assert_eq!(scan([&from[..first], &from[first..second], &from[second..]]), to);
        }
        for size in [1, 2, 3, 5, 50] {
            assert_eq!(scan(from.chunks(size)), to, "pieces of {size}");
        }
    }
}

#[test]
fn names_that_begin_in_names_are_found() {
    // The end of what is held may be a beginning once more.
    let text =
        r#"{"links":{"https://t.eu.qlikcloud.com":{"href":"https://t.eu.qlikcloud.com/hhttps://t.eu.qlikcloud.com"}}}"#;
    let expected = text.replace("\"href\":\"https://t.eu.qlikcloud.com", &format!("\"href\":\"{HERE}"));
    for first in 0..text.len() {
        assert_eq!(scan([&text.as_bytes()[..first], &text.as_bytes()[first..]]), expected.as_bytes());
    }
}

#[test]
fn many_pieces_later_a_link_is_still_a_link() {
    let item = r#"{"name":"x","links":{"self":{"href":"https://t.eu.qlikcloud.com/a"},"open":{"href":"https://t.eu.qlikcloud.com/b"}}}"#;
    let body = format!(r#"{{"data":[{}],"links":{{}}}}"#, vec![item; 1000].join(",\n"));
    let expected = body.replace("https://t.eu.qlikcloud.com", HERE);
    for size in [97, 1000, BEFORE - 1, BEFORE, BEFORE + 1, 65_536] {
        assert!(scan(body.as_bytes().chunks(size)) == expected.as_bytes(), "pieces of {size}");
    }
    // Bounded: what comes before a link may be so long that its place is not known any more.
    let far = |length: usize| {
        let before = "x".repeat(length);
        format!(r#"{{"links":{{"a":{{"x":"{before}","href":"https://t.eu.qlikcloud.com/x"}}}}}}"#)
    };
    assert!(scan_text(&far(BEFORE - 100)).contains(HERE));
    assert!(!scan_text(&far(BEFORE)).contains(HERE));
}

#[test]
fn pieces_without_the_tenant_are_not_copied() {
    let piece = Bytes::from(vec![b'x'; 100_000]);
    let mut output = VecDeque::new();
    Scan::new(names()).push(piece.clone(), &mut output);
    assert_eq!(output.len(), 1);
    assert_eq!((output[0].as_ptr(), output[0].len()), (piece.as_ptr(), piece.len()));
}

fn some_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        prop::sample::select(vec![
            "https://t.eu.qlikcloud.com/a",
            "https://t.eu.qlikcloud.com",
            "https://t.eu.qlikcloud.comx",
            "\"href\":\"https://t.eu.qlikcloud.com/",
            "{\"links\":{\"a\":{\"href\":\"https://t.eu.qlikcloud.com/\"}}}",
            "\\",
            "\"",
            "}{][",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    let leaf =
        prop_oneof![4 => text.prop_map(Value::from), 1 => any::<i32>().prop_map(Value::from), 1 => Just(Value::Null)];
    leaf.prop_recursive(6, 64, 5, |inner| {
        let key = prop::sample::select(vec!["links", "href", "self", "a\"b\\", "x"]).prop_map(str::to_owned);
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::vec((key, inner), 0..5).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The rule, written on the tree.
fn expected(value: &mut Value, grandparent: Option<&str>, parent: Option<&str>, key: Option<&str>) {
    match value {
        Value::String(text) if (grandparent, key) == (Some("links"), Some("href")) => {
            if let Some(rest) = text.strip_prefix("https://t.eu.qlikcloud.com")
                && (rest.is_empty() || rest.starts_with(['/', '?', '#', '"', '\\']))
            {
                *text = format!("{HERE}{rest}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| expected(item, None, None, None)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, member)| expected(member, parent, key, Some(name)));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn reading_backwards_finds_what_reading_forwards_does(value in some_json(), size in 1..200_usize, pretty: bool) {
        let write = |value: &Value| if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
        let text = write(&value).unwrap();
        let mut wanted = value;
        expected(&mut wanted, None, None, None);
        let found = scan(text.as_bytes().chunks(size));
        prop_assert_eq!(String::from_utf8(found).unwrap(), write(&wanted).unwrap());
    }
}

/// An answer's headers and body after [`Links::rewrite`]; whole, or in pieces.
async fn rewrite(
    status: u16,
    headers: &[(&str, &str)],
    body: &[u8],
    piece: Option<usize>,
) -> (HeaderMap, Result<Bytes, String>) {
    let mut head = HeaderMap::new();
    for (name, value) in headers {
        head.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    head.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let whole = piece.is_none().then(|| Bytes::copy_from_slice(body));
    let pieces: Vec<_> =
        body.chunks(piece.unwrap_or(1)).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let rest = StreamBody::new(stream::iter(pieces));
    let status = StatusCode::from_u16(status).unwrap();
    let body = links().rewrite(&Method::GET, status, &mut head, whole, rest);
    let body = body.collect().await.map(|body| body.to_bytes()).map_err(|error| error.to_string());
    (head, body)
}

async fn encode(coding: &str, text: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder = write::GzipEncoder::new(Vec::new());
            encoder.write_all(text).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }
        "br" => {
            let mut encoder = write::BrotliEncoder::with_quality(Vec::new(), Level::Precise(3));
            encoder.write_all(text).await.unwrap();
            encoder.shutdown().await.unwrap();
            encoder.into_inner()
        }
        _ => text.to_vec(),
    }
}

async fn decode(coding: &str, body: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut decoder = write::GzipDecoder::new(Vec::new());
            decoder.write_all(body).await.unwrap();
            decoder.shutdown().await.unwrap();
            decoder.into_inner()
        }
        "br" => {
            let mut decoder = write::BrotliDecoder::new(Vec::new());
            decoder.write_all(body).await.unwrap();
            decoder.shutdown().await.unwrap();
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
                let found = found.unwrap();
                let expected = text.replace("https://t.eu.qlikcloud.com", HERE);
                assert!(decode(coding, &found).await == expected.as_bytes(), "{coding} {piece:?}");
                assert_eq!(headers[header::CONTENT_ENCODING], coding);
                assert!(!headers.contains_key("digest"));
                let length = headers.get(header::CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned());
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
        assert_eq!(found.unwrap(), body);
        assert_eq!(headers[header::CONTENT_LENGTH], body.len().to_string());
        assert_eq!(headers["digest"], "x");
        // Nothing is nothing in every coding.
        let (_, nothing) =
            rewrite(200, &[("content-type", "application/json"), ("content-encoding", coding)], b"", None).await;
        assert_eq!(nothing.unwrap(), "");
        let streamed = [("content-type", "application/json"), ("content-encoding", coding)];
        assert_eq!(rewrite(200, &streamed, b"", Some(1)).await.1.unwrap(), "");
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
            assert_eq!(found.unwrap(), link, "{status} {headers:?}");
            assert_eq!(head[header::CONTENT_LENGTH], link.len().to_string());
        }
    }
    for media_type in
        ["application/json", "APPLICATION/JSON", "application/vnd.api+json", "application/problem+json;x=y"]
    {
        let (_, found) = rewrite(404, &[("content-type", media_type)], link, None).await;
        assert!(found.unwrap().starts_with(b"{\"links\":{\"next\":{\"href\":\"https://analytics."), "{media_type}");
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
    let mut decoder = Decoder::of(Coding::Gzip).unwrap();
    let mut size = 0;
    while let Some(piece) = decoder.step(&mut input).unwrap() {
        assert!(piece.len() <= 32 * 1024);
        size += piece.len();
    }
    decoder.finish().unwrap();
    assert_eq!(size, text.len());
    // Two members are one body (RFC 1952, section 2.2).
    let two = [
        encode("gzip", br#"{"links":{"a":{"href":"https://t.eu."#).await,
        encode("gzip", br#"qlikcloud.com/"}}}"#).await,
    ];
    let headers = [("content-type", "application/json"), ("content-encoding", "gzip")];
    let (_, found) = rewrite(200, &headers, &two.concat(), None).await;
    assert_eq!(
        decode("gzip", &found.unwrap()).await,
        format!(r#"{{"links":{{"a":{{"href":"{HERE}/"}}}}}}"#).as_bytes()
    );
}
