//! TLS in the real binary: both versions of HTTP, and a certificate that is exchanged while it serves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use axum::http::Version;
use qlik_embed_bff::client::Authorities;
use qlik_embed_bff::client::way_out::WayOut;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::block_in_place;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Server, configure, free_port};

/// A pair for `localhost`, in a folder of its own.
fn pair(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    fs::create_dir(folder).expect("a new folder");
    fs::write(folder.join("tls.crt"), made.cert.pem()).expect("written");
    fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).expect("written");
    made.cert.der().clone()
}

/// A connection to the server, whose certificate has to be one of these.
async fn connect(port: u16, believed: &[CertificateDer<'static>]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in believed {
        roots.add(certificate.clone()).expect("a root");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").expect("a name"), stream).await
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().expect("it shows one")[0].clone().into_owned()
}

/// Asks over a connection that is kept.
async fn is_alive(stream: &mut TlsStream<TcpStream>) -> bool {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"{\"status\":\"ok\"}") {
        if stream.read_buf(&mut answer).await.expect("an answer") == 0 {
            return false;
        }
    }
    answer.starts_with(b"HTTP/1.1 200")
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_of_http_work_and_another_certificate_is_taken_while_a_connection_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    // As Kubernetes mounts a secret: the files are links through a link that is exchanged.
    let (first, second) = (pair(&at("..first")), pair(&at("..second")));
    symlink("..first", at("..data")).expect("a link");
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), at(name)).expect("a link");
    }
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let tls = [("TLS_CERT_FILE", "tls.crt"), ("TLS_KEY_FILE", "tls.key")];
    configure(folder.path(), &[&[("LISTEN", listen.as_str())], &tls[..]].concat());
    let mut server = Server::start(folder.path());
    block_in_place(|| server.wait_for("serving"));

    let address = format!("https://localhost:{port}/healthz");
    let authorities = Authorities::and(vec![first.clone()]);
    let modern = authorities.client(&WayOut::default()).expect("a client");
    let plain = authorities.http1_client(&WayOut::default()).expect("a client");
    for (client, version) in [(&modern, Version::HTTP_2), (&plain, Version::HTTP_11)] {
        let answer = client.get(&address).send().await.expect("an answer");
        assert_eq!((answer.status().as_u16(), answer.version()), (200, version));
    }

    let both = [first.clone(), second.clone()];
    let mut open = connect(port, &both).await.expect("a connection");
    assert!(shown(&open) == first && is_alive(&mut open).await);
    symlink("..second", at("..next")).expect("a link");
    fs::rename(at("..next"), at("..data")).expect("exchanged");
    block_in_place(|| {
        server.wait_for("new connections get another certificate from now on");
        server.wait_for("in effect");
    });
    assert!(is_alive(&mut open).await, "what is open goes on");
    let answer = modern.get(&address).send().await.expect("over the connection that it has");
    assert_eq!(answer.version(), Version::HTTP_2);
    let mut other = connect(port, &both).await.expect("a connection");
    assert!(shown(&other) == second && is_alive(&mut other).await);

    // Half of another pair is no pair: nothing changes.
    fs::write(at("..second/tls.key"), fs::read(at("..first/tls.key")).expect("a key")).expect("written");
    let told = block_in_place(|| server.wait_for("the new configuration cannot be used"));
    assert!(told.contains("TLS_KEY_FILE does not fit TLS_CERT_FILE"), "{told}");
    assert!(shown(&connect(port, &both).await.expect("a connection")) == second && is_alive(&mut other).await);
}
