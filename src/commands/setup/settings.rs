//! What becomes of `.env`.

use std::path::Path;

use time::OffsetDateTime;

use super::ask::{Answer, Answers};
use super::{ENV_FILE, tell};
use crate::config::{self, Env, Problems, Written};
use crate::setup::env_file::{Change, EnvFile, changed};
use crate::setup::{Part, State, Step};

/// What a setting shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// This.
    Is(String),
    /// What is known when the rest is done.
    Later,
    /// Nobody cares.
    Nothing,
}

/// A setting, and what it shall be.
pub type Wish = (&'static str, Value);

/// The settings as they are.
pub struct Settings {
    /// Those that stay when this process ends: `.env`, and the file that `CONFIG_FILE` names.
    kept: Written,
    /// All of them.
    all: Written,
    process: Env,
    exists: bool,
}

impl Settings {
    pub fn new(process: &Env, env: &Env) -> Result<Self, Problems> {
        let mut kept = config::read_dotenv(Path::new(ENV_FILE))?;
        if let Some(file) = env.get("CONFIG_FILE") {
            kept.entry("CONFIG_FILE".to_owned()).or_insert_with(|| file.clone());
        }
        let exists = Path::new(ENV_FILE).exists();
        Ok(Self { kept: Written::of(&kept), all: Written::of(env), process: process.clone(), exists })
    }

    /// The wishes, and with them what was said on the command line's environment only.
    fn all_of(&self, wishes: &[Wish]) -> Vec<Wish> {
        let given = |name: &'static str| Some((name, Value::Is(self.all.value(name)?)));
        let key_file = || Some((KEY_FILE, Value::Is(self.all.file_of(KEY)?)));
        let given = [given("QLIK_TENANT"), given("PUBLIC_URL"), key_file()];
        given.into_iter().flatten().chain(wishes.iter().cloned()).collect()
    }

    fn is_kept(&self, name: &str, wanted: &str) -> bool {
        let kept = if name == KEY_FILE { self.kept.file_of(KEY) } else { self.kept.value(name) };
        kept.is_some_and(|kept| if name.ends_with("_ID") { kept.eq_ignore_ascii_case(wanted) } else { kept == wanted })
    }

    /// What has to be written.
    fn changes(&self, wishes: &[Wish]) -> Vec<Wish> {
        let open = |(name, value): &Wish| match value {
            Value::Is(wanted) => !self.is_kept(name, wanted),
            Value::Later => true,
            Value::Nothing => false,
        };
        self.all_of(wishes).into_iter().filter(open).collect()
    }

    pub fn step(&self, wishes: &[Wish]) -> Step {
        let names: Vec<_> = self.changes(wishes).into_iter().map(|(name, _)| name).collect();
        if names.is_empty() {
            return Step::here(Part::Settings, State::There, format!("{ENV_FILE} has them"));
        }
        let state = if self.exists { State::Change } else { State::Create };
        Step::here(Part::Settings, state, format!("{ENV_FILE}: {}", names.join(", ")))
    }

    /// Writes what has changed.
    pub fn write(
        &self,
        file: &mut EnvFile,
        wishes: &[Wish],
        answers: &mut Answers,
        now: OffsetDateTime,
    ) -> anyhow::Result<()> {
        let step = self.step(wishes);
        let changes: Vec<Change> = self
            .changes(wishes)
            .into_iter()
            .filter_map(|(name, value)| match value {
                Value::Is(value) => Some((name, Some(value))),
                Value::Later | Value::Nothing => None,
            })
            .collect();
        self.warn(&changes);
        if changes.is_empty() || answers.ask(&step)? != Answer::Yes {
            return Ok(());
        }
        let text = changed(file.text(), &changes);
        let backup = file.write(&text, now)?;
        tell::done(&step);
        if let Some(backup) = backup {
            println!("         what was there before is kept in {}", backup.display());
        }
        Ok(())
    }

    /// The process's environment wins, here and when the server starts.
    fn warn(&self, changes: &[Change]) {
        for (name, value) in changes {
            if let (Some(outside), Some(value)) = (self.process.get(*name), value)
                && !outside.trim().is_empty()
                && outside.trim() != value
            {
                eprintln!("note: the environment sets {name}, which wins over {ENV_FILE}: remove it there");
            }
        }
    }
}

const KEY: &str = "QLIK_JWT_PRIVATE_KEY";
const KEY_FILE: &str = "QLIK_JWT_PRIVATE_KEY_FILE";
