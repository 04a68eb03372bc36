//! `qlik-embed-bff health`, which the image's health check runs.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

use crate::binary::{Server, command, configure, free_port, run};

/// The code with which it ends, and what it says.
fn ask(folder: &Path) -> (Option<i32>, String) {
    let (code, out, err) = run(folder, &["health"]);
    (code, [out, err].concat())
}

#[test]
fn a_server_that_listens_everywhere_is_asked_on_this_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let everywhere = format!("0.0.0.0:{port}");
    configure(folder.path(), &[("LISTEN", &everywhere), ("PUBLIC_URL", "https://portal.example")]);
    let words = format!("qlik-embed-bff: the server at http://127.0.0.1:{port} does not answer: ");
    let (code, said) = ask(folder.path());
    assert!(code == Some(1) && said.starts_with(&words), "{said}");

    let mut server = Server::start(folder.path());
    server.wait_for("serving");
    assert_eq!(ask(folder.path()), (Some(0), "{\"status\":\"ready\"}\n".to_owned()));
    // As a container has it: settings from the environment alone.
    let empty = tempfile::tempdir().expect("a folder");
    let output = command(empty.path(), &["health"]).env("LISTEN", &everywhere).output().expect("it runs");
    assert!(output.status.success());
}

#[test]
fn the_servers_own_certificate_is_taken_whatever_its_names_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let pair = rcgen::generate_simple_self_signed(["portal.example".to_owned()]).expect("a certificate");
    fs::write(folder.path().join("cert.pem"), pair.cert.pem()).expect("written");
    fs::write(folder.path().join("key.pem"), pair.signing_key.serialize_pem()).expect("written");
    let listen = format!("[::1]:{}", free_port());
    configure(folder.path(), &[("LISTEN", &listen), ("TLS_CERT_FILE", "cert.pem"), ("TLS_KEY_FILE", "key.pem")]);
    let mut server = Server::start(folder.path());
    server.wait_for("serving");
    assert_eq!(ask(folder.path()), (Some(0), "{\"status\":\"ready\"}\n".to_owned()));
}

#[test]
fn a_server_that_says_it_is_not_ready_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    configure(folder.path(), &[("LISTEN", &address)]);
    let draining = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it asks");
        let mut head = [0; 4096];
        let read = stream.read(&mut head).expect("a request");
        let answer = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 8\r\nconnection: close\r\n\r\ndraining";
        stream.write_all(answer.as_bytes()).expect("sent");
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let said =
        format!("qlik-embed-bff: the server at http://{address} is not ready: 503 Service Unavailable, draining\n");
    assert_eq!(ask(folder.path()), (Some(1), said));
    assert!(draining.join().expect("it answered").starts_with("GET /readyz HTTP/1.1\r\n"));
}

#[test]
fn without_an_address_there_is_nobody_to_ask() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), &[("LISTEN", "everywhere")]);
    let (code, said) = ask(folder.path());
    assert!(code == Some(78) && said.contains("LISTEN is not an address to listen on"), "{said}");
}
