//! The rules from [`Identity`] to [`Subject`]: pure, so that the same person is the same subject, always.
//!
//! The first rule whose conditions hold decides; when none does, `SUBJECT_TEMPLATE` does, or nobody is let in. A rule
//! that could give two people one subject, or one person two, is refused when it is read: a subject that changes is a
//! new Qlik user on each visit, with a burnt licence and lost bookmarks (Qlik Cloud facts, sections A.4 and A.7). What
//! only a store can tell, that two people did get one subject, is not told here.

use std::sync::Arc;

use crate::identity::{Identity, Subject};

pub mod claims;
pub mod condition;
pub mod groups;
pub mod pattern;
pub mod rule;
pub mod template;
mod warned;

use groups::{Groups, LeftOut};
use rule::{Outcome, PLAIN, Rule, Shape};
use template::Template;
use warned::Warned;

/// All rules, checked.
#[derive(Clone, Debug)]
pub struct Mapping {
    rules: Vec<Rule>,
    /// Who somebody is whom no rule takes; `None`: nobody.
    fallback: Option<Template>,
    groups: Groups,
    warned: Arc<Warned>,
}

/// Who somebody is to Qlik, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The rules that were looked at, in order; the last one matched, if any did. Empty without rules.
    pub steps: Vec<Step>,
    /// The rule that matched; `None` when none did.
    pub rule: Option<String>,
    /// Whether that rule names the subject letter for letter.
    pub explicit: bool,
    /// What comes out.
    pub result: Result<Subject, Denied>,
}

/// One rule that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule, as in `[[mapping]] 2 (partners)`.
    pub rule: String,
    /// Why it did not match; `None` when it did.
    pub reason: Option<String>,
}

/// Why this visitor has no subject. The message is for the visitor; [`Denied::why`] is for the administrator.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Denied {
    /// Qlik requires an address in each token (Qlik Cloud facts, section A.3).
    #[error("your account has no e-mail address, and Qlik asks for one")]
    NoEmail,
    /// The template has a hole for this identity.
    #[error("your account has nothing from which a Qlik user could be named")]
    NoSubject {
        /// What is empty or missing, as it stands in the template.
        field: String,
    },
    /// No rule is for this identity, and `SUBJECT_UNMAPPED` is `deny`.
    #[error("your account is not among those that may see it")]
    Unmapped,
    /// A rule denies, in the administrator's words.
    #[error("{sentence}")]
    ByRule {
        /// The rule, as in `[[mapping]] 2 (partners)`.
        rule: String,
        /// A whole sentence for the visitor.
        sentence: String,
    },
    /// Another identity holds the subject.
    #[error("the Qlik user that is meant for you belongs to another account")]
    SubjectTaken {
        /// The subject.
        subject: String,
        /// The key of the identity that holds it.
        by: String,
    },
    /// The tenant was asked who this is, and the answer was not one user.
    #[error("Qlik Cloud does not have exactly one user with your e-mail address")]
    NotOneUser {
        /// What it was instead.
        why: String,
    },
    /// The tenant cannot be asked for this address.
    #[error("your e-mail address has characters that cannot be looked up in Qlik Cloud")]
    UnusableEmail,
}

impl Denied {
    /// The reason in an administrator's terms, as the end of a line.
    pub fn why(&self) -> String {
        match self {
            Self::NoEmail => "there is no e-mail address, and Qlik asks for one".to_owned(),
            Self::NoSubject { field } => format!("the template asks for {field}, which is empty or missing"),
            Self::Unmapped => "no rule matches, and SUBJECT_UNMAPPED is deny".to_owned(),
            Self::ByRule { rule, .. } => format!("{rule} says so"),
            Self::SubjectTaken { subject, by } => format!(
                "the subject {subject} belongs to {by}; `subjects release {by}` frees it, `subjects set` gives it to \
                 another identity"
            ),
            Self::UnusableEmail => "the e-mail address has characters that cannot be looked up, so the tenant was not \
                 asked, and SUBJECT_LOOKUP_ELSE is deny; `subjects set` names the subject by hand"
                .to_owned(),
            Self::NotOneUser { why } => {
                format!("{why}, and SUBJECT_LOOKUP_ELSE is deny; `subjects set` names the subject by hand")
            }
        }
    }
}

