//! What administrators may ask this instance about, and who they are.

use time::OffsetDateTime;

use crate::audit::Recent;
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::identity::Identity;
use crate::qlik::token;
use crate::subjects::explanation::Means;

mod rounds;

pub use rounds::{Round, Rounds};

/// The pages for administrators: there are none without `ADMIN_GROUPS`.
pub struct Administration {
    /// The configuration, as it was read last.
    config: Config,
    /// Who may look, and the settings as they may see them.
    pub settings: config::Admin,
    /// When this instance was started.
    pub since: OffsetDateTime,
    /// What happened since then.
    pub recent: Recent,
    /// The diagnosis.
    pub rounds: Rounds,
}

impl Administration {
    /// That of a configuration with `ADMIN_GROUPS`, in an instance that was started then. From now on it keeps the last events.
    pub fn of(config: &Config, clock: &Clock, since: OffsetDateTime) -> Option<Self> {
        let settings = config.admin.clone()?;
        let recent = Recent::begin(clock.clone());
        Some(Self { config: config.clone(), settings, since, recent, rounds: Rounds::default() })
    }

    /// The same with another configuration: what happened, and the diagnosis, stay. Nothing without `ADMIN_GROUPS`.
    pub fn renewed(&self, config: &Config) -> Option<Self> {
        let settings = config.admin.clone()?;
        let Self { since, recent, rounds, .. } = self;
        Some(Self { config: config.clone(), settings, since: *since, recent: recent.clone(), rounds: rounds.clone() })
    }

    /// Whether this person is an administrator: by the groups that the way of signing in reports, before any mapping.
    pub fn admits(&self, who: &Identity) -> bool {
        who.groups.iter().any(|group| self.settings.groups.contains(group))
    }

    /// By what people are explained; the key may have been exchanged since the start.
    pub fn means<'a>(&'a self, token: Option<&'a token::Settings>) -> Means<'a> {
        Means { mapping: &self.config.mapping, pages: &self.config.pages, token }
    }

    /// The configuration, with what tokens are signed with now. Which certificate is another key's is not known.
    pub fn config_now(&self, tokens: Option<&token::Issuer>) -> Config {
        let is_current = tokens.zip(self.config.token.as_ref()).is_some_and(|(tokens, token)| tokens.has(token));
        let certificate = self.config.certificate.clone().filter(|_| is_current);
        Config { token: tokens.map(token::Issuer::settings), certificate, ..self.config.clone() }
    }
}
