//! `[[pages]]` in the configuration file: one entry a page. What an entry leaves out, the variables say for all.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use super::entry::{Entry, texts};
use super::{
    APP, FLOW, IDENTITY, LANGUAGE, OBJECT, OPTIONS, SHEET, Shared, THEME, app_id, components, flow, language,
    object_id, options, sheet_id, theme_id,
};
use crate::config::reader::{Reader, line};
use crate::identity::{Account, Source};
use crate::pages::component::Kind;
use crate::pages::{Audience, Content, Flow, Page, Pages, Selection, Slug};

/// What an entry can have, besides what describes its one component.
const KEYS: [&str; 15] = [
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
    "embed",
    "embeds",
    "columns",
];
/// Every visitor's list and menu have them all.
const MOST_PAGES: usize = 500;
/// All selections of a page, in bytes: they travel in an address.
const LONGEST_SELECTIONS: usize = 2000;

const SLUG: &str = "write the page's name in addresses: small letters, digits and hyphens, at most 64, such as sales";
const TITLE: &str = "write a title for the page";
const SELECTIONS: &str =
    "write fields and their values, such as selections = { Region = \"Europe\", Year = [2025, 2026] }";
const VISIBLE_TO: &str = "write \"everyone\", or such as { groups = [\"Sales\"], identities = [\"oidc:ada\"] }";

/// All entries. `None` after a problem.
pub(super) fn read(reader: &mut Reader, entries: Vec<(String, Table)>, shared: &Shared) -> Option<Pages> {
    for (variable, instead) in [("QLIK_SHEET_ID", "sheet or object"), ("QLIK_TITLE", "title"), ("QLIK_EMBED", "embed")]
    {
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
        pages.extend(Entry { name, keys, reader }.page(&mut taken, shared));
    }
    let slugs: Vec<_> = pages.iter().map(|page: &Page| page.slug.as_str()).collect();
    reader.derived("[[pages]]", slugs.join(", "), "CONFIG_FILE");
    Some(Pages::new(pages))
}

/// What is left to choose between when an entry names no component.
enum Framed {
    Content(Content),
    Component(Kind),
}

/// A page.
impl Entry<'_, '_> {
    /// All of it, so that one report has every problem; `None` after some of them. `taken` has the slugs of the entries
    /// before, and whose they are.
    fn page(mut self, taken: &mut BTreeMap<String, String>, shared: &Shared) -> Option<Page> {
        let slug = self.slug(taken);
        let title = self.required("title", TITLE, line);
        let app = self.app(shared);
        let theme = self.or_shared("theme", THEME, theme_id, &shared.theme);
        let language = self.or_shared("language", LANGUAGE, language, &shared.language);
        let has_options = self.has("options");
        let options = self.text("options", OPTIONS, options).or(shared.options.clone());
        let identity = self.or_shared("identity", IDENTITY, line, &shared.identity);
        let flow = self.text("flow", FLOW, flow).or(shared.flow);
        let common = components::Shared { app, theme: theme.as_deref(), language: language.as_deref() };
        let content = self.content(flow, title.as_deref(), &common);
        let selections = self.selections();
        if let Some(Content::Components(_)) = content {
            self.check_components(has_options, &selections);
        }
        let visible_to = self.audience();
        self.report_strangers(&KEYS);
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

    /// A frame; or components, when the entry or its flow asks for them.
    fn content(&mut self, flow: Option<Flow>, title: Option<&str>, shared: &components::Shared<'_>) -> Option<Content> {
        let has_list = self.keys.contains_key("embeds");
        let asked = if has_list { "embeds" } else { "embed" };
        let grid = if has_list {
            self.refuse("is for a page with one component, and this one has embeds", &["embed", "height"]);
            self.refuse("is for a page with one component, and this one has embeds", &components::TOLD);
            components::several(self, shared)
        } else if self.has("embed") {
            let kinds = components::kinds();
            let kind = self.text("embed", &kinds, components::kind);
            self.refuse("is for a page with several components", &["columns"]);
            if kind.is_none() {
                // What belongs to it is not known either.
                components::TOLD.iter().for_each(|key| drop(self.keys.remove(*key)));
            }
            kind.and_then(|kind| components::only(self, kind, title, shared))
        } else {
            self.keys.remove("embed");
            self.refuse("is for a page with several components", &["columns"]);
            return match self.framed(flow == Some(Flow::Oauth))? {
                Framed::Component(kind) => components::only(self, kind, title, shared).map(Content::Components),
                Framed::Content(content) => Some(content),
            };
        };
        if let Some(flow) = flow.filter(|flow| !flow.shows_components()) {
            let reason = format!("is set, and the flow {} shows no components", flow.as_str());
            self.problem(asked, reason, "let the page have the flow oauth or proxy");
        }
        grid.map(Content::Components)
    }

    /// What the two keys of a frame say; in a flow without frames, which component they mean.
    fn framed(&mut self, by_component: bool) -> Option<Framed> {
        let (has_sheet, has_object) = (self.has("sheet"), self.has("object"));
        if has_sheet == has_object {
            let reason = if has_sheet { "has both sheet and object" } else { "has neither sheet nor object" };
            self.reader.problem(&self.name, reason, "write one of the two: what the page shows");
            ["sheet", "object"].iter().for_each(|key| drop(self.keys.remove(*key)));
            return None;
        }
        if by_component {
            return Some(Framed::Component(if has_sheet { Kind::Sheet } else { Kind::Chart }));
        }
        let content = if has_sheet {
            self.text("sheet", SHEET, |text| sheet_id(text).map(Content::Sheet))
        } else {
            self.text("object", OBJECT, |text| object_id(text).map(Content::Object))
        };
        self.keys.remove(if has_sheet { "object" } else { "sheet" });
        self.refuse("is for components, and this page has a frame", &["height"]);
        self.refuse("is for components, and this page has a frame", &components::TOLD);
        content.map(Framed::Content)
    }

    /// Keys that say something elsewhere, and nothing here.
    fn refuse(&mut self, reason: &str, keys: &[&str]) {
        for key in keys {
            if self.keys.remove(*key).is_some() {
                self.problem(key, reason, "remove it; for components, see embed and embeds in docs/pages.md");
            }
        }
    }

    /// What holds for frames alone.
    fn check_components(&mut self, has_options: bool, selections: &[Selection]) {
        if has_options {
            self.problem("options", "is for frames, and this page has components", "remove it; see context instead");
        }
        // The element that selects parts its values so (Qlik Cloud facts, section H.3).
        let parted = selections.iter().flat_map(|selection| &selection.values).find(|value| value.contains(';'));
        if let Some(value) = parted {
            let reason = format!("has {value:?}, which a component cannot select");
            self.problem("selections", reason, "leave out what has a semicolon");
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
}

/// The key of an identity. Names of accounts are brought to the form in which they sign in.
fn identity_key(text: &str) -> Result<String, &'static str> {
    let (source, id) = text.split_once(':').ok_or("has no source, such as oidc:")?;
    let source = Source::parse(source).ok_or("does not begin with password:, oidc:, header: or ticket:")?;
    let id = if source == Source::Password { Account::canonical(id) } else { id.to_owned() };
    if id.is_empty() { Err("has no id") } else { Ok(format!("{source}:{id}")) }
}
