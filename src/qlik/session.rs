//! The tenant's sessions as the server sees them: a token for cookies, the CSRF token, and the end (Qlik Cloud facts, sections
//! B and D).

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use reqwest::header::{CONTENT_TYPE, COOKIE, DATE, HeaderMap, RETRY_AFTER, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use time::OffsetDateTime;

use super::cookies::Cookies;
use super::date;
use super::token::Token;
use crate::advice::{self, Advice, Answer, At, Sign, Silent, Told};
use crate::origin::Origin;
use crate::traces;

/// How long a login may take: the first one of somebody makes a user.
const LOGIN: Duration = Duration::from_secs(15);
/// How long the smaller calls may take.
const CALL: Duration = Duration::from_secs(5);
/// How much is read of an answer that explains a refusal, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// What a login asks for.
pub const TOKEN: &str = "the token";

/// What the tenant said when it refused, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it was asked for, as the object of a sentence.
    pub what: &'static str,
    /// In which call.
    pub at: At,
    /// What it said: status, code, words.
    pub told: Told,
    /// When it wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the tenant refused {} with {}", self.what, self.told)
    }
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.told.status
    }

    /// What it means, and what to do.
    pub fn advice(&self) -> &'static Advice {
        // A session that was given and not kept is no refusal of the tenant's.
        match self.at {
            At::Login if self.told.status < 300 => advice::of(&Answer::Found(Sign::CookiesNotSet)),
            At::Csrf if self.told.status < 300 => advice::of(&Answer::Found(Sign::NoCsrfToken)),
            at => self.told.advice(at),
        }
    }
}

/// Why the tenant did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tenant did not answer.
    #[error("the tenant did not answer")]
    Unreachable(#[source] reqwest::Error),
    /// The tenant answered, and refused.
    #[error("{0}")]
    Refused(Refusal),
}

impl Error {
    /// What it means, and what to do.
    pub fn advice(&self) -> &'static Advice {
        match self {
            Self::Unreachable(problem) => no_answer(problem),
            Self::Refused(refusal) => refusal.advice(),
        }
    }
}

/// What it means that a call got no answer.
pub fn no_answer(problem: &reqwest::Error) -> &'static Advice {
    advice::of(&Answer::Unreachable { at: At::Login, why: Silent::of(problem) })
}

/// Posts a token to `/login/jwt-session`, as a server does: without an origin, so without a web integration. The first
/// login of a subject creates its user. The cookies are the session.
///
/// # Errors
/// When the tenant cannot be reached or refuses, within 15 s; and when it sets no cookie.
pub async fn log_in(client: &Client, tenant: &Origin, token: &Token, now: OffsetDateTime) -> Result<Cookies, Error> {
    // Errors of the client name the address; the token is in a header and in none of them.
    let request = client.post(format!("{tenant}/login/jwt-session")).bearer_auth(token.expose()).timeout(LOGIN);
    let response = traces::send(request).await.map_err(Error::Unreachable)?;
    let status = response.status();
    if !status.is_success() {
        return Err(refusal(TOKEN, At::Login, response, now).await);
    }
    let mut cookies = Cookies::default();
    cookies.update(response.headers().get_all(SET_COOKIE), now);
    if cookies.header(now).is_some() {
        return Ok(cookies);
    }
    let words = "the answer sets no cookie".to_owned();
    let told = Told { status: status.as_u16(), words, ..Told::default() };
    Err(Error::Refused(Refusal { what: "a session", at: At::Login, told, retry_after: None }))
}

/// The CSRF token of a session, and what the answer sets besides (Qlik Cloud facts, section D).
pub struct Csrf {
    /// The token, marked as sensitive.
    pub token: HeaderValue,
    /// The headers `Set-Cookie`.
    pub set_cookies: Vec<HeaderValue>,
}

/// Asks for the CSRF token of the session with these cookies.
///
/// # Errors
/// When the tenant cannot be reached or refuses, within 5 s. With 401 the session is over.
pub async fn csrf_token(
    client: &Client,
    tenant: &Origin,
    cookies: &HeaderValue,
    now: OffsetDateTime,
) -> Result<Csrf, Error> {
    let response = send(client.get(format!("{tenant}/api/v1/csrf-token")), cookies).await?;
    let token = response.headers().get("qlik-csrf-token").filter(|token| !token.is_empty());
    match token {
        Some(token) if response.status().is_success() => {
            let mut token = token.clone();
            token.set_sensitive(true);
            let set_cookies = response.headers().get_all(SET_COOKIE).iter().cloned().collect();
            Ok(Csrf { token, set_cookies })
        }
        _ => Err(refusal("a CSRF token", At::Csrf, response, now).await),
    }
}

/// Ends the session with these cookies.
///
/// # Errors
/// When the tenant cannot be reached or refuses, within 5 s.
pub async fn log_out(
    client: &Client,
    tenant: &Origin,
    cookies: &HeaderValue,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let response = send(client.get(format!("{tenant}/logout")), cookies).await?;
    let status = response.status();
    // It leads on to its login page. 401: it has ended already.
    if status.is_success() || status.is_redirection() || status == StatusCode::UNAUTHORIZED {
        return Ok(());
    }
    Err(refusal("the logout", At::Logout, response, now).await)
}

async fn send(request: RequestBuilder, cookies: &HeaderValue) -> Result<Response, Error> {
    traces::send(request.header(COOKIE, cookies.clone()).timeout(CALL)).await.map_err(Error::Unreachable)
}

async fn refusal(what: &'static str, at: At, response: Response, now: OffsetDateTime) -> Error {
    Error::Refused(refused(what, at, response, now).await)
}

/// What the tenant says in an answer that is no success.
pub(super) async fn refused(what: &'static str, at: At, response: Response, now: OffsetDateTime) -> Refusal {
    let retry_after = retry_after(response.headers(), now);
    Refusal { what, at, told: told(response).await, retry_after }
}

/// Seconds or a date (RFC 9110, section 10.2.3), by the clock of whoever answers.
fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let theirs = headers.get(DATE).and_then(|date| date::parse(date.to_str().ok()?));
    let left = date::parse(text)? - theirs.unwrap_or(now);
    Some(left.try_into().unwrap_or_default()) // what is past is now
}

/// What the tenant says in a refusal, for the log.
async fn told(mut response: Response) -> Told {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_page = kind.starts_with("text/html");
    let mut body = Vec::new();
    while let Ok(Some(part)) = response.chunk().await
        && body.len() < LONGEST_ANSWER
    {
        body.extend_from_slice(&part);
    }
    Told::read(response.status().as_u16(), is_page, &String::from_utf8_lossy(&body))
}
