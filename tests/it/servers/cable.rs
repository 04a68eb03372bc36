//! The network between an instance and a server, which tests cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How much later, each way.
const DELAY: Duration = Duration::from_millis(150);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything passes.
    Whole,
    /// Everything passes, a while later.
    Slow,
    /// Connections break, and new ones are closed at once.
    Broken,
    /// Nothing passes any more, and nobody is told.
    Silent,
}

/// Passes on to one port until the test ends.
pub struct Cable {
    pub port: u16,
    state: Arc<watch::Sender<State>>,
}

impl Cable {
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let state = Arc::new(watch::Sender::new(State::Whole));
        let follows = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, SocketAddr::from((Ipv4Addr::LOCALHOST, server)), follows.subscribe()));
            }
        });
        Self { port, state }
    }

    pub fn is(&self, state: State) {
        self.state.send_replace(state);
    }
}

async fn pass(near: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>) {
    // What came while it was silent stays unanswered when it is whole again: those bytes are lost.
    let now = *state.borrow();
    match now {
        State::Whole | State::Slow => {
            let Ok(far) = TcpStream::connect(server).await else { return };
            tokio::select! {
                () = both_ways(near, far, state.clone()) => {}
                () = until_worse(&mut state) => {
                    if *state.borrow() == State::Silent {
                        until(&mut state, State::Broken).await;
                    }
                }
            }
        }
        State::Silent => until(&mut state, State::Broken).await,
        State::Broken => {}
    }
}

async fn until(state: &mut watch::Receiver<State>, this: State) {
    let _ = state.wait_for(|state| *state == this).await;
}

async fn until_worse(state: &mut watch::Receiver<State>) {
    let _ = state.wait_for(|state| !matches!(state, State::Whole | State::Slow)).await;
}

async fn both_ways(near: TcpStream, far: TcpStream, state: watch::Receiver<State>) {
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    // The connection is whole until both ends have said so.
    tokio::join!(one_way(from_near, to_far, state.clone()), one_way(from_far, to_near, state));
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, state: watch::Receiver<State>) {
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if *state.borrow() == State::Slow {
            crate::outlast(DELAY).await;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}
