//! Other passwords and secrets while the store is open. Connections that are open stay, for servers keep them; those that are
//! opened from then on use what is new. Where the servers are does not change.

use secrecy::SecretString;
use sqlx::any::AnyConnectOptions;

use super::engines::{Expiring, Settings};
use super::redis::Doors;
use super::seal::Secrets;
use super::{Error, Store, sql};

/// How the store is to be reached, and what seals records: checked, and not in effect yet ([`Store::prepare`]).
pub struct Renewal {
    database: Option<(SecretString, AnyConnectOptions)>,
    sessions: Option<Doors>,
    secrets: Secrets,
}

impl Store {
    /// Makes what these settings describe. Nobody is asked.
    ///
    /// # Errors
    /// When an address cannot be used with what stands beside it.
    pub fn prepare(&self, settings: &Settings) -> Result<Renewal, Error> {
        Ok(Renewal {
            database: sql::way(&settings.database)?,
            sessions: settings.sessions.as_ref().map(Doors::of).transpose()?,
            secrets: self.seal.with(settings.secret.as_ref(), &settings.previous),
        })
    }

    /// From now on, it is reached and sealed so.
    pub fn follow(&self, renewal: Renewal) {
        let Renewal { database, sessions, secrets } = renewal;
        if let Some((server, options)) = database {
            self.database.follow(server, options);
        }
        if let (Expiring::Redis(redis), Some(doors)) = (&self.expiring, sessions) {
            redis.follow(doors);
        }
        self.seal.follow(secrets);
        // What was opened under a secret that is not known any more is in nobody's memory.
        self.ended_some();
    }
}
