//! Whose a subject is: the administrator's list, what the tenant said, and who holds what.
//!
//! A subject is one identity's at a time, whatever its letters' case: the first one to claim it holds it, until an
//! administrator releases it or lists it for somebody else.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use time::OffsetDateTime;

use super::engines::database;
use super::{Error, Store};

pub use super::sql::Import;

/// What is remembered of one identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its subject in the administrator's list.
    pub listed: Option<String>,
    /// What the tenant said, if it was asked.
    pub found: Option<Found>,
    /// The subject that it holds now.
    pub held: Option<String>,
}

/// What the tenant said when it was asked who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// One user, with this subject.
    One(String),
    /// No user, or several.
    NotOne,
}

/// Which spelling of a subject counts when its holder comes with it in another case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spelling {
    /// The one that is held.
    Held,
    /// The one that is claimed: an administrator or the tenant wrote it so.
    Claimed,
}

/// What became of a claim to a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the identity's.
    Held {
        /// The subject, in the spelling that counts.
        subject: String,
        /// What the identity had until now, if that was another one. It stays the identity's, so that nobody else gets
        /// it unnoticed.
        from: Option<String>,
    },
    /// It is somebody else's.
    Taken {
        /// The key of the identity that holds it.
        by: String,
    },
}

/// A subject and whose it is, as the administrator's list has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The identity's key.
    pub identity: String,
    /// Its subject.
    pub subject: String,
}

/// Who holds a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The subject.
    pub subject: String,
    /// The key of its holder.
    pub identity: String,
    /// Since when.
    pub since: OffsetDateTime,
    /// Since when the holder has had another one.
    pub left_at: Option<OffsetDateTime>,
}

/// What listing a subject for an identity changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// It is on the list.
    Done {
        /// What the identity had on the list before.
        before: Option<String>,
        /// Who held the subject until now.
        taken_from: Option<String>,
    },
    /// The list gives the subject to this identity already; nothing has changed.
    ListedFor(String),
}

/// Which holdings to end. Those of identities on the list stay.
#[derive(Clone, Copy, Debug)]
pub enum Release<'a> {
    /// Of this identity, by its key.
    Of(&'a str),
    /// Of all identities whose key begins so, such as `password:`.
    Beginning(&'a str),
    /// All whose holder has another subject now.
    Left,
}

/// What was known of an identity that is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// It was on the list.
    pub listed: bool,
    /// The tenant had been asked.
    pub found: bool,
    /// How many subjects it held.
    pub held: u64,
}

/// One line of a list to import, checked by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: u64,
    /// What it says.
    pub entry: Listed,
}

/// Why a line cannot stand beside another one, or beside the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The line's number.
    pub line: u64,
    /// With what.
    pub with: ConflictWith,
}

/// With what a line is in conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConflictWith {
    /// The identity is in this earlier line already.
    IdentityInLine(u64),
    /// Another identity has the subject in this earlier line.
    SubjectInLine(u64),
    /// The list has another subject for the identity.
    ListedWith(String),
    /// The list gives the subject to another identity.
    ListedFor(String),
}

/// What an import changed in the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Identities that were not on the list.
    pub added: u64,
    /// Identities that have another subject now.
    pub changed: u64,
    /// Identities that are not on the list any more.
    pub removed: u64,
    /// Entries that were there already.
    pub unchanged: u64,
    /// Who held a subject that is somebody else's now; at most [`Import::REPORTED`].
    pub taken_from: Vec<Holding>,
}

/// Subjects that differ in case only are the same to us: how Qlik compares them is not known (Qlik Cloud facts, section
/// A.4).
pub fn fold(subject: &str) -> String {
    subject.to_lowercase()
}

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
