//! How others are reached: straight, or through the proxy of the network that we are in.

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::NoProxy;
use url::Url;

use crate::origin::Origin;

/// Which proxy is for whom. The default is none for anybody.
#[derive(Clone, Default)]
pub struct WayOut(Option<Arc<Rules>>);

struct Rules {
    https: Option<Url>,
    http: Option<Url>,
    straight: String,
    matcher: Matcher,
}

/// A proxy to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Its name or address; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What the header `Proxy-Authorization` says, marked as sensitive.
    pub authorization: Option<HeaderValue>,
}

impl WayOut {
    /// By these proxies for `https` and for `http`, plain HTTP both, perhaps with a user name and a password; but straight to
    /// the hosts in this list, which is read as hyper-util reads `NO_PROXY`: names with all below them, addresses, networks,
    /// and `*`.
    pub fn through(https: Option<Url>, http: Option<Url>, straight: &str) -> Self {
        if https.is_none() && http.is_none() {
            return Self::default();
        }
        let text = |proxy: &Option<Url>| proxy.as_ref().map(Url::to_string).unwrap_or_default();
        let matcher = Matcher::builder().https(text(&https)).http(text(&http)).no(straight).build();
        Self(Some(Arc::new(Rules { https, http, straight: straight.to_owned(), matcher })))
    }

    /// The proxy through which an origin is reached, if it is not reached straight.
    pub fn to(&self, origin: &Origin) -> Option<Via> {
        let found = self.0.as_ref()?.matcher.intercept(&origin.as_str().parse::<Uri>().ok()?)?;
        Some(Via {
            host: found.uri().host()?.trim_matches(['[', ']']).to_owned(),
            port: found.uri().port_u16().unwrap_or(80),
            authorization: found.basic_auth().cloned(),
        })
    }

    /// The same for a client of reqwest, which reads them in the same way.
    pub(super) fn proxies(&self) -> reqwest::Result<Vec<reqwest::Proxy>> {
        let Some(rules) = &self.0 else { return Ok(Vec::new()) };
        let straight = || NoProxy::from_string(&rules.straight);
        let https = rules.https.clone().map(reqwest::Proxy::https);
        let http = rules.http.clone().map(reqwest::Proxy::http);
        https.into_iter().chain(http).map(|proxy| Ok(proxy?.no_proxy(straight()))).collect()
    }
}

impl fmt::Debug for WayOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The matcher shows no passwords.
        f.debug_tuple("WayOut").field(&self.0.as_ref().map(|rules| &rules.matcher)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Option<Url> {
        Some(Url::parse(text).expect("an address"))
    }

    fn to(way: &WayOut, origin: &str) -> Option<(String, u16, Option<String>)> {
        let via = way.to(&Origin::parse(origin).expect("an origin"))?;
        let authorization = via.authorization.map(|value| value.to_str().expect("text").to_owned());
        Some((via.host, via.port, authorization))
    }

    #[test]
    fn each_scheme_has_its_proxy_and_some_hosts_have_none() {
        let way = WayOut::through(url("http://[::1]:3128"), url("http://proxy.example"), ".inner.example, 10.0.0.0/8");
        for (origin, expected) in [
            ("https://acme.eu.qlikcloud.com", Some(("::1", 3128))),
            ("https://acme.eu.qlikcloud.com:8443", Some(("::1", 3128))),
            ("http://localhost:4000", Some(("proxy.example", 80))),
            ("https://inner.example", None),
            ("https://Tenant.Inner.example", None),
            ("https://10.1.2.3", None),
            ("https://notinner.example", Some(("::1", 3128))),
        ] {
            assert_eq!(to(&way, origin), expected.map(|(host, port)| (host.to_owned(), port, None)), "{origin}");
        }
        assert_eq!(to(&WayOut::through(url("http://proxy.example"), None, ""), "http://localhost"), None);
        assert_eq!(to(&WayOut::through(url("http://proxy.example"), None, "*"), "https://acme.example"), None);
        assert_eq!(to(&WayOut::default(), "https://acme.example"), None);
        assert_eq!(way.proxies().expect("usable").len(), 2);
    }

    #[test]
    fn credentials_are_used_and_not_shown() {
        let way = WayOut::through(url("http://ada:p%40ss|word@proxy.example:3128"), None, "");
        let expected = ("proxy.example".to_owned(), 3128, Some("Basic YWRhOnBAc3N8d29yZA==".to_owned()));
        assert_eq!(to(&way, "https://acme.example"), Some(expected));
        let via = way.to(&Origin::parse("https://acme.example").expect("an origin"));
        let shown = format!("{way:?} {via:?}");
        assert!(!shown.contains("word") && !shown.contains("YWRh") && shown.contains("proxy.example"), "{shown}");
    }
}
