//! `migrate`: brings the tables of the database up to date, or says how they stand.

use anyhow::bail;
use clap::Args;

use crate::config::{self, Env};
use crate::store::{self, Condition, Store};

/// What `migrate` takes.
#[derive(Debug, Args)]
pub struct Migrate {
    /// Change nothing; exit code 1 when there is something to do, or the database is newer than this program
    #[arg(long)]
    check: bool,
}

/// Makes the tables that this version needs, as each start does, or only looks.
///
/// # Errors
/// When the database cannot be opened; with `--check` also when its tables are not of this version.
pub async fn run(migrate: Migrate, env: &Env) -> anyhow::Result<()> {
    let settings = config::load_store(env)?;
    let database = &settings.database;
    let before = store::condition(&settings).await?;
    if migrate.check {
        match before {
            Condition::Current => println!("the database {database} has the tables of this version"),
            Condition::Nothing => {
                bail!("the database {database} has no tables yet: `migrate` or the next start makes them")
            }
            Condition::Behind(steps) => bail!(
                "the database {database} is {steps} steps behind: back it up, then run `migrate`, or let the next start do it"
            ),
            Condition::Newer => return Err(store::Error::Newer(database.to_string()).into()),
        }
        return Ok(());
    }
    Store::open(&settings).await?.close().await;
    match before {
        Condition::Current => println!("the database {database} has the tables of this version: nothing to do"),
        Condition::Behind(steps) => println!("the database {database} is {steps} steps further, and up to date"),
        Condition::Nothing | Condition::Newer => println!("the database {database} has its tables"),
    }
    Ok(())
}
