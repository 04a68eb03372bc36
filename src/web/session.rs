//! `/session`: what a page may ask and say about the session of its visitor.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use tower_sessions::Session;

use super::csrf;
use super::error::Error;
use super::visitor::{SignedIn, Visit};
use crate::app::App;

/// `GET /session`: who is signed in, and until when. Asking extends nothing.
pub async fn show(State(app): State<App>, session: Session) -> Result<Json<SessionAnswer>, Error> {
    let visit = Visit::current(&app, &session).await?.ok_or(Error::SignedOut)?;
    let expires_at = visit.ends(&app).format(&Rfc3339).map_err(|_| Error::Broken("a time after the year 9999"))?;
    let who = visit.identity();
    Ok(Json(SessionAnswer { name: who.name.clone(), id: who.id.clone(), expires_at }))
}

/// `POST /session`: the visitor is active on a page that needs nothing else of us for a long time. It extends the session, as any
/// request of a page does.
pub async fn stay(
    State(app): State<App>,
    _: SignedIn,
    session: Session,
    headers: HeaderMap,
) -> Result<StatusCode, Error> {
    csrf::check(&app, &session, &headers)?;
    Ok(StatusCode::NO_CONTENT)
}

/// What `/session` says.
#[derive(Serialize)]
pub struct SessionAnswer {
    name: String,
    id: String,
    /// RFC 3339, UTC.
    expires_at: String,
}
