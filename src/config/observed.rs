//! Settings of what operators see: metrics and traces. The names of the traces' are OpenTelemetry's ("Environment Variable
//! Specification"), which other programs on a machine read too.

use std::net::SocketAddr;

use http::{HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::reader::{Reader, line};
use super::server::address;
use super::{Observed, Server};
use crate::origin::Origin;
use crate::traces::{Sampler, Settings};

const LISTEN: &str =
    "write an IP address and a port that only Prometheus reaches, for example 127.0.0.1:9464, or leave it out";
const ENDPOINT: &str = "write the address of a collector that takes OTLP over HTTP, for example http://127.0.0.1:4318";
const HEADERS: &str = "write name=value, with commas between several, as the collector's manual has it";
const SAMPLER: &str = "write always_on, always_off, traceidratio, or one of these behind parentbased_";
const PART: &str = "write a number from 0 (none) to 1 (all)";
/// Where a collector takes traces, below its address (OTLP, "OTLP/HTTP Request").
const TRACES: &str = "/v1/traces";

pub(super) fn read(reader: &mut Reader, server: Option<&Server>) -> Observed {
    let metrics = reader.optional("METRICS_LISTEN", LISTEN, address);
    if let (Some(metrics), Some(server)) = (metrics, server)
        && is_same(metrics, server.listen)
    {
        reader.problem("METRICS_LISTEN", "is the address of LISTEN, where visitors are", LISTEN);
    }
    Observed { metrics, traces: traces(reader) }
}

/// Whether only one of them can listen. With port 0, the system gives each its own.
fn is_same(one: SocketAddr, other: SocketAddr) -> bool {
    let any = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (any || one.ip() == other.ip())
}

fn traces(reader: &mut Reader) -> Option<Settings> {
    let to_tenant = reader.required("TRACE_TENANT", "set TRACE_TENANT=true or TRACE_TENANT=false", |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("is neither true nor false"),
    });
    let of_all = reader.optional("OTEL_EXPORTER_OTLP_ENDPOINT", ENDPOINT, |text| endpoint(text, TRACES));
    let of_traces = reader.optional("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ENDPOINT, |text| endpoint(text, ""));
    let is_wanted = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];
    if !is_wanted.iter().any(|name| reader.is_set(name)) {
        // What else is set may be for other programs: it is shown, and not judged.
        for name in ["OTEL_SERVICE_NAME", "OTEL_TRACES_SAMPLER"] {
            reader.optional(name, "", |_| Ok::<_, &str>(()));
        }
        return None;
    }
    let headers = headers(reader);
    let service = reader.required("OTEL_SERVICE_NAME", "write the name of this server among others", line);
    let sampler = sampler(reader);
    let (endpoint, headers, (sampler, follow_parent)) = (of_traces.or(of_all)?, headers?, sampler?);
    if !headers.is_empty() && Origin::parse_secure(&endpoint.origin().ascii_serialization()).is_err() {
        reader.hint(
            "OTEL_EXPORTER_OTLP_HEADERS go to the collector over plain http: anybody on the network between can read \
             them",
        );
    }
    Some(Settings { endpoint, headers, service: service?, sampler, follow_parent, to_tenant: to_tenant? })
}

fn endpoint(text: &str, below: &str) -> Result<Url, &'static str> {
    let url = Url::parse(&format!("{}{below}", text.trim_end_matches('/')))
        .map_err(|_| "is not the address of a collector")?;
    match url.scheme() {
        "http" | "https" if !url.username().is_empty() || url.password().is_some() => {
            Err("has a user name or a password, which belong into OTEL_EXPORTER_OTLP_HEADERS")
        }
        "http" | "https" if url.host().is_some() => Ok(url),
        _ => Err("begins neither with http:// nor with https://"),
    }
}

/// As W3C Baggage writes them, without properties: names and values, percent-encoded.
fn headers(reader: &mut Reader) -> Option<Vec<(String, SecretString)>> {
    const NAME: &str = "OTEL_EXPORTER_OTLP_HEADERS";
    let given = reader.is_given(NAME);
    let Some((text, _)) = reader.secret(NAME, None) else { return (!given).then(Vec::new) };
    let items = text.expose_secret().trim().split(',').map(str::trim).filter(|item| !item.is_empty());
    let headers: Option<Vec<_>> = items.map(header).collect();
    if headers.is_none() {
        reader.problem(NAME, "has an item that is no header", HEADERS);
    }
    headers
}

fn header(item: &str) -> Option<(String, SecretString)> {
    let (name, value) = item.split_once('=')?;
    let name = HeaderName::try_from(name.trim()).ok()?;
    let value = percent_decoded(value.trim())?;
    HeaderValue::try_from(value.as_str()).ok()?;
    Some((name.to_string(), value.into()))
}

fn percent_decoded(text: &str) -> Option<String> {
    // A form's decoding also takes + for a space; here it stands for itself.
    let text = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(text.as_bytes()).next().map(|(_, value)| value.into_owned())
}

/// The sampler, and whether it follows a caller who has decided already.
fn sampler(reader: &mut Reader) -> Option<(Sampler, bool)> {
    let chosen = reader.required("OTEL_TRACES_SAMPLER", SAMPLER, |text| {
        let (word, follows) = text.strip_prefix("parentbased_").map_or((text, false), |word| (word, true));
        match word {
            "always_on" => Ok((Sampler::All, follows)),
            "always_off" => Ok((Sampler::None, follows)),
            "traceidratio" => Ok((Sampler::Part(1.0), follows)),
            _ => Err("is no sampler that is known here"),
        }
    });
    let (Sampler::Part(_), follows) = chosen? else { return chosen };
    if !reader.is_set("OTEL_TRACES_SAMPLER_ARG") {
        return chosen;
    }
    let part = reader.optional("OTEL_TRACES_SAMPLER_ARG", PART, |text| match text.parse::<f64>() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err("is no such number"),
    });
    Some((Sampler::Part(part?), follows))
}
