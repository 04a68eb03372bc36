//! Whatever comes as a request target: what passes is itself, leads to no other host, and has no hidden segments.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use qlik_embed_bff::proxy::target::Paths;

static PATHS: LazyLock<Paths> = LazyLock::new(|| Paths::new(vec!["/hub/".into(), "/l".into()]));

fuzz_target!(|target: &[u8]| {
    let Ok(passed) = PATHS.parse(target) else { return };
    assert_eq!(passed.path_and_query().as_str().as_bytes(), target);
    let mut path = passed.path().as_bytes().to_vec();
    let slashes = count(&path);
    loop {
        assert!(path.starts_with(b"/") && !path.starts_with(b"/login") && !path.starts_with(b"/logout"));
        assert!(std::str::from_utf8(&path).is_ok() && !path.contains(&b'\\'));
        assert!(!path.iter().any(u8::is_ascii_control) && !path.windows(2).any(|pair| pair == b"//"));
        assert!(!path.split(|&byte| byte == b'/').any(|segment| matches!(segment, b"." | b"..")));
        assert_eq!(count(&path), slashes);
        let decoded = decode(&path);
        if decoded == path {
            break;
        }
        path = decoded;
    }
});

fn count(path: &[u8]) -> usize {
    path.iter().filter(|&&byte| byte == b'/').count()
}

/// One reading of percent-encoding, written apart from the product's.
fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut decoded = Vec::new();
    let mut rest = text;
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..]) if digit(*high).is_some() && digit(*low).is_some() => {
                decoded.push(digit(*high).unwrap_or_default() * 16 + digit(*low).unwrap_or_default());
                rest = after;
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}
