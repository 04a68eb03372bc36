//! What is counted: one function for each thing, so that names, labels and buckets stand here and nowhere else. Prometheus reads
//! them at `METRICS_LISTEN`; without it nothing is counted, and a call costs one look at an atomic.
//!
//! Labels never come from what a client sends: routes are patterns, methods are those that there are, and all else is a word
//! of the lists in [`words`]. So no visitor can make series. What only holds at the moment of asking (readiness, budgets, days)
//! is no function here but one of the [`scrape`] values.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ::metrics::{Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, SharedString, Unit};
use http::StatusCode;
use time::OffsetDateTime;

use crate::identity::Source;

mod certificates;
mod proxied;
pub mod scrape;
pub mod table;
pub mod words;

pub use certificates::{Use, certificate_expires};
pub use scrape::{Scrape, install};
pub use words::{AccessToken, Direction, Limit, Method, Store, TenantLogin, Token};

use proxied::Proxied;
use table::{Kind, Metric};

/// The route of what is passed on to the tenant.
pub const PROXY: &str = "proxy";
/// The route of what is no route.
pub const OTHER: &str = "other";

static METADATA: Metadata<'_> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));
static COUNTED: OnceLock<Counted> = OnceLock::new();

/// What is used too often to be looked for each time. It is there when anything is counted at all.
struct Counted {
    proxied: Proxied,
    /// By [`class_of`]; requests without an answer last.
    tenant: [Counter; 5],
    /// By [`Direction`].
    bytes: [Counter; 2],
    sockets: Counter,
    sockets_open: Gauge,
}

/// Whether anything is counted.
pub fn is_on() -> bool {
    COUNTED.get().is_some()
}

impl Metric {
    fn key(&self, labels: &[&str]) -> Key {
        let labels = self.labels.iter().zip(labels).map(|(name, value)| Label::new(*name, (*value).to_owned()));
        Key::from_parts(self.name, labels.collect::<Vec<_>>())
    }

    /// The counter with these values of its labels, in their order.
    fn counter(&self, labels: &[&str]) -> Counter {
        ::metrics::with_recorder(|recorder| recorder.register_counter(&self.key(labels), &METADATA))
    }

    fn gauge(&self, labels: &[&str]) -> Gauge {
        ::metrics::with_recorder(|recorder| recorder.register_gauge(&self.key(labels), &METADATA))
    }

    fn histogram(&self, labels: &[&str]) -> Histogram {
        ::metrics::with_recorder(|recorder| recorder.register_histogram(&self.key(labels), &METADATA))
    }

    /// Makes the counter, which is 0.
    fn make(&self, labels: &[&str]) {
        self.counter(labels).increment(0);
    }

    /// Counts one, if anything is counted.
    fn count(&self, labels: &[&str]) {
        if is_on() {
            self.counter(labels).increment(1);
        }
    }

    fn describe(&self) {
        let (name, help) = (KeyName::from_const_str(self.name), SharedString::const_str(self.help));
        ::metrics::with_recorder(|recorder| match self.kind {
            Kind::Counter => recorder.describe_counter(name, self.unit, help),
            Kind::Gauge => recorder.describe_gauge(name, self.unit, help),
            Kind::Histogram(_) => recorder.describe_histogram(name, self.unit, help),
        });
    }
}

/// Tells the recorder of everything, and makes each series that is known beforehand: a counter that appears with its first
/// event has no rate for it.
fn begin(now: OffsetDateTime) {
    table::METRICS.iter().for_each(Metric::describe);
    for yes in [true, false] {
        Source::ALL.iter().for_each(|source| table::SIGN_INS.make(&[source.as_str(), words::accepted(yes)]));
        TenantLogin::ALL.iter().for_each(|outcome| table::TENANT_LOGINS.make(&[words::login(yes), outcome.word()]));
        table::RELOADS.make(&[words::reload(yes)]);
    }
    Token::ALL.iter().for_each(|outcome| table::TOKENS.make(&[outcome.word()]));
    AccessToken::ALL.iter().for_each(|outcome| table::ACCESS_TOKENS.make(&[outcome.word()]));
    Limit::ALL.iter().for_each(|limit| table::RATE_LIMITED.make(&[limit.word()]));
    table::SIGN_OUTS.make(&[]);
    table::RELOAD_SUCCESSFUL.gauge(&[]).set(1);
    table::BUILD_INFO.gauge(&[env!("CARGO_PKG_VERSION")]).set(1);
    table::START_TIME.gauge(&[]).set(now.unix_timestamp() as f64);
    let counted = Counted {
        proxied: Proxied::default(),
        tenant: words::STATUS_CLASSES.map(|class| table::TENANT_REQUESTS.counter(&[class])),
        bytes: [Direction::ToTenant, Direction::ToBrowser].map(|way| table::PROXIED_BYTES.counter(&[way.word()])),
        sockets: table::SOCKETS.counter(&[]),
        sockets_open: table::SOCKETS_OPEN.gauge(&[]),
    };
    let _ = COUNTED.set(counted); // `install` lets nobody come here twice
}

