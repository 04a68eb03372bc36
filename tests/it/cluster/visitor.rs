//! Somebody's browser: one cookie, a new connection for each request, so that each is another instance's.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use qlik_embed_bff::demo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const LONG: Duration = Duration::from_secs(30);

/// An answer, or how far it came.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// 0 when there was none.
    pub status: u16,
    pub head: String,
    pub body: String,
    /// How long it took, to the end.
    pub took: Duration,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

#[derive(Clone)]
pub struct Visitor {
    /// Where the portal is to the visitor.
    pub host: String,
    /// Where requests go, which may be one instance.
    pub port: u16,
    pub cookie: String,
}

impl Visitor {
    /// The same visitor, whose requests go to this port.
    pub fn at(&self, port: u16) -> Self {
        Self { port, ..self.clone() }
    }

    pub async fn sign_in(host: &str, port: u16, name: &str) -> Self {
        let nobody = Self { host: host.to_owned(), port, cookie: String::new() };
        let body = format!("username={name}&password=correct+horse");
        let answer =
            nobody.send("POST", "/login", &[("Content-Type", "application/x-www-form-urlencoded")], &body).await;
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        Self { cookie: cookie.unwrap_or_else(|| panic!("{answer:?}")).to_owned(), ..nobody }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// As a person who types the address.
    pub async fn open(&self, path: &str) -> Answer {
        self.send("GET", path, &[("Sec-Fetch-Dest", "document"), ("Accept", "text/html")], "").await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", self.host);
        for (name, value) in [("Cookie", self.cookie.as_str()), ("Sec-Fetch-Site", "same-origin")].iter().chain(headers)
        {
            head += &format!("{name}: {value}\r\n");
        }
        if method != "GET" {
            head += &format!("Origin: http://{}\r\nContent-Length: {}\r\n", self.host, body.len());
        }
        let begun = Instant::now();
        let exchange = async {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.write_all(format!("{head}\r\n{body}").as_bytes()).await?;
            let mut answer = Vec::new();
            // What came before a break is the answer.
            let _ = stream.read_to_end(&mut answer).await;
            std::io::Result::Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let text =
            timeout(LONG, exchange).await.unwrap_or_else(|_| panic!("{method} {path} hangs")).unwrap_or_default();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned(), took: begun.elapsed() }
    }

    /// A socket to the engine, on which the tenant has spoken: whether it has carried on a session that was there.
    pub async fn socket(&self, identity: &str) -> Result<(Socket, bool), String> {
        let url = format!("ws://{}/app/{}/identity/{identity}", self.host, demo::APP_ID);
        let mut request = url.into_client_request().map_err(|problem| problem.to_string())?;
        request.headers_mut().insert("cookie", self.cookie.parse().expect("a header"));
        request.headers_mut().insert("origin", format!("http://{}", self.host).parse().expect("a header"));
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.map_err(|problem| problem.to_string())?;
        let opened = tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(stream)).await;
        let mut socket = Socket(opened.map_err(|problem| problem.to_string())?.0);
        let first = socket.next().await.ok_or("it closed")?;
        Ok((socket, first.contains("SESSION_ATTACHED")))
    }
}

pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// The next text. `None` at the end.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            match timeout(LONG, self.0.next()).await.expect("nothing hangs")?.ok()? {
                Message::Text(text) => return Some(text.to_string()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// The code with which it is closed.
    pub async fn closed(&mut self) -> Option<u16> {
        loop {
            match timeout(LONG, self.0.next()).await.expect("nothing hangs")? {
                Ok(Message::Close(frame)) => return frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// The answer to a call of the engine's.
    pub async fn call(&mut self, id: u32, method: &str, handle: i32, params: Value) -> Value {
        let call =
            serde_json::json!({ "jsonrpc": "2.0", "id": id, "method": method, "handle": handle, "params": params });
        self.0.send(Message::text(call.to_string())).await.expect("sent");
        loop {
            let text = self.next().await.expect("an answer");
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            if answer["id"] == id {
                return answer;
            }
        }
    }
}
