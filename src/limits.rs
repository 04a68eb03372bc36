//! How often who may do what in a minute, counted by all instances together.
//!
//! A window of a minute begins with the first that is counted, and the store counts within it. What is turned away is not
//! counted on: from the first refusal on, an instance refuses until the window ends without another look at the store. Where
//! much is counted, an instance takes its share in blocks, and counts within the block in memory. Never more pass than the quota;
//! some fewer may, while other instances have a block that nobody uses up: by at most one block each.
//!
//! Limits protect, they do not authorise: while the store does not answer, everything passes.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::identity::Identity;
use crate::metrics::Limit;
use crate::store::{self, Store};

/// In what time so many may pass.
pub const WINDOW: Duration = Duration::from_secs(60);
/// A block is this part of the quota: what an instance asks the store for at once, where that is more than one.
const BLOCKS: u32 = 20;
/// How many counters are known at once; each takes some 200 bytes. One that is forgotten is read from the store again.
const KNOWN: u64 = 10_000;
/// How long the store may take. Nobody shall wait longer for what only protects.
const PATIENCE: Duration = Duration::from_secs(1);
/// For how many seconds the store is not asked after it did not answer.
const REST: i64 = 5;

/// How many may pass in a minute; `None`: any number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Attempts to sign in, by address.
    pub sign_in: Option<u32>,
    /// Tokens, by identity.
    pub token: Option<u32>,
    /// Access tokens, by identity.
    pub access_token: Option<u32>,
    /// Requests that are passed on to the tenant, and sockets begun, by identity.
    pub proxy: Option<u32>,
}

impl Settings {
    /// That of one of the limits.
    pub fn quota(&self, limit: Limit) -> Option<u32> {
        match limit {
            Limit::SignIn => self.sign_in,
            Limit::Token => self.token,
            Limit::AccessToken => self.access_token,
            Limit::Proxy => self.proxy,
        }
    }
}

/// By what something is counted.
#[derive(Clone, Copy, Debug)]
pub enum Whom<'a> {
    /// A person, in all of their sessions.
    Identity(&'a Identity),
    /// An address, or the network that whoever has it has.
    Address(IpAddr),
}

/// How far a quota is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which limit it is.
    pub limit: Limit,
    /// How many may pass in a window.
    pub quota: u32,
    /// How many of them are left, as far as this instance knows.
    pub left: u32,
    /// Seconds until the window ends; at least one.
    pub resets: u64,
}

/// What is to be done with whoever was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They pass.
    Passed(Standing),
    /// They do not, until the window ends.
    Refused {
        /// How it stands; nothing is left.
        standing: Standing,
        /// Whether this is the first refusal of the window, at any instance.
        first: bool,
    },
}

/// Counts. Clones count together.
#[derive(Clone)]
pub struct Limits(Arc<Parts>);

struct Parts {
    store: Store,
    counters: Cache<String, Arc<Counter>>,
    outage: Outage,
}

impl Limits {
    /// Limits that are counted in this store.
    pub fn new(store: Store) -> Self {
        let counters = Cache::builder().max_capacity(KNOWN).time_to_idle(2 * WINDOW).build();
        Self(Arc::new(Parts { store, counters, outage: Outage::default() }))
    }

    /// What counts for one of them. Whoever counts often keeps it.
    pub fn counter(&self, limit: Limit, whom: Whom<'_>) -> Arc<Counter> {
        let what = match whom {
            Whom::Identity(identity) => format!("limit {} identity {}", limit.word(), identity.key()),
            Whom::Address(address) => format!("limit {} address {}", limit.word(), network(address)),
        };
        self.0.counters.get_with_by_ref(&what, || Arc::new(Counter::new(limit, what.clone())))
    }

    /// Counts one more. `None`: nobody could count, so it passes.
    pub async fn count(&self, counter: &Counter, quota: u32, now: OffsetDateTime) -> Option<Verdict> {
        let known = counter.take(quota, now);
        if known.is_some() {
            return known;
        }
        // One asks for all who wait: the block that comes may be enough for them, or the refusal is theirs too.
        let _turn = counter.asking.lock().await;
        let known = counter.take(quota, now);
        if known.is_some() || self.0.outage.lasts(now) {
            return known;
        }
        let (store, block) = (&self.0.store, counter.block(quota));
        let counted = timeout(PATIENCE, store.count_attempts(&counter.what, block, now, WINDOW)).await;
        match counted.unwrap_or(Err(store::Error::Slow(PATIENCE))) {
            Ok((count, until)) => {
                self.0.outage.end();
                Some(counter.grant(Granted { quota, block, count, until }, now))
            }
            Err(problem) => {
                self.0.outage.begin(&problem, now);
                None
            }
        }
    }
}

/// Counts for one limit and one person or address, at this instance.
pub struct Counter {
    limit: Limit,
    what: String,
    window: Mutex<Option<Window>>,
    asking: tokio::sync::Mutex<()>,
}

/// What is known of the window that runs.
struct Window {
    quota: u32,
    until: OffsetDateTime,
    /// What is left for others, when the store was asked last.
    elsewhere: u32,
    /// What is left of the block of this instance.
    here: u32,
    /// The store has said that nothing is left.
    spent: bool,
}

/// A block that the store has counted.
struct Granted {
    quota: u32,
    block: u32,
    /// How many are counted with it.
    count: u32,
    until: OffsetDateTime,
}

