//! What is held of the tenant for sessions of ours: its session, an access token; at most one of a kind for each, sealed. What is
//! in them, the store does not know.
//!
//! Each asking of the tenant has a name, its login. What it brought is written only in the place of the one that it was to
//! replace, so whoever was slower never overwrites who was faster.

use time::OffsetDateTime;

use super::engines::expiring;
use super::{Error, RecordId, SessionRef, Store, hash};

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// The tenant's session.
    TenantSession,
    /// An access token.
    AccessToken,
}

impl Held {
    /// The number of the kind in the database.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::TenantSession => 1,
            Self::AccessToken => 2,
        }
    }

    /// Apart from the id of the session's own record, and from the other kind, so that each has a key of its own.
    fn sealed_as(self, session: SessionRef) -> RecordId {
        let kind: &[u8] = match self {
            Self::TenantSession => b"tenant session\0",
            Self::AccessToken => b"access token\0",
        };
        hash(&[kind, &session.0[..]].concat())
    }
}

/// What is held, as the store keeps it.
pub struct Kept {
    /// Names the login that it came of.
    pub login: i64,
    /// Counts its changes.
    pub version: i64,
    /// When it was last used, to about a minute.
    pub used: OffsetDateTime,
    /// What it is.
    pub value: Vec<u8>,
}

/// The same, as it lies in the store: its value sealed.
pub(super) struct Row {
    pub login: i64,
    pub version: i64,
    pub used: OffsetDateTime,
    pub value: Vec<u8>,
}

/// What became of writing what a login brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is kept.
    Done,
    /// Another login was faster, and is kept.
    Late,
    /// The session for which it was has ended.
    SessionEnded,
}

impl Store {
    /// Keeps what a login brought, until it is over for the tenant in any case, in the place of the login `instead_of`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_held(
        &self,
        session: SessionRef,
        held: Held,
        kept: Kept,
        until: OffsetDateTime,
        instead_of: Option<i64>,
        now: OffsetDateTime,
    ) -> Result<Put, Error> {
        let row = self.sealed(session, held, kept);
        if expiring!(self.put_held((&session.0[..], held), &row, until, instead_of, now))? {
            return Ok(Put::Done);
        }
        Ok(if self.has_session(session, now).await? { Put::Late } else { Put::SessionEnded })
    }

    /// Whether this session is there, of somebody who is signed in. Never from memory.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_session(&self, session: SessionRef, now: OffsetDateTime) -> Result<bool, Error> {
        expiring!(self.has_session(&session.0, now))
    }

    /// Keeps a change of what is kept, which then has the next version. `false`, and nothing written, when it has another
    /// version already, or is gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn change_held(&self, session: SessionRef, held: Held, changed: Kept) -> Result<bool, Error> {
        let row = self.sealed(session, held, changed);
        expiring!(self.change_held((&session.0[..], held), &row))
    }

    /// Notes that it was used.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn touch_held(
        &self,
        session: SessionRef,
        held: Held,
        login: i64,
        used: OffsetDateTime,
    ) -> Result<(), Error> {
        expiring!(self.touch_held((&session.0[..], held), login, used))
    }

    /// What is kept for a session that has not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn held(&self, session: SessionRef, held: Held) -> Result<Option<Kept>, Error> {
        let Some(row) = expiring!(self.held((&session.0[..], held)))? else { return Ok(None) };
        let Row { login, version, used, value } = row;
        // What does not open is as good as nothing, but has a name to be replaced by.
        let value = self.seal.open(&held.sealed_as(session), &value).unwrap_or_default();
        Ok(Some(Kept { login, version, used, value }))
    }

    /// Takes what is kept for a session, once among all instances.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_held(&self, session: SessionRef, held: Held) -> Result<Option<Vec<u8>>, Error> {
        let sealed = expiring!(self.take_held((&session.0[..], held)))?;
        Ok(sealed.and_then(|sealed| self.seal.open(&held.sealed_as(session), &sealed)))
    }

    /// Some of the sessions that have ended and of which something is still kept.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn held_left(&self, held: Held) -> Result<Vec<SessionRef>, Error> {
        const BATCH: i64 = 100;
        Ok(expiring!(self.held_left(held, BATCH))?.into_iter().map(SessionRef).collect())
    }

    fn sealed(&self, session: SessionRef, held: Held, kept: Kept) -> Row {
        let Kept { login, version, used, value } = kept;
        Row { login, version, used, value: self.seal.seal(&held.sealed_as(session), value) }
    }
}
