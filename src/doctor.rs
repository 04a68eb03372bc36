//! The diagnosis: looks at a configuration, the tenant, the provider and the way between them as the server sees them, and says
//! what is wrong and what to do. It stops at nothing that can still be looked at.
//!
//! The order is that of Qlik Cloud facts, section L. What an answer means comes from [`crate::advice`]. Nothing is changed
//! anywhere, but that the first login of a subject creates its user, which is why a login has to be asked for.

use std::time::Duration;

use reqwest::Client;
use time::OffsetDateTime;

use crate::client;
use crate::clock::Clock;
use crate::config::Config;
use crate::identity::{Identity, Subject};
use crate::mapping::Denied;
use crate::qlik::Tenant;
use crate::qlik::api::Api;

mod access_token;
mod administration;
mod finding;
mod local;
mod oauth_client;
mod passage;
mod people;
mod provider;
mod reach;
mod refused;
mod session;
mod sheet;

pub use finding::{Check, Finding, Outcome};
pub use local::{of_problems, unknown};

/// How long one call may take: who waits for a diagnosis waits for each of some thirty calls.
const CALL: Duration = Duration::from_secs(15);

/// Who is told each finding as soon as there is one.
pub type Tell<'a> = &'a mut (dyn FnMut(Finding) + Send);

/// Who signs in at the tenant, so that what comes behind the login can be looked at.
#[derive(Clone, Debug)]
pub enum Who {
    /// This person.
    Subject(Subject),
    /// Nobody, and why.
    Nobody(String),
}

/// A user made for the diagnosis. Its name says so to whoever finds it in the tenant.
pub fn probe() -> Subject {
    Subject {
        id: "qlik-embed-bff-probe".to_owned(),
        name: "qlik-embed-bff probe".to_owned(),
        email: "qlik-embed-bff-probe@example.com".to_owned(),
        groups: Vec::new(),
    }
}

impl Who {
    /// Whom an identity was resolved to.
    pub fn of(identity: &Identity, resolved: Result<Subject, Denied>) -> Self {
        match resolved {
            Ok(subject) => Self::Subject(subject),
            Err(denied) => Self::Nobody(format!("{} is denied: {}", identity.key(), denied.why())),
        }
    }

    /// Who signs in, if anybody.
    pub fn subject(&self) -> Option<&Subject> {
        match self {
            Self::Subject(subject) => Some(subject),
            Self::Nobody(_) => None,
        }
    }
}

/// Whether there is a tenant: all that can be looked at without the other settings.
pub async fn reach(tenant: &Tenant, now: OffsetDateTime, tell: Tell<'_>) {
    if let Ok(client) = tenant.client() {
        reach::examine(&client, tenant, now, tell).await;
    }
}

/// Looks at one configuration.
pub struct Doctor {
    config: Config,
    clock: Clock,
    client: Client,
    /// For sockets, which there are only in HTTP/1.1.
    http1: Client,
}

impl Doctor {
    /// Looks at this configuration, by this clock.
    ///
    /// # Errors
    /// When the machine's certificate authorities cannot be read.
    pub fn new(config: Config, clock: Clock) -> Result<Self, client::Error> {
        Ok(Self { client: config.tenant.client()?, http1: config.tenant.http1_client()?, config, clock })
    }

    /// Makes every check.
    pub async fn examine(&self, hints: &[String], who: &Who, tell: Tell<'_>) {
        local::examine(self, hints, who, tell).await;
        let answers = reach::examine(&self.client, &self.config.tenant, self.now(), tell).await;
        let login = session::examine(self, answers, who, tell).await;
        sheet::examine(self, login.as_ref(), tell).await;
        if let Some(login) = login {
            login.end(self).await;
        }
        passage::examine(self, answers, tell).await;
        provider::examine(self, tell).await;
        administration::examine(self, answers, who, tell).await;
        if let Some(finding) = access_token::examine(self, answers, who).await {
            tell(finding);
        }
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    fn tenant(&self, path: &str) -> String {
        format!("{}{path}", self.config.tenant.origin)
    }

    /// The tenant's administration, when there is a right to ask it.
    fn api(&self) -> Option<Api> {
        let access = self.config.access.clone()?;
        Some(Api::new(self.client.clone(), self.config.tenant.origin.clone(), access))
    }
}
