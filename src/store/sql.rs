//! The store in SQL: one SQLite file with a write-ahead log, so that readers do not wait for the writer, or a PostgreSQL
//! database. Statements are written so that both understand them; where they cannot be, `dialect` tells them apart.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use secrecy::SecretString;
use sqlx::any::AnyConnectOptions;
use sqlx::migrate::MigrateError;
use sqlx::{AnyPool, ConnectOptions};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::skew::Skew;
use super::{Condition, Database, Error};
use crate::identity::Account;

mod dialect;
mod held;
mod records;
mod subjects;
mod sweep;

use dialect::Dialect;
pub use subjects::Import;

#[derive(Clone, Debug)]
pub(super) struct Sql {
    pool: AnyPool,
    dialect: Dialect,
    /// Where it is, when it is a server; the password in it is exchanged.
    server: Option<Arc<ArcSwap<SecretString>>>,
    skew: Skew,
}

/// The address of a server, with its password, and what that is to sqlx.
pub(super) fn way(database: &Database) -> Result<Option<(SecretString, AnyConnectOptions)>, Error> {
    let Some(server) = database.server() else { return Ok(None) };
    let options = dialect::address(database, "rw").map_err(|problem| Error::open(database, problem))?;
    Ok(Some((server, options)))
}

/// Which migrations a database has had.
pub(super) async fn condition(database: &Database) -> Result<Condition, Error> {
    let failed = |problem| Error::open(database, problem);
    let dialect = Dialect::of(database);
    let mut connection = dialect::address(database, "ro").map_err(failed)?.connect().await.map_err(failed)?;
    let table = dialect.either(
        "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
        "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = '_sqlx_migrations'",
    );
    let has_any: i64 = sqlx::query_scalar(table).fetch_one(&mut connection).await.map_err(failed)?;
    let done: Vec<i64> = match has_any {
        0 => Vec::new(),
        _ => {
            let all = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success");
            all.fetch_all(&mut connection).await.map_err(failed)?
        }
    };
    let known: Vec<i64> = dialect.migrations().iter().map(|step| step.version).collect();
    if done.iter().any(|version| !known.contains(version)) {
        return Ok(Condition::Newer);
    }
    Ok(match (done.len(), known.len() - done.len()) {
        (0, _) if dialect == Dialect::Postgres => Condition::Nothing,
        (_, 0) => Condition::Current,
        (_, missing) => Condition::Behind(missing),
    })
}

type AccountRow = (String, String, String, String);

impl Sql {
    /// Opens the database and brings its tables up to date. Of several who come at once, one does, and the others wait.
    pub(super) async fn open(database: &Database) -> Result<Self, Error> {
        let failed = |problem| Error::open(database, problem);
        let dialect = Dialect::of(database);
        let _alone = match database {
            Database::Sqlite(file) => Some(alone(file).await.map_err(|problem| failed(sqlx::Error::Io(problem)))?),
            // There, a lock of the database is taken.
            Database::Postgres(_) => None,
        };
        let options = dialect::address(database, "rwc").map_err(failed)?;
        let pool = dialect.connect(database, options).await.map_err(failed)?;
        match dialect.migrations().run(&pool).await {
            Ok(()) => {
                let server = database.server().map(|server| Arc::new(ArcSwap::from_pointee(server)));
                Ok(Self { pool, dialect, server, skew: Skew::default() })
            }
            Err(MigrateError::VersionMissing(_) | MigrateError::VersionTooOld(..)) => {
                Err(Error::Newer(database.to_string()))
            }
            Err(MigrateError::Execute(problem)) => Err(failed(problem)),
            Err(other) => Err(failed(sqlx::Error::Migrate(Box::new(other)))),
        }
    }

    pub(super) fn is_file(&self) -> bool {
        self.server.is_none()
    }

    /// The address of the server, with its password.
    pub(super) fn server(&self) -> Option<Arc<SecretString>> {
        self.server.as_ref().map(|server| server.load_full())
    }

    /// From now on, new connections are opened so.
    pub(super) fn follow(&self, address: SecretString, options: AnyConnectOptions) {
        if let Some(server) = &self.server {
            server.store(Arc::new(address));
            self.pool.set_connect_options(options);
        }
    }

