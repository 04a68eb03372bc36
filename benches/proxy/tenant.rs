//! The far side: a tenant that costs as little as it can, with answers made beforehand. It speaks HTTP/1.1 and websockets,
//! plain and with TLS, and knows what a server needs in order to log in.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;
use memchr::memmem;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::version::TLS13;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::frames::{self, CLOSE, Head, TEXT};

/// The name in its certificate, beside its address.
pub const NAME: &str = "tenant.localhost";
/// What a tenant's answers weigh.
pub const SMALL: usize = 1024;
pub const BIG: usize = 1 << 20;
/// A message of this length is answered by one of [`BIG`] bytes; any other is sent back.
pub const ASKS_FOR_BIG: usize = 8;

/// Where it listens. It ends with the runtime.
pub struct Tenant {
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    /// The certificate of who signed its own.
    pub authority: PathBuf,
}

impl Tenant {
    pub async fn start(folder: &Path) -> Self {
        let authority = folder.join("authority.pem");
        let acceptor = TlsAcceptor::from(Arc::new(certified(&authority)));
        let plain = listen(None).await;
        let tls = listen(Some(acceptor)).await;
        Self { plain, tls, authority }
    }
}

/// TLS 1.3 as it is spoken on the internet, so that every contender speaks the same.
fn certified(authority: &Path) -> ServerConfig {
    let mut params = CertificateParams::new(vec![]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority of the bench"); // another name than the one it signs
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
    fs::write(authority, issuer.pem()).expect("written");
    let key = KeyPair::generate().expect("a key");
    let names = vec![NAME.to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("a name and an address");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key.into()))
        .expect("the key of that certificate")
}

async fn listen(tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let scheme = if tls.is_some() { "https" } else { "http" };
    let answers = Arc::new(Answers::of(&format!("{scheme}://{address}")));
    tokio::spawn(async move {
        loop {
            let (connection, _) = listener.accept().await.expect("a connection");
            tokio::spawn(converse(connection, tls.clone(), answers.clone()));
        }
    });
    address
}

/// Connections may break whenever a contender is stopped.
async fn converse(connection: TcpStream, tls: Option<TlsAcceptor>, answers: Arc<Answers>) {
    connection.set_nodelay(true).ok();
    match tls {
        None => serve(connection, &answers).await.ok(),
        Some(tls) => match tls.accept(connection).await {
            Ok(connection) => serve(connection, &answers).await.ok(),
            Err(_) => None,
        },
    };
}

/// Whole answers, with their heads.
struct Answers {
    items: Vec<u8>,
    linked: Vec<u8>,
    big: Vec<u8>,
    login: Vec<u8>,
    csrf: Vec<u8>,
    missing: Vec<u8>,
    message: Vec<u8>,
}

impl Answers {
    fn of(origin: &str) -> Self {
        let big = vec![b'x'; BIG];
        Self {
            items: answer("200 OK\r\ncontent-type: application/json", &items("https://elsewhere.example")),
            linked: answer("200 OK\r\ncontent-type: application/json", &items(origin)),
            big: answer("200 OK\r\ncontent-type: application/octet-stream", &big),
            login: answer(LOGIN, b"{}"),
            csrf: answer("204 No Content\r\nqlik-csrf-token: 3aBcD3fG-hIjKlMnOpQrStUvWxYz0123456", b""),
            missing: answer("404 Not Found", b""),
            message: frames::plain(TEXT, &big),
        }
    }

    fn to(&self, head: &[u8]) -> &[u8] {
        let path =
            |path: &str| head[head.iter().take_while(|&&byte| byte != b' ').count() + 1..].starts_with(path.as_bytes());
        if path("/api/v1/items") {
            &self.items
        } else if path("/api/v1/spaces") {
            &self.linked
        } else if path("/resources/big") {
            &self.big
        } else if path("/login/jwt-session") {
            &self.login
        } else if path("/api/v1/csrf-token") {
            &self.csrf
        } else {
            &self.missing
        }
    }
}

