//! Settings of groups: `[groups]` in the file, `GROUPS_*`. A variable wins over the key of the same meaning.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::reader::Reader;
use crate::mapping::groups::{Groups, MOST, is_good};
use crate::mapping::pattern::Pattern;

const TABLE: &str = "the table has allow, rename, prefix and max: see docs/mapping.md";
const ALLOW: &str = "list names of groups with commas between them; * stands for any characters";
const RENAME: &str = "write pairs such as Vertrieb=Sales, Einkauf=Purchasing";
const PREFIX: &str = "write what the names in Qlik shall begin with, such as portal:";
const MAX: &str = "write a number up to 1000, which is as many as a Qlik user can have";

/// The table as it was typed.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    allow: Option<Vec<String>>,
    rename: Option<BTreeMap<String, String>>,
    prefix: Option<String>,
    max: Option<i64>,
}

pub(super) fn read(reader: &mut Reader) -> Option<Groups> {
    let table = match reader.has_table("groups") {
        true => reader.table::<Table>("groups", TABLE)?,
        false => Table::default(),
    };
    let allow = key(reader, "GROUPS_ALLOW", "allow", table.allow, ALLOW, comma_list, allow);
    let rename = key(reader, "GROUPS_RENAME", "rename", table.rename, RENAME, pairs, rename);
    let prefix = key(reader, "GROUPS_PREFIX", "prefix", table.prefix, PREFIX, |text| Ok(text.to_owned()), prefix);
    let whole = |text: &str| text.parse().map_err(|_| "is no number");
    let max = match table.max {
        Some(_) => key(reader, "GROUPS_MAX", "max", table.max, MAX, whole, max)?,
        None => Some(reader.required("GROUPS_MAX", MAX, |text| whole(text).and_then(max))?),
    };
    Some(Groups {
        allow: allow?,
        rename: rename?.unwrap_or_default(),
        prefix: prefix?.unwrap_or_default(),
        max: max.unwrap_or(MOST),
    })
}

/// The variable if it is set, else the key of the table. `Some(None)` when neither is, `None` after a problem.
fn key<Typed, Checked>(
    reader: &mut Reader,
    variable: &'static str,
    key: &str,
    in_table: Option<Typed>,
    remedy: &str,
    typed: fn(&str) -> Result<Typed, &'static str>,
    check: fn(Typed) -> Result<Checked, &'static str>,
) -> Option<Option<Checked>> {
    if reader.is_set(variable) {
        if in_table.is_some() {
            reader.hint(format!("{key} in [groups] has no effect beside {variable}"));
        }
        return reader.required(variable, remedy, |text| typed(text).and_then(check)).map(Some);
    }
    let Some(in_table) = in_table else { return Some(None) };
    check(in_table).map_err(|reason| reader.problem("[groups]", format!("{key} {reason}"), remedy)).ok().map(Some)
}

fn comma_list(text: &str) -> Result<Vec<String>, &'static str> {
    Ok(text.split(',').map(str::to_owned).collect())
}

fn pairs(text: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let mut pairs = BTreeMap::new();
    for pair in text.split(',') {
        let (from, to) = pair.split_once('=').ok_or("has an item without =")?;
        if pairs.insert(from.trim().to_owned(), to.to_owned()).is_some() {
            return Err("has one name twice");
        }
    }
    Ok(pairs)
}

fn allow(names: Vec<String>) -> Result<Vec<Pattern>, &'static str> {
    let patterns: Option<Vec<_>> = names.iter().map(|name| Pattern::parse(name)).collect();
    patterns.ok_or("has an empty item")
}

fn rename(pairs: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, &'static str> {
    let pairs: BTreeMap<_, _> =
        pairs.into_iter().map(|(from, to)| (from.trim().to_owned(), to.trim().to_owned())).collect();
    let good = pairs.iter().all(|(from, to)| !from.is_empty() && is_good(to));
    if good { Ok(pairs) } else { Err("has a name that is empty, longer than 256 characters, or not one line") }
}

fn prefix(prefix: String) -> Result<String, &'static str> {
    if prefix.is_empty() || is_good(&prefix) {
        Ok(prefix)
    } else {
        Err("is longer than 256 characters, or not one line")
    }
}

fn max(max: i64) -> Result<usize, &'static str> {
    let good = usize::try_from(max).ok().filter(|max| *max <= MOST);
    good.ok_or("is not between 0 and 1000: no Qlik user can have more groups")
}
