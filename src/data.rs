//! Data without a chart: what an app has, asked by the server with the visitor's own access token. So the tenant decides what
//! the visitor may see.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::access_token::{AccessTokens, Given};
use crate::advice::Advice;
use crate::client;
use crate::errand::{self, Visit};
use crate::origin::Origin;
use crate::qlik::Tenant;
use crate::qlik::engine::{self, Engine, Right, Sheet, Table};

/// How many sockets are open at once for this, for everybody together.
const SOCKETS: usize = 32;
/// How long an answer may take; the requests of browsers have a little more.
const LONGEST: Duration = Duration::from_secs(25);
/// How many rows an answer has at the most.
pub const MOST_ROWS: usize = 10_000;

/// What is asked for where a request does not say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A field, or an expression that begins with `=`.
    pub dimension: Option<String>,
    /// An expression, such as `=Sum(Sales)`.
    pub measure: Option<String>,
}

/// Why there is no data. Messages have no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no access token.
    #[error(transparent)]
    Errand(#[from] errand::Error),
    /// The engine did not do as asked.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// Too much is asked for at once.
    #[error("too much data is asked for at this moment")]
    Busy,
    /// The engine takes too long: it would not be faster the next time.
    #[error("the data was not there within {} s", LONGEST.as_secs())]
    TooSlow,
}

impl Error {
    /// What it means, and what to do, where that is the tenant's answer or its silence.
    pub fn advice(&self) -> Option<&'static Advice> {
        match self {
            Self::Errand(problem) => problem.advice(),
            Self::Engine(problem) => Some(problem.advice()),
            Self::Busy | Self::TooSlow => None,
        }
    }
}

/// Asks apps for data. Clones share it.
#[derive(Clone)]
pub struct Data {
    /// What is asked for where a request does not say.
    pub settings: Settings,
    tokens: AccessTokens,
    tenant: Origin,
    /// For the upgrade to the engine's websocket.
    client: Client,
    sockets: Arc<Semaphore>,
}

impl Data {
    /// Data of this tenant, with these tokens.
    ///
    /// # Errors
    /// When the machine's certificate authorities cannot be read.
    pub fn new(settings: Settings, tenant: &Tenant, tokens: AccessTokens) -> Result<Self, client::Error> {
        let (client, tenant) = (tenant.http1_client()?, tenant.origin.clone());
        Ok(Self { settings, tokens, tenant, client, sockets: Arc::new(Semaphore::new(SOCKETS)) })
    }

    /// The same, with other answers to what a request does not say.
    pub fn with(&self, settings: Settings) -> Self {
        Self { settings, ..self.clone() }
    }

    /// The sheets of an app that this visitor sees.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn sheets(
        &self,
        of: &Visit<'_>,
        app: &str,
        identity: &str,
        now: OffsetDateTime,
    ) -> Result<Vec<Sheet>, Error> {
        let given = self.tokens.get(of, now).await?;
        self.within(async {
            let mut engine = self.open(&given, app, identity, now).await?;
            let sheets = engine.sheets().await;
            engine.close().await;
            Ok(sheets?)
        })
        .await
    }

    /// The measure for each value of the dimension, up to `most` of them. `identity` keeps the engine's session apart from the
    /// visitor's others, so that their selections have nothing to do with it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn table(
        &self,
        of: &Visit<'_>,
        (app, identity): (&str, &str),
        (dimension, measure): (&str, &str),
        most: usize,
        now: OffsetDateTime,
    ) -> Result<Table, Error> {
        let given = self.tokens.get(of, now).await?;
        self.within(async {
            let mut engine = self.open(&given, app, identity, now).await?;
            let table = engine.table(dimension, measure, most.min(MOST_ROWS)).await;
            engine.close().await;
            Ok(table?)
        })
        .await
    }

    /// Whoever waits for a token takes nobody's place.
    async fn within<T>(&self, ask: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let _place = self.sockets.try_acquire().map_err(|_| Error::Busy)?;
        timeout(LONGEST, ask).await.unwrap_or(Err(Error::TooSlow))
    }

    async fn open(&self, given: &Given, app: &str, identity: &str, now: OffsetDateTime) -> Result<Engine, Error> {
        let right = Right::Bearer(&given.token);
        Ok(Engine::open(&self.client, &self.tenant, app, identity, &right, now).await?)
    }
}
