//! Which headers cross, in each direction. The browser's own session stays here, the tenant's stays here, and neither side
//! learns of the other's addresses.

use std::borrow::Cow;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, request};

use super::{Credentials, Settings, Target};
use crate::origin::Origin;

/// The CSRF token of the tenant's session (Qlik Cloud facts, section D).
pub const CSRF: HeaderName = HeaderName::from_static("qlik-csrf-token");
/// Which web integration a page belongs to (Qlik Cloud facts, section C.1): for browsers that call the tenant themselves.
pub const WEB_INTEGRATION: HeaderName = HeaderName::from_static("qlik-web-integration-id");

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What browsers send with each request besides the names that HTTP knows. A name that was read is an allocation, and two when it
/// is copied; these are none.
static OF_BROWSERS: [HeaderName; 4] = [
    HeaderName::from_static("sec-ch-ua"),
    HeaderName::from_static("sec-ch-ua-mobile"),
    HeaderName::from_static("sec-ch-ua-platform"),
    HeaderName::from_static("priority"),
];

/// What may cross between one tenant and the origin under which visitors see it.
#[derive(Clone, Debug)]
pub struct Rules {
    tenant: Origin,
    origin: Origin,
    host: HeaderValue,
    login: HeaderValue,
    frames: HeaderValue,
    resources: HeaderValue,
}

/// What is left of the headers of an answer.
#[derive(Debug, Default)]
pub struct Answer {
    /// For the browser.
    pub headers: HeaderMap,
    /// The values of `Set-Cookie`, marked as sensitive.
    pub set_cookies: Vec<HeaderValue>,
    /// Whether the tenant leads to its login page instead of answering.
    pub leads_to_login: bool,
}

impl Rules {
    /// The rules between the tenant and the origin of these settings.
    pub fn new(settings: &Settings) -> Self {
        let frames = match settings.frame_ancestors.as_slice() {
            [] => "'none'".to_owned(),
            sources => sources.join(" "),
        };
        let value = |text: &str| HeaderValue::try_from(text);
        // Origins are ASCII, and so are the sources that the configuration lets through.
        let frames = value(&format!("frame-ancestors {frames}"))
            .unwrap_or_else(|_| HeaderValue::from_static("frame-ancestors 'none'"));
        let host = value(settings.tenant.authority()).unwrap_or_else(|_| HeaderValue::from_static(""));
        let login = value(&format!("{}/login", settings.portal)).unwrap_or_else(|_| HeaderValue::from_static("/login"));
        let resources = if settings.portal == settings.origin { "same-origin" } else { "same-site" };
        Self {
            tenant: settings.tenant.clone(),
            origin: settings.origin.clone(),
            host,
            login,
            frames,
            resources: HeaderValue::from_static(resources),
        }
    }

    /// The headers of a request as the tenant gets them.
    ///
    /// Left out is what concerns this connection only (RFC 9110, section 7.6.1), what tells of the visitor's session here or of
    /// where the request comes from, and what other servers take for another method, host or path. A web integration is for
    /// requests with an `Origin`, and there is none (Qlik Cloud facts, section B.1).
    pub fn to_tenant(&self, target: &Target, head: &request::Parts, credentials: &Credentials) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(head.headers.len() + 3);
        headers.insert(header::HOST, self.host.clone());
        let named = Named::of(&head.headers);
        for (name, value) in &head.headers {
            if stays_from_tenant(name.as_str()) || named.contain(name) {
                continue;
            }
            if *name == header::ACCEPT_ENCODING && target.is_api() {
                if let Some(value) = readable_encodings(value) {
                    headers.append(name, value);
                }
                continue;
            }
            let name = OF_BROWSERS.iter().find(|known| *known == name).unwrap_or(name);
            headers.append(name, value.clone());
        }
        headers.insert(header::COOKIE, credentials.cookies.clone());
        if let Some(csrf) = &credentials.csrf
            && !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS)
        {
            headers.insert(CSRF, csrf.clone());
        }
        headers
    }

    /// The headers of an answer as the browser gets them.
    ///
    /// Left out is what concerns the tenant's connection only, the tenant's cookies and CSRF token, what the tenant says about
    /// its own origin (policies, TLS, other addresses, storage), and what a reverse proxy in front of us would obey.
    pub fn to_browser(&self, from: HeaderMap) -> Answer {
        let mut answer = Answer { headers: HeaderMap::with_capacity(from.len() + 4), ..Answer::default() };
        let named = Named::of(&from);
        let mut last = None;
        for (name, mut value) in from {
            // The name of a header that comes again is not repeated.
            let Some(name) = name.or_else(|| last.take()) else { continue };
            last = Some(name.clone());
            if name == header::SET_COOKIE {
                value.set_sensitive(true);
                answer.set_cookies.push(value);
                continue;
            }
            if stays_from_browser(name.as_str()) || named.contain(&name) {
                continue;
            }
            if name == header::LOCATION || name == header::CONTENT_LOCATION {
                let (location, is_login) = self.locate(&value);
                answer.leads_to_login |= is_login && name == header::LOCATION;
                value = location.unwrap_or(value);
            }
            answer.headers.append(name, value);
        }
        self.add_own(&mut answer.headers);
        answer
    }

    fn add_own(&self, headers: &mut HeaderMap) {
        if headers.get(header::CONTENT_TYPE).is_some_and(|media_type| is_document(media_type.as_bytes())) {
            headers.insert(header::CONTENT_SECURITY_POLICY, self.frames.clone());
        }
        headers.insert(RESOURCE_POLICY, self.resources.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    }

    /// Where an address of the tenant is for visitors, when that is elsewhere; and whether it is the tenant's login page. Other
    /// hosts stay: a file may well lie with a content delivery network.
    fn locate(&self, value: &HeaderValue) -> (Option<HeaderValue>, bool) {
        let Ok(address) = value.to_str() else { return (None, false) };
        let (scheme, path) = match self.path_at_tenant(address) {
            Some((scheme, path)) => (scheme, path),
            None if address.starts_with("//") => return (None, false),
            None => ("", address),
        };
        if path.starts_with("/login") {
            return (Some(self.login.clone()), true);
        }
        let there: Cow<'_, str> = match scheme {
            "" => return (None, false),
            "ws://" | "wss://" => self.origin.websocket().into(),
            _ => self.origin.as_str().into(),
        };
        (HeaderValue::try_from(format!("{there}{path}")).ok(), false)
    }

    /// Scheme and path of an absolute address, when its host is the tenant.
    fn path_at_tenant<'a>(&self, address: &'a str) -> Option<(&'static str, &'a str)> {
        let begins = |scheme: &&str| address.get(..scheme.len()).is_some_and(|text| text.eq_ignore_ascii_case(scheme));
        let scheme = ["https://", "http://", "wss://", "ws://", "//"].into_iter().find(|scheme| begins(scheme))?;
        let rest = &address[scheme.len()..];
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let port = match scheme {
            "http://" | "ws://" => ":80",
            _ => ":443",
        };
        let authority = authority.strip_suffix(port).unwrap_or(authority);
        let tenant = self.tenant.authority();
        authority.eq_ignore_ascii_case(tenant.strip_suffix(port).unwrap_or(tenant)).then_some((scheme, path))
    }
}

