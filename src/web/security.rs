//! What every request and answer must respect: security headers, foreign origins, loose cookies.

use std::sync::Arc;

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
use crate::audit::{self, Caller, Event, Refusal};
use crate::origin::Origin;

/// Headers for every answer, written once.
#[derive(Clone)]
pub struct Headers(Arc<[(HeaderName, HeaderValue)]>);

impl Headers {
    /// What this application tells browsers unless a handler said otherwise.
    pub fn of(app: &App) -> Self {
        // The sheet in its frame may fill the screen and copy to the clipboard; nobody needs the rest.
        let frames = frames_of(app);
        let permissions = format!(
            "camera=(), microphone=(), geolocation=(), payment=(), usb=(), fullscreen={frames}, clipboard-write={frames}"
        );
        let mut headers = vec![
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy::PLAIN)),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            // Not `no-referrer`: with it browsers post our own forms with `Origin: null` (Fetch, section 3.2).
            (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
            (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
            (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
            (
                HeaderName::from_static("permissions-policy"),
                HeaderValue::try_from(permissions).expect("an origin in ASCII serialization fits into a header"),
            ),
        ];
        if app.server.public_url.is_https() {
            headers.push((STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000")));
        }
        Self(headers.into())
    }

    /// Adds what is not there yet: handlers that need another policy or cache rule have set it already.
    pub fn add(&self, headers: &mut HeaderMap) {
        headers.reserve(self.0.len() + 1);
        for (name, value) in self.0.iter() {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        // For browsers that do not know `frame-ancestors`; what this header cannot say, they are not told.
        let policy = headers.get(CONTENT_SECURITY_POLICY).map_or(&b""[..], HeaderValue::as_bytes);
        if policy.ends_with(b"frame-ancestors 'none'") {
            headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        } else if policy.ends_with(b"frame-ancestors 'self'") {
            headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
        }
    }
}

/// Where frames of ours come from, as an allow-list of Permissions-Policy: ourselves, and where the tenant is met.
fn frames_of(app: &App) -> String {
    let mut frames = "(self".to_owned();
    let others = [
        app.pages.meet_tenant().then_some(&app.tenant.origin),
        app.server.proxy_url.as_ref().filter(|_| app.pages.use_proxy()),
    ];
    for origin in others.into_iter().flatten() {
        frames.push_str(&format!(" \"{origin}\""));
    }
    frames + ")"
}

/// Adds them to every answer.
pub async fn add_headers(State(defaults): State<Headers>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    defaults.add(response.headers_mut());
    response
}

/// For a route whose address has something in it that is for us alone: no page that it shows tells anybody where it was.
pub async fn hide_address(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Tokens are for our own pages, and for pages of origins in `TOKEN_ALLOWED_ORIGINS` (with CORS headers for them).
pub async fn check_token_origin(
    State(app): State<App>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let headers = request.headers();
    let origin = headers.get(ORIGIN).cloned();
    let is = |allowed: &Origin| origin.as_ref().is_some_and(|origin| origin == allowed.as_str());
    let allowed = app.server.token_allowed_origins.iter().any(is);
    let ours = is(&app.server.public_url) || is_same_origin(headers, origin.as_ref());
    if !(allowed || ours) {
        let said = origin.as_ref().and_then(|origin| origin.to_str().ok()).unwrap_or("it does not say which");
        let reason = &format_args!("a page of another origin asked for it: {said}");
        let refused = Refusal { identity: None, page: None, rule: None, failed: false, reason };
        audit::record(caller, &Event::TokenRefused(refused));
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

/// Dresses our cookies as far as the session layer cannot.
pub async fn finish_cookies(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if !app.server.public_url.is_https() {
        return response;
    }
    let cookies: Vec<HeaderValue> = response.headers().get_all(SET_COOKIE).iter().cloned().collect();
    response.headers_mut().remove(SET_COOKIE);
    for cookie in cookies {
        let finished = finish(cookie.to_str().unwrap_or_default(), app.server.framed_by_other_sites);
        response.headers_mut().append(SET_COOKIE, HeaderValue::try_from(finished).unwrap_or(cookie));
    }
    response
}

/// The session layer (tower-sessions 0.15) removes its cookie without `Secure`, and browsers then keep a `__Host-` cookie:
/// such a removal is ignored (RFC 6265bis, section 5.7). Fixed upstream after 0.15.0.
///
/// It knows nothing of `Partitioned` either. Frames in pages of other sites have only cookies with `SameSite=None`, and as
/// browsers block those, only partitioned ones (CHIPS): a jar for each site that the visitor sees in the address bar. A
/// visitor who opens our pages in a window has another session there. A removal must say `Partitioned` too, or it would look
/// into the wrong jar.
pub(super) fn finish(cookie: &str, in_frames_of_other_sites: bool) -> String {
    let is = |attribute: &str, names: &[&str]| {
        let name = attribute.split('=').next().unwrap_or_default().trim();
        names.iter().any(|known| name.eq_ignore_ascii_case(known))
    };
    let replaced: &[&str] = if in_frames_of_other_sites { &["secure", "samesite", "partitioned"] } else { &["secure"] };
    let mut attributes = cookie.split(';').map(str::trim);
    let pair = attributes.next().unwrap_or_default();
    let mut finished: Vec<_> =
        std::iter::once(pair).chain(attributes.filter(|attribute| !is(attribute, replaced))).collect();
    finished.push("Secure");
    if in_frames_of_other_sites {
        finished.extend(["SameSite=None", "Partitioned"]);
    }
    finished.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_and_their_removal_are_dressed_alike() {
        for (cookie, framed, expected) in [
            (
                "__Host-a=1; HttpOnly; SameSite=Lax; Secure; Path=/",
                false,
                "__Host-a=1; HttpOnly; SameSite=Lax; Path=/; Secure",
            ),
            ("__Host-a=; Path=/; Max-Age=0", false, "__Host-a=; Path=/; Max-Age=0; Secure"),
            (
                "__Host-a=1; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60",
                true,
                "__Host-a=1; HttpOnly; Path=/; Max-Age=60; Secure; SameSite=None; Partitioned",
            ),
            ("__Host-a=; Path=/; Max-Age=0", true, "__Host-a=; Path=/; Max-Age=0; Secure; SameSite=None; Partitioned"),
            ("secure=1; secure; partitioned", true, "secure=1; Secure; SameSite=None; Partitioned"),
        ] {
            assert_eq!(finish(cookie, framed), expected);
        }
    }
}
