//! `/oauth/token` and `/oauth/revoke` as a client of the tenant calls them (Qlik Cloud facts, section H).

use std::fmt;
use std::time::Duration;

use jsonwebtoken::{Algorithm, Header};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client as Http, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::key::{self, SigningKey};
use super::session::{self, Error, Refusal};
use super::token::new_jti;
use crate::advice::{At, Told};
use crate::origin::Origin;
use crate::traces;

/// How long a call may take.
const CALL: Duration = Duration::from_secs(10);
/// The largest answer that is read, in bytes.
const LARGEST: usize = 64 * 1024;
/// For how long an assertion is good; five minutes are the most (section H.1).
const ASSERTION: Duration = Duration::from_secs(60);
/// How far the tenant's clock may be behind ours.
const SKEW: Duration = Duration::from_secs(5);
/// What is assumed of a token that does not say how long it is good: its documented life (section H.2) would be six hours.
const UNNAMED_LIFE: i64 = 3600;
/// No token is believed to be good for longer.
const LONGEST_LIFE: i64 = 24 * 3600;

/// What is asked for, as a refusal names it.
pub const ACCESS_TOKEN: &str = "an access token";

/// An OAuth client of the tenant.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its id, which is no secret.
    pub id: String,
    /// How it shows that it is the one.
    pub authentication: Authentication,
}

/// Client authentication (RFC 6749, section 2.3; RFC 7523, section 2.2).
#[derive(Clone)]
pub enum Authentication {
    /// `client_secret`.
    Secret(SecretString),
    /// `private_key_jwt`.
    PrivateKey {
        /// The key; the client has its public half.
        key: SigningKey,
        /// Under which key ID.
        key_id: String,
    },
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("Secret([REDACTED])"),
            Self::PrivateKey { key_id, .. } => write!(f, "PrivateKey({key_id})"),
        }
    }
}

/// What an assertion says (section H.1).
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: &'a str,
    iat: i64,
    exp: i64,
}

impl Client {
    /// Adds what shows that it is this client to what it asks for.
    async fn authenticated(&self, mut asks: Value, tenant: &Origin, now: OffsetDateTime) -> Result<Value, Error> {
        asks["client_id"] = self.id.as_str().into();
        match &self.authentication {
            Authentication::Secret(secret) => asks["client_secret"] = secret.expose_secret().into(),
            Authentication::PrivateKey { key, key_id } => {
                asks["client_assertion_type"] = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into();
                asks["client_assertion"] = self.assertion(key, key_id, tenant, now).await?.into();
            }
        }
        Ok(asks)
    }

    /// Signed on a thread that may be busy for milliseconds.
    async fn assertion(
        &self,
        key: &SigningKey,
        key_id: &str,
        tenant: &Origin,
        now: OffsetDateTime,
    ) -> Result<String, Error> {
        let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::RS256) };
        let jti = new_jti().map_err(|_| ours("no random number for the assertion"))?;
        let claims = Claims {
            iss: &self.id,
            sub: &self.id,
            aud: &format!("{tenant}/oauth/token"),
            jti: &jti,
            iat: (now - SKEW).unix_timestamp(),
            exp: (now + ASSERTION).unix_timestamp(),
        };
        let (key, input) = (key.clone(), format!("{}.{}", key::part(&header), key::part(&claims)));
        let signed = tokio::task::spawn_blocking(move || key.sign(input)).await;
        signed.map_err(|_| ours("the server is stopping"))?.map_err(|_| ours("the assertion could not be signed"))
    }
}

/// A failure on our side, which the tenant has nothing to do with.
fn ours(words: &'static str) -> Error {
    let told = Told { words: words.to_owned(), ..Told::default() };
    Error::Refused(Refusal { what: ACCESS_TOKEN, at: At::OauthToken, told, retry_after: None })
}

/// An access token, and until when it is good by its own word.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The token: opaque (section H.2).
    pub token: SecretString,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

