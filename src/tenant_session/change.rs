//! Changes of a session that is kept: cookies that the tenant sets later, another CSRF token.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use moka::ops::compute::Op;
use time::OffsetDateTime;

use super::kept::Content;
use super::{TenantSession, TenantSessions};
use crate::errand::{Error, Passenger, reasons};
use crate::qlik::cookies::Change;
use crate::qlik::session;
use crate::store::SessionRef;
use crate::store::held::Held;

/// How often a change is tried anew because others changed the session meanwhile.
const TURNS: usize = 8;

impl TenantSessions {
    /// Puts later cookies into the session, in memory and in the store, unless another login has taken its place.
    pub(super) async fn take_over(
        &self,
        of: SessionRef,
        session: &TenantSession,
        set_cookies: &[HeaderValue],
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        // Most of what is set again is what memory knows already.
        let known = self.0.cache.get(&of).filter(|cached| cached.login == session.login);
        let known = known.as_deref().unwrap_or(session);
        match known.content.cookies.clone().update(set_cookies, now) {
            Change::Real => {}
            Change::Routine if known.is_routine_due(now) => {}
            Change::None | Change::Routine => return Ok(()),
        }
        let change = |content: &mut Content| content.cookies.update(set_cookies, now) != Change::None;
        self.change(of, session.login, change, now).await?;
        Ok(())
    }

    /// Changes what the store has of this login, however many others do the same. `None` when it is no longer there.
    async fn change(
        &self,
        of: SessionRef,
        login: i64,
        change: impl Fn(&mut Content) -> bool,
        now: OffsetDateTime,
    ) -> Result<Option<Arc<TenantSession>>, Error> {
        for _ in 0..TURNS {
            let kept = self.0.store.held(of, Held::TenantSession).await?.filter(|kept| kept.login == login);
            let Some(kept) = kept else { return Ok(None) };
            let cached = self.0.cache.get(&of).filter(|cached| cached.is_as(&kept, now));
            let Some(current) = cached.or_else(|| TenantSession::read(&kept, now).map(Arc::new)) else {
                return Ok(None);
            };
            let mut content = current.content.clone();
            if !change(&mut content) {
                return Ok(Some(self.show(of, current)));
            }
            // Without a cookie it is none any more; that is written too, and the next request logs in.
            let changed = current.changed(content.clone(), now);
            let mut to_keep = current.to_keep();
            to_keep.value = serde_json::to_vec(&content).expect("texts and numbers are JSON");
            if self.0.store.change_held(of, Held::TenantSession, to_keep).await? {
                let Some(changed) = changed else {
                    self.0.cache.invalidate(&of);
                    return Ok(None);
                };
                return Ok(Some(self.show(of, Arc::new(changed))));
            }
        }
        tracing::warn!("a session at the tenant is changed by too many at once; a change is lost");
        Ok(None)
    }

    /// Lets memory have this state of a session, unless it has a later one, or another login.
    fn show(&self, of: SessionRef, session: Arc<TenantSession>) -> Arc<TenantSession> {
        let shown = Arc::clone(&session);
        self.0.cache.entry(of).and_compute_with(|cached| match cached.as_ref().map(|entry| entry.value()) {
            Some(cached) if cached.login != shown.login || cached.version >= shown.version => Op::Nop,
            _ => Op::Put(shown),
        });
        session
    }

    /// The same session with another CSRF token. `None` when the tenant says that it is over.
    pub(super) async fn with_another_csrf(
        &self,
        who: &Passenger,
        kept: &TenantSession,
    ) -> Option<Result<Arc<TenantSession>, Error>> {
        let now = who.now();
        let cookies = &kept.credentials().cookies;
        let csrf = match session::csrf_token(&self.0.client, &self.0.tenant, cookies, now).await {
            Ok(csrf) => csrf,
            Err(session::Error::Refused(refusal)) if refusal.status() == 401 => return None,
            Err(session::Error::Refused(refusal)) => {
                let retry_after = refusal.retry_after.unwrap_or_default();
                return Some(Err(Error::Refused { refusal, retry_after }));
            }
            Err(session::Error::Unreachable(problem)) => {
                let advice = session::no_answer(&problem);
                let why = reasons(&problem.without_url()).into();
                return Some(Err(Error::Unreachable { why, advice, retry_after: Duration::from_secs(1) }));
            }
        };
        let change = |content: &mut Content| {
            content.take_csrf(&csrf, now);
            true
        };
        match self.change(who.session, kept.login, change, now).await {
            Ok(Some(session)) => Some(Ok(session)),
            Ok(None) => None,
            Err(problem) => Some(Err(problem)),
        }
    }
}
