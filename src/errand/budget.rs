//! How many errands there may be in a minute.

use std::time::Duration;

use time::OffsetDateTime;

use super::{Errands, Error, Passenger};
use crate::store;

/// The budget is one for each minute.
const MINUTE: Duration = Duration::from_secs(60);

/// The errands that there may be, by all instances together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many there are in a minute.
    pub a_minute: u32,
    /// How many of them were used in the minute that runs.
    pub used: u32,
    /// When that minute ends; `None`: none runs, for the next login begins one.
    pub until: Option<OffsetDateTime>,
    /// Until when the tenant is left alone, because it asked for that or the minute's logins are used up.
    pub paused: Option<OffsetDateTime>,
}

impl Budget {
    /// How many are left in this minute.
    pub fn left(&self) -> u32 {
        self.a_minute - self.used
    }
}

impl Errands {
    /// The budget as it is now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn budget(&self, now: OffsetDateTime) -> Result<Budget, store::Error> {
        let (a_minute, name) = (self.a_minute, self.name_of_all());
        let counted = self.store.attempts(&name, now).await?;
        let (count, until) = counted.map_or((0, None), |(count, until)| (count, Some(until)));
        let paused = self.store.paused(&name, now).await?;
        // Whoever comes too late is counted as well.
        Ok(Budget { a_minute, used: count.min(a_minute), until, paused })
    }

    /// Counts an errand against the budget that all instances share.
    ///
    /// # Errors
    /// When it is used up.
    pub async fn count(&self, who: &Passenger) -> Result<(), Error> {
        let (budget, name, now) = (self.a_minute, self.name_of_all(), who.now());
        let (count, until) = self.store.count_attempt(&name, now, MINUTE).await?;
        let what = self.what.names.1;
        let Some(left) = budget.checked_sub(count) else {
            if count == budget + 1 {
                tracing::warn!(budget, "the {what} of this minute are used up: whoever comes now waits");
            }
            // So nobody has to count again before.
            self.store.pause(&name, until).await?;
            let left = (until - now).whole_seconds().max(1).unsigned_abs();
            return Err(Error::Paused { retry_after: Duration::from_secs(left) });
        };
        // Said once in a minute: by the first one that leaves less than a fifth.
        let is_little = |left: u32| u64::from(left) * 5 < u64::from(budget);
        if is_little(left) && !is_little(left + 1) {
            tracing::warn!(left, budget, "few {what} are left in this minute");
        } else {
            tracing::debug!(left, budget, "the tenant is asked for one of its {what}");
        }
        Ok(())
    }

    /// Takes one back that never reached the tenant.
    pub async fn forgive(&self) {
        if let Err(problem) = self.store.forgive_attempt(&self.name_of_all()).await {
            tracing::debug!(%problem, "an errand that was none stays counted");
        }
    }
}
