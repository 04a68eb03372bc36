//! What visitors are told: a sentence for every failure, without the cause.

use axum::http::StatusCode;

use super::Error;
use super::tenant::{Told, UNREACHABLE, is_about_data, of_errand};
use crate::advice::Advice;
use crate::auth::{oidc, ticket};
use crate::data;
use crate::errand;
use crate::mapping::Denied;
use crate::metrics::Limit;
use crate::qlik::engine;
use crate::qlik::token;

/// A failure as the visitor is told it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) message: String,
    pub(super) advice: Option<&'static str>,
    /// What an administrator can do about it, and what the tenant said.
    pub(super) for_admin: Option<ForAdmin>,
    pub(super) way: Option<Way>,
    /// Seconds until another try makes sense.
    pub(super) retry_after: Option<u64>,
}

/// What is said to an administrator, who may be looking over the visitor's shoulder.
#[derive(Clone, Debug)]
pub(super) struct ForAdmin {
    pub(super) advice: &'static Advice,
    /// What the tenant said, when it is it that refused. What a provider said is for the log alone.
    pub(super) told: Option<String>,
}

impl ForAdmin {
    fn of(error: &Error) -> Option<Self> {
        let told = match error {
            Error::Errand(errand::Error::Refused { refusal, .. }) => Some(refusal.to_string()),
            _ => None,
        };
        Some(Self { advice: error.advice()?, told })
    }
}

/// The way on from a failure.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Link {
        href: &'static str,
        label: &'static str,
    },
    /// For who is signed in, and can see nothing as this person.
    SignOut,
}

const START: Way = Way::Link { href: "/", label: "Go to the start page" };
/// For who has to wait first.
const FORM: Way = Way::Link { href: "/login", label: "Go to the sign-in page" };
const AGAIN: Way = Way::Link { href: "/login", label: "Sign in again" };

impl Failure {
    /// What this failure is to the visitor.
    pub(super) fn of(error: &Error) -> Self {
        let failure = Self { for_admin: ForAdmin::of(error), ..Self::of_status(error.status()) };
        match error {
            Error::SignedOut => Self { code: "session_expired", ..failure },
            Error::ForeignOrigin => Self {
                code: "foreign_origin",
                message: "Tokens are given to the portal's own pages only.".to_owned(),
                ..failure
            },
            Error::NoCsrfToken => Self {
                code: "csrf_token",
                title: "This page is too old",
                message: "The request does not have the token of your session. Load the page again.".to_owned(),
                ..failure
            },
            Error::UnclearHeaders(_) => Self {
                code: "unclear_identity",
                title: "It is not clear who you are",
                message: "The company's sign-in did not say in one way who you are.".to_owned(),
                advice: Some("Sign out there and in again. If it stays so, tell your administrator."),
                ..failure
            },
            Error::Ticket(refused) => Self::of_ticket(refused, failure),
            Error::Denied(denied) => Self::of_denied(denied, failure),
            Error::Oidc(problem) => {
                let (status, code, title, message) = of_sign_in(problem);
                let of_status = Self::of_status(status);
                let for_admin = failure.for_admin;
                Self { code, title, message: message.to_owned(), way: Some(AGAIN), for_admin, ..of_status }
            }
            Error::Unknown(problem) => Self {
                code: "tenant_unavailable",
                message:
                    "Qlik Cloud did not say who you are there. Nothing is wrong with your account. Try again shortly."
                        .to_owned(),
                retry_after: Some(problem.retry_after().as_secs().max(1)),
                ..failure
            },
            Error::UnlistedApp => Self {
                code: "forbidden",
                title: "This app is not for you here",
                message: "None of your pages in this portal shows that app.".to_owned(),
                ..failure
            },
            Error::BadTarget(_) | Error::LongTarget => {
                Self { message: "This address is not one that can be passed on.".to_owned(), ..failure }
            }
            Error::NotRepeated => Self {
                code: "busy",
                message: "Your sign-in to Qlik Cloud was renewed. Send the same once more.".to_owned(),
                retry_after: Some(1),
                ..failure
            },
            Error::TenantRefuses => Self {
                code: "tenant_refused",
                title: "Qlik Cloud does not let you in",
                message: "Qlik Cloud refused the session that it has just opened for you.".to_owned(),
                advice: Some("Try again in a minute. If it lasts, tell your administrator."),
                ..failure
            },
            Error::Errand(problem) => {
                let Told { code, title, message, advice, wait, .. } = of_errand(problem);
                Self { code, title, message: message.to_owned(), advice, retry_after: wait, ..failure }
            }
            Error::BadQuery(why) => {
                Self { code: "bad_query", message: format!("The request is not complete: {why}."), ..failure }
            }
            Error::Data(problem) => Self::of_data(problem, failure),
            Error::Passage(problem) => Self {
                code: if problem.is_late() { "tenant_timeout" } else { "tenant_unreachable" },
                title: UNREACHABLE,
                message: "Qlik Cloud did not answer. Try again shortly.".to_owned(),
                ..failure
            },
            Error::Limited { limit, seconds } => Self::of_limit(*limit, *seconds, failure),
            Error::Token(token::Error::Saturated { retry_after }) => {
                Self { code: "busy", retry_after: Some(retry_after.as_secs().max(1)), ..failure }
            }
            _ => failure,
        }
    }

