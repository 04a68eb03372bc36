//! `[[pages]]` in the configuration file: one entry a page. What an entry leaves out, the variables say for all.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use toml::{Table, Value};

use super::{
    APP, FLOW, IDENTITY, LANGUAGE, OPTIONS, SHEET, Shared, THEME, app_id, flow, language, name_of, options, sheet_id,
    theme_id,
};
use crate::config::file::scalar;
use crate::config::reader::{Reader, line};
use crate::identity::{Account, Source};
use crate::pages::{Audience, Content, Page, Pages, Selection, Slug};

/// What an entry can have.
const KEYS: [&str; 12] = [
    "slug",
    "title",
    "app",
    "sheet",
    "object",
    "theme",
    "options",
    "language",
    "selections",
    "identity",
    "flow",
    "visible_to",
];
/// Every visitor's list and menu have them all.
const MOST_PAGES: usize = 500;
/// All selections of a page, in bytes: they travel in an address.
const LONGEST_SELECTIONS: usize = 2000;

const SLUG: &str = "write the page's name in addresses: small letters, digits and hyphens, at most 64, such as sales";
const TITLE: &str = "write a title for the page";
const OBJECT: &str = "write the id of a visualization; the tenant shows it under Embed, in the visualization's menu";
const SELECTIONS: &str =
    "write fields and their values, such as selections = { Region = \"Europe\", Year = [2025, 2026] }";
const VISIBLE_TO: &str = "write \"everyone\", or such as { groups = [\"Sales\"], identities = [\"oidc:ada\"] }";

/// All entries. `None` after a problem.
pub(super) fn read(reader: &mut Reader, entries: Vec<(String, Table)>, shared: &Shared) -> Option<Pages> {
    for (variable, instead) in [("QLIK_SHEET_ID", "sheet or object"), ("QLIK_TITLE", "title")] {
        let is_the_gallerys = variable == "QLIK_SHEET_ID" && reader.value("GALLERY") == Some("true");
        if reader.is_set(variable) && !is_the_gallerys {
            reader.hint(format!("{variable} has no effect beside [[pages]]: each entry has its own {instead}"));
        }
    }
    if entries.len() > MOST_PAGES {
        let reason = format!("has {} entries, and {MOST_PAGES} are the most", entries.len());
        reader.problem("[[pages]]", reason, "leave some out");
    }
    let mut pages = Vec::new();
    let mut taken = BTreeMap::new();
    for (name, keys) in entries {
        pages.extend(Entry { name, keys, reader }.read(&mut taken, shared));
    }
    let slugs: Vec<_> = pages.iter().map(|page: &Page| page.slug.as_str()).collect();
    reader.derived("[[pages]]", slugs.join(", "), "CONFIG_FILE");
    Some(Pages::new(pages))
}

/// An entry: its keys are taken out one by one, and what is left is not known.
struct Entry<'r, 'e> {
    /// As problems call it.
    name: String,
    keys: Table,
    reader: &'r mut Reader<'e>,
}

impl Entry<'_, '_> {
    /// All of it, so that one report has every problem; `None` after some of them. `taken` has the slugs of the entries
    /// before, and whose they are.
    fn read(mut self, taken: &mut BTreeMap<String, String>, shared: &Shared) -> Option<Page> {
        let slug = self.slug(taken);
        let title = self.required("title", TITLE, line);
        let app = self.app(shared);
        let content = self.content();
        let theme = self.or_shared("theme", THEME, theme_id, &shared.theme);
        let options = self.text("options", OPTIONS, options).or(shared.options.clone());
        let language = self.or_shared("language", LANGUAGE, language, &shared.language);
        let identity = self.or_shared("identity", IDENTITY, line, &shared.identity);
        let flow = self.text("flow", FLOW, flow).or(shared.flow);
        let selections = self.selections();
        let visible_to = self.audience();
        self.report_strangers();
        Some(Page {
            slug: slug?,
            title: title?,
            app: app?,
            content: content?,
            theme,
            options: options?,
            language,
            selections,
            identity,
            flow: flow?,
            visible_to: visible_to?,
        })
    }

    fn slug(&mut self, taken: &mut BTreeMap<String, String>) -> Option<Slug> {
        let slug = self.required("slug", SLUG, |text| Slug::parse(text).ok_or("is not a slug"))?;
        if let Some(other) = taken.get(slug.as_str()) {
            self.problem("slug", format!("is that of {other} too"), "give each page a slug of its own");
        } else {
            taken.insert(slug.to_string(), self.name.clone());
        }
        Some(slug)
    }

    fn app(&mut self, shared: &Shared) -> Option<uuid::Uuid> {
        if self.has("app") {
            return self.text("app", APP, app_id);
        }
        // A variable that cannot be used has its own problem.
        if !self.reader.is_set("QLIK_APP_ID") {
            self.problem("app", "is not set, and neither is QLIK_APP_ID for all pages", APP);
        }
        shared.app
    }

    fn content(&mut self) -> Option<Content> {
        let of_object = |text: &str| name_of(text, "is not the id of a visualization").map(Content::Object);
        match (self.has("sheet"), self.has("object")) {
            (true, false) => self.text("sheet", SHEET, |text| sheet_id(text).map(Content::Sheet)),
            (false, true) => self.text("object", OBJECT, of_object),
            (both, _) => {
                let reason = if both { "has both sheet and object" } else { "has neither sheet nor object" };
                self.keys.remove("sheet");
                self.keys.remove("object");
                self.reader.problem(&self.name, reason, "write one of the two: what the page shows");
                None
            }
        }
    }

