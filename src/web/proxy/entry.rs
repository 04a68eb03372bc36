//! How a visitor comes to be known at `PROXY_URL`. The portal's cookie is for the portal's host alone, so a page of the
//! portal carries a code from one origin to the other. It is good once, for a short time, for one session, and in no address.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, ORIGIN, SET_COOKIE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use time::Duration;
use tower_sessions::Session;

use super::{cookie_name, origins};
use crate::app::App;
use crate::store::{Kind, SessionRef};
use crate::web::visitor::{self, SignedIn};
use crate::web::{Error, cookie, security};

/// How long a code is good: a page uses it at once.
const CODE_LIVES: Duration = Duration::MINUTE;
/// More than a form with a code has, in bytes.
const LARGEST_FORM: usize = 1024;

/// What the page carries over.
#[derive(Serialize)]
pub struct Code {
    code: String,
}

/// `POST /hand-over` at the portal, by one of its own pages: a code for this session.
///
/// # Errors
/// When nobody is signed in, there is no other origin, or the store does not answer.
pub async fn begin(State(app): State<App>, _: SignedIn, session: Session) -> Result<Json<Code>, Error> {
    if app.server.proxy_url.is_none() {
        return Err(Error::NoSuchPage);
    }
    let session = SessionRef::of(session.id().ok_or(Error::SignedOut)?);
    let code = visitor::random();
    let until = app.clock.now() + CODE_LIVES;
    let kept = app.store.attach(session, Kind::HandOver, &code, Vec::new(), until).await?;
    if kept { Ok(Json(Code { code })) } else { Err(Error::SignedOut) }
}

/// `/hand-over` at `PROXY_URL`: takes the code from a page of the portal, and from no other; whoever could make a browser
/// bring a code of theirs would have it see their session.
///
/// # Errors
/// [`Error::ForeignOrigin`]; [`Error::SignedOut`] when the code is not good, or no longer; or the store does not answer.
pub async fn enter(app: &App, request: Request) -> Result<Response, Error> {
    if !matches!(*request.method(), Method::POST | Method::OPTIONS) {
        return Err(Error::NoSuchPage);
    }
    let origin = request.headers().get(ORIGIN).filter(|origin| *origin == app.server.public_url.as_str());
    let origin = origin.cloned().ok_or(Error::ForeignOrigin)?;
    let mut response =
        if request.method() == Method::OPTIONS { origins::preflight(&request) } else { exchange(app, request).await? };
    origins::share(response.headers_mut(), Some(origin));
    Ok(response)
}

/// The code for a cookie. A browser that has one for this session keeps it: each page begins with a hand-over.
async fn exchange(app: &App, request: Request) -> Result<Response, Error> {
    let (head, body) = request.into_parts();
    let form = to_bytes(body, LARGEST_FORM).await.map_err(|_| Error::SignedOut)?;
    let code = url::form_urlencoded::parse(&form).find_map(|(name, value)| (name == "code").then_some(value));
    let now = app.clock.now();
    let taken = app.store.take_attached(Kind::HandOver, &code.unwrap_or_default(), now).await?;
    let session = taken.ok_or(Error::SignedOut)?.session;

    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let https = app.server.public_url.is_https();
    let before = match cookie::read(&head.headers, cookie_name(https)) {
        Some(name) => app.store.find(Kind::ProxyVisit, name, now).await?,
        None => None,
    };
    if before.is_none_or(|before| before.session != session) {
        let name = visitor::random();
        // It ends with the session, and that ends sooner unless it is renewed.
        let kept = app.store.attach(session, Kind::ProxyVisit, &name, Vec::new(), now + app.session.max).await?;
        if !kept {
            return Err(Error::SignedOut);
        }
        headers.insert(SET_COOKIE, dressed(app, &name)?);
    }
    Ok(response)
}

/// As closed as the portal's own cookie.
fn dressed(app: &App, value: &str) -> Result<HeaderValue, Error> {
    let https = app.server.public_url.is_https();
    let plain = format!("{}={value}; HttpOnly; SameSite=Lax; Path=/", cookie_name(https));
    let cookie = if https { security::finish(&plain, app.server.framed_by_other_sites) } else { plain };
    let mut cookie = HeaderValue::try_from(cookie).map_err(|_| Error::Broken("a cookie that no header can hold"))?;
    cookie.set_sensitive(true);
    Ok(cookie)
}