    /// The words for data that was not had; those of a refusal are the catalogue's.
    fn of_data(problem: &data::Error, failure: Self) -> Self {
        let sentence = problem.advice().and_then(|advice| advice.visitor);
        let (code, title, retry_after) = match problem {
            data::Error::Busy => return Self { code: "busy", retry_after: Some(5), ..failure },
            data::Error::TooSlow => ("tenant_timeout", "The data takes too long", None),
            data::Error::Engine(problem) if is_about_data(problem) => ("no_data", "There is no such data", None),
            data::Error::Engine(engine::Error::Unreachable(_) | engine::Error::Silent) => {
                ("tenant_unreachable", UNREACHABLE, Some(5))
            }
            data::Error::Engine(_) | data::Error::Errand(_) => {
                ("tenant_refused", "Qlik Cloud does not let you in", None)
            }
        };
        let message = match (problem, sentence) {
            (data::Error::Engine(engine::Error::Failed { message, .. }), _) if code == "no_data" => {
                format!("Qlik Cloud cannot give this data: {message}.")
            }
            (_, Some(sentence)) => sentence.what.to_owned(),
            _ => "Qlik Cloud did not give the data.".to_owned(),
        };
        Self { code, title, message, advice: sentence.map(|sentence| sentence.advice), retry_after, ..failure }
    }

    fn of_limit(limit: Limit, seconds: u64, failure: Self) -> Self {
        let second = if seconds == 1 { "second" } else { "seconds" };
        let (what, way) = match limit {
            Limit::SignIn => ("Too many attempts to sign in came from your network within a minute.", FORM),
            Limit::Token | Limit::AccessToken | Limit::Proxy => {
                ("Your account has asked for more than this portal gives within a minute.", START)
            }
        };
        let message = format!("{what} Try again in {seconds} {second}.");
        Self { message, way: Some(way), retry_after: Some(seconds), ..failure }
    }

    /// Every page is closed to this person, the start page too: the only way on is to be somebody else.
    fn of_denied(denied: &Denied, failure: Self) -> Self {
        let failure = Self { title: "This page is not for you yet", way: Some(Way::SignOut), ..failure };
        match denied {
            Denied::ByRule { sentence, .. } => {
                Self { code: "denied", title: "This page is not for you", message: sentence.clone(), ..failure }
            }
            Denied::SubjectTaken { .. } => Self {
                code: "subject_taken",
                message: "The Qlik user that is meant for you belongs to another account.".to_owned(),
                advice: Some(
                    "Ask your administrator whose it shall be. If you have signed in to this portal in another way \
                     before, sign out, and sign in that way.",
                ),
                ..failure
            },
            Denied::NotOneUser { .. } => Self {
                code: "no_qlik_user",
                message: "Qlik Cloud does not have exactly one user with your e-mail address.".to_owned(),
                advice: Some("Ask your administrator to name or to invite your user in Qlik Cloud."),
                ..failure
            },
            Denied::UnusableEmail => Self {
                code: "no_qlik_user",
                message: "Your e-mail address has characters that cannot be looked up in Qlik Cloud.".to_owned(),
                advice: Some("Ask your administrator to name your user in Qlik Cloud."),
                ..failure
            },
            reason => Self {
                code: "denied",
                message: format!("You cannot see this page: {reason}."),
                advice: Some("Ask your administrator to complete your account."),
                ..failure
            },
        }
    }

