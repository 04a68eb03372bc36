//! Settings that change while the real binary serves.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::demo;
use qlik_embed_bff::qlik::key::{self, CertificateDates, KeySize};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::task::block_in_place;

use super::stopping::{Kept, Site, ask, close_code, is_alive};
use super::systemd::Manager;
use super::{Server, configure, free_port};

/// A server with these settings, which can be written again.
struct Live {
    server: Server,
    port: u16,
    listen: String,
    folder: tempfile::TempDir,
}

impl Live {
    fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        configure(folder.path(), &[&[("LISTEN", listen.as_str())], settings].concat());
        let mut server = Server::start(folder.path());
        server.wait_for("serving");
        Self { server, port, listen, folder }
    }

    fn write(&self, settings: &[(&str, &str)]) {
        configure(self.folder.path(), &[&[("LISTEN", self.listen.as_str())], settings].concat());
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn kept(&self) -> Kept {
        Kept::open(self.port).expect("it listens")
    }
}

#[test]
fn a_change_of_a_file_is_seen_over_a_connection_that_is_kept() {
    let mut live = Live::start(&[("PORTAL_NAME", "Before")]);
    let mut kept = live.kept();
    assert!(kept.get("/login").expect("an answer").contains("Before"));
    // By itself, and exchanged as editors do.
    live.write(&[("PORTAL_NAME", "After")]);
    let told = live.server.wait_for("the configuration is read again, and in effect");
    assert!(told.contains("PORTAL_NAME"), "{told}");
    let answer = kept.get("/login").expect("an answer");
    assert!(answer.contains("After") && !answer.contains("Before"), "{answer}");

    // And when it is asked to.
    live.write(&[("PORTAL_NAME", "Asked")]);
    live.server.hang_up();
    live.server.wait_for("in effect");
    assert!(kept.get("/login").expect("an answer").contains("Asked"));
}

#[test]
fn what_cannot_be_used_changes_nothing_and_is_told_once_with_all_problems() {
    let mut live = Live::start(&[("PORTAL_NAME", "Before")]);
    let bad =
        [("PORTAL_NAME", "After"), ("QLIK_APP_ID", "none"), ("SHUTDOWN_GRACE", "soon"), ("TICKET_SECRET", "s3cr")];
    live.write(&bad);
    let told = live.server.wait_for("the new configuration cannot be used, so the old one stays in effect");
    assert!(told.contains("ERROR"), "{told}");
    assert!(told.contains("QLIK_APP_ID is not an app id") && told.contains("SHUTDOWN_GRACE is not a length"), "{told}");
    assert!(live.kept().get("/login").expect("an answer").contains("Before"));

    // Other problems, then none.
    live.write(&[("PORTAL_NAME", "After"), ("QLIK_THEME", "no theme")]);
    let told = live.server.wait_for("the new configuration cannot be used");
    assert!(told.contains("QLIK_THEME") && !told.contains("SHUTDOWN_GRACE"), "{told}");
    live.write(&[("PORTAL_NAME", "Mended")]);
    live.server.wait_for("in effect");
    assert!(live.kept().get("/login").expect("an answer").contains("Mended"));
    live.server.ask_to_stop();
    let rest = live.server.rest_of_log();
    assert!(!rest.contains("cannot be used") && !rest.contains("s3cr"), "{rest}");
}

#[test]
fn the_same_problems_are_told_again_only_to_who_asks() {
    let folder = tempfile::tempdir().expect("a folder");
    let manager = Manager::in_folder(folder.path());
    let listen = format!("127.0.0.1:{}", free_port());
    let write = |settings: &[(&str, &str)]| {
        configure(folder.path(), &[&[("LISTEN", listen.as_str())], settings].concat());
    };
    // Each time that settings are read, whatever comes of it.
    let is_read = || while !manager.hear().contains(&"READY=1".to_owned()) {};
    write(&[]);
    let mut serve = super::command(folder.path(), &["serve"]);
    serve.env("NOTIFY_SOCKET", folder.path().join("notify"));
    let mut server = Server::by(serve);
    is_read();
    for name in ["One", "Two"] {
        write(&[("PORTAL_NAME", name), ("QLIK_APP_ID", "none")]);
        is_read();
    }
    server.hang_up();
    is_read();
    server.ask_to_stop();
    let log = server.rest_of_log();
    assert_eq!(log.matches("the new configuration cannot be used").count(), 2, "{log}");
}