impl Counter {
    fn new(limit: Limit, what: String) -> Self {
        Self { limit, what, window: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// How many are taken from the store at once. Requests that are passed on come by the hundred, and wait for no store.
    fn block(&self, quota: u32) -> u32 {
        if self.limit == Limit::Proxy { quota.div_ceil(BLOCKS) } else { 1 }
    }

    /// Counts one more, if that takes no look at the store.
    pub fn take(&self, quota: u32, now: OffsetDateTime) -> Option<Verdict> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let window = window.as_mut().filter(|window| window.quota == quota && now < window.until)?;
        if window.spent {
            return Some(Verdict::Refused { standing: self.standing(window, now), first: false });
        }
        window.here = window.here.checked_sub(1)?;
        Some(Verdict::Passed(self.standing(window, now)))
    }

    /// Takes the first of a block, if the quota had anything left for it.
    fn grant(&self, granted: Granted, now: OffsetDateTime) -> Verdict {
        let Granted { quota, block, count, until } = granted;
        let before = count.saturating_sub(block);
        let here = quota.saturating_sub(before).min(block);
        let window =
            Window { quota, until, elsewhere: quota.saturating_sub(count), here: here.max(1) - 1, spent: here == 0 };
        let standing = self.standing(&window, now);
        *self.window.lock().unwrap_or_else(PoisonError::into_inner) = Some(window);
        if here > 0 {
            return Verdict::Passed(standing);
        }
        // Every block that is asked for is counted, so just one finds so much before it.
        Verdict::Refused { standing, first: before - quota < block }
    }

    fn standing(&self, window: &Window, now: OffsetDateTime) -> Standing {
        let left = window.until - now;
        // Whoever comes back after a whole number of seconds shall not be a part of one too early.
        let resets = left.whole_seconds() + i64::from(left.subsec_nanoseconds() > 0);
        Standing {
            limit: self.limit,
            quota: window.quota,
            left: window.elsewhere + window.here,
            resets: resets.max(1).unsigned_abs(),
        }
    }
}

/// While the store does not answer, it is asked now and then, and the log tells of it once.
#[derive(Default)]
struct Outage {
    is_known: AtomicBool,
    /// Seconds since 1970.
    rest_until: AtomicI64,
}

impl Outage {
    fn lasts(&self, now: OffsetDateTime) -> bool {
        self.is_known.load(Ordering::Relaxed) && now.unix_timestamp() < self.rest_until.load(Ordering::Relaxed)
    }

    fn begin(&self, problem: &store::Error, now: OffsetDateTime) {
        self.rest_until.store(now.unix_timestamp().saturating_add(REST), Ordering::Relaxed);
        if !self.is_known.swap(true, Ordering::Relaxed) {
            tracing::warn!(%problem, "nobody can be counted: until the store answers, rate limits let everything through");
        }
    }

    fn end(&self) {
        if self.is_known.swap(false, Ordering::Relaxed) {
            tracing::info!("the store answers, and rate limits count again");
        }
    }
}

/// Whoever has an IPv6 address has all 2^64 of its network (RFC 4291, section 2.5.4), and could come from each.
pub fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    /// What several instances make of one quota, by a store that only counts.
    fn pass(instances: usize, quota: u32, turns: usize) -> (Vec<usize>, usize) {
        let counters: Vec<_> = (0..instances).map(|_| Counter::new(Limit::Proxy, String::new())).collect();
        let (mut count, mut passed, mut firsts) = (0, vec![0; instances], 0);
        for turn in 0..turns {
            let counter = &counters[turn % instances];
            let verdict = counter.take(quota, START).unwrap_or_else(|| {
                let block = counter.block(quota);
                count += block;
                counter.grant(Granted { quota, block, count, until: START + WINDOW }, START)
            });
            match verdict {
                Verdict::Passed(standing) => {
                    assert!(standing.left < quota);
                    passed[turn % instances] += 1;
                }
                Verdict::Refused { standing, first } => {
                    assert_eq!((standing.left, standing.resets), (0, 60));
                    firsts += usize::from(first);
                }
            }
        }
        (passed, firsts)
    }

    #[test]
    fn instances_share_a_quota_in_blocks_and_never_exceed_it() {
        for quota in [1, 7, 20, 21, 100, 999] {
            for instances in [1, 2, 3] {
                let (passed, firsts) = pass(instances, quota, 5000);
                assert_eq!(passed.iter().sum::<usize>(), quota as usize, "{quota} at {instances}");
                assert_eq!(firsts, 1, "told once: {quota} at {instances}");
            }
        }
    }

    #[test]
    fn another_quota_or_the_end_of_the_window_asks_again() {
        let counter = Counter::new(Limit::Token, String::new());
        let until = START + WINDOW;
        let refused = counter.grant(Granted { quota: 2, block: 1, count: 3, until }, START);
        assert!(matches!(refused, Verdict::Refused { first: true, .. }));
        let half = START + Duration::from_millis(500);
        // 59.5 s are not over after 59.
        let standing = Standing { limit: Limit::Token, quota: 2, left: 0, resets: 60 };
        assert_eq!(counter.take(2, half), Some(Verdict::Refused { standing, first: false }));
        assert_eq!(counter.take(3, START), None);
        assert_eq!(counter.take(2, until), None);
    }

    #[test]
    fn an_address_of_ipv6_stands_for_its_network() {
        let network = |text: &str| network(text.parse().expect("an address")).to_string();
        assert_eq!(network("198.51.100.7"), "198.51.100.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
    }
}
