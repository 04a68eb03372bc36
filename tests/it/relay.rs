//! The relay of websockets, between real sockets: bare ones, and those of a websocket library.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use qlik_embed_bff::proxy::relay::{Ended, Limits, Line, relay};
use qlik_embed_bff::proxy::sockets::Sockets;
use qlik_embed_bff::store::SessionRef;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tower_sessions::session::Id;

mod cycles;
mod ends;
mod faults;
mod passing;
mod seats;
mod stalled;
mod upgrade;

const LONG: Duration = Duration::from_secs(20);
/// Ends come quickly, so that tests need not wait.
const LIMITS: Limits = Limits { message: 64 * 1024 * 1024, linger: Duration::from_millis(500) };

/// Two ends of one connection: ours and the other side's.
pub async fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let far = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("it listens");
    (listener.accept().await.expect("a connection").0, far)
}

/// What `localhost` shows, and who believes it.
pub fn tls_of_localhost() -> (TlsAcceptor, TlsConnector) {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let certificate = own.cert.der().clone();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a root");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate and its key");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (TlsAcceptor::from(Arc::new(server)), TlsConnector::from(Arc::new(client)))
}

pub async fn tls() -> (client::TlsStream<TcpStream>, server::TlsStream<TcpStream>) {
    let (acceptor, connector) = tls_of_localhost();
    let (near, far) = tcp().await;
    let name = ServerName::try_from("localhost").expect("a name");
    let (near, far) = tokio::join!(connector.connect(name, near), acceptor.accept(far));
    (near.expect("a handshake"), far.expect("a handshake"))
}

/// A relay, and what is beyond it.
pub struct Relayed<T> {
    pub browser: TcpStream,
    pub tenant: T,
    pub sockets: Sockets,
    pub session: SessionRef,
    pub ended: JoinHandle<Ended>,
}

pub async fn plain() -> Relayed<TcpStream> {
    let (near, tenant) = tcp().await;
    start(near.into(), tenant, LIMITS).await
}

pub async fn plain_with(limits: Limits) -> Relayed<TcpStream> {
    let (near, tenant) = tcp().await;
    start(near.into(), tenant, limits).await
}

pub async fn with_tls() -> Relayed<server::TlsStream<TcpStream>> {
    let (near, tenant) = tls().await;
    start(near.into(), tenant, LIMITS).await
}

pub async fn start<T>(near_tenant: Line, tenant: T, limits: Limits) -> Relayed<T> {
    let sockets = Sockets::new();
    let session = SessionRef::of(Id::default());
    let (near_browser, browser) = tcp().await;
    let seat = sockets.seat(session).expect("not stopping");
    let ended = tokio::spawn(relay(near_browser.into(), near_tenant, seat, limits));
    Relayed { browser, tenant, sockets, session, ended }
}

pub type Socket<T> = WebSocketStream<T>;

/// The two sides as a websocket library sees them, after the handshake.
pub async fn library<T>(relayed: Relayed<T>) -> (Socket<TcpStream>, Socket<T>, JoinHandle<Ended>)
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let config = Some(WebSocketConfig::default().max_frame_size(None).max_message_size(None));
    let browser = WebSocketStream::from_raw_socket(relayed.browser, Role::Client, config).await;
    let tenant = WebSocketStream::from_raw_socket(relayed.tenant, Role::Server, config).await;
    (browser, tenant, relayed.ended)
}

/// One frame: the first byte, then the payload, masked when there is a key.
pub fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        size @ ..126 => frame.push(mask | size as u8),
        size @ 126..65536 => {
            frame.push(mask | 126);
            frame.extend((size as u16).to_be_bytes());
        }
        size => {
            frame.push(mask | 127);
            frame.extend((size as u64).to_be_bytes());
        }
    }
    let key_or_zeros = key.unwrap_or_default();
    frame.extend(key.into_iter().flatten());
    frame.extend(payload.iter().zip(key_or_zeros.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// A browser's frame.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, payload, Some([0x5a, 0xc3, 0x00, 0xff]))
}

/// A tenant's frame.
pub fn bare(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, payload, None)
}

/// A Close frame as a browser reads it.
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    bare(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

/// Reads so many bytes.
pub async fn read(from: &mut (impl AsyncRead + Unpin), size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    timeout(LONG, from.read_exact(&mut bytes)).await.expect("in time").expect("so many bytes");
    bytes
}

/// Reads to the end, in whichever way it comes.
pub async fn read_all(from: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = timeout(LONG, from.read_to_end(&mut bytes)).await.expect("in time");
    bytes
}

/// The code and reason of the one Close frame of ours in these bytes, masked or not.
pub fn said(bytes: &[u8]) -> (u16, String) {
    assert_eq!(bytes[0], 0x88, "a Close frame: {bytes:?}");
    let size = usize::from(bytes[1] & 0x7f);
    let (key, payload) = if bytes[1] & 0x80 == 0 {
        ([0; 4], &bytes[2..])
    } else {
        (bytes[2..6].try_into().expect("a key"), &bytes[6..])
    };
    assert_eq!(payload.len(), size, "and nothing behind it");
    let payload: Vec<u8> = payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    (u16::from_be_bytes([payload[0], payload[1]]), String::from_utf8(payload[2..].to_vec()).expect("text"))
}

pub async fn ended(task: JoinHandle<Ended>) -> Ended {
    timeout(LONG, task).await.expect("it ends").expect("it did not panic")
}
