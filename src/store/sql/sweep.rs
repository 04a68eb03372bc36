//! What has expired is deleted in steps, none of which holds the database for long.

use super::dialect::{Dialect, locking};

/// How many rows one step deletes.
pub(super) const BATCH: i64 = 500;

/// What another instance sweeps at the same time is left to it.
macro_rules! skipping {
    ($dialect:ident, $delete:literal) => {
        locking!($dialect, $delete, " FOR UPDATE SKIP LOCKED", ")")
    };
}

/// The statements, in their order: a batch is what the first of them finds that finds anything. Sessions come first: whoever deletes one also deletes what belongs to it, and must not wait for
/// another instance that has begun with that and waits for the session.
pub(super) fn steps(dialect: Dialect) -> [&'static str; 5] {
    [
        skipping!(
            dialect,
            "DELETE FROM record WHERE id IN
                 (SELECT id FROM record WHERE owner IS NOT NULL AND expires_at <= $1 LIMIT $2"
        ),
        skipping!(
            dialect,
            "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE owner IS NULL AND expires_at <= $1 LIMIT $2"
        ),
        skipping!(dialect, "DELETE FROM attempt WHERE id IN (SELECT id FROM attempt WHERE expires_at <= $1 LIMIT $2"),
        skipping!(
            dialect,
            "DELETE FROM held WHERE (session, kind) IN (SELECT session, kind FROM held WHERE expires_at <= $1 LIMIT $2"
        ),
        // Every instance has read of these ends long ago. The time is the one by which they were written.
        skipping!(
            dialect,
            "DELETE FROM ended_session WHERE $1 > 0 AND seq IN
                 (SELECT seq FROM ended_session WHERE ended_at < unixepoch() - 3600 LIMIT $2"
        ),
    ]
}
