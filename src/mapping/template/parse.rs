//! From a text to the parts of a template.

use super::{Field, Filter, Part, Purpose, guard};

/// Why a text cannot be a template.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// Nothing there.
    #[error("is empty, and so would be everything that it makes")]
    Empty,
    /// A control character.
    #[error("has control characters")]
    Control,
    /// A brace without its partner.
    #[error("has a brace without its partner")]
    Unbalanced,
    /// A word in braces that is no field.
    #[error("has {{{0}}}, which is not known; there are {1}")]
    Unknown(String, &'static str),
    /// A word behind `|` in braces that is no filter.
    #[error("has the filter {0:?}, which is not known; there are lower, trim and sha256")]
    UnknownFilter(String),
    /// A field that does not stay the same for one person.
    #[error("has {{{0}}}, which can change: one person would become several Qlik users")]
    Changing(String),
    /// A name that a person chooses and may give up (OpenID Connect Core 1.0, section 5.7).
    #[error(
        "has {{{0}}}, which people can change, and which may become somebody else's; write {{id}}, the provider's own name for the person"
    )]
    Chosen(String),
    /// Nothing in it tells two people apart.
    #[error(
        "is the same for several people, who would see each other's data; it needs {{id}}, {{email}} or a claim that is one person's"
    )]
    NotUnique,
    /// Nothing in it tells two people's addresses apart (Qlik Cloud facts, section A.4).
    #[error(
        "is the same for several people, and Qlik locks users with one address out; it needs {{id}}, {{email}} or a claim that is one person's"
    )]
    OneAddress,
    /// Two fields touch, so that different people can give one text ("a"+"bc" and "ab"+"c").
    #[error("has two fields with nothing between them, so two people could share one subject; put | between them")]
    Touching,
    /// Two fields that may have many values.
    #[error("has two fields that may have several values; write a template for each")]
    TwoLists,
}

pub(super) fn parts(purpose: Purpose, text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(TemplateError::Empty);
    }
    if rest.chars().any(char::is_control) {
        return Err(TemplateError::Control);
    }
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (literal, after) = rest.split_once('{').unwrap_or((rest, ""));
        if literal.contains('}') || (literal.len() < rest.len() && after.is_empty()) {
            return Err(TemplateError::Unbalanced);
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal.to_owned()));
        }
        if literal.len() == rest.len() {
            break;
        }
        let (inside, after) = after.split_once('}').ok_or(TemplateError::Unbalanced)?;
        let mut words = inside.split('|').map(str::trim);
        let field = field(purpose, words.next().unwrap_or_default())?;
        parts.push(Part::Field(field, words.map(filter).collect::<Result<_, _>>()?));
        rest = after;
    }
    Ok(parts)
}

fn field(purpose: Purpose, name: &str) -> Result<Field, TemplateError> {
    use Purpose::{Group, Subject};
    match name {
        "source" => Ok(Field::Source),
        "id" => Ok(Field::Id),
        "email" => Ok(Field::Email),
        _ if purpose == Subject && guard::changes(name) => Err(TemplateError::Changing(name.to_owned())),
        _ if purpose == Subject && guard::is_chosen(name) => Err(TemplateError::Chosen(name.to_owned())),
        "name" => Ok(Field::Name),
        "group" if purpose == Group => Ok(Field::Group),
        _ => match name.strip_prefix("claims.").filter(|path| !path.is_empty()) {
            Some(path) => Ok(Field::Claim(path.to_owned())),
            None => Err(TemplateError::Unknown(name.to_owned(), known(purpose))),
        },
    }
}

fn known(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Subject => "{source}, {id}, {email} and {claims.x}",
        Purpose::Email | Purpose::Name => "{source}, {id}, {email}, {name} and {claims.x}",
        Purpose::Group => "{group}, {source}, {id}, {email}, {name} and {claims.x}",
    }
}

fn filter(name: &str) -> Result<Filter, TemplateError> {
    match name {
        "lower" => Ok(Filter::Lower),
        "trim" => Ok(Filter::Trim),
        "sha256" => Ok(Filter::Sha256),
        _ => Err(TemplateError::UnknownFilter(name.to_owned())),
    }
}
