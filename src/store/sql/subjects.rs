//! Whose a subject is, in SQL.

use sqlx::AnyConnection;
use time::OffsetDateTime;

use super::dialect::Dialect;
use super::{Sql, at};
use crate::store::Error;
use crate::store::subjects::holdings::{
    Claim, Forgotten, Found, Holding, Listed, Listing, Release, Spelling, Standing, fold,
};

mod import;

pub use import::Import;

/// How many rows one step of reading a whole table takes.
const BATCH: i64 = 1000;

impl Sql {
    pub(in crate::store) async fn standing(&self, identity: &str) -> Result<Standing, Error> {
        let (listed, found, held): (Option<String>, Option<String>, Option<String>) = sqlx::query_as(
            "SELECT (SELECT subject FROM listed_subject WHERE identity = $1),
                    (SELECT subject FROM found_subject WHERE identity = $1),
                    (SELECT subject FROM held_subject WHERE identity = $1 AND left_at IS NULL)",
        )
        .bind(identity)
        .fetch_one(&self.pool)
        .await?;
        Ok(Standing { listed, found: found.map(read_found), held })
    }

    pub(in crate::store) async fn claim(
        &self,
        identity: &str,
        subject: &str,
        spelling: Spelling,
        now: OffsetDateTime,
    ) -> Result<Claim, Error> {
        let folded = fold(subject);
        // The first statement writes, so that it waits for other writers instead of failing after having read.
        let mut transaction = self.pool.begin().await?;
        let claimed: Option<(String,)> = sqlx::query_as(
            "INSERT INTO held_subject (folded, subject, identity, since) VALUES ($1, $2, $3, $4)
             ON CONFLICT (folded) DO UPDATE
                 SET subject = CASE WHEN $5 THEN held_subject.subject ELSE excluded.subject END, left_at = NULL
                 WHERE held_subject.identity = excluded.identity
             RETURNING subject",
        )
        .bind(&folded)
        .bind(subject)
        .bind(identity)
        .bind(now.unix_timestamp())
        .bind(spelling == Spelling::Held)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((subject,)) = claimed else {
            let by = holder(&mut transaction, &folded).await?.map(|held| held.identity).unwrap_or_default();
            return Ok(Claim::Taken { by });
        };
        let from = leave_others(&mut transaction, identity, &folded, now).await?;
        transaction.commit().await?;
        Ok(Claim::Held { subject, from })
    }

    pub(in crate::store) async fn holder(&self, subject: &str) -> Result<Option<Listed>, Error> {
        holder(&mut *self.pool.acquire().await?, &fold(subject)).await
    }

    pub(in crate::store) async fn remember(&self, identity: &str, found: &Found) -> Result<Found, Error> {
        let subject = match found {
            Found::One(subject) => subject,
            Found::NotOne => "",
        };
        let (remembered,): (String,) = sqlx::query_as(
            "INSERT INTO found_subject (identity, subject) VALUES ($1, $2)
             ON CONFLICT (identity) DO UPDATE SET subject = found_subject.subject RETURNING subject",
        )
        .bind(identity)
        .bind(subject)
        .fetch_one(&self.pool)
        .await?;
        Ok(read_found(remembered))
    }

    pub(in crate::store) async fn list_subject(
        &self,
        entry: &Listed,
        shared: bool,
        now: OffsetDateTime,
    ) -> Result<Listing, Error> {
        let Listed { identity, subject } = entry;
        let folded = fold(subject);
        let mut transaction = self.pool.begin().await?;
        lock(&mut transaction, self.dialect).await?;
        if !shared {
            let other: Option<(String,)> =
                sqlx::query_as("SELECT identity FROM listed_subject WHERE folded = $1 AND identity <> $2 LIMIT 1")
                    .bind(&folded)
                    .bind(identity)
                    .fetch_optional(&mut *transaction)
                    .await?;
            if let Some((other,)) = other {
                return Ok(Listing::ListedFor(other));
            }
        }
        let before: Option<(String,)> = sqlx::query_as("SELECT subject FROM listed_subject WHERE identity = $1")
            .bind(identity)
            .fetch_optional(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO listed_subject (identity, subject, folded) VALUES ($1, $2, $3)
             ON CONFLICT (identity) DO UPDATE SET subject = excluded.subject, folded = excluded.folded",
        )
        .bind(identity)
        .bind(subject)
        .bind(&folded)
        .execute(&mut *transaction)
        .await?;
        let taken_from = match shared {
            true => None,
            false => give(&mut transaction, entry, &folded, now).await?,
        };
        transaction.commit().await?;
        Ok(Listing::Done { before: before.map(|(subject,)| subject), taken_from })
    }

    pub(in crate::store) async fn forget_identity(&self, identity: &str) -> Result<Forgotten, Error> {
        let mut transaction = self.pool.begin().await?;
        let forgotten = forget(&mut transaction, identity).await?;
        transaction.commit().await?;
        Ok(forgotten)
    }

    pub(in crate::store) async fn release(&self, which: Release<'_>) -> Result<u64, Error> {
        // An identity on the list keeps what the list gives it.
        const RELEASE: &str = "DELETE FROM held_subject WHERE CASE $1
                 WHEN 'of' THEN identity = $2
                 WHEN 'beginning' THEN substr(identity, 1, length($2)) = $2
                 ELSE left_at IS NOT NULL END
             AND (left_at IS NOT NULL OR identity NOT IN (SELECT identity FROM listed_subject))";
        let (kind, text) = match which {
            Release::Of(identity) => ("of", identity),
            Release::Beginning(start) => ("beginning", start),
            Release::Left => ("left", ""),
        };
        let released = sqlx::query(RELEASE).bind(kind).bind(text).execute(&self.pool).await?;
        Ok(released.rows_affected())
    }

