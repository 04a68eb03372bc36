//! Where the frames of a websocket begin and end (RFC 6455, section 5.2), read from the bytes as they pass.
//!
//! Only headers are looked at. Payloads stay as they are, compressed or not, and so do the reserved bits, the unknown
//! opcodes and the order of fragments: those are for the two ends to judge.

use std::fmt;

/// What a control frame may carry, in bytes (RFC 6455, section 5.5).
const LARGEST_CONTROL: u64 = 125;
/// How many bytes of payload masking key stand before a masked payload.
const KEY: u64 = 4;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A client: all its frames are masked (RFC 6455, section 5.3).
    Browser,
    /// A server: none of its frames is masked.
    Tenant,
}

/// A Close frame of ours: code and reason (RFC 6455, section 5.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code (RFC 6455, section 7.4; Qlik Cloud facts, section F.4).
    pub code: u16,
    /// The reason. What is longer than 123 bytes is cut off.
    pub reason: &'static str,
}

impl Close {
    /// The frame, masked with this key when a tenant is to read it.
    pub fn frame(&self, key: Option<[u8; 4]>) -> Vec<u8> {
        let reason = &self.reason[..self.reason.floor_char_boundary(LARGEST_CONTROL as usize - 2)];
        let payload: Vec<u8> = self.code.to_be_bytes().into_iter().chain(reason.bytes()).collect();
        let mut frame = vec![0x88, payload.len() as u8];
        match key {
            Some(key) => {
                frame[1] |= 0x80;
                frame.extend(key);
                frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
            }
            None => frame.extend(payload),
        }
        frame
    }
}

impl fmt::Display for Close {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.reason)
    }
}

/// What has passed one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames that began, control frames too.
    pub frames: u64,
    /// Messages of which the last frame began.
    pub messages: u64,
    /// Bytes, headers too.
    pub bytes: u64,
}

/// Why a frame may not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A browser's frame without a mask, or a tenant's frame with one.
    #[error("a frame was masked in the wrong direction")]
    Mask,
    /// More than 125 bytes, or in fragments.
    #[error("a control frame was too long or fragmented")]
    Control,
    /// The message would be larger than the limit.
    #[error("a message was too large")]
    TooLarge,
}

/// Why the reading stopped before the end of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A Close frame is complete: what follows means nothing (RFC 6455, section 5.5.1).
    Closed,
    /// The next frame may not pass.
    Fault(Fault),
}

/// How far the bytes may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// So many of the bytes may pass. What remains without a stop is the beginning of a header: at most nine bytes, which
    /// must be presented again with what follows them.
    pub pass: usize,
    /// Why no more may pass, now or ever.
    pub stop: Option<Stop>,
}

/// A place among the frames that one side sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    sender: Sender,
    /// The largest message, in bytes of payload as they are sent, so perhaps compressed.
    largest: u64,
    /// How much of the frame is still to come.
    left: u64,
    /// The size of the message so far.
    message: u64,
    /// The frame is a Close frame.
    closing: bool,
    traffic: Traffic,
}

/// The header of a frame, without the masking key.
struct Header {
    first: u8,
    masked: bool,
    /// Size of the payload.
    payload: u64,
    /// Size of the header.
    size: usize,
}

impl Fault {
    /// What both ends are told.
    pub fn close(self) -> Close {
        match self {
            Self::Mask => Close { code: 1002, reason: "a frame was masked in the wrong direction" },
            Self::Control => Close { code: 1002, reason: "a control frame was too long or fragmented" },
            Self::TooLarge => Close { code: 1009, reason: "the message is too large" },
        }
    }
}

impl Frames {
    /// Before the first frame of this sender, whose messages may be so large, in bytes.
    pub fn new(sender: Sender, largest: u64) -> Self {
        Self { sender, largest, left: 0, message: 0, closing: false, traffic: Traffic::default() }
    }

    /// Whether no frame has begun that has not ended.
    pub fn at_boundary(&self) -> bool {
        self.left == 0
    }

