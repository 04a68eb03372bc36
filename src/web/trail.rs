//! One id and one log line a request, and the caller that events of the audit name. Paths are logged by route, so that nothing a visitor types ends up in a log.

use std::fmt;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use uuid::Uuid;

use super::{Error, address};
use crate::app::App;
use crate::audit::Caller;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The name of one request in logs and on error pages.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestId(pub Uuid);

impl RequestId {
    /// What is logged about this request carries its id.
    pub fn span(self) -> tracing::Span {
        tracing::info_span!("request", id = %self)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

/// Gives the request its id; a log line or an error page with the same id belongs to it.
pub async fn name_request(mut request: Request, next: Next) -> Response {
    let id = RequestId(Uuid::new_v4());
    let value = HeaderValue::try_from(id.to_string()).expect("hexadecimal digits are a header value");
    request.extensions_mut().insert(id);
    let mut response = next.run(request).await;
    response.headers_mut().insert(HEADER, value);
    response
}

/// Logs one line when the answer is ready.
pub async fn log_request(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    let address = address::of_client(&app, &request);
    let id = request.extensions().get::<RequestId>().copied().unwrap_or_default();
    request.extensions_mut().insert(Caller { request: id.0, address });
    let span = id.span();
    let response = next.run(request).instrument(span.clone()).await;
    let _entered = span.enter();
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    // Probes come every few seconds and say nothing while all is well.
    if matches!(&*route, "/healthz" | "/readyz") && response.status().is_success() {
        tracing::debug!(%method, route, status, ms = milliseconds, %address, "answered");
    } else {
        tracing::info!(%method, route, status, ms = milliseconds, %address, "answered");
    }
    response
}

impl FromRequestParts<App> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Error> {
        parts.extensions.get().copied().ok_or(Error::Broken("a request without its id"))
    }
}
