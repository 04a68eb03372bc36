//! What must be remembered: local accounts, sessions (encrypted, they expire) and what belongs to them, failed attempts to
//! sign in, and whose each subject is.
//!
//! One SQLite file, or a PostgreSQL database; what expires may be in Redis instead. Callers see accounts, records, counts and
//! standings; only `store/sql.rs` knows that there is SQL, and only `store/redis.rs` that there is Redis.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use time::OffsetDateTime;

mod accounts;
mod attached;
mod database;
mod ended;
mod engines;
mod error;
pub mod held;
mod listed;
pub mod locks;
mod news;
mod patience;
mod records;
pub mod redis;
mod renewal;
mod seal;
pub mod secret;
pub mod sessions;
mod skew;
mod sql;
pub mod subjects;

pub use attached::Attached;
pub use database::{Database, Server};
use ended::Ends;
pub use ended::SessionRef;
pub use engines::Settings;
use engines::{Expiring, database, expiring};
pub use error::Error;
pub use listed::Place;
use records::CachedRecord;
pub use records::Kind;
use redis::Redis;
pub use renewal::Renewal;
use seal::Seal;
use sql::Sql;
use subjects::Standing;

/// How long a record that was read is answered from memory. Another process may change it in the database; this is how long
/// this one may not have noticed. Of ends it learns sooner ([`Store::watch`]).
const CACHE_TIME: Duration = Duration::from_secs(5);
/// How many records memory holds at the most; each is well below 1 KiB.
const CACHE_RECORDS: u64 = 10_000;

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    database: Sql,
    expiring: Expiring,
    seal: Arc<Seal>,
    cache: Cache<RecordId, CachedRecord>,
    /// What is remembered of identities, by their keys.
    standings: Cache<Box<str>, Arc<Standing>>,
    /// Counts changes of records, so that a reader notices when what it has just read may be history.
    changes: Arc<AtomicU64>,
    ends: Arc<Ends>,
    /// Whether it did not answer when it was last asked for a sign of life.
    away: Arc<AtomicBool>,
}

