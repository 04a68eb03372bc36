//! Every metric there is: name, labels, unit, buckets, and what it means. The page docs/metrics.md has the same table, and a test
//! holds one against the other.

use ::metrics::Unit;

use super::{BYTES, SECONDS};

/// What a metric is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// What holds now.
    Gauge,
    /// How observations are spread over buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Its word in the text that Prometheus reads.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// In what it is told.
    pub unit: Option<Unit>,
    /// What it means.
    pub help: &'static str,
}

const fn metric(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind, labels, unit: None, help }
}

impl Metric {
    const fn told_in(self, unit: Option<Unit>) -> Self {
        Self { unit, ..self }
    }
}

/// Seconds: from a page out of memory to the longest that a request may take.
const ANSWERS: Kind = Kind::Histogram(&[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]);
/// Seconds: from a look-up in a file to what visitors notice.
const LOOK_UPS: Kind =
    Kind::Histogram(&[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0]);

macro_rules! table {
    ($($constant:ident = $metric:expr;)*) => {
        $(pub(super) const $constant: Metric = $metric;)*

        /// All metrics, in the order of docs/metrics.md.
        pub const METRICS: &[Metric] = &[$($constant,)*];
    };
}

table! {
    HTTP_REQUESTS = metric("qlik_embed_http_requests_total", Kind::Counter, &["route", "method", "status"],
        "Requests that were answered");
    HTTP_DURATION = metric("qlik_embed_http_request_duration_seconds", ANSWERS, &["route"],
        "Time until the head of the answer").told_in(SECONDS);
    SIGN_INS = metric("qlik_embed_sign_ins_total", Kind::Counter, &["source", "outcome"],
        "Attempts to sign in that were decided");
    SIGN_OUTS = metric("qlik_embed_sign_outs_total", Kind::Counter, &[],
        "Visitors who signed out");
    TOKENS = metric("qlik_embed_tokens_total", Kind::Counter, &["outcome"],
        "Tokens that pages asked for");
    ACCESS_TOKENS = metric("qlik_embed_access_tokens_total", Kind::Counter, &["outcome"],
        "Access tokens given to browsers, and what came of asking the tenant for them");
    TENANT_LOGINS = metric("qlik_embed_tenant_logins_total", Kind::Counter, &["kind", "outcome"],
        "Logins of the server to the tenant for a visitor");
    BUDGET_LEFT = metric("qlik_embed_tenant_budget_left", Kind::Gauge, &["what"],
        "How often the tenant may still be asked in this minute, by all instances together");
    TENANT_REQUESTS = metric("qlik_embed_tenant_requests_total", Kind::Counter, &["status"],
        "Requests passed on to the tenant, by what it answered");
    SOCKETS_OPEN = metric("qlik_embed_sockets_open", Kind::Gauge, &[],
        "Sockets between browsers and the tenant that are open");
    SOCKETS = metric("qlik_embed_sockets_total", Kind::Counter, &[],
        "Sockets between browsers and the tenant that were opened");
    PROXIED_BYTES = metric("qlik_embed_proxied_bytes_total", Kind::Counter, &["direction"],
        "Bytes passed on: bodies, and all of the sockets").told_in(BYTES);
    STORE_DURATION = metric("qlik_embed_store_duration_seconds", LOOK_UPS, &["store", "operation"],
        "Time that the store took").told_in(SECONDS);
    STORE_ERRORS = metric("qlik_embed_store_errors_total", Kind::Counter, &["store", "operation"],
        "Failures of the store");
    RATE_LIMITED = metric("qlik_embed_rate_limited_total", Kind::Counter, &["limit"],
        "Requests that a limit turned away");
    RELOADS = metric("qlik_embed_reloads_total", Kind::Counter, &["outcome"],
        "Times that settings were read anew");
    RELOAD_SUCCESSFUL = metric("qlik_embed_config_last_reload_successful", Kind::Gauge, &[],
        "Whether the settings that were read last are in effect");
    CERTIFICATE_DAYS = metric("qlik_embed_certificate_days_left", Kind::Gauge, &["use"],
        "Days until a certificate expires; below 0 it has");
    READY = metric("qlik_embed_ready", Kind::Gauge, &[],
        "Whether this instance takes visitors, as /readyz says");
    BUILD_INFO = metric("qlik_embed_build_info", Kind::Gauge, &["version"],
        "Always 1; its label tells the version");
    START_TIME = metric("process_start_time_seconds", Kind::Gauge, &[],
        "When the server began, in seconds since 1970").told_in(SECONDS);
    RESIDENT_MEMORY = metric("process_resident_memory_bytes", Kind::Gauge, &[],
        "Memory that the server has in use").told_in(BYTES);
}
