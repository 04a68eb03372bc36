//! When the tenant is left alone: after a failure for the session that had it, and for everybody when the tenant asks for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Errands, Error, Passenger, What};
use crate::advice::{self, Advice, Answer, At, Told};
use crate::qlik::session::{self, Refusal};
use crate::store::{self, Kind, SessionRef};

/// After the first refusal; doubled with each one that follows.
const SHORTEST: Duration = Duration::from_secs(1);
/// After many refusals.
const LONGEST: Duration = Duration::from_secs(60);
/// After many failures that are no refusals: they mend themselves.
const LONGEST_OUTAGE: Duration = Duration::from_secs(8);
/// Failures are forgotten when none has followed for so long.
const MEMORY: Duration = Duration::from_secs(10 * 60);
/// The pause after status 429 when the tenant names none.
const UNNAMED_PAUSE: Duration = Duration::from_secs(15);
/// The longest pause that is kept, whatever the tenant asks for.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What failed last for a session, as the store keeps it for all instances.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Rest {
    /// How often, one after the other.
    failures: u32,
    /// In milliseconds since 1970.
    until: i64,
    /// Why, in words.
    words: String,
    /// The code that came with them.
    #[serde(default)]
    code: Option<String>,
    /// Whether they came as a page.
    #[serde(default)]
    html: bool,
    /// The status of a refusal; without it, the tenant was not reached or failed.
    status: Option<u16>,
    /// The name of the advice on what is no refusal.
    #[serde(default)]
    advice: Option<String>,
    /// When the tenant itself said so.
    retry_after: Option<u64>,
    /// Whether it was a call to the administration that was refused, on the way.
    #[serde(default)]
    by_administration: bool,
}

impl Rest {
    fn left(&self, now: OffsetDateTime) -> Duration {
        Duration::from_millis(u64::try_from(self.until - millis(now)).unwrap_or(0))
    }

    fn as_error(&self, what: What, now: OffsetDateTime) -> Error {
        let retry_after = self.left(now);
        match self.status {
            Some(status) => {
                let asked = self.retry_after.map(Duration::from_secs);
                let told = Told { status, code: self.code.clone(), words: self.words.clone(), html: self.html };
                let at = if self.by_administration { At::Admin } else { what.at };
                let refusal = Refusal { what: what.asked, at, told, retry_after: asked };
                Error::Refused { refusal, retry_after }
            }
            None => {
                let advice = self.advice.as_deref().and_then(advice::named).unwrap_or_else(|| too_slow(what));
                Error::Unreachable { why: self.words.as_str().into(), advice, retry_after }
            }
        }
    }
}

/// Why there is no session.
enum Why<'a> {
    /// The tenant refused.
    Refused(&'a Refusal),
    /// It did not answer or failed: in words, and what to do about it.
    Failed(String, &'static Advice),
}

/// What to do when it takes too long.
fn too_slow(what: What) -> &'static Advice {
    advice::of(&Answer::Unreachable { at: what.at, why: advice::Silent::TimedOut })
}

