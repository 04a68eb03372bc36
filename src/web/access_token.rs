//! The endpoint from which the components of a page get their visitor's access token.

use axum::Json;
use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::Serialize;
use time::format_description::well_known::Rfc3339;
use tower_sessions::Session;

use super::visitor::SignedIn;
use super::{Error, csrf};
use crate::app::App;
use crate::audit::Caller;
use crate::errand::Visit;
use crate::metrics;
use crate::store::SessionRef;

/// The token for who asks for JSON, in the words of RFC 6749, section 5.1, but for the time.
#[derive(Serialize)]
struct Answer<'a> {
    access_token: &'a str,
    /// RFC 3339, UTC.
    expires_at: String,
}

/// `POST /access-token`: the access token of this visitor, as plain text, or as JSON for who asks for that.
pub async fn give(
    State(app): State<App>,
    caller: Caller,
    who: SignedIn,
    session: Session,
    headers: HeaderMap,
) -> Result<Response, Error> {
    csrf::check(&app, &session, &headers)?;
    let is_for = app.pages.visible_to(who.identity()).any(|page| page.flow.uses_access_token());
    let tokens = app.access_tokens.as_ref().filter(|_| is_for).ok_or(Error::NoSuchPage)?;
    let given = tokens.get(&visit(&session, &who, caller)?, app.clock.now()).await?;
    metrics::access_token(metrics::AccessToken::Given);
    let token = given.token.expose_secret();
    if !wants_json(&headers) {
        return Ok(token.to_owned().into_response());
    }
    let expires_at = given.expires_at.format(&Rfc3339).map_err(|_| Error::Broken("a time after the year 9999"))?;
    Ok(Json(Answer { access_token: token, expires_at }).into_response())
}

/// For whom a token is wanted.
///
/// # Errors
/// When the session has no id, so nobody is signed in.
pub fn visit<'a>(session: &Session, who: &'a SignedIn, caller: Caller) -> Result<Visit<'a>, Error> {
    let session = SessionRef::of(session.id().ok_or(Error::SignedOut)?);
    Ok(Visit { session, identity: who.identity(), caller })
}

/// Whether JSON is asked for by its name. Clients that know no other answer than the bare token ask for anything.
fn wants_json(headers: &HeaderMap) -> bool {
    let kinds = headers.get_all(ACCEPT).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    kinds
        .flat_map(|kinds| kinds.split(','))
        .any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")))
}
