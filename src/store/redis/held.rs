//! What is held of the tenant for sessions of ours.

use redis::cmd;
use time::OffsetDateTime;

use super::Redis;
use crate::store::held::{Held, Row};
use crate::store::{Error, RecordId};

/// Login, version, value, time of use, and whether the session has ended.
type Columns = (Option<i64>, Option<i64>, Option<Vec<u8>>, Option<i64>, Option<i64>);

impl Redis {
    pub(in crate::store) async fn put_held(
        &self,
        (session, held): (&[u8], Held),
        row: &Row,
        until: OffsetDateTime,
        instead_of: Option<i64>,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        let (used, until, now) = (self.skew.theirs(row.used), self.skew.theirs(until), self.skew.theirs(now));
        let instead_of = instead_of.map(|login| login.to_string()).unwrap_or_default();
        self.run("put", |call| {
            call.arg(session).arg(held.number()).arg(row.login).arg(row.version).arg(&row.value);
            call.arg(used).arg(until).arg(&instead_of).arg(now)
        })
        .await
    }

    pub(in crate::store) async fn has_session(&self, session: &[u8], now: OffsetDateTime) -> Result<bool, Error> {
        let found: (Option<i64>, Option<Vec<u8>>) =
            self.ask(cmd("HMGET").arg(self.key("r", session)).arg(&["e", "o"])).await?;
        let now = self.skew.theirs(now);
        Ok(found.0.is_some_and(|until| until > now) && found.1.is_some())
    }

    pub(in crate::store) async fn change_held(&self, (session, held): (&[u8], Held), row: &Row) -> Result<bool, Error> {
        let used = self.skew.theirs(row.used);
        self.run("change", |call| {
            call.arg(session).arg(held.number()).arg(row.login).arg(row.version).arg(&row.value).arg(used)
        })
        .await
    }

    pub(in crate::store) async fn touch_held(
        &self,
        (session, held): (&[u8], Held),
        login: i64,
        used: OffsetDateTime,
    ) -> Result<(), Error> {
        let used = self.skew.theirs(used);
        self.run("touch", |call| call.arg(session).arg(held.number()).arg(login).arg(used)).await
    }

    /// The one of a session that has not ended.
    pub(in crate::store) async fn held(&self, (session, held): (&[u8], Held)) -> Result<Option<Row>, Error> {
        let key = self.key(&format!("h{}", held.number()), session);
        let found: Columns = self.ask(cmd("HMGET").arg(key).arg(&["l", "n", "v", "u", "x"])).await?;
        let (Some(login), Some(version), Some(value), Some(used), Some(0)) = found else { return Ok(None) };
        Ok(Some(Row { login, version, used: self.skew.ours(used), value }))
    }

    pub(in crate::store) async fn take_held(&self, (session, held): (&[u8], Held)) -> Result<Option<Vec<u8>>, Error> {
        self.run("take_held", |call| call.arg(session).arg(held.number())).await
    }

    /// Some of those whose session has ended.
    pub(in crate::store) async fn held_left(&self, held: Held, limit: i64) -> Result<Vec<RecordId>, Error> {
        let left: Vec<Vec<u8>> = self.run("left", |call| call.arg(held.number()).arg(limit)).await?;
        Ok(left.into_iter().filter_map(|id| id.try_into().ok()).collect())
    }
}
