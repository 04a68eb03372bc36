//! The rules from [`Identity`] to [`Subject`]: pure, so that the same person is the same subject, always.
//!
//! Today there is one rule, `SUBJECT_TEMPLATE`. A rule that could give two people one subject, or one person two, is
//! refused when it is read: a subject that changes is a new Qlik user on each visit, with a burnt licence and lost
//! bookmarks (Qlik Cloud facts, sections A.4 and A.7).

use crate::identity::{Identity, Subject};

/// All rules, checked.
#[derive(Clone, Debug)]
pub struct Mapping {
    template: Template,
}

/// Why this visitor has no subject. The message is for the visitor.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Denied {
    /// Qlik requires an address in each token (Qlik Cloud facts, section A.3).
    #[error("your account has no e-mail address, and Qlik asks for one")]
    NoEmail,
    /// The template came out empty for this identity.
    #[error("your account has nothing from which a Qlik user could be named")]
    NoSubject,
}

impl Mapping {
    /// A mapping by this template alone.
    pub fn new(template: Template) -> Self {
        Self { template }
    }

    /// Who this identity is to Qlik.
    ///
    /// # Errors
    /// When the identity lacks what the template or Qlik needs: then this visitor is denied.
    pub fn subject(&self, identity: &Identity) -> Result<Subject, Denied> {
        let id = self.template.render(identity).ok_or(Denied::NoSubject)?;
        let email =
            identity.email.as_deref().map(str::trim).filter(|email| !email.is_empty()).ok_or(Denied::NoEmail)?;
        let name = if identity.name.trim().is_empty() { &identity.id } else { identity.name.trim() };
        let mut groups: Vec<_> =
            identity.groups.iter().map(|group| group.trim().to_owned()).filter(|group| !group.is_empty()).collect();
        groups.sort();
        groups.dedup();
        Ok(Subject { id, name: name.to_owned(), email: email.to_owned(), groups })
    }
}

/// A subject template such as `{source}|{id}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

/// What a template may take from an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Source,
    Id,
    Email,
}

/// Why a text cannot be a subject template.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// Nothing there.
    #[error("is empty, and so would be every subject")]
    Empty,
    /// A brace without its partner.
    #[error("has a brace without its partner")]
    Unbalanced,
    /// A word in braces that is no field.
    #[error("has {{{0}}}, which is not known; there are {{source}}, {{id}} and {{email}}")]
    Unknown(String),
    /// A field that does not stay the same for one person.
    #[error("has {{{0}}}, which can change: one person would become several Qlik users")]
    Changing(String),
    /// Nothing in it tells two people apart.
    #[error("is the same for several people, who would see each other's data; it needs {{id}} or {{email}}")]
    NotUnique,
    /// Two fields touch, so that different people can give one text ("a"+"bc" and "ab"+"c").
    #[error("has two fields with nothing between them, so two people could share one subject; put | between them")]
    Touching,
}

/// Words that people try, and that would make one person's subject differ from one time to another.
const CHANGING: [&str; 12] =
    ["name", "random", "uuid", "now", "time", "date", "iat", "jti", "session", "sid", "auth_time", "nonce"];

impl Template {
    /// Reads a template; text outside braces stands for itself.
    ///
    /// # Errors
    /// When it is malformed, or would give an empty, changing or shared subject.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(TemplateError::Empty);
        }
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
            let (name, after) = after.split_once('}').ok_or(TemplateError::Unbalanced)?;
            parts.push(Part::Field(Field::parse(name.trim())?));
            rest = after;
        }
        let template = Self(parts);
        template.check_unique()?;
        Ok(template)
    }

    fn check_unique(&self) -> Result<(), TemplateError> {
        if !self.0.iter().any(|part| matches!(part, Part::Field(Field::Id | Field::Email))) {
            return Err(TemplateError::NotUnique);
        }
        // Sources are a fixed set of words of which none begins another, so {source} may touch what follows it.
        let touching = |pair: &[Part]| matches!(pair, [Part::Field(a), Part::Field(_)] if *a != Field::Source);
        if self.0.windows(2).any(touching) { Err(TemplateError::Touching) } else { Ok(()) }
    }

    /// `None` when a field is empty for this identity: a subject with a hole in it could be anybody's.
    fn render(&self, identity: &Identity) -> Option<String> {
        let mut subject = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => subject.push_str(text),
                Part::Field(field) => subject.push_str(field.value(identity)?),
            }
        }
        Some(subject)
    }
}

