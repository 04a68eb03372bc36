//! Access tokens (Qlik Cloud facts, sections H.2 and H.5): opaque to all others, but the tenant knows to which client each
//! was given, for whom and for what; and the assertions with which clients have proven themselves, each good once.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use time::OffsetDateTime;

use super::{random, random_hex, settings::TOKEN_EXCHANGE};

/// What an exchanged token is for (section H.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For the handshake of an engine socket, in its query.
    Websocket,
    /// For images and the like, in their query.
    WebResource,
}

impl Purpose {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "websocket" => Some(Self::Websocket),
            "webresource" => Some(Self::WebResource),
            _ => None,
        }
    }
}

/// What the tenant knows of an access token, which is everything but the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The id in lists, 24 hex characters. It is no secret.
    pub id: String,
    /// The tenant's id of the user for whom it acts.
    pub user: String,
    /// The client to which it was given; none when [`Control::access_token`](super::Control::access_token) made it.
    pub client: Option<String>,
    /// The grant that it came of.
    pub grant: String,
    /// Its scope.
    pub scope: String,
    /// Has the rights of an administrator.
    pub admin: bool,
    /// An exchanged token is for one purpose only.
    pub purpose: Option<Purpose>,
    /// The id of the token that it was exchanged for.
    pub parent: Option<String>,
    /// When it was given.
    pub created: OffsetDateTime,
    /// It is refused from then on.
    pub until: OffsetDateTime,
    /// When it was last used, at the REST interface or at the engine.
    pub used: Option<OffsetDateTime>,
}

impl AccessToken {
    /// A token without purpose or parent.
    pub(super) fn new(user: &str, grant: &str, created: OffsetDateTime, until: OffsetDateTime) -> Self {
        Self {
            id: random_hex::<12>(),
            user: user.into(),
            client: None,
            grant: grant.into(),
            scope: "user_default".into(),
            admin: false,
            purpose: None,
            parent: None,
            created,
            until,
            used: None,
        }
    }

    /// The id of the token that a client was given in the first place.
    pub(super) fn root(&self) -> &str {
        self.parent.as_deref().unwrap_or(&self.id)
    }
}

#[derive(Debug, Default)]
pub(super) struct Tokens {
    /// By the token itself. Old ones stay, so that it is known whose they were.
    given: BTreeMap<String, AccessToken>,
    /// How many were ever given, by grant.
    counts: BTreeMap<String, usize>,
    /// Client and `jti` of accepted assertions, with the second from which each is too old anyway.
    assertions: BTreeMap<(String, String), i64>,
}

impl Tokens {
    /// Gives out a token: opaque, or with the look of a JWT.
    pub fn give(&mut self, token: AccessToken, as_jwt: bool) -> String {
        let value = if as_jwt { three_parts(&token.id) } else { random_hex::<32>() };
        *self.counts.entry(token.grant.clone()).or_default() += 1;
        self.given.insert(value.clone(), token);
        value
    }

    /// What is known of a token, good or too old. Revoked ones are not known.
    pub fn known(&self, value: &str) -> Option<&AccessToken> {
        self.given.get(value)
    }

    /// A good token.
    pub fn living(&self, value: &str, now: OffsetDateTime) -> Option<&AccessToken> {
        self.known(value).filter(|token| token.until > now)
    }

    /// Notes that a token was used.
    pub fn touch(&mut self, value: &str, now: OffsetDateTime) {
        if let Some(token) = self.given.get_mut(value) {
            token.used = Some(now);
        }
    }

    /// All good tokens of a user.
    pub fn of<'a>(&'a self, user: &'a str, now: OffsetDateTime) -> impl Iterator<Item = &'a AccessToken> {
        self.all(now).filter(move |token| token.user == user)
    }

    /// All good tokens.
    pub fn all(&self, now: OffsetDateTime) -> impl Iterator<Item = &AccessToken> {
        self.given.values().filter(move |token| token.until > now)
    }

    /// How many tokens a grant has brought.
    pub fn count(&self, grant: &str) -> usize {
        self.counts.get(grant).copied().unwrap_or_default()
    }

    /// Makes worthless what is meant, perhaps with what was exchanged for it. Returns the ids of what is gone.
    pub fn revoke(&mut self, meant: impl Fn(&str, &AccessToken) -> bool, with_exchanged: bool) -> Vec<String> {
        let found = self.given.iter().filter(|(value, token)| meant(value, token));
        let gone: Vec<String> = found.map(|(_, token)| token.id.clone()).collect();
        self.given.retain(|_, token| {
            let child = token.parent.as_ref().is_some_and(|parent| with_exchanged && gone.contains(parent));
            !child && !gone.contains(&token.id)
        });
        gone
    }

    /// Lets every token be over by now.
    pub fn expire(&mut self, now: OffsetDateTime) {
        self.given.values_mut().for_each(|token| token.until = token.until.min(now));
    }

    /// Marks an assertion as used; `false` when it was before.
    pub fn use_assertion(&mut self, client: &str, jti: &str, too_old_from: i64, now: i64) -> bool {
        self.assertions.retain(|_, until| *until >= now);
        self.assertions.insert((client.to_owned(), jti.to_owned()), too_old_from).is_none()
    }

    /// How many tokens count against the maximum of a user.
    pub fn counted(&self, user: &str, exchanged_too: bool, now: OffsetDateTime) -> usize {
        self.of(user, now).filter(|token| exchanged_too || token.grant != TOKEN_EXCHANGE).count()
    }
}

/// Looks like a JWT, and says nothing: the signature is none.
fn three_parts(id: &str) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = json!({ "alg": "ES384", "typ": "JWT", "kid": "simulated" }).to_string();
    let claims = json!({ "jti": id }).to_string();
    format!("{}.{}.{}", part(header.as_bytes()), part(claims.as_bytes()), part(&random::<96>()))
}
