//! How spans reach a collector: gathered, in batches, beside everything else (OTLP over HTTP, as protobuf).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{self as sdk, BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData};
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::Handle;
use tokio::time::timeout;
use url::Url;

use super::{TRACING, Tracing};

/// How long one batch may take, and the end of them all: the server waits no longer for a collector when it stops.
const EXPORT: Duration = Duration::from_secs(4);
const END: Duration = Duration::from_secs(5);
/// How often spans are sent; and how many may wait, so that a collector that is gone costs no more memory than that.
const EVERY: Duration = Duration::from_secs(2);
const BATCH: usize = 512;
const WAITING: usize = 4096;

/// Which traces are sent, by the words of `OTEL_TRACES_SAMPLER`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampler {
    /// `always_on`.
    All,
    /// `always_off`.
    None,
    /// `traceidratio`: such a part of them.
    Part(f64),
}

/// Where traces go.
#[derive(Clone)]
pub struct Settings {
    /// The collector's address for traces.
    pub endpoint: Url,
    /// What is sent along with each batch, by name: often a key.
    pub headers: Vec<(String, SecretString)>,
    /// What we are called there.
    pub service: String,
    /// Which of them.
    pub sampler: Sampler,
    /// Whether a caller who has decided that already is followed (`parentbased_`).
    pub follow_parent: bool,
    /// Whether the tenant is told to which trace a request belongs.
    pub to_tenant: bool,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        write!(f, "Settings({}, {names:?}, {})", self.endpoint.origin().ascii_serialization(), self.service)
    }
}

/// What sends traces. Without its end, the last ones are lost.
#[derive(Debug)]
pub struct Export(SdkTracerProvider);

/// Begins to trace, for the whole process, from within a runtime.
///
/// # Errors
/// When the collector's address or a header cannot be used, or there are traces already.
pub fn begin(settings: &Settings, client: Client) -> anyhow::Result<Export> {
    let headers: HashMap<_, _> =
        settings.headers.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect();
    // Everything is said here: what is not would be read from the process's environment.
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(settings.endpoint.as_str())
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(EXPORT)
        .with_headers(headers)
        .with_retry_policy(RetryPolicy::recommended())
        .build()
        .context("traces cannot be sent to OTEL_EXPORTER_OTLP_ENDPOINT")?;
    let exporter = Sender {
        exporter: Arc::new(exporter),
        runtime: Handle::current(),
        endpoint: settings.endpoint.origin().ascii_serialization(),
        fails: AtomicBool::new(false),
    };
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(WAITING)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(EVERY)
        .build();
    let resource = Resource::builder_empty()
        .with_service_name(settings.service.clone())
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("telemetry.sdk.language", "rust"))
        .with_attribute(KeyValue::new("telemetry.sdk.name", "opentelemetry"))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_sampler(settings.sampler())
        .with_resource(resource)
        .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
        .build();
    let tracing = Tracing { tracer: provider.tracer("qlik-embed-bff"), to_tenant: settings.to_tenant };
    anyhow::ensure!(TRACING.set(tracing).is_ok(), "there are traces already");
    Ok(Export(provider))
}

impl Settings {
    fn sampler(&self) -> sdk::Sampler {
        let root = match self.sampler {
            Sampler::All => sdk::Sampler::AlwaysOn,
            Sampler::None => sdk::Sampler::AlwaysOff,
            Sampler::Part(part) => sdk::Sampler::TraceIdRatioBased(part),
        };
        if self.follow_parent { sdk::Sampler::ParentBased(Box::new(root)) } else { root }
    }
}

impl Export {
    /// Sends what is left, within 5 seconds. There are no more traces after it.
    pub async fn end(self) {
        // It waits for the thread that sends, which waits for this runtime.
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown_with_timeout(END)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

/// Has the client send batches in its own runtime, since the thread that gathers them has none. Says once that it fails, and once
/// that it works again.
struct Sender {
    exporter: Arc<SpanExporter>,
    runtime: Handle,
    endpoint: String,
    fails: AtomicBool,
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The exporter would show its headers.
        write!(f, "Sender({})", self.endpoint)
    }
}

impl sdk::SpanExporter for Sender {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exporter = Arc::clone(&self.exporter);
        let sent = self.runtime.spawn(async move { timeout(EXPORT, exporter.export(batch)).await }).await;
        let sent = match sent {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) => Err(OTelSdkError::Timeout(EXPORT)),
            Err(_) => Err(OTelSdkError::InternalFailure("the server has stopped".into())),
        };
        let endpoint = &self.endpoint;
        match &sent {
            Ok(()) if self.fails.swap(false, Ordering::Relaxed) => {
                tracing::info!(endpoint, "traces are sent again");
            }
            Err(problem) if !self.fails.swap(true, Ordering::Relaxed) => {
                tracing::warn!(
                    endpoint,
                    %problem,
                    "traces cannot be sent and are lost, which is said once; visitors do not notice"
                );
            }
            Ok(()) | Err(_) => {}
        }
        sent
    }

    fn set_resource(&mut self, resource: &Resource) {
        // Nothing is sent before this.
        if let Some(exporter) = Arc::get_mut(&mut self.exporter) {
            exporter.set_resource(resource);
        }
    }
}
