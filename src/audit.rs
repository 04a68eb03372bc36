//! The audit: who signed in, was refused, got a token, and signed out. Each event is one line of the log with the target
//! `audit`, and one line of the file that `AUDIT_FILE` names. Events have no room for secrets: neither tokens nor what
//! somebody typed.

use std::fmt::{self, Display};
use std::net::IpAddr;

use uuid::Uuid;

use crate::identity::{Identity, Source};
use crate::metrics::{self, AccessToken, Limit, TenantLogin, Token};

pub mod file;
mod recent;

pub use recent::{Recent, Told};

/// The target of all events.
pub const TARGET: &str = "audit";

/// The request that made something happen.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// The id of the request, as its answer and its error page name it.
    pub request: Uuid,
    /// From where it came.
    pub address: IpAddr,
}

/// What happened.
pub enum Event<'a> {
    /// A session began.
    SignedIn(&'a Identity),
    /// Somebody could not say who they are.
    SignInRefused {
        /// By which way they tried.
        source: Source,
        /// Whom the source vouched for all the same: an [`Identity::key`]. Never what somebody typed.
        identity: Option<&'a str>,
        /// Why not.
        reason: &'a dyn Display,
    },
    /// Headers that say who the visitor is came from somebody who may not say so.
    HeadersRemoved(&'a dyn Display),
    /// A visitor may not see a page.
    PageRefused(Refusal<'a>),
    /// A visitor got a token.
    TokenIssued {
        /// Whom it is for.
        identity: &'a Identity,
        /// Who that is to Qlik.
        subject: &'a str,
        /// The page that asked.
        page: &'a str,
        /// What named the subject: a rule, or a word such as `list`.
        rule: &'a str,
    },
    /// Somebody got no token.
    TokenRefused(Refusal<'a>),
    /// The server logged in to the tenant for a visitor.
    TenantSessionBegun {
        /// Whether it takes the place of a session that the tenant would not have any more.
        renewal: bool,
        /// For whom.
        identity: &'a Identity,
        /// Who that is to Qlik.
        subject: &'a str,
        /// What named the subject: a rule, or a word such as `list`.
        rule: &'a str,
    },
    /// The server could not log in to the tenant for somebody.
    TenantSessionRefused {
        /// As when it succeeds.
        renewal: bool,
        /// For whom, and why not.
        refusal: Refusal<'a>,
    },
    /// The server ended a session at the tenant, because the visitor's own had ended.
    TenantSessionEnded {
        /// Whose it was: an [`Identity::key`].
        identity: &'a str,
    },
    /// The tenant gave an access token for somebody.
    AccessTokenIssued {
        /// For whom.
        identity: &'a Identity,
        /// Who that is to Qlik.
        subject: &'a str,
        /// What named the subject: a rule, or a word such as `list`.
        rule: &'a str,
    },
    /// There is no access token for somebody.
    AccessTokenRefused(Refusal<'a>),
    /// The server had the tenant forget an access token, because the visitor's session had ended.
    AccessTokenRevoked {
        /// Whose it was: an [`Identity::key`].
        identity: &'a str,
    },
    /// The server made a user in the tenant.
    UserMade {
        /// For whom.
        identity: &'a Identity,
        /// Who that is to Qlik.
        subject: &'a str,
    },
    /// A visitor ended their session.
    SignedOut(&'a Identity),
    /// A session was ended otherwise than by signing out.
    SessionEnded {
        /// Whose it was.
        identity: &'a Identity,
        /// By what.
        reason: &'a dyn Display,
    },
    /// The sessions of somebody were ended, wherever they are.
    SessionsEnded {
        /// Whose they were, if that is known: an [`Identity::key`].
        identity: Option<&'a str>,
        /// How many.
        ended: u64,
        /// By what.
        reason: &'a dyn Display,
        /// By whom, if it was an administrator.
        by: Option<&'a Identity>,
    },
    /// An administrator looked at a page for administrators.
    AdminLooked {
        /// The administrator.
        by: &'a Identity,
        /// At which of them.
        part: &'static str,
        /// At whom, where the page is about one person: an [`Identity::key`].
        identity: Option<&'a str>,
    },
    /// An administrator had the diagnosis made.
    DoctorRun {
        /// The administrator.
        by: &'a Identity,
        /// Who was signed in at the tenant for it.
        subject: Option<&'a str>,
    },
    /// Somebody who is no administrator asked for a page for administrators.
    AdminRefused(&'a Identity),
    /// Somebody is turned away by a limit, for the first time in its window.
    RateLimited {
        /// Which limit.
        limit: Limit,
        /// Who, where that is by whom it counts; else it is the address.
        identity: Option<&'a Identity>,
        /// How much was too much.
        reason: &'a dyn Display,
    },
}

/// Who did not get what, and why.
pub struct Refusal<'a> {
    /// Who asked, where that is known.
    pub identity: Option<&'a Identity>,
    /// The page, where there is one of that name.
    pub page: Option<&'a str>,
    /// The rule that refused it.
    pub rule: Option<&'a str>,
    /// Whether nobody decided so: something did not work.
    pub failed: bool,
    /// Why.
    pub reason: &'a dyn Display,
}

/// An event as it is written down: what has no value is left out.
#[derive(Default)]
struct Line<'a> {
    what: &'static str,
    warning: bool,
    identity: Option<Whose<'a>>,
    by: Option<Whose<'a>>,
    part: Option<&'a str>,
    subject: Option<&'a str>,
    source: Option<&'a str>,
    page: Option<&'a str>,
    rule: Option<&'a str>,
    headers: Option<&'a dyn Display>,
    limit: Option<&'a str>,
    ended: Option<u64>,
    reason: Option<&'a dyn Display>,
}

/// An [`Identity::key`] that is only put together when somebody reads it.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Person(&'a Identity),
    Key(&'a str),
}

impl Display for Whose<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(identity) => write!(f, "{}:{}", identity.source, identity.id),
            Self::Key(key) => f.write_str(key),
        }
    }
}

impl<'a> Event<'a> {
    fn line(&self) -> Line<'a> {
        use Whose::{Key, Person};
        let what = |what| Line { what, ..Line::default() };
        let refused = |what, refusal: &Refusal<'a>| {
            let Refusal { identity, page, rule, reason, .. } = *refusal;
            Line {
                what,
                warning: true,
                identity: identity.map(Person),
                page,
                rule,
                reason: Some(reason),
                ..Line::default()
            }
        };
        match *self {
            Self::SignedIn(identity) => Line { identity: Some(Person(identity)), ..what("signed in") },
            Self::SignInRefused { source, identity, reason } => Line {
                warning: true,
                source: Some(source.as_str()),
                identity: identity.map(Key),
                reason: Some(reason),
                ..what("sign-in refused")
            },
            Self::HeadersRemoved(headers) => {
                Line { warning: true, headers: Some(headers), ..what("identity headers removed") }
            }
            Self::PageRefused(ref refusal) => refused("page refused", refusal),
            Self::TokenIssued { identity, subject, page, rule } => Line {
                identity: Some(Person(identity)),
                subject: Some(subject),
                page: Some(page),
                rule: Some(rule),
                ..what("token issued")
            },
            Self::TokenRefused(ref refusal) => refused("token refused", refusal),
            Self::TenantSessionBegun { identity, subject, rule, .. } => Line {
                identity: Some(Person(identity)),
                subject: Some(subject),
                rule: Some(rule),
                ..what("tenant session begun")
            },
            Self::TenantSessionRefused { ref refusal, .. } => refused("tenant session refused", refusal),
            Self::TenantSessionEnded { identity } => {
                Line { identity: Some(Key(identity)), ..what("tenant session ended") }
            }
            Self::AccessTokenIssued { identity, subject, rule } => Line {
                identity: Some(Person(identity)),
                subject: Some(subject),
                rule: Some(rule),
                ..what("access token issued")
            },
            Self::AccessTokenRefused(ref refusal) => refused("access token refused", refusal),
            Self::AccessTokenRevoked { identity } => {
                Line { identity: Some(Key(identity)), ..what("access token revoked") }
            }
            Self::UserMade { identity, subject } => {
                Line { identity: Some(Person(identity)), subject: Some(subject), ..what("user made") }
            }
            Self::SignedOut(identity) => Line { identity: Some(Person(identity)), ..what("signed out") },
            Self::SessionEnded { identity, reason } => {
                Line { identity: Some(Person(identity)), reason: Some(reason), ..what("session ended") }
            }
            Self::SessionsEnded { identity, ended, reason, by } => Line {
                identity: identity.map(Key),
                by: by.map(Person),
                ended: Some(ended),
                reason: Some(reason),
                ..what("sessions ended")
            },
            Self::AdminLooked { by, part, identity } => Line {
                by: Some(Person(by)),
                part: Some(part),
                identity: identity.map(Key),
                ..what("administration looked at")
            },
            Self::DoctorRun { by, subject } => Line { by: Some(Person(by)), subject, ..what("doctor run") },
            Self::AdminRefused(identity) => {
                Line { warning: true, identity: Some(Person(identity)), ..what("administration refused") }
            }
            Self::RateLimited { limit, identity, reason } => Line {
                warning: true,
                identity: identity.map(Person),
                limit: Some(limit.word()),
                reason: Some(reason),
                ..what("rate limited")
            },
        }
    }
}

