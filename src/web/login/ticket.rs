//! Signing in with a ticket from the host portal.
//!
//! Whoever has a ticket of their own can lead somebody else's browser here with it, who is then signed in as the wrong person
//! (login CSRF). A portal that is trusted to say who its visitors are gives tickets to those alone; a ticket is good once,
//! and for minutes; it is taken from a navigation only, which a visitor sees; and each page says who is signed in. More
//! could be had only if every visit began here.

use axum::Form;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;
use tower_sessions::Session;

use crate::app::App;
use crate::audit::{self, Caller, Event};
use crate::auth::ticket::Refused;
use crate::identity::{Identity, Source};
use crate::web::error::{Error, Wants};
use crate::web::visitor;
use crate::web::way_back::ReturnPath;

/// What the portal sends.
#[derive(Deserialize)]
pub struct HandOver {
    ticket: Option<SecretString>,
    /// Where the visitor wants to go.
    to: Option<String>,
}

/// `GET /login/ticket?ticket=...&to=/embed/sales`: by a link or a redirect of the portal.
pub async fn by_link(
    State(app): State<App>,
    session: Session,
    caller: Caller,
    headers: HeaderMap,
    Query(handed): Query<HandOver>,
) -> Result<Response, Error> {
    take(&app, &session, caller, &headers, handed).await
}

/// `POST /login/ticket`: by a form of the portal, so that the ticket is in no address at all.
pub async fn by_form(
    State(app): State<App>,
    session: Session,
    caller: Caller,
    headers: HeaderMap,
    Form(handed): Form<HandOver>,
) -> Result<Response, Error> {
    take(&app, &session, caller, &headers, handed).await
}

/// Signs the visitor in and leads on, away from an address that may have the ticket in it: the redirect (303) replaces it
/// in the address bar and the history.
async fn take(
    app: &App,
    session: &Session,
    caller: Caller,
    headers: &HeaderMap,
    handed: HandOver,
) -> Result<Response, Error> {
    match redeem(app, headers, handed.ticket).await {
        Ok(identity) => visitor::begin_or_renew(app, session, identity, caller).await?,
        // A second click, or the way back in the browser: there is nothing to sign in to.
        Err(Refused::Used { whose }) if visitor::is(app, session, &whose).await? => {}
        Err(refused) => {
            let event = Event::SignInRefused { source: Source::Ticket, identity: refused.whose(), reason: &refused };
            audit::record(caller, &event);
            return Err(refused.into());
        }
    }
    let to = handed.to.as_deref().map(ReturnPath::parse);
    if matches!(to, Some(None)) {
        tracing::warn!("what came with a ticket as `to` is no path of ours, and was not followed");
    }
    let to = match to.flatten() {
        Some(to) => to,
        None => visitor::way_on(app, session).await?.unwrap_or_default(),
    };
    Ok(Redirect::to(to.as_str()).into_response())
}

async fn redeem(app: &App, headers: &HeaderMap, ticket: Option<SecretString>) -> Result<Identity, Refused> {
    // Browsers say what a request is for; an image or a script would sign somebody in behind their back.
    if headers.get("sec-fetch-mode").is_some_and(|mode| mode != "navigate") {
        return Err(Refused::NoNavigation);
    }
    // A frame of another origin is a navigation too, and nobody sees it where nobody may frame us.
    let of_others = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin");
    let nobody_frames = app.server.frame_ancestors.iter().all(|source| source.starts_with('\''));
    if Wants::of(headers) == Wants::Frame && of_others && nobody_frames {
        return Err(Refused::NoNavigation);
    }
    let (Some(tickets), Some(ticket)) = (&app.tickets, ticket) else { return Err(Refused::Missing) };
    tickets.redeem(&ticket, app.clock.now()).await
}
