//! How a session at the tenant is found or made.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand;
use time::OffsetDateTime;
use tokio::time::{sleep, timeout};

use super::flight::{Outcome, Passenger, Want};
use super::kept::Content;
use super::rest::too_slow;
use super::{Error, TenantSession, TenantSessions};
use crate::audit::{self, Event, Refusal};
use crate::qlik::cookies::Cookies;
use crate::qlik::session;
use crate::store::tenant_sessions::{Kept, Put};
use crate::subjects::Resolution;

/// How long a login may take in all: who somebody is, the token, the exchange.
const LONGEST: Duration = Duration::from_secs(24);
/// When others may try, should whoever is logging in have died: it and the CSRF token, and a little more.
const LOCK: Duration = Duration::from_secs(30);
/// How long others wait for whoever is logging in.
const PATIENCE: Duration = Duration::from_secs(35);
/// How long they wait before they look again: at first, and at the most.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(400));
/// The budget of logins is one for each minute.
const MINUTE: Duration = Duration::from_secs(60);

impl TenantSessions {
    /// The session that is wanted: the one in the store, or a new one.
    pub(super) async fn obtain(&self, who: &Passenger, want: &Want) -> Outcome {
        let mut pause = LOOK_AGAIN.0;
        loop {
            let kept = self.0.store.tenant_session(who.session).await?;
            if let Some(found) = self.found(who, kept.as_ref()) {
                if want.is_met_by(&found) {
                    return Ok(found);
                }
                if matches!(want, Want::OtherCsrf { .. })
                    && let Some(outcome) = self.with_another_csrf(who, &found).await
                {
                    return outcome;
                }
            }
            self.may_log_in(who).await?;
            let (now, name) = (who.now(), format!("login of {}", who.session.to_hex()));
            if let Some(lock) = self.0.store.lock(&name, now + LOCK, now).await? {
                let outcome = self.alone(who, want).await;
                if let Err(problem) = self.0.store.unlock(lock).await {
                    tracing::error!(%problem, "the lock of a login could not be given back; it expires");
                }
                return outcome;
            }
            if who.waited() > PATIENCE {
                return Err(Error::Paused { retry_after: Duration::from_secs(1) });
            }
            sleep(pause).await;
            pause = (pause * 2).min(LOOK_AGAIN.1);
        }
    }

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

    /// Logs in, as the only one who does it for this session.
    async fn alone(&self, who: &Passenger, want: &Want) -> Outcome {
        // Whoever did it before may have logged in, or failed.
        let kept = self.0.store.tenant_session(who.session).await?;
        let login_wanted = match want {
            Want::OtherCsrf { login, .. } => Want::OtherLogin { than: *login },
            want => want.clone(),
        };
        if let Some(found) = self.found(who, kept.as_ref()).filter(|found| login_wanted.is_met_by(found)) {
            return Ok(found);
        }
        if !self.0.store.has_session(who.session, who.now()).await? {
            return Err(Error::SessionEnded);
        }
        let failures = self.may_log_in(who).await?;
        let logged_in = match timeout(LONGEST, self.log_in(who, failures)).await {
            Ok(logged_in) => logged_in,
            Err(_) => {
                let words = format!("a login took longer than {} s", LONGEST.as_secs());
                Err((self.note_failure(who, failures, words, too_slow()).await, None))
            }
        };
        match logged_in {
            Ok((mut content, subject, rule)) => {
                self.add_csrf(&mut content, who.now()).await;
                let session = self.keep(who, content, kept.map(|kept| kept.login)).await?;
                let (identity, subject, rule) = (&who.identity, &*subject, &*rule);
                audit::record(who.caller, &Event::TenantSessionBegun { identity, subject, rule });
                if failures > 0 {
                    self.forget_failures(who).await?;
                }
                Ok(session)
            }
            Err((problem, rule)) => {
                let (identity, rule) = (Some(&who.identity), rule.as_deref());
                let refused = Refusal { identity, page: None, rule, reason: &problem };
                audit::record(who.caller, &Event::TenantSessionRefused(refused));
                Err(problem)
            }
        }
    }

