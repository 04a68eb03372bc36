//! What is held of the tenant for sessions of ours.

use time::OffsetDateTime;

use super::{Sqlite, at};
use crate::store::held::Held;
use crate::store::{Error, RecordId};

/// A row, its value sealed.
pub(in crate::store) struct Row {
    pub login: i64,
    pub version: i64,
    pub used: OffsetDateTime,
    pub value: Vec<u8>,
}

impl Sqlite {
    /// Writes what a login brought: only while the session is there, and only in the place of what `instead_of` names.
    pub(in crate::store) async fn put_held(
        &self,
        (session, held): (&[u8], Held),
        row: &Row,
        until: OffsetDateTime,
        instead_of: Option<i64>,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        const SQL: &str = "INSERT INTO held (session, kind, login, version, value, used_at, expires_at, ended)
             SELECT ?1, ?9, ?2, ?3, ?4, ?5, ?6, 0 FROM record
             WHERE record.id = ?1 AND record.owner IS NOT NULL AND record.expires_at > ?8
             ON CONFLICT (session, kind) DO UPDATE SET login = excluded.login, version = excluded.version,
                 value = excluded.value, used_at = excluded.used_at, expires_at = excluded.expires_at
             WHERE held.login IS ?7";
        let query = sqlx::query(SQL).bind(session).bind(row.login).bind(row.version).bind(&row.value);
        let query = query.bind(row.used.unix_timestamp()).bind(until.unix_timestamp()).bind(instead_of);
        let put = query.bind(now.unix_timestamp()).bind(held.number()).execute(&self.0).await?;
        Ok(put.rows_affected() == 1)
    }

    /// Whether the session with this record is there.
    pub(in crate::store) async fn has_session(&self, session: &[u8], now: OffsetDateTime) -> Result<bool, Error> {
        const SQL: &str = "SELECT 1 FROM record WHERE id = ? AND owner IS NOT NULL AND expires_at > ?";
        let found: Option<i64> =
            sqlx::query_scalar(SQL).bind(session).bind(now.unix_timestamp()).fetch_optional(&self.0).await?;
        Ok(found.is_some())
    }

    /// Writes a change, unless somebody else has changed it meanwhile.
    pub(in crate::store) async fn change_held(&self, (session, held): (&[u8], Held), row: &Row) -> Result<bool, Error> {
        const SQL: &str = "UPDATE held SET value = ?, version = version + 1, used_at = max(used_at, ?)
             WHERE session = ? AND kind = ? AND login = ? AND version = ? AND ended = 0";
        let query = sqlx::query(SQL).bind(&row.value).bind(row.used.unix_timestamp()).bind(session);
        let changed = query.bind(held.number()).bind(row.login).bind(row.version).execute(&self.0).await?;
        Ok(changed.rows_affected() == 1)
    }

    pub(in crate::store) async fn touch_held(
        &self,
        (session, held): (&[u8], Held),
        login: i64,
        used: OffsetDateTime,
    ) -> Result<(), Error> {
        const SQL: &str = "UPDATE held SET used_at = ?
             WHERE session = ? AND kind = ? AND login = ? AND used_at < ? AND ended = 0";
        let used = used.unix_timestamp();
        let query = sqlx::query(SQL).bind(used).bind(session).bind(held.number());
        query.bind(login).bind(used).execute(&self.0).await?;
        Ok(())
    }

    /// The one of a session that has not ended.
    pub(in crate::store) async fn held(&self, (session, held): (&[u8], Held)) -> Result<Option<Row>, Error> {
        const SQL: &str =
            "SELECT login, version, value, used_at FROM held WHERE session = ? AND kind = ? AND ended = 0";
        let found: Option<(i64, i64, Vec<u8>, i64)> =
            sqlx::query_as(SQL).bind(session).bind(held.number()).fetch_optional(&self.0).await?;
        Ok(found.map(|(login, version, value, used)| Row { login, version, used: at(used), value }))
    }

    pub(in crate::store) async fn take_held(&self, (session, held): (&[u8], Held)) -> Result<Option<Vec<u8>>, Error> {
        const SQL: &str = "DELETE FROM held WHERE session = ? AND kind = ? RETURNING value";
        Ok(sqlx::query_scalar(SQL).bind(session).bind(held.number()).fetch_optional(&self.0).await?)
    }

    /// Some of those whose session has ended.
    pub(in crate::store) async fn held_left(&self, held: Held, limit: i64) -> Result<Vec<RecordId>, Error> {
        const SQL: &str = "SELECT session FROM held WHERE ended AND kind = ? LIMIT ?";
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(SQL).bind(held.number()).bind(limit).fetch_all(&self.0).await?;
        Ok(rows.into_iter().filter_map(|id| id.try_into().ok()).collect())
    }
}
