//! Whose a subject is: the administrator's list, what the tenant said, and who holds what.
//!
//! A subject is one identity's at a time, whatever its letters' case: the first one to claim it holds it, until an
//! administrator releases it or lists it for somebody else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use time::OffsetDateTime;

use super::engines::database;
use super::{Error, Store};

pub(super) mod holdings;

pub use super::sql::Import;
pub use holdings::{
    Claim, Conflict, ConflictWith, Forgotten, Found, Holding, Imported, Line, Listed, Listing, Release, Spelling,
    Standing, fold,
};

impl Store {
    /// What is remembered of this identity: from memory for a few seconds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn standing(&self, identity: &str) -> Result<Arc<Standing>, Error> {
        if let Some(standing) = self.standings.get(identity) {
            return Ok(standing);
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let standing = Arc::new(database!(self.standing(identity))?);
        self.standings.insert(identity.into(), Arc::clone(&standing));
        // Whoever changed something since has either invalidated this copy already, or is seen here.
        if self.changes.load(Ordering::SeqCst) != changes {
            self.standings.invalidate(identity);
        }
        Ok(standing)
    }

    /// Makes the subject the identity's, unless it is somebody else's. Atomic, also among processes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim(
        &self,
        identity: &str,
        subject: &str,
        spelling: Spelling,
        now: OffsetDateTime,
    ) -> Result<Claim, Error> {
        let claim = database!(self.claim(identity, subject, spelling, now));
        self.changed_standing(identity);
        claim
    }

    /// Who holds the subject, and in which spelling.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn holder(&self, subject: &str) -> Result<Option<Listed>, Error> {
        database!(self.holder(subject))
    }

    /// Remembers what the tenant said. The first answer counts, and is returned.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remember(&self, identity: &str, found: &Found) -> Result<Found, Error> {
        let remembered = database!(self.remember(identity, found));
        self.changed_standing(identity);
        remembered
    }

    /// Puts a subject on the list for an identity, or another one in its place. Unless subjects are `shared`, the
    /// identity holds it from now on, whoever did before.
    ///
    /// # Errors
    /// When the database does not answer; then nothing has changed.
    pub async fn list_subject(&self, entry: &Listed, shared: bool, now: OffsetDateTime) -> Result<Listing, Error> {
        let listing = database!(self.list_subject(entry, shared, now));
        self.changed_standings();
        listing
    }

    /// Forgets an identity: its entry in the list, what the tenant said, and what it holds.
    ///
    /// # Errors
    /// When the database does not answer; then nothing has changed.
    pub async fn forget_identity(&self, identity: &str) -> Result<Forgotten, Error> {
        let forgotten = database!(self.forget_identity(identity));
        self.changed_standing(identity);
        forgotten
    }

    /// Lets go of subjects. Says how many there were.
    ///
    /// # Errors
    /// When the database does not answer; then nothing has changed.
    pub async fn release(&self, which: Release<'_>) -> Result<u64, Error> {
        let released = database!(self.release(which));
        self.changed_standings();
        released
    }

    /// The next entries of the list behind this identity, in the order of their keys; none at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn listed(&self, behind: &str) -> Result<Vec<Listed>, Error> {
        database!(self.listed(behind))
    }

    /// The next holdings behind this subject, in the order of their subjects; none at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn holdings(&self, behind: &str) -> Result<Vec<Holding>, Error> {
        database!(self.holdings(behind))
    }

    /// Begins an import. Nothing changes before [`Import::finish`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_import(&self) -> Result<Import, Error> {
        database!(self.begin_import())
    }

    fn changed_standing(&self, identity: &str) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.standings.invalidate(identity);
    }

    /// More than one identity may be another than before.
    pub(super) fn changed_standings(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.standings.invalidate_all();
    }
}
