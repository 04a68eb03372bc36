//! The engine behind its websocket (Qlik Cloud facts, section F): who sits at which socket, and which engine session
//! those sockets share. `socket` is the wire, `rpc` the protocol, `document` what can be asked, `objects` what the app has.

mod document;
mod objects;
mod rpc;
mod socket;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::mpsc::UnboundedSender;

use super::model::{SALES, Selections};

pub(super) use objects::title;
pub(super) use socket::routes;

/// All engine sessions of the tenant, and the sockets attached to them.
#[derive(Default)]
pub(super) struct Engine {
    sessions: HashMap<Key, Session>,
    seats: BTreeMap<u64, Seat>,
    last_seat: u64,
}

/// What makes an engine session one: user, app and identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    subject: String,
    app: String,
    identity: Option<String>,
}

/// An engine session: what is selected, and what was made for the session only.
#[derive(Default)]
struct Session {
    selections: Selections,
    objects: BTreeMap<String, Value>,
    /// Once the app is open: whether without data.
    opened: Option<bool>,
    /// Since when there is no socket, and how long the session outlives that.
    detached: Option<(OffsetDateTime, Duration)>,
}

/// One socket as seen by the engine.
struct Seat {
    socket: Socket,
    key: Key,
    /// The id of the cookie session, or of the access token, that opened it.
    opener: Option<String>,
    orders: UnboundedSender<Order>,
    handles: BTreeMap<i64, Target>,
    last_handle: i64,
    /// Open to the eye, but refused when it asks for the app.
    denied: bool,
}

/// What a handle stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Document,
    Object(String),
    /// By index in the model.
    Field(usize),
}

/// What a socket's task is told.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Send(String),
    Close(u16, String),
    Drop,
    Freeze(bool),
}

/// An engine socket that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Whose it is.
    pub subject: String,
    /// The app in its address.
    pub app: String,
    /// The identity in its address.
    pub identity: Option<String>,
    /// The seconds in its address that the engine session is to outlive it.
    pub ttl: Option<u32>,
    /// The names of its query parameters, in order. Not their values: some are secrets.
    pub query: Vec<String>,
}

impl Engine {
    /// Seats a socket at its engine session. Returns its number and whether the session was there before.
    fn attach(
        &mut self,
        socket: Socket,
        opener: Option<String>,
        denied: bool,
        orders: UnboundedSender<Order>,
        now: OffsetDateTime,
    ) -> (u64, bool) {
        self.sessions.retain(|_, session| session.detached.is_none_or(|(since, keep)| now - since < keep));
        let key = Key { subject: socket.subject.clone(), app: socket.app.clone(), identity: socket.identity.clone() };
        let known = self.sessions.contains_key(&key);
        self.sessions.entry(key.clone()).or_default().detached = None;
        self.last_seat += 1;
        let seat = Seat { socket, key, opener, orders, handles: BTreeMap::new(), last_handle: 0, denied };
        self.seats.insert(self.last_seat, seat);
        (self.last_seat, known)
    }

    /// Frees a seat. The last one to go leaves the engine session to its end.
    fn detach(&mut self, seat: u64, retention: Duration, now: OffsetDateTime) {
        let Some(gone) = self.seats.remove(&seat) else { return };
        if self.seats.values().any(|other| other.key == gone.key) {
            return;
        }
        let keep = gone.socket.ttl.map_or(retention, |seconds| Duration::from_secs(seconds.into()));
        if let Some(session) = self.sessions.get_mut(&gone.key) {
            session.detached = Some((now, keep));
        }
    }

    /// Gives every open socket an order.
    pub fn order(&self, order: impl Fn(&Socket) -> Order) {
        for seat in self.seats.values() {
            // A task that has just ended needs no orders.
            let _ = seat.orders.send(order(&seat.socket));
        }
    }

    /// Closes the sockets of a cookie session that has ended, or of an access token.
    pub fn close_of(&self, opener: &str) {
        for seat in self.seats.values().filter(|seat| seat.opener.as_deref() == Some(opener)) {
            let _ = seat.orders.send(Order::Close(4006, "Authentication failed".into()));
        }
    }

    pub fn sockets(&self) -> Vec<Socket> {
        self.seats.values().map(|seat| seat.socket.clone()).collect()
    }

    pub fn selections(&self, subject: &str, identity: Option<&str>) -> BTreeMap<String, Vec<String>> {
        let found = self.sessions.iter().find(|(key, _)| key.subject == subject && key.identity.as_deref() == identity);
        found.map(|(_, session)| session.selections.by_name(&SALES)).unwrap_or_default()
    }

    /// Tells the other sockets of an engine session which of their handles went stale or away.
    fn notify_others(&self, seat: u64, member: &str, concerns: impl Fn(&Target) -> bool) {
        let Some(key) = self.seats.get(&seat).map(|seat| &seat.key) else { return };
        for (_, other) in self.seats.iter().filter(|(id, other)| **id != seat && other.key == *key) {
            let handles = other.handles_of(&concerns);
            if !handles.is_empty() {
                let notice = json!({ "jsonrpc": "2.0", member: handles });
                let _ = other.orders.send(Order::Send(notice.to_string()));
            }
        }
    }
}

impl Seat {
    /// The handle of a target: the one it has, or a new one.
    fn handle(&mut self, target: Target) -> i64 {
        if let Some((handle, _)) = self.handles.iter().find(|(_, known)| **known == target) {
            return *handle;
        }
        self.last_handle += 1;
        self.handles.insert(self.last_handle, target);
        self.last_handle
    }

    fn handles_of(&self, concerns: impl Fn(&Target) -> bool) -> Vec<i64> {
        self.handles.iter().filter(|(_, target)| concerns(target)).map(|(handle, _)| *handle).collect()
    }
}
