//! One answer per failure: a page for people, JSON for programs. The cause goes to the log, once, here; what visitors are
//! told is in `failure`, and how it is shown in `present`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::advice::{self, Advice, Answer, At, Silent};
use crate::auth::{header, oidc, ticket};
use crate::mapping::Denied;
use crate::metrics::Limit;
use crate::qlik::{token, users};
use crate::{data, errand, proxy, store, subjects};

mod failure;
mod present;
mod tenant;

use failure::Failure;
pub use present::{Site, Wants, finish, present};

/// What a handler could not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is signed in, or no longer.
    #[error("not signed in")]
    SignedOut,
    /// There is no such page.
    #[error("no such page")]
    NoSuchPage,
    /// Another site's page asked for what is for our own pages.
    #[error("the request came from another origin")]
    ForeignOrigin,
    /// The headers of a trusted proxy can be read in two ways.
    #[error("identity headers refused: {0}")]
    UnclearHeaders(#[from] header::Refused),
    /// The portal's word was not good enough.
    #[error("not signed in by ticket: {0}")]
    Ticket(#[from] ticket::Refused),
    /// This person is nobody to Qlik.
    #[error("denied: {}", .0.why())]
    Denied(#[from] Denied),
    /// The OpenID provider, or its answer.
    #[error(transparent)]
    Oidc(#[from] oidc::Error),
    /// No token.
    #[error(transparent)]
    Token(#[from] token::Error),
    /// It cannot be told now who this person is to Qlik.
    #[error(transparent)]
    Unknown(users::Error),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The session could not be read or written.
    #[error(transparent)]
    Session(#[from] tower_sessions::session::Error),
    /// The address of a request can be read in two ways, or leads elsewhere.
    #[error("the request was not passed on: {0}")]
    BadTarget(&'static str),
    /// An address longer than any of the tenant's.
    #[error("the address of the request is too long")]
    LongTarget,
    /// A method that is not passed on.
    #[error("the method of the request is not passed on")]
    NoSuchMethod,
    /// An app that no page of this visitor shows.
    #[error("no page of this visitor shows that app")]
    UnlistedApp,
    /// A request of a script without the token that our pages send along.
    #[error("the request has not the CSRF token of its session")]
    NoCsrfToken,
    /// A query that cannot be used.
    #[error("{0}")]
    BadQuery(&'static str),
    /// There is no data.
    #[error(transparent)]
    Data(data::Error),
    /// A request that is too large to be sent once more, and the tenant's session had ended.
    #[error("the tenant's session had ended, and the request is too large to be held for another try")]
    NotRepeated,
    /// The tenant does not take its own session.
    #[error("the tenant refused a session that it has just opened")]
    TenantRefuses,
    /// This instance takes nothing new.
    #[error("the server is stopping")]
    Draining,
    /// The tenant gave no session, or no access token.
    #[error(transparent)]
    Errand(errand::Error),
    /// Nothing came back from the tenant.
    #[error(transparent)]
    Passage(#[from] proxy::Error),
    /// Too often within a minute.
    #[error("the limit for {} is reached", .limit.word())]
    Limited {
        /// Which one.
        limit: Limit,
        /// How many seconds until another try makes sense.
        seconds: u64,
    },
    /// A template did not render.
    #[error(transparent)]
    Render(#[from] askama::Error),
    /// Something that cannot be, was.
    #[error("{0}")]
    Broken(&'static str),
}

impl From<subjects::Error> for Error {
    fn from(problem: subjects::Error) -> Self {
        match problem {
            subjects::Error::Store(problem) => Self::Store(problem),
            subjects::Error::LookUp(problem) => Self::Unknown(problem),
        }
    }
}

impl From<tower_sessions::session_store::Error> for Error {
    fn from(problem: tower_sessions::session_store::Error) -> Self {
        Self::Session(problem.into())
    }
}

impl From<data::Error> for Error {
    fn from(problem: data::Error) -> Self {
        match problem {
            data::Error::Errand(problem) => problem.into(),
            other => Self::Data(other),
        }
    }
}

impl From<errand::Error> for Error {
    fn from(problem: errand::Error) -> Self {
        match problem {
            errand::Error::SessionEnded => Self::SignedOut,
            errand::Error::Denied(denied) => Self::Denied(denied),
            other => Self::Errand(other),
        }
    }
}

impl Error {
    /// The status of its answer.
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::Ticket(refused) if refused.is_temporary() => StatusCode::SERVICE_UNAVAILABLE,
            // Not 401: there is nothing to sign in with here, and who is sent to `/login` would never learn why.
            Self::ForeignOrigin | Self::NoCsrfToken | Self::Denied(_) | Self::Ticket(_) => StatusCode::FORBIDDEN,
            Self::Oidc(problem) => failure::of_sign_in(problem).0,
            Self::UnclearHeaders(_) | Self::BadTarget(_) | Self::BadQuery(_) => StatusCode::BAD_REQUEST,
            Self::LongTarget => StatusCode::URI_TOO_LONG,
            Self::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnlistedApp => StatusCode::FORBIDDEN,
            Self::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::NotRepeated | Self::Draining => StatusCode::SERVICE_UNAVAILABLE,
            Self::TenantRefuses => StatusCode::BAD_GATEWAY,
            Self::Errand(problem) => tenant::of_errand(problem).status,
            Self::Data(problem) => tenant::status_of_data(problem),
            Self::Passage(problem) if problem.is_late() => StatusCode::GATEWAY_TIMEOUT,
            Self::Passage(_) => StatusCode::BAD_GATEWAY,
            Self::Token(token::Error::Saturated { .. }) | Self::Unknown(_) | Self::Store(_) | Self::Session(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Token(_) | Self::Render(_) | Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What it means, and what to do, where that is an answer of the tenant or of the provider, or their silence.
    fn advice(&self) -> Option<&'static Advice> {
        let why = match self {
            Self::Errand(problem) => return problem.advice(),
            Self::Data(problem) => return problem.advice(),
            Self::Unknown(problem) => return problem.advice(),
            Self::Oidc(problem) => return problem.advice(),
            Self::TenantRefuses => return advice::named("session-ended-there"),
            Self::Passage(proxy::Error::Unreachable(problem)) => Silent::of(problem),
            Self::Passage(proxy::Error::NoWayOut(_)) => Silent::WayOut,
            Self::Passage(proxy::Error::TimedOut) => Silent::TimedOut,
            Self::Passage(proxy::Error::Broken(_)) => Silent::Broken,
            _ => return None,
        };
        Some(advice::of(&Answer::Unreachable { at: At::Rest, why }))
    }

    /// Whether the audit has it already, with who was refused; or it is nothing to tell.
    fn is_audited(&self) -> bool {
        matches!(
            self,
            Self::SignedOut
                | Self::NoSuchPage
                | Self::ForeignOrigin
                | Self::UnclearHeaders(_)
                | Self::Ticket(_)
                | Self::Denied(_)
                | Self::Limited { .. }
        )
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        let (advice, remedy) = (self.advice().map(|advice| advice.id), self.advice().map(Advice::in_short));
        if status.is_server_error() {
            tracing::error!(problem = %self, advice, remedy, "request failed");
        } else if !self.is_audited() {
            tracing::warn!(problem = %self, advice, remedy, "request refused");
        }
        let mut response = status.into_response();
        response.extensions_mut().insert(Failure::of(&self));
        response
    }
}

/// For every address that is no route.
pub async fn no_such_page() -> Error {
    Error::NoSuchPage
}

/// For a handler that panicked: the panic itself was logged where it happened.
pub fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::http::Response<axum::body::Body> {
    Error::Broken("a handler panicked").into_response()
}
