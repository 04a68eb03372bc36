//! Records that belong to a session: they end when it ends.

use std::sync::Arc;

use time::OffsetDateTime;

use super::engines::expiring;
use super::records::Row;
use super::{CachedRecord, Error, Kind, RecordId, SessionRef, Store};

/// A record of a session, under a name that somebody else may know.
#[derive(Clone, Debug)]
pub struct Attached {
    /// Whose it is.
    pub session: SessionRef,
    /// What it says.
    pub value: Arc<[u8]>,
    /// When it ends, if the session does not end before.
    pub until: OffsetDateTime,
}

impl Store {
    /// The record of a session: when it ends unless its visitor comes back, and what it holds as JSON. From memory for a few
    /// seconds, as the session layer's own reading.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session_record(
        &self,
        session: SessionRef,
        now: OffsetDateTime,
    ) -> Result<Option<(OffsetDateTime, Arc<[u8]>)>, Error> {
        Ok(self.record_of(&session.0, now).await?.map(|record| (record.until, record.value)))
    }

    /// What the record of a session holds, past memory: for who is about to write it, since others may have written it too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn session_record_anew(
        &self,
        session: SessionRef,
        now: OffsetDateTime,
    ) -> Result<Option<Vec<u8>>, Error> {
        let Some(row) = expiring!(self.record(&session.0, now))? else { return Ok(None) };
        Ok(self.seal.open(&session.0, &row.value))
    }

    /// Keeps a value for a session, in the place of what was under this name before. `false`, and nothing written, when the
    /// session has ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attach(
        &self,
        session: SessionRef,
        kind: Kind,
        name: &str,
        value: Vec<u8>,
        until: OffsetDateTime,
    ) -> Result<bool, Error> {
        let id = kind.record_id(name);
        let sealed = self.seal.seal(&id, value);
        self.changed(&id, async { expiring!(self.attach_record(&session.0, &id, &sealed, until)) }).await
    }

    /// What was kept for a session under this name. From memory for a few seconds: it may be answered for so long after its
    /// session has ended, so ask about that too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&self, kind: Kind, name: &str, now: OffsetDateTime) -> Result<Option<Attached>, Error> {
        let record = self.record_of(&kind.record_id(name), now).await?;
        Ok(record.and_then(|CachedRecord { until, value, session }| Some(Attached { session: session?, value, until })))
    }

    /// The same, and never from memory: for what instances agree on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_anew(&self, kind: Kind, name: &str, now: OffsetDateTime) -> Result<Option<Attached>, Error> {
        let id = kind.record_id(name);
        let row = expiring!(self.record(&id, now))?;
        Ok(row.and_then(|row| self.attached(&id, row)))
    }

    fn attached(&self, id: &RecordId, row: Row) -> Option<Attached> {
        let (value, session) = self.seal.open(id, &row.value).zip(row.session)?;
        Some(Attached { session: SessionRef(session), value: value.into(), until: row.until })
    }

    /// Takes what was kept for a session under this name, once: whoever asks again gets `None`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_attached(&self, kind: Kind, name: &str, now: OffsetDateTime) -> Result<Option<Attached>, Error> {
        let id = kind.record_id(name);
        let row = self.changed(&id, async { expiring!(self.take_record(&id, now)) }).await?;
        Ok(row.and_then(|row| self.attached(&id, row)))
    }
}
