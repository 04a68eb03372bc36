//! The secret that seals records, when the administrator configured none: made once, kept beside the database.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;

use super::Error;

/// How many characters a secret must have at the least.
pub const SHORTEST: usize = 32;

/// The secret's file for this database: the same name and `.secret`.
pub fn file_beside(database: &Path) -> PathBuf {
    ending_in(database, "secret")
}

fn ending_in(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Reads the secret beside the database, or makes it, readable by its owner alone.
///
/// # Errors
/// When the file cannot be read or made, or holds less than a secret.
pub(super) fn beside(database: &Path) -> Result<SecretString, Error> {
    let file = file_beside(database);
    match std::fs::read_to_string(&file) {
        Ok(text) if text.trim().len() >= SHORTEST => Ok(SecretString::from(text.trim())),
        Ok(_) => Err(Error::DamagedSecret(file)),
        Err(problem) if problem.kind() == ErrorKind::NotFound => make(&file),
        Err(problem) => Err(Error::Secret { file, verb: "read", problem }),
    }
}

/// Written under another name first, so that no half-written secret is ever read.
fn make(file: &Path) -> Result<SecretString, Error> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).expect("the operating system has randomness");
    let text = URL_SAFE_NO_PAD.encode(bytes);
    let draft = ending_in(file, &std::process::id().to_string());
    let write = || {
        let mut options = OpenOptions::new();
        let mut open = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        open.write_all(text.as_bytes())?;
        open.sync_all()?;
        // A link fails when the other name is taken: of two processes that start at once, one secret wins.
        let linked = std::fs::hard_link(&draft, file);
        std::fs::remove_file(&draft)?;
        linked
    };
    match write() {
        Ok(()) => Ok(SecretString::from(text)),
        Err(problem) if problem.kind() == ErrorKind::AlreadyExists => match std::fs::read_to_string(file) {
            Ok(text) => Ok(SecretString::from(text.trim())),
            Err(problem) => Err(Error::Secret { file: file.to_owned(), verb: "read", problem }),
        },
        Err(problem) => Err(Error::Secret { file: file.to_owned(), verb: "written", problem }),
    }
}
