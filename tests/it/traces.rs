//! What a collector gets of the real binary at work.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use tokio::task::block_in_place;

use crate::binary::stopping::{Site, ask};
use crate::proxied::until;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const KEY: &str = "key-of-the-collector";

/// What a collector was sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(HeaderMap, ExportTraceServiceRequest, Bytes)>>>);

impl Collector {
    async fn start() -> (Self, String) {
        let collector = Self::default();
        let take = async |State(collector): State<Self>, headers: HeaderMap, body: Bytes| {
            let request = ExportTraceServiceRequest::decode(body.clone()).expect("protobuf");
            collector.0.lock().expect("whole").push((headers, request, body));
        };
        let address = listen(Router::new().route("/v1/traces", post(take)).with_state(collector.clone())).await;
        (collector, address)
    }

    fn spans(&self) -> Vec<Span> {
        let sent = self.0.lock().expect("whole");
        let scopes = sent.iter().flat_map(|(_, request, _)| &request.resource_spans).flat_map(|of| &of.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The one span of this name.
    fn span(&self, name: &str) -> Span {
        let (mut found, others): (Vec<_>, Vec<_>) = self.spans().into_iter().partition(|span| span.name == name);
        let others: Vec<_> = others.into_iter().map(|span| span.name).collect();
        assert_eq!(found.len(), 1, "{name} among {others:?}");
        found.remove(0)
    }
}

/// Serves on a free port; gives the address.
async fn listen(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn told(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.clone()) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|attribute| (attribute.key.clone(), text(&attribute.value))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is(expected: &[(&str, &str)]) -> BTreeMap<String, String> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A site whose traces this collector gets.
async fn traced(collector: &str, changes: &[(&str, &str)]) -> Site {
    let headers = format!("x-collector-key={KEY},x-other=a%20b");
    let base = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector),
        ("OTEL_EXPORTER_OTLP_HEADERS", headers.as_str()),
        ("LOG_FORMAT", "json"),
    ];
    Site::start(&[&base, changes].concat()).await
}

/// A request that is passed on, from somebody who names a trace.
fn pass_on(site: &Site) {
    let head = format!(
        "GET /api/v1/themes?secret=never-told HTTP/1.1\r\nCookie: {}\r\ntraceparent: 00-{TRACE}-{PARENT}-01\r\nbaggage: who=never\r\n",
        site.cookie
    );
    let answer = block_in_place(|| ask(site.port, &head, "")).expect("it listens");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Stops it, which sends what is left. The rest of its log.
fn stop(site: &mut Site) -> String {
    site.server.ask_to_stop();
    let log = block_in_place(|| site.server.rest_of_log());
    assert_eq!(site.exit_code(), Some(0), "{log}");
    log
}

/// Which headers of traces the tenant got, with the request that was passed on.
fn at_tenant(site: &Site) -> Vec<String> {
    let requests = site.tenant.control().requests();
    let themes = requests.iter().find(|request| request.path == "/api/v1/themes").expect("it was passed on");
    let of_traces =
        themes.headers.iter().filter(|name| ["traceparent", "tracestate", "baggage"].contains(&name.as_str()));
    of_traces.cloned().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_what_it_leads_to_are_one_trace() {
    let (collector, address) = Collector::start().await;
    let mut site = traced(&address, &[("TRUSTED_PROXIES", "127.0.0.1"), ("OTEL_SERVICE_NAME", "portal-7")]).await;
    pass_on(&site);
    let missing = block_in_place(|| ask(site.port, "GET /nothing?never HTTP/1.1\r\n", "")).expect("it listens");
    assert!(missing.starts_with("HTTP/1.1 404"), "{missing}");
    assert_eq!(at_tenant(&site), Vec::<String>::new(), "a third party");
    let log = stop(&mut site);

    let (port, tenant) = (site.port.to_string(), site.tenant.origin().rsplit_once(':').expect("a port").1.to_owned());
    let request = collector.span("GET proxy");
    assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
    assert_eq!(request.kind(), SpanKind::Server);
    assert_eq!(
        told(&request.attributes),
        is(&[
            ("http.request.method", "GET"),
            ("http.response.status_code", "200"),
            ("http.route", "proxy"),
            ("server.address", "localhost"),
            ("server.port", &port),
            ("url.path", "/api/v1/themes"),
            ("url.scheme", "http"),
        ])
    );
    let call = |name: &str, method: &str, template: Option<&str>| {
        let span = collector.span(name);
        assert_eq!((&span.trace_id, &span.parent_span_id), (&request.trace_id, &request.span_id), "{name}");
        assert_eq!(span.kind(), SpanKind::Client);
        let mut attributes = told(&span.attributes);
        assert_eq!(attributes.remove("url.template").as_deref(), template);
        let host = attributes.remove("server.address").expect("an address");
        assert!(site.tenant.origin().contains(&host), "{host}");
        assert!(attributes.remove("http.response.status_code").is_some_and(|status| status.starts_with('2')), "{name}");
        assert_eq!(attributes, is(&[("http.request.method", method), ("server.port", &tenant)]));
    };
    call("GET", "GET", None);
    call("POST /login/jwt-session", "POST", Some("/login/jwt-session"));
    call("GET /api/v1/csrf-token", "GET", Some("/api/v1/csrf-token"));
    let missing = collector.span("GET other");
    assert_ne!(missing.trace_id, request.trace_id);
    assert!(missing.parent_span_id.is_empty());
    assert_eq!(told(&missing.attributes)["url.path"], "/nothing");

    let sent = collector.0.lock().expect("whole");
    let cookie = site.cookie.split_once('=').expect("a cookie").1;
    for (headers, request, body) in sent.iter() {
        for secret in ["never", "eas.sid", "password|ada", "ada@", KEY, cookie] {
            assert!(!body.windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
        }
        assert_eq!(
            (&headers["x-collector-key"], &headers["x-other"]),
            (&KEY.parse().expect("a value"), &"a b".parse().expect("a value"))
        );
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let resource = request.resource_spans[0].resource.as_ref().expect("a resource");
        assert_eq!(told(&resource.attributes)["service.name"], "portal-7");
    }
    let line = log.lines().find(|line| line.contains("\"route\":\"-\"")).expect("a line");
    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
    assert_eq!(line["span"]["trace_id"], hex(&missing.trace_id), "{line}");
    assert!(!log.contains(KEY), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_name_no_trace_and_the_tenant_is_told_where_that_is_wanted() {
    let (collector, address) = Collector::start().await;
    let mut site = traced(&address, &[("TRACE_TENANT", "true")]).await;
    pass_on(&site);
    assert_eq!(at_tenant(&site), ["traceparent"]);
    stop(&mut site);
    let request = collector.span("GET proxy");
    assert_ne!(hex(&request.trace_id), TRACE);
    assert!(request.parent_span_id.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_not_sampled_nothing_is_sent() {
    let (collector, address) = Collector::start().await;
    let mut site = traced(&address, &[("OTEL_TRACES_SAMPLER", "always_off")]).await;
    pass_on(&site);
    stop(&mut site);
    assert_eq!(collector.spans(), Vec::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_fails_is_told_once_and_costs_nobody_anything() {
    const TOLD: &str = "traces cannot be sent";
    let gone = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let mut site = traced(&format!("http://{gone}"), &[]).await;
    pass_on(&site);
    let log = stop(&mut site);
    assert_eq!(log.matches(TOLD).count(), 1, "{log}");
    assert!(log.contains(&gone.to_string()) && !log.contains(KEY), "{log}");

    let asked = Arc::new(AtomicUsize::new(0));
    let refuse = async |State(asked): State<Arc<AtomicUsize>>| {
        asked.fetch_add(1, Ordering::Relaxed);
        StatusCode::INTERNAL_SERVER_ERROR
    };
    let address = listen(Router::new().route("/v1/traces", post(refuse)).with_state(Arc::clone(&asked))).await;
    let mut site = traced(&address, &[]).await;
    for times in 1..=2 {
        pass_on(&site);
        until(async || asked.load(Ordering::Relaxed) >= times).await;
    }
    let log = stop(&mut site);
    assert_eq!(log.matches(TOLD).count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_the_log_names_no_trace() {
    let mut site = Site::start(&[("LOG_FORMAT", "json"), ("OTEL_TRACES_SAMPLER", "xray")]).await;
    pass_on(&site);
    assert_eq!(at_tenant(&site), Vec::<String>::new(), "what a browser says of a trace is not passed on");
    let log = stop(&mut site);
    assert!(!log.contains("trace_id"), "{log}");
}
