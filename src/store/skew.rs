//! The store's clock, which is the same for all instances, beside that of this machine.
//!
//! What instances compare with each other is written by the store's clock: when a lock is free again, until when the tenant is
//! left alone, when a session ends. So it does not matter when the clock of one of them goes wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::OffsetDateTime;

use crate::clock::Clock;

/// What a difference may be before it is one: whole seconds are compared, across a network, in seconds.
const SMALLEST: i64 = 3;

/// How far the store's clock is ahead of this machine's. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Skew(Arc<AtomicI64>);

impl Skew {
    /// This moment by the store's clock, in seconds since 1970.
    pub fn theirs(&self, time: OffsetDateTime) -> i64 {
        time.unix_timestamp().saturating_add(self.0.load(Ordering::Relaxed))
    }

    /// The moment that the store's clock calls so.
    pub fn ours(&self, seconds: i64) -> OffsetDateTime {
        let seconds = seconds.saturating_sub(self.0.load(Ordering::Relaxed));
        OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// By how many seconds, as far as is known.
    pub fn ahead(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Takes note of what the store's clock says now. A difference that is new is told.
    pub fn measure(&self, theirs: i64) {
        let ahead = theirs - Clock::default().now().unix_timestamp();
        let ahead = if ahead.abs() < SMALLEST { 0 } else { ahead };
        let before = self.0.swap(ahead, Ordering::Relaxed);
        if ahead.abs_diff(before) >= SMALLEST.unsigned_abs() {
            tracing::warn!(
                seconds = ahead,
                "the store's clock is ahead of this machine's by so much: let both keep the time by NTP"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_by_the_other_clock_and_back() {
        let (skew, now) = (Skew::default(), Clock::default().now());
        assert_eq!(skew.theirs(now), now.unix_timestamp());
        skew.measure(now.unix_timestamp() + 1);
        assert_eq!(skew.theirs(now), now.unix_timestamp(), "a second is no difference");
        skew.measure(now.unix_timestamp() - 30);
        let theirs = skew.theirs(now);
        assert!((29..=31).contains(&(now.unix_timestamp() - theirs)));
        assert_eq!(skew.ours(theirs).unix_timestamp(), now.unix_timestamp());
    }
}
