//! The flow `proxy`: what passes between a visitor's browser and the tenant. Who the visitor is, and whether they may, is
//! decided above.
//!
//! [`target`] says which paths there are, [`headers`] what may cross in each direction, [`links`] which addresses change on
//! the way, `connections` keeps connections to the tenant, and `forward` sends one request on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, request};
use rustls::ClientConfig;
use tokio::net::TcpStream;

use crate::client::way_out::WayOut;
use crate::origin::Origin;

mod coding;
mod connections;
mod forward;
pub mod headers;
pub mod links;
mod refusal;
pub mod relay;
pub mod sockets;
pub mod target;

use connections::Connections;
pub use target::{Refused, Target};

/// What a visitor's request gets of the tenant's session.
#[derive(Clone)]
pub struct Credentials {
    /// The header `Cookie`, marked as sensitive.
    pub cookies: HeaderValue,
    /// The CSRF token (Qlik Cloud facts, section D), marked as sensitive. The tenant may have none.
    pub csrf: Option<HeaderValue>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([REDACTED])")
    }
}

/// Between whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tenant.
    pub tenant: Origin,
    /// The origin under which visitors see what is passed on.
    pub origin: Origin,
    /// The origin of our own pages, where visitors sign in. It may be the same.
    pub portal: Origin,
    /// Who may frame what is passed on: the sources of the CSP directive `frame-ancestors`.
    pub frame_ancestors: Vec<String>,
    /// Beginnings of the tenant's paths that pass besides those that are known to be needed.
    pub more_paths: Vec<String>,
    /// How the tenant is reached.
    pub way_out: WayOut,
}

/// How long what may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until requests can be sent over a new connection: name, TCP, the proxy of our network and TLS together.
    pub connect: Duration,
    /// How long no byte may come or go while an answer, or more of it, is waited for.
    pub stalled: Duration,
    /// How long a connection waits for another request.
    pub idle: Duration,
}

impl Default for Limits {
    /// Load balancers close what waits for a minute (AWS, whose cookies the tenant sets; Qlik Cloud facts, section B.3). It is
    /// better to be first, or a request and the end of its connection cross on the way.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(10), stalled: seconds(60), idle: seconds(50) }
    }
}

/// Passes requests on to one tenant. Cheap to clone: all clones share their connections.
#[derive(Clone)]
pub struct Proxy(Arc<Inner>);

struct Inner {
    tenant: Origin,
    paths: target::Paths,
    rules: headers::Rules,
    links: links::Links,
    connections: Arc<Connections>,
}

/// The tenant's answer, ready for the browser.
#[derive(Debug)]
pub struct Passed {
    /// Its headers have passed [`headers::Rules::to_browser`]; its body is still on its way.
    pub response: Response<Body>,
    /// The cookies that the tenant set, for our keeping of its session. They are marked as sensitive.
    pub set_cookies: Vec<HeaderValue>,
    /// Whether the tenant leads to its login page instead of answering: what it does with pages where it answers 401 to all
    /// else (Qlik Cloud facts, section G). `Location` is our own login page then.
    pub leads_to_login: bool,
}

impl Passed {
    /// Whether the tenant does not know the session, or not any more.
    pub fn is_signed_out(&self) -> bool {
        self.leads_to_login || self.response.status() == StatusCode::UNAUTHORIZED
    }
}

/// What the tenant said to an upgrade.
#[derive(Debug)]
pub enum Upgrade {
    /// It speaks another protocol from here on.
    Accepted {
        /// The 101 for the browser (RFC 6455, section 4.2.2), with headers that have passed [`headers::Rules::to_browser`].
        response: Response<()>,
        /// As in [`Passed`].
        set_cookies: Vec<HeaderValue>,
        /// The connection, with nothing of HTTP left in it.
        io: Tunnel,
        /// What came together with the answer and belongs to the new protocol.
        read_ahead: Bytes,
    },
    /// It answered like to any other request.
    Refused(Passed),
}

/// A connection to the tenant.
#[derive(Debug)]
pub enum Tunnel {
    /// To a tenant on this machine.
    Plain(TcpStream),
    /// To every other.
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// Why the tenant's answer did not come, or not to its end. No message names a path, a header or a value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection to the tenant: its name, its address, its certificate.
    #[error("cannot connect to the tenant")]
    Unreachable(#[source] io::Error),
    /// The proxy of our own network does not let us through.
    #[error("the proxy on the way to the tenant {0}")]
    NoWayOut(#[from] NoWayOut),
    /// It took too long to connect or to begin the answer, or the answer stalled.
    #[error("the tenant does not answer")]
    TimedOut,
    /// The connection broke, or what came is not HTTP.
    #[error("the tenant's answer broke off")]
    Broken(#[source] hyper::Error),
    /// The visitor's own body did not come to its end.
    #[error("the request broke off")]
    Request(#[source] hyper::Error),
    /// It is HTTP, but nothing that can be passed on.
    #[error("the tenant's answer cannot be passed on: {0}")]
    Unusable(&'static str),
}

/// What is wrong with the proxy of our own network.
#[derive(Debug, thiserror::Error)]
pub enum NoWayOut {
    /// There is no connection to it.
    #[error("cannot be reached")]
    Unreachable(#[source] io::Error),
    /// It took too long to connect to it, or to be connected by it.
    #[error("does not answer")]
    TimedOut,
    /// It answered, but made no connection.
    #[error("refused with status {}", .0.as_u16())]
    Refused(StatusCode),
    /// It closed the connection, or what came is not HTTP.
    #[error("broke off its answer")]
    Broken(#[source] Box<Error>),
    /// It said more than it was asked.
    #[error("gave an answer that cannot be used")]
    Unusable,
}

impl Error {
    /// Whether time was up.
    pub fn is_late(&self) -> bool {
        matches!(self, Self::TimedOut | Self::NoWayOut(NoWayOut::TimedOut))
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl Proxy {
    /// Passes requests on as the settings say, with TLS that believes whom the configuration names. Connects to nobody yet.
    pub fn with_tls(settings: Settings, tls: Arc<ClientConfig>) -> Self {
        Self::with_limits(settings, tls, Limits::default())
    }

    /// The same, with other limits.
    pub fn with_limits(settings: Settings, tls: Arc<ClientConfig>, limits: Limits) -> Self {
        let connections = Connections::new(&settings.tenant, &settings.way_out, tls, limits);
        Self::over(Arc::new(connections), settings)
    }

    /// Passes on by other rules, to the same tenant and over the same connections.
    pub fn with(&self, settings: Settings) -> Self {
        Self::over(Arc::clone(&self.0.connections), settings)
    }

    fn over(connections: Arc<Connections>, settings: Settings) -> Self {
        let rules = headers::Rules::new(&settings);
        let links = links::Links::new(&settings.tenant, &settings.origin);
        let (tenant, paths) = (settings.tenant, target::Paths::new(settings.more_paths));
        Self(Arc::new(Inner { tenant, paths, rules, links, connections }))
    }

    /// Which path of the tenant a request is for.
    ///
    /// # Errors
    /// When it is for none that passes, or is not what a browser would write.
    pub fn target(&self, head: &request::Parts) -> Result<Target, Refused> {
        self.0.paths.target(head)
    }
}
