//! The pages for administrators: what this instance is, what is wrong with it, who is signed in, who somebody is to Qlik.
//!
//! They have no script and no cookie of their own. To whoever is not in `ADMIN_GROUPS` they do not exist. Their policy is that
//! of all pages without the tenant: no page of anybody may frame them.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::error::{Error, Site};
use super::visitor::SignedIn;
use crate::admin::Administration;
use crate::app::App;
use crate::audit::{self, Caller, Event};
use crate::identity::Identity;

pub mod events;
pub mod identity;
pub mod overview;
pub mod pages;
pub mod sessions;
pub mod settings;
mod words;

/// An administrator who is signed in. Handlers that take one are closed to everybody else.
pub struct Admin {
    who: SignedIn,
    caller: Caller,
    desk: Arc<Administration>,
}

impl Admin {
    fn identity(&self) -> &Identity {
        self.who.identity()
    }

    /// The frame of a page, which is noted as looked at; with the [`Identity::key`] of whom it is about, if it is about somebody.
    fn look_at(&self, app: &App, part: Part, at: Option<&str>) -> (Site, Option<String>) {
        let looked = Event::AdminLooked { by: self.identity(), part: part.word(), identity: at };
        audit::record(self.caller, &looked);
        (Site::of(app), Some(self.who.name().to_owned()))
    }
}

impl FromRequestParts<App> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let who = SignedIn::from_request_parts(parts, app).await?;
        let caller = Caller::from_request_parts(parts, app).await?;
        match app.admin.as_ref().filter(|desk| desk.admits(who.identity())) {
            Some(desk) => Ok(Self { desk: Arc::clone(desk), who, caller }),
            None => {
                audit::record(caller, &Event::AdminRefused(who.identity()));
                Err(Error::NoSuchPage)
            }
        }
    }
}

/// For addresses of these pages with another method: who is no administrator does not learn that they exist.
pub async fn no_such_method(_: Admin) -> StatusCode {
    StatusCode::METHOD_NOT_ALLOWED
}

/// What there is to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Overview,
    Settings,
    Pages,
    Sessions,
    Identity,
    Audit,
}

/// A way to a part.
struct Link {
    href: &'static str,
    label: &'static str,
    here: bool,
}

impl Part {
    const ALL: [Self; 6] = [Self::Overview, Self::Settings, Self::Pages, Self::Sessions, Self::Identity, Self::Audit];

    const fn about(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Overview => ("overview", "/admin", "Overview"),
            Self::Settings => ("settings", "/admin/settings", "Settings"),
            Self::Pages => ("pages", "/admin/pages", "Pages"),
            Self::Sessions => ("sessions", "/admin/sessions", "Sessions"),
            Self::Identity => ("identity", "/admin/identity", "Identity"),
            Self::Audit => ("audit", "/admin/audit", "Audit"),
        }
    }

    /// Its name in the audit.
    const fn word(self) -> &'static str {
        self.about().0
    }

    /// The ways to all of them, from this one.
    fn links(self) -> [Link; 6] {
        Self::ALL.map(|part| {
            let (_, href, label) = part.about();
            Link { href, label, here: part == self }
        })
    }
}
