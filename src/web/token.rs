//! The page's token endpoint.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use super::Error;
use super::visitor::SignedIn;
use crate::app::App;
use crate::pages::Page;

/// The token, as the page's script reads it.
#[derive(Serialize)]
pub struct TokenAnswer {
    body: String,
}

/// `GET /token/{slug}`: a token for this visitor, to be used once.
pub async fn issue(
    State(app): State<App>,
    who: SignedIn,
    Path(slug): Path<String>,
) -> Result<Json<TokenAnswer>, Error> {
    let page = app.pages.open(&slug, who.identity()).ok_or(Error::NoSuchPage)?;
    issue_for(&app, &who, page).await
}

/// `GET /token`: the same for the first page that this visitor may see, as the tutorial's script asks for it.
pub async fn issue_default(State(app): State<App>, who: SignedIn) -> Result<Json<TokenAnswer>, Error> {
    let page = app.pages.visible_to(who.identity()).next().ok_or(Error::NoSuchPage)?;
    issue_for(&app, &who, page).await
}

async fn issue_for(app: &App, who: &SignedIn, page: &Page) -> Result<Json<TokenAnswer>, Error> {
    let subject = app.mapping.decide(who.identity()).result?;
    let token = app.tokens.issue(&subject, app.clock.now()).await?;
    tracing::info!(target: "audit", identity = who.identity().key(), subject = subject.id, page = %page.slug, "token issued");
    Ok(Json(TokenAnswer { body: token.expose().to_owned() }))
}
