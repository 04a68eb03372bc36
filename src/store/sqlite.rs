//! The store on one SQLite file: write-ahead log, so that readers do not wait for the writer.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use time::OffsetDateTime;

use super::{Condition, Error};
use crate::identity::Account;

mod held;
mod records;
mod subjects;

pub(super) use held::Row as HeldRow;
pub(super) use records::Row;
pub use subjects::Import;

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// How long a statement waits for another process's write.
const BUSY: Duration = Duration::from_secs(5);
/// How many rows one step of a sweep deletes.
const SWEEP_BATCH: i64 = 500;

#[derive(Clone, Debug)]
pub(super) struct Sqlite(SqlitePool);

/// Which migrations a database has had.
pub(super) async fn condition(file: &Path) -> Result<Condition, Error> {
    let failed = |problem| Error::Open { file: file.to_owned(), problem };
    let options = SqliteConnectOptions::new().filename(file).read_only(true).busy_timeout(BUSY);
    let mut connection = options.connect().await.map_err(failed)?;
    let table = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let (has_any,): (i64,) = sqlx::query_as(table).fetch_one(&mut connection).await.map_err(failed)?;
    let done: Vec<(i64,)> = match has_any {
        0 => Vec::new(),
        _ => {
            let all = sqlx::query_as("SELECT version FROM _sqlx_migrations WHERE success");
            all.fetch_all(&mut connection).await.map_err(failed)?
        }
    };
    let known: Vec<i64> = MIGRATIONS.iter().map(|step| step.version).collect();
    if done.iter().any(|(version,)| !known.contains(version)) {
        return Ok(Condition::Newer);
    }
    Ok(match known.len() - done.len() {
        0 => Condition::Current,
        missing => Condition::Behind(missing),
    })
}

type AccountRow = (String, String, String, String);