/// Asks for a token that acts for the user with this subject, who has to be there and active (section H.2).
///
/// # Errors
/// When the tenant cannot be reached or refuses, within 10 s.
pub async fn impersonate(
    http: &Http,
    tenant: &Origin,
    client: &Client,
    scope: &str,
    subject: &str,
    now: OffsetDateTime,
) -> Result<AccessToken, Error> {
    let asks = json!({
        "grant_type": "urn:qlik:oauth:user-impersonation",
        "scope": scope,
        "user_lookup": { "field": "subject", "value": subject },
    });
    let asks = client.authenticated(asks, tenant, now).await?;
    let response = post(http, format!("{tenant}/oauth/token"), &asks).await?;
    if !response.status().is_success() {
        return Err(Error::Refused(session::refused(ACCESS_TOKEN, At::OauthToken, response, now).await));
    }
    let status = response.status().as_u16();
    read(&body(response).await?, now).ok_or_else(|| {
        let told = Told { status, words: "the answer has no access token".to_owned(), ..Told::default() };
        Error::Refused(Refusal { what: ACCESS_TOKEN, at: At::OauthToken, told, retry_after: None })
    })
}

/// `expires_in` counts, from when it was asked for: clocks may differ. It comes as a number; a text is understood too.
fn read(body: &[u8], now: OffsetDateTime) -> Option<AccessToken> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let token = answer["access_token"].as_str().filter(|token| !token.is_empty())?;
    let life = &answer["expires_in"];
    let life = life.as_i64().or_else(|| life.as_str()?.parse().ok()).unwrap_or(UNNAMED_LIFE);
    let life = time::Duration::seconds(life.clamp(0, LONGEST_LIFE));
    Some(AccessToken { token: token.into(), expires_at: now + life })
}

/// Has the tenant forget a token. A token that it does not know counts as forgotten (RFC 7009, section 2.2).
///
/// # Errors
/// When the tenant cannot be reached or refuses, within 10 s.
pub async fn revoke(
    http: &Http,
    tenant: &Origin,
    client: &Client,
    token: &SecretString,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let asks = json!({ "token": token.expose_secret(), "token_type_hint": "access_token" });
    let asks = client.authenticated(asks, tenant, now).await?;
    let response = post(http, format!("{tenant}/oauth/revoke"), &asks).await?;
    if response.status().is_success() {
        return Ok(());
    }
    Err(Error::Refused(session::refused("the end of an access token", At::OauthToken, response, now).await))
}

/// Whether the tenant takes this token; `None` when it does not say within 5 s.
pub async fn is_taken(http: &Http, tenant: &Origin, token: &SecretString) -> Option<bool> {
    const LOOK: Duration = Duration::from_secs(5);
    let request = http.get(format!("{tenant}/api/v1/users/me")).bearer_auth(token.expose_secret()).timeout(LOOK);
    let status = traces::send(request).await.ok()?.status();
    // It leads on to the user's own address (section E).
    if status.is_success() || status.is_redirection() { Some(true) } else { (status == 401).then_some(false) }
}

async fn post(http: &Http, address: String, asks: &Value) -> Result<Response, Error> {
    let request = http.post(address).header(CONTENT_TYPE, "application/json").body(asks.to_string());
    traces::send(request.timeout(CALL)).await.map_err(|problem| Error::Unreachable(problem.without_url()))
}

async fn body(mut response: Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|problem| Error::Unreachable(problem.without_url()))?
        && body.len() < LARGEST
    {
        body.extend_from_slice(&part);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = time::macros::datetime!(2026-11-23 10:00 UTC);

    #[test]
    fn how_long_a_token_is_good_is_read_with_tolerance() {
        for (answer, life) in [
            (json!({ "access_token": "a", "expires_in": 21600, "token_type": "bearer" }), 21_600),
            (json!({ "access_token": "a", "expires_in": "3600" }), 3600),
            (json!({ "access_token": "a" }), UNNAMED_LIFE),
            (json!({ "access_token": "a", "expires_in": -1 }), 0),
            (json!({ "access_token": "a", "expires_in": 9_000_000 }), LONGEST_LIFE),
        ] {
            let token = read(answer.to_string().as_bytes(), NOW).expect("a token");
            assert_eq!((token.expires_at - NOW).whole_seconds(), life, "{answer}");
        }
        for no_token in [json!({}), json!({ "access_token": "" }), json!({ "access_token": 1 }), json!(null)] {
            assert!(read(no_token.to_string().as_bytes(), NOW).is_none(), "{no_token}");
        }
    }

    #[test]
    fn secrets_are_in_no_debug_output() {
        let client = Client { id: "me".into(), authentication: Authentication::Secret("very secret".into()) };
        assert_eq!(format!("{client:?}"), "Client { id: \"me\", authentication: Secret([REDACTED]) }");
        let token = AccessToken { token: "very secret".into(), expires_at: NOW };
        assert!(!format!("{token:?}").contains("very"), "{token:?}");
    }
}
