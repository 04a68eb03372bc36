//! The server as a connection calls it: the tenant's paths first, then our own pages.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use tower::Service;

use super::proxy::Gate;

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// The whole server. It is no [`Router`]: to pass on one small request takes less time than a router around it would.
#[derive(Clone)]
pub struct Front(Arc<Parts>);

struct Parts {
    /// When there is a page that takes the flow `proxy`.
    gate: Option<Gate>,
    pages: Router,
}

impl Front {
    pub(super) fn new(gate: Option<Gate>, pages: Router) -> Self {
        Self(Arc::new(Parts { gate, pages }))
    }

    /// The server for one connection.
    pub fn for_peer(&self, peer: SocketAddr) -> OfPeer {
        OfPeer { front: self.clone(), peer }
    }

    async fn answer(self, mut request: Request) -> Result<Response, Infallible> {
        if let Some(gate) = &self.0.gate {
            match gate.take(request).await {
                ControlFlow::Break(response) => return Ok(response),
                ControlFlow::Continue(ours) => request = ours,
            }
        }
        self.0.pages.clone().call(request).await
    }
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answer {
        Box::pin(self.clone().answer(request))
    }
}

/// The server for one connection, whose requests say from where they come.
#[derive(Clone)]
pub struct OfPeer {
    front: Front,
    peer: SocketAddr,
}

impl Service<http::Request<Incoming>> for OfPeer {
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Incoming>) -> Answer {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.front.call(request)
    }
}
