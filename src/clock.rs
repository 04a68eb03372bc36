//! The one place that asks what time it is. Below `app`, time is an argument; tests move this clock instead of sleeping.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use time::{Duration, OffsetDateTime};

/// The system's time, plus an offset that only tests change. Clones share the offset.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_seconds: Arc<AtomicI64>,
    held: Arc<OnceLock<OffsetDateTime>>,
}

impl Clock {
    /// The time now, in UTC.
    #[expect(clippy::disallowed_methods, reason = "the clock is where the time comes from")]
    pub fn now(&self) -> OffsetDateTime {
        let now = self.held.get().copied().unwrap_or_else(OffsetDateTime::now_utc);
        now + Duration::seconds(self.offset_seconds.load(Ordering::Relaxed))
    }

    /// From now on this clock and all its clones stand still, and only [`Clock::advance`] moves them: for tests that tell seconds.
    pub fn hold(&self) {
        let now = self.now() - Duration::seconds(self.offset_seconds.load(Ordering::Relaxed));
        self.held.get_or_init(|| now);
    }

    /// Moves this clock and all its clones forward.
    pub fn advance(&self, by: Duration) {
        self.offset_seconds.fetch_add(by.whole_seconds(), Ordering::Relaxed);
    }
}
