//! Visitors: raw connections that ask again as soon as they have their answer. They read no more of it than they must.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memmem;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames::{self, CLOSE, Head, TEXT};
use crate::tenant::{self, ASKS_FOR_BIG, BIG};

/// The app that everybody looks at.
pub const APP: &str = "2d54bd8e-76a9-4c53-85d2-066b44240146";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many files this process, and so each that it starts, may open: as many as it is allowed.
pub fn descriptors() -> usize {
    usize::try_from(getrlimit(Resource::Nofile).maximum.unwrap_or(1 << 20)).unwrap_or(1 << 20)
}

/// Takes what is allowed.
pub fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).expect("no more than is allowed");
}

/// Somebody at an address, with a session there.
#[derive(Clone)]
pub struct Visitor {
    address: SocketAddr,
    cookie: Arc<str>,
}

impl Visitor {
    pub fn new(address: SocketAddr, cookie: &str) -> Self {
        Self { address, cookie: cookie.into() }
    }

    /// As a browser asks from within a page.
    fn request(&self, path: &str, more: &str) -> Vec<u8> {
        let Self { address, cookie } = self;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\n{more}Cookie: {cookie}\r\n\
             User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n\
             Accept-Language: de-DE,de;q=0.9,en-US;q=0.8,en;q=0.7\r\n\r\n"
        )
        .into_bytes()
    }

    pub fn asks(&self, path: &str) -> Vec<u8> {
        let address = self.address;
        let more = format!(
            "Connection: keep-alive\r\nAccept: application/json, text/plain, */*\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
             Referer: http://{address}/single/?appid={APP}&sheet=PpVjBm\r\nSec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\n\
             Sec-Fetch-Site: same-origin\r\nsec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\"\r\nsec-ch-ua-mobile: ?0\r\n\
             sec-ch-ua-platform: \"Linux\"\r\n"
        );
        self.request(path, &more)
    }

    pub async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        Connection { stream, buffer: vec![0; 64 << 10] }
    }

    /// Opens a socket to the engine.
    pub async fn socket(&self) -> Socket {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.set_nodelay(true).expect("a socket option");
        let more = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://{}\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
            self.address
        );
        stream.write_all(&self.request(&format!("/app/{APP}"), &more)).await.expect("sent");
        let mut head = Vec::with_capacity(1024);
        while memmem::find(&head, b"\r\n\r\n").is_none() {
            let read = in_time(stream.read_buf(&mut head)).await;
            assert!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&head));
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101 ") && head.ends_with(b"\r\n\r\n"),
            "{}",
            String::from_utf8_lossy(&head)
        );
        Socket { stream }
    }
}

async fn in_time<T>(what: impl Future<Output = io::Result<T>>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("an answer in time").expect("a connection that lasts")
}

/// Signs in by the form, and returns the cookie.
pub async fn sign_in(address: SocketAddr, password: &str) -> String {
    let form = format!("username=ada&password={}", password.replace(' ', "+"));
    let request = format!(
        "POST /login HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\nsec-fetch-site: same-origin\r\n\r\n{form}",
        form.len()
    );
    let mut connection = Visitor::new(address, "").connect().await;
    let head = connection.fetch(request.as_bytes()).await.head;
    let cookie = tenant::value(&head, "set-cookie").unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&head)));
    cookie.split_once(';').map_or(cookie, |(pair, _)| pair).to_owned()
}

/// A connection that is kept alive.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub struct Fetched {
    pub head: Vec<u8>,
    pub body: usize,
}

