//! What is remembered while keys are changed: a small file beside the keys, so that another run can go on.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::Names;
use super::pair::Staged;

/// The file.
const FILE: &str = "rotation.json";

/// A change of keys that is under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// What tokens had.
    pub old: Names,
    /// What they will have.
    pub new: Names,
    /// The new key.
    pub private_key: PathBuf,
    /// When the old provider goes, in seconds since the epoch; not known before tokens are signed with the new key.
    pub remove_after: Option<i64>,
}

impl Rotation {
    /// Where it is remembered, in the folder of the keys.
    pub fn file(keys: &Path) -> PathBuf {
        keys.join(FILE)
    }

    /// The one that is under way.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(keys: &Path) -> anyhow::Result<Option<Self>> {
        let file = Self::file(keys);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(problem) if problem.kind() == ErrorKind::NotFound => return Ok(None),
            Err(problem) => return Err(problem).with_context(|| format!("cannot read {}", file.display())),
        };
        let read = serde_json::from_str(&text);
        read.map(Some).with_context(|| format!("{} is damaged: remove it to begin anew", file.display()))
    }

    /// Remembers it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep(&self, keys: &Path) -> anyhow::Result<()> {
        let file = Self::file(keys);
        Staged::write(&file, &serde_json::to_string_pretty(self)?, 0o600)?.publish()
    }

    /// Forgets it.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(keys: &Path) -> anyhow::Result<()> {
        let file = Self::file(keys);
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))
    }

    /// When the old provider goes.
    pub fn end(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.remove_after?).ok()
    }
}