/// Pages, which somebody could frame.
fn is_document(media_type: &[u8]) -> bool {
    let begins =
        |with: &str| media_type.get(..with.len()).is_some_and(|text| text.eq_ignore_ascii_case(with.as_bytes()));
    begins("text/html") || begins("application/xhtml+xml")
}

/// Of the encodings that the browser reads, those that we read too, for the sake of [`super::links`].
fn readable_encodings(accepted: &HeaderValue) -> Option<HeaderValue> {
    let accepted = accepted.to_str().ok()?;
    // What every browser of today says over https, and over http.
    if matches!(accepted, "gzip, deflate, br, zstd" | "gzip, deflate, br") {
        return Some(HeaderValue::from_static("gzip, br"));
    }
    let is_readable = |item: &&str| {
        let coding = item.split(';').next().unwrap_or_default().trim();
        coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("br")
    };
    let readable: Vec<&str> = accepted.split(',').map(str::trim).filter(is_readable).collect();
    if readable.is_empty() { None } else { HeaderValue::try_from(readable.join(", ")).ok() }
}

/// For one connection only (RFC 9110, section 7.6.1; RFC 9112, appendix C.2.2; RFC 7540, section 3.2.1).
fn is_of_connection(name: &str) -> bool {
    matches!(name, "connection" | "keep-alive" | "te" | "trailer" | "transfer-encoding" | "upgrade" | "http2-settings")
        || name.starts_with("proxy-")
}

fn stays_from_tenant(name: &str) -> bool {
    match name {
        // Ours, or set anew.
        "host" | "cookie" | "cookie2" | "authorization" | "qlik-csrf-token" | "qlik-web-integration-id" => true,
        // Where the request comes from.
        "origin"
        | "referer"
        | "forwarded"
        | "via"
        | "from"
        | "x-real-ip"
        | "x-client-ip"
        | "x-cluster-client-ip"
        | "true-client-ip"
        | "cf-connecting-ip" => true,
        // To which trace it belongs is for the tenant only when `TRACE_TENANT` says so; then it is set anew.
        "traceparent" | "tracestate" | "baggage" => true,
        // Already answered: who asks for the body gets it (RFC 9110, section 10.1.1).
        "expect" => true,
        // Another host, path or method, to servers that believe it.
        "x-host" | "x-rewrite-url" | "x-http-method" | "x-http-method-override" | "x-method-override" => true,
        _ => {
            is_of_connection(name)
                || name.starts_with("x-forwarded-")
                || name.starts_with("x-original-")
                || name.starts_with("sec-fetch-")
        }
    }
}

fn stays_from_browser(name: &str) -> bool {
    match name {
        "set-cookie" | "set-cookie2" | "qlik-csrf-token" => true,
        // About the tenant's own origin.
        "content-security-policy"
        | "content-security-policy-report-only"
        | "x-frame-options"
        | "strict-transport-security"
        | "public-key-pins"
        | "expect-ct"
        | "alt-svc"
        | "clear-site-data"
        | "service-worker-allowed"
        | "report-to"
        | "reporting-endpoints"
        | "nel"
        | "origin-agent-cluster" => true,
        // Orders to a reverse proxy in front of us.
        "x-sendfile" => true,
        _ => {
            is_of_connection(name)
                || name.starts_with("access-control-")
                || name.starts_with("cross-origin-")
                || name.starts_with("x-accel-")
        }
    }
}

/// What `Connection` names besides the headers that never cross.
#[derive(Debug, Default)]
struct Named(Vec<String>);

impl Named {
    fn of(headers: &HeaderMap) -> Self {
        // What ends the connection is no header, and these never cross: nothing to remember, for most requests.
        let is_news =
            |name: &&str| !["", "close", "keep-alive", "upgrade"].iter().any(|known| name.eq_ignore_ascii_case(known));
        let values = headers.get_all(header::CONNECTION).iter();
        // Whoever writes other characters than ASCII names no header with them.
        let names = values.flat_map(|value| value.to_str().unwrap_or_default().split(',')).map(str::trim);
        Self(names.filter(is_news).map(str::to_owned).collect())
    }

    fn contain(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|named| named.eq_ignore_ascii_case(name.as_str()))
    }
}

#[cfg(test)]
mod tests;
