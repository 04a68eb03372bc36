//! Records: sessions and what else expires, the ends of sessions, and attempts that are counted.

use std::time::Duration;

use redis::cmd;
use time::OffsetDateTime;

use super::{BATCH, Redis};
use crate::store::records::Row;
use crate::store::{Error, Marks, RecordId};

/// End, value, and session of a record.
type Columns = (Option<i64>, Option<Vec<u8>>, Option<Vec<u8>>);

impl Redis {
    fn row(&self, (until, value, session): Columns) -> Option<Row> {
        Some(Row { until: self.skew.ours(until?), value: value?, session: session.and_then(|id| id.try_into().ok()) })
    }

    pub(in crate::store) async fn insert_record(
        &self,
        id: &[u8],
        marks: Marks,
        value: &[u8],
        until: OffsetDateTime,
    ) -> Result<bool, Error> {
        let (owner, provider) = (marks.owner().unwrap_or_default(), marks.provider_session().unwrap_or_default());
        let until = self.skew.theirs(until);
        self.run("insert", |call| call.arg(id).arg(owner).arg(provider).arg(value).arg(until)).await
    }

    pub(in crate::store) async fn update_record(
        &self,
        id: &[u8],
        marks: Marks,
        value: &[u8],
        until: OffsetDateTime,
    ) -> Result<(), Error> {
        let (owner, provider) = (marks.owner().unwrap_or_default(), marks.provider_session().unwrap_or_default());
        let until = self.skew.theirs(until);
        self.run("update", |call| call.arg(id).arg(owner).arg(provider).arg(value).arg(until)).await
    }

    pub(in crate::store) async fn attach_record(
        &self,
        session: &[u8],
        id: &[u8],
        value: &[u8],
        until: OffsetDateTime,
    ) -> Result<bool, Error> {
        let until = self.skew.theirs(until);
        self.run("attach", |call| call.arg(session).arg(id).arg(value).arg(until)).await
    }

