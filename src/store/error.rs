//! Why the store did not do as asked.

use std::path::PathBuf;
use std::time::Duration;

use super::database::Database;

/// Why the store did not do as asked. Messages name no content.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder for the database file, or the one above it, is not there.
    #[error("the folder {} does not exist and cannot be made: create it, or name another file in DATABASE_URL", .0.display())]
    NoFolder(PathBuf),
    /// There is no database yet.
    #[error("there is no database {} yet: add an account with `users add`, or name the right file in DATABASE_URL", .0.display())]
    Nothing(PathBuf),
    /// The secret beside the database cannot be read or made.
    #[error("the session secret {} cannot be {verb}: {problem}", .file.display())]
    Secret {
        /// The file.
        file: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// Why it failed.
        problem: std::io::Error,
    },
    /// The secret beside the database is too short to be one of ours.
    #[error("the session secret {} is damaged: restore it from a backup, or remove it (everybody then signs in again)", .0.display())]
    DamagedSecret(PathBuf),
    /// Several instances cannot share a secret that lies beside a file.
    #[error("SESSION_SECRET is not set: with PostgreSQL, all instances need the same one")]
    NoSecret,
    /// A newer version of this program has been here.
    #[error(
        "the database {0} belongs to a newer version of qlik-embed-bff: install that version, or name another one in DATABASE_URL"
    )]
    Newer(String),
    /// The SQLite file could not be opened or brought up to date.
    #[error("the database {database} cannot be opened: {problem}")]
    File {
        /// Which one.
        database: String,
        /// What was said.
        problem: sqlx::Error,
    },
    /// The database server cannot be reached, does not let us in, or could not be brought up to date.
    #[error("the database {database} cannot be opened: {problem}")]
    Server {
        /// Which one, without a password.
        database: String,
        /// What was said.
        problem: sqlx::Error,
    },
    /// The session store cannot be reached, or does not let us in.
    #[error("the session store {at} cannot be opened: {problem}")]
    Sessions {
        /// Which one, without a password.
        at: String,
        /// What was said.
        problem: redis::RedisError,
    },
    /// A statement failed.
    #[error("the database did not answer: {0}")]
    Sql(sqlx::Error),
    /// A command failed.
    #[error("the session store did not answer: {0}")]
    Redis(#[from] redis::RedisError),
    /// What came back is not what this program writes.
    #[error("the session store has something else than expected ({0}): is it used by another program, too?")]
    Foreign(&'static str),
    /// It took too long.
    #[error("the store did not answer within {} s", .0.as_secs())]
    Slow(Duration),
    /// An account of that name is there already.
    #[error("there is an account named {0} already")]
    NameTaken(String),
    /// Another account has the address. Two Qlik users with one address lock each other out (Qlik Cloud facts, A.4).
    #[error("another account has the e-mail address {0}; Qlik needs one address per person")]
    EmailTaken(String),
}

impl From<sqlx::Error> for Error {
    fn from(problem: sqlx::Error) -> Self {
        Self::Sql(problem)
    }
}

impl Error {
    /// Whether the administrator must change something before another start can succeed.
    pub fn is_of_configuration(&self) -> bool {
        match self {
            Self::NoFolder(_) | Self::Secret { .. } | Self::DamagedSecret(_) | Self::NoSecret => true,
            Self::Newer(_) | Self::File { .. } => true,
            // A server that is not there yet may be in a moment.
            Self::Server { .. } | Self::Sessions { .. } => false,
            Self::Nothing(_) | Self::NameTaken(_) | Self::EmailTaken(_) => false,
            Self::Sql(_) | Self::Redis(_) | Self::Foreign(_) | Self::Slow(_) => false,
        }
    }

    pub(super) fn open(database: &Database, problem: sqlx::Error) -> Self {
        let name = database.to_string();
        match database {
            Database::Sqlite(_) => Self::File { database: name, problem },
            Database::Postgres(_) => Self::Server { database: name, problem },
        }
    }
}
