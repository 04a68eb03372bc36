//! The end: whatever ended our session, what is held of the tenant for it is given back.

use std::future::Future;
use std::time::Duration;

use futures_util::{TryStreamExt, stream};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use crate::clock::Clock;
use crate::store::held::Held;
use crate::store::{self, SessionRef, Store};

/// How many are given back at a time.
const AT_ONCE: usize = 8;
/// How often it is looked for what another instance left behind when it died.
const LOOK: Duration = Duration::from_secs(30);

/// Who holds something of the tenant's for sessions of ours.
pub trait Holder: Sync {
    /// What that is.
    const WHAT: Held;

    /// Forgets what memory has of this session, or of all.
    fn forget(&self, session: Option<SessionRef>);

    /// Gives back what was held, as the store had it. It takes a few seconds at the most, and a failure is logged: then it ends
    /// there by its age.
    fn give_back(&self, value: Vec<u8>, now: OffsetDateTime) -> impl Future<Output = ()> + Send;
}

/// Gives back what is held for this session. Of several who try, in whatever instance, one does it.
pub async fn end<H: Holder>(holder: &H, store: &Store, session: SessionRef, now: OffsetDateTime) {
    if let Err(problem) = take_and_give_back(holder, store, session, now).await {
        tracing::error!(%problem, what = ?H::WHAT, "what is held at the tenant could not be taken from the store");
    }
}

async fn take_and_give_back<H: Holder>(
    holder: &H,
    store: &Store,
    session: SessionRef,
    now: OffsetDateTime,
) -> Result<(), store::Error> {
    holder.forget(Some(session));
    if let Some(value) = store.take_held(session, H::WHAT).await? {
        holder.give_back(value, now).await;
    }
    Ok(())
}

/// Gives back what is held for each session of ours that ends, as the store tells of its end. Runs as long as the store does.
pub async fn tend<H: Holder>(holder: &H, store: &Store, clock: &Clock) {
    let mut ended = store.ended();
    let more = Notify::new();
    let forget = async {
        loop {
            // At once, whatever else is to be done: from now on nobody uses it.
            match ended.recv().await {
                Ok(session) => holder.forget(Some(session)),
                Err(RecvError::Lagged(_)) => holder.forget(None),
                Err(RecvError::Closed) => return,
            }
            more.notify_one();
        }
    };
    let end = async {
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = more.notified() => {}
            }
            // What is left by sessions that have ended, also by instances that have died since.
            if let Err(problem) = give_back_all(holder, store, clock).await {
                tracing::error!(%problem, what = ?H::WHAT, "what is left at the tenant of sessions that have ended could not be read");
            }
        }
    };
    tokio::select! {
        () = forget => {}
        () = end => {}
    }
}

async fn give_back_all<H: Holder>(holder: &H, store: &Store, clock: &Clock) -> Result<(), store::Error> {
    loop {
        let left = store.held_left(H::WHAT).await?;
        if left.is_empty() {
            return Ok(());
        }
        let one = |session| take_and_give_back(holder, store, session, clock.now());
        stream::iter(left.into_iter().map(Ok)).try_for_each_concurrent(AT_ONCE, one).await?;
    }
}