    /// How many bytes are still to come of the frame that has begun.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// What has passed.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Moves on over these bytes, as far as they may pass. Where they are cut makes no difference, if what did not pass
    /// comes again.
    pub fn read(&mut self, bytes: &[u8]) -> Reading {
        let mut at = 0;
        let stop = loop {
            let taken = self.left.min((bytes.len() - at) as u64);
            self.left -= taken;
            at += taken as usize;
            if self.left > 0 {
                break None;
            }
            if self.closing {
                break Some(Stop::Closed);
            }
            let Some(header) = header(&bytes[at..]) else { break None };
            if let Err(fault) = self.begin(&header) {
                break Some(Stop::Fault(fault));
            }
            at += header.size;
        };
        self.traffic.bytes += at as u64;
        Reading { pass: at, stop }
    }

    fn begin(&mut self, header: &Header) -> Result<(), Fault> {
        let (last, opcode) = (header.first & 0x80 != 0, header.first & 0x0f);
        if header.masked != (self.sender == Sender::Browser) {
            return Err(Fault::Mask);
        }
        if opcode & 0x8 != 0 {
            if !last || header.payload > LARGEST_CONTROL {
                return Err(Fault::Control);
            }
            self.closing = opcode == 0x8;
        } else {
            // A continuation adds to the message; every other opcode begins one.
            let before = if opcode == 0 { self.message } else { 0 };
            let message = before.saturating_add(header.payload);
            if message > self.largest {
                return Err(Fault::TooLarge);
            }
            self.message = message;
            self.traffic.messages += u64::from(last);
        }
        self.traffic.frames += 1;
        self.left = header.payload.saturating_add(if header.masked { KEY } else { 0 });
        Ok(())
    }
}

