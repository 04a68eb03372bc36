//! Who may call from where (Qlik Cloud facts, sections C.1 and D): web integrations, CORS, CSRF; and the layers that
//! every request passes, outermost first: [`observe`], [`origins`], [`faults`], [`csrf`].

use std::sync::Arc;

use axum::{
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use time::format_description::well_known::Rfc2822;

use super::{
    refusal::{self, Edge, Refusal},
    session::Session,
    settings::Settings,
    state::{self, State, held, record},
    users::{TENANT_ADMIN, User, Users},
};

/// The header, and the query parameter, that names a web integration.
const WEB_INTEGRATION: &str = "qlik-web-integration-id";
/// The header, and the query parameter, that carries the CSRF token.
pub(super) const CSRF_TOKEN: HeaderName = HeaderName::from_static("qlik-csrf-token");
/// What the published clients send across origins.
const ALLOWED_HEADERS: &str =
    "authorization, content-type, qlik-web-integration-id, qlik-csrf-token, qlik-api-version, x-feature-flag-overrides";
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

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

/// Requests from other origins: preflight, web integration, and the headers that let the browser read the answer.
pub(super) async fn origins(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).filter(|origin| **origin != *state.origin).cloned() else {
        return next.run(request).await;
    };
    let settings = state.settings();
    let name = origin.to_str().unwrap_or_default();
    let named = parameter(request.headers(), request.uri(), WEB_INTEGRATION);
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    // A preflight carries no values of headers, so only the query can name the integration.
    let granted = match &named {
        None if preflight => settings.web_integrations.iter().any(|i| i.origins.iter().any(|o| o == name)),
        None => false,
        Some(id) => settings.web_integrations.iter().any(|i| i.id == *id && i.origins.iter().any(|o| o == name)),
    };
    let unchecked = request.uri().path().starts_with("/app/") && !settings.switches.origin_on_handshake;
    if !granted && !unchecked && guarded(request.uri().path()) {
        let status = StatusCode::from_u16(settings.switches.foreign_origin_status).unwrap_or(StatusCode::FORBIDDEN);
        return refusal::service_error(status, "CORS-1", "Origin has not been granted access");
    }
    if preflight {
        let mut response = StatusCode::NO_CONTENT.into_response();
        share(response.headers_mut(), &origin);
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        return response;
    }
    let mut response = next.run(request).await;
    let failed = response.status().is_client_error() || response.status().is_server_error();
    let edge = response.extensions().get::<Edge>().is_some();
    let shared = if edge { settings.switches.cors_at_edge } else { !failed || settings.switches.cors_on_errors };
    if granted && shared {
        share(response.headers_mut(), &origin);
    }
    response
}

/// Pages and their files are open to every origin; what they call is not.
fn guarded(path: &str) -> bool {
    ["/api/", "/login/jwt-session", "/app/"].iter().any(|prefix| path.starts_with(prefix))
}

fn share(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("qlik-csrf-token"));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
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
    /// An API key, or an access token: the id of its user, and whether it has the rights of an administrator.
    Bearer { user: String, admin: bool },
}

impl Caller {
    /// The tenant's id of the user.
    pub fn user(&self) -> &str {
        match self {
            Self::Cookie(session) => &session.user,
            Self::Bearer { user, .. } => user,
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

/// The caller of a REST request, which counts as activity of its session.
pub(super) fn caller(state: &State, headers: &HeaderMap) -> Option<Caller> {
    caller_with(state, headers, None, &state.settings(), true)
}

/// The caller, by access token first (in the header or in `query_token`), else by cookies.
pub(super) fn caller_with(
    state: &State,
    headers: &HeaderMap,
    query_token: Option<&str>,
    settings: &Settings,
    active: bool,
) -> Option<Caller> {
    let (mut users, now) = (held(&state.users), state.now());
    if let Some(token) = bearer(headers).or(query_token) {
        if let Some(key) = settings.api_keys.iter().find(|known| known.key == token) {
            let user = users.staff(&key.owner, key.admin, None);
            let good = key.expires.is_none_or(|end| now < end);
            return good.then_some(Caller::Bearer { user, admin: key.admin });
        }
        return users.of_token(token, now).map(|(user, admin)| Caller::Bearer { user: user.id.clone(), admin });
    }
    let session = held(&state.sessions).find(headers, now, active)?;
    let enabled = |user: &User| user.status == "active";
    users.get(&session.user).is_some_and(enabled).then_some(Caller::Cookie(session))
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
