//! From where a request comes: the TCP peer, or what a trusted proxy says about it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::header::HOST;
use axum::http::{Extensions, HeaderMap};
use ipnet::IpNet;

use crate::app::App;

/// The address of the client that sent this request.
pub fn of_client(app: &App, request: &Request) -> IpAddr {
    find(&app.server.trusted_proxies, request.extensions(), request.headers())
}

/// Whether this request came over a connection from one of `TRUSTED_PROXIES` itself.
pub fn is_trusted_peer(app: &App, request: &Request) -> bool {
    let peer = peer(request.extensions());
    peer.is_some_and(|peer| app.server.trusted_proxies.iter().any(|network| network.contains(&peer)))
}

/// For which host a request is (RFC 9110, section 7.2): what a trusted proxy says it was asked for, else what the request says.
pub fn host<'a>(app: &App, request: &'a Request) -> Option<&'a str> {
    let forwarded = request.headers().get("x-forwarded-host").filter(|_| is_trusted_peer(app, request));
    // The first of several is what the browser asked for; others were added behind it.
    let forwarded = forwarded.and_then(|hosts| Some(hosts.to_str().ok()?.split(',').next()?.trim()));
    let of_target = || request.uri().authority().map(|authority| authority.as_str());
    let of_header = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    forwarded.or_else(of_header).or_else(of_target)
}

fn peer(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical())
}

/// The peer; behind trusted proxies, the last address in `X-Forwarded-For` that is not one of them. What lies before it
/// in the list came from the client itself and may be invented.
fn find(trusted: &[IpNet], extensions: &Extensions, headers: &HeaderMap) -> IpAddr {
    let peer = peer(extensions);
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let Some(peer) = peer.filter(|&peer| is_trusted(peer)) else {
        return peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    };
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let mut client = peer;
    for hop in forwarded.iter().rev() {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        for (peer, forwarded, expected) in [
            ("203.0.113.9", "", "203.0.113.9"),
            ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
            ("::ffff:10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ] {
            let mut extensions = Extensions::new();
            let peer_address: IpAddr = peer.parse().expect("an address");
            extensions.insert(ConnectInfo(SocketAddr::new(peer_address, 1)));
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", forwarded.parse().expect("a header"));
            assert_eq!(find(&trusted, &extensions, &headers).to_string(), expected, "{peer} {forwarded}");
        }
    }
}
