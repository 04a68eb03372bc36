//! What instances agree on: who does something that is to be done once, and until when something is not tried.

use aws_lc_rs::rand;
use time::OffsetDateTime;

use super::engines::expiring;
use super::{Error, Kind, RecordId, Store};

/// The right to do something alone, until it expires or is given back.
#[must_use]
#[derive(Debug)]
pub struct Lock {
    id: RecordId,
    holder: [u8; 16],
}

impl Store {
    /// Takes the right to do what is named, unless somebody has it. Whoever has it and dies keeps others out until `until`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lock(&self, name: &str, until: OffsetDateTime, now: OffsetDateTime) -> Result<Option<Lock>, Error> {
        let id = Kind::Lock.record_id(name);
        let mut holder = [0; 16];
        rand::fill(&mut holder).expect("the operating system has randomness");
        let taken = expiring!(self.claim_record(&id, &holder, until, now))?;
        Ok(taken.then_some(Lock { id, holder }))
    }

    /// Gives the right back; not when it has expired and somebody else has it.
    ///
    /// # Errors
    /// When the database does not answer: then it expires.
    pub async fn unlock(&self, lock: Lock) -> Result<(), Error> {
        expiring!(self.delete_record_with(&lock.id, &lock.holder))
    }

    /// Has everybody leave off what is named until then. A pause that lasts longer stays.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pause(&self, name: &str, until: OffsetDateTime) -> Result<(), Error> {
        let id = Kind::Pause.record_id(name);
        expiring!(self.extend_record(&id, &self.seal.seal(&id, Vec::new()), until))
    }

    /// Until when what is named is left off, if it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn paused(&self, name: &str, now: OffsetDateTime) -> Result<Option<OffsetDateTime>, Error> {
        let row = expiring!(self.record(&Kind::Pause.record_id(name), now))?;
        Ok(row.map(|row| row.until))
    }
}
