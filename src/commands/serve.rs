//! `serve`: configuration, application, listener, drain.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, anyhow};
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Address, Handle};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tower::service_fn;

use crate::app::App;
use crate::audit::file::{File, News};
use crate::clock::Clock;
use crate::config::{Config, Tls};
use crate::store::Store;
use crate::web;

mod observed;
mod reload;

use observed::Observed;
pub use reload::Source;

/// How long a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes: room for a browser with many cookies.
const LARGEST_HEAD: usize = 32 * 1024;
/// How often what has expired is deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Serves until SIGTERM or SIGINT, then lets requests finish for `SHUTDOWN_GRACE`, and closes the sockets that are left.
///
/// # Errors
/// When it cannot listen, or the store cannot be opened.
pub async fn run(config: Config, clock: Clock, audit: Option<File>, settings: Source) -> anyhow::Result<()> {
    let listener = bind(config.server.listen)?;
    if let Some(file) = audit {
        keep(file)?;
    }
    let mut observed = Observed::begin(&config, clock.now())?;
    let app = App::open(config, clock).await?;
    observed.serve(&app)?;
    reload::watch(settings, app.clone())?;
    let served = serve(app, listener).await;
    observed.end().await;
    served
}

/// Takes the address.
///
/// # Errors
/// When another program has it, or this machine does not.
pub fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen on {address}: stop the program that does, or set LISTEN to another address and port")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves the application on this listener.
///
/// # Errors
/// When the TLS files are no certificate and key, or the listener fails.
pub async fn serve(app: App, listener: TcpListener) -> anyhow::Result<()> {
    let handle = Handle::new();
    let signals = Signals::catch().context("SIGTERM and SIGINT cannot be caught")?;
    let sweeper = tokio::spawn(sweep(app.store.clone(), app.clock.clone()));
    let tended = app.clone();
    tokio::spawn(async move { tended.tend().await });
    tracing::info!(listen = %listener.local_addr()?, public_url = %app.server.public_url, "serving");
    let ahead = app.clone();
    tokio::spawn(async move {
        if let Some(oidc) = &ahead.oidc {
            oidc.look_up().await;
        }
    });
    let front = web::front(app.clone());
    let service = service_fn(move |peer| ready(Ok::<_, Infallible>(front.for_peer(peer))));
    let tls = app.server.tls.as_ref().map(Tls::load).transpose();
    let served = match tls.map_err(|(variable, problem)| anyhow!("{variable} {problem}"))? {
        Some(tls) => {
            let tls = RustlsAcceptor::new(RustlsConfig::from_config(tls)).acceptor(NoDelayAcceptor);
            let mut server = axum_server::from_tcp(listener)?.acceptor(tls).handle(handle.clone());
            limit(server.http_builder());
            until_stopped(server.serve(service), &app, &handle, signals).await
        }
        None => {
            let mut server = axum_server::from_tcp(listener)?.acceptor(NoDelayAcceptor).handle(handle.clone());
            limit(server.http_builder());
            until_stopped(server.serve(service), &app, &handle, signals).await
        }
    };
    sweeper.abort();
    app.store.close().await;
    tracing::info!("stopped");
    Ok(served?)
}

/// Slow and endless heads of requests end here.
fn limit(http: &mut Builder<TokioExecutor>) {
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(LARGEST_HEAD);
    http.http2().timer(TokioTimer::new()).max_header_list_size(LARGEST_HEAD as u32).max_concurrent_streams(100);
}

/// What asks us to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Serves until a signal; then requests and sockets may end, for as long as `SHUTDOWN_GRACE`, unless there is a second
/// signal.
async fn until_stopped<A: Address>(
    serving: impl Future<Output = io::Result<()>>,
    app: &App,
    handle: &Handle<A>,
    mut signals: Signals,
) -> io::Result<()> {
    let mut serving = pin!(serving);
    tokio::select! {
        failed = &mut serving => return failed,
        () = signals.next() => {}
    }
    let grace = app.server.shutdown_grace;
    tracing::info!(?grace, "stopping; a second signal ends it at once");
    app.drain();
    handle.graceful_shutdown(Some(grace));
    tokio::select! {
        (served, ()) = async { tokio::join!(serving, app.sockets.drain(grace)) } => served,
        () = signals.next() => {
            handle.shutdown();
            Ok(())
        }
    }
}

/// Opens the file of the audit anew on SIGHUP, and tells when it cannot be written. A full disk stops no visitor: the
/// events are in the log too.
fn keep(file: File) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be caught")?;
    tokio::spawn(async move {
        loop {
            let path = file.path().display();
            tokio::select! {
                _ = hangup.recv() => match file.reopen() {
                    Ok(()) => tracing::info!(%path, "the file of the audit is opened anew"),
                    Err(problem) => tracing::error!(%path, %problem, "the file of the audit cannot be opened anew"),
                },
                news = file.news() => match news {
                    News::Failing(problem) => tracing::error!(%path, %problem, "the audit cannot be written"),
                    News::Recovered(lost) => tracing::warn!(%path, lost, "the audit is written again"),
                },
            }
        }
    });
    Ok(())
}

async fn sweep(store: Store, clock: Clock) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    loop {
        ticks.tick().await;
        match store.sweep(clock.now()).await {
            Ok(0) => {}
            Ok(swept) => tracing::debug!(swept, "expired records deleted"),
            Err(problem) => tracing::error!(%problem, "expired records could not be deleted"),
        }
    }
}
