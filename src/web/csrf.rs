//! The token with which our own pages show that a request is theirs, for what scripts post: `CSRF-Token: ...`.
//!
//! It is there besides the check of `Origin` and `Sec-Fetch-Site`, which holds for everything that is posted: a page of
//! another origin cannot send that header without being asked about it first, and does not know the value.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use tower_sessions::{Expiry, Session};

use super::Error;
use crate::app::App;
use crate::store::SessionRef;

/// The header that has it, as Qlik's samples call it.
const HEADER: &str = "csrf-token";
/// The entry of a session that only exists so that there is one.
const ENTRY: &str = "form";
/// How long such a session waits for its visitor to sign in.
const KEPT: time::Duration = time::Duration::minutes(30);

/// The token of a session that is in the store; `None` when it is not.
pub fn of(app: &App, session: &Session) -> Option<String> {
    all_of(app, session).into_iter().next()
}

/// The same, and then those that it had under secrets before: for pages that are open since.
fn all_of(app: &App, session: &Session) -> Vec<String> {
    let tokens = session.id().map(|id| app.store.csrf_tokens(SessionRef::of(id)));
    tokens.unwrap_or_default().iter().map(|token| URL_SAFE_NO_PAD.encode(token)).collect()
}

/// What `/csrf-token` says.
#[derive(Serialize)]
pub struct Answer {
    #[serde(rename = "csrfToken")]
    token: String,
}

/// `GET /csrf-token`: the token of this session, for pages that are not ours to render. In the demo, whoever is
/// not signed in gets one for the form to sign in with.
pub async fn show(State(app): State<App>, session: Session) -> Result<Json<Answer>, Error> {
    // Whether there is a session is known once something was read of it.
    if session.get_value(ENTRY).await?.is_none() && session.is_empty().await {
        if !app.guests {
            return Err(Error::SignedOut);
        }
        session.insert(ENTRY, true).await?;
        session.set_expiry(Some(Expiry::AtDateTime(app.clock.now() + KEPT)));
        session.save().await?;
    }
    let token = of(&app, &session).ok_or(Error::Broken("a session without an id"))?;
    Ok(Json(Answer { token }))
}

/// Whether the request has the token of its session in a header.
///
/// # Errors
/// [`Error::NoCsrfToken`] when it has not.
pub fn check(app: &App, session: &Session, headers: &HeaderMap) -> Result<(), Error> {
    let sent = headers.get(HEADER).ok_or(Error::NoCsrfToken)?;
    is_of(app, session, sent.as_bytes()).then_some(()).ok_or(Error::NoCsrfToken)
}

/// Whether this is the token of the session.
pub fn is_of(app: &App, session: &Session, sent: &[u8]) -> bool {
    all_of(app, session).iter().any(|token| verify_slices_are_equal(sent, token.as_bytes()).is_ok())
}
