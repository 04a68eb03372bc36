//! One `[[mapping]]` rule: for whom it is, who they are to Qlik, and what Qlik hears of them.

use std::borrow::Cow;

use super::Denied;
use super::condition::Conditions;
use super::template::Template;
use crate::identity::Identity;

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What it is called in reports: `[[mapping]] 2 (partners)`.
    pub label: String,
    /// For whom it is.
    pub when: Conditions,
    /// Who they are to Qlik.
    pub outcome: Outcome,
    /// What else Qlik hears of them.
    pub shape: Shape,
}

/// Who somebody is to Qlik.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Named by a template.
    Subject(Template),
    /// This subject, letter for letter.
    Explicit(String),
    /// Nobody; a whole sentence for the visitor says why.
    Deny(String),
}

/// Name, e-mail address and groups; what has no template is taken from the identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// The display name.
    pub name: Option<Template>,
    /// The e-mail address.
    pub email: Option<Template>,
    /// The groups, before the allow-list, other names and the cap.
    pub groups: Option<Vec<Template>>,
}

/// Everything from the identity.
pub(super) static PLAIN: Shape = Shape { name: None, email: None, groups: None };

impl Shape {
    /// A template with a hole gives the identity's own name, and without one its id: a name grants nothing.
    pub(super) fn name(&self, identity: &Identity) -> String {
        let made = self.name.as_ref().and_then(|template| template.render(identity).ok());
        let own = || Some(identity.name.trim()).filter(|name| !name.is_empty()).unwrap_or(&identity.id).to_owned();
        made.unwrap_or_else(own)
    }

    /// A template with a hole is an account without an address.
    pub(super) fn email(&self, identity: &Identity) -> Result<String, Denied> {
        let email = match &self.email {
            Some(template) => template.render(identity).ok(),
            None => identity.email.as_deref().map(|email| email.trim().to_owned()),
        };
        email.filter(|email| !email.is_empty()).ok_or(Denied::NoEmail)
    }

    /// A template with a hole gives no group: what grants less is safe.
    pub(super) fn groups<'a>(&self, identity: &'a Identity) -> Cow<'a, [String]> {
        match &self.groups {
            Some(templates) => {
                Cow::Owned(templates.iter().flat_map(|template| template.render_each(identity)).collect())
            }
            None => Cow::Borrowed(&identity.groups),
        }
    }
}