/// The header at the beginning of these bytes, when it is there as a whole.
fn header(bytes: &[u8]) -> Option<Header> {
    let &[first, second, ref more @ ..] = bytes else { return None };
    let (payload, size) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(*more.first_chunk()?)), 4),
        127 => (u64::from_be_bytes(*more.first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    Some(Header { first, masked: second & 0x80 != 0, payload, size })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![first];
        match payload.len() {
            size @ ..126 => frame.push(mask | size as u8),
            size @ 126..65536 => {
                frame.push(mask | 126);
                frame.extend((size as u16).to_be_bytes());
            }
            size => {
                frame.push(mask | 127);
                frame.extend((size as u64).to_be_bytes());
            }
        }
        if masked {
            frame.extend([1, 2, 3, 4]);
        }
        frame.extend(payload);
        frame
    }

    /// All of it in pieces of these sizes: what passed, and the stop.
    fn in_pieces(mut frames: Frames, bytes: &[u8], sizes: &[usize]) -> (Frames, usize, Option<Stop>) {
        let (mut passed, mut end) = (0, 0);
        let mut sizes = sizes.iter().cycle();
        while end < bytes.len() {
            end = bytes.len().min(end + sizes.next().copied().unwrap_or(1).max(1));
            let reading = frames.read(&bytes[passed..end]);
            passed += reading.pass;
            if reading.stop.is_some() {
                return (frames, passed, reading.stop);
            }
            assert!(end - passed < 10, "only a header waits");
        }
        (frames, passed, None)
    }

    #[test]
    fn frames_messages_and_bytes_are_counted() {
        let mut frames = Frames::new(Sender::Tenant, MIB);
        let all = [
            frame(0x81, b"text", false),
            frame(0x02, &[0; 300], false),
            frame(0x89, b"ping", false),
            frame(0x00, &[0; 70_000], false),
            frame(0x80, b"", false),
            frame(0xc1, b"compressed", false),
        ]
        .concat();
        assert_eq!(frames.read(&all), Reading { pass: all.len(), stop: None });
        assert_eq!(frames.traffic(), Traffic { frames: 6, messages: 3, bytes: all.len() as u64 });
        assert!(frames.at_boundary());
    }

    #[test]
    fn only_the_right_direction_is_masked() {
        for (sender, masked) in [(Sender::Browser, true), (Sender::Tenant, false)] {
            let mut frames = Frames::new(sender, MIB);
            let good = frame(0x81, b"x", masked);
            let both = [good.clone(), frame(0x81, b"x", !masked)].concat();
            assert_eq!(frames.read(&both), Reading { pass: good.len(), stop: Some(Stop::Fault(Fault::Mask)) });
            assert!(frames.at_boundary(), "the frame before has passed whole");
        }
    }

    #[test]
    fn control_frames_are_short_and_whole() {
        for wrong in [frame(0x89, &[0; 126], false), frame(0x88, &[0; 126], false), frame(0x09, b"", false)] {
            let reading = Frames::new(Sender::Tenant, MIB).read(&wrong);
            assert_eq!(reading, Reading { pass: 0, stop: Some(Stop::Fault(Fault::Control)) });
        }
        let longest = frame(0x8a, &[0; 125], false);
        assert_eq!(Frames::new(Sender::Tenant, MIB).read(&longest).stop, None);
    }

    #[test]
    fn fragments_of_a_message_share_one_limit() {
        let largest = |bytes: &[Vec<u8>]| Frames::new(Sender::Tenant, 100).read(&bytes.concat()).stop;
        let too_large = Some(Stop::Fault(Fault::TooLarge));
        assert_eq!(largest(&[frame(0x82, &[0; 100], false), frame(0x82, &[0; 100], false)]), None);
        assert_eq!(largest(&[frame(0x82, &[0; 101], false)]), too_large);
        assert_eq!(largest(&[frame(0x02, &[0; 60], false), frame(0x80, &[0; 40], false)]), None);
        assert_eq!(
            largest(&[frame(0x02, &[0; 60], false), frame(0x89, b"ping", false), frame(0x80, &[0; 41], false)]),
            too_large
        );
        let endless = [&[0x82, 127][..], &u64::MAX.to_be_bytes()].concat();
        assert_eq!(largest(&[endless]), too_large);
    }

    #[test]
    fn nothing_passes_after_a_close() {
        let close = frame(0x88, b"\x0f\xa2reason", true);
        let mut frames = Frames::new(Sender::Browser, MIB);
        let reading = frames.read(&[close.clone(), frame(0x81, b"late", true)].concat());
        assert_eq!(reading, Reading { pass: close.len(), stop: Some(Stop::Closed) });
        assert_eq!(frames.read(b"more"), Reading { pass: 0, stop: Some(Stop::Closed) });
        assert_eq!(Frames::new(Sender::Tenant, MIB).read(&[0x88, 0]).stop, Some(Stop::Closed));
    }

    #[test]
    fn our_close_frames_are_read_as_such() {
        let close = Close { code: 4401, reason: "session ended" };
        assert_eq!(close.frame(None), b"\x88\x0f\x11\x31session ended");
        assert_eq!(close.frame(Some([0, 0, 0, 0])), b"\x88\x8f\0\0\0\0\x11\x31session ended");
        let masked = close.frame(Some([0xff, 0, 0, 1]));
        assert_eq!(masked[..8], [0x88, 0x8f, 0xff, 0, 0, 1, 0x11 ^ 0xff, 0x31]);
        let long = Close { code: 1001, reason: "ä".repeat(80).leak() }.frame(None);
        assert_eq!(long.len(), 2 + 124, "never in the middle of a character");
        assert_eq!(Frames::new(Sender::Tenant, MIB).read(&long), Reading { pass: 126, stop: Some(Stop::Closed) });
    }

    fn any_frames() -> impl Strategy<Value = Vec<u8>> {
        let one = (any::<u8>(), prop_oneof![0..130_usize, 65_500..65_600_usize], prop::bool::weighted(0.9))
            .prop_map(|(first, size, masked)| frame(first, &vec![7; size], masked));
        prop::collection::vec(one, 0..8).prop_map(|frames| frames.concat())
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_makes_no_difference(
            bytes in prop_oneof![any_frames(), prop::collection::vec(any::<u8>(), 0..400)],
            sizes in prop::collection::vec(1..5_000_usize, 1..10),
        ) {
            let frames = Frames::new(Sender::Browser, 100_000);
            let mut whole = frames;
            let reading = whole.read(&bytes);
            prop_assert!(reading.pass <= bytes.len());
            prop_assert_eq!(in_pieces(frames, &bytes, &sizes), (whole, reading.pass, reading.stop));
        }

        #[test]
        fn what_passed_ends_where_a_close_may_be_put(bytes in any_frames()) {
            let mut frames = Frames::new(Sender::Browser, 100_000);
            let reading = frames.read(&bytes);
            prop_assert!(reading.stop.is_none() || frames.at_boundary());
            let mut again = Frames::new(Sender::Browser, 100_000);
            again.read(&bytes[..reading.pass]);
            prop_assert_eq!(again.traffic(), frames.traffic());
        }
    }
}
