//! The tenant's REST interface for programs (Qlik Cloud facts, sections E and I): by an API key, or as an OAuth client for
//! machines; page by page, and no faster than the tenant likes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::Url;

use super::session::{self, Refusal};
use crate::advice::{self, Advice, Answer, At, Silent};
use crate::client::redirect;
use crate::origin::Origin;
use crate::traces;

/// The largest answer that is read, in bytes.
const LARGEST: usize = 1024 * 1024;
/// An access token is renewed so long before it expires.
const EARLY: time::Duration = time::Duration::seconds(60);
/// How often a call is made that the tenant puts off.
const TRIES: u32 = 4;
/// The pause after a 429 that names none.
const PAUSE: Duration = Duration::from_secs(5);

/// By what right the tenant is asked.
#[derive(Clone)]
pub enum Access {
    /// An API key of a user.
    Key(SecretString),
    /// An OAuth client for machines (Qlik Cloud facts, section H).
    Client {
        /// Its id.
        id: String,
        /// Its secret.
        secret: SecretString,
    },
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(_) => f.write_str("Key([REDACTED])"),
            Self::Client { id, .. } => write!(f, "Client({id})"),
        }
    }
}

/// Why there is no answer. Messages have no address: errors of the client lose the URL, which may have a person's.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It did not answer.
    #[error("the tenant did not answer")]
    Unreachable(#[source] reqwest::Error),
    /// It answered, and refused.
    #[error("{0}")]
    Refused(Refusal),
    /// The answer is not what its documentation describes.
    #[error("the tenant's answer cannot be used: {0}")]
    Unreadable(&'static str),
}

impl Error {
    /// What it means, and what to do.
    pub fn advice(&self) -> &'static Advice {
        match self {
            Self::Refused(refusal) => refusal.advice(),
            Self::Unreachable(problem) => advice::of(&Answer::Unreachable { at: At::Admin, why: Silent::of(problem) }),
            Self::Unreadable(_) => {
                advice::of(&Answer::Http { at: At::Admin, status: 200, code: None, detail: "", html: false })
            }
        }
    }

    /// The status with which the tenant refused.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(refusal) => Some(refusal.status()),
            Self::Unreachable(_) | Self::Unreadable(_) => None,
        }
    }
}

/// Calls to one tenant by one right.
#[derive(Debug)]
pub struct Api {
    client: Client,
    tenant: Origin,
    access: ArcSwap<Access>,
    /// The access token of an OAuth client, and when to have another one.
    token: tokio::sync::Mutex<Option<(SecretString, OffsetDateTime)>>,
    /// The longest pause that is waited for when the tenant asks for one.
    longest_pause: Duration,
}

impl Api {
    /// Asks this tenant by this right. A call that the tenant puts off (429) has failed.
    pub fn new(client: Client, tenant: Origin, access: Access) -> Self {
        let access = ArcSwap::from_pointee(access);
        Self { client, tenant, access, token: tokio::sync::Mutex::default(), longest_pause: Duration::ZERO }
    }

    /// From now on, it is asked by this right. An access token that is there is used until it ends: what it was had with does
    /// not matter to the tenant.
    pub fn follow(&self, access: Access) {
        self.access.store(Arc::new(access));
    }

    /// Waits up to this long when the tenant puts a call off, and makes it again, a few times.
    pub fn with_patience(self, longest_pause: Duration) -> Self {
        Self { longest_pause, ..self }
    }

