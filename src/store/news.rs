//! What instances tell each other through the store: that sessions have ended, and which records are other than before. It comes
//! by the store's own means, PostgreSQL's LISTEN or Redis' SUBSCRIBE, and it may be lost: ends are read anew from time to time
//! ([`Store::watch`]), and memory keeps a record for a few seconds only.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::StreamExt;
use secrecy::ExposeSecret;
use sqlx::postgres::PgListener;
use tokio::time::{sleep, timeout};

use super::engines::Expiring;
use super::patience::{PATIENCE, bounded};
use super::redis::Redis;
use super::{Error, RecordId, SessionRef, Store};

/// The name under which PostgreSQL tells it, as its triggers have it.
const CHANNEL: &str = "qlik_embed_bff";
/// When nothing was told for so long, it is asked whether anybody is there.
const SILENCE: Duration = Duration::from_secs(10);
/// After a failure, nobody tries again before.
const REST: Duration = Duration::from_secs(1);

/// What is told.
enum News {
    /// Sessions have ended.
    Ended,
    /// This record is another.
    Changed(RecordId),
}

impl Store {
    /// Listens to other instances, for as long as it is waited for.
    pub(super) async fn listen(&self) -> Infallible {
        let mut failing = false;
        loop {
            let outcome = match &self.expiring {
                Expiring::Sql(sql) => match sql.server() {
                    Some(url) => self.listen_to_postgres(url.expose_secret(), &mut failing).await,
                    // Beside an SQLite file there is nobody who could tell.
                    None => std::future::pending().await,
                },
                Expiring::Redis(redis) => self.listen_to_redis(redis, &mut failing).await,
            };
            if let Err(problem) = outcome
                && !failing
            {
                tracing::warn!(%problem, "other instances are not heard; what they do is noticed some seconds later");
                failing = true;
            }
            sleep(REST).await;
        }
    }

    async fn listen_to_postgres(&self, url: &str, failing: &mut bool) -> Result<(), Error> {
        let open = async {
            let mut listener = PgListener::connect(url).await?;
            // It would use the password that there was.
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            Ok(listener)
        };
        let mut listener = bounded(PATIENCE, open).await?;
        self.missed(failing);
        loop {
            let Ok(news) = timeout(SILENCE, listener.try_recv()).await else {
                // Perhaps nothing happens. Perhaps the network has fallen silent.
                let ask = async { Ok(sqlx::query("SELECT 1").execute(&mut listener).await.map(|_| ())?) };
                bounded(PATIENCE, ask).await?;
                continue;
            };
            let Some(news) = news? else { return Ok(()) };
            match news.payload() {
                "ended" => self.heard(&News::Ended),
                id => {
                    if let Some(session) = SessionRef::parse(id) {
                        self.heard(&News::Changed(session.0));
                    }
                }
            }
        }
    }

    async fn listen_to_redis(&self, redis: &Redis, failing: &mut bool) -> Result<(), Error> {
        let (mut sink, mut news) = bounded(2 * PATIENCE, redis.subscribe()).await?.split();
        self.missed(failing);
        loop {
            let Ok(message) = timeout(SILENCE, news.next()).await else {
                bounded(PATIENCE, async { Ok(sink.subscribe(redis.news()).await?) }).await?;
                continue;
            };
            let Some(message) = message else { return Ok(()) };
            match RecordId::try_from(message.get_payload_bytes()) {
                Ok(id) => self.heard(&News::Changed(id)),
                Err(_) => self.heard(&News::Ended),
            }
        }
    }

    /// From now on everything is heard. What was told before is not known.
    fn missed(&self, failing: &mut bool) {
        if std::mem::take(failing) {
            tracing::info!("other instances are heard again");
        }
        self.ended_some();
    }

    fn heard(&self, news: &News) {
        match news {
            News::Ended => self.ends.hurry(),
            News::Changed(id) => self.forget_record(id),
        }
    }
}
