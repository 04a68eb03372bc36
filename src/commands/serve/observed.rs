//! What operators see of the server: the listener for Prometheus and probes, and the sending of traces.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context;
use time::OffsetDateTime;
use tokio::time::interval;

use super::limit;
use crate::app::App;
use crate::config::Config;
use crate::metrics::{self, Scrape, Use};
use crate::traces::{self, Export};
use crate::web;

/// How often what was observed is put into its buckets, so that it does not gather while nobody scrapes.
const KEEP_UP_EVERY: Duration = Duration::from_secs(2);

/// What there is of it by the configuration.
pub struct Observed {
    listener: Option<(TcpListener, Scrape)>,
    traces: Option<Export>,
}

impl Observed {
    /// Takes the address, and begins to count and to trace, each only if it is wanted.
    ///
    /// # Errors
    /// When the address cannot be had, or the collector's cannot be used.
    pub fn begin(config: &Config, now: OffsetDateTime) -> anyhow::Result<Self> {
        let listener = match config.observed.metrics {
            Some(address) => {
                let listener = TcpListener::bind(address).with_context(|| {
                    format!("cannot listen on {address}: stop the program that does, or set METRICS_LISTEN to another")
                })?;
                listener.set_nonblocking(true)?;
                let scrape = metrics::install(now).context("metrics cannot be counted")?;
                note_certificates(config);
                Some((listener, scrape))
            }
            None => None,
        };
        let traces = match &config.observed.traces {
            Some(settings) => {
                let client = config.tenant.client().context("traces cannot be sent")?;
                tracing::info!(to = %settings.endpoint.origin().ascii_serialization(), "traces are sent");
                Some(traces::begin(settings, client)?)
            }
            None => None,
        };
        Ok(Self { listener, traces })
    }

    /// Answers operators from now on, until the process ends: also while visitors are served no more.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub fn serve(&mut self, app: &App) -> anyhow::Result<()> {
        let Some((listener, scrape)) = self.listener.take() else { return Ok(()) };
        tracing::info!(listen = %listener.local_addr()?, "metrics are served");
        let mut server = axum_server::from_tcp(listener)?;
        limit(server.http_builder());
        let router = web::observed::router(app.clone(), scrape.clone());
        tokio::spawn(async move {
            if let Err(problem) = server.serve(router.into_make_service()).await {
                tracing::error!(%problem, "metrics are served no more");
            }
        });
        tokio::spawn(async move {
            let mut ticks = interval(KEEP_UP_EVERY);
            loop {
                ticks.tick().await;
                scrape.keep_up();
            }
        });
        Ok(())
    }

    /// Sends the last traces, within 5 seconds.
    pub async fn end(self) {
        if let Some(traces) = self.traces {
            traces.end().await;
        }
    }
}

/// Tells the metrics when the certificates of this configuration expire.
pub fn note_certificates(config: &Config) {
    let signing = config.certificate.as_ref().map(|certificate| certificate.not_after);
    metrics::certificate_expires(Use::Jwt, signing);
    metrics::certificate_expires(Use::Tls, config.server.tls.as_ref().and_then(|tls| tls.not_after()));
}
