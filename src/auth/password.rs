//! Local accounts: argon2id hashes, throttled, and silent about which names exist.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::identity::{Account, Identity};
use crate::limits::network;
use crate::store::{self, Store};

/// Each hash takes 19 MiB while it is made, and a container may have many cores and little memory.
const MOST_AT_ONCE: usize = 4;
/// Attempts on one account within [`WINDOW`]; good ones do not count.
pub const ATTEMPTS_PER_ACCOUNT: u32 = 10;
/// Attempts from one address within [`WINDOW`]: a whole office may share one.
pub const ATTEMPTS_PER_ADDRESS: u32 = 100;
/// When a count starts anew.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// The shortest password that an account may get, in characters.
pub const SHORTEST: usize = 8;
/// The longest password that is hashed, in bytes: more is not safer, only slower.
const LONGEST: usize = 1024;
/// Each hash takes 19 MiB and tens of milliseconds; this many wait at the most.
const WAITING: usize = 200;

/// A hash for unknown names, so that they take as long as known ones: as [`hash`] makes it, of no password that anybody knows.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3MgYWNjb3VudA$bm8gcGFzc3dvcmQgaGFzaGVzIHRvIHRoZXNlIGJ5dGU";

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// No such account, or not its password. Nobody learns which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many attempts on the account or from the address.
    #[error("too many attempts")]
    Throttled {
        /// When the next attempt is looked at.
        retry_after: Duration,
    },
    /// More people are signing in than passwords can be checked.
    #[error("too many people are signing in at once")]
    Busy,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A password that cannot be one.
#[derive(Debug, thiserror::Error)]
#[error("a password has at least {SHORTEST} characters and at most {LONGEST} bytes")]
pub struct BadPassword;

/// Checks passwords. Clones share the limits.
#[derive(Clone)]
pub struct Passwords {
    store: Store,
    hashing: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Passwords {
    /// Checks passwords of the accounts in this store, on at most as many threads as there are cores, and on four at
    /// the most.
    pub fn new(store: Store) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_AT_ONCE);
        Self { store, hashing: Arc::new(Semaphore::new(cores)), waiting: Arc::new(Semaphore::new(WAITING)) }
    }

    /// Who this is, if the password is theirs. Unknown names and wrong passwords get one answer, in one time.
    ///
    /// # Errors
    /// See [`Refused`].
    pub async fn verify(
        &self,
        name: &str,
        password: SecretString,
        address: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Identity, Refused> {
        let id = Account::canonical(name);
        let (by_account, by_address) = (format!("account {id}"), format!("address {}", network(address)));
        // Counted before the password is looked at: a hundred guesses at once are a hundred.
        self.count(&by_address, ATTEMPTS_PER_ADDRESS, now).await?;
        self.count(&by_account, ATTEMPTS_PER_ACCOUNT, now).await?;
        let checked = self.check(&id, password).await;
        if !matches!(checked, Err(Refused::Wrong)) {
            self.store.forgive_attempt(&by_address).await?;
            self.store.forgive_attempt(&by_account).await?;
        }
        checked
    }

    async fn check(&self, id: &str, password: SecretString) -> Result<Identity, Refused> {
        let found = self.store.account(id).await?;
        let hash = found.as_ref().map_or_else(|| NOBODY.to_owned(), |(_, hash)| hash.clone());
        let right = self.matches(password, hash).await?;
        found.filter(|_| right).map(|(account, _)| account.identity()).ok_or(Refused::Wrong)
    }

    async fn count(&self, what: &str, limit: u32, now: OffsetDateTime) -> Result<(), Refused> {
        let (count, until) = self.store.count_attempt(what, now, WINDOW).await?;
        if count <= limit {
            return Ok(());
        }
        let wait = (until - now).whole_seconds().max(1).unsigned_abs();
        Err(Refused::Throttled { retry_after: Duration::from_secs(wait) })
    }

    /// Hashing is milliseconds of CPU: off the async threads, and bounded.
    async fn matches(&self, password: SecretString, hash: String) -> Result<bool, Refused> {
        let _place = self.waiting.try_acquire().map_err(|_| Refused::Busy)?;
        let turn = Arc::clone(&self.hashing).acquire_owned().await.map_err(|_| Refused::Busy)?;
        let check = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let fits = password.expose_secret().len() <= LONGEST;
            let password = if fits { password.expose_secret().as_bytes() } else { b"" };
            let hash = PasswordHash::new(&hash).ok();
            fits & hash.is_some_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
        });
        Ok(check.await.unwrap_or(false))
    }
}

/// The PHC string to store for a new password: argon2id with the parameters that OWASP recommends (19 MiB, 2 passes).
///
/// # Errors
/// When the password is too short or too long.
pub fn hash(password: &SecretString) -> Result<String, BadPassword> {
    let text = password.expose_secret();
    if text.chars().count() < SHORTEST || text.len() > LONGEST {
        return Err(BadPassword);
    }
    let hash = Argon2::default().hash_password(text.as_bytes());
    Ok(hash.expect("the length was checked, and the system has randomness").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_costs_what_a_known_one_does() {
        let real = hash(&"correct horse".into()).expect("it is long enough");
        let cost = |phc: &str| {
            let hash = PasswordHash::new(phc).expect("a PHC string");
            let (salt, output) = (hash.salt.expect("a salt"), hash.hash.expect("a hash"));
            (hash.algorithm, hash.version, hash.params.to_string(), salt.len(), output.len())
        };
        assert_eq!(cost(NOBODY), cost(&real));
    }
}
