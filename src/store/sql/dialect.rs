//! The two databases, and what they do not write alike.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::Migrator;
use sqlx::{AnyPool, Connection};
use tokio::time::timeout;

use crate::store::database::Database;
use crate::store::patience::PATIENCE;

static SQLITE: Migrator = sqlx::migrate!("src/store/migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// How long a connection may have been idle and is taken as it is.
const FRESH: Duration = Duration::from_secs(1);
/// How long a server may take to say that a connection is good.
const PING: Duration = Duration::from_millis(500);

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    pub fn of(database: &Database) -> Self {
        match database {
            Database::Sqlite(_) => Self::Sqlite,
            Database::Postgres(_) => Self::Postgres,
        }
    }

    /// The one of two ways to say the same.
    pub fn either(self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
        }
    }

    pub fn migrations(self) -> &'static Migrator {
        match self {
            Self::Sqlite => &SQLITE,
            Self::Postgres => &POSTGRES,
        }
    }

    /// How many connections there are at the most, and how long one is waited for.
    pub async fn connect(self, database: &Database, options: AnyConnectOptions) -> Result<AnyPool, sqlx::Error> {
        let (most, patience) = match database {
            Database::Sqlite(_) => (4, Duration::from_secs(30)),
            Database::Postgres(server) => (server.connections, PATIENCE),
        };
        let pool = AnyPoolOptions::new().max_connections(most).acquire_timeout(patience).test_before_acquire(false);
        let pool = pool.before_acquire(move |connection, state| {
            Box::pin(async move {
                if self == Self::Sqlite || state.idle_for < FRESH {
                    return Ok(true);
                }
                // A network that fell silent leaves connections on which nothing will ever be said again.
                Ok(matches!(timeout(PING, connection.ping()).await, Ok(Ok(()))))
            })
        });
        // Also one whose statement was given up: what comes back on it, if anything, is read here, and not by the next request.
        let pool = pool.after_release(move |connection, _| {
            Box::pin(
                async move { Ok(self == Self::Sqlite || matches!(timeout(PING, connection.ping()).await, Ok(Ok(())))) },
            )
        });
        // A statement waits five seconds for another process's write, which is sqlx's own default.
        let pool = pool.after_connect(move |connection, _| {
            Box::pin(async move {
                if self == Self::Sqlite {
                    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL";
                    sqlx::raw_sql(settings).execute(connection).await?;
                }
                Ok(())
            })
        });
        pool.connect_with(options).await
    }
}

/// A statement that takes a lock in PostgreSQL. SQLite has no word for it, and needs none: only one writes at a time.
macro_rules! locking {
    ($dialect:expr, $before:expr, $lock:expr, $after:expr) => {
        $dialect.either(concat!($before, $after), concat!($before, $lock, $after))
    };
}

pub(super) use locking;

/// How sqlx is told where the database is. An SQLite file is opened in this mode.
pub(super) fn address(database: &Database, mode: &str) -> Result<AnyConnectOptions, sqlx::Error> {
    sqlx::any::install_default_drivers();
    match database {
        Database::Sqlite(file) => AnyConnectOptions::from_str(&format!("sqlite://{}?mode={mode}", path(file)?)),
        Database::Postgres(server) => AnyConnectOptions::from_str(server.url.expose_secret()),
    }
}

/// The path as part of an address.
fn path(file: &Path) -> Result<String, sqlx::Error> {
    let whole = std::path::absolute(file).map_err(sqlx::Error::Io)?;
    let url = url::Url::from_file_path(&whole).map_err(|()| sqlx::Error::Configuration("no path".into()))?;
    Ok(url.path().to_owned())
}
