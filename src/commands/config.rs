//! `config check` and `config show`.

use clap::Subcommand;
use time::OffsetDateTime;

use crate::config::{self, Env, Problems};

/// What to do with the configuration.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigCommand {
    /// Checks the configuration and reports every problem; changes nothing
    Check,
    /// Shows the settings in effect and where they come from; secrets are masked
    Show,
}

/// Does it.
///
/// # Errors
/// All problems of the configuration.
pub fn run(command: ConfigCommand, env: &Env, now: OffsetDateTime) -> Result<(), Problems> {
    let loaded = config::load(env, now)?;
    match command {
        ConfigCommand::Check => println!("the configuration is good"),
        ConfigCommand::Show => {
            let shown = &loaded.shown;
            let names = shown.iter().map(|line| line.name.len()).max().unwrap_or(0);
            let values = shown.iter().map(|line| line.value.chars().count()).max().unwrap_or(0).min(60);
            for line in shown {
                println!("{:names$}  {:values$}  {}", line.name, line.value, line.from);
            }
        }
    }
    for hint in loaded.hints {
        eprintln!("note: {hint}");
    }
    Ok(())
}
