//! Requests from other origins (sections C.1, H.1 and M 20): a web integration lists the origin, or the OAuth client does
//! whose access token the request shows. Preflight, and the headers that let the browser read the answer.

use std::sync::Arc;

use axum::{
    extract::{Request, State as Shared},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{Shown, parameter};
use crate::demo::{
    refusal::{self, Edge},
    settings::Settings,
    state::{State, held},
};

/// The header, and the query parameter, that names a web integration.
const WEB_INTEGRATION: &str = "qlik-web-integration-id";
/// What the published clients send across origins.
const ALLOWED_HEADERS: &str =
    "authorization, content-type, qlik-web-integration-id, qlik-csrf-token, qlik-api-version, x-feature-flag-overrides";
const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";

/// Marks a refusal of an access token that is shown in a foreign browser.
#[derive(Debug, Clone, Copy)]
struct Stranger;

/// How an origin may read answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grant {
    /// With cookies.
    Credentials,
    /// With access tokens only: documented is no more, and pages leave cookies out (section H.5).
    Bearer,
}

/// Lets requests of this origin pass or refuses them, and answers preflights itself.
pub(in crate::demo) async fn origins(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let Some(origin) = request.headers().get(header::ORIGIN).filter(|origin| **origin != *state.origin).cloned() else {
        return next.run(request).await;
    };
    let settings = state.settings();
    let path = request.uri().path();
    let preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let grant = granted(&state, &settings, &request, origin.to_str().unwrap_or_default(), preflight);
    let unchecked = path.starts_with("/app/") && !settings.switches.origin_on_handshake;
    if grant.is_none() && !unchecked && guarded(path) {
        if !preflight && shown(&settings, &request).is_some() {
            let mut response = stranger(&settings);
            if settings.switches.cors_on_foreign_origin {
                share(response.headers_mut(), &origin, Grant::Bearer);
            }
            return response;
        }
        let status = StatusCode::from_u16(settings.switches.foreign_origin_status).unwrap_or(StatusCode::FORBIDDEN);
        return refusal::service_error(status, "CORS-1", "Origin has not been granted access");
    }
    if preflight && (grant.is_some() || !path.starts_with("/oauth/")) {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        share(headers, &origin, grant.unwrap_or(Grant::Credentials));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(ALLOWED_METHODS));
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
        return response;
    }
    let mut response = next.run(request).await;
    if let Some(grant) = grant.filter(|_| readable(&settings, &response)) {
        share(response.headers_mut(), &origin, grant);
    }
    response
}

/// 401 or whatever the switch says: the client of an access token does not list the origin of its browser.
pub(in crate::demo) fn stranger(settings: &Settings) -> Response {
    let status = StatusCode::from_u16(settings.switches.token_origin_status).unwrap_or(StatusCode::UNAUTHORIZED);
    let mut response = refusal::service_error(status, "CORS-2", "Origin has not been granted access");
    response.extensions_mut().insert(Stranger);
    response
}

/// Whether somebody lists the origin: the web integration that the request names, or the client of its token. A preflight
/// carries no values of headers, so for it anybody will do, unless the query names an integration.
fn granted(state: &State, settings: &Settings, request: &Request, origin: &str, preflight: bool) -> Option<Grant> {
    let (path, named) = (request.uri().path(), parameter(request.headers(), request.uri(), WEB_INTEGRATION));
    let integrations = || settings.web_integrations.iter().filter(|i| i.origins.iter().any(|o| o == origin));
    let some_client = || settings.clients.iter().any(|client| client.lists(origin));
    if path.starts_with("/oauth/") {
        // Pages exchange their tokens with `credentials: "include"` [S]. Which client it is stands in the body.
        return some_client().then_some(Grant::Credentials);
    }
    let integration = match &named {
        Some(id) => integrations().any(|integration| integration.id == *id),
        None => preflight && integrations().next().is_some(),
    };
    if integration {
        return Some(Grant::Credentials);
    }
    let bearer = if preflight { path.starts_with("/api/") && some_client() } else { false };
    let bearer = bearer
        || shown(settings, request).is_some_and(|token| {
            let tokens = held(&state.tokens);
            match tokens.known(&token).map(|token| token.client.as_ref()) {
                Some(Some(client)) => settings.clients.iter().any(|known| known.id == *client && known.lists(origin)),
                // Whose it was cannot be told. A page must be able to read its 401 (section H.5).
                Some(None) | None => some_client(),
            }
        });
    bearer.then_some(Grant::Bearer)
}

/// The access token of a request. API keys are not for browsers, nor is the token of a login one.
fn shown(settings: &Settings, request: &Request) -> Option<String> {
    let (headers, uri) = (request.headers(), request.uri());
    let shown = match uri.path() {
        path if path.starts_with("/app/") => Shown::to_engine(headers, uri),
        path if path.starts_with("/api/") => Shown::to_rest(headers, uri),
        _ => None,
    }?;
    (!settings.api_keys.iter().any(|known| known.key == shown.token)).then(|| shown.token.into_owned())
}

/// Pages and their files are open to every origin; what they call is not.
fn guarded(path: &str) -> bool {
    ["/api/", "/login/jwt-session", "/app/"].iter().any(|prefix| path.starts_with(prefix))
}

/// May the page read this answer?
fn readable(settings: &Settings, response: &Response) -> bool {
    let switches = &settings.switches;
    let failed = response.status().is_client_error() || response.status().is_server_error();
    match response.extensions() {
        marks if marks.get::<Edge>().is_some() => switches.cors_at_edge,
        marks if marks.get::<Stranger>().is_some() => switches.cors_on_foreign_origin,
        _ => !failed || switches.cors_on_errors,
    }
}

fn share(headers: &mut HeaderMap, origin: &HeaderValue, grant: Grant) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if grant == Grant::Credentials {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("qlik-csrf-token"));
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}
