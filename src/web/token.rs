//! The page's token endpoint.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::Error;
use super::visitor::SignedIn;
use crate::app::App;
use crate::audit::{self, Caller, Event, Refusal};
use crate::identity::Identity;
use crate::pages::Page;
use crate::subjects::Resolution;

/// The token, as the page's script reads it.
#[derive(Serialize)]
pub struct TokenAnswer {
    body: String,
}

/// `GET /token/{slug}`: a token for this visitor, to be used once.
pub async fn issue(
    State(app): State<App>,
    caller: Caller,
    who: Result<SignedIn, Error>,
    Path(slug): Path<String>,
) -> Result<Json<TokenAnswer>, Error> {
    let asked = app.pages.named(&slug);
    let who = who.map_err(|reason| refuse(caller, None, asked, None, reason))?;
    issue_for(&app, caller, who.identity(), asked).await
}

/// `GET /token`: the same for the first page that this visitor may see, as the tutorial's script asks for it.
pub async fn issue_default(
    State(app): State<App>,
    caller: Caller,
    who: Result<SignedIn, Error>,
) -> Result<Json<TokenAnswer>, Error> {
    let who = who.map_err(|reason| refuse(caller, None, None, None, reason))?;
    issue_for(&app, caller, who.identity(), app.pages.visible_to(who.identity()).next()).await
}

async fn issue_for(
    app: &App,
    caller: Caller,
    identity: &Identity,
    asked: Option<&Page>,
) -> Result<Json<TokenAnswer>, Error> {
    let refuse = |rule: Option<&str>, reason: Error| refuse(caller, Some(identity), asked, rule, reason);
    let page = asked.filter(|page| page.visible_to.admits(identity));
    let page = page.ok_or_else(|| refuse(None, Error::NoSuchPage))?;
    let now = app.clock.now();
    let resolved = app.subjects.resolve(identity, now).await;
    let Resolution { origin, result, .. } = resolved.map_err(|problem| refuse(None, problem.into()))?;
    let rule = origin.as_str();
    let subject = result.map_err(|denied| refuse(Some(rule), denied.into()))?;
    // Where no page needs one, there is nothing to ask for.
    let tokens = app.tokens.as_ref().ok_or_else(|| refuse(Some(rule), Error::NoSuchPage))?;
    let token = tokens.issue(&subject, now).await.map_err(|problem| refuse(Some(rule), problem.into()))?;
    let issued = Event::TokenIssued { identity, subject: &subject.id, page: page.slug.as_str(), rule };
    audit::record(caller, &issued);
    Ok(Json(TokenAnswer { body: token.expose().to_owned() }))
}

/// Writes down who gets no token, and why. That nobody is signed in is no event.
fn refuse(
    caller: Caller,
    identity: Option<&Identity>,
    page: Option<&Page>,
    rule: Option<&str>,
    reason: Error,
) -> Error {
    if !matches!(reason, Error::SignedOut) {
        let page = page.map(|page| page.slug.as_str());
        let failed = reason.status().is_server_error();
        audit::record(caller, &Event::TokenRefused(Refusal { identity, page, rule, failed, reason: &reason }));
    }
    reason
}
