//! One id and one log line a request, what is counted and traced of it, and the caller that events of the audit name. Paths are
//! logged by route, so that nothing a visitor types ends up in a log.

use std::fmt;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::trace::TraceId;
use tracing::Instrument;
use tracing::field::{Empty, display};
use uuid::Uuid;

use super::{Error, address};
use crate::app::App;
use crate::audit::Caller;
use crate::metrics::{self, Watch};
use crate::origin::Origin;
use crate::traces;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// What the log says of an address that is no route.
const NO_ROUTE: &str = "-";

/// The name of one request in logs and on error pages.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestId(pub Uuid);

impl RequestId {
    /// What is logged about this request carries its id, and that of the trace that is under way.
    pub fn span(self) -> tracing::Span {
        self.span_in(traces::current())
    }

    /// The same for the request with which a trace begins.
    pub fn span_in(self, trace: Option<TraceId>) -> tracing::Span {
        let span = tracing::info_span!("request", id = %self, trace_id = Empty);
        if let Some(trace) = trace {
            span.record("trace_id", display(trace));
        }
        span
    }
}

/// A request on its way through us: how long it takes, and its span when there are traces.
pub struct Journey<'a> {
    route: &'a str,
    method: Method,
    watch: Watch,
    trace: Option<traces::Request>,
}

impl<'a> Journey<'a> {
    /// Begins it, for a route's pattern or one of the words [`metrics::PROXY`] and [`metrics::OTHER`], at one of our origins.
    ///
    /// Only a proxy of `TRUSTED_PROXIES` may say to which trace it belongs. Anybody else could have as many traces recorded as
    /// they like, whatever the sampler says, and write into those of others.
    pub fn begin(app: &App, server: &Origin, route: &'a str, request: &Request) -> Self {
        let trace = || {
            let trusted = address::is_trusted_peer(app, request).then(|| request.headers());
            let (method, path) = (request.method(), request.uri().path());
            traces::Request::begin(traces::Asked { route, method, path, server, trusted })
        };
        let trace = if traces::is_on() && !is_probe(route) { trace() } else { None };
        Self { route, method: request.method().clone(), watch: Watch::begin(), trace }
    }

    /// The span, when there are traces.
    pub fn trace(&self) -> Option<&traces::Request> {
        self.trace.as_ref()
    }

    /// The head of the answer is ready.
    pub fn end(self, status: StatusCode) {
        match self.route {
            metrics::PROXY => self.watch.passed_on(&self.method, status),
            route => self.watch.answered(route, &self.method, status),
        }
        if let Some(trace) = self.trace {
            trace.end(status);
        }
    }
}

/// Probes come every few seconds and say nothing while all is well.
fn is_probe(route: &str) -> bool {
    matches!(route, "/healthz" | "/readyz")
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
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let address = address::of_client(&app, &request);
    let id = request.extensions().get::<RequestId>().copied().unwrap_or_default();
    request.extensions_mut().insert(Caller { request: id.0, address });
    let known = if route == NO_ROUTE { metrics::OTHER } else { &route };
    let journey = Journey::begin(&app, &app.server.public_url, known, &request);
    let span = id.span_in(journey.trace().map(traces::Request::id));
    let answer = next.run(request).instrument(span.clone());
    let response = match journey.trace() {
        Some(trace) => trace.around(answer).await,
        None => answer.await,
    };
    journey.end(response.status());
    let _entered = span.enter();
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    if is_probe(&route) && response.status().is_success() {
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
