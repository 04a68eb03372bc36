//! The way through the proxy of our own network, by CONNECT (RFC 9110, section 9.3.6).

use std::io;

use axum::body::Body;
use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{HeaderValue, Method, Request, Uri};
use tokio::net::TcpStream;

use super::super::{Error, NoWayOut, Tunnel};
use super::{Connection, Connections};
use crate::client::way_out::Via;

impl Connections {
    /// A connection to the tenant that the proxy has made. Plain http takes one too: what follows may be a socket.
    pub(super) async fn through(&self, via: &Via) -> Result<TcpStream, NoWayOut> {
        let stream = self.reach(&via.host, via.port).await.map_err(NoWayOut::Unreachable)?;
        let request = self.ask_for_tenant(via).map_err(|problem| NoWayOut::Unreachable(io::Error::other(problem)))?;
        let broken = |error| match error {
            Error::TimedOut => NoWayOut::TimedOut,
            error => NoWayOut::Broken(Box::new(error)),
        };
        let mut connection = Connection::over(Tunnel::Plain(stream), self.limits.stalled).await.map_err(broken)?;
        let response = connection.answer(request).await.map_err(|failed| broken(failed.error))?;
        if !response.status().is_success() {
            return Err(NoWayOut::Refused(response.status()));
        }
        match connection.into_tunnel() {
            // The tenant does not speak first, neither in TLS nor in HTTP.
            Some((Tunnel::Plain(stream), rest)) if rest.is_empty() => Ok(stream),
            _ => Err(NoWayOut::Unusable),
        }
    }

    fn ask_for_tenant(&self, via: &Via) -> Result<Request<Body>, http::Error> {
        let (host, port) = (&self.host, self.port);
        let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri(authority.parse::<Uri>()?)
            .header(HOST, HeaderValue::try_from(authority)?)
            .body(Body::empty())?;
        if let Some(authorization) = &via.authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        Ok(request)
    }
}
