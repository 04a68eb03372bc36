//! The way to Redis: one connection that all requests share, opened anew when it is gone, wherever the server is by then.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, Pipeline, RedisConnectionInfo, RedisFuture,
    RedisResult, TlsCertificates, TlsMode, Value,
};
use secrecy::ExposeSecret;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::address::{Node, Settings, Way};
use crate::store::Error;

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(1);
/// ... and to say who we are as well.
const OPEN: Duration = Duration::from_secs(2);
/// How long an answer may take: a little less than what an operation may, so that the connection is known to be bad.
const RESPONSE: Duration = Duration::from_millis(2500);
/// After a failure, nobody tries again before.
const REST: Duration = Duration::from_millis(200);

/// The connection that all share.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    doors: ArcSwap<Doors>,
    /// The one that is open.
    open: ArcSwapOption<Connection>,
}

/// By what connections are opened. Another password is other doors.
pub(in crate::store) struct Doors {
    opener: Mutex<Opener>,
    /// For what is told: nobody who has a request waits for that.
    news: Mutex<Clients>,
}

impl Doors {
    /// Those of these settings. Nobody is asked yet.
    pub fn of(settings: &Settings) -> Result<Self, Error> {
        let clients = || clients(settings).map_err(|problem| Error::Sessions { at: settings.shown.clone(), problem });
        Ok(Self { opener: Mutex::new(Opener { clients: clients()?, failed: None }), news: Mutex::new(clients()?) })
    }
}

/// Only one opens a connection at a time.
struct Opener {
    clients: Clients,
    /// When that failed, and how.
    failed: Option<(Instant, redis::RedisError)>,
}

enum Clients {
    One(Client),
    Sentinels(SentinelClient),
    Cluster { client: ClusterClient, nodes: Vec<Client> },
}

/// An open connection.
#[derive(Clone)]
pub(super) struct Connection {
    pub link: Link,
    number: Instant,
}

#[derive(Clone)]
pub(super) enum Link {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connections")
    }
}

impl Connections {
    pub fn by(doors: Doors) -> Self {
        Self(Arc::new(Shared { doors: ArcSwap::from_pointee(doors), open: ArcSwapOption::empty() }))
    }

    /// From now on, connections are opened by these doors. The one that is open stays: its server knows us.
    pub fn follow(&self, doors: Doors) {
        self.0.doors.store(Arc::new(doors));
    }

    /// The connection, opened if there is none.
    pub async fn get(&self) -> RedisResult<Connection> {
        if let Some(open) = &*self.0.open.load() {
            return Ok(Connection::clone(open));
        }
        let doors = self.0.doors.load_full();
        let mut opener = doors.opener.lock().await;
        // Somebody else may have opened it meanwhile, or failed.
        if let Some(open) = &*self.0.open.load() {
            return Ok(Connection::clone(open));
        }
        if let Some((at, problem)) = &opener.failed
            && at.elapsed() < REST
        {
            return Err(problem.clone());
        }
        match limited(opener.clients.open()).await {
            Ok(link) => {
                let connection = Connection { link, number: Instant::now() };
                opener.failed = None;
                self.0.open.store(Some(Arc::new(connection.clone())));
                Ok(connection)
            }
            Err(problem) => {
                opener.failed = Some((Instant::now(), problem.clone()));
                Err(problem)
            }
        }
    }

    /// Passes on what came of a command, and lets go of a connection that is no good any more.
    pub fn judge<T>(&self, used: &Connection, outcome: RedisResult<T>) -> RedisResult<T> {
        if let Err(problem) = &outcome
            && is_over(problem)
            && self.0.open.load().as_ref().is_some_and(|open| open.number == used.number)
        {
            self.0.open.store(None);
        }
        outcome
    }

    /// A connection of its own for news.
    pub async fn open_for_news(&self) -> RedisResult<PubSub> {
        self.0.doors.load_full().news.lock().await.open_for_news().await
    }
}

/// A server that takes a connection and then says nothing would be waited for without end.
async fn limited<T>(opening: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = (redis::ErrorKind::Io, "the server did not answer in time");
    timeout(OPEN, opening).await.unwrap_or_else(|_| Err(late.into()))
}

