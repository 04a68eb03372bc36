//! The tenant's sessions as the server sees them: a token for cookies, the CSRF token, and the end (Qlik Cloud facts, sections
//! B and D).

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use reqwest::header::{CONTENT_TYPE, COOKIE, DATE, HeaderMap, RETRY_AFTER, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use time::OffsetDateTime;

use super::cookies::Cookies;
use super::date;
use super::token::Token;
use crate::origin::Origin;

/// How long a login may take: the first one of somebody makes a user.
const LOGIN: Duration = Duration::from_secs(15);
/// How long the smaller calls may take.
const CALL: Duration = Duration::from_secs(5);
/// How much is read of an answer that explains a refusal, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
/// How much is kept of what it says, in characters.
const LONGEST_WORDS: usize = 300;

/// What a login asks for.
pub const TOKEN: &str = "the token";

/// What the tenant said when it refused, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What it was asked for, as the object of a sentence.
    pub what: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Code, title and detail of the first error, or the title of a page; empty when the tenant said nothing.
    pub words: String,
    /// When it wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, status, words, .. } = self;
        let words = if words.is_empty() { "no explanation" } else { words };
        write!(f, "the tenant refused {what} with status {status}: {words}")
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

/// Posts a token to `/login/jwt-session`, as a server does: without an origin, so without a web integration. The first
/// login of a subject creates its user. The cookies are the session.
///
/// # Errors
/// When the tenant cannot be reached or refuses, within 15 s; and when it sets no cookie.
pub async fn log_in(client: &Client, tenant: &Origin, token: &Token, now: OffsetDateTime) -> Result<Cookies, Error> {
    // Errors of the client name the address; the token is in a header and in none of them.
    let request = client.post(format!("{tenant}/login/jwt-session")).bearer_auth(token.expose()).timeout(LOGIN);
    let response = request.send().await.map_err(Error::Unreachable)?;
    let status = response.status();
    if !status.is_success() {
        return Err(refusal(TOKEN, response, now).await);
    }
    let mut cookies = Cookies::default();
    cookies.update(response.headers().get_all(SET_COOKIE), now);
    if cookies.header(now).is_some() {
        return Ok(cookies);
    }
    let words = "the answer sets no cookie".to_owned();
    Err(Error::Refused(Refusal { what: "a session", status: status.as_u16(), words, retry_after: None }))
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
        _ => Err(refusal("a CSRF token", response, now).await),
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
    Err(refusal("the logout", response, now).await)
}

async fn send(request: RequestBuilder, cookies: &HeaderValue) -> Result<Response, Error> {
    request.header(COOKIE, cookies.clone()).timeout(CALL).send().await.map_err(Error::Unreachable)
}

async fn refusal(what: &'static str, response: Response, now: OffsetDateTime) -> Error {
    Error::Refused(refused(what, response, now).await)
}

/// What the tenant says in an answer that is no success.
pub(super) async fn refused(what: &'static str, response: Response, now: OffsetDateTime) -> Refusal {
    let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers(), now));
    Refusal { what, status, words: words(response).await, retry_after }
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

/// What the tenant says in a refusal; empty when it says nothing. Without control characters, for it goes to the log.
async fn words(mut response: Response) -> String {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_page = kind.starts_with("text/html");
    let mut body = Vec::new();
    while let Ok(Some(part)) = response.chunk().await
        && body.len() < LONGEST_ANSWER
    {
        body.extend_from_slice(&part);
    }
    let body = String::from_utf8_lossy(&body);
    let words = if is_page { title(&body) } else { first_error(&body) };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    words.unwrap_or_default().chars().map(plain).take(LONGEST_WORDS).collect()
}

/// The edge in front of the tenant answers in HTML (Qlik Cloud facts, section L 1).
fn title(page: &str) -> Option<String> {
    let (_, after) = page.split_once("<title>")?;
    let (title, _) = after.split_once("</title>")?;
    Some(title.trim().to_owned())
}

/// The envelope of Qlik's errors; every member may be missing (Qlik Cloud facts, section I).
fn first_error(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    let said = |member: &&str| body["errors"][0][*member].as_str().or_else(|| body[*member].as_str());
    let words: Vec<_> = ["code", "title", "detail"].iter().filter_map(said).collect();
    Some(words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_tenant_says_is_kept() {
        let envelope =
            r#"{"errors":[{"title":"Invalid token request","code":"INTERNAL-TOKEN-1","status":"400"}],"traceId":"x"}"#;
        assert_eq!(first_error(envelope).as_deref(), Some("INTERNAL-TOKEN-1, Invalid token request"));
        assert_eq!(first_error(r#"{"code":"SPACES-1","title":"Denied"}"#).as_deref(), Some("SPACES-1, Denied"));
        assert_eq!(first_error("{}").as_deref(), Some(""));
        assert_eq!(first_error("upstream timed out"), None);
        assert_eq!(title("<html><title>406 Not Acceptable</title></html>").as_deref(), Some("406 Not Acceptable"));
        assert_eq!(title("<html>"), None);
    }
}
