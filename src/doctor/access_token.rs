//! The access token that the components of a page would get for a visitor (Qlik Cloud facts, section H.2). Where no OAuth client is
//! set, none is needed.

use super::finding::{Check, Finding, Look, Outcome};
use super::session::unreachable;
use super::{Doctor, Who};
use crate::advice::{At, Sign};
use crate::qlik::people::{People, Presence};
use crate::qlik::{oauth, session};

/// Asks for one and has it forgotten again. Unlike a login, it makes no user.
pub(super) async fn examine(doctor: &Doctor, answers: bool, who: &Who) -> Option<Finding> {
    let settings = doctor.config.access_token.as_ref()?;
    let look = Look::new(Check::AccessToken, format!("POST {}", doctor.tenant("/oauth/token")));
    let subject = match who {
        Who::Nobody(why) => return Some(look.skip(why)),
        Who::Subject(_) if !answers => return Some(look.skip("the tenant does not answer")),
        Who::Subject(subject) => subject,
    };
    let (http, tenant, client) = (&doctor.client, &doctor.config.tenant.origin, &settings.client);
    if let Some(access) = settings.people.clone()
        && let people = People::new(http.clone(), tenant.clone(), access, false, false)
        && matches!(people.ensure(subject, doctor.now()).await, Ok(Presence::Missing))
    {
        if settings.provision {
            return Some(look.pass(format!("{} is no user yet, and is made at the first visit", subject.id)));
        }
        return Some(look.sign(Outcome::Failure, format!("{} is no user of the tenant", subject.id), Sign::NoUser));
    }
    let granted = oauth::impersonate(http, tenant, client, &settings.scope, &subject.id, doctor.now()).await;
    let granted = match granted {
        Ok(granted) => granted,
        Err(session::Error::Unreachable(problem)) => return Some(unreachable(look, At::OauthToken, problem)),
        Err(session::Error::Refused(refusal)) => {
            return Some(look.advise(Outcome::Failure, refusal.told.to_string(), refusal.advice()));
        }
    };
    let taken = oauth::is_taken(http, tenant, &granted.token).await;
    // What it is worth ends by itself, too.
    let _ = oauth::revoke(http, tenant, client, &granted.token, doctor.now()).await;
    let life = (granted.expires_at - doctor.now()).whole_minutes();
    if taken == Some(false) {
        let remedy = "look at the scopes of the client in the tenant, and at QLIK_OAUTH_SCOPES";
        return Some(look.fail("the tenant gives a token, and does not take it for users/me", remedy));
    }
    if life < 10 {
        let remedy = "let the tenant give longer lives: each visitor's token is asked for again at half of it";
        return Some(look.warn(format!("one for {}, good for {life} minutes", subject.id), remedy));
    }
    Some(look.pass(format!("one for {}, good for {life} minutes", subject.id)))
}
