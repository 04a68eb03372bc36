//! Which database it is, as its address says.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use url::Url;

/// The database.
#[derive(Clone, Debug)]
pub enum Database {
    /// An SQLite file. The folder above it is created when *its* parent exists.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(Server),
}

impl Database {
    pub(super) fn server(&self) -> Option<SecretString> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) => Some(server.url.clone()),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(file) => write!(f, "{}", file.display()),
            Self::Postgres(server) => f.write_str(&server.shown),
        }
    }
}

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

/// Whether what is said to this host stays on this machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn without_password(url: &Url) -> String {
    let mut shown = url.clone();
    // Fails only for addresses without a host, which have no password either.
    let _ = shown.set_password(None);
    shown.set_query(None);
    shown.into()
}
