//! One answer per failure: a page for people, JSON for programs. The cause goes to the log, once, here.

use askama::Template;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde_json::json;

use super::trail::RequestId;
use super::{assets, policy};
use crate::app::App;
use crate::auth::{header, oidc, ticket};
use crate::mapping::Denied;
use crate::qlik::{token, users};
use crate::{store, subjects};

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

/// A failure as the visitor is told it.
#[derive(Clone, Debug)]
struct Failure {
    code: &'static str,
    title: &'static str,
    message: String,
    advice: Option<&'static str>,
    way: Option<Way>,
    /// Seconds until another try makes sense.
    retry_after: Option<u64>,
}

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::Ticket(refused) if refused.is_temporary() => StatusCode::SERVICE_UNAVAILABLE,
            // Not 401: there is nothing to sign in with here, and who is sent to `/login` would never learn why.
            Self::ForeignOrigin | Self::Denied(_) | Self::Ticket(_) => StatusCode::FORBIDDEN,
            Self::Oidc(problem) => of_sign_in(problem).0,
            Self::UnclearHeaders(_) => StatusCode::BAD_REQUEST,
            Self::Token(token::Error::Saturated { .. }) | Self::Unknown(_) | Self::Store(_) | Self::Session(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Token(_) | Self::Render(_) | Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
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
        )
    }

    fn failure(&self) -> Failure {
        let failure = Failure::of_status(self.status());
        match self {
            Self::SignedOut => Failure { code: "session_expired", ..failure },
            Self::ForeignOrigin => Failure {
                code: "foreign_origin",
                message: "Tokens are given to the portal's own pages only.".to_owned(),
                ..failure
            },
            Self::UnclearHeaders(_) => Failure {
                code: "unclear_identity",
                title: "It is not clear who you are",
                message: "The company's sign-in did not say in one way who you are.".to_owned(),
                advice: Some("Sign out there and in again. If it stays so, tell your administrator."),
                ..failure
            },
            Self::Ticket(refused) => Failure::of_ticket(refused, failure),
            Self::Denied(Denied::ByRule { sentence, .. }) => {
                Failure { code: "denied", title: "This page is not for you", message: sentence.clone(), ..failure }
            }
            Self::Denied(Denied::SubjectTaken { .. }) => Failure {
                code: "subject_taken",
                title: "This page is not for you yet",
                message: "The Qlik user that is meant for you belongs to another account.".to_owned(),
                advice: Some(
                    "Ask your administrator whose it shall be. If you have signed in to this portal in another way \
                     before, sign in that way.",
                ),
                ..failure
            },
            Self::Denied(Denied::NotOneUser { .. }) => Failure {
                code: "no_qlik_user",
                title: "This page is not for you yet",
                message: "Qlik Cloud does not have exactly one user with your e-mail address.".to_owned(),
                advice: Some("Ask your administrator to name or to invite your user in Qlik Cloud."),
                ..failure
            },
            Self::Denied(reason) => Failure {
                code: "denied",
                title: "This page is not for you yet",
                message: format!("You cannot see this page: {reason}."),
                advice: Some("Ask your administrator to complete your account."),
                ..failure
            },
            Self::Oidc(problem) => {
                let (status, code, title, message) = of_sign_in(problem);
                let of_status = Failure::of_status(status);
                Failure { code, title, message: message.to_owned(), way: Some(AGAIN), ..of_status }
            }
            Self::Unknown(problem) => Failure {
                code: "tenant_unavailable",
                message:
                    "Qlik Cloud did not say who you are there. Nothing is wrong with your account. Try again shortly."
                        .to_owned(),
                retry_after: Some(problem.retry_after().as_secs().max(1)),
                ..failure
            },
            Self::Token(token::Error::Saturated { retry_after }) => {
                Failure { code: "busy", retry_after: Some(retry_after.as_secs().max(1)), ..failure }
            }
            _ => failure,
        }
    }
}

