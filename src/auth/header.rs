//! Identity asserted by a proxy before us, in headers of each request (oauth2-proxy, Authelia, Apache, nginx). Whose
//! headers are believed is decided where the request arrives, in `web`; here they are only read.

use std::fmt;

use axum::http::{HeaderMap, HeaderName};
use serde_json::Map;

use crate::identity::{Identity, Source};

/// Which headers say who the visitor is. What is not named here is never believed.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The id: without it, the proxy names nobody.
    pub id: HeaderName,
    /// The display name.
    pub name: Option<HeaderName>,
    /// The e-mail address.
    pub email: Option<HeaderName>,
    /// The groups, in one header.
    pub groups: Option<HeaderName>,
    /// What stands between two groups; not empty.
    pub separator: String,
    /// Where the proxy's own session is ended: a path, or an address with http or https.
    pub sign_out_url: Option<String>,
}

/// Why headers are not believed although a trusted proxy sent them. Names of headers only, never what they say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// One of them is the proxy's and the other perhaps the visitor's own.
    #[error("the header {0} came more than once")]
    Twice(HeaderName),
    /// Guessing an encoding could make one person another.
    #[error("the header {0} is not UTF-8 text, or has control characters")]
    NotText(HeaderName),
}

impl Settings {
    /// The headers that are believed.
    pub fn names(&self) -> impl Iterator<Item = &HeaderName> {
        [Some(&self.id), self.name.as_ref(), self.email.as_ref(), self.groups.as_ref()].into_iter().flatten()
    }

    /// Who the proxy says this is; `None` when it names nobody.
    ///
    /// # Errors
    /// When a header can be read in two ways: see [`Refused`].
    pub fn read(&self, headers: &HeaderMap) -> Result<Option<Identity>, Refused> {
        let optional = |name: &Option<HeaderName>| name.as_ref().map_or(Ok(None), |name| text(headers, name));
        let (id, name) = (text(headers, &self.id)?, optional(&self.name)?);
        let (email, groups) = (optional(&self.email)?, optional(&self.groups)?);
        Ok(id.map(|id| Identity {
            source: Source::Header,
            id: id.to_owned(),
            name: name.unwrap_or_default().to_owned(),
            email: email.map(str::to_owned),
            groups: self.split(groups.unwrap_or_default()),
            claims: Map::new(),
        }))
    }

    /// In one order, so that a proxy that shuffles them changes nobody.
    fn split(&self, groups: &str) -> Vec<String> {
        let groups = groups.split(&*self.separator).map(str::trim).filter(|group| !group.is_empty());
        let mut groups: Vec<_> = groups.map(str::to_owned).collect();
        groups.sort();
        groups.dedup();
        groups
    }

    /// Takes away every header that could be taken for one of ours, and says which there were.
    pub fn remove(&self, headers: &mut HeaderMap) -> Removed {
        self.remove_where(headers, is_alike)
    }

    /// Takes away what only looks like a header of ours: proxies overwrite `X-Forwarded-User`, and some of them pass
    /// `X_Forwarded_User` on, which others read as the same.
    pub fn remove_variants(&self, headers: &mut HeaderMap) -> Removed {
        self.remove_where(headers, |name, ours| name != ours && is_alike(name, ours))
    }

    fn remove_where(&self, headers: &mut HeaderMap, is_one: impl Fn(&HeaderName, &HeaderName) -> bool) -> Removed {
        let is_one = |name: &&HeaderName| self.names().any(|ours| is_one(name, ours));
        // Asked on each request and nearly always empty, which costs no allocation.
        let found: Vec<_> = headers.keys().filter(is_one).cloned().collect();
        for name in &found {
            headers.remove(name);
        }
        Removed(found)
    }
}

/// Names of headers that were taken away.
#[derive(Debug, PartialEq, Eq)]
pub struct Removed(Vec<HeaderName>);

impl Removed {
    /// Whether there was nothing to take away.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Whether two names are one to software that takes `_` for `-`, as CGI does (RFC 3875, section 4.1.18).
pub fn is_alike(one: &HeaderName, other: &HeaderName) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte };
    let (one, other) = (one.as_str().as_bytes(), other.as_str().as_bytes());
    one.len() == other.len() && one.iter().zip(other).all(|(&one, &other)| plain(one) == plain(other))
}

