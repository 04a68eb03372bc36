//! Refusals of the tenant's administration, as findings.

use super::finding::{Finding, Look, Outcome};
use super::session::unreachable;
use crate::advice::{self, Answer, At};
use crate::qlik::api::Error;

/// How many pages of a list are read, of a hundred entries each.
pub(super) const PAGES: usize = 20;

pub(super) fn refused(look: Look, at: At, problem: Error) -> Finding {
    match problem {
        Error::Unreachable(problem) => unreachable(look, at, problem),
        // Less than a tenant administrator's right is enough to look users up: it is no failure.
        Error::Refused(refusal) if refusal.status() == 403 && at == At::Admin => {
            let found = format!("the tenant does not show it: {}", refusal.told);
            look.advise(Outcome::Skipped, found, refusal.told.advice(at))
        }
        Error::Refused(refusal) => look.advise(Outcome::Failure, refusal.told.to_string(), refusal.told.advice(at)),
        Error::Unreadable(why) => {
            let answer = Answer::Http { at, status: 200, code: None, detail: why, html: true };
            look.advise(Outcome::Failure, format!("its answer cannot be used: {why}"), advice::of(&answer))
        }
    }
}
