//! The server as a connection calls it: the tenant's paths first, then our own pages.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, StatusCode, Version};
use axum::response::Response;
use hyper::body::Incoming;
use tower::Service;

use super::proxy::{Gate, Memory};
use crate::app::App;

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// The whole server. It is no [`Router`]: to pass on one small request takes less time than a router around it would.
#[derive(Clone)]
pub struct Front(Arc<Parts>);

struct Parts {
    app: App,
    /// What the gate remembers, also while there is none.
    memory: Memory,
    /// When there is a page that takes the flow `proxy`.
    gate: Option<Gate>,
    pages: Router,
}

impl Front {
    pub(super) fn new(app: App, memory: Memory, gate: Option<Gate>, pages: Router) -> Self {
        Self(Arc::new(Parts { app, memory, gate, pages }))
    }

    /// The answer. Whoever keeps the connection for another request is told, from the moment on when this instance is not ready
    /// any more, to come back by a new one (RFC 9112, section 9.6): a request that crosses with the end of its connection would
    /// be lost. HTTP/2 has no such gap, and a word of its own for the end.
    async fn answer(self, request: Request) -> Result<Response, Infallible> {
        let may_be_kept = request.version() < Version::HTTP_2;
        let mut response = self.route(request).await?;
        if may_be_kept && self.0.app.is_draining() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }

    async fn route(&self, mut request: Request) -> Result<Response, Infallible> {
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

/// The server as it is at each moment: every request is answered by the front of its time, over whichever connection it comes.
#[derive(Clone)]
pub struct Present(Arc<ArcSwap<Parts>>);

impl Present {
    /// With this front.
    pub fn of(front: Front) -> Self {
        Self(Arc::new(ArcSwap::new(front.0)))
    }

    /// The application of this moment.
    pub fn app(&self) -> App {
        self.0.load().app.clone()
    }

    /// From now on requests are answered by another application. Those that are on their way keep the one that they began with.
    pub fn exchange(&self, app: App) {
        let memory = self.0.load().memory.clone();
        self.0.store(super::build(app, memory).0);
    }

    /// The server for one connection.
    pub fn for_peer(&self, peer: SocketAddr) -> OfPeer {
        OfPeer { present: self.clone(), peer }
    }
}

/// The server for one connection, whose requests say from where they come.
#[derive(Clone)]
pub struct OfPeer {
    present: Present,
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
        Front(self.present.0.load_full()).call(request)
    }
}
