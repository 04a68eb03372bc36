//! The diagnosis for administrators: one at a time, whoever waits for it or does not, and kept until the next.

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::client;
use crate::clock::Clock;
use crate::config::Config;
use crate::doctor::{Doctor, Finding, Outcome, Who};

/// A round ends after this, whatever has not been looked at.
const LONGEST: Duration = Duration::from_secs(3 * 60);

/// The rounds of the doctor. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Rounds(watch::Sender<Option<Round>>);

/// One diagnosis, under way or over.
#[derive(Clone, Debug)]
pub struct Round {
    /// Who had it made: an [`Identity::key`](crate::identity::Identity::key).
    pub by: String,
    /// Who is signed in at the tenant for it.
    pub subject: Option<String>,
    /// When it began.
    pub begun: OffsetDateTime,
    /// When it ended.
    pub ended: Option<OffsetDateTime>,
    /// Whether every check was made.
    pub complete: bool,
    /// What was found so far, in the order of the checks.
    pub findings: Vec<Finding>,
}

impl Round {
    /// Whether there is more to come.
    pub fn is_under_way(&self) -> bool {
        self.ended.is_none()
    }

    /// How many findings there are of this kind.
    pub fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }
}

impl Rounds {
    /// The last one, or that which is under way.
    pub fn last(&self) -> Option<Round> {
        self.0.borrow().clone()
    }

    /// Begins one, unless one is under way: then `false`.
    ///
    /// # Errors
    /// When the machine's certificate authorities cannot be read.
    pub fn begin(
        &self,
        config: Config,
        hints: &[String],
        who: Who,
        by: String,
        clock: &Clock,
    ) -> Result<bool, client::Error> {
        let doctor = Doctor::new(config, clock.clone())?;
        let subject = who.subject().map(|subject| subject.id.clone());
        let begun = self.0.send_if_modified(|last| {
            if last.as_ref().is_some_and(Round::is_under_way) {
                return false;
            }
            let begun = clock.now();
            *last = Some(Round { by, subject, begun, ended: None, complete: false, findings: Vec::new() });
            true
        });
        if begun {
            let (under_way, hints) = (UnderWay { rounds: self.clone(), clock: clock.clone() }, hints.to_vec());
            tokio::spawn(async move {
                let mut tell = |finding| under_way.change(|round| round.findings.push(finding));
                if timeout(LONGEST, doctor.examine(&hints, &who, &mut tell)).await.is_ok() {
                    under_way.change(|round| round.complete = true);
                }
            });
        }
        Ok(begun)
    }

    /// Waits until none is under way, but no longer than this.
    pub async fn wait(&self, patience: Duration) {
        let mut rounds = self.0.subscribe();
        let over = rounds.wait_for(|last| !last.as_ref().is_some_and(Round::is_under_way));
        // Whoever has no patience left looks at what there is.
        let _ = timeout(patience, over).await;
    }
}

/// Ends the round, however its task does.
struct UnderWay {
    rounds: Rounds,
    clock: Clock,
}

impl UnderWay {
    fn change(&self, change: impl FnOnce(&mut Round)) {
        self.rounds.0.send_modify(|last| {
            if let Some(round) = last {
                change(round);
            }
        });
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let now = self.clock.now();
        self.change(|round| round.ended = Some(now));
    }
}
