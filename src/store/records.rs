//! Records that expire, by the hash of their names: written, read through memory, and changed so that nobody reads what was.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use time::OffsetDateTime;

use super::engines::expiring;
use super::{Error, Marks, RecordId, SessionRef, Store, hash};

/// What is kept under a name besides sessions. Names of one kind are apart from those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A sign-in at an OpenID provider that has begun: by `state`.
    PendingLogin,
    /// A ticket that was used: by issuer and `jti`.
    UsedTicket,
    /// A logout token that was used: by issuer and `jti`.
    UsedLogoutToken,
    /// The ID token with which a session began, to sign out with: by a name that the session knows.
    IdToken,
    /// A session on the proxy's own origin: by its cookie there.
    ProxyVisit,
    /// The way there: by a code that is good once.
    HandOver,
    /// Somebody is at work on something that is to be done once: by what it is.
    Lock,
    /// Something is not to be tried for a while: by what it is.
    Pause,
}

impl Kind {
    pub(super) fn record_id(self, name: &str) -> RecordId {
        let kind: &[u8] = match self {
            Self::PendingLogin => b"pending login",
            Self::UsedTicket => b"used ticket",
            Self::UsedLogoutToken => b"used logout token",
            Self::IdToken => b"id token",
            Self::ProxyVisit => b"proxy visit",
            Self::HandOver => b"hand-over",
            Self::Lock => b"lock",
            Self::Pause => b"pause",
        };
        hash(&[kind, b"\0", name.as_bytes()].concat())
    }
}

/// A record as it lies in the store.
pub(super) struct Row {
    pub until: OffsetDateTime,
    /// Sealed.
    pub value: Vec<u8>,
    /// The session to which it belongs.
    pub session: Option<RecordId>,
}

/// A record as memory has it, opened.
#[derive(Clone, Debug)]
pub(super) struct CachedRecord {
    pub until: OffsetDateTime,
    pub value: Arc<[u8]>,
    /// The session to which it belongs.
    pub session: Option<SessionRef>,
}

impl Store {
    /// Keeps a value for whoever knows its name. `false`, and nothing written, when the name is in use: so the first
    /// one to keep a name has claimed it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep(&self, kind: Kind, name: &str, value: Vec<u8>, until: OffsetDateTime) -> Result<bool, Error> {
        let id = kind.record_id(name);
        let sealed = self.seal.seal(&id, value);
        expiring!(self.insert_record(&id, Marks::default(), &sealed, until))
    }

    /// Whether something is kept under this name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keeps(&self, kind: Kind, name: &str, now: OffsetDateTime) -> Result<bool, Error> {
        Ok(expiring!(self.record(&kind.record_id(name), now))?.is_some())
    }

    /// Takes what was kept under this name, once: whoever asks again gets `None`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take(&self, kind: Kind, name: &str, now: OffsetDateTime) -> Result<Option<Vec<u8>>, Error> {
        let id = kind.record_id(name);
        let row = self.changed(&id, async { expiring!(self.take_record(&id, now)) }).await?;
        Ok(row.and_then(|row| self.seal.open(&id, &row.value)))
    }

    /// A new record. `false`, and nothing written, when the name is in use.
    pub(super) async fn insert_record(
        &self,
        name: &[u8],
        marks: Marks,
        value: Vec<u8>,
        until: OffsetDateTime,
    ) -> Result<bool, Error> {
        let id = hash(name);
        let sealed = self.seal.seal(&id, value);
        expiring!(self.insert_record(&id, marks, &sealed, until))
    }

    /// Changes a record that is there; one that was ended in the meantime stays ended.
    pub(super) async fn update_record(
        &self,
        name: &[u8],
        marks: Marks,
        value: Vec<u8>,
        until: OffsetDateTime,
    ) -> Result<(), Error> {
        self.update_session(SessionRef(hash(name)), marks, value, until).await
    }

    /// The same, for who knows a session by its reference only.
    pub(super) async fn update_session(
        &self,
        SessionRef(id): SessionRef,
        marks: Marks,
        value: Vec<u8>,
        until: OffsetDateTime,
    ) -> Result<(), Error> {
        let sealed = self.seal.seal(&id, value);
        self.changed(&id, async { expiring!(self.update_record(&id, marks, &sealed, until)) }).await
    }

    /// The record, unless it has expired.
    pub(super) async fn record_of(&self, id: &RecordId, now: OffsetDateTime) -> Result<Option<CachedRecord>, Error> {
        if let Some(cached) = self.cache.get(id) {
            return Ok((cached.until > now).then_some(cached));
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let Some(row) = expiring!(self.record(id, now))? else { return Ok(None) };
        let Some(value) = self.seal.open(id, &row.value) else {
            tracing::warn!("a session does not open with this SESSION_SECRET; its visitor signs in again");
            return Ok(None);
        };
        let record = CachedRecord { until: row.until, value: value.into(), session: row.session.map(SessionRef) };
        self.cache.insert(*id, record.clone());
        // Whoever changed a record since then either invalidates this copy, or is seen here.
        if self.changes.load(Ordering::SeqCst) != changes {
            self.cache.invalidate(id);
        }
        Ok(Some(record))
    }

    pub(super) async fn delete_record(&self, name: &[u8]) -> Result<(), Error> {
        let id = hash(name);
        let deleted = self.changed(&id, async { expiring!(self.delete_record(&id)) }).await;
        self.ends.hurry();
        deleted
    }

    /// Changes a record in the database, and forgets what memory has of it. Counted afterwards: whoever counts the change
    /// reads what it made.
    pub(super) async fn changed<T>(
        &self,
        id: &RecordId,
        change: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let changed = change.await;
        self.forget_record(id);
        changed
    }

    /// Forgets what memory has of a record that has changed, here or at another instance.
    pub(super) fn forget_record(&self, id: &RecordId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate(id);
    }
}
