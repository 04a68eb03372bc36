//! Secrets in files that change while the real binary serves, as Kubernetes exchanges them: behind a symbolic link.

use std::fs;
use std::os::unix::fs::symlink;

use tokio::task::block_in_place;

use super::stopping::{Site, ask};
use crate::proxied::until;
use crate::servers::postgres::Postgres;
use crate::servers::redis::{self, Redis};

const SECRET: &str = "a secret of sessions of some length";

/// A folder of secrets.
struct Mounted {
    folder: tempfile::TempDir,
    versions: u32,
}

impl Mounted {
    fn with(secrets: &[(&str, &str)]) -> Self {
        let mut mounted = Self { folder: tempfile::tempdir().expect("a folder"), versions: 0 };
        for (name, _) in secrets {
            symlink(format!("..data/{name}"), mounted.folder.path().join(name)).expect("a link");
        }
        mounted.exchange(secrets);
        mounted
    }

    /// All at once.
    fn exchange(&mut self, secrets: &[(&str, &str)]) {
        self.versions += 1;
        let (folder, version) = (self.folder.path(), format!("..{}", self.versions));
        fs::create_dir(folder.join(&version)).expect("a folder");
        for (name, secret) in secrets {
            fs::write(folder.join(&version).join(name), secret).expect("written");
        }
        symlink(version, folder.join("..new")).expect("a link");
        fs::rename(folder.join("..new"), folder.join("..data")).expect("exchanged");
    }

