//! How many logins at the tenant are left, for who looks.

use time::OffsetDateTime;

use super::TenantSessions;
use crate::store;

/// The logins that the tenant may be asked for, by all instances together.
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

impl TenantSessions {
    /// The budget of logins as it is now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn budget(&self, now: OffsetDateTime) -> Result<Budget, store::Error> {
        let a_minute = self.0.settings.logins_a_minute;
        let counted = self.0.store.attempts(&self.budget_name(), now).await?;
        let (count, until) = counted.map_or((0, None), |(count, until)| (count, Some(until)));
        let paused = self.0.store.paused(&self.pause_name(), now).await?;
        // Whoever comes too late is counted as well.
        Ok(Budget { a_minute, used: count.min(a_minute), until, paused })
    }
}
