//! Which paths of the tenant pass, judged byte by byte on what the browser wrote: nothing is decoded, joined or normalised
//! on the way, so the tenant reads the very bytes that were judged here.
//!
//! Two readers that disagree about a path are the danger: `/api/..%2flogin` is one thing to a reader that decodes and another
//! to one that does not. So whatever readers are known to disagree about is refused, wherever it would lead.

use std::borrow::Cow;

use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, Method, Version, request};

use super::headers::{CSRF, WEB_INTEGRATION};

/// Path and query together. Browsers and proxies stop at about as much.
const LONGEST: usize = 8 * 1024;

/// What `/single`, the tenant's client and the embedded components ask for (Qlik Cloud facts, section G.1).
const KNOWN: [&str; 10] = [
    "/single/",
    "/resources/",
    "/assets/",
    "/api/",
    "/app/",
    "/qlik-embed/",
    "/sense/",
    "/extensions/",
    "/themes/",
    "/fonts/",
];
/// Known paths with nothing below them.
const KNOWN_WHOLE: &str = "/single";
/// Signing in and out of the tenant is ours alone, whatever an administrator lists.
const NEVER: [&str; 2] = ["/login", "/logout"];

const NO_SLASH: &str = "does not begin with a slash";

/// A path of the tenant that passes, with its query, byte for byte as the browser wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(PathAndQuery);

/// Why a request is for no path of the tenant.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refused {
    /// No such path is passed on.
    #[error("is no path that is passed on")]
    NotAllowed,
    /// Not what a browser would write, or what two readers would read in two ways.
    #[error("{0}")]
    Malformed(&'static str),
    /// More than 8 KiB.
    #[error("is longer than 8 KiB")]
    TooLong,
    /// CONNECT, which asks for a tunnel to anywhere, or TRACE, whose answer would hold the tenant's cookies.
    #[error("is a method that is not passed on")]
    Method,
}

/// The list of paths that pass.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    /// Beginnings, from the administrator.
    more: Vec<String>,
}

impl Paths {
    /// The known paths, and those that begin as one of `more`.
    pub fn new(more: Vec<String>) -> Self {
        Self { more }
    }

    /// Which path of the tenant a request is for. Where the request says for which host it is, that is the caller's to check:
    /// it goes to the tenant in any case.
    ///
    /// # Errors
    /// When it is for none that passes, or is not what a browser would write.
    pub fn target(&self, head: &request::Parts) -> Result<Target, Refused> {
        if matches!(head.method, Method::CONNECT | Method::TRACE) {
            return Err(Refused::Method);
        }
        check_form(&head.uri, head.version)?;
        let target = head.uri.path_and_query().ok_or(Refused::Malformed(NO_SLASH))?;
        self.check(target.as_str().as_bytes())?;
        Ok(Target(target.clone()))
    }

    /// Judges a request target in origin-form (RFC 9112, section 3.2.1).
    ///
    /// # Errors
    /// As for [`Paths::target`].
    pub fn parse(&self, target: &[u8]) -> Result<Target, Refused> {
        self.check(target)?;
        // The library knows more characters that cannot be.
        let kept = PathAndQuery::try_from(target).ok().filter(|kept| kept.as_str().as_bytes() == target);
        kept.map(Target).ok_or(Refused::Malformed("has characters that a request target cannot have"))
    }

    fn check(&self, target: &[u8]) -> Result<(), Refused> {
        if target.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        if !target.starts_with(b"/") {
            return Err(Refused::Malformed(NO_SLASH));
        }
        if !target.iter().all(u8::is_ascii_graphic) || target.contains(&b'#') {
            return Err(Refused::Malformed("has characters that a request target cannot have"));
        }
        let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
        if path.contains(&b'\\') {
            return Err(Refused::Malformed("has a backslash"));
        }
        let decoded = decode(path)?;
        check_segments(path)?;
        if !self.allow(path, &decoded) {
            return Err(Refused::NotAllowed);
        }
        Ok(())
    }

    fn allow(&self, path: &[u8], decoded: &[u8]) -> bool {
        let begins = |path: &[u8], with: &str| {
            path.get(..with.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(with.as_bytes()))
        };
        if NEVER.iter().any(|never| begins(decoded, never)) {
            return false;
        }
        path == KNOWN_WHOLE.as_bytes()
            || KNOWN.iter().any(|known| path.starts_with(known.as_bytes()))
            || self.more.iter().any(|more| path.starts_with(more.as_bytes()))
    }
}

impl Target {
    /// Path and query as they go to the tenant.
    pub fn path_and_query(&self) -> &PathAndQuery {
        &self.0
    }

    /// The path, as the browser wrote it.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The query, as the browser wrote it.
    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// Whether this is REST, where answers hold links.
    pub fn is_api(&self) -> bool {
        self.path().starts_with("/api/")
    }

