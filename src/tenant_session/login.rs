//! How a session at the tenant is found or made.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::kept::Content;
use super::want::Want;
use super::{TenantSession, TenantSessions};
use crate::audit::{self, Event, Refusal};
use crate::errand::{Errand, Error, Failed, Passenger, new_login};
use crate::qlik::cookies::Cookies;
use crate::qlik::{session, token};
use crate::store::held::{Held, Kept, Put};
use crate::subjects::Resolution;

/// A login, for a session that is wanted.
pub(super) struct Login<'a> {
    pub sessions: &'a TenantSessions,
    pub want: &'a Want,
}

/// What a login brought.
pub(super) struct Given {
    content: Content,
    /// Who that is to Qlik, and the rule that said so.
    subject: String,
    rule: String,
    /// The login in whose place it is kept.
    instead_of: Option<i64>,
}

impl Errand for Login<'_> {
    type Given = Given;
    type Brings = Arc<TenantSession>;

    async fn look(&self, who: &Passenger, alone: bool) -> Result<Option<Arc<TenantSession>>, Error> {
        let Self { sessions, want } = *self;
        let kept = sessions.0.store.held(who.session, Held::TenantSession).await?;
        let Some(found) = sessions.found(who, kept.as_ref()) else { return Ok(None) };
        match want {
            // By now it is a login that is wanted.
            Want::OtherCsrf { login, .. } if alone => {
                Ok((Want::OtherLogin { than: *login }).is_met_by(&found).then_some(found))
            }
            Want::OtherCsrf { .. } if !want.is_met_by(&found) => {
                sessions.with_another_csrf(who, &found).await.transpose()
            }
            want => Ok(want.is_met_by(&found).then_some(found)),
        }
    }

    async fn ask(&self, who: &Passenger, failures: u32) -> Result<Given, Failed> {
        self.sessions.log_in(who, failures).await
    }

    async fn keep(&self, who: &Passenger, given: Given) -> Result<Arc<TenantSession>, Error> {
        let Self { sessions, .. } = *self;
        let Given { mut content, subject, rule, instead_of } = given;
        sessions.add_csrf(&mut content, who.now()).await;
        let session = sessions.keep(who, content, instead_of).await?;
        let (identity, subject, rule) = (&who.identity, &*subject, &*rule);
        audit::record(who.caller, &Event::TenantSessionBegun { renewal: self.is_renewal(), identity, subject, rule });
        Ok(session)
    }

    fn refused(&self, who: &Passenger, rule: Option<&str>, why: &Error) {
        let failed = !matches!(why, Error::Denied(_) | Error::NoUser | Error::Refused { .. });
        let refusal = Refusal { identity: Some(&who.identity), page: None, rule, failed, reason: why };
        audit::record(who.caller, &Event::TenantSessionRefused { renewal: self.is_renewal(), refusal });
    }
}

impl Login<'_> {
    /// Whether a session that is there is no good.
    fn is_renewal(&self) -> bool {
        !matches!(self.want, Want::Any)
    }
}

impl TenantSessions {
    /// What the store has, if it lives and is this visitor's. Memory has it from now on.
    fn found(&self, who: &Passenger, kept: Option<&Kept>) -> Option<Arc<TenantSession>> {
        let (kept, now) = (kept?, who.now());
        let cached = self.0.cache.get(&who.session).filter(|cached| cached.is_as(kept, now));
        let session = match cached {
            Some(cached) => cached,
            None => {
                let session = Arc::new(TenantSession::read(kept, now)?);
                self.0.cache.insert(who.session, Arc::clone(&session));
                session
            }
        };
        (session.lives(&self.0.settings, now) && session.is_of(&who.identity)).then_some(session)
    }

