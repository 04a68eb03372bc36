//! The network between an instance and a server, which tests cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Everything passes.
    Whole,
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

async fn pass(mut near: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>) {
    // What came while it was silent stays unanswered when it is whole again: those bytes are lost.
    let now = *state.borrow();
    match now {
        State::Whole => {
            let Ok(mut far) = TcpStream::connect(server).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => {}
                () = until_other(&mut state, State::Whole) => {
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

async fn until_other(state: &mut watch::Receiver<State>, than: State) {
    let _ = state.wait_for(|state| *state != than).await;
}
