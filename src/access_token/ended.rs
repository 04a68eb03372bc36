//! The end of an access token.

use secrecy::SecretString;
use time::OffsetDateTime;

use super::{AccessTokens, Granted};
use crate::audit::{self, Event};
use crate::errand::Holder;
use crate::identity::Identity;
use crate::qlik::oauth;
use crate::store::SessionRef;
use crate::store::held::Held;

impl Holder for AccessTokens {
    const WHAT: Held = Held::AccessToken;

    fn forget(&self, session: Option<SessionRef>) {
        match session {
            Some(session) => self.0.believed.invalidate(&session),
            None => self.0.believed.invalidate_all(),
        }
    }

    async fn give_back(&self, value: Vec<u8>, now: OffsetDateTime) {
        // What cannot be read is another version's; it expires.
        let Some(granted) = Granted::read(0, &value) else { return };
        if self.revoke(granted.token(), now).await {
            let (source, id) = &granted.content.owner;
            let revoked = Event::AccessTokenRevoked { identity: &Identity::key_of(*source, id) };
            audit::record(None, &revoked);
        }
    }
}

impl AccessTokens {
    /// Has the tenant forget a token, if it can be done in a few seconds.
    pub(super) async fn revoke(&self, token: &SecretString, now: OffsetDateTime) -> bool {
        let parts = &self.0;
        let revoked = oauth::revoke(&parts.http, &parts.tenant, &parts.client.load_full(), token, now).await;
        if let Err(problem) = &revoked {
            let (advice, remedy) = (problem.advice().id, problem.advice().in_short());
            tracing::warn!(%problem, advice, remedy, "an access token could not be revoked; it expires by itself");
        }
        revoked.is_ok()
    }
}
