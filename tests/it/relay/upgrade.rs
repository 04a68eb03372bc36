//! The connection is taken out of the server that accepted it, with and without TLS.

use super::*;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Address, Handle, Server};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use tokio::sync::mpsc;

/// A server that upgrades and hands the connection over.
fn router(upgraded: mpsc::UnboundedSender<Line>) -> axum::Router {
    let upgrade = async move |mut request: Request| {
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            if let Ok(upgrade) = upgrade.await {
                upgraded.send(upgrade.into()).expect("the test waits for it");
            }
        });
        (StatusCode::SWITCHING_PROTOCOLS, [(header::CONNECTION, "upgrade"), (header::UPGRADE, "websocket")])
            .into_response()
    };
    axum::Router::new().route("/", get(upgrade))
}

async fn address<A: Address + Send>(handle: &Handle<A>) -> A {
    handle.listening().await.expect("it listens")
}

async fn passes(mut client: impl AsyncRead + AsyncWrite + Unpin, mut lines: mpsc::UnboundedReceiver<Line>, kind: &str) {
    let first = masked(0x81, b"first");
    let head = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    // The first frame does not wait for the answer, so the server has read it with the head.
    client.write_all(&[&head[..], &first].concat()).await.expect("sent");
    let line = timeout(LONG, lines.recv()).await.expect("in time").expect("an upgrade");
    assert_eq!(format!("{line:?}"), kind, "nothing of HTTP is kept");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.extend(read(&mut client, 1).await);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));

    let (near_tenant, mut tenant) = tcp().await;
    let seat = Sockets::new().seat(SessionRef::of(Id::default())).expect("not stopping");
    let relay = tokio::spawn(relay(line, near_tenant.into(), seat, LIMITS));
    assert_eq!(read(&mut tenant, first.len()).await, first);
    let large = bare(0x82, &(0..3_000_000_u32).map(|n| (n >> 3) as u8).collect::<Vec<_>>());
    let (sent, arrived) = tokio::join!(tenant.write_all(&large), read(&mut client, large.len()));
    sent.expect("sent");
    assert!(arrived == large);
    let large = masked(0x82, &vec![3; 3_000_000]);
    let (sent, arrived) = tokio::join!(
        async {
            client.write_all(&large).await?;
            client.flush().await
        },
        read(&mut tenant, large.len())
    );
    sent.expect("sent");
    assert!(arrived == large);
    tenant.write_all(&close(4005, "session limit")).await.expect("sent");
    assert_eq!(read(&mut client, 17).await, close(4005, "session limit"));
    client.write_all(&masked(0x88, &4005_u16.to_be_bytes())).await.expect("sent");
    client.flush().await.expect("sent");
    read(&mut tenant, 8).await;
    drop(tenant);
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.expect("TLS ends with close_notify");
    assert!(rest.is_empty());
    drop(client);
    ended(relay).await;
}

#[tokio::test]
async fn from_a_plain_server() {
    let (sender, lines) = mpsc::unbounded_channel();
    let handle = Handle::new();
    let server: Server<SocketAddr> =
        axum_server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).handle(handle.clone());
    tokio::spawn(server.serve(router(sender).into_make_service()));
    let client = TcpStream::connect(address(&handle).await).await.expect("it listens");
    passes(client, lines, "Line(plain)").await;
}

#[tokio::test]
async fn from_a_server_with_tls() {
    let (sender, lines) = mpsc::unbounded_channel();
    let (acceptor, connector) = tls_of_localhost();
    let handle = Handle::new();
    let config = RustlsConfig::from_config(acceptor.config().clone());
    let server = axum_server::bind_rustls(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), config).handle(handle.clone());
    tokio::spawn(server.serve(router(sender).into_make_service()));
    let tcp = TcpStream::connect(address(&handle).await).await.expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    passes(connector.connect(name, tcp).await.expect("a handshake"), lines, "Line(TLS)").await;
}

/// Over something that the relay does not know, everything passes all the same.
#[tokio::test]
async fn from_anything_else() {
    let (sender, lines) = mpsc::unbounded_channel();
    let (near, client) = tokio::io::duplex(1_000);
    tokio::spawn(async move {
        let service = TowerToHyperService::new(router(sender));
        Builder::new(TokioExecutor::new()).serve_connection_with_upgrades(TokioIo::new(near), service).await
    });
    passes(client, lines, "Line(other)").await;
}
