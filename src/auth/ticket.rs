//! A signed hand-off from the host portal: a JWT (RFC 7519) for this server alone, good once and for minutes.
//!
//! Checked as RFC 8725 says: the algorithm and the key come from the settings, never from the ticket; the kind, the
//! issuer, the audience and the times are checked; what the ticket brings along to be checked with (`jwk`, `jku`, `x5c`)
//! is not even read. Only then is its `jti` claimed in the store, which all instances share.

use std::sync::Arc;

use arc_swap::ArcSwap;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};
use url::Url;

use crate::identity::{Identity, Source};
use crate::origin::Origin;
use crate::store::{self, Kind, Store};

pub mod claims;
mod key;
mod key_set;

pub use key::{Algorithm, Key, KeyProblem};
use key_set::KeySet;
pub use key_set::NoKeySet;

/// The longest life that a ticket may have left, from now: time for a redirect, not for a bookmark.
pub const LONGEST_LIFE: Duration = Duration::minutes(5);
/// How far the portal's clock and ours may be apart. Clocks that are kept in step differ by less than a second; this
/// covers one that is not, and is what tokens for the tenant allow too (`QLIK_JWT_SKEW`).
const SKEW: Duration = Duration::seconds(30);
/// The longest ticket, in bytes: it has to fit into one of our forms, and 12 KiB are a few hundred groups.
const LONGEST: usize = 12 * 1024;

/// What tickets are checked with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The `iss` of every ticket.
    pub issuer: String,
    /// The `aud` of every ticket: our own origin.
    pub audience: Origin,
    /// How every ticket is signed.
    pub algorithm: Algorithm,
    /// Who signs them.
    pub keys: Keys,
}

/// Where the keys are.
#[derive(Clone, Debug)]
pub enum Keys {
    /// One, in the settings.
    One(Key),
    /// At the portal: a JWK set (RFC 7517, section 5).
    At(Url),
}

