//! What is held of the tenant for sessions of ours.

use time::OffsetDateTime;

use super::Sql;
use super::dialect::locking;
use crate::store::held::{Held, Row};
use crate::store::{Error, RecordId};

impl Sql {
    /// Writes what a login brought: only while the session is there, and only in the place of what `instead_of` names.
    pub(in crate::store) async fn put_held(
        &self,
        (session, held): (&[u8], Held),
        row: &Row,
        until: OffsetDateTime,
        instead_of: Option<i64>,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        // Whoever ends the session meanwhile waits, and then finds what is written here.
        let statement = locking!(
            self.dialect,
            "INSERT INTO held (session, kind, login, version, value, used_at, expires_at, ended)
             SELECT $1, $9, $2, $3, $4, $5, $6, 0 FROM record
             WHERE record.id = $1 AND record.owner IS NOT NULL AND record.expires_at > $8",
            " FOR SHARE",
            " ON CONFLICT (session, kind) DO UPDATE SET login = excluded.login, version = excluded.version,
                 value = excluded.value, used_at = excluded.used_at, expires_at = excluded.expires_at
             WHERE held.login IS NOT DISTINCT FROM $7"
        );
        let query = sqlx::query(statement).bind(session).bind(row.login).bind(row.version).bind(&row.value[..]);
        let query = query.bind(self.skew.theirs(row.used)).bind(self.skew.theirs(until)).bind(instead_of);
        let put = query.bind(self.skew.theirs(now)).bind(held.number()).execute(&self.pool).await?;
        Ok(put.rows_affected() == 1)
    }

    /// Whether the session with this record is there.
    pub(in crate::store) async fn has_session(&self, session: &[u8], now: OffsetDateTime) -> Result<bool, Error> {
        const SQL: &str = "SELECT expires_at FROM record WHERE id = $1 AND owner IS NOT NULL AND expires_at > $2";
        let found: Option<i64> =
            sqlx::query_scalar(SQL).bind(session).bind(self.skew.theirs(now)).fetch_optional(&self.pool).await?;
        Ok(found.is_some())
    }

    /// Writes a change, unless somebody else has changed it meanwhile.
    pub(in crate::store) async fn change_held(&self, (session, held): (&[u8], Held), row: &Row) -> Result<bool, Error> {
        const SQL: &str = "UPDATE held SET value = $1, version = version + 1, used_at = CASE WHEN used_at < $2 THEN $2 ELSE used_at END
             WHERE session = $3 AND kind = $4 AND login = $5 AND version = $6 AND ended = 0";
        let query = sqlx::query(SQL).bind(&row.value[..]).bind(self.skew.theirs(row.used)).bind(session);
        let changed = query.bind(held.number()).bind(row.login).bind(row.version).execute(&self.pool).await?;
        Ok(changed.rows_affected() == 1)
    }

    pub(in crate::store) async fn touch_held(
        &self,
        (session, held): (&[u8], Held),
        login: i64,
        used: OffsetDateTime,
    ) -> Result<(), Error> {
        const SQL: &str = "UPDATE held SET used_at = $1
             WHERE session = $2 AND kind = $3 AND login = $4 AND used_at < $5 AND ended = 0";
        let used = self.skew.theirs(used);
        let query = sqlx::query(SQL).bind(used).bind(session).bind(held.number());
        query.bind(login).bind(used).execute(&self.pool).await?;
        Ok(())
    }

    /// The one of a session that has not ended.
    pub(in crate::store) async fn held(&self, (session, held): (&[u8], Held)) -> Result<Option<Row>, Error> {
        const SQL: &str =
            "SELECT login, version, value, used_at FROM held WHERE session = $1 AND kind = $2 AND ended = 0";
        let found: Option<(i64, i64, Vec<u8>, i64)> =
            sqlx::query_as(SQL).bind(session).bind(held.number()).fetch_optional(&self.pool).await?;
        Ok(found.map(|(login, version, value, used)| Row { login, version, used: self.skew.ours(used), value }))
    }

    pub(in crate::store) async fn take_held(&self, (session, held): (&[u8], Held)) -> Result<Option<Vec<u8>>, Error> {
        const SQL: &str = "DELETE FROM held WHERE session = $1 AND kind = $2 RETURNING value";
        Ok(sqlx::query_scalar(SQL).bind(session).bind(held.number()).fetch_optional(&self.pool).await?)
    }

    /// Some of those whose session has ended.
    pub(in crate::store) async fn held_left(&self, held: Held, limit: i64) -> Result<Vec<RecordId>, Error> {
        const SQL: &str = "SELECT session FROM held WHERE ended = 1 AND kind = $1 LIMIT $2";
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(SQL).bind(held.number()).bind(limit).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().filter_map(|id| id.try_into().ok()).collect())
    }
}
