//! One direction: from the side that sends to the side that reads.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::frames::{Fault, Frames, Reading, Sender, Stop, Traffic};
use super::line::Buffer;
use super::side::{Reads, Side};

/// How often is read before others have their turn.
const TURNS: usize = 8;

/// What was passed on in one direction, and what waits.
pub(super) struct Way {
    /// The place of what was written.
    frames: Frames,
    /// What was read and not written: what the reader does not take now, or the beginning of a header.
    rest: Bytes,
}

/// What came of passing on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// There is nothing more now.
    Idle,
    /// There may be more.
    Again,
    /// There is what may not pass.
    Fault(Fault),
}

impl Way {
    pub(super) fn new(from: Sender, largest: u64, rest: Bytes) -> Self {
        Self { frames: Frames::new(from, largest), rest }
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.frames.traffic()
    }

    /// Whether no frame is cut off when the reader is told something else now.
    pub(super) fn at_boundary(&self) -> bool {
        self.frames.at_boundary()
    }

    /// Whether nothing that waits can pass before more is read.
    pub(super) fn is_passed_on(&self) -> bool {
        self.rest.is_empty() || { self.frames }.read(&self.rest) == Reading { pass: 0, stop: None }
    }

    /// Passes on what there is.
    pub(super) fn pass(&mut self, from: &mut Side, to: &mut Side, cx: &mut Context<'_>, buffer: &mut Buffer) -> Turn {
        for _ in 0..TURNS {
            match self.step(from, to, cx, buffer) {
                Poll::Pending => return Turn::Idle,
                Poll::Ready(Some(fault)) => return Turn::Fault(fault),
                Poll::Ready(None) => {}
            }
        }
        Turn::Again
    }

    fn step(
        &mut self,
        from: &mut Side,
        to: &mut Side,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
    ) -> Poll<Option<Fault>> {
        // Before it has taken what it was given, nothing more is read for it.
        ready!(to.poll_ready(cx, self.at_boundary()));
        if !self.is_passed_on() {
            let waiting = std::mem::take(&mut self.rest);
            let (done, outcome) = self.offer(&waiting, from, to, cx);
            self.rest = waiting.slice(done..);
            return outcome;
        }
        if from.reads == Reads::Over {
            return Poll::Pending;
        }
        let read = match ready!(from.line.poll_read(cx, buffer, &self.rest)) {
            Ok(bytes) => bytes,
            Err(_) => {
                from.broke();
                &[]
            }
        };
        if read.len() <= self.rest.len() {
            from.reads = Reads::Over;
            return Poll::Pending;
        }
        let (done, outcome) = self.offer(read, from, to, cx);
        self.rest = Bytes::copy_from_slice(&read[done..]);
        outcome
    }

    /// Writes of these bytes what may pass and is taken. Gives how many are done with; the others must be offered again.
    fn offer(
        &mut self,
        bytes: &[u8],
        from: &mut Side,
        to: &mut Side,
        cx: &mut Context<'_>,
    ) -> (usize, Poll<Option<Fault>>) {
        if from.reads == Reads::Closed {
            return (bytes.len(), Poll::Ready(None));
        }
        let mut ahead = self.frames;
        let Reading { pass, stop } = if to.is_being_closed() {
            ahead.read(&bytes[..ahead.left().min(bytes.len() as u64) as usize])
        } else {
            ahead.read(bytes)
        };
        if to.listens() {
            let written = to.write(cx, &bytes[..pass]);
            if written < pass {
                self.frames.read(&bytes[..written]);
                return (written, Poll::Pending);
            }
        }
        self.frames = ahead;
        match stop {
            None => (pass, Poll::Ready(None)),
            Some(Stop::Closed) => {
                from.reads = Reads::Closed;
                to.was_closed();
                (bytes.len(), Poll::Ready(None))
            }
            Some(Stop::Fault(fault)) => {
                from.reads = Reads::Closed;
                (bytes.len(), Poll::Ready(to.listens().then_some(fault)))
            }
        }
    }
}
