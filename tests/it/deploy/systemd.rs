//! The units, read by systemd's own tools. No systemd has to run for that.

use std::fs;
use std::process::Command;

use super::{duration, is_setting, path, read, run, time_to_stop};

/// In tenths, on systemd's scale from 0 (closed) to 10. With systemd 252 it is 1.1 and docs/production.md says so; later ones
/// look at more.
const MOST_EXPOSED: u32 = 15;

/// The units as they are, but with the binary of the tests.
fn units() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let service = read("systemd/qlik-embed-bff.service");
    let here = service.replace("/usr/local/bin/qlik-embed-bff", env!("CARGO_BIN_EXE_qlik-embed-bff"));
    assert_ne!(here, service);
    fs::write(at("qlik-embed-bff.service"), here).expect("written");
    fs::copy(path("systemd/qlik-embed-bff.socket"), at("qlik-embed-bff.socket")).expect("copied");
    fs::create_dir(at("qlik-embed-bff.service.d")).expect("a folder");
    fs::copy(path("systemd/stores.conf"), at("qlik-embed-bff.service.d/stores.conf")).expect("copied");
    folder
}

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    let folder = units();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["--man=no", "verify", "qlik-embed-bff.service", "qlik-embed-bff.socket"]);
    // It ends well with a word about what it ignores, so the word counts.
    let said = run(verify.env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display())));
    assert_eq!(said, "");

    let wrong = folder.path().join("qlik-embed-bff.service.d/stores.conf");
    fs::write(&wrong, "[Service]\nLoadCredentials=x:/y\n").expect("written");
    assert!(run(&mut verify).contains("Unknown key 'LoadCredentials'"), "it reads the drop-in too");
}

#[test]
fn the_service_is_closed_to_what_the_server_does_not_need() {
    let folder = units();
    let mut security = Command::new("systemd-analyze");
    security.args(["--no-pager", "--offline=true", &format!("--threshold={MOST_EXPOSED}"), "security"]);
    let said = run(security.arg(folder.path().join("qlik-embed-bff.service")));
    assert!(said.contains("Overall exposure level for qlik-embed-bff.service"), "{said}");
}

#[test]
fn the_user_of_the_service_can_be_made() {
    let service = read("systemd/qlik-embed-bff.service");
    let user = service.lines().find_map(|line| line.strip_prefix("User=")).expect("a user");
    run(Command::new("systemd-sysusers").arg("--dry-run").arg(path("systemd/qlik-embed-bff.sysusers")));
    assert!(read("systemd/qlik-embed-bff.sysusers").contains(&format!("\nu {user} ")));
}

#[test]
fn systemd_waits_as_long_as_the_server_may_take_to_stop() {
    let service = read("systemd/qlik-embed-bff.service");
    let stop = service.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("a time");
    let stores = read("systemd/stores.conf");
    let delay = stores.lines().find_map(|line| line.strip_prefix("Environment=SHUTDOWN_DELAY=")).expect("a time");
    assert!(duration(stop) > time_to_stop(delay), "{stop}");
}

#[test]
fn what_the_units_set_are_settings_and_secrets_come_as_credentials() {
    for unit in ["qlik-embed-bff.service", "stores.conf"] {
        let unit = read(&format!("systemd/{unit}"));
        let lines = |key: &str| {
            unit.lines().filter_map(move |line| line.strip_prefix(key)?.strip_prefix('=')).collect::<Vec<_>>()
        };
        for line in lines("Environment") {
            let (name, value) = line.split_once('=').expect("NAME=value");
            assert!(is_setting(name), "{name} is no setting");
            let credential = value.strip_prefix("%d/");
            assert_eq!(name.ends_with("_FILE"), credential.is_some(), "{line}");
            let loaded = |id: &str| lines("LoadCredential").iter().any(|line| line.starts_with(&format!("{id}:")));
            assert!(credential.is_none_or(loaded), "{line}");
        }
    }
}
