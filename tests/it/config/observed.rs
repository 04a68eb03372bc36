//! The settings of metrics and traces.

use qlik_embed_bff::traces::Sampler;
use secrecy::ExposeSecret;

use super::{good, load, problem};

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

#[test]
fn nothing_is_counted_or_traced_unless_it_is_set() {
    let (config, hints) = good(&[("OTEL_TRACES_SAMPLER", "xray"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert_eq!(hints, Vec::<String>::new(), "what is for other programs");
    assert!(config.observed.metrics.is_none() && config.observed.traces.is_none());
}

#[test]
fn metrics_have_an_address_of_their_own() {
    let listen = |text| good(&[("METRICS_LISTEN", text)]).0.observed.metrics.expect("an address").to_string();
    assert_eq!(listen("9464"), "127.0.0.1:9464");
    assert_eq!(listen("0.0.0.0:9464"), "0.0.0.0:9464");
    for (text, reason) in [
        ("here", "is not an address to listen on"),
        ("8080", "is the address of LISTEN, where visitors are"),
        ("0.0.0.0:8080", "is the address of LISTEN, where visitors are"),
    ] {
        assert_eq!(problem(&[("METRICS_LISTEN", text)]), ("METRICS_LISTEN".to_owned(), reason.to_owned()), "{text}");
    }
    assert_eq!(listen("[::1]:8080"), "[::1]:8080");
    good(&[("METRICS_LISTEN", "127.0.0.1:0"), ("LISTEN", "127.0.0.1:0")]);
}

#[test]
fn a_collector_is_told_by_the_names_of_opentelemetry() {
    let traces = |changes: &[(&str, &str)]| good(changes).0.observed.traces.expect("traces");
    let base = traces(&[ENDPOINT]);
    assert_eq!(base.endpoint.as_str(), "http://127.0.0.1:4318/v1/traces");
    assert_eq!((&*base.service, base.sampler, base.follow_parent), ("qlik-embed-bff", Sampler::All, true));
    assert!(base.headers.is_empty() && !base.to_tenant);
    let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector.example/mine/");
    assert_eq!(traces(&[ENDPOINT, whole]).endpoint.as_str(), "https://collector.example/mine");
    for (word, arg, sampler, follow) in [
        ("always_off", "", Sampler::None, false),
        ("traceidratio", "0.25", Sampler::Part(0.25), false),
        ("parentbased_traceidratio", "", Sampler::Part(1.0), true),
        ("always_on", "not looked at", Sampler::All, false),
    ] {
        let traces = traces(&[ENDPOINT, ("OTEL_TRACES_SAMPLER", word), ("OTEL_TRACES_SAMPLER_ARG", arg)]);
        assert_eq!((traces.sampler, traces.follow_parent), (sampler, follow), "{word}");
    }
    let headers = traces(&[ENDPOINT, ("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=a+b%3D1, x=y=z&w")]).headers;
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret())).collect();
    assert_eq!(headers, [("api-key", "a+b=1"), ("x", "y=z&w")]);
}

#[test]
fn what_a_collector_cannot_be_told_is_a_problem() {
    for (name, value, reason) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "begins neither with http:// nor with https://"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "here", "is not the address of a collector"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://me:secret@collector.example",
            "has a user name or a password, which belong into OTEL_EXPORTER_OTLP_HEADERS",
        ),
        ("OTEL_EXPORTER_OTLP_HEADERS", "very secret", "has an item that is no header"),
        ("OTEL_TRACES_SAMPLER", "xray", "is no sampler that is known here"),
        ("TRACE_TENANT", "yes", "is neither true nor false"),
    ] {
        let changes = if name.ends_with("ENDPOINT") { vec![(name, value)] } else { vec![ENDPOINT, (name, value)] };
        assert_eq!(problem(&changes), (name.to_owned(), reason.to_owned()));
    }
    let part = [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
    assert_eq!(problem(&part), ("OTEL_TRACES_SAMPLER_ARG".to_owned(), "is no such number".to_owned()));
}

#[test]
fn the_key_of_the_collector_is_not_shown_and_should_not_be_read_on_the_way() {
    let key = ("OTEL_EXPORTER_OTLP_HEADERS", "key=very-secret");
    let loaded = load(&[ENDPOINT, key]).expect("good");
    assert!(loaded.hints.is_empty(), "{:?}", loaded.hints);
    let shown = format!("{:?} {:?}", loaded.shown, loaded.config.observed);
    assert!(shown.contains("OTEL_EXPORTER_OTLP_HEADERS") && !shown.contains("very-secret"), "{shown}");
    let (_, hints) = good(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example"), key]);
    assert!(hints.len() == 1 && hints[0].contains("plain http"), "{hints:?}");
}
