//! Who somebody is: an [`Identity`] to us, a [`Subject`] to Qlik. No rules here; `mapping` leads from one to the other.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The way in which a visitor said who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A local account with a password.
    Password,
    /// An OpenID provider.
    Oidc,
    /// A proxy before us that has signed the visitor in.
    Header,
    /// A signed hand-off from the host portal.
    Ticket,
}

impl Source {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Self; 4] = [Self::Password, Self::Oidc, Self::Header, Self::Ticket];

    /// The word that stands for `{source}` in a subject template. Never changes, for subjects are built from it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Oidc => "oidc",
            Self::Header => "header",
            Self::Ticket => "ticket",
        }
    }

    /// The source of this name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who the visitor is to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Which way of signing in vouches for the rest.
    pub source: Source,
    /// Unique and unchanging within its source.
    pub id: String,
    /// Display name.
    pub name: String,
    /// E-mail address, where the source knows one.
    pub email: Option<String>,
    /// Names of the groups that the source reports, in any order.
    pub groups: Vec<String>,
    /// What else the source says, for the mapping's rules.
    #[serde(default)]
    pub claims: Map<String, Value>,
}

impl Identity {
    /// One text per person across all sources, from [`Identity::key_of`].
    pub fn key(&self) -> String {
        Self::key_of(self.source, &self.id)
    }

    /// The key of whoever has this id at this source; `:` is in no source's name, so two persons never share it.
    pub fn key_of(source: Source, id: &str) -> String {
        format!("{source}:{id}")
    }
}

/// Whether a claim is there and says no. Some who write claims write truth as text.
pub fn is_false(claim: Option<&Value>) -> bool {
    claim.is_some_and(|value| *value == Value::Bool(false) || value.as_str() == Some("false"))
}

/// Claims about a token or a sign-in, not about the person (RFC 7519, section 4.1; OpenID Connect Core 1.0, section 2). They
/// differ from one sign-in to the next, so no identity keeps them and no rule may use them.
pub const PROTOCOL_CLAIMS: [&str; 15] = [
    "iss",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "azp",
    "sid",
    "auth_time",
    "acr",
    "amr",
];

/// Who the same person is to Qlik: what the token says (Qlik Cloud facts, section A.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// The `sub` claim, by which Qlik recognises a person. A new one is a new user with a new licence.
    pub id: String,
    /// The `name` claim.
    pub name: String,
    /// The `email` claim.
    pub email: String,
    /// The `groups` claim: sorted, without duplicates.
    pub groups: Vec<String>,
}

/// A local account, without its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The sign-in name in its canonical form (see [`Account::canonical`]).
    pub id: String,
    /// Display name.
    pub name: String,
    /// E-mail address; no two accounts share one.
    pub email: String,
    /// Names of the account's groups.
    pub groups: Vec<String>,
}

impl Account {
    /// `Ada` and `ada ` are one person, and so one subject.
    pub fn canonical(name: &str) -> String {
        name.trim().to_lowercase()
    }

    /// Who somebody who signed in to this account is.
    pub fn identity(&self) -> Identity {
        Identity {
            source: Source::Password,
            id: self.id.clone(),
            name: self.name.clone(),
            email: Some(self.email.clone()),
            groups: self.groups.clone(),
            claims: Map::new(),
        }
    }
}