#[test]
fn what_takes_a_restart_is_named_and_the_rest_is_taken() {
    let mut live = Live::start(&[("PORTAL_NAME", "Before"), ("SESSION_IDLE", "10m")]);
    let other = format!("127.0.0.1:{}", free_port());
    configure(
        live.folder.path(),
        &[
            ("LISTEN", &other),
            ("PORTAL_NAME", "After"),
            ("SESSION_IDLE", "20m"),
            ("QLIK_TENANT", "b.eu.qlikcloud.com"),
            // Live where there is one already.
            ("QLIK_API_KEY", "k3y"),
            ("SESSION_SECRET", "a secret in the place of the one beside the file"),
        ],
    );
    live.server.hang_up();
    let told = live.server.wait_for("these have changed and take effect at the next start");
    assert!(
        told.contains("LISTEN, QLIK_TENANT, QLIK_API_KEY, SESSION_SECRET, SESSION_IDLE")
            && !told.contains("PORTAL_NAME"),
        "{told}"
    );
    let told = live.server.wait_for("in effect");
    assert!(told.contains("PORTAL_NAME") && !told.contains("LISTEN"), "{told}");
    let page = live.kept().get("/login").expect("still at the old address");
    assert!(page.contains("After"), "{page}");

    // What is whole only together with one of them is not taken by halves.
    let oauth = [
        ("PORTAL_NAME", "Later"),
        ("QLIK_OAUTH_CLIENT_ID", "client"),
        ("QLIK_OAUTH_CLIENT_SECRET", "s3cret"),
        ("QLIK_FLOW", "oauth"),
    ];
    live.write(&oauth);
    live.server.hang_up();
    let told = live.server.wait_for("the new configuration cannot be used");
    assert!(told.contains("QLIK_OAUTH_CLIENT_ID") && told.contains("take effect at the next start"), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
    assert!(live.kept().get("/login").expect("an answer").contains("After"));
    let mut restarted = {
        live.server.ask_to_stop();
        live.server.wait_for("stopped");
        Server::start(live.folder.path())
    };
    restarted.wait_for("serving");
    assert!(live.kept().get("/login").expect("an answer").contains("Later"));
}

#[test]
fn how_much_is_logged_changes() {
    let mut live = Live::start(&[("RUST_LOG", "warn,qlik_embed_bff::commands=info")]);
    let mut kept = live.kept();
    kept.get("/login").expect("an answer");
    live.write(&[("RUST_LOG", "debug")]);
    live.server.hang_up();
    let told = live.server.wait_for("in effect");
    assert!(told.contains("RUST_LOG"), "{told}");
    kept.get("/healthz").expect("an answer");
    assert!(live.server.wait_for("answered").contains("route=\"/healthz\""), "the request before was not logged");
}

#[test]
fn the_environment_that_wins_over_the_file_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    configure(folder.path(), &[("LISTEN", &format!("127.0.0.1:{port}")), ("QLIK_TITLE", "From the file")]);
    let mut serve = super::command(folder.path(), &["serve"]);
    serve.env("QLIK_TITLE", "From outside");
    let mut server = Server::by(serve);
    server.wait_for("serving");
    server.hang_up();
    let told = server.wait_for("the environment sets these, which wins over .env");
    assert!(told.contains("QLIK_TITLE") && !told.contains("LISTEN"), "{told}");
}

#[test]
fn a_key_that_is_prepared_in_its_place_is_not_used_before_it_is_asked_for() {
    let mut live = Live::start(&[]);
    let now = Clock::default().now();
    let dates = CertificateDates { not_before: now, not_after: now + time::Duration::DAY };
    let other = key::generate(KeySize::Rsa2048, "test", dates).expect("a key");
    // `configure` would put the old key back.
    fs::write(live.at("keys/privatekey.pem"), other.private_key.expose_secret()).expect("written");
    append(&live.at(".env"), "PORTAL_NAME='Another'\n");
    let told = live.server.wait_for("in effect");
    assert!(told.contains("PORTAL_NAME"), "{told}");
    live.server.hang_up();
    let told = live.server.wait_for("");
    assert!(told.contains("tokens are signed with another key from now on"), "not before: {told}");
}

fn append(file: &Path, line: &str) {
    let text = fs::read_to_string(file).expect("a file");
    fs::write(file, text + line).expect("written");
}

/// The claims of the token that this visitor gets.
fn claims(site: &Site) -> Value {
    let answer =
        ask(site.port, &format!("GET /token HTTP/1.1\r\nCookie: {}\r\n", site.cookie), "").expect("it listens");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let token: Value = serde_json::from_str(answer.rsplit("\r\n\r\n").next().expect("a body")).expect("JSON");
    let payload = token["body"].as_str().and_then(|token| token.split('.').nth(1)).expect("a token");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64")).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_rules_change_while_sockets_and_sessions_live_on() {
    let mut site = Site::start(&[]).await;
    let mut socket = site.socket().await;
    assert_eq!(block_in_place(|| claims(&site))["sub"], "password|ada");

    let pages = |slug: &str, rules: &str| {
        let page = format!(
            "[[pages]]\nslug = \"{slug}\"\ntitle = \"Of {slug}\"\napp = \"{}\"\nsheet = \"{}\"\n",
            demo::APP_ID,
            demo::SHEET_ID
        );
        fs::write(site.folder().join("portal.toml"), page + rules).expect("written");
    };
    let rules = "[[mapping]]\nname = \"all\"\nwhen = { source = \"password\" }\nsubject = \"staff|{id}\"\n";
    let page = |slug: &str| {
        let head = format!("GET /embed/{slug} HTTP/1.1\r\nAccept: text/html\r\nCookie: {}\r\n", site.cookie);
        ask(site.port, &head, "").expect("it listens")
    };
    pages("sales", rules);
    append(&site.folder().join(".env"), "CONFIG_FILE='portal.toml'\n");
    site.server.hang_up();
    let told = block_in_place(|| site.server.wait_for("in effect"));
    assert!(told.contains("pages") && told.contains("mapping"), "{told}");
    let (new, old) = block_in_place(|| (page("sales"), page("default")));
    assert!(new.starts_with("HTTP/1.1 200") && new.contains("Of sales"), "{new}");
    assert!(old.starts_with("HTTP/1.1 404"), "{old}");
    let head = format!("GET /token/sales HTTP/1.1\r\nCookie: {}\r\n", site.cookie);
    let answer = block_in_place(|| ask(site.port, &head, "").expect("it listens"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(is_alive(&mut socket, b"after").await, "the socket of before");
    let mut another = site.socket().await;
    assert!(is_alive(&mut another, b"after").await, "and a new one");

    // Whoever signs out loses also the socket that was opened before.
    let head = format!(
        "POST /logout HTTP/1.1\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nCookie: {}\r\n",
        site.cookie
    );
    let answer = block_in_place(|| ask(site.port, &head, "").expect("it listens"));
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    for mut socket in [socket, another] {
        assert_eq!(close_code(&mut socket).await, 4401);
    }
}
