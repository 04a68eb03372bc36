//! What expires, in Redis or Valkey: one server, one behind sentinels, or a cluster. All names begin alike, so that several
//! deployments may share a server, and lie in one slot of a cluster: what a session takes with it has to be beside it.

use std::sync::Arc;

use redis::{Cmd, FromRedisValue, Script};
use time::OffsetDateTime;

use super::Error;
use super::patience::{PATIENCE, bounded};
use super::skew::Skew;

mod address;
mod connection;
mod held;
mod records;

pub use address::{Beside, Node, Settings, Way};
use connection::Connections;
pub(super) use connection::Doors;

/// How many sessions one run of the script ends: nobody else is served meanwhile.
const BATCH: usize = 200;
const SCRIPT: &str = include_str!("redis/expiring.lua");

#[derive(Clone, Debug)]
pub(super) struct Redis {
    connections: Connections,
    /// What all names begin with.
    prefix: String,
    script: Arc<Script>,
    skew: Skew,
}

impl Redis {
    /// Opens the session store.
    pub(super) async fn open(settings: &Settings) -> Result<Self, Error> {
        let failed = |problem| Error::Sessions { at: settings.shown.clone(), problem };
        let redis = Self {
            connections: Connections::by(Doors::of(settings)?),
            prefix: format!("{{{}}}:", settings.prefix),
            script: Arc::new(Script::new(SCRIPT)),
            skew: Skew::default(),
        };
        match bounded(PATIENCE, redis.ping()).await {
            Ok(()) => Ok(redis),
            Err(Error::Redis(problem)) => Err(failed(problem)),
            Err(other) => Err(other),
        }
    }

    /// From now on, connections are opened by these.
    pub(super) fn follow(&self, doors: Doors) {
        self.connections.follow(doors);
    }

    /// Whether the server that has what is ours answers. PING would ask all of a cluster.
    pub(super) async fn ping(&self) -> Result<(), Error> {
        let _: i64 = self.ask(redis::cmd("EXISTS").arg(self.key("seq", b""))).await?;
        Ok(())
    }

    /// Looks at the server's clock.
    pub(super) async fn compare_clocks(&self) -> Result<(), Error> {
        let (seconds, _): (i64, i64) = self.ask(&redis::cmd("TIME")).await?;
        self.skew.measure(seconds);
        Ok(())
    }

    /// How many seconds the server's clock was ahead when they were compared.
    pub(super) fn ahead(&self) -> i64 {
        self.skew.ahead()
    }

    /// The next that instances tell each other.
    pub(super) async fn subscribe(&self) -> Result<redis::aio::PubSub, Error> {
        let mut news = self.connections.open_for_news().await?;
        news.subscribe(self.news()).await?;
        Ok(news)
    }

    /// Where instances tell each other.
    pub(super) fn news(&self) -> Vec<u8> {
        self.key("news", b"")
    }

    /// Ends some of the sessions that have expired. Says how many there were. Everything else Redis forgets by itself.
    pub(super) async fn sweep(&self, now: OffsetDateTime) -> Result<u64, Error> {
        let swept: u64 = self.run("sweep", |call| call.arg(self.skew.theirs(now)).arg(BATCH)).await?;
        Ok(swept)
    }

    /// One operation of the script. Where a server does not have it yet, the whole text is sent: SCRIPT LOAD would need every server
    /// of a cluster.
    async fn run<T: FromRedisValue>(
        &self,
        operation: &str,
        arguments: impl for<'a> Fn(&'a mut Cmd) -> &'a mut Cmd,
    ) -> Result<T, Error> {
        let call = |name: &str, script: &str| {
            let mut call = redis::cmd(name);
            arguments(call.arg(script).arg(1).arg(&self.prefix).arg(operation));
            call
        };
        let mut connection = self.connections.get().await?;
        let outcome = call("EVALSHA", self.script.get_hash()).query_async(&mut connection.link).await;
        match self.connections.judge(&connection, outcome) {
            Err(problem) if problem.code() == Some("NOSCRIPT") => {
                let outcome = call("EVAL", SCRIPT).query_async(&mut connection.link).await;
                Ok(self.connections.judge(&connection, outcome)?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// A question. It is asked once more when the connection turns out to be gone.
    async fn ask<T: FromRedisValue>(&self, question: &Cmd) -> Result<T, Error> {
        let mut connection = self.connections.get().await?;
        let outcome = question.query_async(&mut connection.link).await;
        match self.connections.judge(&connection, outcome) {
            Err(problem) if problem.is_connection_dropped() => {
                let mut connection = self.connections.get().await?;
                let outcome = question.query_async(&mut connection.link).await;
                Ok(self.connections.judge(&connection, outcome)?)
            }
            outcome => Ok(outcome?),
        }
    }

    fn key(&self, kind: &str, id: &[u8]) -> Vec<u8> {
        [self.prefix.as_bytes(), kind.as_bytes(), id].concat()
    }
}
