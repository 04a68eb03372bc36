//! The tenant's cookies, held for a visitor (Qlik Cloud facts, section B.3): every one that it sets, by RFC 6265 as far as one
//! host needs it.
//!
//! They go to the host that set them and nowhere else, whatever `Domain` says, and to all of its paths, as in Qlik's own
//! proxies. So a name is there once.

use std::fmt;

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::date;

/// How many cookies are kept; real tenants set fewer than ten.
const MOST: usize = 50;
/// The longest header `Cookie` that is made, in bytes: what servers commonly take in one header.
const LONGEST: usize = 8 * 1024;

/// The cookies of one visitor.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookies(Vec<Cookie>);

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Cookie {
    name: String,
    value: String,
    /// Seconds since 1970; without it, it lives as long as the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<i64>,
}

/// What an answer of the tenant changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing.
    None,
    /// What changes with every answer: by which machine of the tenant we are served, or until when a cookie is good.
    Routine,
    /// A cookie.
    Real,
}

impl Cookies {
    /// Takes over what the headers `Set-Cookie` of an answer say, one after the other. What is no cookie is passed over.
    pub fn update<'a>(&mut self, lines: impl IntoIterator<Item = &'a HeaderValue>, now: OffsetDateTime) -> Change {
        let now = now.unix_timestamp();
        let said = lines.into_iter().filter_map(|line| Said::parse(line.to_str().ok()?, now));
        said.map(|said| self.hear(said, now)).max().unwrap_or(Change::None)
    }

    fn hear(&mut self, said: Said<'_>, now: i64) -> Change {
        let Said { name, value, ends } = said;
        let routine = is_routine(name);
        let change = if routine { Change::Routine } else { Change::Real };
        let at = self.0.iter().position(|cookie| cookie.name == name);
        let gone = ends.is_some_and(|ends| ends <= now);
        match at {
            None if gone || self.0.len() >= MOST || self.length() + name.len() + value.len() + 3 > LONGEST => {
                if !gone {
                    tracing::warn!(name, "the tenant sets more cookies than can be kept; this one is not");
                }
                Change::None
            }
            None => {
                self.0.push(Cookie { name: name.to_owned(), value: value.to_owned(), ends });
                change
            }
            Some(at) if gone => {
                self.0.remove(at);
                change
            }
            Some(at) => {
                let cookie = &mut self.0[at];
                if cookie.value == value {
                    let moved = cookie.ends != ends;
                    cookie.ends = ends;
                    return if moved { Change::Routine } else { Change::None };
                }
                (cookie.value, cookie.ends) = (value.to_owned(), ends);
                change
            }
        }
    }

    fn length(&self) -> usize {
        self.0.iter().map(|cookie| cookie.name.len() + cookie.value.len() + 3).sum()
    }

    /// The header `Cookie` as it is now, marked as sensitive. `None` when no cookie is left, or none but what says which
    /// machine serves us: then there is no session.
    pub fn header(&self, now: OffsetDateTime) -> Option<HeaderValue> {
        let mut text = String::with_capacity(self.length());
        let mut has_more = false;
        for cookie in self.0.iter().filter(|cookie| cookie.ends.is_none_or(|ends| ends > now.unix_timestamp())) {
            has_more |= !is_routine(&cookie.name);
            for part in [if text.is_empty() { "" } else { "; " }, &cookie.name, "=", &cookie.value] {
                text.push_str(part);
            }
        }
        if !has_more {
            return None;
        }
        let mut header = HeaderValue::try_from(text).ok()?; // all of it has been in headers
        header.set_sensitive(true);
        Some(header)
    }

    /// When the next of them ends, and so the header changes.
    pub fn next_end(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let ends = self.0.iter().filter_map(|cookie| cookie.ends).filter(|ends| *ends > now.unix_timestamp()).min()?;
        OffsetDateTime::from_unix_timestamp(ends).ok()
    }
}

/// Names alone: values are secrets.
impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|cookie| &cookie.name)).finish()
    }
}

/// Whether nothing but the stickiness of a load balancer (AWS sets it anew with every answer) is in these headers: then it is
/// enough to look at them now and then.
pub fn is_all_routine(lines: &[HeaderValue]) -> bool {
    lines.iter().all(|line| line.as_bytes().starts_with(STICKY.as_bytes()))
}

/// How the names of AWS's stickiness cookies begin.
const STICKY: &str = "AWSALB";

/// Whether a cookie of this name says by which machine of the tenant we are served, and nothing of the session.
pub fn is_routine(name: &str) -> bool {
    name.starts_with(STICKY)
}

/// One header `Set-Cookie` (RFC 6265, section 5.2).
struct Said<'a> {
    name: &'a str,
    value: &'a str,
    ends: Option<i64>,
}

impl<'a> Said<'a> {
    fn parse(line: &'a str, now: i64) -> Option<Self> {
        let mut parts = line.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() {
            return None;
        }
        let (mut max_age, mut expires) = (None, None);
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let (key, value) = (key.trim(), value.trim());
            if key.eq_ignore_ascii_case("max-age") {
                max_age = seconds(value).or(max_age);
            } else if key.eq_ignore_ascii_case("expires") {
                expires = date::parse(value).or(expires);
            }
        }
        // `Max-Age` goes first, wherever it stands.
        let by_age = max_age.map(|age| now.saturating_add(age));
        Some(Self { name, value, ends: by_age.or(expires.map(OffsetDateTime::unix_timestamp)) })
    }
}

