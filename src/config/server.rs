//! Settings of the server itself: where it listens, whom it trusts, what it remembers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::ExposeSecret;

use super::reader::{DURATION, Reader, duration, line, list};
use super::{Server, SessionAges, embed_csp, frames, proxy, tls};
use crate::auth;
use crate::identity::Source;
use crate::origin::Origin;
use crate::store;

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
        shutdown_grace: shutdown_grace?,
    })
}

/// The origin that visitors see, and nothing else of the server.
pub(super) fn portal(reader: &mut Reader) -> Option<Origin> {
    let listen = listen(reader);
    let tls = reader.is_set("TLS_CERT_FILE");
    public_url(reader, listen, tls)
}

/// An address and a port; a port alone is one of this machine, as Qlik's samples set `PORT`.
fn listen(reader: &mut Reader) -> Option<SocketAddr> {
    const REMEDY: &str = "write an IP address and a port, for example 127.0.0.1:8080 or 0.0.0.0:8080";
    reader.required("LISTEN", REMEDY, |text| {
        let port = text.strip_prefix("localhost:").unwrap_or(text).parse::<u16>();
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        port.map(local).or_else(|_| text.parse()).map_err(|_| "is not an address to listen on")
    })
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

pub(super) fn store(reader: &mut Reader) -> Option<store::Settings> {
    const REMEDY: &str = "write sqlite: and a file, for example sqlite:data/qlik-embed-bff.db";
    let file = reader.required("DATABASE_URL", REMEDY, |text| {
        let file = text.strip_prefix("sqlite:").ok_or("is not an SQLite address")?;
        let file = PathBuf::from(file.strip_prefix("//").unwrap_or(file));
        match file.to_str() {
            Some(name) if name.contains(['?', ':']) => {
                Err("has options or a special name, and only files are supported")
            }
            _ if file.file_name().is_none() || file.is_dir() => Err("names no file"),
            _ => Ok(file),
        }
    });
    let secret = match reader.secret("SESSION_SECRET", None) {
        Some((secret, file)) if secret.expose_secret().trim().len() < store::secret::SHORTEST => {
            let (variable, has) = match file {
                Some(_) => ("SESSION_SECRET_FILE", "names a file with"),
                None => ("SESSION_SECRET", "has"),
            };
            let reason = format!("{has} fewer than {} characters", store::secret::SHORTEST);
            reader.problem(variable, reason, "make one with `openssl rand -base64 48`, or leave it out");
            None
        }
        Some((secret, _)) => Some(secret.expose_secret().trim().into()),
        None => None,
    };
    let file = file?;
    if !reader.is_set("SESSION_SECRET") && secret.is_none() {
        reader.derived(
            "SESSION_SECRET",
            "(kept beside the database)",
            &store::secret::file_beside(&file).to_string_lossy(),
        );
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let above = folder.and_then(std::path::Path::parent).filter(|above| !above.as_os_str().is_empty());
    if let (Some(folder), Some(above)) = (folder, above)
        && !folder.is_dir()
        && !above.is_dir()
    {
        let reason = format!("lies in {}, and neither that folder nor the one above it exists", folder.display());
        reader.problem("DATABASE_URL", reason, "create the folder, or name a file elsewhere");
        return None;
    }
    Some(store::Settings { file, secret })
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
