//! One connection to the tenant.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep, sleep_until};

use super::super::{Error, Tunnel};
use super::pulse::{Metered, Pulse};

/// How much is read from the tenant in one go, and how long the head of an answer may be. More makes no answer faster, and the
/// bytes are out of the processor's cache before they are written.
const BUFFER: usize = 64 * 1024;
/// How often the parts of a connection may wake each other before others get their turn.
const ROUNDS: usize = 8;

/// An HTTP/1.1 connection, which stands still unless somebody moves it.
pub(in crate::proxy) struct Connection {
    sender: http1::SendRequest<Body>,
    wire: Wire,
    pulse: Arc<Pulse>,
    waker: Waker,
    clock: Clock,
}

/// What reads and writes, until it is closed.
struct Wire {
    /// `None` once it is closed and somebody waited for more of it.
    http: Option<http1::Connection<TokioIo<Metered>, Body>>,
    is_closed: bool,
}

/// Why there is no answer.
pub(in crate::proxy) struct Failed {
    /// What happened.
    pub(in crate::proxy) error: Error,
    /// The request, when nothing of it was written.
    pub(in crate::proxy) unsent: Option<Request<Body>>,
}

/// Measures how long nothing moves. Its timer is not set anew for each request, but looks when it fires whether it is time.
struct Clock {
    stalled: Duration,
    timer: Pin<Box<Sleep>>,
    still_since: Option<Instant>,
}

impl Connection {
    /// Speaks HTTP over bytes.
    pub(super) async fn over(tunnel: Tunnel, stalled: Duration) -> Result<Self, Error> {
        let pulse = Arc::new(Pulse::default());
        let io = TokioIo::new(Metered { tunnel, pulse: Arc::clone(&pulse) });
        let (sender, http) = http1::Builder::new().max_buf_size(BUFFER).handshake(io).await.map_err(Error::Broken)?;
        let waker = Waker::from(Arc::clone(&pulse));
        let clock = Clock { stalled, timer: Box::pin(sleep_until(Instant::now() + stalled)), still_since: None };
        Ok(Self { sender, wire: Wire { http: Some(http), is_closed: false }, pulse, waker, clock })
    }

    /// Sends a request, and waits for the head of its answer.
    pub(in crate::proxy) async fn answer(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Failed> {
        let mut response = pin!(self.sender.try_send_request(request));
        let answer = poll_fn(|cx| self.moved(cx, |cx| response.as_mut().poll(cx))).await;
        match answer {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(mut failure)) => {
                let unsent = failure.take_message();
                Err(Failed { error: cause(failure.into_error()), unsent })
            }
            Err(error) => Err(Failed { error, unsent: None }),
        }
    }

    /// The next piece of an answer's body.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut Incoming,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.moved(cx, |cx| Pin::new(&mut *body).poll_frame(cx)) {
            Poll::Ready(Ok(Some(Ok(frame)))) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Ok(Some(Err(error)))) => Poll::Ready(Some(Err(cause(error)))),
            Poll::Ready(Ok(None)) => Poll::Ready(None),
            Poll::Ready(Err(error)) => Poll::Ready(Some(Err(error))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Moves what is to be written and read, and then asks whether that was enough. An error is that nothing moved for too long.
    fn moved<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut ask: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Error>> {
        for _ in 0..ROUNDS {
            self.pulse.begin(cx);
            let mut inner = Context::from_waker(&self.waker);
            self.wire.turn(&mut inner);
            let mut asked = ask(&mut inner);
            if asked.is_pending() && self.wire.is_closed {
                // A request that was not begun waits in there, and only learns that it was in vain when that is gone.
                self.wire.http = None;
                asked = ask(&mut inner);
            }
            if let Poll::Ready(found) = asked {
                self.pulse.end();
                self.pulse.take_progress();
                self.clock.still_since = None;
                return Poll::Ready(Ok(found));
            }
            let is_late = self.clock.is_late(&mut inner, self.pulse.take_progress());
            let is_woken = self.pulse.end();
            if is_late {
                return Poll::Ready(Err(Error::TimedOut));
            }
            if !is_woken {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether the last answer is over and another request may follow.
    pub(super) fn rests(&mut self) -> bool {
        if !self.wire.is_closed && !self.sender.is_ready() {
            self.pulse.begin_alone();
            self.wire.turn(&mut Context::from_waker(&self.waker));
            self.pulse.end();
        }
        !self.wire.is_closed && self.sender.is_ready()
    }

    /// Nobody is to be woken until somebody moves it again.
    pub(in crate::proxy) fn let_go(&self) {
        self.pulse.forget_task();
    }

    /// The connection without HTTP, and what was read of it besides.
    pub(in crate::proxy) fn into_tunnel(self) -> Option<(Tunnel, Bytes)> {
        let parts = self.wire.http?.into_parts();
        Some((parts.io.into_inner().tunnel, parts.read_buf))
    }
}

impl Wire {
    /// Reads and writes what can be. What went wrong is told to whoever waits for the answer.
    fn turn(&mut self, cx: &mut Context<'_>) {
        if !self.is_closed {
            self.is_closed = self.http.as_mut().is_none_or(|http| http.poll_without_shutdown(cx).is_ready());
        }
    }
}

impl Clock {
    fn is_late(&mut self, cx: &mut Context<'_>, has_progress: bool) -> bool {
        let since = match self.still_since {
            Some(since) if !has_progress => since,
            _ => Instant::now(),
        };
        self.still_since = Some(since);
        while self.timer.as_mut().poll(cx).is_ready() {
            if since.elapsed() >= self.stalled {
                return true;
            }
            self.timer.as_mut().reset(since + self.stalled);
        }
        false
    }
}

fn cause(error: hyper::Error) -> Error {
    if error.is_user() { Error::Request(error) } else { Error::Broken(error) }
}
