//! The end: not ready, then shut, then drained. A second signal ends it at once, wherever it is.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum_server::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, interval, sleep};

use super::door::{Peer, Shut};
use super::systemd;
use crate::web::Present;

/// Once no more come in, connections have this long for what is on its way on them: the request of one that was opened just
/// before, or that crosses with an answer. Then those without a request are closed.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How often it is looked whether any connection is left meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What asks us to stop.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Catches them from now on.
    ///
    /// # Errors
    /// When they cannot be caught.
    pub fn catch() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What is stopped.
pub struct Stop<'a> {
    /// The server.
    pub present: &'a Present,
    /// Where connections come in.
    pub door: &'a Shut,
    /// The connections.
    pub handle: &'a Handle<Peer>,
}

impl Stop<'_> {
    /// Serves until a signal, and then to the end.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn after(&self, serving: impl Future<Output = io::Result<()>>, mut signals: Signals) -> io::Result<()> {
        let mut serving = pin!(serving);
        tokio::select! {
            failed = &mut serving => return failed,
            () = signals.next() => {}
        }
        let app = self.present.app();
        // What was set last counts.
        let (delay, grace) = (app.server.shutdown_delay, app.server.shutdown_grace);
        tracing::info!(?delay, ?grace, "stopping; a second signal ends it at once");
        systemd::stopping(&format!("not ready, and served on for {delay:?}"));
        app.drain();
        tokio::select! {
            failed = &mut serving => return failed,
            () = self.leave(delay) => {}
            () = signals.next() => return self.at_once(),
        }
        let sockets = app.sockets.count();
        tracing::info!(connections = self.handle.connection_count(), sockets, "taking nothing new");
        systemd::status(&format!("waiting up to {grace:?} for requests and {sockets} sockets"));
        self.handle.graceful_shutdown(Some(grace));
        tokio::select! {
            (served, ()) = async { tokio::join!(serving, app.sockets.drain(grace)) } => served,
            () = signals.next() => self.at_once(),
        }
    }

    /// As long as others may not have heard that we are not ready, all is served. Then the door is shut, and who has come in
    /// by then is heard.
    async fn leave(&self, delay: Duration) {
        if !delay.is_zero() {
            sleep(delay).await;
        }
        self.door.now();
        let (until, mut looks) = (Instant::now() + LAST_WORDS, interval(LOOK_EVERY));
        // The first look is at once, and whoever waits in the queue of the listener is no connection yet.
        looks.tick().await;
        while Instant::now() < until {
            looks.tick().await;
            if self.handle.connection_count() == 0 {
                return;
            }
        }
    }

    fn at_once(&self) -> io::Result<()> {
        tracing::info!("ending at once");
        self.handle.shutdown();
        Ok(())
    }
}
