//! Errands to the tenant: what the server asks there for a session of ours, a login or an access token. One at a time for each
//! session, by all instances together, however many requests wait for it; and no more often than the tenant likes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use tokio::time::{sleep, timeout};

use crate::advice::{self, Advice, At};
use crate::audit::Caller;
use crate::identity::Identity;
use crate::mapping::Denied;
use crate::origin::Origin;
use crate::qlik::session::Refusal;
use crate::qlik::token;
use crate::store::{self, SessionRef, Store};
use crate::subjects;

mod budget;
mod ended;
mod flight;
mod rest;

pub use budget::Budget;
pub use ended::{Holder, end, tend};
pub use flight::{Flights, Passenger};
pub use rest::reasons;

/// How long an errand may take in all: who somebody is, a token, the calls.
const LONGEST: Duration = Duration::from_secs(24);
/// When others may try, should whoever is on it have died: it and what comes after it, and a little more.
const LOCK: Duration = Duration::from_secs(40);
/// How long others wait for whoever is on it.
const PATIENCE: Duration = Duration::from_secs(45);
/// How long they wait before they look again: at first, and at the most.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(400));

/// For whom an errand is.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    /// Our session.
    pub session: SessionRef,
    /// Whose it is.
    pub identity: &'a Identity,
    /// The request for which it is, for the audit.
    pub caller: Caller,
}

/// Why an errand brought nothing. Messages have no token and no cookie.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// This person is nobody to Qlik.
    #[error("denied: {}", .0.why())]
    Denied(Denied),
    /// It cannot be told now who this person is to Qlik.
    #[error(transparent)]
    Subjects(Arc<subjects::Error>),
    /// There is no token to log in with.
    #[error(transparent)]
    Token(Arc<token::Error>),
    /// The store did not answer.
    #[error(transparent)]
    Store(Arc<store::Error>),
    /// The tenant has no user with the subject, and none is made.
    #[error("the tenant has no active user with the subject, and none may be made (QLIK_PROVISION)")]
    NoUser,
    /// The tenant refused, now or a moment ago.
    #[error("{refusal}")]
    Refused {
        /// What it said.
        refusal: Refusal,
        /// It is not asked again before.
        retry_after: Duration,
    },
    /// The tenant asked for a pause, or is asked no more in this minute, or another instance is still at it.
    #[error("the tenant is not asked for another {} s", retry_after.as_secs())]
    Paused {
        /// Until when.
        retry_after: Duration,
    },
    /// The tenant did not answer, or failed, now or a moment ago.
    #[error("the tenant gives nothing: {why}")]
    Unreachable {
        /// What happened.
        why: Arc<str>,
        /// What it means, and what to do.
        advice: &'static Advice,
        /// It is not asked again before.
        retry_after: Duration,
    },
    /// Our own session has ended meanwhile.
    #[error("the session has ended")]
    SessionEnded,
}

impl From<store::Error> for Error {
    fn from(problem: store::Error) -> Self {
        Self::Store(Arc::new(problem))
    }
}

impl Error {
    /// What it means, and what to do, where that is the tenant's answer or its silence.
    pub fn advice(&self) -> Option<&'static Advice> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.advice()),
            Self::Unreachable { advice, .. } => Some(advice),
            Self::Paused { .. } => advice::named("too-many-requests"),
            Self::NoUser => advice::named("no-user"),
            Self::Subjects(problem) => problem.advice(),
            Self::Denied(_) | Self::Token(_) | Self::Store(_) | Self::SessionEnded => None,
        }
    }

    /// When another try makes sense, if time mends it.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. }
            | Self::Paused { retry_after }
            | Self::Unreachable { retry_after, .. } => Some(*retry_after),
            Self::Token(problem) => match **problem {
                token::Error::Saturated { retry_after } => Some(retry_after),
                _ => None,
            },
            Self::Subjects(problem) => match &**problem {
                subjects::Error::LookUp(problem) => Some(problem.retry_after()),
                subjects::Error::Store(_) => None,
            },
            Self::Denied(_) | Self::NoUser | Self::Store(_) | Self::SessionEnded => None,
        }
    }
}

/// What errands of one kind are for.
#[derive(Clone, Copy, Debug)]
pub struct What {
    /// In words: one, and several.
    pub names: (&'static str, &'static str),
    /// What the tenant is asked for, as the object of a sentence.
    pub asked: &'static str,
    /// In which call.
    pub at: At,
}

