//! What a running tenant knows: settings, people, sessions, sockets, and what has happened so far.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use time::OffsetDateTime;

use super::{
    engine::Engine,
    refusal::{Refusal, Times},
    session::Sessions,
    settings::Settings,
    tokens::Tokens,
    users::Users,
};

/// Recordings are for tests; a demo that runs for weeks forgets the oldest.
const LONGEST_RECORDING: usize = 20_000;

pub(super) struct State {
    /// As browsers name the tenant, without a slash at the end.
    pub origin: String,
    pub settings: Mutex<Settings>,
    pub users: Mutex<Users>,
    pub tokens: Mutex<Tokens>,
    pub sessions: Mutex<Sessions>,
    pub engine: Mutex<Engine>,
    pub faults: Mutex<Faults>,
    pub logins: Mutex<VecDeque<Login>>,
    pub requests: Mutex<VecDeque<Request>>,
    offset: Mutex<time::Duration>,
}

/// A `POST /login/jwt-session`.
#[derive(Debug, Clone, PartialEq)]
pub struct Login {
    /// What was answered.
    pub status: u16,
    /// Why, in words that the answer itself withholds; empty when accepted.
    pub reason: String,
    /// The claims of the token, as far as it could be read.
    pub claims: Value,
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its query, without the question mark.
    pub query: String,
    /// The names of its headers, lower case. Not their values: some are secrets.
    pub headers: Vec<String>,
    /// The `Origin` header.
    pub origin: Option<String>,
    /// The status of the answer.
    pub status: u16,
}

/// What was ordered to go wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub refusals: Vec<Ordered>,
    pub delays: Vec<(String, Duration)>,
}

/// A refusal, and which requests are meant.
#[derive(Debug)]
pub(super) struct Ordered {
    /// Every method without one.
    pub method: Option<String>,
    /// How the path begins.
    pub path: String,
    /// How many such requests pass before.
    pub after: u32,
    pub refusal: Refusal,
    pub times: Times,
}

impl Faults {
    /// The refusal that this request has coming; one with a number is used up.
    pub fn refusal(&mut self, method: &str, path: &str) -> Option<Refusal> {
        let meant = |order: &Ordered| {
            path.starts_with(&order.path) && order.method.as_ref().is_none_or(|wanted| wanted == method)
        };
        let mut due = None;
        for (at, order) in self.refusals.iter_mut().enumerate().filter(|(_, order)| meant(order)) {
            if order.after > 0 {
                order.after -= 1;
            } else if due.is_none() {
                due = Some(at);
            }
        }
        let order = self.refusals.get_mut(due?)?;
        let refusal = order.refusal;
        match &mut order.times {
            Times::Always => {}
            Times::Next(left) if *left > 1 => *left -= 1,
            Times::Next(_) => drop(self.refusals.remove(due?)),
        }
        Some(refusal)
    }

    /// How long this path has to wait.
    pub fn delay(&self, path: &str) -> Option<Duration> {
        self.delays.iter().filter(|(prefix, _)| path.starts_with(prefix.as_str())).map(|(_, by)| *by).max()
    }
}

impl State {
    pub fn new(origin: String, settings: Settings) -> Self {
        Self {
            origin,
            settings: Mutex::new(settings),
            users: Mutex::default(),
            tokens: Mutex::default(),
            sessions: Mutex::default(),
            engine: Mutex::default(),
            faults: Mutex::default(),
            logins: Mutex::default(),
            requests: Mutex::default(),
            offset: Mutex::new(time::Duration::ZERO),
        }
    }

    /// The tenant's own clock, which tests move.
    #[expect(clippy::disallowed_methods, reason = "the tenant is a world of its own, with a clock of its own")]
    pub fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + *held(&self.offset)
    }

    pub fn shift_clock(&self, by: time::Duration) {
        *held(&self.offset) += by;
    }

    /// A copy of the settings as they are now.
    pub fn settings(&self) -> Settings {
        held(&self.settings).clone()
    }
}

/// Locks, also after a panic elsewhere: a test that failed must not hide behind another that cannot lock.
pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn record<T>(list: &Mutex<VecDeque<T>>, entry: T) {
    let mut list = held(list);
    if list.len() == LONGEST_RECORDING {
        list.pop_front();
    }
    list.push_back(entry);
}
