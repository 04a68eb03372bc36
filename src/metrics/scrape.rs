//! What Prometheus reads: what was counted, and beside it what holds at the moment.

use std::fmt::Write as _;

use ::metrics::set_global_recorder;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use time::OffsetDateTime;

use super::certificates::{Use, days_left};
use super::table::{self, Kind, METRICS, Metric};

/// The media type of the text (Prometheus, "Exposition formats").
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Everything that was counted.
#[derive(Clone, Debug)]
pub struct Scrape(PrometheusHandle);

/// What holds at the moment, as far as it is known: what is not is left out, since an old value would look like a good one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Now {
    /// Whether this instance takes visitors.
    pub ready: bool,
    /// How many logins to the tenant are left in this minute.
    pub logins: Option<u32>,
    /// How many access tokens are.
    pub access_tokens: Option<u32>,
}

/// Begins to count, for the whole process.
///
/// # Errors
/// When something counts already.
pub fn install(now: OffsetDateTime) -> Result<Scrape, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in METRICS {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    let recorder = builder.build_recorder();
    let scrape = Scrape(recorder.handle());
    set_global_recorder(recorder)?;
    super::begin(now);
    Ok(scrape)
}

impl Scrape {
    /// Puts what was observed into its buckets. Without it, observations gather until somebody reads them.
    pub fn keep_up(&self) {
        self.0.run_upkeep();
    }

    /// The text.
    pub fn text(&self, values: Now, now: OffsetDateTime) -> String {
        let mut text = self.0.render();
        let days = Use::ALL.map(|used| (Some(used.word()), days_left(used, now)));
        let budget = [(Some("logins"), values.logins), (Some("access_tokens"), values.access_tokens)];
        add(&mut text, &table::BUDGET_LEFT, &budget.map(|(what, left)| (what, left.map(f64::from))));
        add(&mut text, &table::CERTIFICATE_DAYS, &days);
        add(&mut text, &table::READY, &[(None, Some(f64::from(u8::from(values.ready))))]);
        add(&mut text, &table::RESIDENT_MEMORY, &[(None, resident_memory())]);
        text
    }
}

/// Adds a gauge: its values by the value of its label, if it has one. Nothing when nothing is known.
fn add(text: &mut String, metric: &Metric, values: &[(Option<&'static str>, Option<f64>)]) {
    let known: Vec<_> = values.iter().filter_map(|&(label, value)| Some((label, value?))).collect();
    if known.is_empty() {
        return;
    }
    let Metric { name, kind, labels, help, .. } = metric;
    // Writing to a text cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
    for (label, value) in known {
        let _ = match (labels.first(), label) {
            (Some(key), Some(label)) => writeln!(text, "{name}{{{key}=\"{label}\"}} {value}"),
            _ => writeln!(text, "{name} {value}"),
        };
    }
    text.push('\n');
}

/// In bytes, where the system says it (proc(5), `VmRSS`).
fn resident_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}
