//! All open sockets, by the session of ours that they belong to: whatever ends the session ends them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::sync::broadcast;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::relay::frames::Close;
use crate::store::SessionRef;

/// RFC 6455, section 7.4.1: the server is going down.
pub const GOING_AWAY: Close = Close { code: 1001, reason: "the server is stopping" };
/// Tells the page that the visitor is signed out.
pub const SESSION_ENDED: Close = Close { code: 4401, reason: "session ended" };

/// How long the rest of a conversation may take after its end has begun: the frame under way, the other side's Close
/// frame, what a slow reader has not taken.
pub const LINGER: Duration = Duration::from_secs(4);
/// How many uses may wait to be heard of. A lost one is told again by the next.
const USES: usize = 256;

/// The open sockets. Clones share them.
#[derive(Clone)]
pub struct Sockets(Arc<Shared>);

struct Shared {
    seats: Mutex<Seats>,
    tracker: TaskTracker,
    used: broadcast::Sender<SessionRef>,
}

#[derive(Default)]
struct Seats {
    by_session: HashMap<SessionRef, Vec<Arc<Place>>>,
    count: usize,
}

/// What a seat and the list share.
#[derive(Default)]
struct Place {
    end: OnceLock<Close>,
    waker: AtomicWaker,
}

impl Place {
    /// The first reason to end is the one that is told.
    fn end(&self, close: Close) {
        let _ = self.end.set(close);
        self.waker.wake();
    }
}

impl Default for Sockets {
    fn default() -> Self {
        Self::new()
    }
}

impl Sockets {
    /// None is open.
    pub fn new() -> Self {
        let used = broadcast::Sender::new(USES);
        Self(Arc::new(Shared { seats: Mutex::default(), tracker: TaskTracker::new(), used }))
    }

    /// A seat for a socket of this session; none any more when the server is stopping.
    ///
    /// A session that ended before has no other way to be noticed than to look: take the seat first, then see whether
    /// the session is there.
    pub fn seat(&self, session: SessionRef) -> Option<Seat> {
        let mut seats = self.seats();
        if self.0.tracker.is_closed() {
            return None;
        }
        let place = Arc::<Place>::default();
        seats.by_session.entry(session).or_default().push(Arc::clone(&place));
        seats.count += 1;
        Some(Seat { sockets: self.clone(), session, place, _token: self.0.tracker.token() })
    }

    /// Closes the sockets of this session.
    pub fn end(&self, session: SessionRef, close: Close) {
        let places = self.seats().by_session.get(&session).cloned();
        places.iter().flatten().for_each(|place| place.end(close));
    }

    /// Closes all sockets.
    pub fn end_all(&self, close: Close) {
        let places: Vec<_> = self.seats().by_session.values().flatten().cloned().collect();
        places.iter().for_each(|place| place.end(close));
    }

    /// How many seats are taken.
    pub fn count(&self) -> usize {
        self.seats().count
    }

    /// From now on there are no new seats. Waits for so long until the sockets are closed by others, then closes them,
    /// and waits a little until that has been told. With no socket open it takes no time.
    pub async fn drain(&self, grace: Duration) {
        {
            // Whoever is about to take a seat has it, or sees that it is too late.
            let _seats = self.seats();
            self.0.tracker.close();
        }
        if timeout(grace, self.0.tracker.wait()).await.is_ok() {
            return;
        }
        tracing::info!(sockets = self.count(), "closing the sockets that are still open");
        self.end_all(GOING_AWAY);
        if timeout(LINGER + LINGER / 4, self.0.tracker.wait()).await.is_err() {
            tracing::warn!(sockets = self.count(), "some sockets did not close");
        }
    }

    /// Each session of which a browser sent something, again every few seconds while it does.
    pub fn used(&self) -> broadcast::Receiver<SessionRef> {
        self.0.used.subscribe()
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sockets({})", self.count())
    }
}

/// The place of one socket among the open ones, until it is dropped.
pub struct Seat {
    sockets: Sockets,
    session: SessionRef,
    place: Arc<Place>,
    _token: TaskTrackerToken,
}

impl Seat {
    /// Whose socket this is.
    pub fn session(&self) -> SessionRef {
        self.session
    }

    /// The browser sent something: this session is in use.
    pub fn used(&self) {
        // Nobody may be listening.
        let _ = self.sockets.0.used.send(self.session);
    }

    /// Whether the socket must be closed, and with what.
    pub fn ended(&self) -> Option<Close> {
        self.place.end.get().copied()
    }

    /// Until the socket must be closed. Wakes only the last that asked.
    pub fn poll_ended(&self, cx: &Context<'_>) -> Poll<Close> {
        self.place.waker.register(cx.waker());
        self.ended().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.sockets.seats();
        seats.count -= 1;
        if let Some(places) = seats.by_session.get_mut(&self.session) {
            places.retain(|place| !Arc::ptr_eq(place, &self.place));
            if places.is_empty() {
                seats.by_session.remove(&self.session);
            }
        }
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seat").field(&self.session).finish()
    }
}