impl Field {
    fn parse(name: &str) -> Result<Self, TemplateError> {
        match name {
            "source" => Ok(Self::Source),
            "id" => Ok(Self::Id),
            "email" => Ok(Self::Email),
            _ if CHANGING.contains(&name) => Err(TemplateError::Changing(name.to_owned())),
            _ => Err(TemplateError::Unknown(name.to_owned())),
        }
    }

    fn value(self, identity: &Identity) -> Option<&str> {
        let value = match self {
            Self::Source => identity.source.as_str(),
            Self::Id => &identity.id,
            Self::Email => identity.email.as_deref()?.trim(),
        };
        (!value.trim().is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::Source;

    fn ada() -> Identity {
        Identity {
            source: Source::Password,
            id: "ada".into(),
            name: "Ada Lovelace".into(),
            email: Some("ada@example.com".into()),
            groups: vec!["sales".into(), "all".into(), " sales ".into(), String::new()],
            claims: serde_json::Map::new(),
        }
    }

    fn subject(template: &str, identity: &Identity) -> Result<Subject, Denied> {
        Mapping::new(Template::parse(template).expect("a good template")).subject(identity)
    }

    #[test]
    fn templates_take_fields_and_text() {
        for (template, expected) in [
            ("{source}|{id}", "password|ada"),
            ("{id}", "ada"),
            ("{email}", "ada@example.com"),
            ("acme\\{ id }", "acme\\ada"),
            ("{source}{id}", "passwordada"),
            ("{id} <{email}>", "ada <ada@example.com>"),
        ] {
            assert_eq!(subject(template, &ada()).map(|subject| subject.id).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn templates_that_cannot_name_one_person_are_refused() {
        for (template, problem) in [
            ("", TemplateError::Empty),
            ("   ", TemplateError::Empty),
            ("everyone", TemplateError::NotUnique),
            ("{source}", TemplateError::NotUnique),
            ("{name}|{id}", TemplateError::Changing("name".into())),
            ("{id", TemplateError::Unbalanced),
            ("id}", TemplateError::Unbalanced),
            ("{id}}", TemplateError::Unbalanced),
            ("{id}{", TemplateError::Unbalanced),
            ("{{id}}", TemplateError::Unknown("{id".into())),
            ("{}|{id}", TemplateError::Unknown(String::new())),
            ("{Id}", TemplateError::Unknown("Id".into())),
            ("{id}|{random}", TemplateError::Changing("random".into())),
            ("{auth_time}|{id}", TemplateError::Changing("auth_time".into())),
            ("{id}{email}", TemplateError::Touching),
        ] {
            assert_eq!(Template::parse(template), Err(problem), "{template}");
        }
    }

    #[test]
    fn a_subject_is_whole_or_denied() {
        assert_eq!(
            subject("{source}|{id}", &ada()),
            Ok(Subject {
                id: "password|ada".into(),
                name: "Ada Lovelace".into(),
                email: "ada@example.com".into(),
                groups: vec!["all".into(), "sales".into()],
            })
        );
        assert_eq!(subject("{id}", &Identity { email: None, ..ada() }), Err(Denied::NoEmail));
        assert_eq!(subject("{id}", &Identity { email: Some(" ".into()), ..ada() }), Err(Denied::NoEmail));
        assert_eq!(subject("{email}", &Identity { email: None, ..ada() }), Err(Denied::NoSubject));
        assert_eq!(subject("{source}|{id}", &Identity { id: " ".into(), ..ada() }), Err(Denied::NoSubject));
        let unnamed = subject("{id}", &Identity { name: String::new(), ..ada() });
        assert_eq!(unnamed.map(|subject| subject.name).as_deref(), Ok("ada"));
    }

    proptest! {
        #[test]
        fn the_same_person_is_the_same_subject(id in "\\S{1,20}", mut groups in proptest::collection::vec("[a-c]{0,2}", 0..6)) {
            let one = Identity { id, groups: groups.clone(), ..ada() };
            groups.reverse();
            let other = Identity { groups, ..one.clone() };
            let subject = subject("{source}|{id}", &one);
            prop_assert!(subject.as_ref().is_ok_and(|subject| !subject.id.is_empty()));
            prop_assert_eq!(subject, super::tests::subject("{source}|{id}", &other));
        }

        #[test]
        fn different_people_are_different_subjects(one in "[a-z| ]{1,5}[a-z]", other in "[a-z| ]{1,5}[a-z]") {
            prop_assume!(one != other);
            let subject = |id: &str| subject("{source}|{id}", &Identity { id: id.to_owned(), ..ada() });
            prop_assert_ne!(subject(&one), subject(&other));
        }
    }
}