    pub(in crate::store) async fn listed(&self, behind: &str) -> Result<Vec<Listed>, Error> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT identity, subject FROM listed_subject WHERE identity > $1 ORDER BY identity LIMIT $2",
        )
        .bind(behind)
        .bind(BATCH)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|(identity, subject)| Listed { identity, subject }).collect())
    }

    pub(in crate::store) async fn holdings(&self, behind: &str) -> Result<Vec<Holding>, Error> {
        let rows: Vec<HoldingRow> = sqlx::query_as(
            "SELECT subject, identity, since, left_at FROM held_subject WHERE folded > $1 ORDER BY folded LIMIT $2",
        )
        .bind(fold(behind))
        .bind(BATCH)
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(holding).collect())
    }

    pub(in crate::store) async fn begin_import(&self) -> Result<Import, Error> {
        let mut transaction = self.pool.begin().await?;
        // Temporary tables are in a file of their own: while the lines come, nobody waits for this transaction.
        let table = self.dialect.either(
            "CREATE TEMP TABLE incoming (line INTEGER NOT NULL, identity TEXT NOT NULL, subject TEXT NOT NULL,
                 folded TEXT NOT NULL) STRICT",
            r#"CREATE TEMP TABLE incoming (line BIGINT NOT NULL, identity TEXT COLLATE "C" NOT NULL,
                 subject TEXT NOT NULL, folded TEXT COLLATE "C" NOT NULL)"#,
        );
        sqlx::query(table).execute(&mut *transaction).await?;
        Ok(Import::new(transaction, self.dialect))
    }
}

type HoldingRow = (String, String, i64, Option<i64>);

fn holding((subject, identity, since, left_at): HoldingRow) -> Holding {
    Holding { subject, identity, since: at(since), left_at: left_at.map(at) }
}

fn read_found(subject: String) -> Found {
    if subject.is_empty() { Found::NotOne } else { Found::One(subject) }
}

/// Takes the lock that writing needs before anything is read: in SQLite a reader that begins to write after somebody else
/// did would fail, and PostgreSQL would let two write who have read the same.
async fn lock(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), Error> {
    let statement =
        dialect.either("DELETE FROM listed_subject WHERE 0", "LOCK TABLE listed_subject IN SHARE ROW EXCLUSIVE MODE");
    sqlx::query(statement).execute(connection).await?;
    Ok(())
}

async fn holder(connection: &mut AnyConnection, folded: &str) -> Result<Option<Listed>, Error> {
    let row: Option<(String, String)> = sqlx::query_as("SELECT identity, subject FROM held_subject WHERE folded = $1")
        .bind(folded)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|(identity, subject)| Listed { identity, subject }))
}

/// The subject of before, if there was one. It is kept for its holder: another identity that got it would find the
/// holder's bookmarks.
async fn leave_others(
    connection: &mut AnyConnection,
    identity: &str,
    folded: &str,
    now: OffsetDateTime,
) -> Result<Option<String>, Error> {
    let left: Vec<(String,)> = sqlx::query_as(
        "UPDATE held_subject SET left_at = $1 WHERE identity = $2 AND folded <> $3 AND left_at IS NULL RETURNING subject",
    )
    .bind(now.unix_timestamp())
    .bind(identity)
    .bind(folded)
    .fetch_all(connection)
    .await?;
    Ok(left.into_iter().map(|(subject,)| subject).next())
}

/// Gives a subject to an identity, whoever held it. Says who that was.
async fn give(
    connection: &mut AnyConnection,
    entry: &Listed,
    folded: &str,
    now: OffsetDateTime,
) -> Result<Option<String>, Error> {
    let before = holder(connection, folded).await?;
    sqlx::query(
        "INSERT INTO held_subject (folded, subject, identity, since) VALUES ($1, $2, $3, $4)
         ON CONFLICT (folded) DO UPDATE SET subject = excluded.subject, identity = excluded.identity,
             since = excluded.since, left_at = NULL",
    )
    .bind(folded)
    .bind(&entry.subject)
    .bind(&entry.identity)
    .bind(now.unix_timestamp())
    .execute(&mut *connection)
    .await?;
    leave_others(connection, &entry.identity, folded, now).await?;
    Ok(before.map(|held| held.identity).filter(|holder| *holder != entry.identity))
}

/// Forgets everything that is remembered of an identity's subject.
pub(super) async fn forget(connection: &mut AnyConnection, identity: &str) -> Result<Forgotten, Error> {
    let mut deleted = [0; 3];
    for (place, statement) in [
        "DELETE FROM listed_subject WHERE identity = $1",
        "DELETE FROM found_subject WHERE identity = $1",
        "DELETE FROM held_subject WHERE identity = $1",
    ]
    .into_iter()
    .enumerate()
    {
        deleted[place] = sqlx::query(statement).bind(identity).execute(&mut *connection).await?.rows_affected();
    }
    let [listed, found, held] = deleted;
    Ok(Forgotten { listed: listed > 0, found: found > 0, held })
}
