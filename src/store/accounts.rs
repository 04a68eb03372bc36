//! Local accounts, and attempts that are counted.

use std::time::Duration;

use time::OffsetDateTime;

use super::engines::{database, expiring};
use super::{Error, SessionsOf, Store, hash};
use crate::identity::Account;

impl Store {
    /// Adds an account.
    ///
    /// # Errors
    /// [`Error::NameTaken`] or [`Error::EmailTaken`]; then nothing has changed.
    pub async fn add_account(&self, account: &Account, password_hash: &str, now: OffsetDateTime) -> Result<(), Error> {
        database!(self.add_account(account, password_hash, now))
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts(&self) -> Result<Vec<Account>, Error> {
        database!(self.accounts())
    }

    /// One account and its password's hash.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn account(&self, id: &str) -> Result<Option<(Account, String)>, Error> {
        database!(self.account(id))
    }

    /// Replaces a password, and then ends the sessions of `owner`. `false` when there is no such account.
    ///
    /// # Errors
    /// When the store does not answer. Sessions may then be left: do it again.
    pub async fn set_password(&self, id: &str, password_hash: &str, owner: &str) -> Result<bool, Error> {
        let set = database!(self.set_password(id, password_hash))?;
        self.end_sessions(SessionsOf::Owner(owner)).await?;
        Ok(set)
    }

    /// Removes an account and what is remembered of its subject, and then ends the sessions of `owner`. `false` when there is no
    /// such account.
    ///
    /// # Errors
    /// When the store does not answer. Sessions may then be left, which [`Store::end_sessions`] ends.
    pub async fn remove_account(&self, id: &str, owner: &str) -> Result<bool, Error> {
        let removed = database!(self.remove_account(id, owner));
        self.changed_standings();
        self.end_sessions(SessionsOf::Owner(owner)).await?;
        removed
    }

    /// Counts one more attempt on `what` and says how many there are now, and when the count starts anew.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_attempt(
        &self,
        what: &str,
        now: OffsetDateTime,
        window: Duration,
    ) -> Result<(u32, OffsetDateTime), Error> {
        self.count_attempts(what, 1, now, window).await
    }

    /// Counts so many more attempts on `what` at once, as [`Store::count_attempt`] counts one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_attempts(
        &self,
        what: &str,
        many: u32,
        now: OffsetDateTime,
        window: Duration,
    ) -> Result<(u32, OffsetDateTime), Error> {
        expiring!(self.count_attempts(&hash(what.as_bytes()), many, now, window))
    }

    /// How many attempts on `what` are counted now, and when the count starts anew.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attempts(&self, what: &str, now: OffsetDateTime) -> Result<Option<(u32, OffsetDateTime)>, Error> {
        expiring!(self.attempts(&hash(what.as_bytes()), now))
    }

    /// Takes one attempt on `what` back: it was a good one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forgive_attempt(&self, what: &str) -> Result<(), Error> {
        expiring!(self.forgive_attempt(&hash(what.as_bytes())))
    }
}