/// Errands of one kind to one tenant.
#[derive(Debug)]
pub struct Errands {
    what: What,
    tenant: Origin,
    store: Store,
    /// How many there may be in a minute, by all instances together (Qlik Cloud facts, section I: Tier 2).
    a_minute: u32,
}

/// Why an errand failed, and the rule that had named the subject by then.
pub type Failed = (Error, Option<String>);

/// One errand, as [`Errands::run`] goes about it.
pub trait Errand: Sync {
    /// What the tenant gives.
    type Given: Send;
    /// What comes of it.
    type Brings: Send;

    /// What is there already: what others have brought meanwhile. `alone` when nobody else is on such an errand for this session.
    fn look(&self, who: &Passenger, alone: bool) -> impl Future<Output = Result<Option<Self::Brings>, Error>> + Send;

    /// Asks the tenant; only one does that for a session at a time. `failures` are those that led up to it. Takes 24 s at the most.
    fn ask(&self, who: &Passenger, failures: u32) -> impl Future<Output = Result<Self::Given, Failed>> + Send;

    /// Writes down what the tenant gave.
    fn keep(&self, who: &Passenger, given: Self::Given) -> impl Future<Output = Result<Self::Brings, Error>> + Send;

    /// Tells the audit that there is nothing to keep.
    fn refused(&self, who: &Passenger, rule: Option<&str>, why: &Error);
}

impl Errands {
    /// Errands to this tenant.
    pub fn new(what: What, tenant: Origin, store: Store, a_minute: u32) -> Self {
        Self { what, tenant, store, a_minute }
    }

    /// What is there, or else what the errand brings.
    ///
    /// # Errors
    /// See [`Error`]. After a refusal the tenant is left alone for 1 s, then 2 s, up to a minute.
    pub async fn run<E: Errand>(&self, who: &Passenger, errand: &E) -> Result<E::Brings, Error> {
        let mut pause = LOOK_AGAIN.0;
        loop {
            if let Some(found) = errand.look(who, false).await? {
                return Ok(found);
            }
            self.may_ask(who).await?;
            let now = who.now();
            if let Some(lock) = self.store.lock(&self.name(who.session), now + LOCK, now).await? {
                let outcome = self.alone(who, errand).await;
                if let Err(problem) = self.store.unlock(lock).await {
                    tracing::error!(%problem, what = self.what.names.0, "a lock could not be given back; it expires");
                }
                return outcome;
            }
            if who.waited() > PATIENCE {
                return Err(Error::Paused { retry_after: Duration::from_secs(1) });
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_AGAIN.1);
        }
    }

    /// As the only one who does it for this session.
    async fn alone<E: Errand>(&self, who: &Passenger, errand: &E) -> Result<E::Brings, Error> {
        // Whoever did it before may have brought it, or failed.
        if let Some(found) = errand.look(who, true).await? {
            return Ok(found);
        }
        if !self.store.has_session(who.session, who.now()).await? {
            return Err(Error::SessionEnded);
        }
        let failures = self.may_ask(who).await?;
        let given = match timeout(LONGEST, errand.ask(who, failures)).await {
            Ok(given) => given,
            Err(_) => {
                let words = format!("{} took longer than {} s", self.what.asked, LONGEST.as_secs());
                Err((self.note_silence(who, failures, words).await, None))
            }
        };
        let given = given.map_err(|(why, rule)| {
            errand.refused(who, rule.as_deref(), &why);
            why
        })?;
        let brought = errand.keep(who, given).await?;
        if failures > 0 {
            self.forget_failures(who).await?;
        }
        Ok(brought)
    }

    /// The name under which locks and failures of a session lie.
    fn name(&self, session: SessionRef) -> String {
        format!("{} of {}", self.what.names.0, session.to_hex())
    }

    /// The name of what is everybody's: the pause, and the budget.
    fn name_of_all(&self) -> String {
        format!("{} at {}", self.what.names.1, self.tenant)
    }
}

/// A name for what an errand brought: random, so that no two are taken for one.
pub fn new_login() -> i64 {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).expect("the operating system has randomness");
    i64::from_le_bytes(bytes)
}
