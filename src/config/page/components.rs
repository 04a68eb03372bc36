//! Components in the configuration: what each kind has to be told, and under which attributes it is (Qlik Cloud facts, section
//! H.4).

use serde_json::{Map, Value as Json};
use toml::{Table, Value};
use uuid::Uuid;

use super::entry::{Entry, json};
use super::{APP, OBJECT, SHEET, THEME, app_id, name_of, object_id, sheet_id, theme_id};
use crate::config::reader::line;
use crate::pages::component::{Component, Grid, Kind};

/// What entries of components can have besides what their kind is told.
const OWN: [&str; 6] = ["ui", "title", "app", "attributes", "width", "height"];
/// What of an element is not for an entry to say: what this server says itself, and what the page is made of.
const RESERVED: [&str; 24] = [
    "ui",
    "app-id",
    "app",
    "identity",
    "host",
    "host-config",
    "client-id",
    "auth-type",
    "auto-redirect",
    "get-access-token",
    "access-token-storage",
    "api-key",
    "access-code",
    "embed-runtime-url",
    "login-uri",
    "redirect-uri",
    "auth-redirect-user-confirmation",
    "web-integration-id",
    "id",
    "class",
    "style",
    "slot",
    "is",
    "nonce",
];
/// What kinds can be told. In an entry of a page they describe its one component.
pub(super) const TOLD: [&str; 13] = [
    "sheet",
    "object",
    "field",
    "library",
    "type",
    "dimensions",
    "measures",
    "properties",
    "context",
    "bookmark",
    "clear_selections",
    "assistant",
    "appearance",
];
/// More would be no page.
const MOST: usize = 50;

const TITLE: &str = "write what it shows, for people who do not see it, such as title = \"Sales by region\"";
const FIELD: &str = "write the name of a field of the app, such as Region";
const LIBRARY: &str = "write the id of a master item of the app";
const CHART_TYPE: &str = "write a kind of visualization, such as barchart";
const ITEM_TYPE: &str = "write dimension or measure: what the master item is";
const DEFINITIONS: &str = "list fields or formulas, such as [\"Region\"] or [\"=Sum(Sales)\"]";
const PROPERTIES: &str = "write a table of the visualization's properties, such as { title = \"Sales\" }";
const CONTEXT: &str = "write a table such as { interactions = { select = false } }";
const BOOKMARK: &str = "write the id of a bookmark of the app";
const CLEAR: &str = "write true or false";
const ASSISTANT: &str = "write the id of an assistant of the tenant";
const APPEARANCE: &str = "write qlik-light or qlik-dark";
const MORE: &str = "write a table of names and values, such as { snapshot-id = \"JsVPe\" }";
const COLUMNS: &str = "write a whole number from 1 to 12";
const HEIGHT: &str = "write how many pixels high it is, from 40 to 4000";

/// The remedy for a kind that there is not.
pub(super) fn kinds() -> String {
    format!("write one of {}", Kind::ALL.map(Kind::as_str).join(", "))
}

pub(super) fn kind(text: &str) -> Result<Kind, &'static str> {
    Kind::parse(text).ok_or("is no kind of component")
}

/// What holds for every component of a page that says nothing else.
pub(super) struct Shared<'s> {
    pub app: Option<Uuid>,
    pub theme: Option<&'s str>,
    pub language: Option<&'s str>,
}