/// How long a request takes, from here on. Reads no clock when nothing is counted.
#[derive(Clone, Copy, Debug)]
pub struct Watch(Option<Instant>);

impl Watch {
    /// Begins now.
    pub fn begin() -> Self {
        Self(is_on().then(Instant::now))
    }

    /// The head of an answer of ours is ready: for this route, which is a pattern or [`OTHER`].
    pub fn answered(self, route: &str, method: &http::Method, status: StatusCode) {
        let Some(begun) = self.0 else { return };
        let method = Method::of(method).word();
        table::HTTP_REQUESTS.counter(&[route, method, status.as_str()]).increment(1);
        table::HTTP_DURATION.histogram(&[route]).record(begun.elapsed().as_secs_f64());
    }

    /// The head of an answer from the tenant is ready. Without an allocation, once each of its statuses has been seen.
    pub fn passed_on(self, method: &http::Method, status: StatusCode) {
        if let (Some(begun), Some(counted)) = (self.0, COUNTED.get()) {
            counted.proxied.count(Method::of(method), status, begun.elapsed());
        }
    }
}

/// Somebody signed in, or was refused.
pub fn sign_in(source: Source, accepted: bool) {
    table::SIGN_INS.count(&[source.as_str(), words::accepted(accepted)]);
}

/// Somebody signed out.
pub fn sign_out() {
    table::SIGN_OUTS.count(&[]);
}

/// What became of the wish for a token.
pub fn token(outcome: Token) {
    table::TOKENS.count(&[outcome.word()]);
}

/// What became of the wish for an access token.
pub fn access_token(outcome: AccessToken) {
    table::ACCESS_TOKENS.count(&[outcome.word()]);
}

/// The server logged in to the tenant for a visitor, or could not. A renewal takes the place of a session that the tenant would
/// not have any more.
pub fn tenant_login(renewal: bool, outcome: TenantLogin) {
    table::TENANT_LOGINS.count(&[words::login(renewal), outcome.word()]);
}

/// A limit has held somebody up.
pub fn rate_limited(limit: Limit) {
    table::RATE_LIMITED.count(&[limit.word()]);
}

/// The settings were read anew: they hold now, or the old ones do.
pub fn reloaded(done: bool) {
    if is_on() {
        table::RELOADS.counter(&[words::reload(done)]).increment(1);
        table::RELOAD_SUCCESSFUL.gauge(&[]).set(f64::from(u8::from(done)));
    }
}

/// The store was asked for something. The operation is a word of the code.
pub fn store(which: Store, operation: &'static str, took: Duration, failed: bool) {
    if !is_on() {
        return;
    }
    let labels = [which.word(), operation];
    table::STORE_DURATION.histogram(&labels).record(took.as_secs_f64());
    let errors = table::STORE_ERRORS.counter(&labels);
    if failed {
        errors.increment(1);
    }
}

/// The tenant answered a request that was passed on; or did not, when there is no status.
pub fn tenant_answered(status: Option<StatusCode>) {
    if let Some(counted) = COUNTED.get() {
        counted.tenant[words::class_of(status)].increment(1);
    }
}

/// So many bytes were passed on: of a body, or of a socket.
pub fn passed(direction: Direction, bytes: u64) {
    if bytes > 0
        && let Some(counted) = COUNTED.get()
    {
        counted.bytes[direction as usize].increment(bytes);
    }
}

/// A socket that is open until this is dropped.
#[derive(Debug)]
pub struct OpenSocket(());

/// A socket between a browser and the tenant is open.
pub fn socket_opened() -> OpenSocket {
    if let Some(counted) = COUNTED.get() {
        counted.sockets.increment(1);
        counted.sockets_open.increment(1);
    }
    OpenSocket(())
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        if let Some(counted) = COUNTED.get() {
            counted.sockets_open.decrement(1);
        }
    }
}

/// Time and memory are told in the units of Prometheus.
const SECONDS: Option<Unit> = Some(Unit::Seconds);
const BYTES: Option<Unit> = Some(Unit::Bytes);
