//! The end of the real binary, with a visitor's socket open through it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
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
    folder: tempfile::TempDir,
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
        Self { server, port, cookie, tenant, folder }
    }

    /// A socket to the engine, on which the tenant has spoken.
    pub async fn socket(&self) -> Socket {
        let origin = format!("localhost:{}", self.port);
        let mut request = format!("ws://{origin}/app/{}/identity/x", demo::APP_ID).into_client_request().expect("good");
        request.headers_mut().insert("cookie", self.cookie.parse().expect("a header"));
        request.headers_mut().insert("origin", format!("http://{origin}").parse().expect("a header"));
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a socket");
        let first = next(&mut socket).await.expect("a message");
        // The second one of an engine session attaches to it.
        let words = first.to_text().expect("text");
        assert!(words.contains("SESSION_CREATED") || words.contains("SESSION_ATTACHED"), "{first}");
        socket
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
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
pub async fn is_alive(socket: &mut Socket, words: &'static [u8]) -> bool {
    socket.send(Message::Ping(Bytes::from_static(words))).await.expect("sent");
    loop {
        match next(socket).await {
            Some(Message::Pong(back)) => return *back == *words,
            Some(Message::Text(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The code with which a socket is closed, whatever else comes before.
pub async fn close_code(socket: &mut Socket) -> u16 {
    loop {
        match next(socket).await {
            Some(Message::Close(close)) => return close.expect("a code").code.into(),
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

/// A connection that is kept for more than one request.
pub struct Kept(TcpStream);

impl Kept {
    pub fn open(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(LONG))?;
        Ok(Self(stream))
    }

    /// One request, and its answer up to its end; empty when the connection was closed.
    pub fn get(&mut self, path: &str) -> std::io::Result<String> {
        write!(self.0, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        self.answer()
    }

    fn answer(&mut self) -> std::io::Result<String> {
        let (mut answer, mut byte) = (Vec::new(), [0]);
        while !answer.ends_with(b"\r\n\r\n") {
            if self.0.read(&mut byte)? == 0 {
                return Ok(String::new());
            }
            answer.push(byte[0]);
        }
        let head = String::from_utf8(answer).expect("text");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).expect(&head);
        let mut body = vec![0; length.parse().expect("a number")];
        self.0.read_exact(&mut body)?;
        Ok(head + &*String::from_utf8_lossy(&body))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_first_that_it_is_not_ready_and_serves_on_for_the_delay() {
    let delay = Duration::from_secs(3);
    let mut site = Site::start(&[("SHUTDOWN_DELAY", "3s"), ("SHUTDOWN_GRACE", "1s")]).await;
    let mut socket = site.socket().await;
    let mut kept = Kept::open(site.port).expect("it listens");
    let before = kept.get("/healthz").expect("an answer");
    assert!(before.starts_with("HTTP/1.1 200") && !before.contains("connection: close"), "{before}");

    let begun = Instant::now();
    site.server.ask_to_stop();
    block_in_place(|| {
        site.server.wait_for("stopping");
        let ready = ask(site.port, "GET /readyz HTTP/1.1\r\n", "").expect("it listens");
        assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("draining"), "{ready}");
        let page = ask(site.port, "GET /login HTTP/1.1\r\n", "").expect("it listens");
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        let answer = kept.get("/healthz").expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
        assert_eq!(kept.0.read(&mut [0]).expect("the end"), 0, "it closes what it said it would");
    });
    let mut newcomer = site.socket().await;
    assert!(is_alive(&mut socket, b"during").await && is_alive(&mut newcomer, b"during").await);
    assert!(begun.elapsed() < delay, "too slow to tell anything: {:?}", begun.elapsed());

    block_in_place(|| site.server.wait_for("taking nothing new"));
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    assert!(TcpStream::connect(("127.0.0.1", site.port)).is_err(), "nobody listens");
    for mut socket in [socket, newcomer] {
        assert_eq!(close_code(&mut socket).await, 1001);
    }
    block_in_place(|| site.server.wait_for("stopped"));
    assert_eq!(site.exit_code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_delay_too() {
    let mut site = Site::start(&[("SHUTDOWN_DELAY", "10m")]).await;
    site.server.ask_to_stop();
    block_in_place(|| site.server.wait_for("a second signal ends it at once"));
    let begun = Instant::now();
    site.server.ask_to_stop();
    assert_eq!(site.exit_code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

/// Each visitor asks over a kept connection as long as there is one, and opens another one when told to. Whoever was let in gets an
/// answer. Not let in was who finds a closed port; or who stood in the queue of the port in the very moment when it closed, which
/// the system ends with a reset: without a byte of an answer on a new connection, and with a closed port from then on.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_that_was_let_in_fails_while_it_stops_under_load() {
    for delay in ["0s", "1s"] {
        let mut site = Site::start(&[("SHUTDOWN_DELAY", delay), ("RUST_LOG", "qlik_embed_bff::commands=info")]).await;
        let port = site.port;
        let visit = move || {
            let mut answered = 0;
            while let Ok(mut kept) = Kept::open(port) {
                let mut is_new = true;
                loop {
                    let answer = match kept.get("/login") {
                        Ok(answer) => answer,
                        Err(_) if is_new && Kept::open(port).is_err() => return answered,
                        Err(problem) => panic!("after {answered}: {problem}"),
                    };
                    is_new = false;
                    assert!(answer.starts_with("HTTP/1.1 200"), "after {answered}: {answer}");
                    answered += 1;
                    if answer.contains("connection: close") {
                        break;
                    }
                }
            }
            answered
        };
        let visitors: Vec<_> = (0..8).map(|_| std::thread::spawn(visit)).collect();
        block_in_place(|| {
            // Half a request: its end comes when nothing new is taken any more.
            let mut slow = Kept::open(port).expect("it listens");
            slow.0.write_all(b"GET /healthz HTTP/1.1\r\n").expect("sent");
            let mut heard = Kept::open(port).expect("it listens");
            for _ in 0..20 {
                assert!(heard.get("/healthz").expect("an answer").starts_with("HTTP/1.1 200"));
            }
            site.server.ask_to_stop();
            site.server.wait_for("stopping");
            for visitor in visitors {
                assert!(visitor.join().expect("each gets an answer") > 0);
            }
            slow.0.write_all(b"Host: localhost\r\n\r\n").expect("sent");
            let answer = slow.answer().expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");
            drop(heard);
            site.server.wait_for("stopped");
        });
        assert_eq!(site.exit_code(), Some(0));
    }
}

/// RFC 9113, section 6.8.
#[tokio::test(flavor = "multi_thread")]
async fn over_http_2_it_says_goodbye_in_the_drain() {
    const GOAWAY: u8 = 7;
    let mut site = Site::start(&[]).await;
    block_in_place(|| {
        let mut stream = TcpStream::connect(("127.0.0.1", site.port)).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("set");
        // The preface and an empty SETTINGS (sections 3.4 and 6.5).
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").expect("sent");
        let mut kind = || {
            let mut head = [0; 9];
            stream.read_exact(&mut head).expect("a frame");
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            stream.read_exact(&mut vec![0; length as usize]).expect("its content");
            head[3]
        };
        assert_eq!(kind(), 4, "its own SETTINGS come first");
        site.server.ask_to_stop();
        while kind() != GOAWAY {}
        drop(stream);
        site.server.wait_for("stopped");
    });
    assert_eq!(site.exit_code(), Some(0));
}