    /// Looks at the database's clock. That of an SQLite file is ours.
    pub(super) async fn compare_clocks(&self) -> Result<(), Error> {
        if self.dialect == Dialect::Postgres {
            self.skew.measure(sqlx::query_scalar("SELECT unixepoch()").fetch_one(&self.pool).await?);
        }
        Ok(())
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Waits for what is under way, but not for a server that is gone.
    pub(super) async fn close(&self) {
        let _ = timeout(self.patience(), self.pool.close()).await;
    }

    pub(super) async fn add_account(
        &self,
        account: &Account,
        password_hash: &str,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let groups = serde_json::to_string(&account.groups).expect("a list of strings is JSON");
        let inserted = sqlx::query(
            "INSERT INTO account (id, name, email, groups, password_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&account.id)
        .bind(&account.name)
        .bind(&account.email)
        .bind(groups)
        .bind(password_hash)
        .bind(now.unix_timestamp())
        .execute(&self.pool)
        .await;
        match inserted {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(problem)) if problem.is_unique_violation() => {
                // SQLite names the column, PostgreSQL the index.
                let by_email = ["account.email", "account_email"].iter().any(|name| problem.message().contains(name));
                Err(if by_email {
                    Error::EmailTaken(account.email.clone())
                } else {
                    Error::NameTaken(account.id.clone())
                })
            }
            Err(other) => Err(other.into()),
        }
    }

    pub(super) async fn accounts(&self) -> Result<Vec<Account>, Error> {
        let rows: Vec<AccountRow> =
            sqlx::query_as("SELECT id, name, email, groups FROM account ORDER BY id").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(account).collect())
    }

    pub(super) async fn account(&self, id: &str) -> Result<Option<(Account, String)>, Error> {
        let row: Option<(String, String, String, String, String)> =
            sqlx::query_as("SELECT id, name, email, groups, password_hash FROM account WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        Ok(row.map(|(id, name, email, groups, password_hash)| (account((id, name, email, groups)), password_hash)))
    }

    pub(super) async fn set_password(&self, id: &str, password_hash: &str) -> Result<bool, Error> {
        let changed = sqlx::query("UPDATE account SET password_hash = $1 WHERE id = $2").bind(password_hash).bind(id);
        Ok(changed.execute(&self.pool).await?.rows_affected() == 1)
    }

    pub(super) async fn remove_account(&self, id: &str, identity: &str) -> Result<bool, Error> {
        let mut transaction = self.pool.begin().await?;
        let removed = sqlx::query("DELETE FROM account WHERE id = $1").bind(id).execute(&mut *transaction).await?;
        subjects::forget(&mut transaction, identity).await?;
        transaction.commit().await?;
        Ok(removed.rows_affected() == 1)
    }

    pub(super) async fn count_attempts(
        &self,
        id: &[u8],
        many: u32,
        now: OffsetDateTime,
        window: Duration,
    ) -> Result<(u32, OffsetDateTime), Error> {
        let (count, until): (i64, i64) = sqlx::query_as(
            "INSERT INTO attempt (id, count, expires_at) VALUES ($1, $4, $3)
             ON CONFLICT (id) DO UPDATE SET
                 count = CASE WHEN attempt.expires_at <= $2 THEN $4 ELSE attempt.count + $4 END,
                 expires_at = CASE WHEN attempt.expires_at <= $2 THEN $3 ELSE attempt.expires_at END
             RETURNING count, expires_at",
        )
        .bind(id)
        .bind(self.skew.theirs(now))
        .bind(self.skew.theirs(now + window))
        .bind(i64::from(many))
        .fetch_one(&self.pool)
        .await?;
        Ok((u32::try_from(count).unwrap_or(u32::MAX), self.skew.ours(until)))
    }

    pub(super) async fn attempts(
        &self,
        id: &[u8],
        now: OffsetDateTime,
    ) -> Result<Option<(u32, OffsetDateTime)>, Error> {
        const SQL: &str = "SELECT count, expires_at FROM attempt WHERE id = $1 AND expires_at > $2";
        let found: Option<(i64, i64)> =
            sqlx::query_as(SQL).bind(id).bind(self.skew.theirs(now)).fetch_optional(&self.pool).await?;
        Ok(found.map(|(count, until)| (u32::try_from(count).unwrap_or(u32::MAX), self.skew.ours(until))))
    }

    pub(super) async fn forgive_attempt(&self, id: &[u8]) -> Result<(), Error> {
        sqlx::query("UPDATE attempt SET count = count - 1 WHERE id = $1 AND count > 0")
            .bind(id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Deletes some of what has expired. Says how much it was; nothing is left when that is nothing.
    pub(super) async fn sweep(&self, now: OffsetDateTime) -> Result<u64, Error> {
        for statement in sweep::steps(self.dialect) {
            let batch = sqlx::query(statement).bind(self.skew.theirs(now)).bind(sweep::BATCH);
            let swept = batch.execute(&self.pool).await?.rows_affected();
            // What comes next in the table would be looked for among all that is left of this.
            if swept > 0 {
                return Ok(swept);
            }
        }
        Ok(0)
    }
}

/// Keeps others from doing the same. It ends with the file that is returned.
async fn alone(database: &Path) -> std::io::Result<File> {
    // Password hashes and addresses are nobody else's; SQLite gives the files beside it the same mode.
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(database)?;
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(folder)?;
    let locked = spawn_blocking(move || folder.lock().map(|()| folder));
    locked.await.map_err(std::io::Error::other)?
}

fn account((id, name, email, groups): AccountRow) -> Account {
    let groups = serde_json::from_str(&groups).unwrap_or_else(|_| {
        tracing::error!("the groups of an account in the database are damaged; it is treated as being in none");
        Vec::new()
    });
    Account { id, name, email, groups }
}

/// Of times that nobody compares.
fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
