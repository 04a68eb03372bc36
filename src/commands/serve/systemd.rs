//! What a service manager is told, and what it hands over: the protocols of sd_notify(3) and sd_listen_fds(3). Whoever started
//! us without them hears nothing and loses nothing.

use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use listenfd::ListenFd;
use sd_notify::NotifyState;
use tokio::task::JoinHandle;

use crate::config::Problems;

/// The socket that the service manager passed, if it did: one, for TCP. Takes what it finds out of the process's environment, so
/// call it before there is a second thread.
///
/// # Errors
/// When there are several, or one of another kind.
pub fn passed_socket() -> Result<Option<TcpListener>, Problems> {
    let mut passed = ListenFd::from_env();
    match passed.len() {
        0 => Ok(None),
        1 => match passed.take_tcp_listener(0) {
            Ok(Some(listener)) => listening(listener).map(Some),
            _ => Err(unusable("passes a socket that is not one for TCP".into())),
        },
        several => Err(unusable(format!("passes {several} sockets, and there can be one"))),
    }
}

/// With `Accept=yes`, what is passed is a connection, and every connection would have a server of its own.
fn listening(listener: TcpListener) -> Result<TcpListener, Problems> {
    let socket = TcpStream::from(OwnedFd::from(listener));
    match socket.peer_addr() {
        Ok(_) => Err(unusable("passes a connection, not a socket that listens".into())),
        Err(_) => Ok(TcpListener::from(OwnedFd::from(socket))),
    }
}

fn unusable(reason: String) -> Problems {
    let remedy = "let the socket unit have one line ListenStream= with an address and a port, and Accept=no; or none, and \
                  set LISTEN";
    Problems::one("LISTEN_FDS", reason, remedy)
}

/// It listens, the store is open, and the configuration is taken.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is read again; [`ready`] ends this, whatever came of it.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now, NotifyState::Status("reading the configuration again")]),
        Err(problem) => tracing::debug!(%problem, "there is no monotonic time"),
    }
}

/// It stops.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// What it does.
pub fn status(status: &str) {
    tell(&[NotifyState::Status(status)]);
}

/// Shows signs of life, if they are asked for (`WatchdogSec=`): twice as often as they have to come, and as long as tasks that are
/// begun are also run.
pub fn watchdog() -> JoinHandle<()> {
    let every = sd_notify::watchdog_enabled().map(|longest| longest / 2).filter(|every| *every > Duration::ZERO);
    tokio::spawn(async move {
        let Some(every) = every else { return };
        let mut ticks = tokio::time::interval(every);
        loop {
            ticks.tick().await;
            if tokio::spawn(async {}).await.is_ok() {
                tell(&[NotifyState::Watchdog]);
            }
        }
    })
}

/// Whoever should be told and is not there is logged once: nobody is served worse for it.
fn tell(states: &[NotifyState<'_>]) {
    static IS_LOGGED: AtomicBool = AtomicBool::new(false);
    if let Err(problem) = sd_notify::notify(states)
        && !IS_LOGGED.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(%problem, "the service manager at NOTIFY_SOCKET cannot be told anything");
    }
}
