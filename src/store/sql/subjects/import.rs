//! A whole list of subjects, in one transaction.

use sqlx::{Any, Transaction};
use time::OffsetDateTime;

use super::{HoldingRow, holding, lock};
use crate::store::Error;
use crate::store::sql::dialect::Dialect;
use crate::store::subjects::holdings::{Conflict, ConflictWith, Holding, Imported, Line, Listed, fold};

/// A list on its way in. Dropped before [`Import::finish`], it leaves nothing behind.
#[derive(Debug)]
pub struct Import {
    transaction: Transaction<'static, Any>,
    dialect: Dialect,
    locked: bool,
}

impl Import {
    pub(super) fn new(transaction: Transaction<'static, Any>, dialect: Dialect) -> Self {
        Self { transaction, dialect, locked: false }
    }

    /// How many conflicts, or takings over, are told one by one.
    pub const REPORTED: usize = 100;

    /// Takes lines in, in any number and in several calls.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add(&mut self, lines: &[Line]) -> Result<(), Error> {
        let rows: Vec<_> = lines
            .iter()
            .map(|Line { number, entry: Listed { identity, subject } }| (number, identity, subject, fold(subject)))
            .collect();
        let rows = serde_json::to_string(&rows).expect("numbers and texts are JSON");
        let statement = self.dialect.either(
            "INSERT INTO incoming (line, identity, subject, folded)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each($1)",
            "INSERT INTO incoming (line, identity, subject, folded)
             SELECT (value ->> 0)::BIGINT, value ->> 1, value ->> 2, value ->> 3 FROM json_array_elements($1::JSON)",
        );
        sqlx::query(statement).bind(rows).execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// What keeps the lines from becoming part of the list, or, with `replace`, the list: the first
    /// [`Import::REPORTED`] by line, and how many lines have any. From here on others wait with their changes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn conflicts(&mut self, replace: bool, shared: bool) -> Result<(Vec<Conflict>, u64), Error> {
        // Windows and not joins of the lines with themselves: each sorts once, however many are alike.
        const CONFLICTS: &str = "WITH marked AS MATERIALIZED (
                SELECT line, identity, subject, folded,
                    min(line) OVER (PARTITION BY identity) AS same_identity,
                    min(line) OVER (PARTITION BY folded) AS same_subject
                FROM incoming
            ), conflict AS MATERIALIZED (
                SELECT line, 'identity' AS kind, same_identity AS other, '' AS name FROM marked
                    WHERE same_identity < line
                UNION ALL
                SELECT line, 'subject', same_subject, '' FROM marked
                    WHERE NOT $2 AND same_subject < line AND same_identity = line
                UNION ALL
                SELECT m.line, 'listed with', 0, l.subject FROM marked m JOIN listed_subject l USING (identity)
                    WHERE NOT $1 AND l.subject <> m.subject
                UNION ALL
                SELECT m.line, 'listed for', 0, min(l.identity) FROM marked m JOIN listed_subject l USING (folded)
                    WHERE NOT $1 AND NOT $2 AND l.identity <> m.identity
                    GROUP BY m.line
            )
            SELECT line, kind, other, name, (SELECT count(DISTINCT line) FROM conflict) FROM conflict ORDER BY line, kind LIMIT $3";
        self.lock().await?;
        let rows: Vec<(i64, String, i64, String, i64)> = sqlx::query_as(CONFLICTS)
            .bind(replace)
            .bind(shared)
            .bind(Self::REPORTED as i64)
            .fetch_all(&mut *self.transaction)
            .await?;
        let count = rows.first().map_or(0, |row| row.4.unsigned_abs());
        let conflict = |(line, kind, other, name, _): (i64, String, i64, String, i64)| Conflict {
            line: line.unsigned_abs(),
            with: match kind.as_str() {
                "identity" => ConflictWith::IdentityInLine(other.unsigned_abs()),
                "subject" => ConflictWith::SubjectInLine(other.unsigned_abs()),
                "listed with" => ConflictWith::ListedWith(name),
                _ => ConflictWith::ListedFor(name),
            },
        };
        Ok((rows.into_iter().map(conflict).collect(), count))
    }

    /// Makes the lines part of the list, or, with `replace`, the list. Only for lines without conflicts. Unless subjects
    /// are `shared`, the identities hold theirs from now on, whoever did before.
    ///
    /// # Errors
    /// When the database does not answer; then nothing has changed.
    pub async fn finish(mut self, replace: bool, shared: bool, now: OffsetDateTime) -> Result<Imported, Error> {
        self.lock().await?;
        let (added, unchanged): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE l.subject IS NULL), count(*) FILTER (WHERE l.subject = i.subject)
             FROM incoming i LEFT JOIN listed_subject l USING (identity)",
        )
        .fetch_one(&mut *self.transaction)
        .await?;
        let written = self
            .write(
                "INSERT INTO listed_subject (identity, subject, folded) SELECT identity, subject, folded FROM incoming
                 WHERE true
                 ON CONFLICT (identity) DO UPDATE SET subject = excluded.subject, folded = excluded.folded",
            )
            .await?;
        let removed = if replace {
            self.write("DELETE FROM listed_subject WHERE identity NOT IN (SELECT identity FROM incoming)").await?
        } else {
            0
        };
        let taken_from = if shared { Vec::new() } else { self.hold(now).await? };
        self.write("DROP TABLE incoming").await?;
        self.transaction.commit().await?;
        let (added, unchanged) = (added.unsigned_abs(), unchanged.unsigned_abs());
        Ok(Imported { added, changed: written - added - unchanged, removed, unchanged, taken_from })
    }

    /// Lets the identities hold their subjects. Says from whom they were taken.
    async fn hold(&mut self, now: OffsetDateTime) -> Result<Vec<Holding>, Error> {
        let taken: Vec<HoldingRow> = sqlx::query_as(
            "SELECT h.subject, h.identity, h.since, h.left_at FROM incoming i JOIN held_subject h USING (folded)
             WHERE h.identity <> i.identity ORDER BY i.line LIMIT $1",
        )
        .bind(Self::REPORTED as i64)
        .fetch_all(&mut *self.transaction)
        .await?;
        sqlx::query(
            "INSERT INTO held_subject (folded, subject, identity, since)
             SELECT folded, subject, identity, $1 FROM incoming WHERE true
             ON CONFLICT (folded) DO UPDATE SET subject = excluded.subject, left_at = NULL,
                 since = CASE WHEN held_subject.identity = excluded.identity THEN held_subject.since
                     ELSE excluded.since END,
                 identity = excluded.identity",
        )
        .bind(now.unix_timestamp())
        .execute(&mut *self.transaction)
        .await?;
        sqlx::query(
            "UPDATE held_subject SET left_at = $1 FROM incoming i
             WHERE held_subject.identity = i.identity AND held_subject.folded <> i.folded AND left_at IS NULL",
        )
        .bind(now.unix_timestamp())
        .execute(&mut *self.transaction)
        .await?;
        Ok(taken.into_iter().map(holding).collect())
    }

    async fn write(&mut self, statement: &'static str) -> Result<u64, Error> {
        Ok(sqlx::query(statement).execute(&mut *self.transaction).await?.rows_affected())
    }

    async fn lock(&mut self) -> Result<(), Error> {
        if !self.locked {
            lock(&mut self.transaction, self.dialect).await?;
            self.locked = true;
        }
        Ok(())
    }
}
