//! Templates such as `{source}|{id}`, and the guards against those that cannot name one person.

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::{Denied, claims};
use crate::identity::Identity;

mod guard;
mod parse;

pub use parse::TemplateError;

/// Text with fields in braces, each perhaps with filters: `{email|lower}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field, Vec<Filter>),
}

/// What a template makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A subject: the same for one person always, and different for two.
    Subject,
    /// An e-mail address: different for two people.
    Email,
    /// A display name.
    Name,
    /// Groups: one for each of the visitor's groups, or for each item of a claim, when the template has one of these.
    Group,
}

/// What a template may take from an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Field {
    Source,
    Id,
    Email,
    Name,
    Group,
    Claim(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filter {
    Lower,
    Trim,
    Sha256,
}

/// The field that is empty or missing: a text with a hole in it could be anybody's.
#[derive(Debug)]
pub(super) struct Hole<'t>(&'t Field);

impl Template {
    /// Reads a template for subjects; text outside braces stands for itself.
    ///
    /// # Errors
    /// When it is malformed, or would give an empty, changing or shared subject.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::parse_for(Purpose::Subject, text)
    }

    /// Reads a template for something else.
    ///
    /// # Errors
    /// When it is malformed, or not fit for its purpose.
    pub fn parse_for(purpose: Purpose, text: &str) -> Result<Self, TemplateError> {
        let template = Self(parse::parts(purpose, text)?);
        guard::check(purpose, &template.0)?;
        Ok(template)
    }

    /// Whether two sources can make one text of one id.
    pub fn tells_sources_apart(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Field(Field::Source, _)))
    }

    /// The subject of an identity.
    pub(super) fn subject(&self, identity: &Identity) -> Result<String, Denied> {
        self.render(identity).map_err(|Hole(field)| Denied::NoSubject { field: field.to_string() })
    }

    pub(super) fn render(&self, identity: &Identity) -> Result<String, Hole<'_>> {
        self.render_with(identity, None)
    }

    /// The groups that this makes of an identity: none where there is a hole.
    pub(super) fn render_each(&self, identity: &Identity) -> Vec<String> {
        let many = self.0.iter().find_map(|part| match part {
            Part::Field(field, _) => field.values(identity),
            Part::Text(_) => None,
        });
        match many {
            Some(values) => values.iter().filter_map(|value| self.render_with(identity, Some(value)).ok()).collect(),
            None => self.render(identity).into_iter().collect(),
        }
    }

    /// `one` stands for the field that may have many values.
    fn render_with(&self, identity: &Identity, one: Option<&str>) -> Result<String, Hole<'_>> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Field(field, filters) => {
                    let value = match (field, one) {
                        (Field::Group | Field::Claim(_), Some(one)) => Some(Cow::Borrowed(one)),
                        _ => field.value(identity),
                    };
                    text.push_str(&filtered(value, filters).ok_or(Hole(field))?);
                }
            }
        }
        Ok(text)
    }
}

/// Nothing and blanks are a hole before any filter: the hash of nothing would be a text that people share. Control
/// characters are in no honest name.
fn filtered<'a>(value: Option<Cow<'a, str>>, filters: &[Filter]) -> Option<Cow<'a, str>> {
    let value = value.filter(|value| !value.trim().is_empty() && !value.chars().any(char::is_control))?;
    Some(filters.iter().fold(value, |value, filter| filter.apply(value)))
}

impl Filter {
    fn apply(self, value: Cow<'_, str>) -> Cow<'_, str> {
        match self {
            Self::Lower => value.to_lowercase().into(),
            Self::Trim => value.trim().to_owned().into(),
            Self::Sha256 => {
                let hash = digest(&SHA256, value.as_bytes());
                hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
            }
        }
    }
}

impl Field {
    fn value<'a>(&self, identity: &'a Identity) -> Option<Cow<'a, str>> {
        match self {
            Self::Source => Some(identity.source.as_str().into()),
            Self::Id => Some(identity.id.as_str().into()),
            Self::Email => Some(identity.email.as_deref()?.trim().into()),
            Self::Name => Some(identity.name.trim().into()),
            Self::Group => None,
            Self::Claim(path) => text_of(claims::find(&identity.claims, path)?),
        }
    }

    /// The values of a field that has several; `None` when it has one at the most.
    fn values<'a>(&self, identity: &'a Identity) -> Option<Vec<Cow<'a, str>>> {
        match self {
            Self::Group => Some(identity.groups.iter().map(|group| Cow::Borrowed(group.trim())).collect()),
            Self::Claim(path) => {
                let items = claims::find(&identity.claims, path)?.as_array()?;
                Some(items.iter().filter_map(text_of).collect())
            }
            _ => None,
        }
    }
}

/// Texts and whole numbers; whatever else a claim is has no one way of being written.
fn text_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string().into()),
        _ => None,
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("{source}"),
            Self::Id => f.write_str("{id}"),
            Self::Email => f.write_str("{email}"),
            Self::Name => f.write_str("{name}"),
            Self::Group => f.write_str("{group}"),
            Self::Claim(path) => write!(f, "{{claims.{path}}}"),
        }
    }
}

#[cfg(test)]
mod tests;
