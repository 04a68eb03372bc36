//! Traces by OpenTelemetry: a span for each request, and below it one for each call to the tenant that it leads to. Without
//! `OTEL_EXPORTER_OTLP_ENDPOINT` there are none, and a call here costs one look at an atomic.
//!
//! Spans are made here by hand and not of the log's spans: what goes to a collector is this list of attributes, whatever
//! `RUST_LOG` says, and no event of the log or the audit goes with them. Attributes have no query, no cookie, no token, and no
//! address of a client.

use std::borrow::Cow;
use std::sync::OnceLock;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{FutureExt, SpanBuilder, SpanKind, Status, TraceContextExt, TraceId, Tracer, WithContext};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;
use tracing::Instrument;
use tracing::instrument::Instrumented;

use crate::metrics::Method;
use crate::origin::Origin;

mod call;
mod export;

pub use call::{Call, send};
pub use export::{Export, Sampler, Settings, begin};

/// No more of a path is told, in bytes.
const LONGEST_PATH: usize = 256;

static TRACING: OnceLock<Tracing> = OnceLock::new();

struct Tracing {
    tracer: SdkTracer,
    /// Whether the tenant is told to which trace a request belongs.
    to_tenant: bool,
}

/// Whether there are traces.
pub fn is_on() -> bool {
    TRACING.get().is_some()
}

/// A request to us.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The route's pattern, or a word for what has none.
    pub route: &'a str,
    /// The method.
    pub method: &'a http::Method,
    /// The path, without the query.
    pub path: &'a str,
    /// Where we are seen.
    pub server: &'a Origin,
    /// The headers, when whoever sent them may say to which trace the request belongs.
    pub trusted: Option<&'a HeaderMap>,
}

/// The span of a request to us, from here until it is ended or dropped.
#[derive(Debug)]
pub struct Request(Context);

impl Request {
    /// Begins it, if there are traces.
    pub fn begin(asked: Asked<'_>) -> Option<Self> {
        let tracing = TRACING.get()?;
        let Asked { route, method, path, server, trusted } = asked;
        let parent = match trusted {
            Some(headers) => TraceContextPropagator::new().extract_with_context(&Context::new(), &Read(headers)),
            None => Context::new(),
        };
        let attributes = vec![
            method_of(method),
            KeyValue::new("http.route", route.to_owned()),
            KeyValue::new("url.path", cut(path).to_owned()),
            KeyValue::new("url.scheme", if server.is_https() { "https" } else { "http" }),
            KeyValue::new("server.address", server.host().to_owned()),
            KeyValue::new("server.port", i64::from(server.port())),
        ];
        let name = format!("{} {route}", name_of(method));
        Some(Self(start(tracing, name, SpanKind::Server, attributes, &parent)))
    }

    /// Has everything that this does happen below the span, and its log lines carry the id of the trace.
    pub fn around<F>(&self, future: F) -> WithContext<F> {
        future.with_context(self.0.clone())
    }

    /// The trace.
    pub fn id(&self) -> TraceId {
        self.0.span().span_context().trace_id()
    }

    /// The head of the answer is ready.
    pub fn end(self, status: StatusCode) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        // What clients do wrong is no failure of the server (OpenTelemetry, "HTTP spans").
        if status.is_server_error() {
            span.set_attribute(KeyValue::new("error.type", status.as_str().to_owned()));
            span.set_status(Status::error(""));
        }
        span.end();
    }
}

/// The trace that is under way here.
pub fn current() -> Option<TraceId> {
    TRACING.get()?;
    let id = Context::map_current(|context| context.span().span_context().trace_id());
    (id != TraceId::INVALID).then_some(id)
}

/// For work that goes on in a task of its own: it stays below the span that is current now, and so do its log lines.
pub fn carried<F>(future: F) -> WithContext<Instrumented<F>>
where
    F: Future,
{
    let span = if is_on() { tracing::Span::current() } else { tracing::Span::none() };
    future.instrument(span).with_current_context()
}

fn start(
    tracing: &Tracing,
    name: impl Into<Cow<'static, str>>,
    kind: SpanKind,
    attributes: Vec<KeyValue>,
    parent: &Context,
) -> Context {
    let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
    parent.with_span(tracing.tracer.build_with_context(builder, parent))
}

/// Methods that there are; the words for all others are those of the semantic conventions ("HTTP spans").
fn method_of(method: &http::Method) -> KeyValue {
    let word = match Method::of(method) {
        Method::Other => "_OTHER",
        known => known.word(),
    };
    KeyValue::new("http.request.method", word)
}

fn name_of(method: &http::Method) -> &'static str {
    match Method::of(method) {
        Method::Other => "HTTP",
        known => known.word(),
    }
}

fn cut(path: &str) -> &str {
    &path[..path.floor_char_boundary(LONGEST_PATH)]
}

/// The headers of W3C Trace Context, read.
struct Read<'a>(&'a HeaderMap);

impl Extractor for Read<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The same, written.
struct Written<'a>(&'a mut HeaderMap);

impl Injector for Written<'_> {
    fn set(&mut self, key: &str, value: String) {
        // A trace without a state has an empty one here, and no header for it.
        if !value.is_empty()
            && let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value))
        {
            self.0.insert(name, value);
        }
    }
}
