//! Finds links in JSON that comes in pieces.
//!
//! Reading all of the JSON would cost more than all else that is done with a body. So this looks for the tenant's host, which
//! takes vector instructions and is seldom found, and reads backwards from there: in JSON, a quotation mark that stands before
//! `https` begins a string, and what comes before it can be told from there without a doubt. How far it reads is bounded.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use memchr::memmem;

use super::names::Names;

/// How many bytes before a link are looked at. The links of an object stand together; each is an address.
pub(super) const BEFORE: usize = 16 * 1024;
const LINKS: &[u8] = b"\"links\"";

/// JSON under way.
pub struct Scan {
    names: Arc<Names>,
    /// The end of what went on, as far as it may be needed to judge what comes.
    before: Vec<u8>,
    /// The end of what came, which may be the beginning of a name.
    held: Bytes,
    has_changed: bool,
}

impl Scan {
    /// At the beginning of a body.
    pub fn new(names: Arc<Names>) -> Self {
        Self { names, before: Vec::new(), held: Bytes::new(), has_changed: false }
    }

    /// Takes the next piece, and gives what can go on.
    pub fn push(&mut self, mut piece: Bytes, output: &mut VecDeque<Bytes>) {
        if !self.held.is_empty() {
            // Enough to decide about what is held.
            let taken = piece.len().min(self.names.longest() + 1);
            let seam: Bytes = [&self.held[..], &piece[..taken]].concat().into();
            let left = self.pass(seam, output);
            if taken == piece.len() {
                return;
            }
            // What is held now came with this piece.
            self.held = Bytes::new();
            piece = piece.slice(taken - left..);
        }
        self.pass(piece, output);
    }

    /// Gives the rest. Nothing may come after it.
    pub fn finish(&mut self, output: &mut VecDeque<Bytes>) {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            output.push_back(held);
        }
    }

    /// Whether anything went on in another way than it came.
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }

    /// Passes a piece on, but for the end that it holds, whose length it tells.
    fn pass(&mut self, piece: Bytes, output: &mut VecDeque<Bytes>) -> usize {
        let names = Arc::clone(&self.names);
        let left = names.begun(&piece);
        let end = piece.len() - left;
        let mut passed = 0;
        for host in names.host.find_iter(&piece[..end]) {
            let Some(name) = names.ending(&piece, host) else { continue };
            let start = host - name.scheme;
            let after = piece.get(start + name.from.len());
            let is_whole = after.is_some_and(|byte| matches!(byte, b'/' | b'\\' | b'"' | b'?' | b'#'));
            if start < passed || !is_whole || !Backwards::new(&self.before, &piece[..start]).finds_link() {
                continue;
            }
            push(output, piece.slice(passed..start));
            push(output, name.to.clone());
            passed = start + name.from.len();
            self.has_changed = true;
        }
        push(output, piece.slice(passed..end));
        self.remember(&piece[..end]);
        self.held = piece.slice(end..);
        left
    }

    /// Keeps what may be needed to judge a link that comes: from the first `links` on that is not too far away.
    fn remember(&mut self, passed: &[u8]) {
        if passed.len() >= BEFORE {
            self.before.clear();
            self.before.extend_from_slice(from_links(&passed[passed.len() - BEFORE..]));
            return;
        }
        self.before.extend_from_slice(passed);
        if self.before.len() > 2 * BEFORE {
            let kept = from_links(&self.before[self.before.len() - BEFORE..]).len();
            self.before.drain(..self.before.len() - kept);
        }
    }
}

/// From the first `links` on. Without one, the last bytes, which may be the beginning of one.
fn from_links(bytes: &[u8]) -> &[u8] {
    let start = memmem::find(bytes, LINKS).unwrap_or_else(|| bytes.len().saturating_sub(LINKS.len() - 1));
    &bytes[start..]
}

fn push(output: &mut VecDeque<Bytes>, piece: Bytes) {
    if !piece.is_empty() {
        output.push_back(piece);
    }
}

/// Reads JSON from its end.
struct Backwards<'a> {
    rest: [&'a [u8]; 2],
    budget: usize,
}

impl<'a> Backwards<'a> {
    fn new(before: &'a [u8], bytes: &'a [u8]) -> Self {
        Self { rest: [before, bytes], budget: BEFORE }
    }

    /// Whether the string that begins here is an `href` in an object in an object `links`.
    fn finds_link(mut self) -> bool {
        let mut way = || {
            self.take(b'"')?;
            self.key_is(b"href")?;
            self.skip_to_object()?;
            self.colon()?;
            self.take(b'"')?;
            self.skip_string()?;
            self.skip_to_object()?;
            self.key_is(b"links")
        };
        way().is_some()
    }

    fn peek(&self) -> Option<u8> {
        self.rest[1].last().or_else(|| self.rest[0].last()).copied()
    }

    fn next(&mut self) -> Option<u8> {
        self.budget = self.budget.checked_sub(1)?;
        let part = if self.rest[1].is_empty() { &mut self.rest[0] } else { &mut self.rest[1] };
        let (last, rest) = part.split_last()?;
        *part = rest;
        Some(*last)
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) && self.next().is_some() {}
    }

    fn colon(&mut self) -> Option<()> {
        self.skip_space();
        self.take(b':')?;
        self.skip_space();
        Some(())
    }

    /// A colon, and before it this key.
    fn key_is(&mut self, key: &[u8]) -> Option<()> {
        self.colon()?;
        self.take(b'"')?;
        key.iter().rev().try_for_each(|&byte| self.take(byte))?;
        self.take(b'"')
    }

    /// A string whose last quotation mark was taken: to its first one, which has no backslash before it, or an even number.
    fn skip_string(&mut self) -> Option<()> {
        loop {
            if self.next()? != b'"' {
                continue;
            }
            let mut backslashes = 0;
            while self.peek() == Some(b'\\') {
                self.next()?;
                backslashes += 1;
            }
            if backslashes % 2 == 0 {
                return Some(());
            }
        }
    }

    /// Past the members that come before, and the brace that begins the object.
    fn skip_to_object(&mut self) -> Option<()> {
        let mut depth = 0;
        loop {
            match self.next()? {
                b'"' => self.skip_string()?,
                b'}' | b']' => depth += 1,
                b'{' if depth == 0 => return Some(()),
                b'[' if depth == 0 => return None,
                b'{' | b'[' => depth -= 1,
                _ => {}
            }
        }
    }
}
