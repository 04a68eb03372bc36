//! Passes the bytes of a websocket between a browser and the tenant, both ways and unchanged: compression, fragments,
//! pings, close codes and reasons arrive as they were sent (Qlik Cloud facts, section F.4).
//!
//! Of the frames only the headers are read: to count, to refuse what no websocket sends, and to know where a Close
//! frame of our own can be put. An idle socket has no buffer; bytes are read into one that the thread's sockets share,
//! and what a slow reader does not take is kept until it does, while nothing more is read for it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

pub mod frames;
mod line;
mod side;
mod tls;
mod way;

pub use line::Line;

use super::sockets::{LINGER, Seat};
use crate::metrics::{self, Direction};
use frames::{Close, Fault, Sender, Traffic};
use line::Buffer;
use side::Side;
use way::{Turn, Way};

/// The largest message, in bytes as sent. Nothing documents what the engine sends at most (Qlik Cloud facts, section
/// F.5), so this only stops what is absurd.
pub const LARGEST_MESSAGE: u64 = 256 * 1024 * 1024;
/// How often the seat is told that the browser sends.
const USED_EVERY: Duration = Duration::from_secs(5);

/// What a relay allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest message, in bytes as sent.
    pub message: u64,
    /// How long the end may take.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: LARGEST_MESSAGE, linger: LINGER }
    }
}

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Who ended it.
    pub by: By,
    /// What the browser sent.
    pub to_tenant: Traffic,
    /// What the tenant sent.
    pub to_browser: Traffic,
}

/// Who ended a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The browser closed it, or was lost.
    Browser,
    /// The tenant closed it, or was lost.
    Tenant,
    /// The seat ended, and the browser was told this.
    Seat(Close),
    /// One side sent what no websocket sends.
    Fault(Fault),
}

/// Passes frames until both sides have ended, or one has and the other does not within [`Limits::linger`].
///
/// When the seat ends, a browser is told its code, and the tenant too unless the code is of our own making. An end
/// without a Close frame is passed on as one, except that a browser is told of it, with 1011, if no frame is cut off.
pub fn relay(browser: Line, tenant: Line, seat: Seat, limits: Limits) -> impl Future<Output = Ended> + Send {
    let mut relay = Relay::new(browser, tenant, seat, limits);
    poll_fn(move |cx| relay.poll(cx))
}

struct Relay {
    browser: Side,
    tenant: Side,
    to_tenant: Way,
    to_browser: Way,
    seat: Seat,
    used: Option<Instant>,
    /// The end has begun, and must have come by then.
    ending: Option<(By, Pin<Box<Sleep>>)>,
    linger: Duration,
}

thread_local! {
    static BUFFER: RefCell<Buffer> = RefCell::new(Buffer::new());
}

impl Relay {
    fn new(mut browser: Line, mut tenant: Line, seat: Seat, limits: Limits) -> Self {
        browser.set_nodelay();
        tenant.set_nodelay();
        Self {
            to_tenant: Way::new(Sender::Browser, limits.message, browser.take_ahead()),
            to_browser: Way::new(Sender::Tenant, limits.message, tenant.take_ahead()),
            browser: Side::new(browser, Sender::Browser),
            tenant: Side::new(tenant, Sender::Tenant),
            seat,
            used: None,
            ending: None,
            linger: limits.linger,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if self.ending.is_none()
            && let Poll::Ready(close) = self.seat.poll_ended(cx)
        {
            // From 4000 on the codes are between us and the page (RFC 6455, section 7.4.2).
            let to_tenant = if close.code < 4000 { close } else { Close { code: 1001, ..close } };
            self.close(By::Seat(close), close, to_tenant);
        }
        loop {
            let again = BUFFER.with_borrow_mut(|buffer| self.pass(cx, buffer));
            let changed = self.settle(cx);
            if self.browser.is_over() && self.tenant.is_over() {
                break;
            }
            if again {
                cx.waker().wake_by_ref();
            } else if changed {
                continue;
            }
            if self.ending.as_mut().is_none_or(|(_, deadline)| deadline.as_mut().poll(cx).is_pending()) {
                return Poll::Pending;
            }
            break;
        }
        let by = self.ending.as_ref().map_or(By::Tenant, |(by, _)| *by);
        Poll::Ready(Ended { by, to_tenant: self.to_tenant.traffic(), to_browser: self.to_browser.traffic() })
    }

    /// Passes on what there is. Whether there may be more at once.
    fn pass(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> bool {
        let before = [self.to_tenant.traffic(), self.to_browser.traffic()];
        let turns = [
            self.to_tenant.pass(&mut self.browser, &mut self.tenant, cx, buffer),
            self.to_browser.pass(&mut self.tenant, &mut self.browser, cx, buffer),
        ];
        metrics::passed(Direction::ToTenant, self.to_tenant.traffic().bytes - before[0].bytes);
        metrics::passed(Direction::ToBrowser, self.to_browser.traffic().bytes - before[1].bytes);
        if self.to_tenant.traffic().messages > before[0].messages {
            self.tell_of_use();
        }
        for turn in turns {
            if let Turn::Fault(fault) = turn {
                self.close(By::Fault(fault), fault.close(), fault.close());
            }
        }
        turns.iter().any(|turn| *turn != Turn::Idle)
    }

    fn tell_of_use(&mut self) {
        let now = Instant::now();
        if self.used.is_none_or(|used| now.duration_since(used) >= USED_EVERY) {
            self.used = Some(now);
            self.seat.used();
        }
    }

    /// Draws the consequences of what has ended. Whether there were any.
    fn settle(&mut self, cx: &mut Context<'_>) -> bool {
        if self.browser.is_open() && self.tenant.is_open() {
            return false;
        }
        if self.ending.is_none() {
            self.begin_to_end(if self.browser.has_ended() { By::Browser } else { By::Tenant });
        }
        let browser_is_gone = self.browser.sends_no_more() && self.to_tenant.is_passed_on();
        let tenant_is_gone = self.tenant.sends_no_more() && self.to_browser.is_passed_on();
        let tenant = self.tenant.settle(browser_is_gone, self.to_tenant.at_boundary(), cx);
        let browser = self.browser.settle(tenant_is_gone, self.to_browser.at_boundary(), cx);
        tenant || browser
    }

    /// Closes both sides, where the frames allow it.
    fn close(&mut self, by: By, browser: Close, tenant: Close) {
        self.browser.close(browser);
        self.tenant.close(tenant);
        self.begin_to_end(by);
    }

    fn begin_to_end(&mut self, by: By) {
        if self.ending.is_none() {
            self.ending = Some((by, Box::pin(sleep(self.linger))));
        }
    }
}
