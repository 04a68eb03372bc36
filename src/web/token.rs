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
    who: SignedIn,
    Path(slug): Path<String>,
) -> Result<Json<TokenAnswer>, Error> {
    issue_for(&app, caller, who.identity(), app.pages.named(&slug)).await
}

/// `GET /token`: the same for the first page that this visitor may see, as the tutorial's script asks for it.
pub async fn issue_default(State(app): State<App>, caller: Caller, who: SignedIn) -> Result<Json<TokenAnswer>, Error> {
    issue_for(&app, caller, who.identity(), app.pages.visible_to(who.identity()).next()).await
}

async fn issue_for(
    app: &App,
    caller: Caller,
    identity: &Identity,
    asked: Option<&Page>,
) -> Result<Json<TokenAnswer>, Error> {
    let refuse = |rule: Option<&str>, reason: Error| {
        let page = asked.map(|page| page.slug.as_str());
        let refusal = Refusal { identity: Some(identity), page, rule, reason: &reason };
        audit::record(caller, &Event::TokenRefused(refusal));
        reason
    };
    let page = asked.filter(|page| page.visible_to.admits(identity));
    let page = page.ok_or_else(|| refuse(None, Error::NoSuchPage))?;
    let now = app.clock.now();
    let Resolution { origin, result, .. } = app.subjects.resolve(identity, now).await?;
    let rule = origin.as_str();
    let subject = result.map_err(|denied| refuse(Some(rule), denied.into()))?;
    let token = app.tokens.issue(&subject, now).await?;
    let issued = Event::TokenIssued { identity, subject: &subject.id, page: page.slug.as_str(), rule };
    audit::record(caller, &issued);
    Ok(Json(TokenAnswer { body: token.expose().to_owned() }))
}
