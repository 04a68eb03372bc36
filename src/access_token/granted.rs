//! One access token, as the store has it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::Given;
use crate::identity::{Identity, Source};
use crate::qlik::oauth::AccessToken;
use crate::store::held::Kept;

/// A token is not given out any more when it expires so soon; of a short life, half.
const EARLY: Duration = Duration::minutes(5);

/// An access token that the tenant granted for a session of ours.
pub struct Granted {
    /// Names the asking that it came of.
    pub(super) login: i64,
    pub(super) content: Content,
    token: SecretString,
}

/// What is sealed in the store.
#[derive(Serialize, Deserialize)]
pub(super) struct Content {
    /// Whose it is: an identity's source and id.
    pub owner: (Source, String),
    /// Who that is to Qlik.
    pub subject: String,
    /// The client that may use it.
    pub client: String,
    #[serde(with = "time::serde::timestamp")]
    pub begun: OffsetDateTime,
    #[serde(with = "time::serde::timestamp")]
    pub expires_at: OffsetDateTime,
    token: String,
}

impl Granted {
    pub(super) fn new(
        login: i64,
        token: &AccessToken,
        identity: &Identity,
        subject: &str,
        client: &str,
        begun: OffsetDateTime,
    ) -> Self {
        let content = Content {
            owner: (identity.source, identity.id.clone()),
            subject: subject.to_owned(),
            client: client.to_owned(),
            begun,
            expires_at: token.expires_at,
            token: token.token.expose_secret().to_owned(),
        };
        Self { login, content, token: token.token.clone() }
    }

    /// As the store has it. `None` when it cannot be read: it may be sealed under another secret, or another version's.
    pub(super) fn read(login: i64, value: &[u8]) -> Option<Self> {
        let content: Content = serde_json::from_slice(value).ok()?;
        let token = content.token.as_str().into();
        Some(Self { login, content, token })
    }

    /// As the store is to have it.
    pub(super) fn to_keep(&self) -> Kept {
        let value = serde_json::to_vec(&self.content).expect("texts and numbers are JSON");
        Kept { login: self.login, version: 0, used: self.content.begun, value }
    }

    pub(super) fn token(&self) -> &SecretString {
        &self.token
    }

    pub(super) fn begun(&self) -> OffsetDateTime {
        self.content.begun
    }

    /// Whether it is this person's.
    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        self.content.owner.0 == identity.source && self.content.owner.1 == identity.id
    }

    /// Whether it is this subject's at this client, and good for a while yet.
    pub(super) fn serves(&self, subject: &str, client: &str, now: OffsetDateTime) -> bool {
        let Content { begun, expires_at, .. } = self.content;
        let early = EARLY.min((expires_at - begun) / 2);
        self.content.subject == subject && self.content.client == client && now < expires_at - early
    }

    /// Whether both are of one subject at one client.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        (&self.content.subject, &self.content.client) == (&other.content.subject, &other.content.client)
    }

    pub(super) fn given(&self) -> Given {
        Given { token: self.token.clone(), expires_at: self.content.expires_at }
    }
}

impl fmt::Debug for Granted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Granted").field("expires_at", &self.content.expires_at).finish_non_exhaustive()
    }
}
