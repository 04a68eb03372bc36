//! The file that `CONFIG_FILE` names.

use std::fs;

use qlik_embed_bff::config::{Loaded, Problem, Problems};
use qlik_embed_bff::pages::Content;

use super::load_in;

/// Loads with this file, and with these changes of the environment.
fn load_file(text: &str, changes: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config.toml");
    fs::write(&file, text).expect("written");
    let mut changes = changes.to_vec();
    let file = file.display().to_string();
    changes.push(("CONFIG_FILE", &file));
    load_in(folder.path(), &changes)
}

#[test]
fn it_sets_what_the_environment_does_not() {
    let text = "PORTAL_NAME = \"From the file\"\nLISTEN = 9000\nTRUSTED_PROXIES = [\"10.0.0.0/8\", \"192.168.1.7\"]\n\
                QLIK_THEME = \"horizon\"\nQLIK_SHEET_ID = \"other\"";
    let loaded = load_file(text, &[("QLIK_THEME", "breeze"), ("QLIK_SHEET_ID", ""), ("SHEETID", "sheet")])
        .unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.config.server.portal_name, "From the file");
    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:9000");
    assert_eq!(loaded.config.server.trusted_proxies.len(), 2);
    let page = &loaded.config.pages.all()[0];
    let sheet = Content::Sheet("sheet".into());
    assert_eq!((page.theme.as_deref(), &page.content), (Some("breeze"), &sheet), "the environment wins");
    let from = |name| loaded.shown.iter().find(|shown| shown.name == name).map(|shown| shown.from.clone());
    assert!(from("PORTAL_NAME").is_some_and(|from| from.ends_with("config.toml")));
    assert_eq!(from("QLIK_THEME").as_deref(), Some("environment"));
    assert_eq!(from("QLIK_SHEET_ID").as_deref(), Some("SHEETID"));
}

#[test]
fn everything_wrong_in_it_is_reported_at_once() {
    let text = "PORTAL_NAMEE = \"x\"\nQLIK_THEME = { a = 1 }\nmapping = 1\ngroups = 2\npages = [1]\nCONFIG_FILE = \"other\"\n\
                QLIK_JWT_LIFETIME = \"soon\"\nnonsense = true";
    let problems = load_file(text, &[]).expect_err("problems").problems;
    let mut told: Vec<_> =
        problems.iter().map(|problem| (&*problem.variable, &*problem.reason, &*problem.remedy)).collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("CONFIG_FILE", "names another file inside the file", "leave it out there"),
            ("PORTAL_NAMEE", "in the file of CONFIG_FILE is not known", "did you mean PORTAL_NAME?"),
            ("QLIK_JWT_LIFETIME", "is not a length of time", "write a number with its unit: 30s, 15m, 8h"),
            ("QLIK_THEME", "is neither text, a number, true or false, nor a list of texts", "write it as text"),
            ("groups", "is not a table", "begin it with [groups]"),
            ("mapping", "is not a list of tables", "begin each entry with [[mapping]]"),
            ("nonsense", "in the file of CONFIG_FILE is not known", "remove it; .env.example lists all settings"),
            ("pages", "is not a list of tables", "begin each entry with [[pages]]"),
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_that_quotes_nothing() {
    let [missing, broken] = [
        load_in("/".as_ref(), &[("CONFIG_FILE", "no-such-file.toml"), ("DATABASE_URL", "sqlite:x.db")]),
        load_file("A = 1\nSESSION_SECRET = hush", &[]),
    ]
    .map(|loaded| loaded.expect_err("a problem").problems);
    let [Problem { variable, reason, .. }] = &missing[..] else { panic!("{missing:?}") };
    assert_eq!(variable, "CONFIG_FILE");
    assert_eq!(reason, "names no-such-file.toml, which cannot be read (No such file or directory (os error 2))");
    let [Problem { reason, .. }] = &broken[..] else { panic!("{broken:?}") };
    assert!(reason.contains("which is not TOML in line 2") && !reason.contains("hush"), "{reason}");
}
