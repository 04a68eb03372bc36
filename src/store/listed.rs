//! Sessions for who looks at all of them: counted, listed, and ended one by one.

use std::fmt;

use time::OffsetDateTime;

use super::engines::expiring;
use super::{Error, SessionRef, Store};

/// A session of somebody who is signed in, as it lies in the store.
#[derive(Debug)]
pub(super) struct Sealed {
    pub place: Place,
    /// As opened; `None` when it was sealed under another secret.
    pub value: Option<Vec<u8>>,
}

/// Where in the list a session stands. Those that end last are first, which are, but for those near their greatest age, those
/// that were used last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When it ends unless its visitor comes back, in seconds since 1970.
    pub(super) until: i64,
    /// Which one it is.
    pub session: SessionRef,
}

impl Place {
    /// The place that is written so, as its `Display` writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let (until, session) = text.split_once('-')?;
        Some(Self { until: until.parse().ok()?, session: SessionRef::parse(session)? })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.until, self.session.to_hex())
    }
}

impl Store {
    /// How many people are signed in, each session counted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_sessions(&self, now: OffsetDateTime) -> Result<u64, Error> {
        expiring!(self.count_sessions(now))
    }

    /// The next sessions of people who are signed in, behind this place.
    pub(super) async fn sealed_sessions(
        &self,
        behind: Option<Place>,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<Vec<Sealed>, Error> {
        let rows = expiring!(self.sessions(behind.map(|place| (place.until, place.session.0)), most, now))?;
        let sealed = |(until, id, value): (i64, _, Vec<u8>)| {
            let place = Place { until, session: SessionRef(id) };
            Sealed { place, value: self.seal.open(&id, &value) }
        };
        Ok(rows.into_iter().map(sealed).collect())
    }

    /// Ends this session, and what belongs to it. `false` when it had ended already.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_session(&self, session: SessionRef) -> Result<bool, Error> {
        let ended = self.changed(&session.0, async { expiring!(self.end_session(&session.0)) }).await;
        self.ends.hurry();
        ended
    }
}
