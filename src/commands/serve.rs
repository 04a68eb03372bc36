//! `serve`: configuration, application, listener, drain.

use std::convert::Infallible;
use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tower::service_fn;

use crate::app::App;
use crate::audit::file::{File, News};
use crate::clock::Clock;
use crate::config::Config;
use crate::store::Store;
use crate::web::{self, Present};

mod door;
mod observed;
mod reload;
mod stop;
mod systemd;

use door::{Door, Peer};
use observed::Observed;
pub use reload::{LogLevel, Settings, Source};
use stop::Signals;
pub use systemd::passed_socket;

/// How long a client may take to send the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The largest head of a request, in bytes: room for a browser with many cookies.
const LARGEST_HEAD: usize = 32 * 1024;
/// How often what has expired is deleted.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// What can change of a server that serves.
#[derive(Clone)]
struct Instance {
    present: Present,
    /// When we speak TLS ourselves.
    tls: Option<RustlsConfig>,
}

impl Instance {
    fn of(app: App) -> Self {
        let tls = app.server.tls.as_ref().map(|tls| RustlsConfig::from_config(tls.config()));
        Self { present: Present::of(web::front(app)), tls }
    }
}

/// Serves until SIGTERM or SIGINT: for `SHUTDOWN_DELAY` on as before, except that it says that it is not ready; then it lets
/// requests finish for `SHUTDOWN_GRACE`, and closes the sockets that are left. Meanwhile it follows what becomes of the
/// settings. A socket that was passed is taken in place of `LISTEN`.
///
/// # Errors
/// When it cannot listen, or the store cannot be opened.
pub async fn run(
    config: Config,
    clock: Clock,
    audit: Option<File>,
    passed: Option<TcpListener>,
    settings: Settings,
) -> anyhow::Result<()> {
    let listener = match passed {
        Some(socket) => {
            let listen = socket.local_addr()?;
            tracing::info!(%listen, "the service manager passed the socket, which is taken in place of LISTEN");
            socket.set_nonblocking(true)?;
            socket
        }
        None => bind(config.server.listen)?,
    };
    if let Some(file) = &audit {
        tokio::spawn(watch_audit(file.clone()));
    }
    // Before what may take long, for until then SIGHUP ends the process.
    let hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be caught")?;
    let mut observed = Observed::begin(&config, clock.now())?;
    let instance = Instance::of(App::open(config, clock).await?);
    observed.serve(&instance.present.app())?;
    reload::watch(settings, audit, instance.clone(), hangup);
    let served = attend(instance, listener).await;
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

/// Serves the application on this listener, with the settings that it has.
///
/// # Errors
/// When the listener fails, or signals cannot be caught.
pub async fn serve(app: App, listener: TcpListener) -> anyhow::Result<()> {
    attend(Instance::of(app), listener).await
}

async fn attend(instance: Instance, listener: TcpListener) -> anyhow::Result<()> {
    let app = instance.present.app();
    let handle = Handle::new();
    let signals = Signals::catch().context("SIGTERM and SIGINT cannot be caught")?;
    let sweeper = tokio::spawn(sweep(app.store.clone(), app.clock.clone()));
    let tended = app.clone();
    tokio::spawn(async move { tended.tend().await });
    let (door, shut) = Door::of(listener)?;
    let listen = door.address()?;
    tracing::info!(%listen, public_url = %app.server.public_url, "serving");
    let watchdog = systemd::watchdog();
    systemd::ready(&format!("serving on {listen}"));
    tokio::spawn(async move {
        if let Some(oidc) = &app.oidc {
            oidc.look_up().await;
        }
    });
    let fronts = instance.present.clone();
    let service = service_fn(move |Peer(peer)| ready(Ok::<_, Infallible>(fronts.for_peer(peer))));
    let server = axum_server::Server::from_listener(door).handle(handle.clone());
    let stop = stop::Stop { present: &instance.present, door: &shut, handle: &handle };
    let served = match instance.tls.clone() {
        Some(tls) => {
            let mut server = server.acceptor(RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor));
            limit(server.http_builder());
            stop.after(server.serve(service), signals).await
        }
        None => {
            let mut server = server.acceptor(NoDelayAcceptor);
            limit(server.http_builder());
            stop.after(server.serve(service), signals).await
        }
    };
    watchdog.abort();
    sweeper.abort();
    instance.present.app().store.close().await;
    tracing::info!("stopped");
    Ok(served?)
}

/// Slow and endless heads of requests end here.
fn limit(http: &mut Builder<TokioExecutor>) {
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(LARGEST_HEAD);
    http.http2().timer(TokioTimer::new()).max_header_list_size(LARGEST_HEAD as u32).max_concurrent_streams(100);
}

/// Tells when the audit cannot be written. A full disk stops no visitor: the events are in the log too.
async fn watch_audit(file: File) {
    loop {
        let path = file.path().display();
        match file.news().await {
            News::Failing(problem) => tracing::error!(%path, %problem, "the audit cannot be written"),
            News::Recovered(lost) => tracing::warn!(%path, lost, "the audit is written again"),
        }
    }
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
