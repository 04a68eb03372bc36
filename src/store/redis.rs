//! What expires, in Redis or Valkey: one server, one behind sentinels, or a cluster. All names begin alike, so that several
//! deployments may share a server, and lie in one slot of a cluster: what a session takes with it has to be beside it.

use redis::{Cmd, FromRedisValue, Script, ScriptInvocation};
use time::OffsetDateTime;

use super::Error;
use super::skew::Skew;

mod connection;
mod held;
mod records;

pub use super::server::Beside;
use connection::Connections;
pub use connection::{Node, Secret, Settings, Way};

/// How many sessions one step of a sweep ends.
const SWEEP_BATCH: u32 = 200;

#[derive(Clone, Debug)]
pub(super) struct Redis {
    connections: Connections,
    /// What all names begin with.
    prefix: String,
    script: Script,
    skew: Skew,
}

impl Redis {
    /// Opens the session store.
    pub(super) async fn open(settings: &Settings) -> Result<Self, Error> {
        let failed = |problem| Error::Sessions { at: settings.shown.clone(), problem };
        let connections = Connections::new(settings).map_err(failed)?;
        let redis = Self {
            connections,
            prefix: format!("{{{}}}:", settings.prefix),
            script: Script::new(include_str!("redis/expiring.lua")),
            skew: Skew::default(),
        };
        match super::engines::bounded(super::engines::PATIENCE, redis.ping()).await {
            Ok(()) => Ok(redis),
            Err(Error::Redis(problem)) => Err(failed(problem)),
            Err(other) => Err(other),
        }
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        self.ask(&redis::cmd("PING")).await
    }

    /// Looks at the server's clock.
    pub(super) async fn compare_clocks(&self) -> Result<(), Error> {
        let (seconds, _): (i64, i64) = self.ask(&redis::cmd("TIME")).await?;
        self.skew.measure(seconds);
        Ok(())
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

    /// Ends sessions that have expired, in batches. Everything else Redis forgets by itself.
    pub(super) async fn sweep(&self, now: OffsetDateTime) -> Result<u64, Error> {
        let swept: u64 = self.run("sweep", |call| call.arg(self.skew.theirs(now)).arg(SWEEP_BATCH)).await?;
        Ok(swept)
    }

    /// One operation of the script.
    async fn run<T: FromRedisValue>(
        &self,
        operation: &str,
        arguments: impl for<'a, 'b> FnOnce(&'b mut ScriptInvocation<'a>) -> &'b mut ScriptInvocation<'a>,
    ) -> Result<T, Error> {
        let mut call = self.script.key(&self.prefix);
        call.arg(operation);
        arguments(&mut call);
        let mut connection = self.connections.get().await?;
        let outcome = call.invoke_async(&mut connection.link).await;
        Ok(self.connections.judge(&connection, outcome)?)
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
