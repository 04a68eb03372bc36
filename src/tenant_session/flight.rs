//! One flight at a time for one session: whoever comes meanwhile waits for it, and shares what it brings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use http::HeaderValue;
use time::OffsetDateTime;

use super::{Error, TenantSession, TenantSessions, Visit};
use crate::audit::Caller;
use crate::identity::Identity;
use crate::store::SessionRef;

/// How often one request joins a flight that turns out to bring something else than it wants.
const TURNS: usize = 3;

pub(super) type Outcome = Result<Arc<TenantSession>, Error>;
type Flight = Shared<BoxFuture<'static, Outcome>>;

/// What is under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<SessionRef, Flight>>);

impl Flights {
    fn held(&self) -> MutexGuard<'_, HashMap<SessionRef, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which session is wanted.
#[derive(Clone, Debug)]
pub(super) enum Want {
    /// The one that is there.
    Any,
    /// One of another login.
    OtherLogin { than: i64 },
    /// One with another CSRF token, or of another login.
    OtherCsrf { login: i64, than: Option<HeaderValue> },
}

impl Want {
    pub(super) fn is_met_by(&self, session: &TenantSession) -> bool {
        match self {
            Self::Any => true,
            Self::OtherLogin { than } => session.login != *than,
            Self::OtherCsrf { login, than } => session.login != *login || session.credentials().csrf != *than,
        }
    }
}

/// For whom a flight is.
pub(super) struct Passenger {
    pub session: SessionRef,
    pub identity: Identity,
    pub caller: Caller,
    since: OffsetDateTime,
    begun: Instant,
}

impl Passenger {
    /// The time now: that of the request, and what has passed since.
    pub(super) fn now(&self) -> OffsetDateTime {
        self.since + self.begun.elapsed()
    }

    pub(super) fn waited(&self) -> Duration {
        self.begun.elapsed()
    }
}

impl TenantSessions {
    /// Joins the flight for this session, or begins one.
    pub(super) async fn fly(&self, of: &Visit<'_>, want: Want, now: OffsetDateTime) -> Outcome {
        for _ in 0..TURNS {
            let (flight, is_mine) = self.flight(of, &want, now);
            let session = flight.await?;
            if is_mine || (want.is_met_by(&session) && session.is_of(of.identity)) {
                return Ok(session);
            }
        }
        Err(Error::Paused { retry_after: Duration::from_secs(1) })
    }

    /// It goes on when those who wait for it leave: a login that was begun is kept, and what is locked is unlocked.
    fn flight(&self, of: &Visit<'_>, want: &Want, now: OffsetDateTime) -> (Flight, bool) {
        let mut flights = self.0.flights.held();
        if let Some(flight) = flights.get(&of.session) {
            return (flight.clone(), false);
        }
        let who = Passenger {
            session: of.session,
            identity: of.identity.clone(),
            caller: of.caller,
            since: now,
            begun: Instant::now(),
        };
        let (landing, want) = (Landing(self.clone(), of.session), want.clone());
        let task = tokio::spawn(async move { landing.0.obtain(&who, &want).await });
        // The task is cancelled only when the runtime ends.
        let lost = |_| Err(Error::Paused { retry_after: Duration::from_secs(1) });
        let flight = task.map(move |outcome| outcome.unwrap_or_else(lost)).boxed().shared();
        flights.insert(of.session, flight.clone());
        (flight, true)
    }
}

/// However a flight ends, the next one can begin.
struct Landing(TenantSessions, SessionRef);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.0.flights.held().remove(&self.1);
    }
}
