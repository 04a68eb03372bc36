//! What a refusal of the tenant is about, where that decides what to do next.

use std::mem;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, Response};
use memchr::memmem;

use super::Passed;
use super::coding::{Coding, Decoder};

/// The largest refusal that is read for its code, in bytes, also when it is decoded.
const LARGEST: usize = 64 * 1024;

impl Passed {
    /// Whether the tenant missed its CSRF token. Its code stands at the top, or among the errors (Qlik Cloud facts, section D).
    /// The body is read for that, and can be passed on all the same.
    pub async fn misses_csrf(&mut self) -> bool {
        let Ok(body) = to_bytes(mem::take(self.response.body_mut()), LARGEST).await else {
            // Larger than any refusal of the tenant's: whoever asked is told that it was one, without the words.
            let status = self.response.status();
            self.response = Response::new(Body::empty());
            *self.response.status_mut() = status;
            return false;
        };
        let words = words(self.response.headers(), body.clone());
        *self.response.body_mut() = Body::from(body);
        words.is_some_and(|words| memmem::find(&words, b"\"CSRF-TOKEN-2\"").is_some())
    }
}

/// The text of a refusal. `None` when it cannot be read.
fn words(headers: &HeaderMap, mut body: Bytes) -> Option<Vec<u8>> {
    let Some(mut decoder) = Decoder::of(Coding::of(headers)?) else { return Some(body.to_vec()) };
    let mut words = Vec::new();
    while let Some(piece) = decoder.step(&mut body).ok()? {
        words.extend_from_slice(&piece);
        if words.len() >= LARGEST {
            break;
        }
    }
    Some(words)
}
