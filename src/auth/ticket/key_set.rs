//! The portal's keys where it publishes them: a JWK set (RFC 7517, section 5), fetched when needed, kept for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration as Wait;

use jsonwebtoken::jwk::Jwk;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use url::Url;

use super::key::{Algorithm, Key};

/// How long keys are used without asking again: a key that was taken out of the set is not believed for longer.
const FRESH: Duration = Duration::minutes(10);
/// How long keys are used while the portal does not answer, so that a restart over there is no outage here.
const USABLE: Duration = Duration::hours(1);
/// How often the portal is asked at the most, whoever makes up the names of keys.
const ASK_AGAIN: Duration = Duration::seconds(10);
/// How long it may take to answer. Visitors wait for it.
const ANSWER: Wait = Wait::from_secs(5);
/// The largest set, in bytes; one key has about 500.
const LARGEST: usize = 64 * 1024;

/// Why there are no keys. Never names the address, which may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKeySet {
    /// No connection, no TLS, no answer in time.
    #[error("the key set at TICKET_JWKS_URL cannot be fetched ({0})")]
    NoAnswer(&'static str),
    /// An answer, but not 200.
    #[error("the key set at TICKET_JWKS_URL was answered with status {0}")]
    Status(StatusCode),
    /// More than a key set has.
    #[error("the answer at TICKET_JWKS_URL has more than {LARGEST} bytes")]
    TooLarge,
    /// Something else.
    #[error("the answer at TICKET_JWKS_URL is no JWK set")]
    NoSet,
}

/// The set, and what is known of it.
#[derive(Debug)]
pub struct KeySet {
    url: Url,
    client: Client,
    /// Never locked while somebody waits for the network.
    held: Mutex<Held>,
    /// One asks, the others wait for the answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Held {
    keys: Vec<Jwk>,
    fetched: Option<OffsetDateTime>,
    asked: Option<OffsetDateTime>,
    failed: Option<NoKeySet>,
}

/// Keys one by one, so that one of a kind that we do not know does not spoil the rest.
#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

impl KeySet {
    pub fn new(url: Url, client: Client) -> Self {
        Self { url, client, held: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The keys of this name; without a name, the only key there is. Empty when there is none.
    ///
    /// # Errors
    /// When the set cannot be had, and what is known is too old.
    pub async fn keys(
        &self,
        algorithm: Algorithm,
        id: Option<&str>,
        now: OffsetDateTime,
    ) -> Result<Vec<Key>, NoKeySet> {
        let known = |held: &Held| held.find(algorithm, id);
        let fresh = self.look(|held| held.is_younger(FRESH, now).then(|| known(held)));
        if let Some(keys) = fresh.filter(|keys| !keys.is_empty()) {
            return Ok(keys);
        }
        let _one_asks = self.asking.lock().await;
        if self.look(|held| held.may_ask(now)) {
            let answer = self.fetch().await;
            self.look(|held| held.take(answer, now));
        }
        self.look(|held| match &held.failed {
            Some(failed) if !held.is_younger(USABLE, now) => Err(failed.clone()),
            // The name may be that of a new key, which nobody could ask for.
            Some(failed) if known(held).is_empty() => Err(failed.clone()),
            _ => Ok(known(held)),
        })
    }

    fn look<T>(&self, what: impl FnOnce(&mut Held) -> T) -> T {
        what(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn fetch(&self) -> Result<Vec<Jwk>, NoKeySet> {
        let failed = |problem: reqwest::Error| {
            let kind = match &problem {
                problem if problem.is_timeout() => "no answer in time",
                problem if problem.is_connect() => "no connection",
                _ => "the answer broke off",
            };
            NoKeySet::NoAnswer(kind)
        };
        let request = self.client.get(self.url.clone()).timeout(ANSWER).header("accept", "application/json");
        let mut response = request.send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(NoKeySet::Status(response.status()));
        }
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if text.len() + chunk.len() > LARGEST {
                return Err(NoKeySet::TooLarge);
            }
            text.extend_from_slice(&chunk);
        }
        let published: Published = serde_json::from_slice(&text).map_err(|_| NoKeySet::NoSet)?;
        Ok(published.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect())
    }
}

impl Held {
    fn is_younger(&self, age: Duration, now: OffsetDateTime) -> bool {
        self.fetched.is_some_and(|fetched| now - fetched < age)
    }

    fn may_ask(&self, now: OffsetDateTime) -> bool {
        self.asked.is_none_or(|asked| now - asked >= ASK_AGAIN)
    }

    fn take(&mut self, answer: Result<Vec<Jwk>, NoKeySet>, now: OffsetDateTime) {
        self.asked = Some(now);
        self.failed = match answer {
            Ok(keys) => {
                (self.keys, self.fetched) = (keys, Some(now));
                None
            }
            Err(failed) => {
                tracing::error!(problem = %failed, "tickets cannot be checked with fresh keys");
                Some(failed)
            }
        };
    }

    fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Vec<Key> {
        let named = self.keys.iter().filter(|key| id.is_none() || key.common.key_id.as_deref() == id);
        let keys: Vec<_> = named.filter_map(|key| Key::of_jwk(key, algorithm)).collect();
        if id.is_none() && keys.len() > 1 { Vec::new() } else { keys }
    }
}
