//! Web origins (RFC 6454): scheme, host and port, without a path. The public address, the tenant, and every site in an
//! allow-list are origins.

use std::fmt;

use serde::Serialize;
use url::{Host, Url};

/// An `http` or `https` origin in its ASCII serialization (RFC 6454, section 6.2), for example `https://portal.example`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Origin(String);

/// Why a text is not an origin. Each message says what to write instead.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OriginError {
    /// Not an absolute URL.
    #[error("is not an address such as https://portal.example")]
    NotAUrl,
    /// A scheme other than http and https.
    #[error("must start with https:// (or http:// on this machine)")]
    Scheme,
    /// A host that no name or address can have. URLs allow more than that, and policies are built from origins.
    #[error("has no usable host name: letters, digits, dots and hyphens, or an IP address")]
    Host,
    /// Something follows the host and port.
    #[error("must end after the host name: remove the path, query, fragment and user name")]
    MoreThanAnOrigin,
    /// Plain http towards another machine.
    #[error("must be https: plain http is accepted only for this machine (localhost, 127.0.0.1, [::1])")]
    PlainHttp,
}

impl Origin {
    /// Reads `https://host[:port]`, with or without a slash at the end.
    ///
    /// # Errors
    /// When the text is not a URL, has another scheme, or carries more than an origin.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).map_err(|_| OriginError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OriginError::Scheme);
        }
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::MoreThanAnOrigin);
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
        match url.host() {
            Some(Host::Domain(name)) if !name.chars().all(plain) => Err(OriginError::Host),
            Some(_) => Ok(Self(url.origin().ascii_serialization())),
            None => Err(OriginError::NotAUrl),
        }
    }

    /// Like [`Origin::parse`], but plain http only for loopback, where nobody else can listen.
    ///
    /// # Errors
    /// As for [`Origin::parse`], and when http would leave this machine.
    pub fn parse_secure(text: &str) -> Result<Self, OriginError> {
        let origin = Self::parse(text)?;
        if origin.is_https() || origin.is_loopback() { Ok(origin) } else { Err(OriginError::PlainHttp) }
    }

    /// The origin as browsers write it in the `Origin` header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether traffic to this origin is encrypted.
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// Host and port, as in the header `Host` (RFC 9110, section 7.2): without the port that is the scheme's own.
    pub fn authority(&self) -> &str {
        self.0.split_once("://").map_or(&self.0, |(_, authority)| authority)
    }

    /// The host, without the port. An IPv6 address has its brackets.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        let end = authority.rfind(':').filter(|&colon| !authority[colon..].contains(']'));
        &authority[..end.unwrap_or(authority.len())]
    }

    /// The port, also when it is the scheme's own.
    pub fn port(&self) -> u16 {
        let port = self.authority()[self.host().len()..].strip_prefix(':').and_then(|port| port.parse().ok());
        port.unwrap_or(if self.is_https() { 443 } else { 80 })
    }

    /// The same origin for WebSockets: `wss` for `https`, `ws` for `http`.
    pub fn websocket(&self) -> String {
        format!("ws{}", &self.0["http".len()..])
    }

    fn is_loopback(&self) -> bool {
        match Url::parse(&self.0).ok().as_ref().and_then(Url::host) {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_normalised_and_nothing_else_passes() {
        for (text, expected) in [
            ("https://portal.example", Ok("https://portal.example")),
            ("https://Portal.Example:443/", Ok("https://portal.example")),
            ("http://localhost:8080", Ok("http://localhost:8080")),
            ("portal.example", Err(OriginError::NotAUrl)),
            ("ftp://portal.example", Err(OriginError::Scheme)),
            ("https://portal.example/qlik", Err(OriginError::MoreThanAnOrigin)),
            ("https://portal.example?x=1", Err(OriginError::MoreThanAnOrigin)),
            ("https://ada@portal.example", Err(OriginError::MoreThanAnOrigin)),
            ("https://b\u{fc}ro.example", Ok("https://xn--bro-hoa.example")),
            ("https://[2001:db8::1]:8443", Ok("https://[2001:db8::1]:8443")),
            ("https://{domain}", Err(OriginError::Host)),
            ("https://a.example;script-src", Err(OriginError::Host)),
            ("https://a\"b.example", Err(OriginError::Host)),
            ("https://*.example", Err(OriginError::Host)),
        ] {
            assert_eq!(Origin::parse(text).as_ref().map(Origin::as_str), expected.as_ref().copied(), "{text}");
        }
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for text in ["http://localhost:1", "http://acme.localhost", "http://127.0.0.1:8080", "http://[::1]:8080"] {
            assert!(Origin::parse_secure(text).is_ok(), "{text}");
        }
        for text in ["http://portal.example", "http://10.0.0.1", "http://localhost.example"] {
            assert_eq!(Origin::parse_secure(text), Err(OriginError::PlainHttp), "{text}");
        }
    }

    #[test]
    fn hosts_and_ports_are_told_apart() {
        for (text, host, port) in [
            ("https://portal.example", "portal.example", 443),
            ("http://localhost:8080", "localhost", 8080),
            ("https://[2001:db8::1]", "[2001:db8::1]", 443),
            ("http://[::1]:8080", "[::1]", 8080),
        ] {
            let origin = Origin::parse(text).expect(text);
            assert_eq!((origin.host(), origin.port()), (host, port), "{text}");
            assert!(text.ends_with(origin.authority()), "{text}");
        }
    }

    #[test]
    fn sockets_keep_host_and_port() {
        let websocket = |text| Origin::parse(text).map(|origin| origin.websocket());
        assert_eq!(websocket("https://t.eu.qlikcloud.com").as_deref(), Ok("wss://t.eu.qlikcloud.com"));
        assert_eq!(websocket("http://localhost:81").as_deref(), Ok("ws://localhost:81"));
    }
}
