//! From which origins scripts may call the tenant through us: our own, and those that may ask for tokens. Cookies alone prove
//! little here, since a browser adds them for whoever asks.

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, UPGRADE, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::origin::Origin;
use crate::web::Error;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// What clients of the tenant read of its answers (Qlik Cloud facts, sections D and I).
const EXPOSED: HeaderValue = HeaderValue::from_static("qlik-csrf-token, retry-after, deprecation, sunset, link");
/// Browsers ask again after ten minutes.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Whether this origin is one of ours, or may ask for tokens anyway.
pub fn is_known(app: &App, origin: &HeaderValue) -> bool {
    let is = |known: &Origin| origin == known.as_str();
    is(&app.server.public_url) || is(app.server.proxy_origin()) || app.server.token_allowed_origins.iter().any(is)
}

/// The origin that may read the answer, if one asks. Whoever only reads may come from anywhere: they see nothing of it, and
/// what they ask for changes nothing.
///
/// # Errors
/// [`Error::ForeignOrigin`] when a page of another origin opens a socket or wants to change something.
pub fn check(app: &App, request: &Request) -> Result<Option<HeaderValue>, Error> {
    let headers = request.headers();
    let origin = headers.get(ORIGIN);
    if let Some(origin) = origin.filter(|origin| is_known(app, origin)) {
        return Ok(Some(origin.clone()));
    }
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD) && !headers.contains_key(UPGRADE);
    // Programs that are no browsers say neither of the two.
    let is_stranger =
        origin.is_some() || headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if is_stranger && !only_reads { Err(Error::ForeignOrigin) } else { Ok(None) }
}

/// Whether a browser asks if it may ask (Fetch, section 3.3.2).
pub fn is_preflight(request: &Request) -> bool {
    let headers = request.headers();
    request.method() == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// It may: [`check`] has seen who asks.
pub fn preflight(request: &Request) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    if let Some(asked) = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

/// Lets a known origin read the answer.
pub fn share(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    let Some(origin) = origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(VARY, HeaderValue::from_static("origin"));
}
