//! Settings of the server itself: where it listens, whom it trusts, what it remembers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::reader::{DURATION, Reader, duration, line, list};
use super::{OwnAddress, Server, SessionAges, embed_csp, frames, proxy, tls};
use crate::auth;
use crate::identity::Source;
use crate::origin::Origin;

/// A session that ends sooner than this could not finish signing in.
const SHORTEST_SESSION: Duration = Duration::from_secs(60);

pub(super) fn read(reader: &mut Reader) -> Option<Server> {
    let listen = listen(reader);
    let tls = tls::read(reader);
    let public_url = public_url(reader, listen, matches!(tls, Some(Some(_))));
    let proxy_url = proxy::url(reader, public_url.as_ref());
    let portal_name = reader.required("PORTAL_NAME", "write the name that visitors shall see", line);
    let trusted_proxies = reader
        .optional("TRUSTED_PROXIES", "list addresses or networks, for example 10.0.0.0/8, 192.168.1.7", |text| {
            list(text).map(network).collect::<Result<Vec<_>, _>>()
        })
        .unwrap_or_default();
    let frame_ancestors = frames::read(reader, public_url.as_ref());
    let embed_csp = embed_csp::read(reader);
    let token_allowed_origins = reader
        .optional("TOKEN_ALLOWED_ORIGINS", "list origins such as https://portal.example", |text| {
            list(text).map(Origin::parse).collect::<Result<Vec<_>, _>>()
        })
        .unwrap_or_default();
    let shutdown_delay = reader.required("SHUTDOWN_DELAY", DURATION, duration);
    let shutdown_grace = reader.required("SHUTDOWN_GRACE", DURATION, duration);
    let (frame_ancestors, framed_by_other_sites) = frame_ancestors?;
    Some(Server {
        listen: listen?,
        public_url: public_url?,
        proxy_url,
        portal_name: portal_name?,
        tls: tls?,
        trusted_proxies,
        frame_ancestors,
        framed_by_other_sites,
        embed_csp: embed_csp?,
        token_allowed_origins,
        shutdown_delay: shutdown_delay?,
        shutdown_grace: shutdown_grace?,
    })
}

/// The origin that visitors see, and nothing else of the server.
pub(super) fn portal(reader: &mut Reader) -> Option<Origin> {
    let listen = listen(reader);
    let tls = reader.is_set("TLS_CERT_FILE");
    public_url(reader, listen, tls)
}

/// Where a program on this machine reaches the server.
pub(super) fn own_address(reader: &mut Reader) -> Option<OwnAddress> {
    let mut address = listen(reader)?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(OwnAddress { address, tls: reader.is_set("TLS_CERT_FILE") })
}

fn listen(reader: &mut Reader) -> Option<SocketAddr> {
    const REMEDY: &str = "write an IP address and a port, for example 127.0.0.1:8080 or 0.0.0.0:8080";
    reader.required("LISTEN", REMEDY, address)
}

/// An address and a port; a port alone is one of this machine, as Qlik's samples set `PORT`.
pub(super) fn address(text: &str) -> Result<SocketAddr, &'static str> {
    let port = text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>();
    let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    port.map(local).or_else(|_| text.parse()).map_err(|_| "is not an address to listen on")
}

fn public_url(reader: &mut Reader, listen: Option<SocketAddr>, tls: bool) -> Option<Origin> {
    const REMEDY: &str = "write the address that visitors type, without a path, for example https://portal.example";
    if !reader.is_set("PUBLIC_URL") {
        let listen = listen?;
        if !listen.ip().is_loopback() {
            reader.problem("PUBLIC_URL", "is not set, and the server listens beyond this machine", REMEDY);
            return None;
        }
        let scheme = if tls { "https" } else { "http" };
        let origin = Origin::parse(&format!("{scheme}://localhost:{}", listen.port())).ok()?;
        reader.derived("PUBLIC_URL", &origin, "LISTEN");
        return Some(origin);
    }
    let origin = reader.optional("PUBLIC_URL", REMEDY, Origin::parse)?;
    if Origin::parse_secure(origin.as_str()).is_err() {
        reader.hint(
            "PUBLIC_URL is plain http: anybody on the network between can read and take over sessions; \
             use https outside tests",
        );
    }
    Some(origin)
}

fn network(text: &str) -> Result<IpNet, &'static str> {
    let address = |text: &str| text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or_else(|_| address(text)).map_err(|_| "has an item that is no address or network")
}

pub(super) fn sign_in(reader: &mut Reader) -> Option<Vec<Source>> {
    let ways: Vec<_> = auth::WAYS.iter().map(|way| way.as_str()).collect();
    let remedy = format!("list the ways to sign in that shall be open: {}", ways.join(", "));
    reader.required("SIGN_IN", &remedy, |text| {
        let way = |word: &str| Source::parse(word).filter(|way| auth::WAYS.contains(way));
        let ways: Result<Vec<Source>, String> =
            list(text).map(|word| way(word).ok_or_else(|| format!("has {word}, which is no way to sign in"))).collect();
        match ways {
            Ok(ways) if ways.is_empty() => Err("is empty: nobody could sign in".to_owned()),
            other => other,
        }
    })
}

pub(super) fn session(reader: &mut Reader) -> Option<SessionAges> {
    let age = |text: &str| match duration(text)? {
        age if age < SHORTEST_SESSION => Err("is less than a minute"),
        age => Ok(age),
    };
    let idle = reader.required("SESSION_IDLE", DURATION, age);
    let max = reader.required("SESSION_MAX", DURATION, age);
    let (idle, max) = (idle?, max?);
    if idle > max {
        reader.problem("SESSION_IDLE", "is longer than SESSION_MAX", "shorten it, or lengthen SESSION_MAX");
        return None;
    }
    Some(SessionAges { idle, max })
}
