//! Where servers are, as their addresses say it.

use std::net::IpAddr;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::redis::{self, Node, Way};

/// A PostgreSQL server.
#[derive(Clone, Debug)]
pub struct Server {
    /// All of its address, with the password.
    pub(super) url: SecretString,
    /// What may be shown of it: no password.
    pub(super) shown: String,
    /// How many connections this instance opens at the most.
    pub(super) connections: u32,
    safe: bool,
}

impl Server {
    /// The server with this address, which may have a password in it; another one wins over that.
    ///
    /// # Errors
    /// What is wrong with the address, without repeating it.
    pub fn parse(text: &str, password: Option<&SecretString>, connections: u32) -> Result<Self, String> {
        let mut url = Url::parse(text).map_err(|problem| format!("is no address ({problem})"))?;
        if url.host_str().is_none_or(str::is_empty) || url.path().len() < 2 {
            return Err("has no host or no database name".to_owned());
        }
        if let Some(password) = password {
            // Only an address without a host can have no password.
            url.set_password(Some(password.expose_secret().trim())).map_err(|()| "has no host")?;
        }
        // What it says of a problem repeats values.
        PgConnectOptions::from_str(url.as_str())
            .map_err(|_| "has an option that is not known, or a value that is not: sslmode=require is one that is")?;
        let asks_for_tls = url.query_pairs().any(|(name, value)| {
            name == "sslmode" && ["require", "verify-ca", "verify-full"].contains(&value.as_ref())
        });
        let safe = asks_for_tls || url.host_str().is_some_and(is_this_machine);
        Ok(Self { url: SecretString::from(url.as_str()), shown: without_password(&url), connections, safe })
    }

    /// Whether nobody on the network can listen.
    pub fn is_safe(&self) -> bool {
        self.safe
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
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

impl redis::Settings {
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

fn without_password(url: &Url) -> String {
    let mut shown = url.clone();
    // Fails only for addresses without a host, which have no password either.
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.into()
}
