//! The sessions that the tenant has with our visitors, kept for them in the flow `proxy`: the server logs in with a token,
//! keeps the cookies sealed in the store, and gives them to no browser.
//!
//! One for each session of ours, and one login however many requests wait for it, by all instances together. Whatever ends our
//! session ends the tenant's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use moka::sync::Cache;
use reqwest::Client;
use time::OffsetDateTime;

use crate::advice::At;
use crate::errand::{Budget, Errands, Error, Flights, Visit, What};
use crate::identity::Identity;
use crate::origin::Origin;
use crate::qlik::token::Issuer;
use crate::qlik::{cookies, session};
use crate::store::held::Held;
use crate::store::{self, SessionRef, Store};
use crate::subjects::Subjects;
use crate::traces;

mod change;
mod end;
mod kept;
mod login;
mod want;

pub use kept::TenantSession;
use login::Login;
use want::Want;

/// What the tenant is asked for.
const LOGINS: What = What { names: ("login", "logins"), asked: session::TOKEN, at: At::Login };

/// How many sessions memory holds at the most; each is a few KiB.
const CACHE_SESSIONS: u64 = 10_000;
/// Memory forgets a session that nobody has asked for in this time; the store has it still.
const CACHE_IDLE: Duration = Duration::from_secs(5 * 60);

/// How the tenant's sessions are kept.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long the tenant keeps a session without requests (Qlik Cloud facts, section B.4).
    pub idle: Duration,
    /// How long it keeps one in all.
    pub max: Duration,
    /// How many logins a minute it may be asked for, by all instances together (Qlik Cloud facts, section I: Tier 2).
    pub logins_a_minute: u32,
}

/// The tenant's sessions of all our visitors. Clones share them.
#[derive(Clone)]
pub struct TenantSessions(Arc<Parts>);

struct Parts {
    settings: Settings,
    tenant: Origin,
    client: Client,
    subjects: Arc<Subjects>,
    tokens: Option<Issuer>,
    store: Store,
    cache: Cache<SessionRef, Arc<TenantSession>>,
    errands: Errands,
    flights: Flights<TenantSession>,
}

impl fmt::Debug for TenantSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TenantSessions")
    }
}

impl TenantSessions {
    /// Sessions at this tenant, as these subjects, by these tokens; without any, there are none.
    pub fn new(
        settings: Settings,
        tenant: Origin,
        client: Client,
        subjects: Arc<Subjects>,
        tokens: Option<Issuer>,
        store: Store,
    ) -> Self {
        let cache = Cache::builder().max_capacity(CACHE_SESSIONS).time_to_idle(CACHE_IDLE).build();
        let errands = Errands::new(LOGINS, tenant.clone(), store.clone(), settings.logins_a_minute);
        let flights = Flights::default();
        Self(Arc::new(Parts { settings, tenant, client, subjects, tokens, store, cache, errands, flights }))
    }

    /// The living session of this visit. When there is none, it logs in: once for all who wait, here and in other instances.
    /// From memory, it waits for nothing.
    ///
    /// # Errors
    /// See [`Error`]. After a refusal the tenant is left alone for 1 s, then 2 s, up to a minute.
    pub async fn get(&self, of: &Visit<'_>, now: OffsetDateTime) -> Result<Arc<TenantSession>, Error> {
        self.wanted(of, Want::Any, None, now).await
    }

    /// After the tenant answered 401 to `stale`: another session. Whoever was faster has logged in already.
    ///
    /// # Errors
    /// As [`TenantSessions::get`].
    pub async fn renew(
        &self,
        of: &Visit<'_>,
        stale: &TenantSession,
        now: OffsetDateTime,
    ) -> Result<Arc<TenantSession>, Error> {
        self.wanted(of, Want::OtherLogin { than: stale.login }, Some(stale), now).await
    }

    /// After the tenant would not have the CSRF token of `stale`, or when it has none: the session with another one.
    ///
    /// # Errors
    /// As [`TenantSessions::get`], also when the tenant gives no token.
    pub async fn renew_csrf(
        &self,
        of: &Visit<'_>,
        stale: &TenantSession,
        now: OffsetDateTime,
    ) -> Result<Arc<TenantSession>, Error> {
        let csrf = stale.credentials().csrf.clone();
        self.wanted(of, Want::OtherCsrf { login: stale.login, than: csrf }, Some(stale), now).await
    }

    /// The session that is wanted, from memory if it can be: behind `stale`, what surely came later.
    async fn wanted(
        &self,
        of: &Visit<'_>,
        want: Want,
        stale: Option<&TenantSession>,
        now: OffsetDateTime,
    ) -> Result<Arc<TenantSession>, Error> {
        let is_it = |session: &Arc<TenantSession>| {
            self.is_current(session, of.identity, now)
                && stale.is_none_or(|stale| session.is_later_than(stale))
                && want.is_met_by(session)
        };
        let session = match self.0.cache.get(&of.session).filter(is_it) {
            Some(session) => session,
            // Rare and large.
            None => Box::pin(self.fly(of, &want, now)).await?,
        };
        self.use_now(of.session, &session, now);
        Ok(session)
    }

    /// The session that is wanted, from the store or by a login.
    async fn fly(&self, of: &Visit<'_>, want: &Want, now: OffsetDateTime) -> Result<Arc<TenantSession>, Error> {
        let is_it = |session: &TenantSession| want.is_met_by(session) && session.is_of(of.identity);
        let obtain = |who| {
            let (sessions, want) = (self.clone(), want.clone());
            traces::carried(
                async move { sessions.0.errands.run(&who, &Login { sessions: &sessions, want: &want }).await },
            )
        };
        self.0.flights.fly(of, now, is_it, obtain).await
    }

    /// The budget of logins as it is now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn budget(&self, now: OffsetDateTime) -> Result<Budget, store::Error> {
        self.0.errands.budget(now).await
    }

    /// Takes over what an answer of the tenant set: the headers `Set-Cookie`. It costs next to nothing when that is nothing
    /// new. What cannot be written is logged, and the request goes on.
    pub async fn absorb(
        &self,
        of: &Visit<'_>,
        session: &TenantSession,
        set_cookies: &[HeaderValue],
        now: OffsetDateTime,
    ) {
        if set_cookies.is_empty() || (cookies::is_all_routine(set_cookies) && !session.is_routine_due(now)) {
            return;
        }
        if let Err(problem) = self.take_over(of.session, session, set_cookies, now).await {
            tracing::error!(%problem, "what the tenant set could not be kept");
        }
    }

    fn is_current(&self, session: &TenantSession, identity: &Identity, now: OffsetDateTime) -> bool {
        session.is_fresh(now) && session.is_of(identity) && session.lives(&self.0.settings, now)
    }

    /// Notes that the session is used, in the store at most once a minute, and without waiting.
    fn use_now(&self, of: SessionRef, session: &TenantSession, now: OffsetDateTime) {
        if session.use_now(&self.0.settings, now) {
            let (store, login) = (self.0.store.clone(), session.login);
            tokio::spawn(async move {
                if let Err(problem) = store.touch_held(of, Held::TenantSession, login, now).await {
                    tracing::error!(%problem, "the use of a session at the tenant could not be noted");
                }
            });
        }
    }
}
