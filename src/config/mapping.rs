//! Settings of the mapping: `[[mapping]]` rules, `SUBJECT_*`, `[groups]` and `GROUPS_*`.

use serde::Deserialize;
use toml::{Table, Value};

use super::reader::{Reader, line};
use crate::identity::Source;
use crate::mapping::condition::{Condition, Conditions, Expected};
use crate::mapping::pattern::Pattern;
use crate::mapping::rule::{Outcome, Rule, Shape};
use crate::mapping::template::{Purpose, Template};
use crate::mapping::{LOOKS_LIKE_A_QLIK_ID, Mapping, looks_like_a_qlik_id};

mod groups;

const RULE: &str = "a rule has when, one of subject, explicit and deny, and perhaps name, description, display_name, email \
                    and groups: see docs/mapping.md";
const TEMPLATE: &str = "write a template such as {source}|{id}";
/// A sentence for a visitor has an end.
const LONGEST_SENTENCE: usize = 500;

/// A rule as it was typed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: Option<String>,
    /// For whoever reads the file.
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(default)]
    when: When,
    subject: Option<String>,
    explicit: Option<String>,
    deny: Option<String>,
    display_name: Option<String>,
    email: Option<String>,
    groups: Option<Texts>,
}

/// Conditions as they were typed.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    source: Option<Texts>,
    id: Option<Texts>,
    email: Option<Texts>,
    email_domain: Option<Texts>,
    group: Option<Texts>,
    claims: Option<Table>,
    has_claim: Option<Texts>,
    lacks_claim: Option<Texts>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "what should be a text or a list of texts is neither")]
enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Texts {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

/// Whether several identities may be one subject.
pub(super) fn shared(reader: &mut Reader) -> Option<bool> {
    reader.required("SUBJECT_SHARED", "write deny or allow", |text| match text {
        "deny" => Ok(false),
        "allow" => Ok(true),
        _ => Err("is neither deny nor allow"),
    })
}

/// `open` are the ways of signing in, as far as they are known; `shared` whether several identities may be one subject.
pub(super) fn read(reader: &mut Reader, open: &[Source], shared: bool) -> Option<Mapping> {
    let entries = reader.entries::<Entry>("mapping", RULE);
    let rules: Vec<Option<Rule>> =
        entries.into_iter().map(|(label, entry)| RuleReader { reader, label }.read(entry, shared)).collect();
    let template = reader.required("SUBJECT_TEMPLATE", TEMPLATE, Template::parse);
    let deny = reader.required("SUBJECT_UNMAPPED", "write template or deny", |text| match text {
        "template" => Ok(false),
        "deny" => Ok(true),
        _ => Err("is neither template nor deny"),
    });
    let groups = groups::read(reader);
    // Rules that were typed wrong are reported; the others are held against one another all the same.
    let rules: Vec<_> = rules.into_iter().flatten().collect();
    check_order(reader, &rules);
    let (template, deny) = (template?, deny?);
    let fallback = (!deny).then_some(template);
    if !shared {
        check_explicit(reader, &rules);
        hint_at_sources(reader, &rules, fallback.as_ref(), open);
    }
    Some(Mapping::new(rules, fallback, groups?))
}

/// A rule that cannot be reached was not meant so; that it denies somebody would be believed in vain.
fn check_order(reader: &mut Reader, rules: &[Rule]) {
    for (place, rule) in rules.iter().enumerate() {
        let before = rules[..place].iter().find(|before| before.when.0.is_empty() || before.when == rule.when);
        if let Some(Rule { label, when, .. }) = before {
            let whom = if when.0.is_empty() { "everybody" } else { "the same people" };
            reader.problem(
                &rule.label,
                format!("is never reached: {label} takes {whom}"),
                "change the order, or remove it",
            );
        }
    }
}

/// Two rules with one subject are for two identities. Case may say nothing to the tenant.
fn check_explicit(reader: &mut Reader, rules: &[Rule]) {
    let explicit = |rule: &Rule| match &rule.outcome {
        Outcome::Explicit(subject) => Some(subject.to_lowercase()),
        _ => None,
    };
    for (place, rule) in rules.iter().enumerate() {
        let Some(subject) = explicit(rule) else { continue };
        if let Some(before) = rules[..place].iter().find(|before| explicit(before).as_ref() == Some(&subject)) {
            let reason = format!("gives the subject of {} to somebody else", before.label);
            reader.problem(
                &rule.label,
                reason,
                "each would see the other's bookmarks; if that is meant, SUBJECT_SHARED=allow",
            );
        }
    }
}

/// With several ways of signing in, one id may be two people, or one person in two ways: either is refused in the end.
fn hint_at_sources(reader: &mut Reader, rules: &[Rule], fallback: Option<&Template>, open: &[Source]) {
    let of_rules = rules.iter().filter_map(|rule| match &rule.outcome {
        Outcome::Subject(template) => Some((rule.label.as_str(), template, rule.when.sources())),
        _ => None,
    });
    let of_fallback = fallback.map(|template| ("SUBJECT_TEMPLATE", template, &Source::ALL[..]));
    for (name, template, sources) in of_rules.chain(of_fallback) {
        if sources.iter().filter(|source| open.contains(source)).count() > 1 && !template.tells_sources_apart() {
            reader.hint(format!(
                "{name} has no {{source}}, and there are several ways of signing in: whoever comes second to a subject in another \
                 way is denied, unless SUBJECT_SHARED=allow"
            ));
        }
    }
}

/// Reads one rule and reports everything about it under its name.
struct RuleReader<'r, 'e> {
    reader: &'r mut Reader<'e>,
    label: String,
}

impl RuleReader<'_, '_> {
    fn problem(&mut self, reason: impl std::fmt::Display, remedy: &str) {
        self.reader.problem(&self.label, reason, remedy);
    }

    fn read(mut self, entry: Entry, shared: bool) -> Option<Rule> {
        if let Some(Err(reason)) = entry.name.as_deref().map(line) {
            self.problem(format!("name {reason}"), "write a short name");
        }
        let when = self.when(&entry.when);
        let outcome = self.outcome(&entry);
        let shape = self.shape(&entry);
        let (when, outcome, shape) = (when?, outcome?, shape?);
        match &outcome {
            Outcome::Explicit(subject) if looks_like_a_qlik_id(subject) => {
                self.reader.hint(format!("the subject of {} {LOOKS_LIKE_A_QLIK_ID}", self.label));
            }
            Outcome::Deny(_) if shape != Shape::default() => {
                self.problem("has display_name, email or groups beside deny, where they say nothing", RULE);
            }
            _ => {}
        }
        if matches!(outcome, Outcome::Explicit(_)) && !when.name_one_identity() && !shared {
            let remedy = "let when have one source and one id, both without *; or SUBJECT_SHARED=allow, and everybody whom the rule \
                          takes shares bookmarks and data";
            self.problem("gives one subject to everybody whom it takes", remedy);
        }
        Some(Rule { label: self.label, when, outcome, shape })
    }

    fn outcome(&mut self, entry: &Entry) -> Option<Outcome> {
        match (&entry.subject, &entry.explicit, &entry.deny) {
            (Some(template), None, None) => self.template("subject", Purpose::Subject, template).map(Outcome::Subject),
            (None, Some(subject), None) => self.explicit(subject).map(Outcome::Explicit),
            (None, None, Some(sentence)) => self.sentence(sentence).map(Outcome::Deny),
            (None, None, None) => {
                self.problem("has neither subject nor explicit nor deny", RULE);
                None
            }
            _ => {
                self.problem("has more than one of subject, explicit and deny", RULE);
                None
            }
        }
    }

    fn explicit(&mut self, subject: &str) -> Option<String> {
        let subject = subject.trim();
        let reason = match subject {
            "" => "explicit is empty",
            text if text.contains(['{', '}']) => "explicit has braces, and is taken letter for letter",
            text if text.chars().any(char::is_control) => "explicit has control characters",
            _ => return Some(subject.to_owned()),
        };
        self.problem(reason, "copy the field \"subject\" of the Qlik user; a template is written as subject");
        None
    }

    fn sentence(&mut self, sentence: &str) -> Option<String> {
        let sentence = sentence.trim();
        if sentence.is_empty() || sentence.len() > LONGEST_SENTENCE || line(sentence).is_err() {
            self.problem("deny is no sentence", "tell the visitor in one line why, and whom to ask");
            return None;
        }
        Some(sentence.to_owned())
    }

    fn template(&mut self, key: &str, purpose: Purpose, text: &str) -> Option<Template> {
        Template::parse_for(purpose, text).map_err(|reason| self.problem(format!("{key} {reason}"), TEMPLATE)).ok()
    }

    fn shape(&mut self, entry: &Entry) -> Option<Shape> {
        let name = entry.display_name.as_deref().map(|text| self.template("display_name", Purpose::Name, text));
        let email = entry.email.as_deref().map(|text| self.template("email", Purpose::Email, text));
        let groups = entry.groups.as_ref().map(|texts| {
            let templates: Vec<_> =
                texts.as_slice().iter().map(|text| self.template("groups", Purpose::Group, text)).collect();
            templates.into_iter().collect::<Option<Vec<_>>>()
        });
        Some(Shape { name: whole(name)?, email: whole(email)?, groups: whole(groups)? })
    }

    fn when(&mut self, when: &When) -> Option<Conditions> {
        let small = |pattern: Pattern| pattern.to_lowercase();
        let as_is = |pattern: Pattern| pattern;
        let mut conditions = vec![
            when.source.as_ref().map(|texts| self.sources(texts)),
            self.patterns("id", &when.id, Condition::Id, as_is),
            self.patterns("email", &when.email, Condition::Email, small),
            self.patterns("email_domain", &when.email_domain, Condition::EmailDomain, small),
            self.patterns("group", &when.group, Condition::Group, as_is),
            when.has_claim.as_ref().map(|texts| self.paths("has_claim", texts).map(Condition::HasClaim)),
            when.lacks_claim.as_ref().map(|texts| self.paths("lacks_claim", texts).map(Condition::LacksClaim)),
        ];
        self.claims(when.claims.as_ref(), "", &mut conditions);
        // What was not written is left out; what was written wrong spoils the whole.
        conditions.into_iter().flatten().collect::<Option<Vec<_>>>().map(Conditions)
    }

    fn sources(&mut self, texts: &Texts) -> Option<Condition> {
        let words = self.paths("source", texts)?;
        let sources: Option<Vec<_>> = words.iter().map(|word| Source::parse(word)).collect();
        if sources.is_none() {
            self.problem("source has a word that is none", "the sources are password, oidc, header and ticket");
        }
        sources.map(Condition::Source)
    }

    fn patterns(
        &mut self,
        key: &str,
        texts: &Option<Texts>,
        condition: fn(Vec<Pattern>) -> Condition,
        change: fn(Pattern) -> Pattern,
    ) -> Option<Option<Condition>> {
        let words = self.paths(key, texts.as_ref()?);
        Some(words.map(|words| condition(words.iter().filter_map(|word| Pattern::parse(word)).map(change).collect())))
    }

    /// Texts of which none is empty, and at least one.
    fn paths(&mut self, key: &str, texts: &Texts) -> Option<Vec<String>> {
        let texts: Vec<_> = texts.as_slice().iter().map(|text| text.trim().to_owned()).collect();
        if texts.is_empty() || texts.iter().any(String::is_empty) {
            self.problem(format!("{key} is empty, or has an empty item"), "write what it shall be, or leave it out");
            return None;
        }
        Some(texts)
    }

    /// Tables inside tables are paths: `realm_access.roles = "x"` and `"realm_access.roles" = "x"` are the same.
    fn claims(&mut self, table: Option<&Table>, above: &str, conditions: &mut Vec<Option<Option<Condition>>>) {
        for (name, value) in table.into_iter().flatten() {
            let path = format!("{above}{name}");
            match value {
                Value::Table(table) => self.claims(Some(table), &format!("{path}."), conditions),
                value => conditions.push(Some(self.claim(path, value))),
            }
        }
    }

    fn claim(&mut self, path: String, value: &Value) -> Option<Condition> {
        let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        let expected: Option<Vec<_>> = values.iter().map(expected).collect();
        match expected {
            Some(expected) if !expected.is_empty() => Some(Condition::Claim(path, expected)),
            _ => {
                let remedy =
                    "write a text, a number, true or false, or a list of these; has_claim asks whether it is there";
                self.problem(format!("claims has {path}, which is compared with nothing"), remedy);
                None
            }
        }
    }
}

/// `None` for what no claim can be.
fn expected(value: &Value) -> Option<Expected> {
    match value {
        Value::String(text) => Pattern::parse(text).map(Expected::Text),
        Value::Integer(number) => Some(Expected::Number((*number).into())),
        Value::Float(number) => serde_json::Number::from_f64(*number).map(Expected::Number),
        Value::Boolean(truth) => Some(Expected::Truth(*truth)),
        _ => None,
    }
}

/// What was not written is whole; what was written wrong is not.
fn whole<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(None) => None,
        Some(some) => Some(some),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests;
