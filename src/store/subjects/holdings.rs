//! What can be said of subjects and of whoever holds them.

use time::OffsetDateTime;

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
    /// Who held a subject that is somebody else's now; at most [`Import::REPORTED`](super::Import::REPORTED).
    pub taken_from: Vec<Holding>,
}

/// Subjects that differ in case only are the same to us: how Qlik compares them is not known (Qlik Cloud facts, section
/// A.4).
pub fn fold(subject: &str) -> String {
    subject.to_lowercase()
}
