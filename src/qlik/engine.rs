//! The engine, as a program speaks to it: its websocket and the few calls that tell whether an app can be opened and what is in
//! it (Qlik Cloud facts, section F). Visitors' own sockets do not come by here.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use reqwest::header::{AUTHORIZATION, CONNECTION, COOKIE, HeaderMap, SEC_WEBSOCKET_ACCEPT, UPGRADE};
use reqwest::{Client, StatusCode, Upgraded};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};
use tokio_tungstenite::tungstenite::{self, Message};
use url::Url;

use super::session::{self, Refusal};
use crate::advice::{self, Advice, Answer, At, Silent, clean};
use crate::origin::Origin;
use crate::traces;

mod table;

pub use table::Table;

/// How long the handshake, the first word of the engine, and each call may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The handle of the engine itself.
const GLOBAL: i64 = -1;
/// The app is open in this session already (section F.3).
const ALREADY_OPEN: i64 = 1002;

/// By what right the socket is opened.
pub enum Right<'a> {
    /// A session's cookies and its CSRF token.
    Session {
        /// The header `Cookie`.
        cookies: &'a HeaderValue,
        /// Goes into the query (section D).
        csrf: Option<&'a HeaderValue>,
    },
    /// An API key, or an access token.
    Bearer(&'a SecretString),
}

/// Why the engine did not do as asked. Messages have no token and no cookie.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The tenant did not answer.
    #[error("the tenant did not answer")]
    Unreachable(#[source] reqwest::Error),
    /// It did not upgrade the connection.
    #[error("{0}")]
    Refused(Refusal),
    /// The engine refused the session in `OnConnected`.
    #[error("the engine refused the session: {0}")]
    State(String),
    /// It closed the socket.
    #[error("the engine closed the socket with code {code}{}", if .reason.is_empty() { String::new() } else { format!(": {}", .reason) })]
    Closed {
        /// The close code; 1006 when the connection just broke off.
        code: u16,
        /// What it said.
        reason: String,
    },
    /// A call failed.
    #[error("the engine answered with error {code}: {message}")]
    Failed {
        /// Its code (section F.3).
        code: i64,
        /// What it said.
        message: String,
    },
    /// It said nothing for 20 s.
    #[error("the engine did not answer within {} s", PATIENCE.as_secs())]
    Silent,
    /// What it said is not what is documented.
    #[error("the engine's answer cannot be used: {0}")]
    Unreadable(&'static str),
}

impl Error {
    /// What it means, and what to do.
    pub fn advice(&self) -> &'static Advice {
        let code = |code: i64| i32::try_from(code).unwrap_or(i32::MAX);
        match self {
            Self::Unreachable(problem) => {
                advice::of(&Answer::Unreachable { at: At::Handshake, why: Silent::of(problem) })
            }
            Self::Refused(refusal) => refusal.advice(),
            Self::State(state) => advice::of(&Answer::State(state)),
            Self::Closed { code, .. } => advice::of(&Answer::Close { code: *code, open: false }),
            Self::Failed { code: failed, .. } => advice::of(&Answer::Engine(code(*failed))),
            Self::Silent => advice::of(&Answer::Silence),
            Self::Unreadable(_) => advice::of(&Answer::Engine(i32::MAX)),
        }
    }
}

/// A sheet of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
}

/// One socket, with one app.
pub struct Engine {
    socket: WebSocketStream<Upgraded>,
    app: String,
    calls: u64,
    /// The handle of the app.
    document: i64,
}

