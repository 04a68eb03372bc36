//! A tenant of which each test writes what it says.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio_rustls::TlsAcceptor;

/// Listens until the test ends.
pub struct Tenant {
    address: SocketAddr,
    certificate: Option<CertificateDer<'static>>,
    /// How many connections there were.
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
}

/// One connection to it.
pub struct Line {
    stream: Pin<Box<dyn Stream>>,
    read: Vec<u8>,
    heads: Arc<Mutex<Vec<String>>>,
}

pub trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

impl Tenant {
    /// Runs this for each connection, which it numbers from 0.
    pub async fn start<F>(serve: impl Fn(Line, usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::listen(serve, None).await
    }

    /// The same, over TLS.
    pub async fn start_tls<F>(serve: impl Fn(Line, usize) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = pair.cert.der().clone();
        let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        Self::listen(serve, Some((config, certificate))).await
    }

    /// Gives this answer to each request, whose body is that of `Content-Length`.
    pub async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = Arc::new(answer.into());
        Self::start(move |mut line, _| {
            let answer = Arc::clone(&answer);
            async move {
                while line.head().await.is_some() {
                    line.say(&*answer).await;
                }
            }
        })
        .await
    }

    async fn listen<F>(
        serve: impl Fn(Line, usize) -> F + Send + Sync + 'static,
        tls: Option<(ServerConfig, CertificateDer<'static>)>,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let (connections, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (acceptor, certificate) =
            tls.map(|(config, certificate)| (TlsAcceptor::from(Arc::new(config)), certificate)).unzip();
        let (count, their_heads) = (Arc::clone(&connections), Arc::clone(&heads));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let stream: Pin<Box<dyn Stream>> = match &acceptor {
                    None => Box::pin(stream),
                    Some(acceptor) => match acceptor.accept(stream).await {
                        Ok(stream) => Box::pin(stream),
                        Err(_) => continue,
                    },
                };
                tokio::spawn(serve(Line { stream, read: Vec::new(), heads: Arc::clone(&their_heads) }, number));
            }
        });
        Self { address, certificate, connections, heads }
    }

    pub fn origin(&self) -> String {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    pub fn authorities(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        if let Some(certificate) = &self.certificate {
            roots.add(certificate.clone()).unwrap();
        }
        roots
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The heads of all requests, in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// With small buffers, so that what is under way is not hidden in them.
fn listener() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket.listen(1024).unwrap()
}

impl Line {
    /// The head of the next request, without the empty line. None when there is none.
    pub async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
                let head = head.trim_end().to_owned();
                self.heads.lock().unwrap().push(head.to_lowercase());
                return Some(head);
            }
            if self.more().await == 0 {
                return None;
            }
        }
    }

    /// Reads some bytes to `read`.
    async fn more(&mut self) -> usize {
        let mut buffer = [0; 16 * 1024];
        let size = self.stream.read(&mut buffer).await.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..size]);
        size
    }

    /// So many bytes of a body, or less when there are no more.
    pub async fn body(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length && self.more().await > 0 {}
        self.read.drain(..length.min(self.read.len())).collect()
    }

    /// A chunked body, as it is.
    pub async fn chunks(&mut self) -> String {
        while !self.read.ends_with(b"0\r\n\r\n") && self.more().await > 0 {}
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    /// Throws away what comes, until the other side says no more.
    pub async fn until_end(&mut self) {
        while self.more().await > 0 {
            self.read.clear();
        }
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
        let _ = self.stream.flush().await;
    }

    /// Whether all of it could be written.
    pub async fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok() && self.stream.flush().await.is_ok()
    }
}
