//! The shapes in which a tenant says no (Qlik Cloud facts, sections B.2, D and I): mixed on purpose.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::{Value, json};

use super::random_hex;

/// An answer that the tenant can be told to give instead of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 406 with a page in HTML, from the edge (section L, 1).
    NotAcceptablePage,
    /// 401 `LOGIN-2`: no authentication configured for this hostname.
    UnknownHostname,
    /// 403 `AUTH-5`: not a member of the tenant.
    NotAMember,
    /// 403 for a disabled user; its code is not known `[U]`.
    DisabledUser,
    /// 401 in the common envelope; its code is not known `[U]`.
    Unauthorized,
    /// 429 with `Retry-After` in seconds (section I).
    RateLimited {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// 503 with a page in HTML, from the edge.
    Unavailable,
    /// The same, with `Retry-After` in seconds `[I]`: RFC 9110 allows it there.
    Busy {
        /// Seconds to wait.
        retry_after: u32,
    },
    /// What was asked for is done, but the answer is lost on the way: 502 with a page in HTML, from the edge.
    AnswerLost,
    /// Any status in the common envelope.
    Status(u16),
}

/// How often a [`Refusal`] is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Until [`Control::mend`](super::Control::mend).
    Always,
    /// For so many requests.
    Next(u32),
}

/// Marks an answer of the edge, to which the tenant adds no CORS headers of its own.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge;

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::NotAcceptablePage => edge_page(StatusCode::NOT_ACCEPTABLE, "406 Not Acceptable"),
            Self::Unavailable => edge_page(StatusCode::SERVICE_UNAVAILABLE, "503 Service Temporarily Unavailable"),
            Self::Busy { retry_after } => {
                let mut response = Self::Unavailable.into_response();
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
                response
            }
            Self::AnswerLost => edge_page(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
            Self::UnknownHostname => {
                login_error(StatusCode::UNAUTHORIZED, "LOGIN-2", "No authentication configured for this hostname", None)
            }
            Self::NotAMember => {
                login_error(StatusCode::FORBIDDEN, "AUTH-5", "User is not a member of the tenant", None)
            }
            Self::DisabledUser => login_error(StatusCode::FORBIDDEN, "AUTH-6", "User is disabled", None),
            Self::Unauthorized => unauthorized(),
            Self::RateLimited { retry_after } => rate_limited(retry_after),
            Self::Status(code) => {
                let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let title = status.canonical_reason().unwrap_or("Refused");
                service_error(status, &format!("HTTP-{}", status.as_u16()), title)
            }
        }
    }
}

/// The envelope of the login service: `status` is a string.
pub(super) fn login_error(status: StatusCode, code: &str, title: &str, detail: Option<&str>) -> Response {
    let mut error = json!({ "title": title, "code": code, "status": status.as_str() });
    if let Some(detail) = detail {
        error["detail"] = detail.into();
    }
    envelope(status, json!({ "errors": [error], "traceId": random_hex::<16>() }))
}

/// The envelope of the other services: `status` is a number, and there is no trace.
pub(super) fn service_error(status: StatusCode, code: &str, title: &str) -> Response {
    envelope(status, json!({ "errors": [{ "code": code, "title": title, "status": status.as_u16() }] }))
}

/// The same with a detail.
pub(super) fn service_fault(status: StatusCode, code: &str, title: &str, detail: &str) -> Response {
    let error = json!({ "code": code, "title": title, "detail": detail, "status": status.as_u16() });
    envelope(status, json!({ "errors": [error] }))
}

/// The envelope of spaces: code, title and detail at the top as well, which is deprecated.
pub(super) fn spaces_fault(status: StatusCode, code: &str, title: &str, detail: &str) -> Response {
    let error = json!({ "code": code, "title": title, "detail": detail });
    let trace = random_hex::<16>();
    envelope(status, json!({ "code": code, "title": title, "detail": detail, "errors": [error], "traceId": trace }))
}

/// 401 of a token or a session that does not hold. The real code is not known `[U]`; it says nothing of the reason.
pub(super) fn unauthorized() -> Response {
    unauthorized_because(None)
}

/// The same, which perhaps says the reason.
pub(super) fn unauthorized_because(reason: Option<&str>) -> Response {
    login_error(StatusCode::UNAUTHORIZED, "LOGIN-1", "Unauthorized", reason)
}

/// 400 `INTERNAL-TOKEN-1`, naming the claim as the real one does.
pub(super) fn invalid_token_request(status: u16, problem: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let detail = format!("JWT_LOGIN_VALIDATIONS {problem}");
    login_error(status, "INTERNAL-TOKEN-1", "Invalid token request", Some(&detail))
}

/// 403 with the code at the top as well, where `@qlik/api` looks for it.
pub(super) fn csrf_refused() -> Response {
    let error = json!({ "code": "CSRF-TOKEN-2", "title": "CSRF token missing or invalid", "status": "403" });
    envelope(StatusCode::FORBIDDEN, json!({ "code": "CSRF-TOKEN-2", "errors": [error], "traceId": random_hex::<16>() }))
}

fn rate_limited(retry_after: u32) -> Response {
    let detail = format!("You need to wait {retry_after} seconds until limit is lifted.");
    let error = json!({ "code": "HTTP-429", "title": "API rate limit reached.", "detail": detail });
    let mut response = envelope(StatusCode::TOO_MANY_REQUESTS, json!({ "errors": [error] }));
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
    response
}

fn envelope(status: StatusCode, body: Value) -> Response {
    (status, Json(body)).into_response()
}

fn edge_page(status: StatusCode, title: &str) -> Response {
    let page = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    );
    let mut response = (status, Html(page)).into_response();
    response.extensions_mut().insert(Edge);
    response
}