    /// Makes a call, for example `GET /api/v1/users/me`. `Null` when the answer is empty.
    ///
    /// # Errors
    /// When the answer is missing, no success, longer than 1 MiB, or no JSON.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        now: OffsetDateTime,
    ) -> Result<Value, Error> {
        let address = self.address(path)?;
        let answer = self.authorized(method, &address, body, now).await?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).map_err(|_| Error::Unreadable("it is no JSON"))
    }

    /// Reads what is at this path; follows a redirect to another of the tenant's paths, as `users/me` answers with.
    ///
    /// # Errors
    /// As [`Api::call`].
    pub async fn get(&self, path: &str, now: OffsetDateTime) -> Result<Value, Error> {
        self.call(Method::GET, path, None, now).await
    }

    /// All entries of a list, up to this many pages of it.
    ///
    /// # Errors
    /// As [`Api::call`]; and when it has more pages, or leads elsewhere.
    pub async fn list(&self, path: &str, pages: usize, now: OffsetDateTime) -> Result<Vec<Value>, Error> {
        let mut address = self.address(path)?;
        let mut entries = Vec::new();
        for _ in 0..pages {
            let answer = self.authorized(Method::GET, &address, None, now).await?;
            let mut page: Value = serde_json::from_slice(&answer).map_err(|_| Error::Unreadable("it is not a list"))?;
            match page["data"].take() {
                Value::Array(more) => entries.extend(more),
                _ => return Err(Error::Unreadable("it is not a list")),
            }
            match next(&page["links"], &address)? {
                Some(next) => address = next,
                None => return Ok(entries),
            }
        }
        Err(Error::Unreadable("it has no end"))
    }

    /// What goes into `Authorization: Bearer`: the API key, or the client's access token.
    ///
    /// # Errors
    /// When the client gets none.
    pub async fn bearer(&self, now: OffsetDateTime) -> Result<SecretString, Error> {
        let mut kept = self.token.lock().await; // whoever comes meanwhile waits, and finds it
        let access = self.access.load_full();
        let (id, secret) = match &*access {
            Access::Key(key) => return Ok(key.clone()),
            Access::Client { id, secret } => (id, secret),
        };
        if let Some((token, until)) = &*kept
            && *until > now
        {
            return Ok(token.clone());
        }
        let body = json!({
            "client_id": id, "client_secret": secret.expose_secret(), "grant_type": "client_credentials",
        });
        let address = self.address("/oauth/token")?;
        let answer = self.send(At::OauthToken, Method::POST, &address, None, Some(&body), now).await?;
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|_| Error::Unreadable("it is not an access token"))?;
        let token = answer["access_token"].as_str().filter(|token| !token.is_empty());
        let token = SecretString::from(token.ok_or(Error::Unreadable("it has no access token"))?);
        let seconds = answer["expires_in"].as_i64().unwrap_or_default().clamp(0, 86_400);
        *kept = Some((token.clone(), now + time::Duration::seconds(seconds) - EARLY));
        Ok(token)
    }

    fn address(&self, path: &str) -> Result<Url, Error> {
        Url::parse(&format!("{}{path}", self.tenant)).map_err(|_| Error::Unreadable("its own address is none"))
    }

    /// Sends it with our right; once more with another access token, when the one there is was revoked.
    async fn authorized(
        &self,
        method: Method,
        address: &Url,
        body: Option<&Value>,
        now: OffsetDateTime,
    ) -> Result<Vec<u8>, Error> {
        let token = self.bearer(now).await?;
        let answer = self.send(At::Admin, method.clone(), address, Some(&token), body, now).await;
        if matches!(**self.access.load(), Access::Client { .. })
            && answer.as_ref().is_err_and(|no| no.status() == Some(401))
        {
            *self.token.lock().await = None;
            let token = self.bearer(now).await?;
            return self.send(At::Admin, method, address, Some(&token), body, now).await;
        }
        answer
    }

    /// The body of a good answer.
    async fn send(
        &self,
        at: At,
        method: Method,
        address: &Url,
        token: Option<&SecretString>,
        body: Option<&Value>,
        now: OffsetDateTime,
    ) -> Result<Vec<u8>, Error> {
        let mut address = address.clone();
        for attempt in 1.. {
            let mut request = self.client.request(method.clone(), address.clone());
            if let Some(token) = token {
                request = request.bearer_auth(token.expose_secret());
            }
            if let Some(body) = body {
                request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
            }
            let response = traces::send(request).await.map_err(unreachable)?;
            let status = response.status();
            if status.is_success() {
                return read(response).await;
            }
            if let Some(there) = leads_to(&response, &method, &address).filter(|_| attempt < TRIES) {
                address = there;
                continue;
            }
            let refusal =
                session::refused(if at == At::OauthToken { "an access token" } else { "an answer" }, at, response, now)
                    .await;
            let pause = refusal.retry_after.unwrap_or(PAUSE);
            let may_wait = status == StatusCode::TOO_MANY_REQUESTS && attempt < TRIES && pause <= self.longest_pause;
            if !may_wait {
                return Err(Error::Refused(refusal));
            }
            tokio::time::sleep(pause).await;
        }
        Err(Error::Unreadable("it leads on and on"))
    }
}

fn unreachable(problem: reqwest::Error) -> Error {
    Error::Unreachable(problem.without_url())
}

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&part);
        if body.len() > LARGEST {
            return Err(Error::Unreadable("it is too long"));
        }
    }
    Ok(body)
}

/// Where a redirect leads, when that is the same tenant (Qlik Cloud facts, section E): our credentials go nowhere else.
fn leads_to(response: &reqwest::Response, method: &Method, from: &Url) -> Option<Url> {
    redirect(response).filter(|there| *method == Method::GET && there.origin() == from.origin() && there != from)
}

/// The next page. Links are absolute; one that leads elsewhere would take our credentials along.
fn next(links: &Value, from: &Url) -> Result<Option<Url>, Error> {
    let link = &links["next"];
    let link = link.as_str().or_else(|| link["href"].as_str()).filter(|link| !link.is_empty());
    let Some(link) = link else { return Ok(None) };
    let next = from.join(link).ok().filter(|next| next.origin() == from.origin() && next != from);
    next.map(Some).ok_or(Error::Unreadable("its next page is elsewhere"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_in_no_debug_output() {
        let access =
            [Access::Key("very secret".into()), Access::Client { id: "me".into(), secret: "very secret".into() }];
        assert_eq!(format!("{access:?}"), "[Key([REDACTED]), Client(me)]");
    }
}
