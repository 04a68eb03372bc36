//! How long the store is waited for: a store that is slow or gone makes a request fail, never hang.

use std::time::Duration;

use super::Error;

/// How long an operation may take. On a server that is far too long already; behind an SQLite file it is as long as another
/// process may write.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
pub(super) const PATIENCE_WITH_A_FILE: Duration = Duration::from_secs(6);

/// Waits for something of the store's, for no longer than it may take.
pub(super) async fn bounded<T>(limit: Duration, operation: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(limit, operation).await.unwrap_or(Err(Error::Slow(limit)))
}