impl Mapping {
    /// These rules, in this order; `fallback` is for whom no rule takes, and without it they are denied.
    pub fn new(rules: Vec<Rule>, fallback: Option<Template>, groups: Groups) -> Self {
        Self { rules, fallback, groups, warned: Arc::default() }
    }

    /// Which rule decides for this identity, why the earlier ones did not, and what comes out.
    pub fn decide(&self, identity: &Identity) -> Decision {
        let mut steps = Vec::new();
        for rule in &self.rules {
            let reason = rule.when.unmet(identity);
            let matched = reason.is_none();
            steps.push(Step { rule: rule.label.clone(), reason });
            if matched {
                let result = self.outcome(rule, identity);
                let explicit = matches!(rule.outcome, Outcome::Explicit(_));
                return Decision { steps, rule: Some(rule.label.clone()), explicit, result };
            }
        }
        let result = match &self.fallback {
            Some(template) => self.subject(identity, &PLAIN, |identity| template.subject(identity)),
            None => Err(Denied::Unmapped),
        };
        Decision { steps, rule: None, explicit: false, result }
    }

    /// The subject of this id for an identity whose id was found elsewhere, in a list or by a look-up: name, e-mail and
    /// groups as the mapping makes them. A rule that denies does not deny here: what was found elsewhere counts more.
    ///
    /// # Errors
    /// When the identity lacks what Qlik needs.
    pub fn complete(&self, identity: &Identity, id: &str) -> Result<Subject, Denied> {
        self.subject(identity, self.shape_for(identity), |_| Ok(id.to_owned()))
    }

    /// The groups of this identity that the subject does not have, each with the reason.
    pub fn left_out(&self, identity: &Identity) -> Vec<LeftOut> {
        let mut left_out = Vec::new();
        let names = self.shape_for(identity).groups(identity);
        self.groups.apply(&names, |group, reason| left_out.push(LeftOut { group: group.to_owned(), reason }));
        left_out
    }

    fn shape_for(&self, identity: &Identity) -> &Shape {
        let rule = self.rules.iter().find(|rule| rule.when.unmet(identity).is_none());
        rule.map_or(&PLAIN, |rule| &rule.shape)
    }

    fn outcome(&self, rule: &Rule, identity: &Identity) -> Result<Subject, Denied> {
        match &rule.outcome {
            Outcome::Subject(template) => self.subject(identity, &rule.shape, |identity| template.subject(identity)),
            Outcome::Explicit(id) => self.subject(identity, &rule.shape, |_| Ok(id.clone())),
            Outcome::Deny(sentence) => Err(Denied::ByRule { rule: rule.label.clone(), sentence: sentence.clone() }),
        }
    }

    fn subject(
        &self,
        identity: &Identity,
        shape: &Shape,
        id: impl FnOnce(&Identity) -> Result<String, Denied>,
    ) -> Result<Subject, Denied> {
        let id = id(identity)?;
        let email = shape.email(identity)?;
        let name = shape.name(identity);
        let mut lost = 0;
        let groups = self.groups.apply(&shape.groups(identity), |_, reason| lost += usize::from(reason.is_a_loss()));
        if lost > 0 && self.warned.first(("groups", identity.source.as_str(), &identity.id)) {
            tracing::warn!(identity = identity.key(), groups = groups.len(), lost, "{}", groups::LOST);
        }
        if looks_like_a_qlik_id(&id) && self.warned.first(("id", "", &id)) {
            tracing::warn!(identity = identity.key(), subject = id, "the subject {LOOKS_LIKE_A_QLIK_ID}");
        }
        Ok(Subject { id, name, email, groups })
    }
}

/// Whether a subject has the form of a Qlik user id: 24 hexadecimal digits, or the older 32 characters (Qlik Cloud
/// facts, section A.4). It may still be somebody's honest id, so this is worth a warning and no more.
pub fn looks_like_a_qlik_id(subject: &str) -> bool {
    match subject.len() {
        24 => subject.bytes().all(|byte| byte.is_ascii_hexdigit()),
        32 => subject.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')),
        _ => false,
    }
}

/// What to tell about such a subject, as the end of a sentence.
pub const LOOKS_LIKE_A_QLIK_ID: &str = "looks like the id of a Qlik user, which is what the address of users/me shows; \
     as a subject it makes a new user. To be an existing user, take the field \"subject\" of that user instead";

#[cfg(test)]
mod tests;
