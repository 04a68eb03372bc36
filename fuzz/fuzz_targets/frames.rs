//! Whatever comes as frames: where the bytes are cut makes no difference, and what passes is what a plain reading allows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qlik_embed_bff::proxy::relay::frames::{Frames, Sender, Stop};

const LARGEST: u64 = 5_000;

fuzz_target!(|input: (bool, Vec<u8>, Vec<u8>)| {
    let (browser, sizes, bytes) = input;
    let sender = if browser { Sender::Browser } else { Sender::Tenant };
    let mut whole = Frames::new(sender, LARGEST);
    let reading = whole.read(&bytes);
    assert_eq!((reading.pass, matches!(reading.stop, Some(Stop::Fault(_)))), plainly(&bytes, browser));
    assert!(reading.stop.is_none() || whole.at_boundary());

    let mut pieces = Frames::new(sender, LARGEST);
    let (mut passed, mut end, mut stop) = (0, 0, None);
    let mut sizes = sizes.into_iter().cycle();
    while end < bytes.len() && stop.is_none() {
        end = bytes.len().min(end + usize::from(sizes.next().unwrap_or(2)) + 1);
        let reading = pieces.read(&bytes[passed..end]);
        passed += reading.pass;
        stop = reading.stop;
        assert!(stop.is_some() || end - passed < 10, "only the beginning of a header waits");
    }
    assert_eq!((pieces, passed, stop), (whole, reading.pass, reading.stop));
});

/// How many bytes pass, and whether a fault follows: frame by frame, as RFC 6455 tells it.
fn plainly(bytes: &[u8], browser: bool) -> (usize, bool) {
    let (mut at, mut message) = (0, 0);
    while let [first, second, more @ ..] = &bytes[at..] {
        let wide = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if more.len() < wide {
            break;
        }
        let long = more[..wide].iter().fold(0_u64, |size, byte| size << 8 | u64::from(*byte));
        let size = if wide == 0 { u64::from(second & 0x7f) } else { long };
        if (second & 0x80 != 0) != browser {
            return (at, true);
        }
        match first & 0x0f {
            8.. if first & 0x80 == 0 || size > 125 => return (at, true),
            8.. => {}
            0 => message = size.saturating_add(message),
            _ => message = size,
        }
        if message > LARGEST {
            return (at, true);
        }
        let end = at + 2 + wide + if browser { 4 } else { 0 } + size as usize;
        if end > bytes.len() {
            return (bytes.len(), false);
        }
        at = end;
        if first & 0x0f == 8 {
            break;
        }
    }
    (at, false)
}
