//! The ends of sessions: whoever keeps something for a session learns of its end, wherever and however it came.

use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio::time::MissedTickBehavior;
use tower_sessions::session::Id;

use super::engines::expiring;
use super::{Error, RecordId, Store, hash, sessions};

/// How often the ends of sessions are asked for that came about elsewhere.
const POLL: Duration = Duration::from_millis(500);
/// How many ends wait for a slow listener; they are told in batches of half as many at the most.
const WAITING: usize = 1024;

/// Names a session of ours without being it: the hash under which its record lies. Whoever knows it cannot take the session
/// over.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionRef(pub(super) RecordId);

impl SessionRef {
    /// The name of the session with this id.
    pub fn of(id: Id) -> Self {
        Self(hash(&sessions::name(&id)))
    }

    /// The session with this name, as [`SessionRef::to_hex`] writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = RecordId::default();
        if text.len() != 2 * id.len() || !text.is_ascii() {
            return None;
        }
        for (byte, place) in id.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(place..place + 2)?, 16).ok()?;
        }
        Some(Self(id))
    }

    /// All of it, for names of what belongs to the session.
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The first four bytes, which are enough to tell sessions in a log apart.
impl fmt::Debug for SessionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

/// What is known of the ends of sessions.
#[derive(Debug)]
pub(super) struct Ends {
    tell: broadcast::Sender<SessionRef>,
    /// A session was ended here: there is no need to wait for the next time.
    here: Notify,
    /// The last one that was told.
    last: AtomicI64,
    closed: AtomicBool,
}

impl Default for Ends {
    fn default() -> Self {
        let tell = broadcast::Sender::new(WAITING);
        Self { tell, here: Notify::new(), last: AtomicI64::new(0), closed: AtomicBool::new(false) }
    }
}

impl Ends {
    /// Those behind `last` will be told.
    pub fn begin_behind(&self, last: i64) {
        self.last.store(last, Ordering::Relaxed);
    }

    /// Nothing will be told any more.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.here.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Has the ends that came about here told at once.
    pub fn hurry(&self) {
        self.here.notify_one();
    }
}

impl Store {
    /// Tells of each session that ends from now on: signed out, expired, removed, ended by another instance. It comes within a
    /// second while [`Store::watch`] runs. A listener that is more than a thousand behind misses some and is told so.
    pub fn ended(&self) -> broadcast::Receiver<SessionRef> {
        self.ends.tell.subscribe()
    }

    /// Looks for sessions that have ended, forgets what memory has of them, and tells [`Store::ended`]. Runs until the store is
    /// closed.
    pub async fn watch(&self) {
        let mut ticks = tokio::time::interval(POLL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = false;
        let mut listening = pin!(self.listen());
        while !self.ends.is_closed() {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.ends.here.notified() => {}
                never = &mut listening => match never {},
            }
            match self.tell_ends().await {
                Ok(()) => failing = false,
                Err(_) if self.ends.is_closed() => break,
                Err(problem) if !failing => {
                    tracing::error!(%problem, "it cannot be told which sessions have ended");
                    failing = true;
                }
                Err(_) => {}
            }
        }
    }

    async fn tell_ends(&self) -> Result<(), Error> {
        loop {
            let ended = expiring!(self.ended_sessions(self.ends.last.load(Ordering::Relaxed), WAITING / 2))?;
            let Some(&(last, _)) = ended.last() else { return Ok(()) };
            self.changes.fetch_add(1, Ordering::SeqCst);
            for (_, session) in &ended {
                self.cache.invalidate(session);
                // Nobody may be listening.
                let _ = self.ends.tell.send(SessionRef(*session));
            }
            self.ends.last.store(last, Ordering::Relaxed);
            // Listeners have their turn before more is told.
            tokio::task::yield_now().await;
        }
    }
}