/// Cookies as Qlik Cloud facts, section B.3, describe them.
const LOGIN: &str = "200 OK\r\n\
    content-type: application/json\r\n\
    set-cookie: eas.sid=kX3Jw0aVbN5tYqPzL8mRcD2fGhE7uSo1; Path=/; HttpOnly; Secure; SameSite=None\r\n\
    set-cookie: eas.sid.sig=Zt6Qm1XvB9sLpK4dRjW7yHcN2gFaE0uToI5lVbMxCzSkPwJrDqYhGnUfAeOiL3t8B6v1XsZmKp9QdRjW7y; \
    Path=/; HttpOnly; Secure; SameSite=None\r\n\
    set-cookie: _csrfToken=3aBcD3fG-hIjKlMnOpQrStUvWxYz0123456; Path=/; Secure; SameSite=None\r\n\
    set-cookie: _csrfToken.sig=mKp9QdRjW7yHcN2gFaE0uToI5lVbMxCzSkPwJrDqYhGnUfAeOiL3t8B6v1XsZt6Qm1XvB9sLpK4dRjW7yHc; \
    Path=/; Secure; SameSite=None";

/// With the headers that a tenant's answers have.
fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let length = if status.starts_with("204") { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let head = format!(
        "HTTP/1.1 {status}\r\n{length}date: Mon, 23 Nov 2026 08:00:00 GMT\r\ncache-control: private, no-cache\r\n\
         content-security-policy: default-src 'self'; frame-ancestors 'self' https://portal.example\r\n\
         strict-transport-security: max-age=31536000; includeSubDomains\r\nx-content-type-options: nosniff\r\n\
         x-frame-options: SAMEORIGIN\r\ntraceid: 7c9e66797425140de944be07fc1f90ae\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// One item, with two links to this origin, filled up to [`SMALL`] bytes.
fn items(origin: &str) -> Vec<u8> {
    let page = |description: &str| -> Value {
        json!({
            "data": [{
                "id": "5f1f3a8d2c9b4e0001a7d6e2", "name": "Sales", "resourceType": "app", "description": description,
                "links": { "self": { "href": format!("{origin}/api/v1/items/5f1f3a8d2c9b4e0001a7d6e2") } },
            }],
            "links": { "self": { "href": format!("{origin}/api/v1/items?limit=1") } },
        })
    };
    let rest = SMALL - page("").to_string().len();
    page(&"d".repeat(rest)).to_string().into_bytes()
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut connection: S, answers: &Answers) -> io::Result<()> {
    let mut received = BytesMut::new();
    loop {
        while let Some(end) = memmem::find(&received, b"\r\n\r\n") {
            let head = received.split_to(end + 4);
            if head.starts_with(b"GET /app/") {
                return engine(connection, received, &head, answers).await;
            }
            if head.starts_with(b"POST ") {
                skip(&mut connection, &mut received, &head).await?;
            }
            connection.write_all(answers.to(&head)).await?;
            connection.flush().await?;
        }
        if receive(&mut connection, &mut received, 1).await? == 0 {
            return Ok(());
        }
    }
}

async fn receive<S: AsyncRead + Unpin>(connection: &mut S, received: &mut BytesMut, more: usize) -> io::Result<usize> {
    received.reserve(more.max(2048));
    connection.read_buf(received).await
}

/// Reads the body of a request, which nobody here wants to know.
async fn skip<S: AsyncRead + Unpin>(connection: &mut S, received: &mut BytesMut, head: &[u8]) -> io::Result<()> {
    let length = value(head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    while received.len() < length {
        if receive(connection, received, length).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let _ = received.split_to(length);
    Ok(())
}

/// The value of a header.
pub fn value<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let mut headers = lines.filter_map(|line| line.split_once(':'));
    headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

async fn engine<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: S,
    mut received: BytesMut,
    head: &[u8],
    answers: &Answers,
) -> io::Result<()> {
    let key = derive_accept_key(value(head, "sec-websocket-key").unwrap_or_default().as_bytes());
    let accepted = format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {key}\r\n\r\n"
    );
    connection.write_all(accepted.as_bytes()).await?;
    connection.flush().await?;
    loop {
        let missing = match Head::read(&received) {
            Some(head) if head.frame() <= received.len() => {
                let mut frame = received.split_to(head.frame());
                let payload = &mut frame[head.bytes..];
                head.unmask(payload);
                match head.opcode {
                    CLOSE => {
                        connection.write_all(&frames::plain(CLOSE, payload)).await?;
                        return connection.shutdown().await;
                    }
                    _ if payload.len() == ASKS_FOR_BIG => connection.write_all(&answers.message).await?,
                    opcode => connection.write_all(&frames::plain(opcode, payload)).await?,
                }
                connection.flush().await?;
                continue;
            }
            Some(head) => head.frame() - received.len(),
            None => 1,
        };
        if receive(&mut connection, &mut received, missing).await? == 0 {
            return Ok(());
        }
    }
}