    pub(super) fn of_status(status: StatusCode) -> Self {
        let (code, title, message) = match status {
            StatusCode::UNAUTHORIZED => ("unauthorized", "Please sign in", "You are not signed in, or no longer."),
            StatusCode::FORBIDDEN => {
                ("forbidden", "Not from here", "This request came from another site and was refused.")
            }
            StatusCode::NOT_FOUND => {
                ("not_found", "There is nothing here", "This page does not exist, or is not for you.")
            }
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "That does not work here", "This address does not take such requests.")
            }
            StatusCode::URI_TOO_LONG => ("too_long", "That was too long", "This address is longer than it may be."),
            StatusCode::BAD_GATEWAY => {
                ("bad_gateway", UNREACHABLE, "Qlik Cloud did not give a usable answer. Try again shortly.")
            }
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("too_large", "That was too much", "The request was larger than it may be.")
            }
            StatusCode::TOO_MANY_REQUESTS => {
                ("too_many_requests", "That was too often", "There were too many requests. Try again in a minute.")
            }
            StatusCode::SERVICE_UNAVAILABLE => (
                "unavailable",
                "Not available right now",
                "The server cannot do this at the moment. Try again shortly.",
            ),
            StatusCode::GATEWAY_TIMEOUT => {
                ("timeout", "That took too long", "The server did not finish in time. Try again.")
            }
            status if status.is_client_error() => {
                ("bad_request", "That request is not right", "The server could not understand the request.")
            }
            _ => ("internal", "Something went wrong", "The fault is ours, and it has been logged. Try again."),
        };
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(5);
        Self { code, title, message: message.to_owned(), advice: None, for_admin: None, way: Some(START), retry_after }
    }

    /// The exact reason is for the log: it would tell a forger what to do better. The way back is the portal's page, whose
    /// address is not known here.
    fn of_ticket(refused: &ticket::Refused, failure: Self) -> Self {
        use ticket::Refused::{Expired, Used};
        let (code, title, message) = match refused {
            refused if refused.is_temporary() => {
                (failure.code, failure.title, "Your sign-in cannot be checked at the moment.")
            }
            Expired => {
                ("ticket_expired", "This link has expired", "The link that led you here is good for minutes only.")
            }
            Used { .. } => ("ticket_used", "This link was used already", "The link that led you here works only once."),
            _ => ("ticket_refused", "You could not be signed in", "The link that led you here is not valid."),
        };
        let advice = if refused.is_temporary() {
            "Wait a minute. Then go back to the page that led you here, and try again from there."
        } else {
            "Go back to the page that led you here, and try again from there. If that does not help, tell your administrator."
        };
        Self { code, title, message: message.to_owned(), advice: Some(advice), way: None, ..failure }
    }
}

/// What a visitor is told when signing in at the OpenID provider fails: status, code, title, message.
pub(super) fn of_sign_in(problem: &oidc::Error) -> (StatusCode, &'static str, &'static str, &'static str) {
    match problem {
        oidc::Error::Unavailable(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "provider_unavailable",
            "Signing in is not possible right now",
            "The service that signs you in does not answer. Try again in a moment.",
        ),
        oidc::Error::Unusable(_) => (
            StatusCode::BAD_GATEWAY,
            "provider_unusable",
            "Signing in does not work",
            "This portal and the service that signs you in do not understand each other. Tell your administrator.",
        ),
        oidc::Error::NotPending => (
            StatusCode::BAD_REQUEST,
            "sign_in_expired",
            "This sign-in is over",
            "It took too long, or it was finished already. Begin again.",
        ),
        oidc::Error::OtherBrowser => (
            StatusCode::BAD_REQUEST,
            "sign_in_elsewhere",
            "This sign-in did not begin here",
            "A sign-in has to end in the browser in which it began, and that browser has to accept cookies. Begin again.",
        ),
        oidc::Error::Refused(_) => (
            StatusCode::FORBIDDEN,
            "sign_in_refused",
            "You were not signed in",
            "The service that signs you in did not let you through, or you turned back.",
        ),
        oidc::Error::Unverified(_) => (
            StatusCode::BAD_REQUEST,
            "not_verified",
            "Your sign-in could not be verified",
            "What came back does not prove who you are. Begin again, and tell your administrator if this goes on.",
        ),
        oidc::Error::TooMuch { .. } => (
            StatusCode::FORBIDDEN,
            "too_many_claims",
            "Your account is too large",
            "The service that signs you in says more about you than this portal can keep. Tell your administrator.",
        ),
        oidc::Error::Store(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Not available right now",
            "The server cannot do this at the moment. Try again shortly.",
        ),
    }
}
