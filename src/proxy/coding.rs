//! Bodies that are compressed (RFC 9110, section 8.4.1).

use std::collections::VecDeque;

use async_compression::Level;
use async_compression::codecs::brotli::params::EncoderParams;
use async_compression::codecs::{BrotliDecoder, BrotliEncoder, DecodeV2, EncodeV2, GzipDecoder, GzipEncoder};
use async_compression::core::util::{PartialBuffer, WriteBuffer};
use bytes::{Buf, Bytes};
use http::header::{self, HeaderMap};

use super::Error;

/// How much is decoded or encoded in one step, in bytes: a small body can become a very large one.
const STEP: usize = 32 * 1024;
/// Of 11. What servers choose for bodies that are made anew each time.
const BROTLI_QUALITY: Level = Level::Precise(4);
/// Logarithm of how far brotli looks back, and of what it keeps in memory: 256 KiB.
const BROTLI_WINDOW: i32 = 18;

/// The codings that [`super::headers`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Brotli,
}

impl Coding {
    /// The coding of a body. None when it is one that nobody asked for.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let Some(value) = values.next() else { return Some(Self::Identity) };
        let is = |name: &str| value.as_bytes().eq_ignore_ascii_case(name.as_bytes());
        match values.next() {
            Some(_) => None,
            None if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            None if is("br") => Some(Self::Brotli),
            None if is("identity") => Some(Self::Identity),
            None => None,
        }
    }
}

/// Reads a body of a coding, in steps of bounded size.
pub(super) struct Decoder {
    codec: Box<dyn DecodeV2 + Send>,
    buffer: Box<[u8]>,
    /// There may be more to give without more input.
    is_full: bool,
    has_begun: bool,
    is_over: bool,
}

impl Decoder {
    /// None for what needs no decoding.
    pub(super) fn of(coding: Coding) -> Option<Self> {
        let codec: Box<dyn DecodeV2 + Send> = match coding {
            Coding::Identity => return None,
            Coding::Gzip => Box::new(GzipDecoder::new()),
            Coding::Brotli => Box::new(BrotliDecoder::new()),
        };
        Some(Self { codec, buffer: buffer(), is_full: false, has_begun: false, is_over: false })
    }

    /// The next piece. None when there is none without more input.
    pub(super) fn step(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, Error> {
        while self.is_full || !input.is_empty() {
            // A body may have several members (RFC 1952, section 2.2).
            if self.is_over && !input.is_empty() {
                self.codec.reinit().map_err(broken)?;
                self.is_over = false;
            }
            self.has_begun = true;
            let mut output = WriteBuffer::new_initialized(&mut self.buffer);
            if input.is_empty() {
                self.codec.flush(&mut output).map_err(broken)?;
            } else {
                let mut part = PartialBuffer::new(&input[..]);
                self.is_over = self.codec.decode(&mut part, &mut output).map_err(broken)?;
                let read = part.written_len();
                if read == 0 && output.written_len() == 0 && !self.is_over {
                    return Err(BROKEN);
                }
                input.advance(read);
            }
            self.is_full = output.has_no_spare_space();
            if output.written_len() > 0 {
                return Ok(Some(Bytes::copy_from_slice(output.written())));
            }
        }
        Ok(None)
    }

    /// At the end of the input: whether the body is at its end, too. One without any bytes is.
    pub(super) fn finish(&mut self) -> Result<(), Error> {
        if self.is_over || !self.has_begun {
            return Ok(());
        }
        let mut output = WriteBuffer::new_initialized(&mut self.buffer);
        let is_over = self.codec.finish(&mut output).map_err(broken)?;
        if is_over && output.written_len() == 0 { Ok(()) } else { Err(BROKEN) }
    }
}

/// Writes a body of a coding.
pub(super) struct Encoder {
    codec: Box<dyn EncodeV2 + Send>,
    buffer: Box<[u8]>,
    has_begun: bool,
}

impl Encoder {
    /// None for what needs no encoding.
    pub(super) fn of(coding: Coding) -> Option<Self> {
        let codec: Box<dyn EncodeV2 + Send> = match coding {
            Coding::Identity => return None,
            Coding::Gzip => Box::new(GzipEncoder::new(Level::Fastest.into())),
            Coding::Brotli => {
                let params = EncoderParams::default().quality(BROTLI_QUALITY).window_size(BROTLI_WINDOW);
                Box::new(BrotliEncoder::new(params))
            }
        };
        Some(Self { codec, buffer: buffer(), has_begun: false })
    }

    /// Takes a piece, and gives what can go on. It keeps what compresses better with what follows.
    pub(super) fn push(&mut self, piece: &[u8], output: &mut VecDeque<Bytes>) -> Result<(), Error> {
        let mut input = PartialBuffer::new(piece);
        while !input.unwritten().is_empty() {
            self.has_begun = true;
            let mut step = WriteBuffer::new_initialized(&mut self.buffer);
            self.codec.encode(&mut input, &mut step).map_err(broken)?;
            give(&step, output);
        }
        Ok(())
    }

    /// Gives the rest.
    pub(super) fn finish(&mut self, output: &mut VecDeque<Bytes>) -> Result<(), Error> {
        let mut is_over = !self.has_begun;
        while !is_over {
            let mut step = WriteBuffer::new_initialized(&mut self.buffer);
            is_over = self.codec.finish(&mut step).map_err(broken)?;
            give(&step, output);
        }
        Ok(())
    }
}

const BROKEN: Error = Error::Unusable("its encoding is broken");

fn broken(_: std::io::Error) -> Error {
    BROKEN
}

fn buffer() -> Box<[u8]> {
    vec![0; STEP].into()
}

fn give(step: &WriteBuffer<'_>, output: &mut VecDeque<Bytes>) {
    if step.written_len() > 0 {
        output.push_back(Bytes::copy_from_slice(step.written()));
    }
}
