//! The ways to a server: with a password, over TLS, by sentinels, in a cluster. The contract holds on each.

use std::fs;

use qlik_embed_bff::store::redis::Beside;
use qlik_embed_bff::store::{Database, Server, Settings, Store, redis};
use secrecy::SecretString;
use tokio::task::block_in_place;

use super::{hold, in_a_file, on_postgres, secret};
use crate::binary::free_port;
use crate::servers::postgres::Postgres;
use crate::servers::redis::{Redis, Sentinel, say};

/// A certificate for this machine, made by an authority that only the test knows: authority, chain and key, as PEM.
fn certificate() -> [String; 3] {
    let authority = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "the test's authority");
    let root = parameters.self_signed(&authority).expect("a certificate").pem();
    let issuer = rcgen::Issuer::new(parameters, authority);
    let key = rcgen::KeyPair::generate().expect("a key");
    let leaf = rcgen::CertificateParams::new(["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("parameters");
    let leaf = leaf.signed_by(&key, &issuer).expect("a certificate").pem();
    [root, leaf, key.serialize_pem()]
}

async fn in_redis(url: &str, beside: Beside) {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    let sessions = redis::Settings::parse(url, Beside { prefix: "test".into(), ..beside }).expect("an address");
    hold(Settings { sessions: Some(sessions), secret: secret(), ..in_a_file(&folder) }).await;
}

fn password() -> Option<SecretString> {
    Some(SecretString::from("s3cret: %/@\n"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_with_a_password_over_tls() {
    let [root, chain, key] = certificate();
    let files = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &str| {
        let file = files.path().join(name);
        fs::write(&file, content).expect("written");
        file.to_str().expect("a path").to_owned()
    };
    let (root_file, chain, key) = (file("root.pem", &root), file("chain.pem", &chain), file("key.pem", &key));
    let port = free_port().to_string();
    let tls =
        ["--tls-port", &port, "--tls-cert-file", &chain, "--tls-key-file", &key, "--tls-ca-cert-file", &root_file];
    let auth = ["--tls-auth-clients", "no", "--requirepass", "s3cret: %/@"];
    let server = block_in_place(|| Redis::with(&[&tls[..], &auth[..]].concat()));
    let url = format!("rediss://localhost:{port}/3");
    let authorities = Some(root.into_bytes());
    in_redis(&url, Beside { password: password(), authorities, ..Beside::default() }).await;
    // The password in the address, where some of it is written as % and digits.
    in_redis(&format!("redis://:s3cret%3A%20%25%2F%40@127.0.0.1:{}", server.port), Beside::default()).await;
    let folder = tempfile::tempdir().expect("a folder");
    for (url, beside) in [(url.as_str(), Beside::default()), (&server.url(), Beside::default())] {
        let sessions = redis::Settings::parse(url, beside).expect("an address");
        let refused = Store::open(&Settings { sessions: Some(sessions), secret: secret(), ..in_a_file(&folder) }).await;
        let refused = refused.expect_err("unknown authority, or no password").to_string();
        assert!(refused.starts_with("the session store redis") && refused.contains("cannot be opened"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_behind_a_sentinel() {
    let server = block_in_place(Redis::start);
    let sentinel = block_in_place(|| Sentinel::of(&server));
    in_redis(&format!("redis+sentinel://127.0.0.1:{}/portal", sentinel.port), Beside::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_of_redis() {
    // Left to itself, the port on which they talk to each other is 10,000 above the other, and may be somebody's.
    let between = [free_port(), free_port()];
    let of_a_cluster =
        |between: u16| Redis::with(&["--cluster-enabled", "yes", "--cluster-port", &between.to_string()]);
    let servers = block_in_place(|| between.map(of_a_cluster));
    block_in_place(|| {
        say(servers[0].port, &["CLUSTER", "ADDSLOTSRANGE", "0", "8000"]);
        say(servers[1].port, &["CLUSTER", "ADDSLOTSRANGE", "8001", "16383"]);
        let [port, between] = [servers[1].port, between[1]].map(|port| port.to_string());
        say(servers[0].port, &["CLUSTER", "MEET", "127.0.0.1", &port, &between]);
    });
    let url = format!("redis+cluster://127.0.0.1:{},127.0.0.1:{}", servers[0].port, servers[1].port);
    let sessions = redis::Settings::parse(&url, Beside { prefix: "test".into(), ..Beside::default() }).expect("good");
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { sessions: Some(sessions), secret: secret(), ..in_a_file(&folder) };
    // It takes a moment until both know of each other.
    crate::proxied::until(async || Store::open(&settings).await.is_ok()).await;
    in_redis(&url, Beside::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_with_a_password_over_tls() {
    let [root, chain, key] = certificate();
    let files = [("chain.pem", chain.as_str()), ("key.pem", &key)];
    let tls = ["-c", "ssl=on", "-c", "ssl_cert_file=chain.pem", "-c", "ssl_key_file=key.pem"];
    let server = block_in_place(|| Postgres::with_files(&files, &tls));
    let url = server.database("portal");
    block_in_place(|| {
        let sql = "CREATE ROLE ada LOGIN PASSWORD 's3cret: %/@'; CREATE DATABASE of_ada OWNER ada";
        server.say(&url, sql);
        server.let_in_by("hostssl all ada 127.0.0.1/32 scram-sha-256\nhost all portal 127.0.0.1/32 trust\n");
    });
    let folder = tempfile::tempdir().expect("a folder");
    let root_file = folder.path().join("root.pem");
    fs::write(&root_file, root).expect("written");
    let tls = format!("sslmode=verify-full&sslrootcert={}", root_file.display());
    let url = format!("postgres://ada@localhost:{}/of_ada?{tls}", server.port);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let database = Server::parse(&url, password().as_ref(), 5).expect("an address");
    hold(Settings { database: Database::Postgres(database), sessions: None, secret: secret(), previous: Vec::new() })
        .await;
    for bad in [format!("postgres://ada:wrong@localhost:{}/of_ada?{tls}", server.port), url] {
        let refused = Store::open(&on_postgres(&bad)).await.expect_err("no such password").to_string();
        assert!(refused.starts_with("the database postgres://ada@localhost"), "{refused}");
        assert!(!refused.contains("wrong"), "{refused}");
    }
}
