use proptest::prelude::*;
use serde_json::Value;

use super::scan::BEFORE;
use super::*;

mod answers;

const HERE: &str = "https://analytics.portal.example";

fn origins() -> (Origin, Origin) {
    (Origin::parse("https://t.eu.qlikcloud.com").expect("an origin"), Origin::parse(HERE).expect("an origin"))
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
    String::from_utf8(scan([text.as_bytes()])).expect("text stays text")
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
        let text = write(&value).expect("a value is JSON");
        let mut wanted = value;
        expected(&mut wanted, None, None, None);
        let found = scan(text.as_bytes().chunks(size));
        prop_assert_eq!(String::from_utf8(found).expect("text stays text"), write(&wanted).expect("a value is JSON"));
    }
}
