//! Whose request it is that shall be passed on. Answered from memory for a few seconds: one look at a page makes hundreds of
//! such requests, and none of them may wait for the store.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use moka::sync::Cache;
use time::OffsetDateTime;
use tower_sessions::session::Id;

use super::Place;
use crate::app::App;
use crate::audit::Caller;
use crate::errand;
use crate::identity::Identity;
use crate::limits::{Counter, Whom};
use crate::metrics::Limit;
use crate::store::{Kind, SessionRef};
use crate::web::visitor::{self, Visit};
use crate::web::{Error, cookie};

/// How long a visitor is known without another look. Sessions that end are forgotten at once.
const KNOWN: Duration = Duration::from_secs(5);
/// How many visitors are known at once; each takes about 1 KiB.
const MOST: u64 = 10_000;

/// The cookie of the proxy's own origin.
pub fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-qlik-embed-bff-proxy" } else { "qlik-embed-bff-proxy" }
}

/// A visitor whose requests are passed on.
pub struct Guest {
    session: SessionRef,
    visit: Visit,
    ends: OffsetDateTime,
    counter: Arc<Counter>,
}

impl Guest {
    /// The session that the visitor has with us.
    pub fn session(&self) -> SessionRef {
        self.session
    }

    /// Who it is to us.
    pub fn identity(&self) -> &Identity {
        self.visit.identity()
    }

    /// What counts their requests, with those of all their sessions.
    pub fn counter(&self) -> &Counter {
        &self.counter
    }

    /// For whom the tenant's session is kept.
    pub fn visit(&self, caller: Caller) -> errand::Visit<'_> {
        errand::Visit { session: self.session, identity: self.visit.identity(), caller }
    }
}

/// The visitors of the last seconds.
pub struct Guests {
    /// By the value of the cookie, apart for the two origins.
    known: [Cache<Box<str>, Arc<Guest>>; 2],
    /// Sessions that ended: what is known of them counts no more.
    ended: Cache<SessionRef, ()>,
}

impl Guests {
    /// Nobody yet.
    pub fn new() -> Self {
        let known = || Cache::builder().max_capacity(MOST).time_to_live(KNOWN).build();
        let ended = Cache::builder().max_capacity(10 * MOST).time_to_live(2 * KNOWN).build();
        Self { known: [known(), known()], ended }
    }

    /// This session is over.
    pub fn forget(&self, session: SessionRef) {
        self.ended.insert(session, ());
    }

    /// Every session may be over: who says so could not be heard.
    pub fn forget_all(&self) {
        self.known.iter().for_each(Cache::invalidate_all);
    }

    /// Whether this session is known to be over.
    pub fn is_over(&self, session: SessionRef) -> bool {
        self.ended.contains_key(&session)
    }

    /// The visitor who sends these headers. Asking counts as their activity, at most once a minute.
    ///
    /// # Errors
    /// [`Error::SignedOut`]; or the store does not answer.
    pub async fn find(&self, app: &App, place: Place, headers: &HeaderMap) -> Result<Arc<Guest>, Error> {
        let https = app.server.public_url.is_https();
        let name = match place {
            Place::Portal => visitor::cookie_name(https),
            Place::Sibling => cookie_name(https),
        };
        let value = cookie::read(headers, name).ok_or(Error::SignedOut)?;
        let known = &self.known[place as usize];
        let now = app.clock.now();
        let guest = match known.get(value) {
            Some(guest) => guest,
            None => {
                let guest = Arc::new(Box::pin(look_up(app, place, value)).await?);
                known.insert(value.into(), guest.clone());
                guest
            }
        };
        if guest.ends <= now || self.is_over(guest.session) {
            known.invalidate(value);
            return Err(Error::SignedOut);
        }
        if guest.visit.is_due(now) {
            match Box::pin(Visit::touch(app, guest.session)).await {
                Ok(()) => known.invalidate(value),
                Err(Error::SignedOut) => {
                    known.invalidate(value);
                    return Err(Error::SignedOut);
                }
                // Who it is, is known; the activity is noted with a later request.
                Err(problem) => tracing::warn!(%problem, "a visitor's activity could not be noted"),
            }
        }
        Ok(guest)
    }
}

async fn look_up(app: &App, place: Place, cookie: &str) -> Result<Guest, Error> {
    let now = app.clock.now();
    let session = match place {
        Place::Portal => SessionRef::of(cookie.parse::<Id>().map_err(|_| Error::SignedOut)?),
        Place::Sibling => {
            let found = app.store.find(Kind::ProxyVisit, cookie, now).await?;
            found.ok_or(Error::SignedOut)?.session
        }
    };
    let visit = Visit::of(app, session).await?.ok_or(Error::SignedOut)?;
    let ends = visit.ends(app);
    let counter = app.limits.counter(Limit::Proxy, Whom::Identity(visit.identity()));
    Ok(Guest { session, visit, ends, counter })
}
