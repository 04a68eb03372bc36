//! Signing in and out at an OpenID provider.

use axum::extract::{Form, Query, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use time::Duration;
use tower_sessions::Session;
use tower_sessions::cookie::{Cookie, SameSite};

use crate::app::App;
use crate::audit::{self, Caller, Event};
use crate::auth::oidc::{Answer, Finished, Oidc};
use crate::identity::Source;
use crate::web::cookie;
use crate::web::error::{Error, Wants};
use crate::web::visitor::{self, AtProvider};
use crate::web::way_back::{self, ReturnPath};

/// How long a browser keeps its secret; as long as a sign-in may take, and anew with each that begins.
const BROWSER_KEPT: Duration = Duration::minutes(10);

/// The cookie with which a browser shows that it began a sign-in. It is apart from the session: a sign-in that is finished
/// in one tab ends the session under which another tab began.
fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-qlik-embed-bff-login" } else { "qlik-embed-bff-login" }
}

/// `GET /login/oidc`: sends the browser to the provider; whoever is signed in goes on.
pub async fn start(State(app): State<App>, session: Session, headers: HeaderMap) -> Result<Response, Error> {
    if let Some(to) = visitor::way_on(&app, &session).await? {
        return Ok(Redirect::to(to.as_str()).into_response());
    }
    // A provider does not let itself be framed, and a script could not follow.
    if Wants::of(&headers) != Wants::Page {
        return Err(Error::SignedOut);
    }
    let oidc = provider(&app)?;
    let to = way_back::lend(&session, app.clock.now()).await?;
    let browser = browser_of(&app, &headers).unwrap_or_else(visitor::random);
    let at = oidc.begin(&browser, to.as_str(), oidc.begins_silently(), app.clock.now()).await?;
    Ok(send_to_provider(&app, &browser, at.as_str()))
}

/// `GET /login/oidc/callback`: takes the provider's answer, begins a session under a new id, and leads back to where the
/// visitor wanted to go. The code stays in no address.
pub async fn finish(
    State(app): State<App>,
    session: Session,
    headers: HeaderMap,
    caller: Caller,
    Query(answer): Query<Answer>,
) -> Result<Response, Error> {
    let (oidc, browser, now) = (provider(&app)?, browser_of(&app, &headers), app.clock.now());
    let finished = oidc.finish(answer, browser.as_deref(), now).await.inspect_err(|reason| {
        let whose = reason.whose();
        audit::record(caller, &Event::SignInRefused { source: Source::Oidc, identity: whose.as_deref(), reason });
    })?;
    match (finished, browser) {
        (Finished::SignedIn(who), _) => {
            let at = AtProvider { session: who.provider_session, id_token: who.id_token };
            let to = ReturnPath::parse(&who.to).unwrap_or_default();
            visitor::begin_at_provider(&app, &session, who.identity, at, &to, caller).await?;
            Ok(Redirect::to(to.as_str()).into_response())
        }
        // Not silently again, whatever is configured: so this comes once.
        (Finished::Ask { to }, Some(browser)) => {
            let at = oidc.begin(&browser, &to, false, now).await?;
            Ok(send_to_provider(&app, &browser, at.as_str()))
        }
        (Finished::Ask { .. }, None) => Err(Error::Broken("a sign-in was finished by no browser")),
    }
}

/// What a provider posts.
#[derive(Deserialize)]
pub struct Logout {
    logout_token: SecretString,
}

/// `POST /login/oidc/logout`: the provider says that somebody signed out there, and their sessions here end
/// (Back-Channel Logout 1.0, section 2.5). No browser is involved.
pub async fn end(State(app): State<App>, caller: Caller, Form(sent): Form<Logout>) -> Result<Response, Error> {
    let ended = provider(&app)?.end_sessions(sent.logout_token.expose_secret(), app.clock.now()).await?;
    let reason = &"the visitor signed out at the OpenID provider";
    let (identity, ended) = (ended.whose.as_deref(), ended.count);
    audit::record(caller, &Event::SessionsEnded { identity, ended, reason, by: None });
    Ok(StatusCode::OK.into_response())
}

/// Where a visitor who has signed out here has to go to sign out at the provider, too. `left` is what
/// [`visitor::provider_of`] said of their session.
pub async fn way_out(app: &App, left: Option<Option<String>>) -> Option<String> {
    let address = app.oidc.as_ref()?.logout_address(left?.as_deref()).await;
    address.map(String::from)
}

fn provider(app: &App) -> Result<&Oidc, Error> {
    app.oidc.as_ref().ok_or(Error::NoSuchPage)
}

fn browser_of(app: &App, headers: &HeaderMap) -> Option<String> {
    let name = cookie_name(app.server.public_url.is_https());
    cookie::read(headers, name).filter(|secret| secret.len() <= 64).map(str::to_owned)
}

/// `Lax`, so that it comes back with the provider's answer, which is a link to us.
fn send_to_provider(app: &App, browser: &str, address: &str) -> Response {
    let https = app.server.public_url.is_https();
    let cookie = Cookie::build((cookie_name(https), browser))
        .path("/")
        .http_only(true)
        .secure(https)
        .same_site(SameSite::Lax)
        .max_age(BROWSER_KEPT)
        .build();
    let mut response = Redirect::to(address).into_response();
    match HeaderValue::try_from(cookie.to_string()) {
        Ok(cookie) => {
            response.headers_mut().append(SET_COOKIE, cookie);
            response
        }
        Err(_) => Error::Broken("a cookie that is no header").into_response(),
    }
}
