//! Records: sessions and what else expires, and the ends of sessions.

use time::OffsetDateTime;

use super::Sql;
use super::dialect::locking;
use crate::store::records::Row;
use crate::store::{Error, Marks, RecordId};

type Columns = (i64, Vec<u8>, Option<Vec<u8>>);

impl Sql {
    fn row(&self, (until, value, session): Columns) -> Row {
        Row { until: self.skew.ours(until), value, session: session.and_then(|id| id.try_into().ok()) }
    }

    pub(in crate::store) async fn insert_record(
        &self,
        id: &[u8],
        marks: Marks,
        value: &[u8],
        until: OffsetDateTime,
    ) -> Result<bool, Error> {
        const SQL: &str = "INSERT INTO record (id, owner, provider_session, value, expires_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        let query = sqlx::query(SQL).bind(id).bind(marks.owner()).bind(marks.provider_session());
        let inserted = query.bind(value).bind(self.skew.theirs(until)).execute(&self.pool).await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// An update, never an insert: it must not bring a session back that was ended while a request was under way.
    pub(in crate::store) async fn update_record(
        &self,
        id: &[u8],
        marks: Marks,
        value: &[u8],
        until: OffsetDateTime,
    ) -> Result<(), Error> {
        const SQL: &str =
            "UPDATE record SET owner = $1, provider_session = $2, value = $3, expires_at = $4 WHERE id = $5";
        let query = sqlx::query(SQL).bind(marks.owner()).bind(marks.provider_session()).bind(value);
        query.bind(self.skew.theirs(until)).bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// Inserts or replaces, only while the session is there: the two cannot be apart, for its end takes what belongs to it.
    pub(in crate::store) async fn attach_record(
        &self,
        session: &[u8],
        id: &[u8],
        value: &[u8],
        until: OffsetDateTime,
    ) -> Result<bool, Error> {
        // Whoever ends the session meanwhile waits, and then finds what is written here.
        let statement = locking!(
            self.dialect,
            "INSERT INTO record (id, session, value, expires_at)
             SELECT $1, $2, $3, $4 FROM record AS session WHERE session.id = $2 AND session.owner IS NOT NULL",
            " FOR SHARE",
            " ON CONFLICT (id) DO UPDATE SET
                 session = excluded.session, value = excluded.value, expires_at = excluded.expires_at"
        );
        let query = sqlx::query(statement).bind(id).bind(session).bind(value).bind(self.skew.theirs(until));
        Ok(query.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Inserts, or replaces what has expired: of two who come at once, one is first.
    pub(in crate::store) async fn claim_record(
        &self,
        id: &[u8],
        value: &[u8],
        until: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        const SQL: &str = "INSERT INTO record (id, value, expires_at) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
             WHERE record.expires_at <= $4";
        let query = sqlx::query(SQL).bind(id).bind(value).bind(self.skew.theirs(until)).bind(self.skew.theirs(now));
        Ok(query.execute(&self.pool).await?.rows_affected() == 1)
    }

    /// Inserts, or replaces what would expire sooner.
    pub(in crate::store) async fn extend_record(
        &self,
        id: &[u8],
        value: &[u8],
        until: OffsetDateTime,
    ) -> Result<(), Error> {
        const SQL: &str = "INSERT INTO record (id, value, expires_at) VALUES ($1, $2, $3)
             ON CONFLICT (id) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at
             WHERE record.expires_at < excluded.expires_at";
        sqlx::query(SQL).bind(id).bind(value).bind(self.skew.theirs(until)).execute(&self.pool).await?;
        Ok(())
    }

    pub(in crate::store) async fn record(&self, id: &[u8], now: OffsetDateTime) -> Result<Option<Row>, Error> {
        const SQL: &str = "SELECT expires_at, value, session FROM record WHERE id = $1 AND expires_at > $2";
        let found: Option<Columns> =
            sqlx::query_as(SQL).bind(id).bind(self.skew.theirs(now)).fetch_optional(&self.pool).await?;
        Ok(found.map(|columns| self.row(columns)))
    }

    pub(in crate::store) async fn take_record(&self, id: &[u8], now: OffsetDateTime) -> Result<Option<Row>, Error> {
        const SQL: &str = "DELETE FROM record WHERE id = $1 AND expires_at > $2 RETURNING expires_at, value, session";
        let taken: Option<Columns> =
            sqlx::query_as(SQL).bind(id).bind(self.skew.theirs(now)).fetch_optional(&self.pool).await?;
        Ok(taken.map(|columns| self.row(columns)))
    }

    pub(in crate::store) async fn end_sessions_of_owner(&self, owner: &[u8]) -> Result<u64, Error> {
        let ended = sqlx::query("DELETE FROM record WHERE owner = $1").bind(owner).execute(&self.pool).await?;
        Ok(ended.rows_affected())
    }

    pub(in crate::store) async fn end_unmarked_sessions_of_owner(&self, owner: &[u8]) -> Result<u64, Error> {
        const SQL: &str = "DELETE FROM record WHERE owner = $1 AND provider_session IS NULL";
        let ended = sqlx::query(SQL).bind(owner).execute(&self.pool).await?;
        Ok(ended.rows_affected())
    }

    pub(in crate::store) async fn end_provider_session(&self, id: &[u8]) -> Result<u64, Error> {
        let ended = sqlx::query("DELETE FROM record WHERE provider_session = $1").bind(id).execute(&self.pool).await?;
        Ok(ended.rows_affected())
    }

    /// Whoever has no owner is no session of somebody who is signed in.
    pub(in crate::store) async fn end_session(&self, id: &[u8]) -> Result<bool, Error> {
        const SQL: &str = "DELETE FROM record WHERE id = $1 AND owner IS NOT NULL";
        Ok(sqlx::query(SQL).bind(id).execute(&self.pool).await?.rows_affected() == 1)
    }

    pub(in crate::store) async fn count_sessions(&self, now: OffsetDateTime) -> Result<u64, Error> {
        const SQL: &str = "SELECT count(*) FROM record WHERE owner IS NOT NULL AND expires_at > $1";
        let count: i64 = sqlx::query_scalar(SQL).bind(self.skew.theirs(now)).fetch_one(&self.pool).await?;
        Ok(count.unsigned_abs())
    }

    /// Sessions by their end, the last one first: end, id, and value, sealed.
    pub(in crate::store) async fn sessions(
        &self,
        behind: Option<(i64, RecordId)>,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<Vec<(i64, RecordId, Vec<u8>)>, Error> {
        const SQL: &str = "SELECT expires_at, id, value FROM record
             WHERE owner IS NOT NULL AND expires_at > $1 AND (expires_at, id) < ($2, $3)
             ORDER BY expires_at DESC, id DESC LIMIT $4";
        let (until, id) = behind.unwrap_or((i64::MAX, RecordId::default()));
        let query = sqlx::query_as(SQL).bind(self.skew.theirs(now)).bind(until).bind(&id[..]).bind(i64::from(most));
        let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = query.fetch_all(&self.pool).await?;
        // All ids have the length of a hash; a row that somebody damaged is no session.
        Ok(rows.into_iter().filter_map(|(until, id, value)| Some((until, id.try_into().ok()?, value))).collect())
    }

    pub(in crate::store) async fn delete_record(&self, id: &[u8]) -> Result<(), Error> {
        sqlx::query("DELETE FROM record WHERE id = $1").bind(id).execute(&self.pool).await?;
        Ok(())
    }

    /// Deletes the record only if it still has this value.
    pub(in crate::store) async fn delete_record_with(&self, id: &[u8], value: &[u8]) -> Result<(), Error> {
        sqlx::query("DELETE FROM record WHERE id = $1 AND value = $2").bind(id).bind(value).execute(&self.pool).await?;
        Ok(())
    }

    /// The number of the last session that has ended.
    pub(in crate::store) async fn last_ended_session(&self) -> Result<i64, Error> {
        let last: Option<i64> = sqlx::query_scalar("SELECT max(seq) FROM ended_session").fetch_one(&self.pool).await?;
        Ok(last.unwrap_or(0))
    }

    /// The next sessions that ended behind this one, oldest first.
    pub(in crate::store) async fn ended_sessions(
        &self,
        behind: i64,
        limit: usize,
    ) -> Result<Vec<(i64, RecordId)>, Error> {
        const SQL: &str = "SELECT seq, session FROM ended_session WHERE seq > $1 ORDER BY seq LIMIT $2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let read = async |behind: i64| sqlx::query_as(SQL).bind(behind).bind(limit).fetch_all(&self.pool).await;
        let mut rows: Vec<(i64, Vec<u8>)> = read(behind).await?;
        // A database that was restored, or took over without the last writes, numbers anew.
        if rows.is_empty() && self.last_ended_session().await? < behind {
            rows = read(0).await?;
        }
        // All have the length of a hash; a row that somebody damaged names no session.
        Ok(rows.into_iter().map(|(seq, id)| (seq, id.try_into().unwrap_or_default())).collect())
    }
}
