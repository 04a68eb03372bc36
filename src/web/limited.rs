//! Limits on what is asked for, as layers of their routes, and how an answer tells of them: in the fields `RateLimit-Policy` and
//! `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), and with 429 in `Retry-After` too.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Error;
use super::visitor::SignedIn;
use crate::app::App;
use crate::audit::{self, Caller, Event};
use crate::limits::{Standing, Verdict, WINDOW, Whom};
use crate::metrics::{self, Limit};

/// What is allowed.
pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of it.
pub const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// On attempts to sign in, by address: nobody has a name yet.
pub async fn sign_in(State(app): State<App>, caller: Caller, request: Request, next: Next) -> Response {
    let (standing, refused) = count(&app, Limit::SignIn, Whom::Address(caller.address), caller).await;
    answer(standing, refused, request, next).await
}

/// On tokens, by identity.
pub async fn token(
    State(app): State<App>,
    caller: Caller,
    who: Result<SignedIn, Error>,
    request: Request,
    next: Next,
) -> Response {
    of_visitor(&app, Limit::Token, caller, who, request, next).await
}

/// On access tokens, by identity.
pub async fn access_token(
    State(app): State<App>,
    caller: Caller,
    who: Result<SignedIn, Error>,
    request: Request,
    next: Next,
) -> Response {
    of_visitor(&app, Limit::AccessToken, caller, who, request, next).await
}

/// Who has no session gets a refusal that costs little, and is not counted.
async fn of_visitor(
    app: &App,
    limit: Limit,
    caller: Caller,
    who: Result<SignedIn, Error>,
    mut request: Request,
    next: Next,
) -> Response {
    let (standing, refused) = match &who {
        Ok(who) => count(app, limit, Whom::Identity(who.identity()), caller).await,
        Err(_) => (None, None),
    };
    SignedIn::hand_on(who, &mut request);
    answer(standing, refused, request, next).await
}

async fn count(app: &App, limit: Limit, whom: Whom<'_>, caller: Caller) -> (Option<Standing>, Option<Error>) {
    let Some(quota) = app.quotas.quota(limit) else { return (None, None) };
    let verdict = app.limits.count(&app.limits.counter(limit, whom), quota, app.clock.now()).await;
    judge(verdict, whom, caller)
}

async fn answer(standing: Option<Standing>, refused: Option<Error>, request: Request, next: Next) -> Response {
    let mut response = match refused {
        Some(refused) => refused.into_response(),
        None => next.run(request).await,
    };
    tell(response.headers_mut(), standing);
    response
}

/// What becomes of whoever was counted. The audit tells of the first one in a window who is turned away.
pub fn judge(verdict: Option<Verdict>, whom: Whom<'_>, caller: Caller) -> (Option<Standing>, Option<Error>) {
    match verdict {
        None => (None, None),
        Some(Verdict::Passed(standing)) => (Some(standing), None),
        Some(Verdict::Refused { standing, first }) => {
            let Standing { limit, quota, resets, .. } = standing;
            metrics::rate_limited(limit);
            if first {
                let identity = match whom {
                    Whom::Identity(identity) => Some(identity),
                    Whom::Address(_) => None,
                };
                let reason = format!("more than {quota} in a minute");
                audit::record(caller, &Event::RateLimited { limit, identity, reason: &reason });
            }
            (Some(standing), Some(Error::Limited { limit, seconds: resets }))
        }
    }
}

/// Adds the fields. Others may be there: both are lists, and the tenant has limits of its own.
pub fn tell(headers: &mut HeaderMap, standing: Option<Standing>) {
    let Some(Standing { limit, quota, left, resets }) = standing else { return };
    let name = limit.word();
    let fields = [
        (POLICY, format!("\"{name}\";q={quota};w={}", WINDOW.as_secs())),
        (STANDING, format!("\"{name}\";r={left};t={resets}")),
    ];
    for (field, value) in fields {
        headers.append(field, HeaderValue::try_from(value).expect("words and numbers are a header value"));
    }
}