impl Sqlite {
    pub(super) async fn open(file: &Path) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY);
        let failed = |problem| Error::Open { file: file.to_owned(), problem };
        // Password hashes and addresses are nobody else's; SQLite gives the files beside it the same mode.
        let mut private = OpenOptions::new();
        private.write(true).create(true).mode(0o600).open(file).map_err(|problem| failed(sqlx::Error::Io(problem)))?;
        let pool = SqlitePoolOptions::new().max_connections(4).connect_with(options).await.map_err(failed)?;
        match MIGRATIONS.run(&pool).await {
            Ok(()) => Ok(Self(pool)),
            Err(MigrateError::VersionMissing(_) | MigrateError::VersionTooOld(..)) => {
                Err(Error::Newer(file.to_owned()))
            }
            Err(MigrateError::Execute(problem)) => Err(failed(problem)),
            Err(other) => Err(failed(sqlx::Error::Migrate(Box::new(other)))),
        }
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        sqlx::query("SELECT 1").execute(&self.0).await?;
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    pub(super) async fn add_account(
        &self,
        account: &Account,
        password_hash: &str,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let groups = serde_json::to_string(&account.groups).expect("a list of strings is JSON");
        let inserted = sqlx::query(
            "INSERT INTO account (id, name, email, groups, password_hash, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(&account.id)
        .bind(&account.name)
        .bind(&account.email)
        .bind(groups)
        .bind(password_hash)
        .bind(now.unix_timestamp())
        .execute(&self.0)
        .await;
        match inserted {
            Ok(_) => Ok(()),
            Err(sqlx::Error::Database(problem)) if problem.is_unique_violation() => {
                let by_email = problem.message().contains("account.email");
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
            sqlx::query_as("SELECT id, name, email, groups FROM account ORDER BY id").fetch_all(&self.0).await?;
        Ok(rows.into_iter().map(account).collect())
    }

    pub(super) async fn account(&self, id: &str) -> Result<Option<(Account, String)>, Error> {
        let row: Option<(String, String, String, String, String)> =
            sqlx::query_as("SELECT id, name, email, groups, password_hash FROM account WHERE id = ?")
                .bind(id)
                .fetch_optional(&self.0)
                .await?;
        Ok(row.map(|(id, name, email, groups, password_hash)| (account((id, name, email, groups)), password_hash)))
    }

    pub(super) async fn set_password(&self, id: &str, password_hash: &str, owner: &[u8]) -> Result<bool, Error> {
        let mut transaction = self.0.begin().await?;
        let changed = sqlx::query("UPDATE account SET password_hash = ? WHERE id = ?")
            .bind(password_hash)
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("DELETE FROM record WHERE owner = ?").bind(owner).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(changed.rows_affected() == 1)
    }

    pub(super) async fn remove_account(&self, id: &str, owner: &[u8], identity: &str) -> Result<bool, Error> {
        let mut transaction = self.0.begin().await?;
        let removed = sqlx::query("DELETE FROM account WHERE id = ?").bind(id).execute(&mut *transaction).await?;
        sqlx::query("DELETE FROM record WHERE owner = ?").bind(owner).execute(&mut *transaction).await?;
        subjects::forget(&mut transaction, identity).await?;
        transaction.commit().await?;
        Ok(removed.rows_affected() == 1)
    }

    pub(super) async fn count_attempt(
        &self,
        id: &[u8],
        now: OffsetDateTime,
        window: Duration,
    ) -> Result<(u32, OffsetDateTime), Error> {
        let (count, until): (i64, i64) = sqlx::query_as(
            "INSERT INTO attempt (id, count, expires_at) VALUES (?1, 1, ?3)
             ON CONFLICT (id) DO UPDATE SET
                 count = CASE WHEN expires_at <= ?2 THEN 1 ELSE count + 1 END,
                 expires_at = CASE WHEN expires_at <= ?2 THEN ?3 ELSE expires_at END
             RETURNING count, expires_at",
        )
        .bind(id)
        .bind(now.unix_timestamp())
        .bind((now + window).unix_timestamp())
        .fetch_one(&self.0)
        .await?;
        Ok((u32::try_from(count).unwrap_or(u32::MAX), at(until)))
    }

    pub(super) async fn attempts(
        &self,
        id: &[u8],
        now: OffsetDateTime,
    ) -> Result<Option<(u32, OffsetDateTime)>, Error> {
        const SQL: &str = "SELECT count, expires_at FROM attempt WHERE id = ? AND expires_at > ?";
        let found: Option<(i64, i64)> =
            sqlx::query_as(SQL).bind(id).bind(now.unix_timestamp()).fetch_optional(&self.0).await?;
        Ok(found.map(|(count, until)| (u32::try_from(count).unwrap_or(u32::MAX), at(until))))
    }

    pub(super) async fn forgive_attempt(&self, id: &[u8]) -> Result<(), Error> {
        sqlx::query("UPDATE attempt SET count = count - 1 WHERE id = ? AND count > 0")
            .bind(id)
            .execute(&self.0)
            .await?;
        Ok(())
    }

    pub(super) async fn sweep(&self, now: OffsetDateTime) -> Result<u64, Error> {
        const RECORDS: &str = "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE expires_at <= ? LIMIT ?)";
        const ATTEMPTS: &str = "DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE expires_at <= ? LIMIT ?)";
        const HELD: &str =
            "DELETE FROM held WHERE (session, kind) IN (SELECT session, kind FROM held WHERE expires_at <= ? LIMIT ?)";
        let mut swept = 0;
        for statement in [RECORDS, ATTEMPTS, HELD] {
            loop {
                let batch =
                    sqlx::query(statement).bind(now.unix_timestamp()).bind(SWEEP_BATCH).execute(&self.0).await?;
                swept += batch.rows_affected();
                // A batch may be a small one: what belongs to a session goes with it, uncounted.
                if batch.rows_affected() == 0 {
                    break;
                }
            }
        }
        // Every instance has read of these ends long ago. The time is the one by which they were written.
        sqlx::query("DELETE FROM ended_session WHERE ended_at < unixepoch() - 3600").execute(&self.0).await?;
        Ok(swept)
    }
}

fn account((id, name, email, groups): AccountRow) -> Account {
    let groups = serde_json::from_str(&groups).unwrap_or_else(|_| {
        tracing::error!("the groups of an account in the database are damaged; it is treated as being in none");
        Vec::new()
    });
    Account { id, name, email, groups }
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