fn millis(time: OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

impl Errands {
    /// Whether the tenant may be asked now. Gives the failures that led up to this.
    pub(super) async fn may_ask(&self, who: &Passenger) -> Result<u32, Error> {
        let now = who.now();
        if let Some(until) = self.store.paused(&self.name_of_all(), now).await? {
            return Err(Error::Paused { retry_after: (until - now).try_into().unwrap_or_default() });
        }
        let Some(rest) = self.rest(who.session, now).await? else { return Ok(0) };
        if rest.left(now).is_zero() { Ok(rest.failures) } else { Err(rest.as_error(self.what, now)) }
    }

    async fn rest(&self, session: SessionRef, now: OffsetDateTime) -> Result<Option<Rest>, store::Error> {
        let found = self.store.find_anew(Kind::Pause, &self.name(session), now).await?;
        Ok(found.and_then(|found| serde_json::from_slice(&found.value).ok()))
    }

    /// Notes that the tenant did not do as asked, and says it.
    pub async fn note(&self, who: &Passenger, failures: u32, problem: session::Error) -> Error {
        let advice = problem.advice();
        let refusal = match problem {
            session::Error::Unreachable(problem) => {
                return self.note_failure(who, failures, reasons(&problem.without_url()), advice).await;
            }
            session::Error::Refused(refusal) => refusal,
        };
        match refusal.status() {
            429 => self.note_pause(who, &refusal).await,
            503 if refusal.retry_after.is_some() => self.note_pause(who, &refusal).await,
            500.. => self.note_failure(who, failures, refusal.to_string(), advice).await,
            _ => self.note_rest(who, failures, Why::Refused(&refusal)).await,
        }
    }

    /// The tenant has had enough: everybody waits, in all instances.
    async fn note_pause(&self, who: &Passenger, refusal: &Refusal) -> Error {
        let asked = refusal.retry_after.unwrap_or(UNNAMED_PAUSE).clamp(SHORTEST, LONGEST_PAUSE);
        let advice = refusal.advice();
        tracing::warn!(
            status = refusal.status(),
            seconds = asked.as_secs(),
            advice = advice.id,
            remedy = advice.in_short(),
            "the tenant asks for a pause of {}",
            self.what.names.1
        );
        // The store counts in whole seconds: rather a second more.
        let until = who.now() + asked + Duration::from_secs(1);
        if let Err(problem) = self.store.pause(&self.name_of_all(), until).await {
            tracing::error!(%problem, "the pause that the tenant asks for could not be written down");
        }
        Error::Paused { retry_after: asked }
    }

    /// The tenant did not answer in time.
    pub(super) async fn note_silence(&self, who: &Passenger, failures: u32, words: String) -> Error {
        self.note_failure(who, failures, words, too_slow(self.what)).await
    }

    /// The tenant did not answer, or failed.
    async fn note_failure(&self, who: &Passenger, failures: u32, words: String, advice: &'static Advice) -> Error {
        self.note_rest(who, failures, Why::Failed(words, advice)).await
    }

    /// This session waits, the longer the more often it fails.
    async fn note_rest(&self, who: &Passenger, failures: u32, why: Why<'_>) -> Error {
        let refusal = if let Why::Refused(refusal) = why { Some(refusal) } else { None };
        let longest = if refusal.is_some() { LONGEST } else { LONGEST_OUTAGE };
        let doubled = SHORTEST.saturating_mul(1 << failures.min(16)).min(longest);
        let asked = refusal.and_then(|refusal| refusal.retry_after).map(|asked| asked.min(LONGEST_PAUSE));
        let now = who.now();
        let until = now + asked.map_or(doubled, |asked| asked.max(doubled));
        let retry_after = refusal.and_then(|refusal| refusal.retry_after).map(|asked| asked.as_secs());
        let (told, advice) = match why {
            Why::Refused(refusal) => (refusal.told.clone(), None),
            Why::Failed(words, advice) => (Told { words, ..Told::default() }, Some(advice.id.to_owned())),
        };
        let Told { code, words, html, .. } = told;
        let status = refusal.map(Refusal::status);
        let failures = failures + 1;
        let by_administration = refusal.is_some_and(|refusal| refusal.at == At::Admin);
        let until_millis = millis(until);
        let rest =
            Rest { failures, until: until_millis, words, code, html, status, advice, retry_after, by_administration };
        let value = serde_json::to_vec(&rest).expect("texts and numbers are JSON");
        match self.store.attach(who.session, Kind::Pause, &self.name(who.session), value, until + MEMORY).await {
            Ok(true) => rest.as_error(self.what, now),
            Ok(false) => Error::SessionEnded,
            Err(problem) => {
                tracing::error!(%problem, "that an errand failed could not be written down");
                rest.as_error(self.what, now)
            }
        }
    }

    /// It went well: failures begin anew.
    pub(super) async fn forget_failures(&self, who: &Passenger) -> Result<(), store::Error> {
        self.store.take_attached(Kind::Pause, &self.name(who.session), who.now()).await?;
        Ok(())
    }
}

/// A problem and what lies below it: the last one is what an administrator can do something about.
pub fn reasons(problem: &dyn std::error::Error) -> String {
    let mut words = "the tenant did not answer".to_owned();
    let mut below = Some(problem);
    while let Some(problem) = below {
        words.push_str(": ");
        words.push_str(&problem.to_string());
        below = problem.source();
    }
    words
}