impl Engine {
    /// Opens a socket to an app, waits for the engine's first word, and opens the app. `client` has to speak HTTP/1.1. With
    /// an identity, the engine's session is apart from the person's others.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn open(
        client: &Client,
        tenant: &Origin,
        app: &str,
        identity: &str,
        right: &Right<'_>,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let upgraded = upgrade(client, tenant, app, identity, right, now).await?;
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;
        let mut engine = Self { socket, app: app.to_owned(), calls: 0, document: 0 };
        engine.wait_for_session().await?;
        engine.open_app().await?;
        Ok(engine)
    }

    /// `OnConnected` comes first (section F.2).
    async fn wait_for_session(&mut self) -> Result<(), Error> {
        loop {
            let message = self.next().await?;
            if message["method"] != "OnConnected" {
                continue;
            }
            let state = message["params"]["qSessionState"].as_str().unwrap_or_default();
            return match state {
                "SESSION_CREATED" | "SESSION_ATTACHED" => Ok(()),
                refused => Err(Error::State(clean(refused))),
            };
        }
    }

    async fn open_app(&mut self) -> Result<(), Error> {
        let app = self.app.clone();
        let opened = match self.call(GLOBAL, "OpenDoc", json!([app, "", "", "", false])).await {
            Err(Error::Failed { code: ALREADY_OPEN, .. }) => self.call(GLOBAL, "GetActiveDoc", json!([])).await,
            opened => opened,
        }?;
        self.document = handle(&opened).ok_or(Error::Unreadable("the app has no handle"))?;
        Ok(())
    }

    /// The app's name.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn title(&mut self) -> Result<String, Error> {
        let layout = self.call(self.document, "GetAppLayout", json!([])).await?;
        Ok(clean(layout["qLayout"]["qTitle"].as_str().unwrap_or_default()))
    }

    /// Whether the app has an object with this id, and of what type it is. A sheet is one.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn kind_of(&mut self, id: &str) -> Result<Option<String>, Error> {
        const NOT_FOUND: i64 = 2;
        match self.call(self.document, "GetObject", json!([id])).await {
            Ok(found) if handle(&found).is_some() => {
                let kind = found["qReturn"]["qGenericType"].as_str().unwrap_or("object");
                Ok(Some(kind.to_owned()))
            }
            // The engine gives an empty handle for what is not there.
            Ok(_) | Err(Error::Failed { code: NOT_FOUND, .. }) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// The sheets of the app that this user sees.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn sheets(&mut self) -> Result<Vec<Sheet>, Error> {
        let list = self.list("sheet", json!({ "title": "/qMetaDef/title" })).await?;
        let sheets = list.iter().filter_map(|item| {
            let id = item["qInfo"]["qId"].as_str()?.to_owned();
            let title = item["qMeta"]["title"].as_str().or_else(|| item["qData"]["title"].as_str());
            Some(Sheet { title: clean(title.unwrap_or(&id)), id })
        });
        Ok(sheets.collect())
    }

    /// The theme that the app names (section F.6); it may name none.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn theme(&mut self) -> Result<Option<String>, Error> {
        let list = self.list("appprops", json!({ "theme": "/theme" })).await?;
        let theme = list.iter().find_map(|item| item["qData"]["theme"].as_str());
        Ok(theme.filter(|theme| !theme.is_empty()).map(str::to_owned))
    }

    async fn list(&mut self, kind: &str, data: Value) -> Result<Vec<Value>, Error> {
        let id = format!("list-{kind}");
        let definition = json!({
            "qInfo": { "qId": id, "qType": id }, "qAppObjectListDef": { "qType": kind, "qData": data },
        });
        let made = self.call(self.document, "CreateSessionObject", json!([definition])).await?;
        let object = handle(&made).ok_or(Error::Unreadable("a list has no handle"))?;
        let mut layout = self.call(object, "GetLayout", json!([])).await?;
        match layout["qLayout"]["qAppObjectList"]["qItems"].take() {
            Value::Array(items) => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    /// Calls a method, and waits for its answer. What the engine says meanwhile about other things is passed over.
    async fn call(&mut self, handle: i64, method: &str, params: Value) -> Result<Value, Error> {
        self.calls += 1;
        let id = self.calls;
        let request = json!({ "jsonrpc": "2.0", "id": id, "handle": handle, "method": method, "params": params });
        let sent = timeout(PATIENCE, self.socket.send(Message::text(request.to_string()))).await;
        sent.map_err(|_| Error::Silent)?.map_err(broken)?;
        loop {
            let mut answer = self.next().await?;
            if answer["id"] != id {
                continue;
            }
            if let Some(code) = answer["error"]["code"].as_i64() {
                let error = &answer["error"];
                let said = [&error["message"], &error["parameter"]].into_iter().filter_map(Value::as_str);
                let said: Vec<_> = said.filter(|said| !said.is_empty()).collect();
                return Err(Error::Failed { code, message: clean(&said.join(", ")) });
            }
            return Ok(answer["result"].take());
        }
    }

    async fn next(&mut self) -> Result<Value, Error> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.map_err(|_| Error::Silent)?;
            match message {
                Some(Ok(Message::Text(text))) => {
                    return serde_json::from_str(&text).map_err(|_| Error::Unreadable("a message is no JSON"));
                }
                Some(Ok(Message::Close(frame))) => return Err(closed(frame)),
                Some(Ok(_)) => {}
                Some(Err(problem)) => return Err(broken(problem)),
                None => return Err(closed(None)),
            }
        }
    }

    /// Says goodbye. Whether it is heard makes no difference.
    pub async fn close(mut self) {
        let _ = timeout(Duration::from_secs(2), self.socket.close(None)).await;
    }
}

/// The handle that a call gave, if it gave one.
fn handle(result: &Value) -> Option<i64> {
    result["qReturn"]["qHandle"].as_i64()
}

fn closed(frame: Option<CloseFrame>) -> Error {
    match frame {
        Some(frame) => Error::Closed { code: frame.code.into(), reason: clean(&frame.reason) },
        None => Error::Closed { code: 1006, reason: String::new() },
    }
}

fn broken(_: tungstenite::Error) -> Error {
    closed(None)
}

/// The upgrade (RFC 6455, section 4.1), as any other request: through the same proxies and with the same authorities.
async fn upgrade(
    client: &Client,
    tenant: &Origin,
    app: &str,
    identity: &str,
    right: &Right<'_>,
    now: OffsetDateTime,
) -> Result<Upgraded, Error> {
    let key = generate_key();
    let mut headers = HeaderMap::new();
    let mut address =
        address(tenant, app, identity).ok_or(Error::Unreadable("the app's id cannot be in an address"))?;
    match right {
        Right::Session { cookies, csrf } => {
            headers.insert(COOKIE, (*cookies).clone());
            if let Some(csrf) = csrf.and_then(|csrf| csrf.to_str().ok()) {
                address.query_pairs_mut().append_pair("qlik-csrf-token", csrf);
            }
        }
        Right::Bearer(token) => {
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()));
            let mut value = value.map_err(|_| Error::Unreadable("the token cannot be in a header"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
    }
    let request = client
        .get(address)
        .headers(headers)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", &key)
        .timeout(PATIENCE);
    let response = traces::send(request).await.map_err(|problem| Error::Unreachable(problem.without_url()))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(Error::Refused(session::refused("the engine's socket", At::Handshake, response, now).await));
    }
    let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
    if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        return Err(Error::Unreadable("its handshake is that of another request"));
    }
    response.upgrade().await.map_err(|problem| Error::Unreachable(problem.without_url()))
}

/// `/app/{id}/identity/{identity}` (section F.1).
fn address(tenant: &Origin, app: &str, identity: &str) -> Option<Url> {
    let mut address = Url::parse(tenant.as_str()).ok()?;
    address.path_segments_mut().ok()?.clear().extend(["app", app, "identity", identity]);
    Some(address)
}
