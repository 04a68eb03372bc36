//! The files of `deploy/`, each tried with the program that reads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use qlik_embed_bff::config::settings::SETTINGS;
use serde_json::Value;

mod booted;
mod compose;
mod health;
mod image;
mod kubernetes;
mod nginx;
mod systemd;
mod watching;

/// After `SHUTDOWN_GRACE`, sockets have this long to answer that they are closed.
const CLOSING: Duration = Duration::from_secs(5);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn path(name: &str) -> PathBuf {
    root().join("deploy").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|problem| panic!("deploy/{name}: {problem}"))
}

/// Runs a program that has to succeed. What it says, to either side.
fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|problem| {
        panic!("{} cannot be run: {problem}; `make setup-tests` installs it", command.get_program().display())
    });
    let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
    assert!(output.status.success(), "{command:?}: {}\n{said}", output.status);
    said
}

/// The documents of YAML files; with `compose`, they also have to be what the Compose Specification allows.
fn yaml(kind: &str, files: &[PathBuf]) -> Vec<Value> {
    let mut node = Command::new("node");
    node.arg(root().join("tests/it/clients/yaml.mjs")).arg(kind).args(files).env("PACKAGES", root().join("web"));
    serde_json::from_str(&run(&mut node)).expect("it prints JSON")
}

/// Whether there is such a setting, or such a file for a secret.
fn is_setting(name: &str) -> bool {
    let is = |setting: &&qlik_embed_bff::config::settings::Setting| {
        setting.name == name || setting.secret && name.strip_suffix("_FILE") == Some(setting.name)
    };
    SETTINGS.iter().any(|setting| is(&setting))
}

/// A length of time as it is written for us, for systemd and for Compose.
fn duration(text: &str) -> Duration {
    humantime::parse_duration(text).unwrap_or_else(|_| panic!("{text} is no length of time"))
}

/// The shortest time to stop that can be given to a server that waits this long before it closes its door.
fn time_to_stop(shutdown_delay: &str) -> Duration {
    let grace = SETTINGS.iter().find(|setting| setting.name == "SHUTDOWN_GRACE").and_then(|setting| setting.default);
    duration(shutdown_delay) + duration(grace.expect("it has a default")) + CLOSING
}