    /// Field by field, in alphabetical order.
    fn selections(&mut self) -> Vec<Selection> {
        let fields = match self.keys.remove("selections") {
            None => return Vec::new(),
            Some(Value::Table(fields)) => fields,
            Some(_) => {
                self.problem("selections", "is not a table of fields and their values", SELECTIONS);
                return Vec::new();
            }
        };
        let mut selections = Vec::new();
        for (field, value) in fields {
            match texts(&value) {
                Some(values) if values.is_empty() => {
                    self.problem("selections", format!("has no value for {field:?}"), SELECTIONS);
                }
                Some(values) => {
                    for text in values.iter().chain([&field]).filter(|text| !Selection::can_hold(text)) {
                        let reason = format!("has {text:?}, which an address cannot hold");
                        self.problem("selections", reason, "leave out what has a comma, two colons or a line break");
                    }
                    selections.push(Selection { field, values });
                }
                None => self.problem("selections", format!("has something for {field:?} that is no value"), SELECTIONS),
            }
        }
        if selections.iter().map(|selection| selection.to_string().len()).sum::<usize>() > LONGEST_SELECTIONS {
            let reason = format!("has more than {LONGEST_SELECTIONS} bytes, which an address cannot hold");
            self.problem("selections", reason, "select fewer values, or make a bookmark of them in the app");
        }
        selections
    }

    fn audience(&mut self) -> Option<Audience> {
        let mut table = match self.keys.remove("visible_to") {
            None => return Some(Audience::Everyone),
            Some(Value::String(word)) if word == "everyone" => return Some(Audience::Everyone),
            Some(Value::Table(table)) => table,
            Some(_) => {
                self.problem("visible_to", "says neither \"everyone\" nor which groups or identities", VISIBLE_TO);
                return None;
            }
        };
        if table.is_empty() {
            self.problem("visible_to", "names nobody", VISIBLE_TO);
        }
        let groups = self.names(&mut table, "groups", |text| Ok(text.to_owned()));
        let identities = self.names(&mut table, "identities", identity_key);
        for key in table.keys() {
            self.problem("visible_to", format!("has {key}, which is not known"), VISIBLE_TO);
        }
        Some(Audience::Only { groups, identities })
    }

    /// One of the lists of an audience. Without it, nobody; an empty one is a problem.
    fn names(
        &mut self,
        table: &mut Table,
        key: &str,
        parse: impl Fn(&str) -> Result<String, &'static str>,
    ) -> BTreeSet<String> {
        let Some(value) = table.remove(key) else { return BTreeSet::new() };
        let Some(names) = texts(&value).filter(|names| !names.is_empty()) else {
            self.problem("visible_to", format!("has {key} without a name"), VISIBLE_TO);
            return BTreeSet::new();
        };
        let mut known = BTreeSet::new();
        for name in names {
            let blank = name.trim().is_empty().then_some("is empty");
            match blank.map_or_else(|| parse(&name), Err) {
                Ok(name) => {
                    known.insert(name);
                }
                Err(reason) => self.problem("visible_to", format!("has {name:?} in {key}, which {reason}"), VISIBLE_TO),
            }
        }
        known
    }

    fn report_strangers(&mut self) {
        let strangers: Vec<_> = std::mem::take(&mut self.keys).into_iter().map(|(key, _)| key).collect();
        for key in strangers {
            let likeness = |known: &&str| strsim::normalized_damerau_levenshtein(known, &key);
            let nearest = KEYS.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            let remedy = match nearest.filter(|known| likeness(known) > 0.6) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("remove it; an entry has {}", KEYS.join(", ")),
            };
            self.problem(&key, "is not known", remedy);
        }
    }

    fn problem(&mut self, key: &str, reason: impl Display, remedy: impl Display) {
        self.reader.problem(&format!("{}: {key}", self.name), reason, remedy);
    }

    /// Empty counts as not set, as in variables.
    fn has(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|value| !is_blank(value))
    }

    fn text<T>(&mut self, key: &str, remedy: &str, parse: impl FnOnce(&str) -> Result<T, &'static str>) -> Option<T> {
        let value = self.keys.remove(key).filter(|value| !is_blank(value))?;
        let parsed = scalar(&value).ok_or("is not text").and_then(|text| parse(text.trim()));
        parsed.map_err(|reason| self.problem(key, reason, remedy)).ok()
    }

    fn required<T>(
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
    fn or_shared(
        &mut self,
        key: &str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<String, &'static str>,
        shared: &Option<String>,
    ) -> Option<String> {
        if self.keys.contains_key(key) { self.text(key, remedy, parse) } else { shared.clone() }
    }
}

fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// One text or number, or a list of them.
fn texts(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    };
    value.as_array().map_or_else(|| one(value).map(|text| vec![text]), |list| list.iter().map(one).collect())
}

/// The key of an identity. Names of accounts are brought to the form in which they sign in.
fn identity_key(text: &str) -> Result<String, &'static str> {
    let (source, id) = text.split_once(':').ok_or("has no source, such as oidc:")?;
    let source = Source::parse(source).ok_or("does not begin with password:, oidc:, header: or ticket:")?;
    let id = if source == Source::Password { Account::canonical(id) } else { id.to_owned() };
    if id.is_empty() { Err("has no id") } else { Ok(format!("{source}:{id}")) }
}