    pub(in crate::store) async fn claim_record(
        &self,
        id: &[u8],
        value: &[u8],
        until: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<bool, Error> {
        let (until, now) = (self.skew.theirs(until), self.skew.theirs(now));
        self.run("claim", |call| call.arg(id).arg(value).arg(until).arg(now)).await
    }

    pub(in crate::store) async fn extend_record(
        &self,
        id: &[u8],
        value: &[u8],
        until: OffsetDateTime,
    ) -> Result<(), Error> {
        let until = self.skew.theirs(until);
        self.run("extend", |call| call.arg(id).arg(value).arg(until)).await
    }

    pub(in crate::store) async fn record(&self, id: &[u8], now: OffsetDateTime) -> Result<Option<Row>, Error> {
        let found: Columns = self.ask(cmd("HMGET").arg(self.key("r", id)).arg(&["e", "v", "s"])).await?;
        let now = self.skew.theirs(now);
        Ok(if found.0.is_some_and(|until| until > now) { self.row(found) } else { None })
    }

    pub(in crate::store) async fn take_record(&self, id: &[u8], now: OffsetDateTime) -> Result<Option<Row>, Error> {
        let now = self.skew.theirs(now);
        let taken: Vec<Option<Vec<u8>>> = self.run("take", |call| call.arg(id).arg(now)).await?;
        let mut taken = taken.into_iter();
        let until = taken.next().flatten().map(|text| number(&text)).transpose()?;
        Ok(self.row((until, taken.next().flatten(), taken.next().flatten())))
    }

    pub(in crate::store) async fn end_sessions_of_owner(&self, owner: &[u8]) -> Result<u64, Error> {
        self.end_all(self.key("o", owner), "").await
    }

    pub(in crate::store) async fn end_unmarked_sessions_of_owner(&self, owner: &[u8]) -> Result<u64, Error> {
        self.end_all(self.key("o", owner), "unmarked").await
    }

    pub(in crate::store) async fn end_provider_session(&self, id: &[u8]) -> Result<u64, Error> {
        self.end_all(self.key("p", id), "").await
    }

    /// Ends all sessions of a set, some at a time.
    async fn end_all(&self, set: Vec<u8>, which: &str) -> Result<u64, Error> {
        let sessions: Vec<Vec<u8>> = self.ask(cmd("SMEMBERS").arg(set)).await?;
        let mut ended = 0;
        for batch in sessions.chunks(BATCH) {
            let of_batch: u64 = self.run("end_all", |call| call.arg(which).arg(batch)).await?;
            ended += of_batch;
        }
        Ok(ended)
    }

    pub(in crate::store) async fn end_session(&self, id: &[u8]) -> Result<bool, Error> {
        self.run("end_one", |call| call.arg(id)).await
    }

    pub(in crate::store) async fn count_sessions(&self, now: OffsetDateTime) -> Result<u64, Error> {
        let behind = format!("({}", self.skew.theirs(now));
        self.ask(cmd("ZCOUNT").arg(self.key("sessions", b"")).arg(behind).arg("+inf")).await
    }

    /// Sessions by their end, the last one first, and among those with one end by their ids: end, id, and value, sealed.
    pub(in crate::store) async fn sessions(
        &self,
        behind: Option<(i64, RecordId)>,
        most: u32,
        now: OffsetDateTime,
    ) -> Result<Vec<(i64, RecordId, Vec<u8>)>, Error> {
        let first = behind.map_or_else(|| "+inf".to_owned(), |(until, _)| until.to_string());
        let last = format!("({}", self.skew.theirs(now));
        let most = most as usize;
        let (mut places, mut offset) = (Vec::new(), 0);
        while places.len() < most {
            let mut question = cmd("ZREVRANGEBYSCORE");
            question.arg(self.key("sessions", b"")).arg(&first).arg(&last).arg("WITHSCORES");
            question.arg("LIMIT").arg(offset).arg(most);
            let batch: Vec<(Vec<u8>, i64)> = self.ask(&question).await?;
            offset += batch.len();
            let is_last = batch.len() < most;
            // All ids have the length of a hash; what somebody damaged is no session.
            let batch = batch.into_iter().filter_map(|(id, until)| Some((until, RecordId::try_from(id).ok()?)));
            places.extend(batch.filter(|place| behind.is_none_or(|behind| *place < behind)));
            if is_last {
                break;
            }
        }
        places.truncate(most);
        let mut sessions = Vec::with_capacity(places.len());
        for (until, id) in places {
            let value: Option<Vec<u8>> = self.ask(cmd("HGET").arg(self.key("r", &id)).arg("v")).await?;
            sessions.extend(value.map(|value| (until, id, value)));
        }
        Ok(sessions)
    }

    pub(in crate::store) async fn delete_record(&self, id: &[u8]) -> Result<(), Error> {
        self.run("delete", |call| call.arg(id)).await
    }

    pub(in crate::store) async fn delete_record_with(&self, id: &[u8], value: &[u8]) -> Result<(), Error> {
        self.run("delete_with", |call| call.arg(id).arg(value)).await
    }

    pub(in crate::store) async fn last_ended_session(&self) -> Result<i64, Error> {
        let last: Option<i64> = self.ask(cmd("GET").arg(self.key("seq", b""))).await?;
        Ok(last.unwrap_or(0))
    }

    /// The next sessions that ended behind this one, oldest first.
    pub(in crate::store) async fn ended_sessions(
        &self,
        behind: i64,
        limit: usize,
    ) -> Result<Vec<(i64, RecordId)>, Error> {
        let (_, ended): (i64, Vec<(Vec<u8>, i64)>) = self.run("ended", |call| call.arg(behind).arg(limit)).await?;
        // All have the length of a hash; what somebody damaged names no session.
        Ok(ended.into_iter().map(|(id, number)| (number, id.try_into().unwrap_or_default())).collect())
    }

    pub(in crate::store) async fn count_attempts(
        &self,
        id: &[u8],
        many: u32,
        now: OffsetDateTime,
        window: Duration,
    ) -> Result<(u32, OffsetDateTime), Error> {
        let (until, now) = (self.skew.theirs(now + window), self.skew.theirs(now));
        let (count, until): (u32, i64) = self.run("count", |call| call.arg(id).arg(many).arg(now).arg(until)).await?;
        Ok((count, self.skew.ours(until)))
    }

    pub(in crate::store) async fn attempts(
        &self,
        id: &[u8],
        now: OffsetDateTime,
    ) -> Result<Option<(u32, OffsetDateTime)>, Error> {
        let found: (Option<u32>, Option<i64>) = self.ask(cmd("HMGET").arg(self.key("c", id)).arg(&["n", "e"])).await?;
        let now = self.skew.theirs(now);
        let (Some(count), Some(until)) = found else { return Ok(None) };
        Ok((until > now).then(|| (count, self.skew.ours(until))))
    }

    pub(in crate::store) async fn forgive_attempt(&self, id: &[u8]) -> Result<(), Error> {
        self.run("forgive", |call| call.arg(id)).await
    }
}

fn number(text: &[u8]) -> Result<i64, Error> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or(Error::Foreign("a time is no number"))
}