/// Why a ticket is worth nothing. For the log and the audit; what the visitor is told is less. Names no content.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// An address or a form without one.
    #[error("there is no ticket")]
    Missing,
    /// A script, an image or the like asked: nobody saw that somebody was being signed in.
    #[error("the ticket was not handed over by a navigation")]
    NoNavigation,
    /// More than there is room for.
    #[error("the ticket has more than {LONGEST} bytes")]
    TooLong,
    /// No compact serialization of a JWS (RFC 7515, section 7.1).
    #[error("the ticket is no JWT: {0}")]
    Malformed(&'static str),
    /// `none`, or any other algorithm than the one that is set (RFC 8725, section 3.1).
    #[error("the ticket is not signed with {0}, which TICKET_ALGORITHM asks for")]
    Algorithm(Algorithm),
    /// Extensions that have to be understood (RFC 7515, section 4.1.11); we understand none.
    #[error("the ticket has a crit header")]
    Critical,
    /// A JWT for something else, by its `typ` (RFC 8725, section 3.11).
    #[error("the ticket's typ is not JWT")]
    Kind,
    /// The key set has no such key.
    #[error("the key that the ticket names is not in the key set")]
    UnknownKey,
    /// Forged, or signed with another key.
    #[error("the ticket's signature does not match")]
    Signature,
    /// A claim is not there.
    #[error("the ticket has no {0}")]
    NoClaim(&'static str),
    /// A claim is there, and cannot be used.
    #[error("the ticket's {0} {1}")]
    BadClaim(&'static str, &'static str),
    /// From somebody else.
    #[error("the ticket's iss is not TICKET_ISSUER")]
    Issuer,
    /// For somebody else.
    #[error("the ticket's aud is not PUBLIC_URL")]
    Audience,
    /// Too late.
    #[error("the ticket has expired")]
    Expired,
    /// Good for too long.
    #[error("the ticket's exp is more than 5 minutes away")]
    TooLongLived,
    /// Too early.
    #[error("the ticket's {0} is in the future")]
    FromTheFuture(&'static str),
    /// It was here before.
    #[error("the ticket was used already")]
    Used {
        /// Whose it is: an [`Identity::key`].
        whose: String,
    },
    /// The keys could not be had.
    #[error("the ticket could not be checked: {0}")]
    NoKeySet(#[from] NoKeySet),
    /// Whether it was used is not known.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Refused {
    /// Whether the same ticket may be taken a little later: it was not judged.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::NoKeySet(_) | Self::Store(_))
    }

    /// Whose the ticket is, where its signature has proven that: an [`Identity::key`].
    pub fn whose(&self) -> Option<&str> {
        if let Self::Used { whose } = self { Some(whose) } else { None }
    }
}

/// Takes tickets.
#[derive(Debug)]
pub struct Tickets {
    issuer: String,
    audience: Origin,
    check: ArcSwap<Check>,
    store: Store,
}

/// How signatures are checked.
#[derive(Debug)]
struct Check {
    algorithm: Algorithm,
    keys: HeldKeys,
}

#[derive(Debug)]
enum HeldKeys {
    One(Key),
    Set(KeySet),
}

/// What the first part of a ticket says and is looked at. Its `jwk`, `jku`, `x5u` and `x5c` are not: whoever forges a
/// ticket would bring the key along (RFC 8725, section 3.10).
#[derive(Deserialize)]
struct Header {
    alg: String,
    typ: Option<String>,
    kid: Option<String>,
    crit: Option<Value>,
}

impl Tickets {
    /// Tickets that are marked as used in this store. The client is made only when keys have to be fetched.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn new(settings: Settings, store: Store, client: Client) -> Self {
        let Settings { issuer, audience, algorithm, keys } = settings;
        let keys = match keys {
            Keys::One(key) => HeldKeys::One(key),
            Keys::At(url) => HeldKeys::Set(KeySet::new(url, client)),
        };
        Self { issuer, audience, check: ArcSwap::from_pointee(Check { algorithm, keys }), store }
    }

    /// From now on, tickets are checked with the key of these settings. A set of keys at the portal is followed where it is.
    pub fn follow(&self, settings: Settings) {
        if let Keys::One(key) = settings.keys {
            self.check.store(Arc::new(Check { algorithm: settings.algorithm, keys: HeldKeys::One(key) }));
        }
    }

    /// Who the portal says this is. The ticket is used up by that: nobody can redeem it again, at any instance.
    ///
    /// # Errors
    /// When the ticket is worth nothing, or cannot be judged now ([`Refused::is_temporary`]); then it is not used up.
    pub async fn redeem(&self, ticket: &SecretString, now: OffsetDateTime) -> Result<Identity, Refused> {
        let claims = self.verify(ticket.expose_secret(), now).await?;
        claims::check(&claims, &self.issuer, &self.audience)?;
        let until = claims::check_times(&claims, now)?;
        let jti = claims::name(&claims, "jti")?.to_owned();
        let identity = claims::identity(claims)?;
        // No issuer has a line break in it. The second skew is for instances whose clocks are behind that of the one
        // that deletes what has expired.
        let mark = format!("{}\n{jti}", self.issuer);
        if self.store.keep(Kind::UsedTicket, &mark, Vec::new(), until + SKEW).await? {
            Ok(identity)
        } else {
            Err(Refused::Used { whose: identity.key() })
        }
    }

    /// The claims, once the signature is proven.
    async fn verify(&self, ticket: &str, now: OffsetDateTime) -> Result<Map<String, Value>, Refused> {
        if ticket.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let mut parts = ticket.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::Malformed("it does not have three parts"));
        };
        let signed = &ticket[..header.len() + 1 + claims.len()];
        let header: Header = claims::part(header, "its header cannot be read")?;
        let check = self.check.load_full();
        let algorithm = check.algorithm;
        if header.alg != algorithm.as_str() {
            return Err(Refused::Algorithm(algorithm));
        }
        if header.crit.is_some() {
            return Err(Refused::Critical);
        }
        if header.typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
            return Err(Refused::Kind);
        }
        let proven = match &check.keys {
            HeldKeys::One(key) => key.verifies(algorithm, signed, signature),
            HeldKeys::Set(set) => {
                let keys = set.keys(algorithm, header.kid.as_deref(), now).await?;
                if keys.is_empty() {
                    return Err(Refused::UnknownKey);
                }
                keys.iter().any(|key| key.verifies(algorithm, signed, signature))
            }
        };
        if proven { claims::part(claims, "its claims cannot be read") } else { Err(Refused::Signature) }
    }
}
