//! Who somebody is to Qlik, and why, for whoever asks about them: the command, and the page for administrators.

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{Origin, Resolution};
use crate::identity::{Account, Identity, Source, Subject};
use crate::mapping::groups::LeftOut;
use crate::mapping::{Denied, LOOKS_LIKE_A_QLIK_ID, Mapping, Step, looks_like_a_qlik_id};
use crate::pages::Pages;
use crate::qlik::token;
use crate::store::{self, Store};

/// Somebody as an administrator describes them.
#[derive(Clone, Debug)]
pub struct Description {
    /// The way of signing in.
    pub source: Source,
    /// The id there.
    pub id: String,
    /// Display name.
    pub name: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Groups as the way of signing in names them.
    pub groups: Vec<String>,
}

impl Description {
    /// Whoever is meant: of a local account, what is not described comes from the account. `None` when there is no such
    /// account, and nothing is described.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn identity(&self, store: Option<&Store>) -> Result<Option<Identity>, store::Error> {
        let known = match (self.source, store) {
            (Source::Password, Some(store)) => store.account(&self.canonical_id()).await?,
            _ => None,
        };
        let described = self.name.is_some() || self.email.is_some() || !self.groups.is_empty();
        Ok(match known {
            Some((account, _)) => Some(self.over(account.identity())),
            None if self.source == Source::Password && !described => None,
            None => Some(self.over(self.nobody())),
        })
    }

    /// The id as the way of signing in would have it.
    pub fn canonical_id(&self) -> String {
        match self.source {
            Source::Password => Account::canonical(&self.id),
            Source::Header => self.id.trim().to_owned(),
            Source::Oidc | Source::Ticket => self.id.clone(),
        }
    }

    /// This person, with what is described in the place of what is known.
    pub fn over(&self, mut identity: Identity) -> Identity {
        if let Some(name) = &self.name {
            identity.name.clone_from(name);
        }
        if self.email.is_some() {
            identity.email.clone_from(&self.email);
        }
        if !self.groups.is_empty() {
            identity.groups.clone_from(&self.groups);
        }
        identity
    }

    fn nobody(&self) -> Identity {
        let (name, claims) = (String::new(), Map::new());
        Identity { source: self.source, id: self.canonical_id(), name, email: None, groups: Vec::new(), claims }
    }
}

/// Everything about one person.
#[derive(Debug)]
pub struct Explanation {
    /// Whom it is about.
    pub identity: Identity,
    /// The rules that were looked at.
    pub steps: Vec<Step>,
    /// What decided: a rule, or the setting that holds when no rule matches.
    pub decided_by: String,
    /// What to tell of the list or the look-up, before the rules.
    pub before_rules: Option<(&'static str, String)>,
    /// The rule by which name, e-mail address and groups are made; `None`: they are the identity's own.
    pub shaped_by: Option<String>,
    /// Who that is to Qlik, or why nobody.
    pub result: Result<Subject, Denied>,
    /// Groups that the tenant is not told of.
    pub left_out: Vec<LeftOut>,
    /// Slug and title of each page that they may see.
    pub pages: Vec<(String, String)>,
    /// What a token would say; `None` for whom gets none. What differs from token to token is told in words.
    pub claims: Option<Map<String, Value>>,
}

/// A heading, and under it names and values. There is at least one.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: &'static str,
    /// What is told; what has no value is `-`.
    pub lines: Vec<(String, String)>,
}

/// By what somebody is explained.
#[derive(Clone, Copy, Debug)]
pub struct Means<'a> {
    /// From identities to subjects.
    pub mapping: &'a Mapping,
    /// What there is to see.
    pub pages: &'a Pages,
    /// What tokens say.
    pub token: Option<&'a token::Settings>,
}

impl Explanation {
    /// Explains what came out for this identity.
    pub fn of(means: Means<'_>, identity: Identity, resolution: Resolution, now: OffsetDateTime) -> Self {
        let Resolution { origin, steps, result, in_vain, .. } = resolution;
        let by_rules = means.mapping.decide(&identity);
        let shape = match (&by_rules.rule, &by_rules.result) {
            (Some(rule), Err(Denied::ByRule { .. })) => format!(", though {rule} denies"),
            (Some(rule), _) => format!("; {rule} makes name, e-mail and groups"),
            (None, _) => "; name, e-mail and groups are the identity's own".to_owned(),
        };
        const LIST: &str = "the list of subjects";
        const LOOK_UP: &str = "SUBJECT_LOOKUP";
        let (decided_by, before_rules, steps) = match (origin, in_vain) {
            (Origin::List, _) => (LIST.to_owned(), Some((LIST, format!("names the subject{shape}"))), by_rules.steps),
            (Origin::LookUp, None) => {
                (LOOK_UP.to_owned(), Some((LOOK_UP, format!("found the user{shape}"))), by_rules.steps)
            }
            (Origin::LookUp, Some(why)) => (LOOK_UP.to_owned(), Some((LOOK_UP, why.to_string())), Vec::new()),
            (Origin::Rule(rule), why) => (rule, why.map(|why| (LOOK_UP, why.to_string())), steps),
            (Origin::Template, why) => {
                let unmapped = matches!(result, Err(Denied::Unmapped));
                let setting = if unmapped { "SUBJECT_UNMAPPED" } else { "SUBJECT_TEMPLATE" };
                (setting.to_owned(), why.map(|why| (LOOK_UP, why.to_string())), steps)
            }
        };
        let shaped_by = by_rules.rule.filter(|_| result.is_ok());
        let (mut left_out, mut pages, mut claims) = (Vec::new(), Vec::new(), None);
        if let Ok(subject) = &result {
            left_out = means.mapping.left_out(&identity);
            pages = means.pages.visible_to(&identity).map(|page| (page.slug.to_string(), page.title.clone())).collect();
            claims = means.token.map(|token| claims_of(subject, token, now));
        }
        Self { identity, decided_by, before_rules, shaped_by, steps, result, left_out, pages, claims }
    }

