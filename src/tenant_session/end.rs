//! The end: whatever ended our session, the tenant's ends with it.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::TenantSessions;
use super::kept::Content;
use crate::audit::{self, Event};
use crate::clock::Clock;
use crate::identity::Identity;
use crate::store::SessionRef;

/// How many sessions are ended at the tenant at a time.
const AT_ONCE: usize = 8;
/// How often it is looked for sessions that another instance left behind when it died.
const LOOK: Duration = Duration::from_secs(30);

impl TenantSessions {
    /// Ends the session at the tenant that is kept for this session of ours. Of several who try, in whatever instance, one does
    /// it. It takes a few seconds at the most, and a failure is logged: then the session ends there by its age.
    pub async fn end(&self, session: SessionRef, now: OffsetDateTime) {
        self.0.cache.invalidate(&session);
        let value = match self.0.store.take_tenant_session(session).await {
            Ok(Some(value)) => value,
            Ok(None) => return,
            Err(problem) => {
                tracing::error!(%problem, "a session at the tenant could not be taken to end it");
                return;
            }
        };
        let Ok(content) = serde_json::from_slice::<Content>(&value) else { return };
        if self.log_out(&content.cookies, now).await {
            let (source, id) = &content.owner;
            let ended = Event::TenantSessionEnded { identity: &Identity::key_of(*source, id) };
            audit::record(None, &ended);
        }
    }

    /// Ends the tenant's session with each of ours, as the store tells of its end. Runs as long as the store does.
    pub async fn run(self, clock: Clock) {
        let mut ended = self.0.store.ended();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut ticks = tokio::time::interval(LOOK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let told = tokio::select! {
                told = ended.recv() => told.map(|session| vec![session]),
                _ = ticks.tick() => Ok(self.left().await),
            };
            let sessions = match told {
                Ok(sessions) => sessions,
                Err(RecvError::Lagged(_)) => {
                    self.0.cache.invalidate_all();
                    self.left().await
                }
                Err(RecvError::Closed) => return,
            };
            for session in sessions {
                // At once, whatever else is to be done: from now on nobody uses it.
                self.0.cache.invalidate(&session);
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let (sessions, now) = (self.clone(), clock.now());
                tokio::spawn(async move {
                    sessions.end(session, now).await;
                    drop(place);
                });
            }
        }
    }

    async fn left(&self) -> Vec<SessionRef> {
        self.0.store.tenant_sessions_left().await.unwrap_or_else(|problem| {
            tracing::error!(%problem, "it cannot be told which sessions are left at the tenant");
            Vec::new()
        })
    }
}
