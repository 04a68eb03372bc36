//! The catalogue of advice: what an answer of the tenant, or of an OpenID provider, means, who can do something about it, what,
//! and whether to try again. The log, the error pages, the browser's page, `doctor` and `docs/troubleshooting.md` all read it.
//!
//! Pure: what was answered comes as a value, [`Answer`], and [`of`] has an entry for every one of them. What the other side
//! said in its own words stays with whoever asked, as [`Told`].
//!
//! Facts are those of "Qlik Cloud facts", sections B.2, F.2 to F.4, H, I and L. There is no published list of codes, so the
//! status decides first, then the code, then the detail; a title alone never does.

use std::fmt;

mod answer;
mod browser;
mod calls;
mod content;
mod engine;
mod login;
mod oauth;
mod people;
mod provider;
mod proxy;
mod render;
mod tables;
#[cfg(test)]
mod tests;
mod told;

pub use answer::{Answer, At, Sign, Silent};
pub use render::{page, script};
pub use tables::of;
pub use told::{Told, clean};

/// Who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// The person in the browser.
    Visitor,
    /// Whoever runs this server, and the machines before it.
    Operator,
    /// An administrator of the tenant.
    TenantAdmin,
    /// Whoever made the app, or manages its space.
    Author,
    /// Whoever runs the OpenID provider.
    Provider,
    /// Qlik itself: there is nothing to do but wait, and to ask its support.
    Qlik,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Visitor => "the visitor",
            Self::Operator => "the operator of this server",
            Self::TenantAdmin => "an administrator of the tenant",
            Self::Author => "the author of the app, or a manager of its space",
            Self::Provider => "an administrator of the OpenID provider",
            Self::Qlik => "Qlik",
        })
    }
}

/// Whether the same may be tried again by itself, with nobody doing anything about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It would end in the same way.
    No,
    /// One more try, with fresh credentials where there are some.
    Once,
    /// After the pause that the other side names in `Retry-After`; without one, after a minute, and then less and less often.
    Later,
    /// For somebody who was created a moment ago, again and again for up to two minutes (Qlik Cloud facts, section F.5); for
    /// everybody else, once.
    Soon,
    /// The engine keeps the session and expects its client to come back.
    Reconnect,
}

impl Retry {
    /// The word for it in [`script`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Once => "once",
            Self::Later => "later",
            Self::Soon => "soon",
            Self::Reconnect => "reconnect",
        }
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "no: it would end in the same way",
            Self::Once => "once",
            Self::Later => "after the pause that is asked for, else after a minute",
            Self::Soon => "for up to two minutes if the user is new, else once",
            Self::Reconnect => "yes: the session can be carried on",
        })
    }
}

/// What a visitor is told, on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// What happened.
    pub what: &'static str,
    /// What they can do, or whom to ask for what.
    pub advice: &'static str,
}

/// One entry of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Advice {
    /// Its name: in the log, in answers, and as the heading in `docs/troubleshooting.md`. Small letters, digits and hyphens.
    pub id: &'static str,
    /// What is seen, as somebody would look for it.
    pub symptom: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Who can do something about it.
    pub who: Who,
    /// What they can do. The first sentence says the most.
    pub remedy: &'static str,
    /// Where, in the tenant's administration or at the provider.
    pub where_to_click: Option<&'static str>,
    /// Whether to try again.
    pub retry: Retry,
    /// What visitors are told; `None` for what only an administrator meets.
    pub visitor: Option<Sentence>,
}

impl Advice {
    /// What to do, in one sentence, for a line of a log.
    pub fn in_short(&self) -> String {
        let first = self.remedy.split_once(". ").map_or(self.remedy, |(first, _)| first);
        plain(first.trim_end_matches('.'))
    }

    /// The page about it, below `docs/`.
    pub fn link(&self) -> String {
        format!("troubleshooting.md#{}", self.id)
    }
}

/// A part of the catalogue, as the documentation has it.
#[derive(Debug)]
pub struct Chapter {
    /// Its heading.
    pub title: &'static str,
    /// Its entries.
    pub entries: &'static [&'static Advice],
}

/// The whole catalogue, in the order of the way to the sheet.
pub static CHAPTERS: [Chapter; 9] = [
    Chapter { title: "Reaching the tenant", entries: calls::ENTRIES },
    Chapter { title: "Signing in to the tenant", entries: login::ENTRIES },
    Chapter { title: "The browser and the tenant", entries: browser::ENTRIES },
    Chapter { title: "Users, groups and licences", entries: people::ENTRIES },
    Chapter { title: "The app and its sheet", entries: content::ENTRIES },
    Chapter { title: "The engine's connection", entries: engine::ENTRIES },
    Chapter { title: "The flow proxy", entries: proxy::ENTRIES },
    Chapter { title: "API keys and OAuth clients", entries: oauth::ENTRIES },
    Chapter { title: "The OpenID provider", entries: provider::ENTRIES },
];

/// Every entry.
pub fn all() -> impl Iterator<Item = &'static Advice> {
    CHAPTERS.iter().flat_map(|chapter| chapter.entries).copied()
}

/// The entry with this id.
pub fn named(id: &str) -> Option<&'static Advice> {
    all().find(|advice| advice.id == id)
}

/// A text of the catalogue without the marks that say in the documentation what is code.
pub fn plain(text: &str) -> String {
    text.replace('`', "")
}

/// What visitors are told, for an entry.
const fn says(what: &'static str, advice: &'static str) -> Option<Sentence> {
    Some(Sentence { what, advice })
}
