//! For whom a rule is.

use std::fmt::Display;

use serde_json::{Number, Value};

use super::claims;
use super::pattern::Pattern;
use crate::identity::{Identity, Source};

/// Conditions that all must hold; without any, everybody is meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions(pub Vec<Condition>);

/// One condition. Of several values, one must fit.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// The way of signing in.
    Source(Vec<Source>),
    /// The id within its source, letter for letter.
    Id(Vec<Pattern>),
    /// The e-mail address; case says nothing, the patterns are in small letters.
    Email(Vec<Pattern>),
    /// What stands behind the address's last `@`; case says nothing, the patterns are in small letters.
    EmailDomain(Vec<Pattern>),
    /// One of the groups, as the source names it.
    Group(Vec<Pattern>),
    /// A claim, or when it is a list one of its items.
    Claim(String, Vec<Expected>),
    /// One of these claims is there.
    HasClaim(Vec<String>),
    /// One of these claims is not there.
    LacksClaim(Vec<String>),
}

/// What a claim may be. Kinds differ: the text "3" is not the number 3.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    /// A text that fits.
    Text(Pattern),
    /// This number.
    Number(Number),
    /// This truth.
    Truth(bool),
}

impl Conditions {
    /// The first condition that does not hold, in words; `None` when all do.
    pub fn unmet(&self, identity: &Identity) -> Option<String> {
        self.0.iter().find_map(|condition| condition.unmet(identity))
    }

    /// Whether no more than one identity can meet them: one source and one id, without patterns.
    pub fn name_one_identity(&self) -> bool {
        let one_source = |condition: &Condition| matches!(condition, Condition::Source(sources) if sources.len() == 1);
        let one_id =
            |condition: &Condition| matches!(condition, Condition::Id(ids) if ids.len() == 1 && ids[0].is_exact());
        self.0.iter().any(one_source) && self.0.iter().any(one_id)
    }

    /// The sources that can meet them.
    pub fn sources(&self) -> &[Source] {
        let sources = self.0.iter().find_map(|condition| match condition {
            Condition::Source(sources) => Some(sources.as_slice()),
            _ => None,
        });
        sources.unwrap_or(&Source::ALL)
    }
}

impl Condition {
    fn unmet(&self, identity: &Identity) -> Option<String> {
        match self {
            Self::Source(sources) => {
                let own = identity.source;
                (!sources.contains(&own)).then(|| format!("the source is {own}, not {}", any(sources)))
            }
            Self::Id(ids) => unmet_text("the id", Some(&identity.id), ids),
            Self::Email(emails) => {
                let own = email(identity);
                unmet_text("the e-mail address", own.as_deref(), emails)
            }
            Self::EmailDomain(domains) => {
                let own = email(identity);
                let domain = own.as_deref().and_then(|email| email.rsplit_once('@')).map(|(_, domain)| domain);
                unmet_text("the e-mail domain", domain, domains)
            }
            Self::Group(groups) => {
                let fits = |own: &String| groups.iter().any(|group| group.matches(own.trim()));
                let none = || match identity.groups.len() {
                    0 => format!("there are no groups, and it asks for {}", any(groups)),
                    count => format!("none of the groups ({count}) is {}", any(groups)),
                };
                (!identity.groups.iter().any(fits)).then(none)
            }
            Self::Claim(path, expected) => unmet_claim(identity, path, expected),
            Self::HasClaim(paths) => {
                let missing = paths.iter().all(|path| claims::find(&identity.claims, path).is_none());
                missing.then(|| format!("there is no claim {}", any(paths)))
            }
            Self::LacksClaim(paths) => {
                let there = paths.iter().all(|path| claims::find(&identity.claims, path).is_some());
                there.then(|| format!("there is a claim {}", any(paths)))
            }
        }
    }
}

fn email(identity: &Identity) -> Option<String> {
    identity.email.as_deref().map(|email| email.trim().to_lowercase()).filter(|email| !email.is_empty())
}

fn unmet_text(what: &str, own: Option<&str>, patterns: &[Pattern]) -> Option<String> {
    match own {
        Some(own) if patterns.iter().any(|pattern| pattern.matches(own)) => None,
        Some(own) => Some(format!("{what} is {own:?}, not {}", any(patterns))),
        None => Some(format!("{what} is missing")),
    }
}

fn unmet_claim(identity: &Identity, path: &str, expected: &[Expected]) -> Option<String> {
    let Some(value) = claims::find(&identity.claims, path) else { return Some(format!("claim {path} is missing")) };
    let fits = |value: &Value| expected.iter().any(|expected| expected.fits(value));
    match value {
        Value::Array(items) if items.iter().any(fits) => None,
        Value::Array(items) => {
            Some(format!("none of the items ({}) of claim {path} is {}", items.len(), any(expected)))
        }
        value if fits(value) => None,
        Value::Object(_) => Some(format!("claim {path} is an object, not {}", any(expected))),
        value => Some(format!("claim {path} is {}, not {}", short(value), any(expected))),
    }
}

impl Expected {
    fn fits(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(pattern), Value::String(text)) => pattern.matches(text.trim()),
            (Self::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
            (Self::Truth(one), Value::Bool(other)) => one == other,
            _ => false,
        }
    }
}

impl Display for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(pattern) => pattern.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Truth(truth) => truth.fmt(f),
        }
    }
}

/// `a`, or `a or b`, or `one of a, b, c`.
fn any<T: Display>(items: &[T]) -> String {
    let texts: Vec<_> = items.iter().map(T::to_string).collect();
    match &texts[..] {
        [one] => one.clone(),
        [one, other] => format!("{one} or {other}"),
        several => format!("one of {}", several.join(", ")),
    }
}

/// A value for a report, with an end.
fn short(value: &Value) -> String {
    const ENOUGH: usize = 80;
    let text = value.to_string();
    match text.char_indices().nth(ENOUGH) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
