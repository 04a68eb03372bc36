//! The contract of the store, kept by each of its engines: two instances on one engine, and what they may rely on.

use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::store::sessions::{OWNER, PROVIDER_SESSION, Sessions};
use qlik_embed_bff::store::{Database, Server, SessionRef, Settings, Store, redis};
use secrecy::SecretString;
use serde_json::json;
use tempfile::TempDir;
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;

mod accounts;
mod addresses;
mod ends;
mod held;
mod migrations;
mod records;
mod roads;
mod sessions;
mod subjects;

/// Two instances on one store, and the time at which it begins.
pub struct Pair {
    pub here: Store,
    pub there: Store,
    pub now: OffsetDateTime,
    /// Whether the engine tells one instance what the other does.
    pub told: bool,
}

impl Pair {
    async fn open(settings: &Settings) -> Self {
        let open = async || {
            let store = Store::open(settings).await.expect("the store opens");
            let watched = store.clone();
            tokio::spawn(async move { watched.watch().await });
            store
        };
        let told = settings.sessions.is_some() || matches!(settings.database, Database::Postgres(_));
        let pair = Self { here: open().await, there: open().await, now: Clock::default().now(), told };
        pair.listen().await;
        pair
    }

    /// Waits until each of them hears the other: what was told before is lost to whoever did not listen yet.
    async fn listen(&self) {
        for (tells, hears) in [(&self.here, &self.there), (&self.there, &self.here)] {
            let (mut heard, mut in_turn) = (hears.ended(), 0);
            while self.told && in_turn < 3 {
                let probe = Sessions::new(tells.clone(), Clock::default());
                let until = Clock::default().now() + time::Duration::minutes(1);
                let data = [(OWNER.to_owned(), json!("password:probe"))].into();
                let mut record = Record { id: Id::default(), data, expiry_date: until };
                probe.create(&mut record).await.expect("the store answers");
                probe.delete(&record.id).await.expect("the store answers");
                // Sooner than the next look at what has ended.
                let soon = std::time::Duration::from_millis(100);
                in_turn = if tokio::time::timeout(soon, heard.recv()).await.is_ok() { in_turn + 1 } else { 0 };
            }
        }
    }

    /// A session of somebody who is signed in, made by the first instance.
    pub async fn signed_in(&self, owner: &str) -> Signed {
        self.signed_in_until(owner, None, self.now + time::Duration::minutes(30)).await
    }

    pub async fn signed_in_until(&self, owner: &str, provider: Option<&str>, until: OffsetDateTime) -> Signed {
        let mut data = [(OWNER.to_owned(), json!(owner))].into_iter().collect::<std::collections::HashMap<_, _>>();
        data.extend(provider.map(|id| (PROVIDER_SESSION.to_owned(), json!(id))));
        let mut record = Record { id: Id::default(), data, expiry_date: until };
        self.sessions().create(&mut record).await.expect("the store answers");
        Signed { session: SessionRef::of(record.id), record }
    }

    /// The sessions, as the first instance sees them.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.here.clone(), Clock::default())
    }

    /// ... and as the other one does.
    pub fn sessions_there(&self) -> Sessions {
        Sessions::new(self.there.clone(), Clock::default())
    }
}

pub struct Signed {
    pub session: SessionRef,
    pub record: Record,
}

/// Everything that holds for each engine.
async fn hold(settings: Settings) {
    let pair = Pair::open(&settings).await;
    accounts::hold(&pair).await;
    records::hold(&pair).await;
    sessions::hold(&pair).await;
    held::hold(&pair).await;
    ends::hold(&pair).await;
    subjects::hold(&pair).await;
    pair.here.close().await;
    pair.there.close().await;
}

fn secret() -> Option<SecretString> {
    Some(SecretString::from("a secret that all instances have"))
}

fn on_postgres(url: &str) -> Settings {
    let server = Server::parse(url, None, 10).expect("an address");
    Settings { database: Database::Postgres(server), sessions: None, secret: secret(), previous: Vec::new() }
}

fn in_redis(url: &str) -> redis::Settings {
    let beside = redis::Beside { prefix: "test".into(), ..redis::Beside::default() };
    redis::Settings::parse(url, beside).expect("an address")
}

fn in_a_file(folder: &TempDir) -> Settings {
    Settings::file(folder.path().join("portal.db"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_sqlite_file_keeps_the_contract() {
    let folder = tempfile::tempdir().expect("a folder");
    hold(in_a_file(&folder)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_the_contract() {
    let server = Postgres::start();
    hold(on_postgres(&server.database("portal"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_keeps_the_contract() {
    let (folder, server) = (tempfile::tempdir().expect("a folder"), Redis::start());
    hold(Settings { sessions: Some(in_redis(&server.url())), secret: secret(), ..in_a_file(&folder) }).await;
}
