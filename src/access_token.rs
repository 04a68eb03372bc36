//! Access tokens of our visitors, for pages with the flow `oauth`: the server has the tenant impersonate them, and gives each
//! visitor's own token to that visitor's browser (Qlik Cloud facts, section H).
//!
//! One for each session of ours, kept sealed until shortly before it expires, and one asking however many requests wait for it,
//! by all instances together. Whatever ends our session revokes it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::sync::Cache;
use reqwest::Client as Http;
use secrecy::SecretString;
use time::OffsetDateTime;

use crate::advice::At;
use crate::clock::Clock;
use crate::errand::{self, Budget, Errands, Error, Flights, Visit, What};
use crate::origin::Origin;
use crate::qlik::api::Access;
use crate::qlik::oauth::{self, Client};
use crate::qlik::people::People;
use crate::store::{self, SessionRef, Store};
use crate::subjects::Subjects;
use crate::traces;

mod ended;
mod granted;
mod minting;

pub use granted::Granted;
use minting::Minting;

/// What the tenant is asked for.
const TOKENS: What = What { names: ("access token", "access tokens"), asked: oauth::ACCESS_TOKEN, at: At::OauthToken };
/// For so long a token is believed to be good that the tenant has just taken. A client that asks again may do so because the
/// tenant refused it: somebody may have revoked it there.
const BELIEVED: Duration = Duration::from_secs(20);
/// How many tokens are remembered as good; each takes less than 100 bytes.
const MOST: u64 = 10_000;

/// How access tokens are had.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The client that may impersonate users.
    pub client: Client,
    /// What the tokens are good for: scopes, parted by spaces.
    pub scope: String,
    /// By what right users are looked for, if by any.
    pub people: Option<Access>,
    /// Whether a user who is missing is made.
    pub provision: bool,
    /// Whether a user gets the name that the visitor has: not where several visitors are one user.
    pub rename: bool,
    /// How many tokens a minute the tenant may be asked for, by all instances together (Qlik Cloud facts, section I: Tier 2).
    pub tokens_a_minute: u32,
}

/// The access tokens of all our visitors. Clones share them.
#[derive(Clone)]
pub struct AccessTokens(Arc<Parts>);

struct Parts {
    /// What it shows for itself is exchanged.
    client: ArcSwap<Client>,
    scope: String,
    tenant: Origin,
    http: Http,
    subjects: Arc<Subjects>,
    people: Option<People>,
    store: Store,
    errands: Errands,
    flights: Flights<Granted>,
    /// The names of tokens that were good a moment ago, by session.
    believed: Cache<SessionRef, i64>,
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessTokens")
    }
}

/// A token as it is given to its visitor's browser.
#[derive(Clone, Debug)]
pub struct Given {
    /// The token.
    pub token: SecretString,
    /// When it expires.
    pub expires_at: OffsetDateTime,
}

impl AccessTokens {
    /// Tokens of this tenant, for these subjects.
    pub fn new(settings: Settings, tenant: Origin, http: Http, subjects: Arc<Subjects>, store: Store) -> Self {
        let Settings { client, scope, people, provision, rename, tokens_a_minute } = settings;
        let people = people.map(|access| People::new(http.clone(), tenant.clone(), access, provision, rename));
        let errands = Errands::new(TOKENS, tenant.clone(), store.clone(), tokens_a_minute);
        let believed = Cache::builder().max_capacity(MOST).time_to_live(BELIEVED).build();
        let (client, flights) = (ArcSwap::from_pointee(client), Flights::default());
        let parts = Parts { client, scope, tenant, http, subjects, people, store, errands, flights, believed };
        Self(Arc::new(parts))
    }

    /// From now on, tokens are had with what the client of these settings shows for itself, and users by their right. Tokens that are
    /// there stay good: they are the client's, which is the same.
    pub fn follow(&self, settings: Settings) {
        self.0.client.store(Arc::new(settings.client));
        if let (Some(people), Some(access)) = (&self.0.people, settings.people) {
            people.follow(access);
        }
    }

    /// The token of this visitor, good for 5 minutes at the least: the one that is kept, or a new one.
    ///
    /// # Errors
    /// See [`Error`]. After a refusal the tenant is left alone for 1 s, then 2 s, up to a minute.
    pub async fn get(&self, of: &Visit<'_>, now: OffsetDateTime) -> Result<Given, Error> {
        let granted = self.wanted(of, None, now).await?;
        if self.is_good(of.session, &granted, now).await {
            return Ok(granted.given());
        }
        // The tenant has forgotten it.
        Ok(self.wanted(of, Some(granted.login), now).await?.given())
    }

    async fn wanted(
        &self,
        of: &Visit<'_>,
        other_than: Option<i64>,
        now: OffsetDateTime,
    ) -> Result<Arc<Granted>, Error> {
        let is_it = |granted: &Granted| granted.is_of(of.identity) && Some(granted.login) != other_than;
        let obtain = |who| {
            let tokens = self.clone();
            traces::carried(async move { tokens.0.errands.run(&who, &Minting { tokens: &tokens, other_than }).await })
        };
        self.0.flights.fly(of, now, is_it, obtain).await
    }

    /// Whether the tenant takes it still; asked only if it was not a moment ago. While it cannot be told, it counts as good.
    async fn is_good(&self, session: SessionRef, granted: &Granted, now: OffsetDateTime) -> bool {
        let parts = &self.0;
        let is_new = now - granted.begun() < BELIEVED;
        if is_new || parts.believed.get(&session) == Some(granted.login) {
            return true;
        }
        let good = oauth::is_taken(&parts.http, &parts.tenant, granted.token()).await != Some(false);
        if good {
            parts.believed.insert(session, granted.login);
        }
        good
    }

    /// The budget of tokens as it is now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn budget(&self, now: OffsetDateTime) -> Result<Budget, store::Error> {
        self.0.errands.budget(now).await
    }

    /// Revokes the token of each session of ours that ends, as the store tells of its end. Runs as long as the store does.
    pub async fn run(self, clock: Clock) {
        errand::tend(&self, &self.0.store, &clock).await;
    }
}
