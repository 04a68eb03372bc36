//! Threads that do nothing but sign, and the line of requests before them.
//!
//! Dedicated threads rather than `spawn_blocking`: a busy signer takes the next request without being woken, which
//! makes crossing threads nearly free (docs/performance.md), and a burst of signatures cannot fill the pool that
//! password hashing and file access need.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Error;
use crate::qlik::key::{KeyError, SigningKey};

/// How long a token that is ready may wait for the next ones, while others stand in line. To wake the thread of a request
/// costs about a tenth of a signature with 2048 bits; several at once cost as much as one (docs/performance.md).
const LINGER: Duration = Duration::from_millis(8);

/// The pool. Its threads end when it is dropped.
#[derive(Debug)]
pub(super) struct Signers {
    key: SigningKey,
    waiting: usize,
    line: Arc<Line>,
}

#[derive(Debug, Default)]
struct Line {
    state: Mutex<State>,
    arrival: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// In the order of arrival, so that numbers ascend.
    requests: VecDeque<Request>,
    next_number: u64,
    closed: bool,
}

#[derive(Debug)]
struct Request {
    number: u64,
    input: String,
    answer: oneshot::Sender<Signed>,
}

type Signed = Result<String, KeyError>;

impl Signers {
    /// Nobody signs before [`Signers::start`]; at most `waiting` requests wait.
    pub(super) fn new(key: SigningKey, waiting: usize) -> Self {
        Self { key, waiting, line: Arc::default() }
    }

    /// Adds a thread that signs.
    pub(super) fn start(&self) -> io::Result<()> {
        let (line, key) = (Arc::clone(&self.line), self.key.clone());
        thread::Builder::new().name("signer".into()).spawn(move || line.serve(&key)).map(drop)
    }

    /// Signs as [`SigningKey::sign`] does, in turn. Dropping the future gives its place in the line to another.
    pub(super) async fn sign(&self, input: String) -> Result<String, Error> {
        let (answer, answered) = oneshot::channel();
        let place = {
            let mut state = self.line.lock();
            if state.requests.len() >= self.waiting {
                return Err(Error::Saturated { retry_after: super::RETRY_AFTER });
            }
            let number = state.next_number;
            state.next_number += 1;
            state.requests.push_back(Request { number, input, answer });
            Place { line: &self.line, number }
        };
        self.line.arrival.notify_one();
        let signed = answered.await.map_err(|_| Error::Stopping)?;
        drop(place);
        Ok(signed?)
    }
}

impl Drop for Signers {
    fn drop(&mut self) {
        self.line.lock().closed = true;
        self.line.arrival.notify_all();
    }
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, and the state is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, key: &SigningKey) {
        let mut ready = Ready::default();
        while let Some(request) = self.next() {
            let begun = Instant::now();
            let signed = key.sign(request.input);
            let done = Instant::now();
            ready.answers.push((request.answer, signed));
            let linger_until = *ready.linger_until.get_or_insert(done + LINGER);
            if self.lock().requests.is_empty() || done + (done - begun) > linger_until {
                ready.deliver();
            }
        }
        ready.deliver();
    }

    /// The first in the line, waited for; `None` when the pool is gone.
    fn next(&self) -> Option<Request> {
        let idle = |state: &mut State| state.requests.is_empty() && !state.closed;
        let mut state = self.arrival.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        if state.closed { None } else { state.requests.pop_front() }
    }
}

/// Signed, and not handed over yet.
#[derive(Default)]
struct Ready {
    answers: Vec<(oneshot::Sender<Signed>, Signed)>,
    linger_until: Option<Instant>,
}

impl Ready {
    fn deliver(&mut self) {
        self.linger_until = None;
        for (answer, signed) in self.answers.drain(..) {
            answer.send(signed).ok(); // nobody listens when the visitor went away
        }
    }
}

/// A request's place in the line, left when it is dropped.
struct Place<'a> {
    line: &'a Line,
    number: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let requests = &mut self.line.lock().requests;
        if let Ok(at) = requests.binary_search_by_key(&self.number, |request| request.number) {
            requests.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};
    use std::time::{Duration, Instant};

    use super::*;
    use crate::qlik::key::tests::key;

    #[test]
    fn first_come_first_served_and_who_leaves_makes_room() {
        let signers = Signers::new(key(), 3);
        let mut requests = ["a", "b", "c"].map(|input| Box::pin(signers.sign(input.into())));
        for request in &mut requests {
            assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let [_a, b, _c] = requests;
        drop(b);
        let next = || signers.line.next().map(|request| request.input);
        assert_eq!([next(), next()], [Some("a".into()), Some("c".into())]);
        assert!(signers.line.lock().requests.is_empty());
    }

    #[test]
    fn everybody_in_the_line_is_answered() {
        let signers = Signers::new(key(), 40);
        let mut requests: Vec<_> = (0..40).map(|number| Box::pin(signers.sign(number.to_string()))).collect();
        for request in &mut requests {
            assert!(request.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let line = Arc::clone(&signers.line);
        let signer = thread::spawn(move || line.serve(&key()));
        for (number, request) in requests.into_iter().enumerate() {
            let signed = tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(request);
            assert!(signed.is_ok_and(|token| token.starts_with(&format!("{number}."))));
        }
        drop(signers);
        signer.join().expect("no panic");
    }

    #[test]
    fn threads_end_with_the_pool() {
        let signers = Signers::new(key(), 3);
        signers.start().and_then(|()| signers.start()).expect("threads");
        let line = Arc::downgrade(&signers.line);
        drop(signers);
        let patience = Instant::now() + Duration::from_secs(20);
        while line.strong_count() > 0 {
            assert!(Instant::now() < patience, "a thread still waits");
            thread::yield_now();
        }
    }
}
