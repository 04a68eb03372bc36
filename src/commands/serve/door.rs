//! Where connections come in. It can be shut while what has come in is served on: axum-server ends its listener only together
//! with every connection on which no request has begun, and on one of those a request may be on its way.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum_server::{AddrListener, Address};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// From where a connection comes.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Address for Peer {
    type Stream = TcpStream;
    type Listener = Door;
}

/// A listener that can be shut.
pub struct Door {
    /// Nothing once it is shut.
    listener: Mutex<Option<Arc<TcpListener>>>,
    is_shut: watch::Receiver<bool>,
}

/// Shuts the door.
pub struct Shut(watch::Sender<bool>);

impl Shut {
    /// From now on there is no listener. Connections that waited in its queue are let in before.
    pub fn now(&self) {
        self.0.send_replace(true);
    }
}

impl Door {
    /// An open door, and what shuts it.
    ///
    /// # Errors
    /// When the listener cannot be watched.
    pub fn of(listener: std::net::TcpListener) -> io::Result<(Self, Shut)> {
        listener.set_nonblocking(true)?;
        let (shut, is_shut) = watch::channel(false);
        let listener = Mutex::new(Some(Arc::new(TcpListener::from_std(listener)?)));
        Ok((Self { listener, is_shut }, Shut(shut)))
    }

    /// The address that it has.
    ///
    /// # Errors
    /// When it is shut.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener().ok_or(io::ErrorKind::NotConnected)?.local_addr()
    }

    fn listener(&self) -> Option<Arc<TcpListener>> {
        self.listener.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AddrListener<TcpStream, Peer> for Door {
    async fn bind_to(Peer(address): Peer) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        // Nobody can shut it.
        Ok(Self::of(listener)?.0)
    }

    async fn accept_stream(&self) -> io::Result<(TcpStream, Peer)> {
        let mut is_shut = self.is_shut.clone();
        if let Some(listener) = self.listener() {
            let shut = async {
                // Nobody is left who could shut it.
                if is_shut.wait_for(|is_shut| *is_shut).await.is_err() {
                    pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                accepted = listener.accept() => return accepted.map(|(stream, peer)| (stream, Peer(peer))),
                () = shut => self.listener.lock().unwrap_or_else(PoisonError::into_inner).take(),
            };
        }
        pending().await
    }

    fn get_local_addr(&self) -> io::Result<Peer> {
        self.address().map(Peer)
    }
}
