//! Who is asking, and by what right (Qlik Cloud facts, sections B.3, D and H.5): cookies with CSRF, access tokens; and the
//! layers that every request passes, outermost first: [`observe`], [`origins`] (from where), [`faults`], [`csrf`].

mod origins;

use std::sync::Arc;

use axum::{
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use time::format_description::well_known::Rfc2822;

use super::{
    refusal::{self, Refusal},
    session::Session,
    settings::{Settings, Switches},
    state::{self, State, held, record},
    tokens::Purpose,
    users::{TENANT_ADMIN, User, Users},
};

pub(super) use origins::{origins, stranger};

/// The header, and the query parameter, that carries the CSRF token.
pub(super) const CSRF_TOKEN: HeaderName = HeaderName::from_static("qlik-csrf-token");

/// Writes down what came and what was answered, and dates the answer by the tenant's own clock.
pub(super) async fn observe(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let mut entry = state::Request {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        headers: request.headers().keys().map(|name| name.as_str().to_owned()).collect(),
        origin: text(request.headers(), &header::ORIGIN).map(str::to_owned),
        status: 0,
    };
    let mut response = next.run(request).await;
    entry.status = response.status().as_u16();
    record(&state.requests, entry);
    if let Some(date) = http_date(state.now()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

/// Delays and refusals that were ordered by the control handle.
pub(super) async fn faults(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let (delay, refusal) = {
        let mut faults = held(&state.faults);
        (faults.delay(&path), faults.refusal(request.method().as_str(), &path))
    };
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    let Some(refusal) = refusal else { return next.run(request).await };
    if refusal == Refusal::AnswerLost {
        next.run(request).await;
    }
    let mut response = refusal.into_response();
    if held(&state.settings).switches.retry_after_is_date
        && let Some(seconds) = text(response.headers(), &header::RETRY_AFTER).and_then(|text| text.parse().ok())
        && let Some(date) = http_date(state.now() + time::Duration::seconds(seconds))
    {
        response.headers_mut().insert(header::RETRY_AFTER, date);
    }
    response
}

fn http_date(time: time::OffsetDateTime) -> Option<HeaderValue> {
    let date = time.to_offset(time::UtcOffset::UTC).format(&Rfc2822).ok()?;
    HeaderValue::from_str(&date.replace("+0000", "GMT")).ok()
}

/// Requests that change something need the CSRF token of their session. Bearer requests are exempt.
pub(super) async fn csrf(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    if api
        && request.method() != Method::GET
        && let Some(Caller::Cookie(session)) = caller(&state, request.headers())
        && !text(request.headers(), &CSRF_TOKEN).is_some_and(|token| session.accepts_csrf(token))
    {
        return refusal::csrf_refused();
    }
    next.run(request).await
}

/// Who is asking, and by what right.
pub(super) enum Caller {
    /// A browser, or a server that holds a browser's cookies.
    Cookie(Session),
    /// An API key, or an access token: the id of its user, whether it has the rights of an administrator, and the id of the
    /// token that the client was given in the first place.
    Bearer { user: String, admin: bool, token: Option<String> },
}

impl Caller {
    /// The tenant's id of the user.
    pub fn user(&self) -> &str {
        match self {
            Self::Cookie(session) => &session.user,
            Self::Bearer { user, .. } => user,
        }
    }

    /// The id of what gives the right: the cookie session, or the access token.
    pub fn right(&self) -> Option<&str> {
        match self {
            Self::Cookie(session) => Some(&session.id),
            Self::Bearer { token, .. } => token.as_deref(),
        }
    }

    /// Whether the caller may do what only administrators may.
    pub fn is_admin(&self, users: &Users) -> bool {
        match self {
            Self::Cookie(session) => {
                users.get(&session.user).is_some_and(|user| user.roles.iter().any(|role| role == TENANT_ADMIN))
            }
            Self::Bearer { admin, .. } => *admin,
        }
    }
}

/// A bearer token, and where it is shown.
#[derive(Clone)]
pub(super) struct Shown<'a> {
    token: std::borrow::Cow<'a, str>,
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    EngineQuery,
    RestQuery,
}

impl<'a> Shown<'a> {
    /// In a handshake: in the header, or as `?accessToken=`.
    pub fn to_engine(headers: &'a HeaderMap, uri: &Uri) -> Option<Self> {
        Self::in_header(headers).or_else(|| Self::in_query(uri, Place::EngineQuery))
    }

    /// In a request of the REST interface; in the query, as `@qlik/api` does for images and the like [S].
    pub fn to_rest(headers: &'a HeaderMap, uri: &Uri) -> Option<Self> {
        Self::in_header(headers).or_else(|| Self::in_query(uri, Place::RestQuery))
    }

    pub fn is_in_header(&self) -> bool {
        self.place == Place::Header
    }

    fn in_header(headers: &'a HeaderMap) -> Option<Self> {
        bearer(headers).map(|token| Self { token: token.into(), place: Place::Header })
    }

    fn in_query(uri: &Uri, place: Place) -> Option<Self> {
        query(uri, "accessToken").map(|token| Self { token: token.into(), place })
    }
}

/// Whether a token of this purpose, or of none, may be shown there.
fn fits(place: Place, purpose: Option<Purpose>, switches: &Switches) -> bool {
    match (place, purpose) {
        (Place::Header | Place::RestQuery, None)
        | (Place::EngineQuery, Some(Purpose::Websocket))
        | (Place::RestQuery, Some(Purpose::WebResource)) => true,
        (Place::EngineQuery, None) => !switches.exchange_required,
        (Place::Header, Some(_)) => switches.exchanged_as_bearer,
        (Place::RestQuery | Place::EngineQuery, Some(_)) => false,
    }
}

/// The caller of a REST request, which counts as activity of its session.
pub(super) fn caller(state: &State, headers: &HeaderMap) -> Option<Caller> {
    caller_with(state, headers, Shown::in_header(headers), &state.settings(), true)
}

/// The caller, by access token first, else by cookies.
pub(super) fn caller_with(
    state: &State,
    headers: &HeaderMap,
    shown: Option<Shown<'_>>,
    settings: &Settings,
    active: bool,
) -> Option<Caller> {
    let now = state.now();
    if let Some(Shown { token, place }) = shown {
        return bearer_of(state, settings, &token, place);
    }
    let session = held(&state.sessions).find(headers, now, active)?;
    let enabled = |user: &User| user.status == "active";
    held(&state.users).get(&session.user).is_some_and(enabled).then_some(Caller::Cookie(session))
}

/// The owner of an API key, or the active user of an access token that may be shown there.
fn bearer_of(state: &State, settings: &Settings, shown: &str, place: Place) -> Option<Caller> {
    let now = state.now();
    let mut users = held(&state.users);
    if let Some(key) = settings.api_keys.iter().find(|known| known.key == shown) {
        let user = users.staff(&key.owner, key.admin, None);
        let good = key.expires.is_none_or(|end| now < end);
        return good.then_some(Caller::Bearer { user, admin: key.admin, token: None });
    }
    let mut tokens = held(&state.tokens);
    let token = tokens.living(shown, now).filter(|token| fits(place, token.purpose, &settings.switches))?.clone();
    users.get(&token.user).filter(|user| user.status == "active")?;
    if place == Place::EngineQuery && token.purpose.is_some() && settings.switches.exchanged_once {
        tokens.revoke(|value, _| value == shown, false);
    }
    tokens.touch(shown, now);
    let root = token.root().to_owned();
    Some(Caller::Bearer { user: token.user, admin: token.admin, token: Some(root) })
}

/// The bearer token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A value that may come as header or as query parameter.
pub(super) fn parameter(headers: &HeaderMap, uri: &Uri, name: &str) -> Option<String> {
    let header = headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    header.or_else(|| query(uri, name))
}

/// A query parameter, decoded.
pub(super) fn query(uri: &Uri, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
