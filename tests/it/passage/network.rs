//! The proxy of a company's network: what leaves goes through it, or does not leave.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// What it says to CONNECT.
#[derive(Clone, Copy)]
pub enum Mood {
    /// It connects.
    Good,
    /// These bytes, and then it closes.
    Says(&'static str),
    /// Bytes of a head without end.
    Rambles,
    /// Nothing.
    Hangs,
}

/// Listens until the test ends. To requests that are no CONNECT it is always good.
pub struct Gateway {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    mood: Arc<Mutex<Mood>>,
}

impl Gateway {
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (heads, mood) = (Arc::default(), Arc::new(Mutex::new(mood)));
        let gateway = Self { address, heads: Arc::clone(&heads), mood: Arc::clone(&mood) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&heads), Arc::clone(&mood)));
            }
        });
        gateway
    }

    /// Its address as a setting, with a user name and a password.
    pub fn url(&self) -> String {
        format!("http://ada:s3cret@{}", self.address)
    }

    pub fn change(&self, mood: Mood) {
        *self.mood.lock().expect("no panic") = mood;
    }

    /// The heads of all requests that are no tunnel's content.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("no panic").clone()
    }

    /// How many of them asked for a tunnel.
    pub fn tunnels(&self) -> usize {
        self.heads().iter().filter(|head| head.starts_with("CONNECT ")).count()
    }
}

async fn serve(mut stream: TcpStream, heads: Arc<Mutex<Vec<String>>>, mood: Arc<Mutex<Mood>>) -> Option<()> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&read[..end]).into_owned();
    heads.lock().expect("no panic").push(head.clone());
    let mood = *mood.lock().expect("no panic");
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    match (method, mood) {
        ("CONNECT", Mood::Good) => {
            let mut tenant = TcpStream::connect(target).await.ok()?;
            // The length means nothing here (RFC 9110, section 9.3.6).
            stream.write_all(b"HTTP/1.1 200 Connection established\r\nContent-Length: 7\r\n\r\n").await.ok()?;
            copy_bidirectional(&mut stream, &mut tenant).await.ok()?;
        }
        ("CONNECT", Mood::Says(answer)) => stream.write_all(answer.as_bytes()).await.ok()?,
        ("CONNECT", Mood::Rambles) => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nX-Words: ").await.ok()?;
            while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
        }
        ("CONNECT", Mood::Hangs) => drop(stream.read_buf(&mut read).await),
        _ => {
            let rest = target.strip_prefix("http://")?;
            let authority = rest.split('/').next()?;
            let mut tenant = TcpStream::connect(authority).await.ok()?;
            tenant.write_all(&read).await.ok()?;
            copy_bidirectional(&mut stream, &mut tenant).await.ok()?;
        }
    }
    Some(())
}