    /// Asks the tenant for a session. With it: the subject, and the rule that named it.
    async fn log_in(
        &self,
        who: &Passenger,
        failures: u32,
    ) -> Result<(Content, String, String), (Error, Option<String>)> {
        let parts = &self.0;
        let resolved = parts.subjects.resolve(&who.identity, who.now()).await;
        let Resolution { origin, result, .. } = resolved.map_err(|why| (Error::Subjects(Arc::new(why)), None))?;
        let rule = origin.as_str().to_owned();
        let refused = |problem: Error| (problem, Some(rule.clone()));
        let subject = result.map_err(|denied| refused(Error::Denied(denied)))?;
        self.count_login(who).await.map_err(refused)?;
        let token = match parts.tokens.issue(&subject, who.now()).await {
            Ok(token) => token,
            Err(problem) => {
                self.forgive_login().await;
                return Err(refused(Error::Token(Arc::new(problem))));
            }
        };
        let begun = who.now();
        let cookies = match session::log_in(&parts.client, &parts.tenant, &token, begun).await {
            Ok(cookies) => cookies,
            Err(problem) => {
                // What has not arrived does not count there either.
                if matches!(&problem, session::Error::Unreachable(problem) if problem.is_connect()) {
                    self.forgive_login().await;
                }
                return Err(refused(self.note(who, failures, problem).await));
            }
        };
        let owner = (who.identity.source, who.identity.id.clone());
        Ok((Content { owner, begun, cookies, csrf: None }, subject.id, rule))
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
    async fn keep(&self, who: &Passenger, content: Content, instead_of: Option<i64>) -> Outcome {
        let now = who.now();
        let cookies = content.cookies.clone();
        let session = TenantSession::new(new_login(), 0, content, now, now);
        let put = match &session {
            Some(session) => {
                let until = session.ends(&self.0.settings);
                self.0.store.put_tenant_session(who.session, session.to_keep(), until, instead_of, now).await
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
                let kept = self.0.store.tenant_session(who.session).await?;
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

    /// Counts a login against the budget that all instances share.
    async fn count_login(&self, who: &Passenger) -> Result<(), Error> {
        let (budget, now) = (self.0.settings.logins_a_minute, who.now());
        let (count, until) = self.0.store.count_attempt(&self.budget_name(), now, MINUTE).await?;
        let Some(left) = budget.checked_sub(count) else {
            if count == budget + 1 {
                tracing::warn!(budget, "the logins of this minute are used up: whoever comes now waits");
            }
            // So nobody has to count again before.
            self.0.store.pause(&self.pause_name(), until).await?;
            let left = (until - now).whole_seconds().max(1).unsigned_abs();
            return Err(Error::Paused { retry_after: Duration::from_secs(left) });
        };
        // Said once in a minute: by the first login that leaves less than a fifth.
        let is_little = |left: u32| u64::from(left) * 5 < u64::from(budget);
        if is_little(left) && !is_little(left + 1) {
            tracing::warn!(left, budget, "few logins are left in this minute");
        } else {
            tracing::debug!(left, budget, "a login at the tenant");
        }
        Ok(())
    }

    async fn forgive_login(&self) {
        if let Err(problem) = self.0.store.forgive_attempt(&self.budget_name()).await {
            tracing::debug!(%problem, "a login that was none stays counted");
        }
    }

    pub(super) fn budget_name(&self) -> String {
        format!("logins at {}", self.0.tenant)
    }
}

/// A name for a login: random, so that no two are taken for one.
fn new_login() -> i64 {
    let mut bytes = [0; 8];
    rand::fill(&mut bytes).expect("the operating system has randomness");
    i64::from_le_bytes(bytes)
}
