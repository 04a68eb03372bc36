//! The tenant's sessions that are kept for sessions of ours: at most one for each, sealed. What is in them, the store does not
//! know.
//!
//! Each login has a name. It is written only in the place of the one that it was to replace, so whoever was slower never
//! overwrites who was faster.

use time::OffsetDateTime;

use super::sqlite::TenantRow;
use super::{Error, RecordId, SessionRef, Store, hash};

/// A session at the tenant, as the store keeps it.
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

/// Apart from the id of the session's own record, so that the two have two keys.
fn sealed_as(session: SessionRef) -> RecordId {
    hash(&[b"tenant session\0", &session.0[..]].concat())
}

impl Store {
    /// Keeps what a login brought, until it is over for the tenant in any case, in the place of the login `instead_of`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_tenant_session(
        &self,
        session: SessionRef,
        kept: Kept,
        until: OffsetDateTime,
        instead_of: Option<i64>,
        now: OffsetDateTime,
    ) -> Result<Put, Error> {
        let row = self.sealed(session, kept);
        if self.sqlite.put_tenant_session(&session.0, &row, until, instead_of, now).await? {
            return Ok(Put::Done);
        }
        Ok(if self.has_session(session, now).await? { Put::Late } else { Put::SessionEnded })
    }

    /// Whether this session is there, of somebody who is signed in. Never from memory.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_session(&self, session: SessionRef, now: OffsetDateTime) -> Result<bool, Error> {
        self.sqlite.has_session(&session.0, now).await
    }

    /// Keeps a change of what is kept, which then has the next version. `false`, and nothing written, when it has another
    /// version already, or is gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn change_tenant_session(&self, session: SessionRef, changed: Kept) -> Result<bool, Error> {
        let row = self.sealed(session, changed);
        self.sqlite.change_tenant_session(&session.0, &row).await
    }

    /// Notes that it was used.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn touch_tenant_session(
        &self,
        session: SessionRef,
        login: i64,
        used: OffsetDateTime,
    ) -> Result<(), Error> {
        self.sqlite.touch_tenant_session(&session.0, login, used).await
    }

    /// What is kept for a session that has not ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_session(&self, session: SessionRef) -> Result<Option<Kept>, Error> {
        let Some(row) = self.sqlite.tenant_session(&session.0).await? else { return Ok(None) };
        let TenantRow { login, version, used, value } = row;
        // What does not open is as good as nothing, but has a name to be replaced by.
        let value = self.seal.open(&sealed_as(session), &value).unwrap_or_default();
        Ok(Some(Kept { login, version, used, value }))
    }

    /// Takes what is kept for a session, once among all instances.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_tenant_session(&self, session: SessionRef) -> Result<Option<Vec<u8>>, Error> {
        let sealed = self.sqlite.take_tenant_session(&session.0).await?;
        Ok(sealed.and_then(|sealed| self.seal.open(&sealed_as(session), &sealed)))
    }

    /// Some of the sessions that have ended and of which something is still kept.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_sessions_left(&self) -> Result<Vec<SessionRef>, Error> {
        const BATCH: i64 = 100;
        Ok(self.sqlite.tenant_sessions_left(BATCH).await?.into_iter().map(SessionRef).collect())
    }

    fn sealed(&self, session: SessionRef, kept: Kept) -> TenantRow {
        let Kept { login, version, used, value } = kept;
        TenantRow { login, version, used, value: self.seal.seal(&sealed_as(session), value) }
    }
}