/// Whether the connection is of no use: it is broken or silent, or its server has become a replica.
fn is_over(problem: &redis::RedisError) -> bool {
    let is_replica = matches!(problem.code(), Some("READONLY" | "MASTERDOWN" | "LOADING"));
    problem.is_io_error() || problem.is_unrecoverable_error() || is_replica
}

impl Clients {
    async fn open(&mut self) -> RedisResult<Link> {
        let limits = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(RESPONSE))
            .set_pipeline_buffer_size(1024);
        match self {
            Self::One(client) => client.get_multiplexed_async_connection_with_config(&limits).await.map(Link::Server),
            Self::Sentinels(client) => client.get_async_connection_with_config(&limits).await.map(Link::Server),
            Self::Cluster { client, .. } => client.get_async_connection().await.map(Link::Cluster),
        }
    }

    async fn open_for_news(&mut self) -> RedisResult<PubSub> {
        match self {
            Self::One(client) => limited(client.get_async_pubsub()).await,
            Self::Sentinels(client) => {
                limited(async { client.async_get_client().await?.get_async_pubsub().await }).await
            }
            // Each node of a cluster tells what was told to any.
            Self::Cluster { nodes, .. } => {
                let mut problem = None;
                for node in nodes {
                    match limited(node.get_async_pubsub()).await {
                        Ok(news) => return Ok(news),
                        Err(other) => problem = Some(other),
                    }
                }
                Err(problem.unwrap_or_else(|| (redis::ErrorKind::InvalidClientConfig, "no node is named").into()))
            }
        }
    }
}

fn clients(settings: &Settings) -> RedisResult<Clients> {
    let certificates = TlsCertificates { client_tls: None, root_cert: settings.authorities.clone() };
    let password = settings.password.as_ref().map(ExposeSecret::expose_secret);
    let one = |node: &Node| {
        let mut who = RedisConnectionInfo::default().set_db(settings.database);
        if let Some(name) = &settings.username {
            who = who.set_username(name);
        }
        if let Some(password) = password {
            who = who.set_password(password);
        }
        let info = address(settings, node).into_connection_info()?.set_redis_settings(who);
        if settings.tls { Client::build_with_tls(info, certificates.clone()) } else { Client::open(info) }
    };
    match &settings.way {
        Way::One(node) => one(node).map(Clients::One),
        Way::Sentinels { nodes, master, password: theirs } => {
            let nodes = nodes.iter().map(|node| address(settings, node));
            let mut builder = SentinelClientBuilder::new(nodes, master, SentinelServerType::Master)?
                .set_client_to_redis_db(settings.database);
            if let Some(name) = &settings.username {
                builder = builder.set_client_to_redis_username(name);
            }
            if let Some(password) = password {
                builder = builder.set_client_to_redis_password(password);
            }
            if let Some(password) = theirs {
                builder = builder.set_client_to_sentinel_password(password.expose_secret());
            }
            if settings.tls {
                builder = builder
                    .set_client_to_redis_tls_mode(TlsMode::Secure)
                    .set_client_to_redis_certificates(certificates.clone())
                    .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                    .set_client_to_sentinel_certificates(certificates);
            }
            builder.build().map(Clients::Sentinels)
        }
        Way::Cluster(nodes) => {
            let mut builder = ClusterClientBuilder::new(nodes.iter().map(|node| address(settings, node)))
                .connection_timeout(CONNECT)
                .response_timeout(RESPONSE)
                .retries(3);
            if let Some(name) = &settings.username {
                builder = builder.username(name);
            }
            if let Some(password) = password {
                builder = builder.password(password);
            }
            if settings.tls {
                builder = builder.tls(TlsMode::Secure).certs(certificates.clone());
            }
            let nodes = nodes.iter().map(one).collect::<RedisResult<_>>()?;
            Ok(Clients::Cluster { client: builder.build()?, nodes })
        }
    }
}

fn address(settings: &Settings, (host, port): &Node) -> ConnectionAddr {
    if settings.tls {
        ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host.clone(), *port)
    }
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Server(link) => link.req_packed_command(command),
            Self::Cluster(link) => link.req_packed_command(command),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Server(link) => link.req_packed_commands(pipeline, offset, count),
            Self::Cluster(link) => link.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Server(link) => link.get_db(),
            Self::Cluster(link) => link.get_db(),
        }
    }
}
