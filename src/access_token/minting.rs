//! How an access token is found or had.

use std::sync::Arc;
use std::time::Duration;

use super::{AccessTokens, Granted};
use crate::audit::{self, Event, Refusal};
use crate::errand::{self, Errand, Error, Failed, Passenger, new_login};
use crate::identity::Subject;
use crate::qlik::people::{self, Presence};
use crate::qlik::{api, oauth, session};
use crate::store::held::{Held, Kept, Put};
use crate::subjects::Resolution;

/// The asking for a token, other than the one of this name.
pub(super) struct Minting<'a> {
    pub tokens: &'a AccessTokens,
    pub other_than: Option<i64>,
}

/// What the tenant granted, and what is to be said of it.
pub(super) struct Minted {
    granted: Granted,
    rule: String,
    /// In whose place it is kept.
    before: Option<Kept>,
}

impl Errand for Minting<'_> {
    type Given = Minted;
    type Brings = Arc<Granted>;

    async fn look(&self, who: &Passenger, _alone: bool) -> Result<Option<Arc<Granted>>, Error> {
        let parts = &self.tokens.0;
        let Some(kept) = parts.store.held(who.session, Held::AccessToken).await? else { return Ok(None) };
        let Some(granted) = Granted::read(kept.login, &kept.value) else { return Ok(None) };
        // Somebody who is somebody else to Qlik now, or nobody any more, has no use for it.
        let subject = match self.subject(who).await {
            Ok((subject, _)) => subject,
            Err((why, rule)) => {
                if matches!(why, Error::Denied(_)) {
                    self.refused(who, rule.as_deref(), &why);
                    errand::end(self.tokens, &parts.store, who.session, who.now()).await;
                }
                return Err(why);
            }
        };
        let serves = granted.is_of(&who.identity) && granted.serves(&subject.id, &parts.client.load().id, who.now());
        Ok((serves && Some(granted.login) != self.other_than).then(|| Arc::new(granted)))
    }

    async fn ask(&self, who: &Passenger, failures: u32) -> Result<Minted, Failed> {
        let parts = &self.tokens.0;
        let before = parts.store.held(who.session, Held::AccessToken).await.map_err(|why| (why.into(), None))?;
        let (subject, rule) = self.subject(who).await?;
        let refused = |why: Error| (why, Some(rule.clone()));
        let presence = match self.presence(who, &subject).await {
            Ok(presence) => presence,
            Err(problem) => return Err(refused(parts.errands.note(who, failures, problem).await)),
        };
        if presence == Some(Presence::Missing) {
            return Err(refused(Error::NoUser));
        }
        parts.errands.count(who).await.map_err(refused)?;
        let (begun, client) = (who.now(), parts.client.load_full());
        let asked = oauth::impersonate(&parts.http, &parts.tenant, &client, &parts.scope, &subject.id, begun);
        let token = match asked.await {
            Ok(token) => token,
            Err(problem) => {
                // What has not arrived does not count there either.
                if matches!(&problem, session::Error::Unreachable(problem) if problem.is_connect()) {
                    parts.errands.forgive().await;
                }
                return Err(refused(parts.errands.note(who, failures, problem).await));
            }
        };
        let granted = Granted::new(new_login(), &token, &who.identity, &subject.id, &client.id, begun);
        Ok(Minted { granted, rule, before })
    }

    async fn keep(&self, who: &Passenger, minted: Minted) -> Result<Arc<Granted>, Error> {
        let Minted { granted, rule, before } = minted;
        let (parts, now) = (&self.tokens.0, who.now());
        let instead_of = before.as_ref().map(|kept| kept.login);
        let (kept, until) = (granted.to_keep(), granted.content.expires_at);
        let put = parts.store.put_held(who.session, Held::AccessToken, kept, until, instead_of, now).await;
        if !matches!(put, Ok(Put::Done)) {
            // What may not be kept is forgotten at the tenant at once.
            self.tokens.revoke(granted.token(), now).await;
        }
        match put? {
            Put::Done => {}
            Put::SessionEnded => return Err(Error::SessionEnded),
            Put::Late => return Err(Error::Paused { retry_after: Duration::from_secs(1) }),
        }
        // The one before may still be in use by its visitor's browser, unless it was somebody else's.
        let old = before.and_then(|kept| Granted::read(kept.login, &kept.value));
        if let Some(old) = old.filter(|old| !granted.is_as(old)) {
            self.tokens.revoke(old.token(), now).await;
        }
        let (identity, subject, rule) = (&who.identity, &*granted.content.subject, &*rule);
        audit::record(who.caller, &Event::AccessTokenIssued { identity, subject, rule });
        Ok(Arc::new(granted))
    }

    fn refused(&self, who: &Passenger, rule: Option<&str>, why: &Error) {
        let failed = !matches!(why, Error::Denied(_) | Error::NoUser | Error::Refused { .. });
        let refused = Refusal { identity: Some(&who.identity), page: None, rule, failed, reason: why };
        audit::record(who.caller, &Event::AccessTokenRefused(refused));
    }
}

impl Minting<'_> {
    /// Who the visitor is to Qlik, and the rule that says so.
    async fn subject(&self, who: &Passenger) -> Result<(Subject, String), Failed> {
        let resolved = self.tokens.0.subjects.resolve(&who.identity, who.now()).await;
        let Resolution { origin, result, .. } = resolved.map_err(|why| (Error::Subjects(Arc::new(why)), None))?;
        let rule = origin.as_str().to_owned();
        match result {
            Ok(subject) => Ok((subject, rule)),
            Err(denied) => Err((Error::Denied(denied), Some(rule))),
        }
    }

    /// Whether the tenant has the user; `None` when it is not asked, or does not say. Then the impersonation itself tells. That a
    /// user who is missing cannot be made is an error.
    async fn presence(&self, who: &Passenger, subject: &Subject) -> Result<Option<Presence>, session::Error> {
        let Some(people) = &self.tokens.0.people else { return Ok(None) };
        match people.ensure(subject, who.now()).await {
            Ok(presence) => {
                if presence == Presence::Made {
                    let (identity, subject) = (&who.identity, &*subject.id);
                    audit::record(who.caller, &Event::UserMade { identity, subject });
                }
                Ok(Some(presence))
            }
            Err(people::Error::Creation(api::Error::Refused(refusal))) => Err(session::Error::Refused(refusal)),
            Err(people::Error::Creation(api::Error::Unreachable(problem))) => Err(session::Error::Unreachable(problem)),
            Err(people::Error::LookUp(problem) | people::Error::Creation(problem)) => {
                let advice = problem.advice();
                let (advice, remedy) = (advice.id, advice.in_short());
                tracing::warn!(%problem, advice, remedy, "it cannot be told whether the tenant has a user; one may be missing");
                Ok(None)
            }
        }
    }
}
