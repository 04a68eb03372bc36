//! What visitors are told when the tenant gave nothing, or no data.

use axum::http::StatusCode;

use crate::qlik::engine;
use crate::{data, errand};

pub(super) const UNREACHABLE: &str = "Qlik Cloud cannot be reached";

/// Whether what was asked for cannot be had, by anybody.
pub(super) fn is_about_data(problem: &engine::Error) -> bool {
    const ACCESS_DENIED: i64 = 5;
    matches!(problem, engine::Error::Failed { code, .. } if *code != ACCESS_DENIED)
}

/// The status for data that was not had.
pub(super) fn status_of_data(problem: &data::Error) -> StatusCode {
    match problem {
        data::Error::Busy => StatusCode::SERVICE_UNAVAILABLE,
        data::Error::TooSlow => StatusCode::GATEWAY_TIMEOUT,
        data::Error::Engine(problem) if is_about_data(problem) => StatusCode::UNPROCESSABLE_ENTITY,
        data::Error::Errand(problem) => of_errand(problem).status,
        data::Error::Engine(_) => StatusCode::BAD_GATEWAY,
    }
}

/// What a visitor is told when the tenant gave nothing.
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    pub(super) message: &'static str,
    pub(super) advice: Option<&'static str>,
    /// Seconds until another try makes sense.
    pub(super) wait: Option<u64>,
}

/// The words for it; those of a refusal are the catalogue's.
pub(super) fn of_errand(problem: &errand::Error) -> Told {
    use errand::Error as Problem;
    let wait = problem.retry_after().map(|wait| wait.as_secs().max(1));
    let (status, code, title, message) = match problem {
        Problem::Refused { refusal, .. } => {
            let sentence = refusal.advice().visitor;
            let message = sentence.map_or("Qlik Cloud refused to sign you in.", |sentence| sentence.what);
            let (status, title) = (StatusCode::BAD_GATEWAY, "Qlik Cloud does not let you in");
            let advice = sentence.map(|sentence| sentence.advice);
            return Told { status, code: "tenant_refused", title, message, advice, wait };
        }
        Problem::NoUser => {
            let (status, title) = (StatusCode::FORBIDDEN, "You are not known to Qlik Cloud yet");
            let sentence = problem.advice().and_then(|advice| advice.visitor);
            let (message, advice) = sentence.map_or(("", None), |sentence| (sentence.what, Some(sentence.advice)));
            return Told { status, code: "no_user", title, message, advice, wait: None };
        }
        Problem::Paused { .. } => (
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            UNREACHABLE,
            "Too many people are being signed in to Qlik Cloud at this moment. Your turn comes shortly.",
        ),
        Problem::Unreachable { .. } => (
            StatusCode::BAD_GATEWAY,
            "tenant_unreachable",
            UNREACHABLE,
            "Qlik Cloud did not answer. Try again shortly.",
        ),
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            UNREACHABLE,
            "The server cannot sign you in to Qlik Cloud at the moment. Try again shortly.",
        ),
    };
    Told { status, code, title, message, advice: None, wait: wait.or(Some(5)) }
}