/// What a visitor is told when signing in at the OpenID provider fails: status, code, title, message.
fn of_sign_in(problem: &oidc::Error) -> (StatusCode, &'static str, &'static str, &'static str) {
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

impl Failure {
    fn of_status(status: StatusCode) -> Self {
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
            StatusCode::PAYLOAD_TOO_LARGE => {
                ("too_large", "That was too much", "The request was larger than it may be.")
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
        Self { code, title, message: message.to_owned(), advice: None, way: Some(START), retry_after }
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

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(problem = %self, "request failed");
        } else if !self.is_audited() {
            tracing::warn!(problem = %self, "request refused");
        }
        let mut response = status.into_response();
        response.extensions_mut().insert(self.failure());
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

/// In which form the sender of a request can use an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// A browser's window or tab: a page, and redirects.
    Page,
    /// A frame in somebody's page: a page, but never the sign-in form.
    Frame,
    /// A script or a program: JSON.
    Data,
}

impl Wants {
    /// By `Sec-Fetch-Dest`; browsers that do not send it, by `Accept`.
    pub fn of(headers: &HeaderMap) -> Self {
        let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        match header("sec-fetch-dest") {
            Some("document") => Self::Page,
            Some("iframe" | "frame" | "embed" | "object") => Self::Frame,
            Some(_) => Self::Data,
            None if header("accept").is_some_and(|accept| accept.contains("text/html")) => Self::Page,
            None => Self::Data,
        }
    }
}

/// What the layers inside have added and a failure keeps. The rest described the body that is replaced.
const KEPT: [HeaderName; 7] = [
    SET_COOKIE,
    VARY,
    ALLOW,
    REFERRER_POLICY,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    HeaderName::from_static("cross-origin-resource-policy"),
];

/// Turns what handlers and layers report as failures into what their sender can read.
pub async fn present(State(app): State<App>, request: Request, next: Next) -> Response {
    let wants = Wants::of(request.headers());
    let id = request.extensions().get::<RequestId>().copied().unwrap_or_default();
    let response = next.run(request).await;
    let status = response.status();
    let failure = match response.extensions().get::<Failure>() {
        Some(failure) => failure.clone(),
        // Handlers that answer in their own words do so in HTML or JSON; layers and extractors give plain text or nothing.
        None if is_error(status) && !has_own_words(&response) => Failure::of_status(status),
        None => return response,
    };
    let mut presented = match (wants, status) {
        (Wants::Page, StatusCode::UNAUTHORIZED) => Redirect::to("/login").into_response(),
        (Wants::Page | Wants::Frame, _) => page(&app, wants, status, &failure, id),
        (Wants::Data, _) => {
            let body = json!({ "error": failure.code, "message": failure.message, "request_id": id.to_string() });
            (status, Json(body)).into_response()
        }
    };
    for name in KEPT {
        for value in response.headers().get_all(&name) {
            presented.headers_mut().append(&name, value.clone());
        }
    }
    if let Some(seconds) = failure.retry_after {
        presented.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    presented
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn has_own_words(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/html") || kind.starts_with("application/json")
}

fn page(app: &App, wants: Wants, status: StatusCode, failure: &Failure, id: RequestId) -> Response {
    let site = Site::of(app);
    let html = if wants == Wants::Frame && status == StatusCode::UNAUTHORIZED {
        // In a page of another site, a session that begins in a tab is in another jar of cookies.
        let handed_over = app.server.framed_by_other_sites && app.tickets.is_some();
        FramedPage { site, handed_over }.render()
    } else {
        let request_id = id.to_string();
        let Failure { title, message, advice, way, .. } = failure.clone();
        let framed = wants == Wants::Frame;
        let status = status.as_u16();
        ErrorPage { site, visitor: None, framed, status, title, message, advice, way, request_id }.render()
    };
    match html {
        Ok(html) => {
            let policy = policy::of_failure(&app.server.frame_ancestors);
            // The address of a page that failed may have something in it that is nobody's business, such as a ticket.
            let headers = [(CONTENT_SECURITY_POLICY, policy), (REFERRER_POLICY, "no-referrer".to_owned())];
            (status, headers, Html(html)).into_response()
        }
        Err(problem) => {
            tracing::error!(%problem, "the error page did not render");
            (status, failure.message.clone()).into_response()
        }
    }
}

/// What every page's frame shows.
pub struct Site {
    /// The portal's name.
    pub name: String,
    /// What addresses of assets begin with.
    pub assets: String,
}

impl Site {
    /// The site of this application.
    pub fn of(app: &App) -> Self {
        Self { name: app.server.portal_name.clone(), assets: assets::prefix() }
    }
}

/// The way on from a failure.
#[derive(Clone, Copy, Debug)]
struct Way {
    href: &'static str,
    label: &'static str,
}

const START: Way = Way { href: "/", label: "Go to the start page" };
const AGAIN: Way = Way { href: "/login", label: "Sign in again" };

/// A failure, for people.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    site: Site,
    visitor: Option<String>,
    /// In somebody else's page: without our header.
    framed: bool,
    status: u16,
    title: &'static str,
    message: String,
    advice: Option<&'static str>,
    way: Option<Way>,
    request_id: String,
}

/// Instead of the sign-in form, inside a frame.
#[derive(Template)]
#[template(path = "framed.html")]
struct FramedPage {
    site: Site,
    /// Whether it is the page around that signs visitors in.
    handed_over: bool,
}
