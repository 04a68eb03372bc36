//! The audit: who signed in, was refused, got a token, and signed out. Each event is one line of the log with the target
//! `audit`, and one line of the file that `AUDIT_FILE` names. Events have no room for secrets: neither tokens nor what
//! somebody typed.

use std::fmt::{self, Display};
use std::net::IpAddr;

use tracing::field::{DisplayValue, display};
use uuid::Uuid;

use crate::identity::{Identity, Source};

pub mod file;

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
        /// For whom.
        identity: &'a Identity,
        /// Who that is to Qlik.
        subject: &'a str,
        /// What named the subject: a rule, or a word such as `list`.
        rule: &'a str,
    },
    /// The server could not log in to the tenant for somebody.
    TenantSessionRefused(Refusal<'a>),
    /// The server ended a session at the tenant, because the visitor's own had ended.
    TenantSessionEnded {
        /// Whose it was: an [`Identity::key`].
        identity: &'a str,
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
    /// Why.
    pub reason: &'a dyn Display,
}

/// Writes an event down, with the request that made it happen, if one did. Costs next to nothing when nobody listens.
pub fn record(caller: impl Into<Option<Caller>>, event: &Event<'_>) {
    let caller = caller.into();
    let (request, address) = (caller.map(|caller| caller.request.simple()), caller.map(|caller| caller.address));
    // One place decides about the fields; levels are part of a macro's call, so there are two of these.
    macro_rules! write_down {
        ($level:ident, $what:literal, $($fields:tt)*) => {
            tracing::$level!(
                target: TARGET,
                $($fields)*,
                request_id = request.map(display),
                address = address.map(display),
                $what
            )
        };
    }
    match *event {
        Event::SignedIn(identity) => write_down!(info, "signed in", identity = key(identity)),
        Event::SignInRefused { source, identity, reason } => {
            write_down!(warn, "sign-in refused", source = source.as_str(), identity = identity, reason = %reason);
        }
        Event::HeadersRemoved(headers) => write_down!(warn, "identity headers removed", headers = %headers),
        Event::PageRefused(ref refusal) => {
            let Refusal { identity, page, rule, reason } = *refusal;
            write_down!(warn, "page refused", identity = identity.map(key), page = page, rule = rule, reason = %reason);
        }
        Event::TokenIssued { identity, subject, page, rule } => {
            write_down!(info, "token issued", identity = key(identity), subject = subject, page = page, rule = rule);
        }
        Event::TokenRefused(ref refusal) => {
            let Refusal { identity, page, rule, reason } = *refusal;
            write_down!(warn, "token refused", identity = identity.map(key), page = page, rule = rule, reason = %reason);
        }
        Event::TenantSessionBegun { identity, subject, rule } => {
            write_down!(info, "tenant session begun", identity = key(identity), subject = subject, rule = rule);
        }
        Event::TenantSessionRefused(ref refusal) => {
            let Refusal { identity, page, rule, reason } = *refusal;
            write_down!(
                warn, "tenant session refused",
                identity = identity.map(key), page = page, rule = rule, reason = %reason
            );
        }
        Event::TenantSessionEnded { identity } => write_down!(info, "tenant session ended", identity = identity),
        Event::SignedOut(identity) => write_down!(info, "signed out", identity = key(identity)),
        Event::SessionEnded { identity, reason } => {
            write_down!(info, "session ended", identity = key(identity), reason = %reason);
        }
        Event::SessionsEnded { identity, ended, reason } => {
            write_down!(info, "sessions ended", identity = identity, ended = ended, reason = %reason);
        }
    }
}

fn key(identity: &Identity) -> DisplayValue<Key<'_>> {
    display(Key(identity))
}

/// An [`Identity::key`] that is only put together when somebody reads it.
struct Key<'a>(&'a Identity);

impl Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.source, self.0.id)
    }
}