    /// Asks the tenant for a session.
    async fn log_in(&self, who: &Passenger, failures: u32) -> Result<Given, Failed> {
        let parts = &self.0;
        let before = parts.store.held(who.session, Held::TenantSession).await.map_err(|why| (why.into(), None))?;
        let resolved = parts.subjects.resolve(&who.identity, who.now()).await;
        let Resolution { origin, result, .. } = resolved.map_err(|why| (Error::Subjects(Arc::new(why)), None))?;
        let rule = origin.as_str().to_owned();
        let refused = |problem: Error| (problem, Some(rule.clone()));
        let subject = result.map_err(|denied| refused(Error::Denied(denied)))?;
        parts.errands.count(who).await.map_err(refused)?;
        let issued = match &parts.tokens {
            Some(tokens) => tokens.issue(&subject, who.now()).await,
            None => Err(token::Error::None),
        };
        let token = match issued {
            Ok(token) => token,
            Err(problem) => {
                parts.errands.forgive().await;
                return Err(refused(Error::Token(Arc::new(problem))));
            }
        };
        let begun = who.now();
        let cookies = match session::log_in(&parts.client, &parts.tenant, &token, begun).await {
            Ok(cookies) => cookies,
            Err(problem) => {
                // What has not arrived does not count there either.
                if matches!(&problem, session::Error::Unreachable(problem) if problem.is_connect()) {
                    parts.errands.forgive().await;
                }
                return Err(refused(parts.errands.note(who, failures, problem).await));
            }
        };
        let owner = (who.identity.source, who.identity.id.clone());
        let content = Content { owner, begun, cookies, csrf: None };
        Ok(Given { content, subject: subject.id, rule, instead_of: before.map(|kept| kept.login) })
    }

    /// Adds the CSRF token. Without one, what only reads works; and who needs one asks for it.
    async fn add_csrf(&self, content: &mut Content, now: OffsetDateTime) {
        let Some(cookies) = content.cookies.header(now) else { return };
        match session::csrf_token(&self.0.client, &self.0.tenant, &cookies, now).await {
            Ok(csrf) => content.take_csrf(&csrf, now),
            Err(problem) => {
                let (advice, remedy) = (problem.advice().id, problem.advice().in_short());
                tracing::warn!(%problem, advice, remedy, "a session at the tenant has no CSRF token for now");
            }
        }
    }

    /// Writes down what a login brought. What may not be kept is ended at the tenant at once.
    async fn keep(
        &self,
        who: &Passenger,
        content: Content,
        instead_of: Option<i64>,
    ) -> Result<Arc<TenantSession>, Error> {
        let now = who.now();
        let cookies = content.cookies.clone();
        let session = TenantSession::new(new_login(), 0, content, now, now);
        let put = match &session {
            Some(session) => {
                let until = session.ends(&self.0.settings);
                let (held, kept) = (Held::TenantSession, session.to_keep());
                self.0.store.put_held(who.session, held, kept, until, instead_of, now).await
            }
            None => Ok(Put::Late),
        };
        if let (Ok(Put::Done), Some(session)) = (&put, session) {
            let session = Arc::new(session);
            self.0.cache.insert(who.session, Arc::clone(&session));
            return Ok(session);
        }
        self.log_out(&cookies, now).await;
        match put? {
            Put::SessionEnded => Err(Error::SessionEnded),
            Put::Done | Put::Late => {
                let kept = self.0.store.held(who.session, Held::TenantSession).await?;
                let found = self.found(who, kept.as_ref());
                found.ok_or(Error::Paused { retry_after: Duration::from_secs(1) })
            }
        }
    }

    /// Ends a session at the tenant, if it can be done in a few seconds.
    pub(super) async fn log_out(&self, cookies: &Cookies, now: OffsetDateTime) -> bool {
        let Some(cookies) = cookies.header(now) else { return true };
        let ended = session::log_out(&self.0.client, &self.0.tenant, &cookies, now).await;
        if let Err(problem) = &ended {
            let (advice, remedy) = (problem.advice().id, problem.advice().in_short());
            tracing::warn!(%problem, advice, remedy, "a session could not be ended at the tenant; it ends there by its age");
        }
        ended.is_ok()
    }
}