/// What a header says, without the white space around it; `None` when it says nothing.
fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refused::Twice(name.clone()));
    }
    let text = std::str::from_utf8(value.as_bytes()).ok().map(|text| text.trim_matches([' ', '\t']));
    let text = text.filter(|text| !text.chars().any(char::is_control)).ok_or_else(|| Refused::NotText(name.clone()))?;
    Ok((!text.is_empty()).then_some(text))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn settings(separator: &str) -> Settings {
        Settings {
            id: HeaderName::from_static("x-user"),
            name: Some(HeaderName::from_static("x-name")),
            email: Some(HeaderName::from_static("x-email")),
            groups: Some(HeaderName::from_static("x-groups")),
            separator: separator.to_owned(),
            sign_out_url: None,
        }
    }

    fn headers(list: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_bytes(value).expect("bytes that a header may have"));
        }
        headers
    }

    #[test]
    fn the_headers_say_who_this_is() {
        let said = headers(&[
            ("x-user", b" Ada\\42 "),
            ("x-name", "Ada Lovelace, Gräfin".as_bytes()),
            ("x-email", b"ada@example.com"),
            ("x-groups", b"sales, all,,sales ,"),
            ("x-forwarded-user", b"mallory"),
        ]);
        let ada = settings(",").read(&said).expect("in order").expect("somebody");
        assert_eq!((ada.key().as_str(), ada.name.as_str()), ("header:Ada\\42", "Ada Lovelace, Gräfin"));
        assert_eq!((ada.email.as_deref(), ada.groups), (Some("ada@example.com"), vec!["all".into(), "sales".into()]));
        for (separator, groups) in [(";", ["b,c", "a"]), ("|", ["b;c", "a"]), ("::", ["b:c", "a"])] {
            let said = headers(&[("x-user", b"ada"), ("x-groups", groups.join(separator).as_bytes())]);
            let ada = settings(separator).read(&said).expect("in order").expect("somebody");
            assert_eq!(ada.groups, ["a", groups[0]], "{separator}");
            assert_eq!((ada.name.as_str(), ada.email), ("", None));
        }
    }

    #[test]
    fn without_an_id_it_is_nobody() {
        let nobody: [&[(&'static str, &[u8])]; 4] =
            [&[], &[("x-email", b"ada@example.com")], &[("x-user", b""), ("x-name", b"Ada")], &[("x-user", b" \t")]];
        for said in nobody {
            assert_eq!(settings(",").read(&headers(said)), Ok(None), "{said:?}");
        }
        let unnamed = Settings { email: None, groups: None, ..settings(",") };
        let said = headers(&[("x-user", b"ada"), ("x-email", b"a@example.com"), ("x-email", b"b"), ("x-groups", b"x")]);
        let ada = unnamed.read(&said).expect("what is not named is not read").expect("somebody");
        assert_eq!((ada.email, ada.groups.len()), (None, 0));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let twice = |name| Refused::Twice(HeaderName::from_static(name));
        let not_text = |name| Refused::NotText(HeaderName::from_static(name));
        for (said, expected) in [
            (&[("x-user", &b"ada"[..]), ("x-user", b"ada")][..], twice("x-user")),
            (&[("x-user", b"ada"), ("x-user", b"")], twice("x-user")),
            (&[("x-user", b"ada"), ("x-groups", b"a"), ("x-groups", b"b")], twice("x-groups")),
            (&[("x-email", b"a"), ("x-email", b"b")], twice("x-email")),
            (&[("x-user", b"Andr\xe9")], not_text("x-user")),
            (&[("x-user", b"ada"), ("x-name", b"a\tb")], not_text("x-name")),
            (&[("x-user", "ada\u{85}".as_bytes())], not_text("x-user")),
        ] {
            assert_eq!(settings(",").read(&headers(said)), Err(expected));
        }
    }

    #[test]
    fn headers_that_look_alike_are_removed_with_them() {
        let all: &[(&'static str, &[u8])] = &[
            ("x_user", b"mallory"),
            ("x-user", b"ada"),
            ("x-user", b"eve"),
            ("x-groups", b"admins"),
            ("x-users", b"stays"),
            ("cookie", b"stays"),
        ];
        let mut of_anybody = headers(all);
        assert_eq!(settings(",").remove(&mut of_anybody).to_string(), "x_user, x-user, x-groups");
        assert!(of_anybody.len() == 2 && of_anybody.contains_key("x-users") && of_anybody.contains_key("cookie"));
        let mut of_the_proxy = headers(all);
        assert_eq!(settings(",").remove_variants(&mut of_the_proxy).to_string(), "x_user");
        assert!(settings(",").remove_variants(&mut of_the_proxy).is_empty());
        assert_eq!(of_the_proxy.get_all("x-user").iter().count(), 2);
    }
}
