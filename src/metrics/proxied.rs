//! Requests that are passed on, which come by the hundred: their counters are looked for once and then stand in a table.

use std::sync::OnceLock;
use std::time::Duration;

use ::metrics::{Counter, Histogram};
use http::StatusCode;

use super::table::{HTTP_DURATION, HTTP_REQUESTS};
use super::{Method, OTHER, PROXY};

/// Statuses that HTTP knows (RFC 9110, section 15). The tenant's answers name them; what is beyond counts as one.
const FIRST: u16 = 100;
const STATUSES: usize = 500;

/// The counters of one method, by status; behind them that of all else.
type ByStatus = Box<[OnceLock<Counter>]>;

/// Counters by method and status, each made when it is first needed; and how long it all takes.
pub(super) struct Proxied {
    by_method: [OnceLock<ByStatus>; Method::ALL.len()],
    duration: Histogram,
}

impl Default for Proxied {
    fn default() -> Self {
        Self { by_method: Default::default(), duration: HTTP_DURATION.histogram(&[PROXY]) }
    }
}

impl Proxied {
    pub(super) fn count(&self, method: Method, status: StatusCode, took: Duration) {
        let by_status =
            self.by_method[method as usize].get_or_init(|| (0..=STATUSES).map(|_| OnceLock::new()).collect());
        let place = usize::from(status.as_u16().saturating_sub(FIRST)).min(STATUSES);
        let counter = by_status[place].get_or_init(|| {
            let status = if place < STATUSES { status.as_str() } else { OTHER };
            HTTP_REQUESTS.counter(&[PROXY, method.word(), status])
        });
        counter.increment(1);
        self.duration.record(took.as_secs_f64());
    }
}
