//! What every request and answer must respect: security headers, foreign origins, loose cookies.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName,
    ORIGIN, REFERRER_POLICY, SET_COOKIE, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Error, policy};
use crate::app::App;
use crate::origin::Origin;

/// Headers on every answer. Handlers that need another policy or cache rule have set it already.
pub async fn add_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
    const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
    const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    default(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy::PLAIN));
    default(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    default(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Not `no-referrer`: with it browsers post our own forms with `Origin: null` (Fetch, "append a request Origin header").
    default(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // The sheet in its frame may fill the screen and copy to the clipboard; nobody needs the rest.
    let permissions = format!(
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), \
         fullscreen=(self \"{tenant}\"), clipboard-write=(self \"{tenant}\")",
        tenant = app.tenant.origin
    );
    if let Ok(permissions) = HeaderValue::try_from(permissions) {
        default(PERMISSIONS, permissions);
    }
    default(OPENER, HeaderValue::from_static("same-origin"));
    default(RESOURCE, HeaderValue::from_static("same-origin"));
    if app.server.public_url.is_https() {
        default(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    // For browsers that do not know `frame-ancestors`; what this header cannot say, they are not told.
    let policy = headers.get(CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok()).unwrap_or_default();
    if policy.contains("frame-ancestors 'none'") {
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    } else if policy.ends_with("frame-ancestors 'self'") {
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    }
    response
}

/// Tokens are for our own pages, and for pages of origins in `TOKEN_ALLOWED_ORIGINS` (with CORS headers for them).
pub async fn check_token_origin(State(app): State<App>, request: Request, next: Next) -> Result<Response, Error> {
    let headers = request.headers();
    let origin = headers.get(ORIGIN).cloned();
    let is = |allowed: &Origin| origin.as_ref().is_some_and(|origin| origin == allowed.as_str());
    let allowed = app.server.token_allowed_origins.iter().any(is);
    let ours = is(&app.server.public_url) || is_same_origin(headers, origin.as_ref());
    if !(allowed || ours) {
        tracing::warn!(?origin, "a page of another origin asked for a token");
        return Err(Error::ForeignOrigin);
    }
    let mut response = if allowed && request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    if let (true, Some(origin)) = (allowed, origin) {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers
            .insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("origin"));
    Ok(response)
}

/// Browsers say where a request comes from; programs that are no browsers say nothing and have no visitor to betray.
fn is_same_origin(headers: &HeaderMap, origin: Option<&HeaderValue>) -> bool {
    match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => origin.is_none(),
    }
}

/// tower-sessions 0.15 removes its cookie without `Secure`, and browsers then keep a `__Host-` cookie: such a removal is
/// ignored (RFC 6265bis, section 5.7). Fixed upstream after 0.15.0.
pub async fn finish_cookies(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if !app.server.public_url.is_https() {
        return response;
    }
    let cookies: Vec<HeaderValue> = response.headers().get_all(SET_COOKIE).iter().cloned().collect();
    response.headers_mut().remove(SET_COOKIE);
    for cookie in cookies {
        let text = cookie.to_str().unwrap_or_default();
        let secure = text.split(';').any(|attribute| attribute.trim().eq_ignore_ascii_case("secure"));
        let finished = if secure { None } else { HeaderValue::try_from(format!("{text}; Secure")).ok() };
        response.headers_mut().append(SET_COOKIE, finished.unwrap_or(cookie));
    }
    response
}
