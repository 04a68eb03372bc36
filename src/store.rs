//! What must be remembered: local accounts, sessions (encrypted, they expire) and what belongs to them, failed attempts to
//! sign in, and whose each subject is.
//!
//! One SQLite file today. Callers see accounts, records, counts and standings; only `store/sqlite.rs` knows that there is SQL.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use secrecy::SecretString;
use time::OffsetDateTime;

use crate::identity::Account;

mod attached;
mod ended;
pub mod held;
mod listed;
pub mod locks;
mod records;
mod seal;
pub mod secret;
pub mod sessions;
mod sqlite;
pub mod subjects;

pub use attached::Attached;
use ended::Ends;
pub use ended::SessionRef;
pub use listed::Place;
use records::CachedRecord;
pub use records::Kind;
use seal::Seal;
use sqlite::Sqlite;
use subjects::Standing;

/// How long a record that was read is answered from memory. Another process may change it in the database; this is how long
/// this one may not have noticed. Of ends it learns sooner ([`Store::watch`]).
const CACHE_TIME: Duration = Duration::from_secs(5);
/// How many records memory holds at the most; each is well below 1 KiB.
const CACHE_RECORDS: u64 = 10_000;

/// Where the store lives and what its records are sealed with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The SQLite file. The folder above it is created when *its* parent exists.
    pub file: PathBuf,
    /// Seals what expires; made once and kept beside the database when not configured.
    pub secret: Option<SecretString>,
}

/// Why the store did not do as asked. Messages name no content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder for the database file, or the one above it, is not there.
    #[error("the folder {} does not exist and cannot be made: create it, or name another file in DATABASE_URL", .0.display())]
    NoFolder(PathBuf),
    /// There is no database yet.
    #[error("there is no database {} yet: add an account with `users add`, or name the right file in DATABASE_URL", .0.display())]
    Nothing(PathBuf),
    /// The secret beside the database cannot be read or made.
    #[error("the session secret {} cannot be {verb}: {problem}", .file.display())]
    Secret {
        /// The file.
        file: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// Why it failed.
        problem: std::io::Error,
    },
    /// The secret beside the database is too short to be one of ours.
    #[error("the session secret {} is damaged: restore it from a backup, or remove it (everybody then signs in again)", .0.display())]
    DamagedSecret(PathBuf),
    /// A newer version of this program has been here.
    #[error("the database {} belongs to a newer version of qlik-embed-bff: install that version, or name another file in DATABASE_URL", .0.display())]
    Newer(PathBuf),
    /// The database could not be opened or brought up to date.
    #[error("the database {} cannot be opened: {problem}", .file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// What SQLite said.
        problem: sqlx::Error,
    },
    /// A statement failed.
    #[error("the database did not answer: {0}")]
    Sql(sqlx::Error),
    /// An account of that name is there already.
    #[error("there is an account named {0} already")]
    NameTaken(String),
    /// Another account has the address. Two Qlik users with one address lock each other out (Qlik Cloud facts, A.4).
    #[error("another account has the e-mail address {0}; Qlik needs one address per person")]
    EmailTaken(String),
}

impl From<sqlx::Error> for Error {
    fn from(problem: sqlx::Error) -> Self {
        Self::Sql(problem)
    }
}

impl Error {
    /// Whether the administrator must change something before another start can succeed.
    pub fn is_of_configuration(&self) -> bool {
        !matches!(self, Self::Sql(_) | Self::Nothing(_) | Self::NameTaken(_) | Self::EmailTaken(_))
    }
}

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    sqlite: Sqlite,
    seal: Arc<Seal>,
    cache: Cache<RecordId, CachedRecord>,
    /// What is remembered of identities, by their keys.
    standings: Cache<Box<str>, Arc<Standing>>,
    /// Counts changes of records, so that a reader notices when what it has just read may be history.
    changes: Arc<AtomicU64>,
    ends: Arc<Ends>,
}