impl Connection {
    /// Asks once and reads the answer, of which only the length is kept.
    pub async fn fetch(&mut self, request: &[u8]) -> Fetched {
        self.stream.write_all(request).await.expect("sent");
        let mut filled = 0;
        let end = loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await.expect("an answer");
            assert!(read > 0, "the connection ended");
            filled += read;
            if let Some(end) = memmem::find(&self.buffer[..filled], b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = self.buffer[..end].to_vec();
        let body = match tenant::value(&head, "content-length").and_then(|length| length.parse::<usize>().ok()) {
            Some(length) => {
                let mut got = filled - end;
                while got < length {
                    let read = self.stream.read(&mut self.buffer).await.expect("a body");
                    assert!(read > 0, "the connection ended");
                    got += read;
                }
                got
            }
            None => self.chunks(end, filled).await,
        };
        Fetched { head, body }
    }

    /// An answer in chunks (RFC 9112, section 7.1) ends in an empty one; none of our bodies has those bytes.
    async fn chunks(&mut self, end: usize, filled: usize) -> usize {
        self.buffer.copy_within(end..filled, 0);
        let mut filled = filled - end;
        while !self.buffer[..filled].ends_with(b"0\r\n\r\n") {
            assert!(filled < self.buffer.len(), "a short body");
            let read = self.stream.read(&mut self.buffer[filled..]).await.expect("a body");
            assert!(read > 0, "the connection ended");
            filled += read;
        }
        filled
    }
}

/// A socket to the engine, idle until somebody uses it: what it reads into is its user's.
pub struct Socket {
    stream: TcpStream,
}

impl Socket {
    pub async fn exchange(&mut self, exchange: &Exchange, scratch: &mut [u8]) {
        self.stream.write_all(&exchange.sent).await.expect("sent");
        let mut got = 0;
        while got < exchange.expected {
            let read = self.stream.read(scratch).await.expect("an answer");
            assert!(read > 0, "the socket ended");
            let is_first = got == 0;
            assert!(!is_first || scratch[0] == 0x80 | TEXT, "another frame: {:x?}", &scratch[..read.min(32)]);
            got += read;
        }
        assert_eq!(got, exchange.expected, "more than was asked for");
    }

    /// Closes it as browsers do (RFC 6455, section 7.1.1): the server ends the connection.
    pub async fn close(mut self) {
        self.stream.write_all(&frames::masked(CLOSE, &1000_u16.to_be_bytes())).await.expect("sent");
        let mut rest = Vec::new();
        in_time(self.stream.read_to_end(&mut rest)).await;
        let answer = Head::read(&rest).map(|head| head.opcode);
        assert_eq!(answer, Some(CLOSE), "no answer to the end: {rest:x?}");
    }
}

/// A message and its answer.
pub struct Exchange {
    sent: Vec<u8>,
    expected: usize,
}

impl Exchange {
    pub fn echo(bytes: usize) -> Self {
        let payload = vec![b'x'; bytes];
        Self { sent: frames::masked(TEXT, &payload), expected: frames::plain(TEXT, &payload).len() }
    }

    /// One long message from the tenant, as the data of a chart is.
    pub fn long_answer() -> Self {
        let expected = frames::plain(TEXT, &vec![0; BIG]).len();
        Self { sent: frames::masked(TEXT, &[b'x'; ASKS_FOR_BIG]), expected }
    }
}

/// Asks so many times for this, over so many connections that have asked once before; `around` is called with the work.
pub async fn fetch_all(
    connections: Vec<Connection>,
    request: &Arc<[u8]>,
    times: usize,
    body: usize,
) -> Vec<Connection> {
    let share = times / connections.len();
    let tasks: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let request = request.clone();
            tokio::spawn(async move {
                for _ in 0..share {
                    let fetched = connection.fetch(&request).await;
                    let is_it = fetched.head.starts_with(b"HTTP/1.1 200") && fetched.body >= body;
                    assert!(is_it, "{}", String::from_utf8_lossy(&fetched.head));
                }
                connection
            })
        })
        .collect();
    let mut connections = Vec::with_capacity(tasks.len());
    for task in tasks {
        connections.push(task.await.expect("no panic"));
    }
    connections
}

/// Exchanges so many messages over so many sockets.
pub async fn exchange_all(sockets: Vec<Socket>, exchange: &Arc<Exchange>, times: usize) -> Vec<Socket> {
    let share = times / sockets.len();
    let tasks: Vec<_> = sockets
        .into_iter()
        .map(|mut socket| {
            let exchange = exchange.clone();
            tokio::spawn(async move {
                let mut scratch = vec![0; 256 << 10];
                for _ in 0..share {
                    socket.exchange(&exchange, &mut scratch).await;
                }
                socket
            })
        })
        .collect();
    let mut sockets = Vec::with_capacity(tasks.len());
    for task in tasks {
        sockets.push(task.await.expect("no panic"));
    }
    sockets
}

/// How long each of so many exchanges takes, in microseconds, from the fastest to the slowest.
pub async fn latencies(socket: &mut Socket, exchange: &Exchange, times: usize) -> Vec<f64> {
    let mut scratch = vec![0; 64 << 10];
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let begun = Instant::now();
        socket.exchange(exchange, &mut scratch).await;
        taken.push(begun.elapsed().as_nanos() as f64 / 1e3);
    }
    taken.sort_by(f64::total_cmp);
    taken
}
