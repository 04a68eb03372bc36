//! The file `.env`: lines `NAME=value`, under what the process's environment says.

use std::path::Path;

use super::file::Env;
use super::problem::Problems;

/// What a file of settings says; nothing when there is none. Of two lines with one name the first counts.
///
/// # Errors
/// When it cannot be read, or has something else in it.
pub fn read_dotenv(file: &Path) -> Result<Env, Problems> {
    let mut env = Env::new();
    if !file.exists() {
        return Ok(env);
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let unreadable = |problem: dotenvy::Error| {
        let reason = match problem {
            // The line itself may hold a secret.
            dotenvy::Error::LineParse(bad, _) => {
                let line = text.lines().position(|line| line.trim() == bad.trim()).map_or(0, |place| place + 1);
                format!("is not NAME=value in line {line}")
            }
            other => format!("cannot be read ({other})"),
        };
        Problems::one(".env", reason, "correct the file, or remove it")
    };
    for line in dotenvy::from_path_iter(file).map_err(unreadable)? {
        let (name, value) = line.map_err(unreadable)?;
        env.entry(name).or_insert(value);
    }
    Ok(env)
}

/// The process's environment, and under it what the file says.
///
/// # Errors
/// As [`read_dotenv`].
pub fn with_dotenv(process: &Env, file: &Path) -> Result<Env, Problems> {
    let mut env = process.clone();
    for (name, value) in read_dotenv(file)? {
        env.entry(name).or_insert(value);
    }
    Ok(env)
}