    /// The app whose engine socket this is (`/app/{id}[/identity/..][/ttl/..]`; Qlik Cloud facts, section F.1), as the browser
    /// wrote it: compare it with the ids that are allowed, and nothing that is written in another way passes.
    pub fn app(&self) -> Option<&str> {
        self.path().strip_prefix("/app/")?.split('/').next().filter(|id| !id.is_empty())
    }

    /// What a handshake asks the tenant for: with the CSRF token of the tenant's session instead of the browser's, and without a
    /// web integration, since there is no `Origin` (Qlik Cloud facts, sections D and F.1). All else stays byte for byte.
    ///
    /// Like the token itself, this is a secret.
    pub(super) fn for_upgrade(&self, csrf: Option<&HeaderValue>) -> PathAndQuery {
        let is_own = |parameter: &&str| {
            let name = parameter.split('=').next().unwrap_or_default();
            [CSRF, WEB_INTEGRATION].iter().any(|own| reads_as(name, own.as_str()))
        };
        let kept = self.query().unwrap_or_default().split('&').filter(|parameter| !is_own(parameter));
        let mut parameters: Vec<Cow<'_, str>> = kept.map(Cow::Borrowed).collect();
        if self.query().is_none_or(str::is_empty) {
            parameters.clear();
        }
        if let Some(csrf) = csrf {
            let token: String = url::form_urlencoded::byte_serialize(csrf.as_bytes()).collect();
            parameters.push(format!("{CSRF}={token}").into());
        }
        let edited = match parameters.as_slice() {
            [] => self.path().to_owned(),
            _ => format!("{}?{}", self.path(), parameters.join("&")),
        };
        // A valid query without some of its parameters, and with one in characters that are valid, is valid.
        PathAndQuery::try_from(edited).unwrap_or_else(|_| self.0.clone())
    }
}

/// Whether the name of a parameter is this one, to whoever decodes it.
fn reads_as(name: &str, known: &str) -> bool {
    name.eq_ignore_ascii_case(known)
        || decode_once(name.as_bytes(), false).is_ok_and(|name| name.eq_ignore_ascii_case(known.as_bytes()))
}

/// Requests of HTTP/1 that name a host before the path are for forward proxies (RFC 9112, sections 3.2.2 and 3.2.3), and
/// none of them comes from a browser that knows us as a server. In HTTP/2 every request names it.
fn check_form(uri: &Uri, version: Version) -> Result<(), Refused> {
    let names_host = uri.scheme().is_some() || uri.authority().is_some();
    if names_host && version < Version::HTTP_2 {
        return Err(Refused::Malformed("names a host before the path"));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Refused::Malformed("names a user"));
    }
    Ok(())
}

/// What the tenant may read in a path, whose percent-encoding must be beyond doubt: nothing that parts or ends a path may be
/// hidden in it, also not from a reader that decodes twice.
fn decode(path: &[u8]) -> Result<Cow<'_, [u8]>, Refused> {
    let mut decoded = Cow::Borrowed(path);
    for round in 0.. {
        // Overlong forms such as %c0%af are slashes to careless readers, and half a character may be whole after another round.
        if std::str::from_utf8(&decoded).is_err() {
            return Err(Refused::Malformed("encodes something else than UTF-8"));
        }
        if !decoded.contains(&b'%') {
            break;
        }
        let once = decode_once(&decoded, round == 0)?;
        // What is left of percent signs encodes nothing.
        if once == decoded.as_ref() {
            break;
        }
        decoded = Cow::Owned(once);
    }
    Ok(decoded)
}

fn decode_once(path: &[u8], strict: bool) -> Result<Vec<u8>, Refused> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let value = if byte == b'%' { hex(rest) } else { None };
        match value {
            None if byte == b'%' && strict => {
                return Err(Refused::Malformed("has a percent sign that encodes nothing"));
            }
            None => decoded.push(byte),
            Some(b'/' | b'\\' | b'.' | 0..=0x1f | 0x7f) => {
                return Err(Refused::Malformed("encodes a slash, a backslash, a dot or a control character"));
            }
            Some(value) => {
                decoded.push(value);
                rest = &rest[2..];
            }
        }
    }
    Ok(decoded)
}

fn hex(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// No segment may be empty, but the last, or lead upwards, also not before parameters: `/api/..;/login`.
fn check_segments(path: &[u8]) -> Result<(), Refused> {
    let mut segments = path.split(|&byte| byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let name = segment.split(|&byte| byte == b';').next().unwrap_or_default();
        if matches!(name, b"." | b"..") {
            return Err(Refused::Malformed("has a segment of dots"));
        }
        if segment.is_empty() && segments.peek().is_some() {
            return Err(Refused::Malformed("has two slashes in a row"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
