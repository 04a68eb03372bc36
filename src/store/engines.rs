//! The engines below the store: a database for what must last, and for what expires the same database or Redis. Each operation
//! has a limit: a store that is slow or gone makes a request fail, never hang.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::redis::Redis;
use super::server::Server;
use super::sql::Sql;
use super::{Error, redis};
use crate::metrics;

/// How long an operation may take. On a server that is far too long already; behind an SQLite file it is as long as another
/// process may write.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_WITH_A_FILE: Duration = Duration::from_secs(6);

/// Where the store lives and what its records are sealed with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What must last.
    pub database: Database,
    /// What expires, when that is not in the database too.
    pub sessions: Option<redis::Settings>,
    /// Seals what expires; made once and kept beside an SQLite file when not configured.
    pub secret: Option<SecretString>,
    /// What was sealed under one of these opens as well.
    pub previous: Vec<SecretString>,
}

/// The database.
#[derive(Clone, Debug)]
pub enum Database {
    /// An SQLite file. The folder above it is created when *its* parent exists.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(Server),
}

impl Settings {
    /// All in this SQLite file.
    pub fn file(file: PathBuf) -> Self {
        Self { database: Database::Sqlite(file), sessions: None, secret: None, previous: Vec::new() }
    }

    /// Whether there may be something: an SQLite file that is not there has nothing, and shall not be made for a question.
    pub fn is_there(&self) -> bool {
        match &self.database {
            Database::Sqlite(file) => file.exists(),
            Database::Postgres(_) => true,
        }
    }
}

impl Database {
    pub(super) fn server(&self) -> Option<SecretString> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) => Some(server.url.clone()),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "{}", file.display()),
            Self::Postgres(server) => f.write_str(&server.shown),
        }
    }
}

/// Where what expires is kept.
#[derive(Clone, Debug)]
pub(super) enum Expiring {
    Sql(Sql),
    Redis(Redis),
}

/// Waits for something of the store's, for no longer than it may take.
pub(super) async fn bounded<T>(limit: Duration, operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(limit, operation).await.unwrap_or(Err(Error::Slow(limit)))
}

/// The same, for one operation, which is counted under its name.
pub(super) async fn counted<T>(
    store: metrics::Store,
    name: &'static str,
    limit: Duration,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let begun = Instant::now();
    let outcome = bounded(limit, operation).await;
    let is_answer = matches!(outcome, Ok(_) | Err(Error::NameTaken(_) | Error::EmailTaken(_)));
    metrics::store(store, name, begun.elapsed(), !is_answer);
    outcome
}

impl Sql {
    pub(super) fn patience(&self) -> Duration {
        if self.is_file() { PATIENCE_WITH_A_FILE } else { PATIENCE }
    }
}

/// One operation on what must last.
macro_rules! database {
    ($store:ident.$operation:ident($($argument:expr),* $(,)?)) => {{
        use $crate::metrics::Store::Database;
        use $crate::store::engines::counted;
        let (name, limit) = (stringify!($operation), $store.database.patience());
        // Boxed: a request holds many of these, one after the other.
        counted(Database, name, limit, Box::pin($store.database.$operation($($argument),*))).await
    }};
}

/// One operation on what expires, wherever that is kept.
macro_rules! expiring {
    ($store:ident.$operation:ident($($argument:expr),* $(,)?)) => {{
        use $crate::metrics::Store::Sessions;
        use $crate::store::engines::{Expiring, PATIENCE, counted};
        let name = stringify!($operation);
        match &$store.expiring {
            Expiring::Sql(sql) => counted(Sessions, name, sql.patience(), Box::pin(sql.$operation($($argument),*))).await,
            Expiring::Redis(redis) => counted(Sessions, name, PATIENCE, Box::pin(redis.$operation($($argument),*))).await,
        }
    }};
}

pub(super) use {database, expiring};
