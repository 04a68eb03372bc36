//! How an access token is found or had.

use std::sync::Arc;
use std::time::Duration;

use super::{AccessTokens, Granted};
use crate::audit::{self, Event, Refusal};
use crate::errand::{Errand, Error, Failed, Passenger, new_login};
use crate::identity::Subject;
use crate::qlik::oauth;
use crate::qlik::people::Presence;
use crate::qlik::session;
use crate::store::held::{Held, Put};
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
    /// Whether the user was made for it.
    is_new: bool,
    /// The asking in whose place it is kept.
    instead_of: Option<i64>,
}

impl Errand for Minting<'_> {
    type Given = Minted;
    type Brings = Arc<Granted>;

    async fn look(&self, who: &Passenger, _alone: bool) -> Result<Option<Arc<Granted>>, Error> {
        let parts = &self.tokens.0;
        let Some(kept) = parts.store.held(who.session, Held::AccessToken).await? else { return Ok(None) };
        let Some(granted) = Granted::read(kept.login, &kept.value) else { return Ok(None) };
        // Somebody who is somebody else to Qlik now, or nobody any more, has no use for it.
        let (subject, _) = self.subject(who).await.map_err(|(why, _)| why)?;
        let serves = granted.is_of(&who.identity) && granted.serves(&subject.id, &parts.client.id, who.now());
        Ok((serves && Some(granted.login) != self.other_than).then(|| Arc::new(granted)))
    }

    async fn ask(&self, who: &Passenger, failures: u32) -> Result<Minted, Failed> {
        let parts = &self.tokens.0;
        let before = parts.store.held(who.session, Held::AccessToken).await.map_err(|why| (why.into(), None))?;
        let (subject, rule) = self.subject(who).await?;
        let refused = |why: Error| (why, Some(rule.clone()));
        let presence = self.presence(who, &subject).await;
        if presence == Some(Presence::Missing) {
            return Err(refused(Error::NoUser));
        }
        parts.errands.count(who).await.map_err(refused)?;
        let begun = who.now();
        let asked = oauth::impersonate(&parts.http, &parts.tenant, &parts.client, &parts.scope, &subject.id, begun);
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
        let granted = Granted::new(new_login(), &token, &who.identity, &subject.id, &parts.client.id, begun);
        let (is_new, instead_of) = (presence == Some(Presence::Made), before.map(|kept| kept.login));
        Ok(Minted { granted, rule, is_new, instead_of })
    }

    async fn keep(&self, who: &Passenger, minted: Minted) -> Result<Arc<Granted>, Error> {
        let Minted { granted, rule, is_new, instead_of } = minted;
        let (parts, now) = (&self.tokens.0, who.now());
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
        let (identity, subject, rule) = (&who.identity, &*granted.content.subject, &*rule);
        if is_new {
            audit::record(who.caller, &Event::UserMade { identity, subject });
        }
        audit::record(who.caller, &Event::AccessTokenIssued { identity, subject, rule });
        Ok(Arc::new(granted))
    }

    fn refused(&self, who: &Passenger, rule: Option<&str>, why: &Error) {
        let refused = Refusal { identity: Some(&who.identity), page: None, rule, reason: why };
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

    /// Whether the tenant has the user; `None` when it is not asked, or does not say. Then the impersonation itself tells.
    async fn presence(&self, who: &Passenger, subject: &Subject) -> Option<Presence> {
        let people = self.tokens.0.people.as_ref()?;
        match people.ensure(subject, who.now()).await {
            Ok(presence) => Some(presence),
            Err(problem) => {
                let advice = problem.advice();
                let (advice, remedy) = (advice.id, advice.in_short());
                tracing::warn!(%problem, advice, remedy, "it cannot be told whether the tenant has a user; one may be missing");
                None
            }
        }
    }
}
