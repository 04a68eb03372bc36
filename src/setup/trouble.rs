//! Why something in the tenant cannot be looked at or changed, and what to do.

use std::fmt;

use crate::advice::{self, Advice, Answer, At, Silent, plain};
use crate::client::cause;
use crate::qlik::{api, engine, session};

/// A call that failed. It names no secret.
#[derive(Debug)]
pub struct Trouble {
    /// What was tried, as the object of "cannot".
    what: String,
    /// What was answered.
    said: String,
    /// What the catalogue says about it.
    advice: Option<&'static Advice>,
}

impl Trouble {
    /// Something of our own.
    pub(super) fn own(what: impl Into<String>, said: String) -> Self {
        Self { what: what.into(), said, advice: None }
    }

    /// A call to the tenant's REST interface.
    pub(super) fn of_call(what: impl Into<String>, at: At, problem: api::Error) -> Self {
        let what = what.into();
        match problem {
            api::Error::Unreachable(problem) => Self::unreachable(what, at, problem),
            api::Error::Refused(refusal) => Self::refused(what, &refusal),
            api::Error::Unreadable(why) => {
                let answer = Answer::Http { at, status: 200, code: None, detail: why, html: true };
                Self { what, said: format!("its answer cannot be used: {why}"), advice: Some(advice::of(&answer)) }
            }
        }
    }

    /// A login.
    pub(super) fn of_login(what: impl Into<String>, problem: session::Error) -> Self {
        match problem {
            session::Error::Unreachable(problem) => Self::unreachable(what.into(), At::Login, problem),
            session::Error::Refused(refusal) => Self::refused(what.into(), &refusal),
        }
    }

    /// A socket to the engine.
    pub(super) fn of_engine(what: impl Into<String>, problem: engine::Error) -> Self {
        let what = what.into();
        let said = problem.to_string();
        let advice = match problem {
            engine::Error::Unreachable(problem) => return Self::unreachable(what, At::Handshake, problem),
            engine::Error::Refused(refusal) => return Self::refused(what, &refusal),
            engine::Error::State(state) => advice::of(&Answer::State(&state)),
            engine::Error::Closed { code, .. } => advice::of(&Answer::Close { code, open: false }),
            engine::Error::Failed { code, .. } => advice::of(&Answer::Engine(i32::try_from(code).unwrap_or_default())),
            engine::Error::Silent => advice::of(&Answer::Silence),
            engine::Error::Unreadable(_) => advice::of(&Answer::Unreachable { at: At::Handshake, why: Silent::Broken }),
        };
        Self { what, said, advice: Some(advice) }
    }

    fn refused(what: String, refusal: &session::Refusal) -> Self {
        Self { what, said: refusal.told.to_string(), advice: Some(refusal.advice()) }
    }

    fn unreachable(what: String, at: At, problem: reqwest::Error) -> Self {
        let advice = advice::of(&Answer::Unreachable { at, why: Silent::of(&problem) });
        Self { what, said: format!("the tenant did not answer: {}", cause(problem)), advice: Some(advice) }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.what, self.said)?;
        let Some(advice) = self.advice else { return Ok(()) };
        write!(f, "\n  means  {}\n  do     {}", plain(advice.meaning), plain(advice.remedy))?;
        if let Some(place) = advice.where_to_click {
            write!(f, "\n  where  {}", plain(place))?;
        }
        write!(f, "\n  who    {}\n  see    docs/{}", advice.who, advice.link())
    }
}

impl std::error::Error for Trouble {}
