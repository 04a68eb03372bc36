//! The end of a session at the tenant.

use time::OffsetDateTime;

use super::TenantSessions;
use super::kept::Content;
use crate::audit::{self, Event};
use crate::clock::Clock;
use crate::errand::{self, Holder};
use crate::identity::Identity;
use crate::store::SessionRef;
use crate::store::held::Held;

impl Holder for TenantSessions {
    const WHAT: Held = Held::TenantSession;

    fn forget(&self, session: Option<SessionRef>) {
        match session {
            Some(session) => self.0.cache.invalidate(&session),
            None => self.0.cache.invalidate_all(),
        }
    }

    async fn give_back(&self, value: Vec<u8>, now: OffsetDateTime) {
        // What cannot be read is another version's; it ends there by its age.
        let Ok(content) = serde_json::from_slice::<Content>(&value) else { return };
        if self.log_out(&content.cookies, now).await {
            let (source, id) = &content.owner;
            let ended = Event::TenantSessionEnded { identity: &Identity::key_of(*source, id) };
            audit::record(None, &ended);
        }
    }
}

impl TenantSessions {
    /// Ends the session at the tenant that is kept for this session of ours. Of several who try, in whatever instance, one does
    /// it. It takes a few seconds at the most, and a failure is logged: then the session ends there by its age.
    pub async fn end(&self, session: SessionRef, now: OffsetDateTime) {
        errand::end(self, &self.0.store, session, now).await;
    }

    /// Ends the tenant's session with each of ours, as the store tells of its end. Runs as long as the store does.
    pub async fn run(self, clock: Clock) {
        errand::tend(&self, &self.0.store, &clock).await;
    }
}