/// Which sessions to end.
#[derive(Clone, Copy, Debug)]
pub enum SessionsOf<'a> {
    /// All of this identity, by its key.
    Owner(&'a str),
    /// Those of this identity of which it is not known in which session at an OpenID provider they began.
    OwnerUnmarked(&'a str),
    /// All that began in this session at an OpenID provider.
    ProviderSession(&'a str),
}

/// SHA-256 of the name that its holder knows; the name itself is not stored.
type RecordId = [u8; 32];

/// By what a session can be ended without knowing its name.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    owner: Option<[u8; 32]>,
    provider_session: Option<[u8; 32]>,
}

/// One digest for all that the database should not know in clear.
fn hash(text: &[u8]) -> [u8; 32] {
    digest(&SHA256, text).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// How the tables of a database stand to this version of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// There is no database.
    Nothing,
    /// They are of this version.
    Current,
    /// So many steps are missing, which the next start makes.
    Behind(usize),
    /// A newer version has been here.
    Newer,
}

/// Looks at a database without changing anything.
///
/// # Errors
/// When it cannot be read.
pub async fn condition(file: &Path) -> Result<Condition, Error> {
    if file.exists() { sqlite::condition(file).await } else { Ok(Condition::Nothing) }
}

impl Store {
    /// Opens the database, makes it when there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// Each with a sentence on what to do; nothing is left half made.
    pub async fn open(settings: &Settings) -> Result<Self, Error> {
        make_folder(settings)?;
        let secret = match &settings.secret {
            Some(secret) => secret.clone(),
            None => secret::beside(&settings.file)?,
        };
        let sqlite = Sqlite::open(&settings.file).await?;
        let cache = Cache::builder().max_capacity(CACHE_RECORDS).time_to_live(CACHE_TIME).build();
        let standings = Cache::builder().max_capacity(CACHE_RECORDS).time_to_live(CACHE_TIME).build();
        let (seal, changes) = (Arc::new(Seal::new(&secret)), Arc::default());
        let ends = Arc::new(Ends::behind(sqlite.last_ended_session().await?));
        Ok(Self { sqlite, seal, cache, standings, changes, ends })
    }

    /// Opens a database that is there already, for commands that only look or change.
    ///
    /// # Errors
    /// [`Error::Nothing`] when there is none; otherwise as [`Store::open`].
    pub async fn open_existing(settings: &Settings) -> Result<Self, Error> {
        if settings.file.exists() { Self::open(settings).await } else { Err(Error::Nothing(settings.file.clone())) }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.sqlite.ping().await
    }

    /// Writes everything out and lets go of the database.
    pub async fn close(&self) {
        self.sqlite.close().await;
    }

    /// What a page of ours sends along to show that it is one, for as long as this session has its id. It is derived, not
    /// kept: every instance with the same secret knows it.
    pub fn csrf_token(&self, session: SessionRef) -> [u8; 32] {
        self.seal.csrf_token(&session.0)
    }

    /// Adds an account.
    ///
    /// # Errors
    /// [`Error::NameTaken`] or [`Error::EmailTaken`]; then nothing has changed.
    pub async fn add_account(&self, account: &Account, password_hash: &str, now: OffsetDateTime) -> Result<(), Error> {
        self.sqlite.add_account(account, password_hash, now).await
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts(&self) -> Result<Vec<Account>, Error> {
        self.sqlite.accounts().await
    }

    /// One account and its password's hash.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn account(&self, id: &str) -> Result<Option<(Account, String)>, Error> {
        self.sqlite.account(id).await
    }

    /// Replaces a password and ends the sessions of `owner`. `false` when there is no such account.
    ///
    /// # Errors
    /// When the database does not answer; then nothing has changed.
    pub async fn set_password(&self, id: &str, password_hash: &str, owner: &str) -> Result<bool, Error> {
        let set = self.sqlite.set_password(id, password_hash, &hash(owner.as_bytes())).await;
        self.ended_some();
        set
    }

    /// Removes an account, the sessions of `owner`, and what is remembered of its subject. `false` when there is no such
    /// account.
    ///
    /// # Errors
    /// When the database does not answer; then nothing has changed.
    pub async fn remove_account(&self, id: &str, owner: &str) -> Result<bool, Error> {
        let removed = self.sqlite.remove_account(id, &hash(owner.as_bytes()), owner).await;
        self.changed_standings();
        self.ended_some();
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
        self.sqlite.count_attempt(&hash(what.as_bytes()), now, window).await
    }

    /// How many attempts on `what` are counted now, and when the count starts anew.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn attempts(&self, what: &str, now: OffsetDateTime) -> Result<Option<(u32, OffsetDateTime)>, Error> {
        self.sqlite.attempts(&hash(what.as_bytes()), now).await
    }

    /// Takes one attempt on `what` back: it was a good one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forgive_attempt(&self, what: &str) -> Result<(), Error> {
        self.sqlite.forgive_attempt(&hash(what.as_bytes())).await
    }

    /// Ends sessions. Says how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_sessions(&self, of: SessionsOf<'_>) -> Result<u64, Error> {
        let ended = match of {
            SessionsOf::Owner(key) => self.sqlite.end_sessions_of_owner(&hash(key.as_bytes())).await,
            SessionsOf::OwnerUnmarked(key) => self.sqlite.end_unmarked_sessions_of_owner(&hash(key.as_bytes())).await,
            SessionsOf::ProviderSession(id) => self.sqlite.end_provider_session(&hash(id.as_bytes())).await,
        };
        self.ended_some();
        ended
    }

    /// Deletes what has expired, in batches that never hold the database for long. Says how much it was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sweep(&self, now: OffsetDateTime) -> Result<u64, Error> {
        let swept = self.sqlite.sweep(now).await;
        self.ends.hurry();
        swept
    }

    /// Sessions may have ended. Which ones is not known here: all are read anew.
    fn ended_some(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.cache.invalidate_all();
        self.ends.hurry();
    }
}

/// Makes the folder of the database, for its owner alone, but no more than one: a longer path that is missing is a
/// typing error.
fn make_folder(settings: &Settings) -> Result<(), Error> {
    let Some(folder) = settings.file.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(_) if !folder.is_dir() => Err(Error::NoFolder(folder.to_owned())),
        _ => Ok(()),
    }
}
