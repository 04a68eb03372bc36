//! The end of the real binary, with a visitor's socket open through it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use qlik_embed_bff::demo::{self, IdentityProvider, Tenant};
use tokio::task::block_in_place;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{Server, configure, free_port, run_with_input};
use crate::passage::network::{Gateway, Mood};
use crate::portal::KEY;

const LONG: Duration = Duration::from_secs(20);

pub type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// The binary at work, and who is signed in.
pub struct Site {
    pub server: Server,
    pub port: u16,
    pub cookie: String,
    pub tenant: Tenant,
    _folder: tempfile::TempDir,
}

impl Site {
    pub async fn start(changes: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let provider = IdentityProvider::new("https://portal.example", "key-1", &*KEY.certificate);
        let settings = demo::Settings { providers: vec![provider], ..demo::Settings::default() };
        let tenant = Tenant::start(settings).await.expect("a tenant");
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let base = [
            ("LISTEN", listen.as_str()),
            ("QLIK_TENANT", tenant.origin()),
            ("QLIK_WEB_INTEGRATION_ID", ""),
            ("QLIK_APP_ID", demo::APP_ID),
            ("QLIK_SHEET_ID", demo::SHEET_ID),
        ];
        configure(folder.path(), &[&base, changes].concat());
        let (server, cookie) = block_in_place(|| {
            let add = ["users", "add", "ada", "--email", "ada@example.com"];
            let (code, _, err) = run_with_input(folder.path(), &add, "correct horse\n");
            assert_eq!(code, Some(0), "{err}");
            let mut server = Server::start(folder.path());
            server.wait_for("serving");
            (server, sign_in(port))
        });
        Self { server, port, cookie, tenant, _folder: folder }
    }

    /// A socket to the engine, on which the tenant has spoken.
    pub async fn socket(&self) -> Socket {
        let origin = format!("localhost:{}", self.port);
        let mut request = format!("ws://{origin}/app/{}/identity/x", demo::APP_ID).into_client_request().expect("good");
        request.headers_mut().insert("cookie", self.cookie.parse().expect("a header"));
        request.headers_mut().insert("origin", format!("http://{origin}").parse().expect("a header"));
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a socket");
        let first = next(&mut socket).await.expect("a message");
        assert!(first.to_text().expect("text").contains("SESSION_CREATED"), "{first}");
        socket
    }

    /// Waits until nobody new is served: the server takes no connection, or says that it is not ready.
    fn wait_until_closed_to_others(&self) {
        let begun = Instant::now();
        while let Some(answer) = ask(self.port, "GET /readyz HTTP/1.1\r\n", "") {
            if answer.starts_with("HTTP/1.1 503") || answer.is_empty() {
                return;
            }
            assert!(answer.starts_with("HTTP/1.1 200") && begun.elapsed() < LONG, "{answer}");
        }
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        block_in_place(|| self.server.child.wait().expect("it ends").code())
    }
}

/// The whole answer to one request. None when there is no connection.
pub fn ask(port: u16, head: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let (mut answer, size) = (String::new(), body.len());
    let rest = format!("Host: localhost:{port}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}");
    // It may be closed by now, which leaves the answer empty.
    let _ = stream.write_all(format!("{head}{rest}").as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    Some(answer)
}

fn sign_in(port: u16) -> String {
    let head =
        "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n";
    let answer = ask(port, head, "username=ada&password=correct+horse").expect("it listens");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect(&answer);
    cookie.split(';').next().expect("a cookie").to_owned()
}

async fn next(socket: &mut Socket) -> Option<Message> {
    timeout(LONG, socket.next()).await.expect("in time")?.ok()
}

/// Whether what is said at one end is heard at the other, and comes back.
async fn is_alive(socket: &mut Socket, words: &'static [u8]) -> bool {
    socket.send(Message::Ping(Bytes::from_static(words))).await.expect("sent");
    loop {
        match next(socket).await {
            Some(Message::Pong(back)) => return *back == *words,
            Some(Message::Text(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_stay_until_the_grace_is_over_and_are_told_then() {
    let grace = Duration::from_secs(2);
    let mut site = Site::start(&[("SHUTDOWN_GRACE", "2s")]).await;
    let mut socket = site.socket().await;
    assert!(is_alive(&mut socket, b"before").await);

    let begun = Instant::now();
    site.server.ask_to_stop();
    block_in_place(|| {
        site.server.wait_for("stopping");
        site.wait_until_closed_to_others();
    });
    assert!(is_alive(&mut socket, b"during").await);
    assert!(begun.elapsed() < grace, "too slow to tell anything: {:?}", begun.elapsed());
    let close = loop {
        match next(&mut socket).await {
            Some(Message::Close(close)) => break close.expect("a code"),
            Some(Message::Text(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(begun.elapsed() >= grace, "{:?}", begun.elapsed());
    assert_eq!((u16::from(close.code), close.reason.as_str()), (1001, "the server is stopping"));
    assert_eq!(next(&mut socket).await, None);
    // Like a browser, which hangs up then; who does not is waited for a little.
    drop(socket);
    block_in_place(|| site.server.wait_for("stopped"));
    assert_eq!(site.exit_code(), Some(0));
    assert!(begun.elapsed() < grace + Duration::from_secs(10), "{:?}", begun.elapsed());
    crate::proxied::until(async || site.tenant.control().sockets().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut site = Site::start(&[("SHUTDOWN_GRACE", "10m")]).await;
    let mut socket = site.socket().await;
    site.server.ask_to_stop();
    block_in_place(|| site.server.wait_for("a second signal ends it at once"));
    assert!(is_alive(&mut socket, b"during").await);
    let begun = Instant::now();
    site.server.ask_to_stop();
    assert_eq!(site.exit_code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(!matches!(next(&mut socket).await, Some(Message::Pong(_))));
    crate::proxied::until(async || site.tenant.control().sockets().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_tells_of_a_proxy_in_the_way_and_no_password() {
    let gateway = Gateway::start(Mood::Says("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")).await;
    let mut site = Site::start(&[("HTTP_PROXY", &gateway.url()), ("RUST_LOG", "trace")]).await;
    let answer = block_in_place(|| {
        let head = format!("GET /api/v1/features HTTP/1.1\r\nCookie: {}\r\n", site.cookie);
        ask(site.port, &head, "").expect("it listens")
    });
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains("tenant_unreachable"), "{answer}");
    site.server.ask_to_stop();
    let log = block_in_place(|| site.server.rest_of_log());
    assert!(log.contains("the proxy on the way to the tenant refused with status 407"), "{log}");
    for secret in ["s3cret", "YWRhOnMzY3JldA"] {
        assert!(!log.contains(secret), "{secret}");
    }
}