/// Which sessions to end.
#[derive(Clone, Copy, Debug)]
pub enum SessionsOf<'a> {
    /// All of this identity, by its key.
    Owner(&'a str),
    /// Those of this identity of which it is not known in which session at an OpenID provider they began.
    OwnerUnmarked(&'a str),
    /// All that began in this session at an OpenID provider.
    ProviderSession(&'a str),
}

/// SHA-256 of the name that its holder knows; the name itself is not stored.
type RecordId = [u8; 32];

/// By what a session can be ended without knowing its name.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    owner: Option<[u8; 32]>,
    provider_session: Option<[u8; 32]>,
}

impl Marks {
    fn owner(&self) -> Option<&[u8]> {
        self.owner.as_ref().map(<[u8; 32]>::as_slice)
    }

    fn provider_session(&self) -> Option<&[u8]> {
        self.provider_session.as_ref().map(<[u8; 32]>::as_slice)
    }
}

/// One digest for all that the database should not know in clear.
fn hash(text: &[u8]) -> [u8; 32] {
    digest(&SHA256, text).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// How the tables of a database stand to this version of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no database.
    Nothing,
    /// They are of this version.
    Current,
    /// So many steps are missing, which the next start makes.
    Behind(usize),
    /// A newer version has been here.
    Newer,
}

/// Looks at a database without changing anything.
///
/// # Errors
/// When it cannot be read.
pub async fn condition(settings: &Settings) -> Result<Condition, Error> {
    if settings.is_there() { sql::condition(&settings.database).await } else { Ok(Condition::Nothing) }
}

/// Tries the session store without changing anything. Says how many seconds its clock is ahead of this machine's; a few are none.
///
/// # Errors
/// When it does not answer, or does not let us in.
pub async fn try_session_store(settings: &redis::Settings) -> Result<i64, Error> {
    let redis = Redis::open(settings).await?;
    patience::bounded(patience::PATIENCE, redis.compare_clocks()).await?;
    Ok(redis.ahead())
}

impl Store {
    /// Opens the database, makes it when there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// Each with a sentence on what to do; nothing is left half made.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        if let Database::Sqlite(file) = &settings.database {
            make_folder(file)?;
        }
        let secret = match (&settings.secret, &settings.database) {
            (Some(secret), _) => secret.clone(),
            (None, Database::Sqlite(file)) => secret::beside(file)?,
            (None, Database::Postgres(_)) => return Err(Error::NoSecret),
        };
        let database = Sql::open(&settings.database).await?;
        let expiring = match &settings.sessions {
            Some(settings) => Expiring::Redis(Redis::open(settings).await?),
            None => Expiring::Sql(database.clone()),
        };
        let cache = Cache::builder().max_capacity(CACHE_RECORDS).time_to_live(CACHE_TIME).build();
        let standings = Cache::builder().max_capacity(CACHE_RECORDS).time_to_live(CACHE_TIME).build();
        let seal = Arc::new(Seal::new(&secret, &settings.previous));
        let (changes, ends): (_, Arc<Ends>) = (Arc::default(), Arc::default());
        let store = Self { database, expiring, seal, cache, standings, changes, ends, away: Arc::default() };
        store.compare_clocks().await?;
        store.ends.begin_behind(expiring!(store.last_ended_session())?);
        Ok(store)
    }

    /// Opens a database that is there already, for commands that only look or change.
    ///
    /// # Errors
    /// [`Error::Nothing`] when there is none; otherwise as [`Store::open`].
    pub async fn open_existing(settings: &Settings) -> Result<Self, Error> {
        match &settings.database {
            Database::Sqlite(file) if !file.exists() => Err(Error::Nothing(file.clone())),
            _ => Self::open(settings).await,
        }
    }

    /// Whether everything that the store needs answers. Strangers may have it asked as often as they like: only a change is
    /// told to the log.
    ///
    /// # Errors
    /// When something does not.
    pub async fn ping(&self) -> Result<(), Error> {
        let database = async { database!(self.ping()) };
        let outcome = match self.expiring {
            Expiring::Sql(_) => database.await,
            Expiring::Redis(_) => tokio::try_join!(database, async { expiring!(self.ping()) }).map(|_| ()),
        };
        let was_away = self.away.swap(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Err(problem) if !was_away => tracing::error!(%problem, "not ready: the store does not answer"),
            Ok(()) if was_away => tracing::info!("ready: the store answers again"),
            _ => {}
        }
        outcome
    }

    /// Writes everything out and lets go of the database.
    pub async fn close(&self) {
        self.ends.close();
        self.database.close().await;
    }

    async fn compare_clocks(&self) -> Result<(), Error> {
        expiring!(self.compare_clocks())
    }

    /// What a page of ours sends along to show that it is one, for as long as this session has its id; then what pages send that
    /// were made under a secret before. They are derived, not kept: every instance with the same secrets knows them.
    pub fn csrf_tokens(&self, session: SessionRef) -> Vec<[u8; 32]> {
        self.seal.csrf_tokens(&session.0)
    }

    /// Ends sessions. Says how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_sessions(&self, of: SessionsOf<'_>) -> Result<u64, Error> {
        let ended = match of {
            SessionsOf::Owner(key) => expiring!(self.end_sessions_of_owner(&hash(key.as_bytes()))),
            SessionsOf::OwnerUnmarked(key) => expiring!(self.end_unmarked_sessions_of_owner(&hash(key.as_bytes()))),
            SessionsOf::ProviderSession(id) => expiring!(self.end_provider_session(&hash(id.as_bytes()))),
        };
        self.ended_some();
        ended
    }

    /// Deletes what has expired, in batches that never hold the database for long. Says how much it was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep(&self, now: OffsetDateTime) -> Result<u64, Error> {
        self.compare_clocks().await?;
        let mut swept = 0;
        loop {
            let batch = expiring!(self.sweep(now))?;
            self.ends.hurry();
            if batch == 0 {
                return Ok(swept);
            }
            swept += batch;
            // Requests have their turn.
            tokio::task::yield_now().await;
        }
    }

    /// Sessions may have ended. Which ones is not known here: all are read anew.
    fn ended_some(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate_all();
        self.ends.hurry();
    }
}

/// Makes the folder of the database, for its owner alone, but no more than one: a longer path that is missing is a
/// typing error.
fn make_folder(file: &Path) -> Result<(), Error> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(_) if !folder.is_dir() => Err(Error::NoFolder(folder.to_owned())),
        _ => Ok(()),
    }
}
