//! Where Redis is, as its address says, and what stands beside that.

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};

use crate::store::database::is_this_machine;

/// How the session store is reached.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which server.
    pub way: Way,
    /// What may be shown of it: no password.
    pub shown: String,
    /// Who we are there.
    pub username: Option<String>,
    /// And how we prove it.
    pub password: Option<SecretString>,
    /// The database, by its number; a cluster has only 0.
    pub database: i64,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// The authorities that vouch for the server, as PEM, in the place of those that the machine trusts.
    pub authorities: Option<Vec<u8>>,
    /// What all names there begin with, between braces.
    pub prefix: String,
}

/// Host and port.
pub type Node = (String, u16);

/// Which server it is.
#[derive(Clone, Debug)]
pub enum Way {
    /// This one.
    One(Node),
    /// The one that these sentinels name.
    Sentinels {
        /// Where they are.
        nodes: Vec<Node>,
        /// What they call it.
        master: String,
        /// The password that they take.
        password: Option<SecretString>,
    },
    /// Those of which these are some.
    Cluster(Vec<Node>),
}

/// Passwords and authorities for Redis that stand apart from its address.
#[derive(Debug, Default)]
pub struct Beside {
    /// The server's password, which wins over one in the address.
    pub password: Option<SecretString>,
    /// The sentinels' password.
    pub sentinel_password: Option<SecretString>,
    /// The authorities that vouch for the servers, as PEM.
    pub authorities: Option<Vec<u8>>,
    /// What all names begin with.
    pub prefix: String,
}

impl Settings {
    /// Whether nobody on the network can listen.
    pub fn is_safe(&self) -> bool {
        let nodes = match &self.way {
            Way::One(node) => std::slice::from_ref(node),
            Way::Sentinels { nodes, .. } | Way::Cluster(nodes) => nodes,
        };
        self.tls || nodes.iter().all(|(host, _)| is_this_machine(host))
    }

    /// The session store with this address: `redis://host:6379/0`, `redis+sentinel://host,host/master/0` or
    /// `redis+cluster://host,host`, with `rediss` for TLS, and `valkey` and `valkeys` as well.
    ///
    /// # Errors
    /// What is wrong with the address, without repeating it.
    pub fn parse(text: &str, beside: Beside) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("is no address")?;
        let (base, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = match base {
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err("is no address of Redis or Valkey".to_owned()),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains(['?', '#']) || authority.contains(['?', '#']) {
            return Err("has options, and none are known".to_owned());
        }
        let (who, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (username, password) = who.split_once(':').unwrap_or((who, ""));
        let text = |text: &str| {
            Some(percent_decode_str(text).decode_utf8_lossy().into_owned()).filter(|text| !text.is_empty())
        };
        let port = if kind == "sentinel" { 26379 } else { 6379 };
        let nodes = hosts.split(',').map(|host| node(host, port)).collect::<Result<Vec<_>, _>>()?;
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let way = match kind {
            "" => match &nodes[..] {
                [node] => Way::One(node.clone()),
                _ => return Err("has several hosts: write redis+sentinel or redis+cluster".to_owned()),
            },
            "sentinel" => {
                let master = parts.next().ok_or("names no master: redis+sentinel://host,host/name")?.to_owned();
                Way::Sentinels { nodes, master, password: beside.sentinel_password }
            }
            "cluster" => Way::Cluster(nodes),
            _ => return Err("is of a kind that is not known: write redis, redis+sentinel or redis+cluster".to_owned()),
        };
        let database = parts.next().unwrap_or("0").parse().map_err(|_| "has a database that is no number")?;
        if parts.next().is_some() {
            return Err("has more behind the database than is known".to_owned());
        }
        if database != 0 && matches!(way, Way::Cluster(_)) {
            return Err("has a database, and a cluster has only one".to_owned());
        }
        let trimmed = |secret: SecretString| SecretString::from(secret.expose_secret().trim());
        Ok(Self {
            way,
            shown: format!("{scheme}://{hosts}/{path}"),
            username: text(username),
            password: beside.password.map(trimmed).or_else(|| text(password).map(SecretString::from)),
            database,
            tls,
            authorities: beside.authorities,
            prefix: beside.prefix,
        })
    }
}

fn node(text: &str, default: u16) -> Result<Node, String> {
    let (host, port) = match text.rsplit_once(':') {
        // A colon inside brackets is one of an IPv6 address.
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| "has a port that is no number")?),
        _ => (text, default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() { Err("has no host".to_owned()) } else { Ok((host.to_owned(), port)) }
}
