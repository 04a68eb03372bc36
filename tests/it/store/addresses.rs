//! Where stores are, as settings say it.

use std::collections::BTreeMap;

use qlik_embed_bff::config;
use secrecy::ExposeSecret;

use crate::portal;

const SECRET: (&str, &str) = ("SESSION_SECRET", "0123456789abcdef0123456789abcdef");

fn load(changes: &[(&str, &str)]) -> Result<config::Loaded, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut env: BTreeMap<_, _> = portal::settings(folder.path()).into_iter().collect();
    env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let now = qlik_embed_bff::clock::Clock::default().now();
    config::load(&env.into_iter().collect(), now).map_err(|problems| problems.to_string())
}

/// What is shown of a setting.
fn shown(changes: &[(&str, &str)], name: &str) -> String {
    let loaded = load(changes).unwrap_or_else(|problems| panic!("{problems}"));
    loaded.shown.iter().find(|shown| shown.name == name).expect("it is shown").value.clone()
}

#[test]
fn addresses_are_shown_without_their_passwords() {
    let url = "postgres://portal:s3cret@db.example:5433/portal?sslmode=require";
    assert_eq!(shown(&[("DATABASE_URL", url), SECRET], "DATABASE_URL"), "postgres://portal@db.example:5433/portal");
    for (url, expected) in [
        ("redis://:s3cret@cache.example:6380/2", "redis://cache.example:6380/2"),
        ("rediss://portal:s3cret@cache.example", "rediss://cache.example/"),
        ("redis+sentinel://:s3cret@one:26379,two/portal/1", "redis+sentinel://one:26379,two/portal/1"),
        ("rediss+cluster://portal:s3cret@[::1]:7000,two:7001", "rediss+cluster://[::1]:7000,two:7001/"),
        ("valkey://cache.example", "valkey://cache.example/"),
    ] {
        assert_eq!(shown(&[("SESSION_STORE_URL", url), SECRET], "SESSION_STORE_URL"), expected);
        assert_eq!(shown(&[("REDIS_URL", url), SECRET], "SESSION_STORE_URL"), expected);
    }
    let loaded = load(&[("DATABASE_URL", url), ("REDIS_URL", "redis://:s3cret@host"), SECRET]).expect("good settings");
    assert!(!format!("{:?}", loaded.config).contains("s3cret"));
}

#[test]
fn what_is_wrong_with_an_address_is_said_without_repeating_it() {
    for (name, url, reason) in [
        ("DATABASE_URL", "postgres://portal:s3cret@/x y", "DATABASE_URL"),
        ("DATABASE_URL", "postgres://portal:s3cret@host", "has no host or no database name"),
        ("DATABASE_URL", "postgres://portal:s3cret@host/db?sslmode=s3cret", "has an option that is not known"),
        ("DATABASE_URL", "mysql://portal:s3cret@host/db", "is no address of SQLite or PostgreSQL"),
        ("SESSION_STORE_URL", "memcached://s3cret@host", "is no address of Redis or Valkey"),
        ("SESSION_STORE_URL", "redis://:s3cret@one,two", "has several hosts"),
        ("SESSION_STORE_URL", "redis://:s3cret@host:port", "has a port that is no number"),
        ("SESSION_STORE_URL", "redis://:s3cret@host/first", "has a database that is no number"),
        ("SESSION_STORE_URL", "redis+sentinel://:s3cret@host", "names no master"),
        ("SESSION_STORE_URL", "redis+cluster://:s3cret@host/3", "a cluster has only one"),
        ("SESSION_STORE_URL", "redis+other://:s3cret@host", "is of a kind that is not known"),
        ("SESSION_STORE_URL", "redis://host?password=s3cret", "has options"),
    ] {
        let problems = load(&[(name, url), SECRET]).expect_err("it is wrong");
        assert!(problems.contains(name) && problems.contains(reason), "{problems}");
        assert!(!problems.contains("s3cret"), "{problems}");
    }
    let problems =
        load(&[("DATABASE_CONNECTIONS", "1"), ("SESSION_STORE_PREFIX", "a b"), ("SESSION_STORE_CA_FILE", "/none")]);
    let problems = problems.expect_err("all of them are wrong");
    for name in ["DATABASE_CONNECTIONS", "SESSION_STORE_PREFIX", "SESSION_STORE_CA_FILE"] {
        assert!(problems.contains(name), "{problems}");
    }
}

#[test]
fn a_server_needs_the_secret_that_all_instances_have() {
    for (name, url) in [("DATABASE_URL", "postgres://portal@host/db"), ("SESSION_STORE_URL", "redis://host")] {
        let problems = load(&[(name, url)]).expect_err("there is no secret");
        assert!(problems.contains("SESSION_SECRET is not set, and sessions are kept on a server"), "{problems}");
        assert!(problems.contains("openssl rand -base64 48"), "{problems}");
        load(&[(name, url), SECRET]).expect("with a secret it is complete");
    }
}

#[test]
fn secrets_of_before_stand_in_a_list_or_in_lines() {
    let [one, two] = ["fedcba9876543210fedcba9876543210", "a secret with spaces, cut at its comma"];
    let previous = |text: &str| {
        let loaded = load(&[SECRET, ("SESSION_SECRET_PREVIOUS", text)]);
        loaded
            .map(|loaded| loaded.config.store.previous.iter().map(|secret| secret.expose_secret().to_owned()).collect())
    };
    let found: Result<Vec<String>, _> = previous(&format!(" {one},\n0123456789abcdef 0123456789abcdef\n"));
    assert_eq!(found.as_deref(), Ok(&[one.to_owned(), "0123456789abcdef 0123456789abcdef".to_owned()][..]));
    assert_eq!(previous(","), Ok(Vec::new()));
    let problem = previous(&format!("{one}, {two}")).expect_err("two halves");
    assert!(problem.contains("SESSION_SECRET_PREVIOUS has a secret with fewer than 32 characters"), "{problem}");
    assert!(!problem.contains("spaces") && !problem.contains(one), "{problem}");
}
