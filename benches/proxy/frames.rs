//! Websocket frames (RFC 6455, section 5.2), as much of them as the tenant and the visitors need.

pub const TEXT: u8 = 0x1;
pub const CLOSE: u8 = 0x8;
/// The mask in the examples of section 5.7.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What stands before the payload.
pub struct Head {
    pub opcode: u8,
    mask: Option<[u8; 4]>,
    pub bytes: usize,
    pub payload: usize,
}

impl Head {
    /// Reads it from the beginning of these bytes. None: more are needed.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (&first, &second) = (bytes.first()?, bytes.get(1)?);
        let (payload, at) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)), 4),
            127 => (usize::try_from(u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?)).ok()?, 10),
            short => (usize::from(short), 2),
        };
        let is_masked = second & 0x80 != 0;
        let mask = if is_masked { Some(*bytes.get(at..)?.first_chunk()?) } else { None };
        Some(Self { opcode: first & 0x0f, mask, bytes: if is_masked { at + 4 } else { at }, payload })
    }

    pub fn frame(&self) -> usize {
        self.bytes + self.payload
    }

    pub fn unmask(&self, payload: &mut [u8]) {
        if let Some(mask) = self.mask {
            apply(mask, payload);
        }
    }
}

/// One message in one frame, as a client sends it.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len());
    frame[1] |= 0x80;
    frame.extend(MASK);
    let at = frame.len();
    frame.extend(payload);
    apply(MASK, &mut frame[at..]);
    frame
}

/// One message in one frame, as a server sends it.
pub fn plain(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(opcode, payload.len());
    frame.extend(payload);
    frame
}

fn head(opcode: u8, payload: usize) -> Vec<u8> {
    let mut head = vec![0x80 | opcode];
    match payload {
        0..126 => head.push(payload as u8),
        126..=0xffff => {
            head.push(126);
            head.extend((payload as u16).to_be_bytes());
        }
        _ => {
            head.push(127);
            head.extend((payload as u64).to_be_bytes());
        }
    }
    head
}

fn apply(mask: [u8; 4], payload: &mut [u8]) {
    let (words, rest) = payload.as_chunks_mut::<4>();
    for word in words {
        *word = (u32::from_ne_bytes(*word) ^ u32::from_ne_bytes(mask)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}