/// What a kind is told: one of these, by the first key of each, with what belongs to it; and what it may be told besides.
fn told(kind: Kind) -> (&'static [&'static [&'static str]], &'static [&'static str]) {
    match kind {
        Kind::Sheet => (&[&["sheet"], &["object"]], &["context"]),
        Kind::Chart => (&[&["object"], &["type", "dimensions", "measures", "properties"]], &["context"]),
        Kind::Field => (&[&["field"], &["library", "type"]], &["context"]),
        Kind::Selections => (&[], &["context"]),
        Kind::ClassicApp => (&[], &["sheet", "bookmark", "clear_selections"]),
        Kind::ClassicChart => (&[&["object"]], &[]),
        // By what it is told which one, is not documented (section H.4): its entry says that under `attributes`.
        Kind::Snapshot => (&[], &["context"]),
        Kind::Assistant => (&[&["assistant"]], &["appearance"]),
        Kind::AgenticAssistant => (&[&["assistant"]], &[]),
    }
}

/// A page with several components: `embeds`, and into how many `columns` it is parted. `None` after a problem.
pub(super) fn several(page: &mut Entry<'_, '_>, shared: &Shared<'_>) -> Option<Grid> {
    let columns = if page.has("columns") { columns(page, "columns") } else { Some(Grid::MOST_COLUMNS) };
    page.keys.remove("columns");
    let entries = match page.keys.remove("embeds") {
        Some(Value::Array(entries)) if !entries.is_empty() && entries.iter().all(Value::is_table) => entries,
        _ => {
            page.problem("embeds", "is not a list of tables", "begin each component with [[pages.embeds]]");
            return None;
        }
    };
    if entries.len() > MOST {
        page.problem("embeds", format!("has {} components, and {MOST} are the most", entries.len()), "leave some out");
    }
    let tables = entries.into_iter().filter_map(|entry| Table::try_from(entry).ok());
    let mut components = Vec::new();
    let mut complete = true;
    for (place, keys) in tables.enumerate() {
        match one_of_several(page.within(&format!("embed {}", place + 1), keys), columns, shared) {
            Some(component) => components.push(component),
            None => complete = false,
        }
    }
    complete.then_some(Grid { columns: columns?, captioned: false, components })
}

fn one_of_several(mut entry: Entry<'_, '_>, columns_of_page: Option<u8>, shared: &Shared<'_>) -> Option<Component> {
    let kinds = kinds();
    let kind = entry.required("ui", &kinds, kind);
    let title = entry.required("title", TITLE, line);
    let has_own_app = entry.has("app");
    let own_app = entry.text("app", APP, app_id);
    let own_theme = entry.text("theme", THEME, theme_id);
    let width = if entry.has("width") { columns(&mut entry, "width") } else { columns_of_page };
    if let (Some(width), Some(most)) = (width, columns_of_page)
        && width > most
    {
        entry.problem("width", format!("is {width}, and the page has {most} columns"), "make it as wide at the most");
    }
    let height = height(&mut entry);
    let more = more(&mut entry, kind);
    let Some(kind) = kind else {
        // What belongs to it is not known either.
        TOLD.iter().for_each(|key| drop(entry.keys.remove(*key)));
        entry.report_strangers(&all_keys());
        return None;
    };
    if has_own_app && !kind.has_app() {
        entry.problem("app", format!("is nothing that {} has", kind.as_str()), "remove it: an assistant has no app");
    }
    let shared =
        Shared { app: own_app.or(shared.app), theme: own_theme.as_deref().or(shared.theme), language: shared.language };
    let attributes = attributes(&mut entry, kind, &shared);
    entry.report_strangers(&all_keys());
    let app = if kind.has_app() { Some(shared.app?) } else { None };
    if has_own_app && own_app.is_none() {
        return None;
    }
    let (title, attributes, more) = (title?, attributes?, more?);
    Some(Component { kind, title, app, attributes, more, width: width?, height: height? })
}

fn all_keys() -> Vec<&'static str> {
    OWN.into_iter().chain(TOLD).chain(["theme"]).collect()
}

/// The one component of a page, which the page's own entry describes. `None` after a problem.
pub(super) fn only(page: &mut Entry<'_, '_>, kind: Kind, title: Option<&str>, shared: &Shared<'_>) -> Option<Grid> {
    let height = height(page);
    let more = more(page, Some(kind));
    let attributes = attributes(page, kind, shared);
    let app = if kind.has_app() { Some(shared.app?) } else { None };
    let (title, attributes, more, height) = (title?.to_owned(), attributes?, more?, height?);
    Some(Grid::of(Component { kind, title, app, attributes, more, width: Grid::MOST_COLUMNS, height }))
}

/// The attributes of an element. What its kind lacks, and what it does not have, are problems.
fn attributes(entry: &mut Entry<'_, '_>, kind: Kind, shared: &Shared<'_>) -> Option<Vec<(&'static str, String)>> {
    let (choices, may) = told(kind);
    let chosen: Vec<_> = choices.iter().filter(|choice| entry.has(choice[0])).collect();
    let undecided = !choices.is_empty() && chosen.len() != 1;
    let mut complete = !undecided;
    if undecided {
        let names = choices.iter().map(|choice| choice[0]).collect::<Vec<_>>();
        let reason = match (&names[..], chosen.len()) {
            ([only], _) => format!("has no {only}, which {} needs", kind.as_str()),
            (_, 0) => format!("has neither {}, and {} needs one of them", names.join(" nor "), kind.as_str()),
            _ => format!("has both {}, and {} shows one of them", names.join(" and "), kind.as_str()),
        };
        let name = entry.name.clone();
        entry.reader.problem(&name, reason, format!("write one: {}", of_kind(kind)));
    }
    let known = |key: &str| may.contains(&key) || choices.iter().any(|choice| choice.contains(&key));
    let of_choice = |key: &str| may.contains(&key) || chosen.iter().any(|choice| choice.contains(&key));
    let mut attributes = Vec::new();
    for key in TOLD {
        // An empty text is none.
        if !entry.has(key) {
            entry.keys.remove(key);
        } else if of_choice(key) {
            match attribute(entry, kind, key) {
                Some(told) => attributes.extend(told),
                None => complete = false,
            }
        } else {
            entry.keys.remove(key);
            if !(undecided && known(key)) {
                entry.problem(key, format!("is nothing that {} has here", kind.as_str()), of_kind(kind));
                complete = false;
            }
        }
    }
    if kind == Kind::Field && chosen.iter().any(|choice| choice[0] == "library") && complete {
        complete = attributes.iter().any(|(name, _)| *name == "type");
        if !complete {
            entry.problem("type", "is not set, and a master item needs it", ITEM_TYPE);
        }
    }
    dress(&mut attributes, kind, shared);
    complete.then_some(attributes)
}

/// The attributes under names of their own. `None` after a problem.
fn more(entry: &mut Entry<'_, '_>, kind: Option<Kind>) -> Option<Vec<(String, String)>> {
    if !entry.has("attributes") {
        entry.keys.remove("attributes");
        if kind == Some(Kind::Snapshot) {
            entry.problem("attributes", "is not set, and analytics/snapshot needs it: it says which one", MORE);
            return None;
        }
        return Some(Vec::new());
    }
    let table = entry.object("attributes", MORE)?;
    let mut more = Vec::new();
    for (name, value) in table {
        if !is_free(&name) {
            let reason = format!("has {name}, which is no attribute that an entry may have");
            entry.problem(
                "attributes",
                reason,
                "write small letters, digits and hyphens; the others the server sets itself",
            );
            return None;
        }
        more.push((name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    Some(more)
}

/// Whether an entry may have this attribute. Handlers of events would be scripts.
pub(in crate::config) fn is_free(name: &str) -> bool {
    let plain = name.strip_suffix("___json").unwrap_or(name);
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    plain.starts_with(|c: char| c.is_ascii_lowercase())
        && plain.chars().all(good)
        && !plain.starts_with("on")
        && !plain.starts_with("data-")
        && !RESERVED.contains(&plain)
}

/// What a kind can be told, in words.
fn of_kind(kind: Kind) -> String {
    let (choices, may) = told(kind);
    let choices = choices.iter().map(|choice| choice.join(", ")).collect::<Vec<_>>().join("; or ");
    let all = [choices, may.join(", ")].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; and ");
    format!("{} has {all}", kind.as_str())
}

/// A key as an attribute, if it says something. `None` after a problem.
fn attribute(entry: &mut Entry<'_, '_>, kind: Kind, key: &str) -> Option<Option<(&'static str, String)>> {
    let id = |text: &str| name_of(text, "is not an id");
    let told = match key {
        "sheet" => ("sheet-id", entry.text(key, SHEET, sheet_id)?),
        "object" => ("object-id", entry.text(key, OBJECT, object_id)?),
        "field" => ("field-id", entry.text(key, FIELD, line)?),
        "library" => ("library-id", entry.text(key, LIBRARY, id)?),
        "type" if kind == Kind::Field => ("type", entry.text(key, ITEM_TYPE, item_type)?),
        "type" => ("type", entry.text(key, CHART_TYPE, |text| name_of(text, "is no kind of visualization"))?),
        "dimensions" => ("dimensions___json", definitions(entry, key)?),
        "measures" => ("measures___json", definitions(entry, key)?),
        "properties" => ("properties___json", Json::Object(entry.object(key, PROPERTIES)?).to_string()),
        "context" => ("context___json", Json::Object(entry.object(key, CONTEXT)?).to_string()),
        "bookmark" => ("bookmark", entry.text(key, BOOKMARK, id)?),
        "assistant" => ("assistant-id", entry.text(key, ASSISTANT, id)?),
        "appearance" => ("appearance", entry.text(key, APPEARANCE, appearance)?),
        // Without it, nothing is cleared; how to say so with it is not documented.
        "clear_selections" => {
            let clears = entry.text(key, CLEAR, truth)?;
            return Some(clears.then(|| ("clear-selections", "true".to_owned())));
        }
        _ => return Some(None),
    };
    Some(Some(told))
}

/// Theme and language, where the kind takes them. What its own `context` says wins.
pub(super) fn dress(attributes: &mut Vec<(&'static str, String)>, kind: Kind, shared: &Shared<'_>) {
    if let (true, Some(theme)) = (kind.has_theme(), shared.theme) {
        attributes.push(("theme", theme.to_owned()));
    }
    let named = [("theme", shared.theme), ("language", shared.language)];
    if !kind.has_context() || named.iter().all(|(_, value)| value.is_none()) {
        return;
    }
    let own = attributes.iter().position(|(name, _)| *name == "context___json").map(|place| attributes.remove(place).1);
    let mut context: Map<String, Json> = own.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    for (name, value) in named {
        if let Some(value) = value {
            context.entry(name).or_insert_with(|| value.into());
        }
    }
    attributes.push(("context___json", Json::Object(context).to_string()));
}

/// One text or table, or a list of them: a field or formula, or a definition as the engine has it.
fn definitions(entry: &mut Entry<'_, '_>, key: &str) -> Option<String> {
    let value = entry.keys.remove(key)?;
    let items = match value {
        Value::Array(items) => items,
        one => vec![one],
    };
    let good = |item: &Value| item.as_str().is_some_and(|text| !text.trim().is_empty()) || item.is_table();
    let list = items.iter().all(good).then(|| items.iter().map(json).collect::<Option<Vec<_>>>()).flatten();
    match list.filter(|list| !list.is_empty()) {
        Some(list) => Some(Json::Array(list).to_string()),
        None => {
            entry.problem(key, "is no list of fields or formulas", DEFINITIONS);
            None
        }
    }
}

fn item_type(text: &str) -> Result<String, &'static str> {
    if matches!(text, "dimension" | "measure") { Ok(text.to_owned()) } else { Err("is neither dimension nor measure") }
}

fn appearance(text: &str) -> Result<String, &'static str> {
    if matches!(text, "qlik-light" | "qlik-dark") {
        Ok(text.to_owned())
    } else {
        Err("is neither qlik-light nor qlik-dark")
    }
}

fn truth(text: &str) -> Result<bool, &'static str> {
    text.parse().map_err(|_| "is neither true nor false")
}

fn columns(entry: &mut Entry<'_, '_>, key: &str) -> Option<u8> {
    entry.text(key, COLUMNS, |text| match text.parse() {
        Ok(columns @ 1..=Grid::MOST_COLUMNS) => Ok(columns),
        _ => Err("is not such a number"),
    })
}

/// How high it is, if it says so. `None` after a problem.
fn height(entry: &mut Entry<'_, '_>) -> Option<Option<u16>> {
    if !entry.has("height") {
        entry.keys.remove("height");
        return Some(None);
    }
    let height = entry.text("height", HEIGHT, |text| match text.parse() {
        Ok(height @ 40..=4000) => Ok(height),
        _ => Err("is not such a number"),
    });
    height.map(Some)
}
