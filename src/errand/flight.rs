//! One flight at a time for one session: whoever comes meanwhile waits for it, and shares what it brings.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use time::OffsetDateTime;

use super::{Error, Visit};
use crate::audit::Caller;
use crate::identity::Identity;
use crate::store::SessionRef;

/// How often one request joins a flight that turns out to bring something else than it wants.
const TURNS: usize = 3;

type Outcome<T> = Result<Arc<T>, Error>;
type Flight<T> = Shared<BoxFuture<'static, Outcome<T>>>;
type UnderWay<T> = Arc<Mutex<HashMap<SessionRef, Flight<T>>>>;

/// What is under way.
pub struct Flights<T>(UnderWay<T>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

fn held<T>(under_way: &UnderWay<T>) -> MutexGuard<'_, HashMap<SessionRef, Flight<T>>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For whom a flight is.
pub struct Passenger {
    /// Our session.
    pub session: SessionRef,
    /// Whose it is.
    pub identity: Identity,
    /// The request that began it.
    pub caller: Caller,
    since: OffsetDateTime,
    begun: Instant,
}

impl Passenger {
    /// The time now: that of the request, and what has passed since.
    pub fn now(&self) -> OffsetDateTime {
        self.since + self.begun.elapsed()
    }

    pub(super) fn waited(&self) -> Duration {
        self.begun.elapsed()
    }
}

impl<T: Send + Sync + 'static> Flights<T> {
    /// Joins the flight for this session, or begins one with `obtain`. It is joined a few times when others wanted something
    /// else: what `is_it` says of what it brings.
    ///
    /// # Errors
    /// Those of `obtain`.
    pub async fn fly<F>(
        &self,
        of: &Visit<'_>,
        now: OffsetDateTime,
        is_it: impl Fn(&T) -> bool,
        obtain: impl Fn(Passenger) -> F,
    ) -> Outcome<T>
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        for _ in 0..TURNS {
            let (flight, is_mine) = self.flight(of, now, &obtain);
            let brought = flight.await?;
            if is_mine || is_it(&brought) {
                return Ok(brought);
            }
        }
        Err(Error::Paused { retry_after: Duration::from_secs(1) })
    }

    /// It goes on when those who wait for it leave: what was begun is kept, and what is locked is unlocked.
    fn flight<F>(&self, of: &Visit<'_>, now: OffsetDateTime, obtain: impl Fn(Passenger) -> F) -> (Flight<T>, bool)
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let mut flights = held(&self.0);
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
        let (landing, obtained) = (Landing(Arc::clone(&self.0), of.session), obtain(who));
        let task = tokio::spawn(async move {
            let _landing = landing;
            obtained.await
        });
        // The task is cancelled only when the runtime ends.
        let lost = |_| Err(Error::Paused { retry_after: Duration::from_secs(1) });
        let flight = task.map(move |outcome| outcome.unwrap_or_else(lost)).boxed().shared();
        flights.insert(of.session, flight.clone());
        (flight, true)
    }
}

/// However a flight ends, the next one can begin.
struct Landing<T>(UnderWay<T>, SessionRef);

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        held(&self.0).remove(&self.1);
    }
}
