//! An entry of a list in the configuration file: its keys are taken out one by one, and what is left is not known.

use std::fmt::Display;

use serde_json::{Map, Number};
use toml::{Table, Value};

use crate::config::file::scalar;
use crate::config::reader::Reader;

/// An entry, or an entry within one.
pub(super) struct Entry<'r, 'e> {
    /// As problems call it.
    pub name: String,
    pub keys: Table,
    pub reader: &'r mut Reader<'e>,
}

impl<'e> Entry<'_, 'e> {
    /// One of the entries within this one.
    pub fn within(&mut self, name: &str, keys: Table) -> Entry<'_, 'e> {
        Entry { name: format!("{}, {name}", self.name), keys, reader: self.reader }
    }

    pub fn problem(&mut self, key: &str, reason: impl Display, remedy: impl Display) {
        self.reader.problem(&format!("{}: {key}", self.name), reason, remedy);
    }

    /// Empty counts as not set, as in variables.
    pub fn has(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|value| !is_blank(value))
    }

    pub fn text<T>(
        &mut self,
        key: &str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let value = self.keys.remove(key).filter(|value| !is_blank(value))?;
        let parsed = scalar(&value).ok_or("is not text").and_then(|text| parse(text.trim()));
        parsed.map_err(|reason| self.problem(key, reason, remedy)).ok()
    }

    pub fn required<T>(
        &mut self,
        key: &str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        if !self.has(key) {
            self.keys.remove(key);
            self.problem(key, "is not set", remedy);
        }
        self.text(key, remedy, parse)
    }

    /// The entry's own, or what holds for all. An empty text is none, also when there is one for all.
    pub fn or_shared(
        &mut self,
        key: &str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<String, &'static str>,
        shared: &Option<String>,
    ) -> Option<String> {
        if self.keys.contains_key(key) { self.text(key, remedy, parse) } else { shared.clone() }
    }

    /// A table that is handed on as it is, as JSON.
    pub fn object(&mut self, key: &str, remedy: &str) -> Option<Map<String, serde_json::Value>> {
        match self.keys.remove(key).map(|value| json(&value))? {
            Some(serde_json::Value::Object(object)) => Some(object),
            _ => {
                self.problem(key, "is not a table of names and values", remedy);
                None
            }
        }
    }

    /// What is left is not known.
    pub fn report_strangers(&mut self, known: &[&str]) {
        let strangers: Vec<_> = std::mem::take(&mut self.keys).into_iter().map(|(key, _)| key).collect();
        for key in strangers {
            let likeness = |known: &&str| strsim::normalized_damerau_levenshtein(known, &key);
            let nearest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            let remedy = match nearest.filter(|known| likeness(known) > 0.6) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("remove it; an entry has {}", known.join(", ")),
            };
            self.problem(&key, "is not known", remedy);
        }
    }
}

pub(super) fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// One text or number, or a list of them.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    value.as_array().map_or_else(|| one(value).map(|text| vec![text]), |list| list.iter().map(one).collect())
}

/// The same in JSON, where dates are texts and every number is finite.
pub(super) fn json(value: &Value) -> Option<serde_json::Value> {
    Some(match value {
        Value::String(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => Number::from_f64(*number)?.into(),
        Value::Boolean(truth) => (*truth).into(),
        Value::Datetime(date) => date.to_string().into(),
        Value::Array(items) => items.iter().map(json).collect::<Option<Vec<_>>>()?.into(),
        Value::Table(table) => {
            let members = table.iter().map(|(name, value)| Some((name.clone(), json(value)?)));
            serde_json::Value::Object(members.collect::<Option<_>>()?)
        }
    })
}
