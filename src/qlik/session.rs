//! The exchange of a token for a session at the tenant (Qlik Cloud facts, section B), as the server sees it.

use std::fmt;

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response};
use serde_json::Value;

use super::token::Token;
use crate::origin::Origin;

/// What the tenant said when it refused, without the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// Code, title and detail of the first error, or the title of a page; empty when the tenant said nothing.
    pub words: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = if self.words.is_empty() { "no explanation" } else { &self.words };
        write!(f, "the tenant refused the token with status {}: {words}", self.status)
    }
}

/// Why a token opened no session.
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
/// login of a subject creates its user.
///
/// # Errors
/// When the tenant cannot be reached or refuses.
pub async fn log_in(client: &Client, tenant: &Origin, token: &Token) -> Result<(), Error> {
    // Errors of the client name the address; the token is in a header and in none of them.
    let request = client.post(format!("{tenant}/login/jwt-session")).bearer_auth(token.expose());
    let response = request.send().await.map_err(Error::Unreachable)?;
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    Err(Error::Refused(Refusal { status: status.as_u16(), words: words(response).await }))
}

/// What the tenant says in a refusal; empty when it says nothing.
pub(super) async fn words(response: Response) -> String {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_page = kind.starts_with("text/html");
    let body = response.text().await.unwrap_or_default();
    let words = if is_page { title(&body) } else { first_error(&body) };
    words.unwrap_or_default()
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