    fn at(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// What somebody with the cookie of before is answered.
fn page(site: &Site) -> String {
    let head = format!("GET /embed/default HTTP/1.1\r\nAccept: text/html\r\nCookie: {}\r\n", site.cookie);
    ask(site.port, &head, "").expect("it listens")
}

/// What somebody is answered who signs in: that takes both stores.
fn sign_in(site: &Site) -> String {
    let head =
        "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n";
    ask(site.port, head, "username=ada&password=correct+horse").expect("it listens")
}

/// A role with a password, and the address of its own database.
fn role(server: &Postgres) -> (String, String) {
    let admin = server.database("portal");
    server.say(&admin, "CREATE ROLE ada LOGIN PASSWORD '0ld-one'; CREATE DATABASE of_ada OWNER ada");
    server.let_in_by("host all ada 127.0.0.1/32 scram-sha-256\nhost all portal 127.0.0.1/32 trust\n");
    (admin, format!("postgres://ada@127.0.0.1:{}/of_ada", server.port))
}

const CUT: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'ada'";
/// Who listens asks something else when nothing was heard for a while.
const LISTENING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'ada' AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')";

#[tokio::test(flavor = "multi_thread")]
async fn new_passwords_of_the_stores_take_no_restart() {
    let (postgres, redis) = block_in_place(|| (Postgres::start(), Redis::with(&["--requirepass", "0ld-one"])));
    let (admin, url) = block_in_place(|| role(&postgres));
    let mut mounted = Mounted::with(&[("database", "0ld-one\n"), ("redis", "0ld-one\n")]);
    let settings = [
        ("DATABASE_URL", url),
        ("DATABASE_PASSWORD_FILE", mounted.at("database")),
        ("SESSION_STORE_URL", redis.url()),
        ("SESSION_STORE_PASSWORD_FILE", mounted.at("redis")),
        ("SESSION_SECRET", SECRET.to_owned()),
    ];
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut site = Site::start(&settings).await;

    let told = block_in_place(|| {
        postgres.say(&admin, "ALTER ROLE ada PASSWORD 'n3w-one'");
        redis::ask(redis.port, "0ld-one", &["CONFIG", "SET", "requirepass", "n3w-one"]);
        assert!(sign_in(&site).starts_with("HTTP/1.1 303"), "by the connections that are open");
        mounted.exchange(&[("database", "n3w-one\n"), ("redis", "n3w-one\n")]);
        site.server.wait_for("in effect")
    });
    assert!(told.contains("DATABASE_PASSWORD, SESSION_STORE_PASSWORD"), "{told}");
    block_in_place(|| {
        assert_ne!(postgres.ask(&admin, CUT), "0");
        for kind in ["normal", "pubsub"] {
            let cut = redis::ask(redis.port, "n3w-one", &["CLIENT", "KILL", "TYPE", kind]);
            assert_ne!(cut.trim(), "0", "{kind}");
        }
    });
    until(async || block_in_place(|| sign_in(&site)).starts_with("HTTP/1.1 303")).await;
    // Who hears of news again has forgotten all that it read.
    let is_heard = || redis::ask(redis.port, "n3w-one", &["PUBSUB", "CHANNELS"]).contains("news");
    until(async || block_in_place(is_heard)).await;
    let page = block_in_place(|| page(&site));
    assert!(page.starts_with("HTTP/1.1 200"), "nobody is signed out: {page}");
    site.server.ask_to_stop();
    let log = block_in_place(|| site.server.rest_of_log());
    assert!(!log.contains("n3w-one") && !log.contains("0ld-one"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_hear_each_other_through_postgresql_by_the_new_password() {
    let postgres = block_in_place(Postgres::start);
    let (admin, url) = block_in_place(|| role(&postgres));
    let mut mounted = Mounted::with(&[("database", "0ld-one")]);
    let file = mounted.at("database");
    let settings = [("DATABASE_URL", url.as_str()), ("DATABASE_PASSWORD_FILE", &file), ("SESSION_SECRET", SECRET)];
    let mut site = Site::start(&settings).await;
    until(async || block_in_place(|| postgres.ask(&admin, LISTENING)) == "1").await;
    block_in_place(|| {
        postgres.say(&admin, "ALTER ROLE ada PASSWORD 'n3w-one'");
        mounted.exchange(&[("database", "n3w-one")]);
        site.server.wait_for("in effect");
        assert_ne!(postgres.ask(&admin, CUT), "0");
    });
    until(async || block_in_place(|| postgres.ask(&admin, LISTENING)) == "1").await;
    until(async || block_in_place(|| page(&site)).starts_with("HTTP/1.1 200")).await;
    site.server.ask_to_stop();
    let log = block_in_place(|| site.server.rest_of_log());
    assert!(!log.contains("are not heard"), "not even for a moment: {log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_cannot_be_used_keeps_the_one_before() {
    let portal = rcgen::KeyPair::generate().expect("a key").public_key_pem();
    let good = [("sessions", SECRET), ("portal", &portal), ("redis", &*crate::portal::KEY.certificate)];
    let mut mounted = Mounted::with(&good);
    let (sessions, key, authorities) = (mounted.at("sessions"), mounted.at("portal"), mounted.at("redis"));
    let settings = [
        ("SESSION_SECRET_FILE", sessions.as_str()),
        ("SIGN_IN", "password, ticket"),
        ("TICKET_ISSUER", "https://intranet.example"),
        ("TICKET_PUBLIC_KEY_FILE", &key),
        ("SESSION_STORE_CA_FILE", &authorities),
    ];
    let mut site = Site::start(&settings).await;
    let told = block_in_place(|| {
        mounted.exchange(&[("sessions", "t00-short"), ("portal", "n0-key"), ("redis", "n0-certificate")]);
        site.server.wait_for("the new configuration cannot be used, so the old one stays in effect")
    });
    for problem in [
        "SESSION_SECRET_FILE names a file with fewer than 32 characters",
        "TICKET_PUBLIC_KEY_FILE is neither a public key nor a certificate",
        "SESSION_STORE_CA_FILE names a file without a certificate",
    ] {
        assert!(told.contains(problem), "{told}");
    }
    assert!(["t00-short", "n0-key", "n0-certificate"].iter().all(|secret| !told.contains(secret)), "{told}");
    // Memory forgets what it read of the store.
    crate::outlast(std::time::Duration::from_secs(6)).await;
    assert!(block_in_place(|| page(&site)).starts_with("HTTP/1.1 200"));

    let told = block_in_place(|| {
        mounted.exchange(&[("sessions", "another secret of sessions of some length"), good[1], good[2]]);
        site.server.wait_for("in effect")
    });
    assert!(told.contains("changed=\"SESSION_SECRET\"") && !told.contains("another secret"), "{told}");
    until(async || block_in_place(|| page(&site)).starts_with("HTTP/1.1 303")).await;
}

/// As docs/operation.md has it.
#[tokio::test(flavor = "multi_thread")]
async fn the_secret_of_sessions_changes_in_steps_that_no_visitor_notices() {
    const NEW: &str = "another secret of sessions of some length";
    let both = format!("{SECRET}\n{NEW}\n");
    let mut mounted = Mounted::with(&[("sessions", SECRET), ("previous", "")]);
    let (sessions, previous) = (mounted.at("sessions"), mounted.at("previous"));
    let settings = [("SESSION_SECRET_FILE", sessions.as_str()), ("SESSION_SECRET_PREVIOUS_FILE", &previous)];
    let mut site = Site::start(&settings).await;
    assert!(step(&mut site, &mut mounted, [SECRET, &both], "SESSION_SECRET_PREVIOUS").starts_with("HTTP/1.1 200"));
    assert!(step(&mut site, &mut mounted, [NEW, &both], "SESSION_SECRET").starts_with("HTTP/1.1 200"));
    let ada = block_in_place(|| sign_in(&site));
    // Too early for whoever came before, and not for those who come now. Nobody is remembered under a secret that is gone.
    assert!(step(&mut site, &mut mounted, [NEW, ""], "SESSION_SECRET_PREVIOUS").starts_with("HTTP/1.1 303"));
    let (_, cookie) = ada.split_once("set-cookie: ").expect("a session");
    site.cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    assert!(block_in_place(|| page(&site)).starts_with("HTTP/1.1 200"));
}

/// Other contents of the two files, when they are in effect: what the visitor of before is answered.
fn step(site: &mut Site, mounted: &mut Mounted, [newest, previous]: [&str; 2], changed: &str) -> String {
    block_in_place(|| {
        mounted.exchange(&[("sessions", newest), ("previous", previous)]);
        let told = site.server.wait_for("in effect");
        assert!(told.contains(&format!("changed=\"{changed}\"")) && !told.contains("of some length"), "{told}");
        page(site)
    })
}
