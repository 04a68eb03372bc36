//! Connections to the tenant: made within a bounded time, and kept for a while after each answer.
//!
//! A connection has no task of its own. Whoever sends a request, or reads its answer, moves it ([`Connection::moved`]): a
//! request costs no wake-up of another thread, and one that is given up takes its connection along.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::{Error, Limits, NoWayOut, Tunnel};
use crate::client::way_out::{Via, WayOut};
use crate::origin::Origin;

mod connection;
mod pulse;
mod through;

pub(super) use connection::{Connection, Failed};

/// How long one of several addresses may take before the next one gets its turn.
const ONE_ADDRESS: Duration = Duration::from_secs(3);
/// How many may wait at the same time. More are only there after a rush.
const MOST_IDLE: usize = 256;

/// All connections to one tenant.
pub(super) struct Connections {
    host: String,
    port: u16,
    /// The proxy of our own network, when the tenant is not reached straight.
    via: Option<Via>,
    tls: Option<TlsConnector>,
    limits: Limits,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one that was used last is at the end, and is the next to be used: so the others grow old.
    waiting: VecDeque<(Connection, Instant)>,
    is_swept: bool,
}

impl Connections {
    /// To this tenant. Connects to nobody yet.
    pub(super) fn new(tenant: &Origin, way_out: &WayOut, tls: Arc<ClientConfig>, limits: Limits) -> Self {
        let tls = tenant.is_https().then(|| TlsConnector::from(tls));
        let host = tenant.host().trim_matches(['[', ']']).to_owned();
        Self { host, port: tenant.port(), via: way_out.to(tenant), tls, limits, idle: Mutex::default() }
    }

    /// One that waits, if there is any. The tenant may have closed it meanwhile.
    pub(super) fn waiting(&self) -> Option<Connection> {
        let (connection, since) = self.idle().waiting.pop_back()?;
        // When the newest is too old, all are, and the sweeper takes them.
        (since.elapsed() < self.limits.idle).then_some(connection)
    }

    /// A new one.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::NoWayOut`] and [`Error::TimedOut`].
    pub(super) async fn connect(&self) -> Result<Connection, Error> {
        let until = Instant::now() + self.limits.connect;
        let stream = match &self.via {
            None => timeout_at(until, self.reach(&self.host, self.port))
                .await
                .map_err(|_| Error::TimedOut)?
                .map_err(Error::Unreachable)?,
            Some(via) => timeout_at(until, self.through(via)).await.unwrap_or(Err(NoWayOut::TimedOut))?,
        };
        let tunnel =
            timeout_at(until, self.open(stream)).await.map_err(|_| Error::TimedOut)?.map_err(Error::Unreachable)?;
        Connection::over(tunnel, self.limits.stalled).await
    }

    /// With TLS, if the tenant speaks it.
    async fn open(&self, stream: TcpStream) -> io::Result<Tunnel> {
        match &self.tls {
            None => Ok(Tunnel::Plain(stream)),
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
                Ok(Tunnel::Tls(Box::new(tls.connect(name, stream).await?)))
            }
        }
    }

    /// Tries one address after the other.
    async fn reach(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let mut problem = io::Error::from(io::ErrorKind::NotFound);
        let mut addresses = lookup_host((host, port)).await?.peekable();
        while let Some(address) = addresses.next() {
            let time = if addresses.peek().is_some() { ONE_ADDRESS } else { self.limits.connect };
            match timeout(time, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(refusal)) => problem = refusal,
                Err(_) => problem = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(problem)
    }

    /// Keeps a connection for the next request, when it can carry one.
    pub(super) fn keep(self: &Arc<Self>, mut connection: Connection) {
        if !connection.rests() {
            return;
        }
        let mut idle = self.idle();
        idle.waiting.push_back((connection, Instant::now()));
        let one_too_many = if idle.waiting.len() > MOST_IDLE { idle.waiting.pop_front() } else { None };
        let is_swept = mem::replace(&mut idle.is_swept, true);
        drop(idle);
        // Closing takes system calls, so the others need not wait for it.
        drop(one_too_many);
        if !is_swept {
            tokio::spawn(sweep(Arc::downgrade(self), self.limits.idle / 10));
        }
    }

    /// Takes out the connections that have waited long enough. None when none is left.
    fn take_old(&self) -> Option<Vec<Connection>> {
        let mut idle = self.idle();
        let young =
            idle.waiting.iter().position(|(_, since)| since.elapsed() < self.limits.idle).unwrap_or(idle.waiting.len());
        let old: Vec<_> = idle.waiting.drain(..young).map(|(connection, _)| connection).collect();
        idle.is_swept = !(idle.waiting.is_empty() && old.is_empty());
        idle.is_swept.then_some(old)
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing is left half done under this lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes connections that nobody uses, as long as there are any: a connection that waits notices nothing by itself.
async fn sweep(connections: Weak<Connections>, every: Duration) {
    loop {
        sleep(every).await;
        let Some(old) = connections.upgrade().and_then(|connections| connections.take_old()) else { return };
        drop(old);
    }
}
