//! One side of the conversation: its line, and how far it has ended in each direction.

use std::task::{Context, Poll, ready};

use aws_lc_rs::rand;
use bytes::{Buf, Bytes};

use super::frames::{Close, Sender};
use super::line::Line;

/// The tenant went away without a Close frame (RFC 6455, section 7.4.1: an unexpected condition).
const TENANT_LOST: Close = Close { code: 1011, reason: "the tenant's connection was lost" };

/// A browser or a tenant.
pub(super) struct Side {
    pub(super) line: Line,
    sender: Sender,
    pub(super) reads: Reads,
    writes: Writes,
}

/// What is still to come from a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Frames.
    Open,
    /// Nothing that means anything, but the line has not ended.
    Closed,
    /// Nothing.
    Over,
}

/// What a side is still to be told.
#[derive(Debug)]
enum Writes {
    /// What the other side sends.
    Open,
    /// The rest of the frame that has begun, then this.
    Due(Close),
    /// This rest of a Close frame of ours.
    Last(Bytes),
    /// The end: it has had a Close frame.
    Closed,
    /// Nothing: it has been told of the end, or cannot be told anything.
    Over,
}

impl Side {
    pub(super) fn new(line: Line, sender: Sender) -> Self {
        Self { line, sender, reads: Reads::Open, writes: Writes::Open }
    }

    /// Whether nothing of it has ended.
    pub(super) fn is_open(&self) -> bool {
        self.reads == Reads::Open && matches!(self.writes, Writes::Open)
    }

    /// Whether the side itself has ended something.
    pub(super) fn has_ended(&self) -> bool {
        self.reads != Reads::Open || matches!(self.writes, Writes::Over)
    }

    /// Whether all of it has ended.
    pub(super) fn is_over(&self) -> bool {
        self.sends_no_more() && matches!(self.writes, Writes::Over)
    }

    /// Whether the line has ended in our direction.
    pub(super) fn sends_no_more(&self) -> bool {
        self.reads == Reads::Over
    }

    /// Whether bytes of the other side still go to this one.
    pub(super) fn listens(&self) -> bool {
        matches!(self.writes, Writes::Open | Writes::Due(_))
    }

    /// Whether only the frame that has begun still goes to this side.
    pub(super) fn is_being_closed(&self) -> bool {
        matches!(self.writes, Writes::Due(_))
    }

    /// It is to be told this as soon as no frame is cut off by it.
    pub(super) fn close(&mut self, close: Close) {
        if matches!(self.writes, Writes::Open) {
            self.writes = Writes::Due(close);
        }
    }

    /// It has had a Close frame of the other side.
    pub(super) fn was_closed(&mut self) {
        if self.listens() {
            self.writes = Writes::Closed;
        }
    }

    /// The line is broken.
    pub(super) fn broke(&mut self) {
        self.writes = Writes::Over;
    }

    /// Writes as many of the bytes as it takes; after an error it takes all.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.line.poll_write(cx, &bytes[written..]) {
                Poll::Ready(Ok(count)) => written += count,
                Poll::Pending => break,
                Poll::Ready(Err(_)) => {
                    self.broke();
                    return bytes.len();
                }
            }
        }
        written
    }

    /// Until it takes more: what it was given is with the kernel, and what is due at a boundary has been said.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>, at_boundary: bool) -> Poll<()> {
        if matches!(self.writes, Writes::Over) {
            return Poll::Ready(());
        }
        if ready!(self.line.poll_flush(cx)).is_err() {
            self.broke();
        }
        if let Writes::Due(close) = self.writes
            && at_boundary
        {
            self.writes = Writes::Last(close.frame(self.key()).into());
        }
        while let Writes::Last(bytes) = &mut self.writes {
            match ready!(self.line.poll_write(cx, bytes)) {
                Ok(count) => bytes.advance(count),
                Err(_) => bytes.clear(),
            }
            if bytes.is_empty() {
                self.writes = Writes::Closed;
            }
        }
        Poll::Ready(())
    }

    /// The key of the next frame of ours: clients mask, servers do not (RFC 6455, section 5.3).
    fn key(&self) -> Option<[u8; 4]> {
        let mut key = [0; 4];
        // Keys stop clients from choosing what is seen on the wire. Our text is fixed, so that without randomness zeros do.
        let _ = rand::fill(&mut key);
        (self.sender == Sender::Tenant).then_some(key)
    }

    /// Draws the consequences of what has ended: after a Close frame each way, the line; after the other side, the line
    /// too, and a browser is told if no frame is cut off by it. Whether anything changed.
    pub(super) fn settle(&mut self, other_is_gone: bool, at_boundary: bool, cx: &mut Context<'_>) -> bool {
        match self.writes {
            Writes::Open if other_is_gone && at_boundary && self.sender == Sender::Browser => {
                self.close(TENANT_LOST);
                true
            }
            Writes::Open if other_is_gone => self.finish(cx),
            Writes::Due(_) if other_is_gone && !at_boundary => self.finish(cx),
            Writes::Closed if self.reads != Reads::Open => self.finish(cx),
            _ => false,
        }
    }

    /// Says that no more will come.
    fn finish(&mut self, cx: &mut Context<'_>) -> bool {
        let finished = self.line.poll_shutdown(cx).is_ready();
        if finished {
            self.writes = Writes::Over;
        }
        finished
    }
}
