//! Cookie sessions (Qlik Cloud facts, sections B.3, B.4 and D): four signed cookies, two deadlines, CSRF tokens.

use std::{collections::HashMap, time::Duration};

use aws_lc_rs::{digest, hmac};
use axum::http::{HeaderMap, HeaderValue, header};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use time::OffsetDateTime;

use super::{
    random, random_hex,
    settings::{Cookies, Settings},
};

/// The cookie that names the session; its signature lies in a second one.
const SESSION: &str = "eas.sid";
const CSRF: &str = "_csrfToken";
/// Length of the salt at the front of a CSRF token.
const SALT: usize = 8;

pub(super) struct Sessions {
    open: HashMap<String, Session>,
    key: hmac::Key,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub id: String,
    /// The tenant's id of the user.
    pub user: String,
    csrf_secret: String,
    begun: OffsetDateTime,
    seen: OffsetDateTime,
    /// The deadlines that held when it began.
    idle: Duration,
    longest: Duration,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { open: HashMap::new(), key: hmac::Key::new(hmac::HMAC_SHA512, &random::<32>()) }
    }
}

impl Sessions {
    /// Opens a session and returns its cookies, one header value each.
    pub fn begin(&mut self, user: &str, settings: &Settings, now: OffsetDateTime) -> Vec<HeaderValue> {
        let cookies = settings.cookies;
        let session = Session {
            id: random_hex::<16>(),
            user: user.into(),
            csrf_secret: random_hex::<16>(),
            begun: now,
            seen: now,
            idle: settings.idle_timeout,
            longest: settings.longest_session,
        };
        let csrf = session.csrf_token();
        let (closed, readable) = (attributes(cookies, cookies.http_only), attributes(cookies, false));
        let mut set = vec![
            format!("{SESSION}={}{closed}", session.id),
            format!("{SESSION}.sig={}{closed}", self.signature(SESSION, &session.id)),
            format!("{CSRF}={csrf}{readable}"),
            format!("{CSRF}.sig={}{readable}", self.signature(CSRF, &csrf)),
        ];
        if cookies.load_balancer {
            let stickiness = random_hex::<24>();
            set.push(format!("AWSALB={stickiness}; Path=/; Expires=Tue, 01 Jan 2080 00:00:00 GMT"));
            set.push(format!(
                "AWSALBCORS={stickiness}; Path=/; SameSite=None; Secure; Expires=Tue, 01 Jan 2080 00:00:00 GMT"
            ));
        }
        self.open.insert(session.id.clone(), session);
        set.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()).collect()
    }

    /// The living session of these request headers. With `active`, it counts as used.
    pub fn find(&mut self, headers: &HeaderMap, now: OffsetDateTime, active: bool) -> Option<Session> {
        let id = cookie(headers, SESSION)?;
        let signature = cookie(headers, &format!("{SESSION}.sig"))?;
        if signature != self.signature(SESSION, id) {
            return None;
        }
        let session = self.open.get_mut(id)?;
        if now - session.seen >= session.idle || now - session.begun >= session.longest {
            self.open.remove(id);
            return None;
        }
        if active {
            session.seen = now;
        }
        Some(session.clone())
    }

    /// Counts traffic of a socket as activity of its session.
    pub fn touch(&mut self, id: &str, now: OffsetDateTime) {
        if let Some(session) = self.open.get_mut(id) {
            session.seen = now;
        }
    }

    pub fn end(&mut self, id: &str) {
        self.open.remove(id);
    }

    pub fn count(&self) -> usize {
        self.open.len()
    }

    /// Ends every session and names them.
    pub fn end_all(&mut self) -> Vec<String> {
        self.open.drain().map(|(id, _)| id).collect()
    }

    /// Makes every CSRF token given out so far stale.
    pub fn renew_csrf_secrets(&mut self) {
        for session in self.open.values_mut() {
            session.csrf_secret = random_hex::<16>();
        }
    }

    /// 86 characters over name and value, as the real ones have.
    fn signature(&self, name: &str, value: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, format!("{name}={value}").as_bytes()))
    }
}

impl Session {
    /// A token of 36 characters: eight of salt, a dash, and a digest of salt and secret.
    pub fn csrf_token(&self) -> String {
        self.salted(&random_hex::<{ SALT / 2 }>())
    }

    pub fn accepts_csrf(&self, token: &str) -> bool {
        token.get(..SALT).is_some_and(|salt| self.salted(salt) == token)
    }

    fn salted(&self, salt: &str) -> String {
        let sum = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{salt}-{}", self.csrf_secret).as_bytes());
        format!("{salt}-{}", URL_SAFE_NO_PAD.encode(sum))
    }
}

/// The value of a request cookie, wherever it stands: HTTP/2 may send one header for each.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, _)| *n == name)
        .map(|(_, v)| v)
}

/// Cookies that take the session's cookies away again.
pub(super) fn farewell(cookies: Cookies) -> Vec<HeaderValue> {
    let attributes = attributes(cookies, false);
    [SESSION, "eas.sid.sig", CSRF, "_csrfToken.sig"]
        .iter()
        .filter_map(|name| HeaderValue::from_str(&format!("{name}={attributes}; Max-Age=0")).ok())
        .collect()
}

fn attributes(cookies: Cookies, http_only: bool) -> String {
    let mut text = String::from("; Path=/");
    text.push_str(if cookies.cross_site { "; SameSite=None; Secure" } else { "; SameSite=Lax" });
    if cookies.partitioned {
        text.push_str("; Partitioned");
    }
    if http_only {
        text.push_str("; HttpOnly");
    }
    text
}
