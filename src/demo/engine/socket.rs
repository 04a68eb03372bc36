//! The wire of the engine (sections F.1, F.4, F.5): the handshake, who is let in and how the others learn, and one task
//! per socket.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Path, Request, State as Shared},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role},
    },
};

use super::{Order, Socket, document, rpc};
use crate::demo::{
    access::{self, Caller, Shown},
    admin, refusal,
    settings::{HandshakeRefusal, NoAccess, NoLicence, Settings, UnknownApp},
    state::{State, held},
};

type Wire = WebSocketStream<TokioIo<Upgraded>>;

/// How long a peer may take to answer a close frame.
const FAREWELL: Duration = Duration::from_secs(1);

pub(in crate::demo) fn routes() -> Router<Arc<State>> {
    // The order of the parts is fixed: identity, then ttl.
    Router::new()
        .route("/app/{app}", get(connect))
        .route("/app/{app}/identity/{identity}", get(connect))
        .route("/app/{app}/ttl/{ttl}", get(connect))
        .route("/app/{app}/identity/{identity}/ttl/{ttl}", get(connect))
}

/// What the path says.
#[derive(Deserialize)]
struct Address {
    app: String,
    identity: Option<String>,
    ttl: Option<u32>,
}

/// How a handshake is received.
enum Reception {
    /// Before the upgrade: it is refused.
    Refused(Response),
    /// A seat at the engine; it may be one without access to the app.
    Seat { socket: Socket, opener: Option<String>, denied: bool, session_state: Option<&'static str> },
    /// The door, right after the upgrade: closed with a code, or without one.
    Door(Option<(u16, &'static str)>),
}

async fn connect(Shared(state): Shared<Arc<State>>, Path(address): Path<Address>, mut request: Request) -> Response {
    let Some(accept) = accept_key(request.headers()) else {
        return refusal::service_error(StatusCode::BAD_REQUEST, "HTTP-400", "Not a websocket handshake");
    };
    let reception = match receive(&state, address, &request) {
        Reception::Refused(response) => return response,
        reception => reception,
    };
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(welcome(state, upgrade, reception));
    let headers = [
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers, Body::empty()).into_response()
}

/// RFC 6455, section 4.2.1.
fn accept_key(headers: &HeaderMap) -> Option<HeaderValue> {
    let has = |name, word: &str| {
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        lines.flat_map(|line| line.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    let asked = has(header::UPGRADE, "websocket") && has(header::CONNECTION, "upgrade");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asked && has(header::SEC_WEBSOCKET_VERSION, "13"))?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

fn receive(state: &State, address: Address, request: &Request) -> Reception {
    let settings = state.settings();
    let switches = &settings.switches;
    let (headers, uri) = (request.headers(), request.uri());
    let turned_away = |response: Response| match switches.handshake_refusal {
        HandshakeRefusal::Http => Reception::Refused(response),
        HandshakeRefusal::CloseCode => Reception::Door(Some((4006, "Authentication failed"))),
    };
    let active = switches.socket_is_activity;
    let shown = Shown::to_engine(headers, uri);
    let Some(caller) = access::caller_with(state, headers, shown, &settings, active) else {
        return turned_away(refusal::unauthorized());
    };
    if let Caller::Cookie(session) = &caller {
        let token = access::parameter(headers, uri, access::CSRF_TOKEN.as_str());
        if switches.csrf_on_handshake && !token.is_some_and(|token| session.accepts_csrf(&token)) {
            return turned_away(refusal::csrf_refused());
        }
    }
    let opener = caller.right().map(str::to_owned);
    if !settings.apps().any(|app| *app == address.app) && switches.unknown_app == UnknownApp::Close {
        return Reception::Door(Some((4204, "App not found")));
    }
    let Some(subject) = held(&state.users).get(caller.user()).map(|user| user.subject.clone()) else {
        return turned_away(refusal::unauthorized());
    };
    let licensed = {
        let automatic = settings.auto_assign_analyzer || settings.auto_assign_professional;
        held(&state.users).license(caller.user(), automatic, settings.licences)
    };
    let (denied, session_state) = match lacking_access(state, &settings, &subject) {
        Some(NoAccess::CloseAfterConnect) => return Reception::Door(None),
        Some(NoAccess::ClosePermission) => return Reception::Door(Some((4203, "No permission to open the app"))),
        Some(NoAccess::ConnectedState) => (true, Some("SESSION_ERROR_APP_ACCESS_DENIED")),
        Some(NoAccess::OpenDocError) | None if !licensed => match switches.no_licence {
            NoLicence::ConnectedState => (true, Some("SESSION_ERROR_NO_LICENSE")),
            NoLicence::Close => return Reception::Door(Some((4230, "Not entitled"))),
        },
        Some(NoAccess::OpenDocError) | None => (false, None),
    };
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let query = query.map(|(name, _)| name.into_owned()).collect();
    let Address { app, identity, ttl } = address;
    Reception::Seat { socket: Socket { subject, app, identity, ttl, query }, opener, denied, session_state }
}

/// Whether a user has no access to the app at this moment, and how that shows.
fn lacking_access(state: &State, settings: &Settings, subject: &str) -> Option<NoAccess> {
    let users = held(&state.users);
    if let Some(how) = users.denied.get(subject) {
        return Some(*how);
    }
    let user = users.by_subject(subject)?;
    if !admin::may_open(settings, &users, user) {
        return Some(settings.switches.no_access);
    }
    let race = settings.switches.race?;
    (state.now() - user.created_at < race.lasts).then_some(race.signal)
}

async fn welcome(state: Arc<State>, upgrade: OnUpgrade, reception: Reception) {
    // A client that went away during the handshake needs no answer.
    let Ok(upgraded) = upgrade.await else { return };
    let mut wire = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    match reception {
        Reception::Refused(_) => {}
        Reception::Door(farewell) => close(&mut wire, farewell.map(|(code, reason)| (code, reason.to_owned()))).await,
        Reception::Seat { socket, opener, denied, session_state } => {
            let (orders, inbox) = unbounded_channel();
            let subject = socket.subject.clone();
            let (seat, known) = held(&state.engine).attach(socket, opener.clone(), denied, orders, state.now());
            let usual = if known { "SESSION_ATTACHED" } else { "SESSION_CREATED" };
            let greeting = rpc::on_connected(session_state.unwrap_or(usual)).to_string();
            let mut task = Task { state, seat, subject, opener, backlog: Vec::new(), frozen: false };
            if wire.send(Message::text(greeting)).await.is_ok() {
                task.talk(&mut wire, inbox).await;
            }
            let retention = task.state.settings().switches.retention;
            held(&task.state.engine).detach(task.seat, retention, task.state.now());
        }
    }
}

/// What one socket's task keeps.
struct Task {
    state: Arc<State>,
    seat: u64,
    subject: String,
    opener: Option<String>,
    /// What was to be said while frozen.
    backlog: Vec<String>,
    frozen: bool,
}

/// Why a conversation is over.
struct Over;

impl Task {
    /// Until one side ends it.
    async fn talk(&mut self, wire: &mut Wire, mut inbox: UnboundedReceiver<Order>) {
        let (mut heard, mut pinged) = (Instant::now(), Instant::now());
        loop {
            let (ping_every, idle_close) = {
                let settings = held(&self.state.settings);
                (settings.switches.ping_every, settings.switches.idle_close)
            };
            // Looked at again now and then, since switches may change while nothing is said.
            let nap = Instant::now() + Duration::from_millis(250);
            let next_ping = ping_every.map(|every| pinged + every);
            let idle_end = idle_close.map(|after| heard + after);
            let wake = [next_ping, idle_end].into_iter().flatten().fold(nap, Instant::min);
            let outcome = tokio::select! {
                // Orders first, so that what follows an order in time follows it here.
                biased;
                order = inbox.recv() => self.obey(wire, order).await,
                message = wire.next(), if !self.frozen => {
                    // A pong is no activity, or pings would keep an idle session alive.
                    if matches!(message, Some(Ok(Message::Text(_)))) {
                        heard = Instant::now();
                    }
                    match message {
                        Some(Ok(Message::Text(text))) => self.reply(wire, text.as_str()).await,
                        Some(Ok(Message::Close(_))) => {
                            // The library has the answer ready; it only has to go out.
                            let _ = wire.flush().await;
                            Err(Over)
                        }
                        Some(Err(_)) | None => Err(Over),
                        Some(Ok(_)) => Ok(()),
                    }
                }
                () = sleep_until(wake) => {
                    let now = Instant::now();
                    if idle_end.is_some_and(|end| end <= now) {
                        close(wire, Some((4001, "Closed for idleness".to_owned()))).await;
                        return;
                    }
                    if next_ping.is_some_and(|at| at <= now) {
                        pinged = now;
                        wire.send(Message::Ping(Vec::new().into())).await.map_err(|_| Over)
                    } else {
                        Ok(())
                    }
                }
            };
            if outcome.is_err() {
                return;
            }
        }
    }

    async fn obey(&mut self, wire: &mut Wire, order: Option<Order>) -> Result<(), Over> {
        match order {
            Some(Order::Send(text)) if self.frozen => self.backlog.push(text),
            Some(Order::Send(text)) => wire.send(Message::text(text)).await.map_err(|_| Over)?,
            Some(Order::Freeze(frozen)) => {
                self.frozen = frozen;
                for text in if frozen { Vec::new() } else { std::mem::take(&mut self.backlog) } {
                    wire.send(Message::text(text)).await.map_err(|_| Over)?;
                }
            }
            Some(Order::Close(code, reason)) => {
                close(wire, Some((code, reason))).await;
                return Err(Over);
            }
            // Dropping the wire without a close frame is what a broken line looks like.
            Some(Order::Drop) | None => return Err(Over),
        }
        Ok(())
    }

    async fn reply(&self, wire: &mut Wire, text: &str) -> Result<(), Over> {
        let settings = self.state.settings();
        if settings.switches.socket_is_activity
            && let Some(session) = &self.opener
        {
            held(&self.state.sessions).touch(session, self.state.now());
        }
        let denied = lacking_access(&self.state, &settings, &self.subject).is_some();
        let answer = rpc::answer(text, settings.switches.delta, |call| {
            document::perform(&mut held(&self.state.engine), self.seat, &settings, denied, call)
        });
        wire.send(Message::text(answer.to_string())).await.map_err(|_| Over)
    }
}

/// Closes politely: waits a moment for the peer's own close frame.
async fn close(wire: &mut Wire, farewell: Option<(u16, String)>) {
    let frame = farewell.map(|(code, reason)| CloseFrame { code: code.into(), reason: reason.into() });
    if wire.close(frame).await.is_ok() {
        let rest = async { while let Some(Ok(_)) = wire.next().await {} };
        // A peer that does not answer is left alone.
        let _ = timeout(FAREWELL, rest).await;
    }
}
