//! One session at the tenant, as memory and store have it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use http::HeaderValue;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::Settings;
use crate::identity::{Identity, Source};
use crate::proxy::Credentials;
use crate::qlik::cookies::Cookies;
use crate::qlik::session::Csrf;
use crate::store::held::Kept;

/// How long memory answers before it looks into the store: other instances may have changed something.
const FRESH: Duration = Duration::seconds(5);
/// How often changes that come with every answer are written down.
const ROUTINE: Duration = Duration::minutes(1);

/// A session at the tenant.
pub struct TenantSession {
    /// Names the login that it came of.
    pub(super) login: i64,
    /// Counts its changes in the store.
    pub(super) version: i64,
    pub(super) content: Content,
    credentials: Credentials,
    /// When a cookie ends, and the credentials with it.
    next_end: Option<OffsetDateTime>,
    uses: Arc<Uses>,
}

/// What is sealed in the store.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Content {
    /// Whose it is: an identity's source and id.
    pub owner: (Source, String),
    #[serde(with = "time::serde::timestamp")]
    pub begun: OffsetDateTime,
    pub cookies: Cookies,
    pub csrf: Option<String>,
}

impl Content {
    /// Takes a CSRF token over, and what the tenant set with it.
    pub(super) fn take_csrf(&mut self, csrf: &Csrf, now: OffsetDateTime) {
        self.csrf = csrf.token.to_str().ok().map(str::to_owned);
        self.cookies.update(&csrf.set_cookies, now);
    }
}

/// When it was used, in seconds since 1970; all of it only ever grows.
#[derive(Debug, Default)]
struct Uses {
    last: AtomicI64,
    /// The last use that the store knows.
    written: AtomicI64,
    /// When it was last the same as in the store.
    read: AtomicI64,
    /// When its cookies were last written.
    changed: AtomicI64,
}

/// An age of the tenant's, as we count it: a little shorter, so that we notice sooner than the tenant says it.
fn early(age: std::time::Duration) -> Duration {
    Duration::try_from(age).unwrap_or(Duration::MAX).saturating_sub(slack(age))
}

fn slack(age: std::time::Duration) -> Duration {
    Duration::try_from(age / 10).unwrap_or(Duration::MINUTE).min(Duration::MINUTE)
}

impl TenantSession {
    /// `None` when it has no cookie left that could be a session's.
    pub(super) fn new(
        login: i64,
        version: i64,
        content: Content,
        used: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Option<Self> {
        let sensitive = |text: &String| {
            let mut value = HeaderValue::try_from(text).ok()?;
            value.set_sensitive(true);
            Some(value)
        };
        let cookies = content.cookies.header(now)?;
        let credentials = Credentials { cookies, csrf: content.csrf.as_ref().and_then(sensitive) };
        let next_end = content.cookies.next_end(now);
        let uses = Uses::default();
        for (time, at) in [(&uses.last, used), (&uses.written, used), (&uses.read, now), (&uses.changed, now)] {
            time.store(at.unix_timestamp(), Ordering::Relaxed);
        }
        Some(Self { login, version, content, credentials, next_end, uses: Arc::new(uses) })
    }

    /// As the store has it. `None` when it cannot be read: it may be sealed under another secret, or another version's.
    pub(super) fn read(kept: &Kept, now: OffsetDateTime) -> Option<Self> {
        let content = serde_json::from_slice(&kept.value).ok()?;
        Self::new(kept.login, kept.version, content, kept.used, now)
    }

    /// As the store is to have it.
    pub(super) fn to_keep(&self) -> Kept {
        let value = serde_json::to_vec(&self.content).expect("texts and numbers are JSON");
        let used = OffsetDateTime::from_unix_timestamp(self.uses.last.load(Ordering::Relaxed));
        Kept { login: self.login, version: self.version, used: used.unwrap_or(self.content.begun), value }
    }

    /// The same session with another content, under the next version.
    pub(super) fn changed(&self, content: Content, now: OffsetDateTime) -> Option<Self> {
        let mut next = Self::new(self.login, self.version + 1, content, now, now)?;
        next.uses = Arc::clone(&self.uses);
        next.uses.changed.fetch_max(now.unix_timestamp(), Ordering::Relaxed);
        Some(next)
    }

    /// What a request gets of it.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Whether it is this person's.
    pub(super) fn is_of(&self, identity: &Identity) -> bool {
        self.content.owner.0 == identity.source && self.content.owner.1 == identity.id
    }

    /// Whether it surely came after the other one; of the same second, only the store knows.
    pub(super) fn is_later_than(&self, other: &Self) -> bool {
        let begun = |session: &Self| session.content.begun.unix_timestamp();
        if self.login == other.login { self.version > other.version } else { begun(self) > begun(other) }
    }

    /// Whether the tenant has it still, as far as can be known here.
    pub(super) fn lives(&self, settings: &Settings, now: OffsetDateTime) -> bool {
        let idle = now.unix_timestamp().saturating_sub(self.uses.last.load(Ordering::Relaxed));
        now < self.content.begun + early(settings.max) && idle < early(settings.idle).whole_seconds()
    }

    /// When the tenant has ended it in any case.
    pub(super) fn ends(&self, settings: &Settings) -> OffsetDateTime {
        self.content.begun + settings.max
    }

    /// Whether the store need not be asked.
    pub(super) fn is_fresh(&self, now: OffsetDateTime) -> bool {
        let age = now.unix_timestamp().saturating_sub(self.uses.read.load(Ordering::Relaxed));
        age < FRESH.whole_seconds() && self.next_end.is_none_or(|end| now < end)
    }

    /// Takes note of what the store says of it: `true` when that is what this says too.
    pub(super) fn is_as(&self, kept: &Kept, now: OffsetDateTime) -> bool {
        if (self.login, self.version) != (kept.login, kept.version) || self.next_end.is_some_and(|end| now >= end) {
            return false;
        }
        for (time, at) in [(&self.uses.last, kept.used), (&self.uses.written, kept.used), (&self.uses.read, now)] {
            time.fetch_max(at.unix_timestamp(), Ordering::Relaxed);
        }
        true
    }

    /// Counts a use. Whether it is to be written down: others count on that to about a minute.
    pub(super) fn use_now(&self, settings: &Settings, now: OffsetDateTime) -> bool {
        let now = now.unix_timestamp();
        self.uses.last.fetch_max(now, Ordering::Relaxed);
        let written = self.uses.written.load(Ordering::Relaxed);
        now.saturating_sub(written) >= slack(settings.idle).whole_seconds().max(1)
            && self.uses.written.compare_exchange(written, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Whether changes that come with every answer are to be looked at again.
    pub(super) fn is_routine_due(&self, now: OffsetDateTime) -> bool {
        let age = now.unix_timestamp().saturating_sub(self.uses.changed.load(Ordering::Relaxed));
        age >= ROUTINE.whole_seconds()
    }
}

impl fmt::Debug for TenantSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantSession").field("begun", &self.content.begun).finish_non_exhaustive()
    }
}
