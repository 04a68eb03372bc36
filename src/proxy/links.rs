//! The tenant's own addresses in JSON: clients follow `links.next.href` as it is written (Qlik Cloud facts, section G.1), and
//! would leave us.
//!
//! What is changed is the beginning of each member `href` of an object in an object `links`, at any depth, where it is the
//! tenant's origin. All else stays byte for byte, also the order of members, and what is no JSON at all. Bodies are not kept: a
//! piece in which the tenant is not named goes on as it is, without a copy.
//!
//! In a body that is compressed there is no other way than to read and write it anew. One that is not large is first only
//! read; without such a link in it, it goes on as it came.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::Full;

use super::Error;
use super::coding::{Coding, Decoder, Encoder};
use crate::origin::Origin;

mod names;
mod scan;

pub use names::Names;
pub use scan::Scan;

/// Said about the bytes of a body, which change.
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Changes the links of one tenant.
#[derive(Clone)]
pub(super) struct Links(Arc<Names>);

impl Links {
    /// From the tenant's origin to the one under which visitors see it.
    pub(super) fn new(tenant: &Origin, origin: &Origin) -> Self {
        Self(Arc::new(Names::new(tenant, origin)))
    }

    /// The body of an answer as the browser gets it, and what that means for its headers. `whole` is the body when it is there
    /// already, and `rest` the body otherwise.
    pub(super) fn rewrite<B>(
        &self,
        method: &Method,
        status: StatusCode,
        headers: &mut HeaderMap,
        whole: Option<Bytes>,
        rest: B,
    ) -> Body
    where
        B: http_body::Body<Data = Bytes, Error = Error> + Send + Unpin + 'static,
    {
        // A part of a body is a part of the tenant's body. Without a body there is nothing to change.
        let has_links = status != StatusCode::PARTIAL_CONTENT
            && method != Method::HEAD
            && !whole.as_ref().is_some_and(Bytes::is_empty)
            && is_json(headers);
        let coding = if has_links { Coding::of(headers) } else { None };
        match (coding, whole) {
            (None, Some(whole)) => Body::from(whole),
            (None, None) => Body::new(rest),
            (Some(Coding::Identity), Some(whole)) => {
                let Some(changed) = self.change(&whole) else { return Body::from(whole) };
                forget_digests(headers);
                if headers.contains_key(header::CONTENT_LENGTH) {
                    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(changed.len()));
                }
                Body::from(changed)
            }
            (Some(coding), Some(whole)) => {
                let scan = Scan::new(Arc::clone(&self.0));
                let found = Decoder::of(coding).map(|decoder| finds_link(decoder, whole.clone(), scan));
                // What cannot be read breaks off on its way, as it would if it were longer.
                if matches!(found, Some(Ok(false))) {
                    return Body::from(whole);
                }
                self.stream(coding, headers, Full::new(whole))
            }
            (Some(coding), None) => self.stream(coding, headers, rest),
        }
    }

    fn change(&self, whole: &Bytes) -> Option<Bytes> {
        // Most answers do not name the tenant.
        self.0.host.find(whole)?;
        let mut scan = Scan::new(Arc::clone(&self.0));
        let mut pieces = VecDeque::new();
        scan.push(whole.clone(), &mut pieces);
        scan.finish(&mut pieces);
        scan.has_changed().then(|| pieces.into_iter().flatten().collect())
    }

    fn stream<B>(&self, coding: Coding, headers: &mut HeaderMap, source: B) -> Body
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        Error: From<B::Error>,
    {
        headers.remove(header::CONTENT_LENGTH);
        forget_digests(headers);
        let scan = Scan::new(Arc::clone(&self.0));
        let codecs = Decoder::of(coding).zip(Encoder::of(coding));
        Body::new(Rewritten { source, scan, codecs, input: Bytes::new(), output: VecDeque::new(), is_over: false })
    }
}

/// Whether a whole body has a link that would be changed.
fn finds_link(mut decoder: Decoder, mut body: Bytes, mut scan: Scan) -> Result<bool, Error> {
    let mut pieces = VecDeque::new();
    while let Some(piece) = decoder.step(&mut body)? {
        scan.push(piece, &mut pieces);
        pieces.clear();
        if scan.has_changed() {
            return Ok(true);
        }
    }
    decoder.finish()?;
    Ok(false)
}

/// `application/json`, `application/vnd.api+json`, with or without parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(media_type)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let ends = |with: &str| {
        let start = essence.len().checked_sub(with.len());
        start.and_then(|start| essence.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    essence.eq_ignore_ascii_case("application/json") || ends("+json")
}

fn forget_digests(headers: &mut HeaderMap) {
    for name in &DIGESTS {
        headers.remove(name);
    }
}

/// A body on its way through the scan, and through a coding if there is one.
struct Rewritten<B> {
    source: B,
    scan: Scan,
    codecs: Option<(Decoder, Encoder)>,
    input: Bytes,
    output: VecDeque<Bytes>,
    is_over: bool,
}

impl<B> Rewritten<B> {
    /// Takes a step with what has come. False when more has to come first.
    fn advance(&mut self) -> Result<bool, Error> {
        let Some((decoder, encoder)) = &mut self.codecs else {
            let input = mem::take(&mut self.input);
            let has_input = !input.is_empty();
            self.scan.push(input, &mut self.output);
            return Ok(has_input);
        };
        let Some(piece) = decoder.step(&mut self.input)? else { return Ok(false) };
        let mut pieces = VecDeque::new();
        self.scan.push(piece, &mut pieces);
        pieces.into_iter().try_for_each(|piece| encoder.push(&piece, &mut self.output))?;
        Ok(true)
    }

    fn finish(&mut self) -> Result<(), Error> {
        self.is_over = true;
        let Some((decoder, encoder)) = &mut self.codecs else {
            self.scan.finish(&mut self.output);
            return Ok(());
        };
        decoder.finish()?;
        let mut pieces = VecDeque::new();
        self.scan.finish(&mut pieces);
        pieces.into_iter().try_for_each(|piece| encoder.push(&piece, &mut self.output))?;
        encoder.finish(&mut self.output)
    }
}

impl<B> http_body::Body for Rewritten<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    Error: From<B::Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        loop {
            if let Some(piece) = this.output.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
            if this.is_over {
                return Poll::Ready(None);
            }
            let step = match this.advance() {
                Ok(true) => continue,
                Ok(false) => match ready!(Pin::new(&mut this.source).poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        this.input = frame.into_data().unwrap_or_default();
                        continue;
                    }
                    Some(Err(error)) => Err(error.into()),
                    None => this.finish(),
                },
                Err(error) => Err(error),
            };
            if let Err(error) = step {
                this.is_over = true;
                this.output.clear();
                return Poll::Ready(Some(Err(error)));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over && self.output.is_empty()
    }
}

#[cfg(test)]
mod tests;