    /// What to think of, if there is something.
    pub fn note(&self) -> Option<String> {
        let subject = self.result.as_ref().ok().filter(|subject| looks_like_a_qlik_id(&subject.id))?;
        Some(format!("{} {LOOKS_LIKE_A_QLIK_ID}", subject.id))
    }

    /// All of it, to be read from top to bottom.
    pub fn sections(&self) -> Vec<Section> {
        let sections = [self.who(), self.why(), self.outcome(), self.what_opens(), self.what_is_sent()];
        sections.into_iter().filter(|section| !section.lines.is_empty()).collect()
    }

    fn who(&self) -> Section {
        let Identity { source, id, name, email, groups, claims } = &self.identity;
        let claims = if claims.is_empty() { String::new() } else { Value::from(claims.clone()).to_string() };
        let lines = [
            ("source", source.to_string()),
            ("id", id.clone()),
            ("name", name.clone()),
            ("e-mail", email.clone().unwrap_or_default()),
            ("groups", quoted(groups)),
            ("claims", claims),
        ];
        section("Identity", lines)
    }

    fn why(&self) -> Section {
        let mut lines: Vec<(&str, String)> = self.before_rules.iter().cloned().collect();
        lines.extend(self.steps.iter().map(|step| (step.rule.as_str(), verdict(step))));
        if ["SUBJECT_TEMPLATE", "SUBJECT_UNMAPPED"].contains(&&*self.decided_by) {
            let why = if self.steps.is_empty() { "there are no rules" } else { "no rule matches" };
            lines.push((&self.decided_by, format!("decides: {why}")));
        }
        section("Mapping", lines)
    }

    fn outcome(&self) -> Section {
        let Subject { id, name, email, groups } = match &self.result {
            Ok(subject) => subject,
            Err(denied) => {
                return section("Denied", [("because", denied.why()), ("visitor", denied.to_string())]);
            }
        };
        let mut lines = vec![
            ("subject", id.clone()),
            ("name", name.clone()),
            ("e-mail", email.clone()),
            ("groups", quoted(groups)),
        ];
        let left_out = |LeftOut { group, reason }: &LeftOut| ("not sent", format!("{group:?}: {reason}"));
        lines.extend(self.left_out.iter().map(left_out));
        lines.extend(self.note().map(|note| ("note", note)));
        section("Qlik", lines)
    }

    fn what_opens(&self) -> Section {
        let pages: Vec<_> = self.pages.iter().map(|(slug, title)| (format!("/embed/{slug}"), title.clone())).collect();
        section("Pages", pages.iter().map(|(path, title)| (path.as_str(), title.clone())))
    }

    fn what_is_sent(&self) -> Section {
        let lines = token::MEANINGS.iter().filter_map(|(name, _)| {
            let value = self.claims.as_ref()?.get(*name)?;
            // These differ from token to token: what stands there is no value.
            let in_words = value.as_str().filter(|_| ["jti", "iat", "nbf", "exp"].contains(name));
            Some((*name, in_words.map_or_else(|| value.to_string(), |words| format!("({words})"))))
        });
        section("Claims", lines)
    }
}

/// What a token made now would say. What differs from token to token is told in words.
fn claims_of(subject: &Subject, settings: &token::Settings, now: OffsetDateTime) -> Map<String, Value> {
    let claims = serde_json::to_value(token::claims(subject, settings, now, ""));
    let Ok(Value::Object(mut claims)) = claims else { return Map::new() };
    let seconds = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (before, after) = (seconds("iat") - seconds("nbf"), seconds("exp") - seconds("iat"));
    claims.insert("jti".into(), "random, another in each token".into());
    claims.insert("iat".into(), "when the token is made".into());
    claims.insert("nbf".into(), format!("{before} s before iat").into());
    claims.insert("exp".into(), format!("{after} s after iat").into());
    claims
}

fn verdict(step: &Step) -> String {
    step.reason.as_ref().map_or_else(|| "matches".to_owned(), |reason| format!("no: {reason}"))
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// A heading and its lines.
fn section<'a>(title: &'static str, lines: impl IntoIterator<Item = (&'a str, String)>) -> Section {
    let told = |value: String| if value.is_empty() { "-".to_owned() } else { value };
    Section { title, lines: lines.into_iter().map(|(name, value)| (name.to_owned(), told(value))).collect() }
}