/// Counts what an event is one of.
fn count(event: &Event<'_>) {
    match *event {
        Event::SignedIn(identity) => metrics::sign_in(identity.source, true),
        Event::SignInRefused { source, .. } => metrics::sign_in(source, false),
        Event::SignedOut(_) => metrics::sign_out(),
        Event::TokenIssued { .. } => metrics::token(Token::Issued),
        Event::TokenRefused(Refusal { failed: false, .. }) => metrics::token(Token::Denied),
        Event::TokenRefused(_) => metrics::token(Token::Failed),
        Event::TenantSessionBegun { renewal, .. } => metrics::tenant_login(renewal, TenantLogin::Done),
        Event::TenantSessionRefused { renewal, refusal: Refusal { failed, .. } } => {
            metrics::tenant_login(renewal, if failed { TenantLogin::Failed } else { TenantLogin::Refused });
        }
        Event::AccessTokenIssued { .. } => metrics::access_token(AccessToken::Minted),
        Event::AccessTokenRefused(Refusal { failed: false, .. }) => metrics::access_token(AccessToken::Refused),
        Event::AccessTokenRefused(_) => metrics::access_token(AccessToken::Failed),
        Event::HeadersRemoved(_)
        | Event::PageRefused(_)
        | Event::TenantSessionEnded { .. }
        | Event::AccessTokenRevoked { .. }
        | Event::UserMade { .. }
        | Event::SessionEnded { .. }
        | Event::SessionsEnded { .. }
        | Event::AdminLooked { .. }
        | Event::DoctorRun { .. }
        | Event::AdminRefused(_)
        // Counted with each request that is turned away, and not only with the first.
        | Event::RateLimited { .. } => {}
    }
}

/// Writes an event down, with the request that made it happen, if one did, and counts it. Costs next to nothing when nobody
/// listens.
pub fn record(caller: impl Into<Option<Caller>>, event: &Event<'_>) {
    count(event);
    let (caller, line) = (caller.into(), event.line());
    // One place decides about the fields; levels are part of a macro's call, so there are two of these.
    macro_rules! write_down {
        ($level:ident) => {
            tracing::$level!(
                target: TARGET,
                identity = line.identity.map(display),
                by = line.by.map(display),
                part = line.part,
                subject = line.subject,
                source = line.source,
                page = line.page,
                rule = line.rule,
                headers = line.headers.map(display),
                limit = line.limit,
                ended = line.ended,
                reason = line.reason.map(display),
                request_id = caller.map(|caller| display(caller.request.simple())),
                address = caller.map(|caller| display(caller.address)),
                "{}",
                line.what
            )
        };
    }
    if line.warning {
        write_down!(warn);
    } else {
        write_down!(info);
    }
    // Who looks at events should not see that they look.
    if !matches!(event, Event::AdminLooked { .. }) {
        recent::tell(caller, &line);
    }
}