/// Browsers keep no cookie for more than 400 days (RFC 6265bis, section 5.5); longer numbers than fit are long.
fn seconds(text: &str) -> Option<i64> {
    let longest = Duration::days(400).whole_seconds();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(if text.starts_with('-') { 0 } else { text.parse().unwrap_or(longest).min(longest) })
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    fn lines<const N: usize>(lines: [&'static str; N]) -> [HeaderValue; N] {
        lines.map(HeaderValue::from_static)
    }

    fn cookies<const N: usize>(said: [&'static str; N]) -> Cookies {
        let mut cookies = Cookies::default();
        cookies.update(&lines(said), NOW);
        cookies
    }

    fn header(cookies: &Cookies, now: OffsetDateTime) -> String {
        let header = cookies.header(now);
        assert!(header.as_ref().is_none_or(HeaderValue::is_sensitive));
        header.map(|header| header.to_str().expect("text").to_owned()).unwrap_or_default()
    }

    #[test]
    fn every_cookie_is_kept_as_it_came() {
        let cookies = cookies([
            "eas.sid=abc; Path=/; SameSite=None; Secure; HttpOnly; Partitioned",
            "eas.sid.sig=d-_e==; path=/; domain=.other.example",
            " _csrfToken = \"x y\" ;Path=/api",
            "AWSALB=st/+icky; Expires=Tue, 01 Jan 2080 00:00:00 GMT; Path=/",
            "empty=; Path=/",
            "no cookie at all",
            "=nameless",
        ]);
        assert_eq!(
            header(&cookies, NOW),
            "eas.sid=abc; eas.sid.sig=d-_e==; _csrfToken=\"x y\"; AWSALB=st/+icky; empty="
        );
        assert_eq!(format!("{cookies:?}"), r#"["eas.sid", "eas.sid.sig", "_csrfToken", "AWSALB", "empty"]"#);
    }

    #[test]
    fn later_answers_change_add_and_remove() {
        let mut kept = cookies(["a=1", "b=2; Max-Age=100", "AWSALB=x"]);
        for (said, change, now_is) in [
            ("a=1; Path=/", Change::None, "a=1; b=2; AWSALB=x"),
            ("AWSALB=y", Change::Routine, "a=1; b=2; AWSALB=y"),
            ("b=2; Max-Age=200", Change::Routine, "a=1; b=2; AWSALB=y"),
            ("a=3", Change::Real, "a=3; b=2; AWSALB=y"),
            ("c=4", Change::Real, "a=3; b=2; AWSALB=y; c=4"),
            ("a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT", Change::Real, "b=2; AWSALB=y; c=4"),
            ("a=; Max-Age=0", Change::None, "b=2; AWSALB=y; c=4"),
            ("b=; max-age=-5; Expires=Tue, 01 Jan 2080 00:00:00 GMT", Change::Real, "AWSALB=y; c=4"),
            ("c=; max-age=0", Change::Real, ""),
            ("c=4", Change::Real, "AWSALB=y; c=4"),
            ("A=5", Change::Real, "AWSALB=y; c=4; A=5"),
        ] {
            assert_eq!(kept.update(&lines([said]), NOW), change, "{said}");
            assert_eq!(header(&kept, NOW), now_is, "{said}");
        }
        assert_eq!(
            kept.update(&lines(["AWSALB=z", "c=6", "c=7"]), NOW),
            Change::Real,
            "the most that one of them changed"
        );
        assert_eq!(header(&kept, NOW), "AWSALB=z; c=7; A=5");
    }

    #[test]
    fn cookies_end_when_they_said() {
        let kept = cookies(["a=1; Max-Age=60", "b=2; Expires=Sun, 22 Nov 2026 12:02:00 GMT", "c=3", "d=4; Max-Age=x"]);
        assert_eq!(kept.next_end(NOW), Some(datetime!(2026-11-22 12:01 UTC)));
        let later = datetime!(2026-11-22 12:01 UTC);
        assert_eq!(header(&kept, later), "b=2; c=3; d=4");
        assert_eq!(kept.next_end(later), Some(datetime!(2026-11-22 12:02 UTC)));
        assert_eq!(kept.next_end(datetime!(2026-11-22 12:02 UTC)), None);
        assert_eq!(cookies(["a=1; Max-Age=1"]).header(later), None);
        let ages = cookies(["a=1; Max-Age=99999999999999999999"]);
        assert_eq!(ages.next_end(NOW), Some(NOW + Duration::days(400)));
    }

    #[test]
    fn there_are_bounds() {
        let mut kept = Cookies::default();
        for at in 0..2 * MOST {
            let line = HeaderValue::try_from(format!("c{at}=1")).expect("a header");
            kept.update([&line], NOW);
        }
        assert_eq!(kept.0.len(), MOST);
        let long = HeaderValue::try_from(format!("c={}", "x".repeat(LONGEST))).expect("a header");
        let mut kept = cookies(["a=1"]);
        assert_eq!(kept.update([&long], NOW), Change::None);
        assert_eq!(header(&kept, NOW), "a=1");
    }

    #[test]
    fn stickiness_alone_is_known_at_a_glance() {
        assert!(is_all_routine(&lines(["AWSALB=x; Path=/", "AWSALBCORS=x; Path=/"])));
        assert!(!is_all_routine(&lines(["AWSALB=x; Path=/", "eas.sid=x"])));
    }

    #[test]
    fn what_is_kept_can_be_written_down_and_read() {
        let kept = cookies(["a=1; Max-Age=60", "b=2"]);
        let text = serde_json::to_string(&kept).expect("JSON");
        assert_eq!(serde_json::from_str::<Cookies>(&text).expect("the same"), kept);
    }
}
