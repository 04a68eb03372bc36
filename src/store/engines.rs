//! The engines below the store: a database for what must last, and for what expires the same database or Redis. Each operation
//! has a limit, and is counted.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use secrecy::SecretString;

use super::database::Database;
use super::patience::{PATIENCE, PATIENCE_WITH_A_FILE, bounded};
use super::redis::Redis;
use super::sql::Sql;
use super::{Error, redis};
use crate::metrics;

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

/// Where what expires is kept.
#[derive(Clone, Debug)]
pub(super) enum Expiring {
    Sql(Sql),
    Redis(Redis),
}

/// Waits for one operation, which is counted under its name.
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
        use $crate::store::engines::{Expiring, counted};
        use $crate::store::patience::PATIENCE;
        let name = stringify!($operation);
        match &$store.expiring {
            Expiring::Sql(sql) => counted(Sessions, name, sql.patience(), Box::pin(sql.$operation($($argument),*))).await,
            Expiring::Redis(redis) => counted(Sessions, name, PATIENCE, Box::pin(redis.$operation($($argument),*))).await,
        }
    }};
}

pub(super) use {database, expiring};
