//! Settings of the flow `proxy`: under which origin, which paths, and how the tenant's sessions are kept.

use std::net::IpAddr;
use std::time::Duration;

use super::reader::{DURATION, Reader, duration, list};
use crate::origin::Origin;
use crate::tenant_session;

const URL: &str = "write another host of the same site, such as https://analytics.portal.example beside \
                   https://portal.example, or leave it out";
const PATHS: &str = "list beginnings of paths of the tenant, such as /hub/,/extra/";
const BUDGET: &str = "write how many logins a minute the tenant may be asked for, from 1 to 10000";
/// The tenant's own limits for its sessions (Qlik Cloud facts, section B.4), with room for what administrators of tests set.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(168 * 60 * 60);

/// The sibling origin. Cookies know no ports, so it needs a host of its own.
pub(super) fn url(reader: &mut Reader, public_url: Option<&Origin>) -> Option<Origin> {
    let origin = reader.optional("PROXY_URL", URL, Origin::parse)?;
    let public_url = public_url?;
    let reason = if origin.host() == public_url.host() {
        "has the host of PUBLIC_URL, and the two would share their cookies"
    } else if origin.is_https() != public_url.is_https() {
        "has another scheme than PUBLIC_URL, so browsers take it for another site"
    } else {
        if !may_be_same_site(&origin, public_url) {
            reader.hint(
                "PROXY_URL shares no domain with PUBLIC_URL, so browsers take it for another site, and those that block \
                 third-party cookies show no sheet",
            );
        }
        return Some(origin);
    };
    reader.problem("PROXY_URL", reason, URL);
    None
}

/// Whether two hosts end in the same domain of at least two labels, or one is below the other. What a registrable domain is,
/// only the list of public suffixes knows; this is enough for a remark.
fn may_be_same_site(one: &Origin, other: &Origin) -> bool {
    let (one, other) = (one.host(), other.host());
    if [&one, &other].iter().any(|host| host.parse::<IpAddr>().is_ok() || host.starts_with('[')) {
        return false;
    }
    let shared = one.rsplit('.').zip(other.rsplit('.')).take_while(|(a, b)| a == b).count();
    shared >= 2
}

/// Beginnings of paths that pass besides those that are known to be needed.
pub(super) fn paths(reader: &mut Reader) -> Vec<String> {
    let paths = reader.optional("PROXY_PATHS", PATHS, |text| {
        let check = |path: &str| match path {
            path if !path.starts_with('/') || path.starts_with("//") => {
                Err("has a path that does not begin with one slash")
            }
            "/" => Err("has /, which is every path there is"),
            path if ["/login", "/logout"].iter().any(|own| path.starts_with(own)) => {
                Err("has /login or /logout, which are never passed on")
            }
            path if path.bytes().any(|byte| !byte.is_ascii_graphic() || b"?#\\%".contains(&byte)) => {
                Err("has a path with characters that no beginning of a path may have")
            }
            path => Ok(path.to_owned()),
        };
        list(text).map(check).collect::<Result<Vec<_>, _>>()
    });
    paths.unwrap_or_default()
}

/// How the tenant's sessions are kept.
pub(super) fn tenant_session(reader: &mut Reader) -> Option<tenant_session::Settings> {
    let age = |text: &str| match duration(text)? {
        age if age < SHORTEST => Err("is less than ten seconds"),
        age if age > LONGEST => Err("is more than 168 hours, which no tenant allows"),
        age => Ok(age),
    };
    let idle = reader.required("QLIK_SESSION_IDLE", DURATION, age);
    let max = reader.required("QLIK_SESSION_MAX", DURATION, age);
    let logins_a_minute = reader.required("QLIK_LOGIN_BUDGET", BUDGET, |text| match text.parse() {
        Ok(budget @ 1..=10_000) => Ok(budget),
        _ => Err("is not such a number"),
    });
    let settings = tenant_session::Settings { idle: idle?, max: max?, logins_a_minute: logins_a_minute? };
    if settings.idle > settings.max {
        reader.problem("QLIK_SESSION_IDLE", "is longer than QLIK_SESSION_MAX", "write both as the tenant has them");
        return None;
    }
    Some(settings)
}
