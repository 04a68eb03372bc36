//! The end: whatever ended our session, the tenant's ends with it.

use std::time::Duration;

use futures_util::{TryStreamExt, stream};
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::TenantSessions;
use super::kept::Content;
use crate::audit::{self, Event};
use crate::clock::Clock;
use crate::identity::Identity;
use crate::store::{self, SessionRef};

/// How many sessions are ended at the tenant at a time.
const AT_ONCE: usize = 8;
/// How often it is looked for sessions that another instance left behind when it died.
const LOOK: Duration = Duration::from_secs(30);

impl TenantSessions {
    /// Ends the session at the tenant that is kept for this session of ours. Of several who try, in whatever instance, one does
    /// it. It takes a few seconds at the most, and a failure is logged: then the session ends there by its age.
    pub async fn end(&self, session: SessionRef, now: OffsetDateTime) {
        if let Err(problem) = self.take_and_end(session, now).await {
            tracing::error!(%problem, "a session at the tenant could not be taken from the store to end it");
        }
    }

    async fn take_and_end(&self, session: SessionRef, now: OffsetDateTime) -> Result<(), store::Error> {
        self.0.cache.invalidate(&session);
        let Some(value) = self.0.store.take_tenant_session(session).await? else { return Ok(()) };
        // What cannot be read is another version's; it ends there by its age.
        let Ok(content) = serde_json::from_slice::<Content>(&value) else { return Ok(()) };
        if self.log_out(&content.cookies, now).await {
            let (source, id) = &content.owner;
            let ended = Event::TenantSessionEnded { identity: &Identity::key_of(*source, id) };
            audit::record(None, &ended);
        }
        Ok(())
    }

    /// Ends the tenant's session with each of ours, as the store tells of its end. Runs as long as the store does.
    pub async fn run(self, clock: Clock) {
        let mut ended = self.0.store.ended();
        let more = Notify::new();
        let forget = async {
            loop {
                // At once, whatever else is to be done: from now on nobody uses it.
                match ended.recv().await {
                    Ok(session) => self.0.cache.invalidate(&session),
                    Err(RecvError::Lagged(_)) => self.0.cache.invalidate_all(),
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
                self.end_all(&clock).await;
            }
        };
        tokio::select! {
            () = forget => {}
            () = end => {}
        }
    }

    /// Ends what is left at the tenant of sessions that have ended, also by instances that have died since.
    async fn end_all(&self, clock: &Clock) {
        if let Err(problem) = self.try_end_all(clock).await {
            tracing::error!(%problem, "what is left at the tenant of sessions that have ended could not be read");
        }
    }

    async fn try_end_all(&self, clock: &Clock) -> Result<(), store::Error> {
        loop {
            let left = self.0.store.tenant_sessions_left().await?;
            if left.is_empty() {
                return Ok(());
            }
            let one = |session| self.take_and_end(session, clock.now());
            stream::iter(left.into_iter().map(Ok)).try_for_each_concurrent(AT_ONCE, one).await?;
        }
    }
}
