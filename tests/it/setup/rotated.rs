//! A change of keys, with a server under way and without.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use qlik_embed_bff::demo::{IdentityProvider, Refusal, Times};
use serde_json::Value;

use super::Newcomer;
use crate::binary::{Server, free_port};
use crate::portal::KEY;

const ROTATE: [&str; 5] = ["--rotate-key", "--yes", "--bits", "2048", "--keep-old"];

fn rotate(newcomer: &Newcomer, keep_old: &str) -> String {
    newcomer.set_up(&[&ROTATE[..], &[keep_old]].concat())
}

/// Sends a request and gives the whole answer.
fn ask(address: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "{head}\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn token(portal: &str) -> String {
    let answer = ask(portal, "GET /token/default HTTP/1.1\r\nRemote-User: ada\r\nRemote-Email: ada@acme.example");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let json = body.find('{').and_then(|begin| body.get(begin..=body.rfind('}')?)).unwrap_or(body);
    let body: Value = serde_json::from_str(json).unwrap_or_else(|problem| panic!("{problem}: {answer}"));
    body["body"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn log_in(tenant: &str, token: &str) -> String {
    let head = format!("POST /login/jwt-session HTTP/1.1\r\nAuthorization: Bearer {token}");
    ask(tenant, &head).lines().next().expect("a status").to_owned()
}

/// Everything is set up, and visitors are signed in by a proxy before the portal.
async fn serving() -> (Newcomer, String) {
    let newcomer = Newcomer::with_key(|_| {}).await;
    let portal = format!("127.0.0.1:{}", free_port());
    // Nobody reads the log for a while: it must not grow beyond what a pipe holds.
    let more = format!(
        "RUST_LOG=warn,qlik_embed_bff::commands::serve=info\nLISTEN={portal}\nSIGN_IN=header\nTRUSTED_PROXIES=127.0.0.1\n\
         HEADER_ID=Remote-User\nHEADER_EMAIL=Remote-Email\n"
    );
    fs::write(newcomer.path().join(".env"), more).expect("written");
    newcomer.set_up(&["--apply", "--yes"]);
    (newcomer, portal)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_serves_takes_the_new_key_and_no_token_is_refused() {
    let (newcomer, portal) = serving().await;
    let old = newcomer.settings();
    let mut server = Server::start(newcomer.path());
    server.wait_for("serving");
    let tenant = newcomer.tenant.origin().trim_start_matches("http://").replace("localhost", "127.0.0.1");
    let stop = Arc::new(AtomicBool::new(false));
    let visitors = std::thread::spawn({
        let (portal, tenant, stop) = (portal.clone(), tenant.clone(), Arc::clone(&stop));
        move || {
            // Each token is handed over when the next one is there: some are under way when the key changes.
            let (mut answers, mut before) = (Vec::new(), token(&portal));
            while !stop.load(Ordering::Relaxed) {
                let next = token(&portal);
                answers.push(log_in(&tenant, &before));
                before = next;
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            answers
        }
    });
    let told = rotate(&newcomer, "10s");
    assert!(told.contains("The old identity provider is deleted"), "{told}");
    let in_its_log = server.wait_for("tokens are signed with another key from now on");
    let new = newcomer.settings();
    assert!(in_its_log.contains(&new["QLIK_JWT_KEY_ID"]), "{in_its_log}");
    assert_eq!(log_in(&tenant, &token(&portal)), "HTTP/1.1 200 OK");
    stop.store(true, Ordering::Relaxed);
    let answers = visitors.join().expect("no panic");
    assert!(answers.len() > 20 && answers.iter().all(|answer| answer == "HTTP/1.1 200 OK"), "{answers:?}");

    let control = newcomer.tenant.control();
    let issuers: std::collections::BTreeSet<_> =
        control.logins().iter().map(|login| login.claims["iss"].as_str().expect("a text").to_owned()).collect();
    assert_eq!(issuers, [old["QLIK_JWT_ISSUER"].clone(), new["QLIK_JWT_ISSUER"].clone()].into());
    let providers = control.settings().providers;
    assert_eq!(providers.len(), 1);
    assert_eq!((&providers[0].issuer, &providers[0].key_id), (&new["QLIK_JWT_ISSUER"], &new["QLIK_JWT_KEY_ID"]));
    assert!(
        newcomer.path().join("keys/privatekey.pem").exists() && !newcomer.path().join("keys/rotation.json").exists()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_used_is_not_taken_on_sighup() {
    let (newcomer, portal) = serving().await;
    let mut server = Server::start(newcomer.path());
    server.wait_for("serving");
    server.hang_up();
    server.wait_for("the key is the same");
    let file = newcomer.path().join(".env");
    let good = fs::read_to_string(&file).expect("a file");
    for bad in ["QLIK_JWT_PRIVATE_KEY_FILE=keys/nowhere.pem\n", "QLIK_JWT_PRIVATE_KEY_FILE=.env\n", "no setting\n"] {
        fs::write(&file, format!("{good}{bad}")).expect("written");
        server.hang_up();
        server.wait_for("the new configuration cannot be used, so the old one stays in effect");
        token(&portal);
    }
    fs::write(&file, good.replace("QLIK_JWT_KEY_ID=", "QLIK_JWT_KEY_ID=x")).expect("written");
    server.hang_up();
    server.wait_for("tokens are signed with another key from now on");
    token(&portal);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_every_single_request_another_run_ends_the_change() {
    let whole = Newcomer::with_key(|_| {}).await;
    whole.set_up(&["--apply", "--yes"]);
    whole.tenant.control().forget();
    rotate(&whole, "0s");
    let requests = u32::try_from(whole.tenant.control().requests().len()).expect("few");
    for after in 0..requests {
        let newcomer = Newcomer::with_key(|_| {}).await;
        newcomer.set_up(&["--apply", "--yes"]);
        let old = newcomer.settings();
        let control = newcomer.tenant.control();
        control.refuse_after(after, None, "/", Refusal::AnswerLost, Times::Always);
        let broken = newcomer.setup(&[&ROTATE[..], &["0s"]].concat());
        control.mend();
        let ended_anyway = broken.code == Some(0); // the answer to the goodbye of the probe matters to nobody
        if !ended_anyway {
            rotate(&newcomer, "0s");
        }
        let (providers, new) = (control.settings().providers, newcomer.settings());
        assert_eq!(providers.len(), 1, "{after}: {broken:?}");
        assert_eq!((&providers[0].issuer, &providers[0].key_id), (&new["QLIK_JWT_ISSUER"], &new["QLIK_JWT_KEY_ID"]));
        assert_ne!(old["QLIK_JWT_KEY_ID"], new["QLIK_JWT_KEY_ID"]);
        let pairs = newcomer.files().into_iter().filter(|(name, _)| name.ends_with(".pem")).count();
        assert_eq!(pairs, 2, "{after}: one new key");
        assert!(!newcomer.path().join("keys/rotation.json").exists(), "{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_we_did_not_make_stays_and_what_is_not_due_too() {
    let mut newcomer = Newcomer::with_key(|settings| {
        settings.providers = vec![IdentityProvider::new("portal", "key-1", &KEY.certificate)];
    })
    .await;
    let nothing = newcomer.setup(&["--rotate-key", "--finish", "--yes"]);
    assert!(nothing.err.contains("no change of keys is under way"), "{nothing:?}");
    fs::write(newcomer.path().join(".env"), "QLIK_JWT_ISSUER=portal\nQLIK_JWT_KEY_ID=key-1\n").expect("written");
    newcomer.set_up(&["--apply", "--yes"]);
    let nobody = newcomer.setup(&["--rotate-key"]);
    assert!(nobody.err.contains("there is no terminal to ask at"), "{nobody:?}");
    newcomer.env.insert("QLIK_JWT_ISSUER", "portal".into());
    let outside = newcomer.setup(&["--rotate-key", "--yes"]);
    assert!(outside.err.contains("the environment sets QLIK_JWT_ISSUER"), "{outside:?}");
    newcomer.env.remove("QLIK_JWT_ISSUER");

    let told = rotate(&newcomer, "0s");
    assert!(told.contains("was not made by setup: delete it in the tenant"), "{told}");
    assert!(told.contains("qlik-embed-bff-probe"), "{told}");
    assert_eq!(newcomer.tenant.control().settings().providers.len(), 2);
    assert_eq!(newcomer.settings()["QLIK_JWT_PRIVATE_KEY_FILE"].split('-').next(), Some("keys/privatekey"));

    // The second change finds a provider that setup made, and keeps it for the time that was asked for.
    let state = newcomer.path().join("keys/rotation.json");
    newcomer.tenant.control().refuse("/login/jwt-session", Refusal::Unauthorized, Times::Next(1));
    let refused = newcomer.setup(&[&ROTATE[..], &["0s"]].concat());
    assert!(refused.err.contains("tokens are signed with the old key still"), "{refused:?}");
    let read = || serde_json::from_slice::<Value>(&fs::read(&state).expect("a file")).expect("JSON");
    assert_eq!(read()["old"]["issuer"], newcomer.settings()["QLIK_JWT_ISSUER"].as_str());
    // An end is no beginning.
    let early = newcomer.setup(&["--rotate-key", "--finish", "--yes"]);
    assert!(early.err.contains("run this without --finish to go on"), "{early:?}");
    newcomer.tenant.control().refuse("/api/v1/identity-providers/", Refusal::Status(403), Times::Next(1));
    let broken_off = newcomer.setup(&[&ROTATE[..], &["0s"]].concat());
    assert_eq!(broken_off.code, Some(1), "{broken_off:?}");
    let mut rotation = read();
    assert_eq!(rotation["new"]["issuer"], newcomer.settings()["QLIK_JWT_ISSUER"].as_str());
    rotation["remove_after"] = 4_000_000_000_i64.into();
    fs::write(&state, rotation.to_string()).expect("written");
    let early = newcomer.setup(&["--rotate-key", "--finish", "--yes"]);
    assert!(early.err.contains("the old identity provider stays until 2096-"), "{early:?}");
    assert_eq!(newcomer.tenant.control().settings().providers.len(), 3);
    rotation["remove_after"] = 1.into();
    fs::write(&state, rotation.to_string()).expect("written");
    newcomer.set_up(&["--rotate-key", "--finish", "--yes"]);
    assert_eq!(newcomer.tenant.control().settings().providers.len(), 2);
    assert_eq!(newcomer.setup(&["--rotate-key", "--apply"]).code, Some(2));
}
