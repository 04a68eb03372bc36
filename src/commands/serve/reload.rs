//! The key that signs, exchanged while the server runs: on SIGHUP, and when `.env` names another one. Of all settings only key,
//! issuer and key id are read again, and only together.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::config::{self, Env, Written};

/// How often `.env` is looked at.
const EVERY: Duration = Duration::from_secs(5);
/// After how many looks what failed is tried again: the file of the key may come later than `.env`.
const AGAIN: u32 = 12;
const KEY: &str = "QLIK_JWT_PRIVATE_KEY";
const NAMES: [&str; 3] = ["QLIK_JWT_ISSUER", "QLIK_JWT_KEY_ID", KEY];

/// Where settings come from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The process's environment, which wins.
    pub process: Env,
    /// The file under it.
    pub file: PathBuf,
}

impl Source {
    /// What is written about the key: the three settings, and the file that has it. What lies in that file may be prepared before
    /// it is used, so it is no news.
    fn written(&self) -> Option<Vec<Option<String>>> {
        let env = config::with_dotenv(&self.process, &self.file).ok()?;
        let written = Written::of(&env);
        Some(NAMES.iter().map(|name| written.value(name)).chain([written.file_of(KEY)]).collect())
    }

    /// When the file was changed, and how long it is.
    fn stamp(&self) -> Option<(SystemTime, u64)> {
        let data = std::fs::metadata(&self.file).ok()?;
        Some((data.modified().ok()?, data.len()))
    }
}

/// Exchanges the key whenever there is another one, until the process ends.
///
/// # Errors
/// When SIGHUP cannot be caught.
pub fn watch(source: Source, app: App) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("SIGHUP cannot be caught")?;
    let (mut stamp, mut written) = (source.stamp(), source.written());
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        let mut looks_since_failure: Option<u32> = None;
        loop {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                _ = ticks.tick() => false,
            };
            let is_again = looks_since_failure.as_mut().is_some_and(|looks| {
                *looks += 1;
                looks.is_multiple_of(AGAIN)
            });
            let now = source.stamp();
            if !asked && !is_again && now == stamp {
                continue;
            }
            stamp = now;
            let news = source.written();
            if asked || is_again || news != written {
                looks_since_failure = if read_again(&source, &app, asked) { None } else { Some(0) };
            }
            written = news;
        }
    });
    Ok(())
}

/// Whether tokens are signed with what is written now.
fn read_again(source: &Source, app: &App, asked: bool) -> bool {
    let process = Written::of(&source.process);
    let outside: Vec<_> = NAMES.into_iter().filter(|name| process.value(name).is_some()).collect();
    if !outside.is_empty() || process.file_of(KEY).is_some() {
        let names = if outside.is_empty() { "QLIK_JWT_PRIVATE_KEY_FILE".to_owned() } else { outside.join(", ") };
        tracing::warn!(settings = %names, "the environment sets these, which wins over .env and cannot change while it runs");
    }
    let env = config::with_dotenv(&source.process, &source.file);
    let settings = match env.and_then(|env| config::load_signing(&env, app.clock.now())) {
        Ok(settings) => settings,
        Err(problems) => {
            tracing::error!(%problems, "the new key cannot be used, so tokens are signed with the old one");
            return false;
        }
    };
    let Some(tokens) = &app.tokens else { return true };
    let (issuer, key_id) = (settings.issuer().to_owned(), settings.key_id().to_owned());
    if tokens.has(&settings) {
        if asked {
            tracing::info!(issuer, key_id, "the key is the same");
        }
        return true;
    }
    match tokens.exchange(settings) {
        Ok(()) => tracing::info!(issuer, key_id, "tokens are signed with another key from now on"),
        Err(problem) => {
            tracing::error!(%problem, "the new key cannot be used, so tokens are signed with the old one");
            return false;
        }
    }
    true
}
