//! Settings of the tenant and of the pages.

use uuid::Uuid;

use super::reader::{Reader, line, list as items};
use super::{oauth, tls, way_out};
use crate::origin::Origin;
use crate::pages::component::{Component, Grid, Kind};
use crate::pages::{Audience, Content, Flow, Page, Pages, Slug};
use crate::qlik::Tenant;

mod components;

pub(super) use components::is_free;

mod entry;
mod list;

pub(super) fn tenant(reader: &mut Reader) -> Option<Tenant> {
    let origin = reader.required(
        "QLIK_TENANT",
        "write the tenant's host name, for example QLIK_TENANT=acme.eu.qlikcloud.com",
        |text| {
            let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
            Origin::parse_secure(&url)
        },
    );
    let web_integration = reader
        .optional(WEB_INTEGRATION, WEB_INTEGRATION_REMEDY, |text| name_of(text, "is not the id of a web integration"));
    let oauth_client = reader.optional(OAUTH_CLIENT, oauth::CLIENT_ID, line);
    let authorities = tls::authorities(reader);
    let way_out = way_out::read(reader);
    Some(Tenant { origin: origin?, web_integration, oauth_client, authorities: authorities?, way_out: way_out? })
}

/// App and sheet of the one page, as far as they are set, for whoever looks for the rest.
pub(super) fn content(reader: &mut Reader) -> (Option<String>, Option<String>) {
    let app = reader.optional("QLIK_APP_ID", APP, app_id).map(|id| id.to_string());
    (app, reader.optional("QLIK_SHEET_ID", SHEET, sheet_id))
}

const OAUTH_CLIENT: &str = "QLIK_OAUTH_CLIENT_ID";
const WEB_INTEGRATION: &str = "QLIK_WEB_INTEGRATION_ID";
const WEB_INTEGRATION_REMEDY: &str =
    "copy the id from the tenant: Administration, Web, and the entry that lists the origin of PUBLIC_URL";

/// Ids as Qlik writes them: letters, digits, hyphens and underscores.
pub(super) fn name_of(text: &str, reason: &'static str) -> Result<String, &'static str> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.len() <= 128 && text.chars().all(good) { Ok(text.to_owned()) } else { Err(reason) }
}

/// The pages: those of the configuration file, else the one that the variables describe.
pub(super) fn read(reader: &mut Reader) -> Option<Pages> {
    let shared = Shared::read(reader);
    let entries = reader.entries("pages", "begin each entry with [[pages]]");
    let pages = if entries.is_empty() {
        shared.page(reader).map(|page| Pages::new(vec![page]))
    } else {
        list::read(reader, entries, &shared)
    }?;
    if let Some(page) = pages.all().iter().find(|page| page.flow.uses_browser())
        && !reader.is_set(WEB_INTEGRATION)
    {
        let reason = format!("is not set, and the flow {} of the page {} needs it", page.flow.as_str(), page.slug);
        let remedy = format!("{WEB_INTEGRATION_REMEDY}; or let the page have the flow proxy, which needs none");
        reader.problem(WEB_INTEGRATION, reason, remedy);
    }
    if let Some(page) = pages.all().iter().find(|page| page.flow.uses_access_token())
        && !reader.is_set(OAUTH_CLIENT)
    {
        let reason = format!("is not set, and the flow oauth of the page {} needs it", page.slug);
        reader.problem(OAUTH_CLIENT, reason, oauth::CLIENT_ID);
    }
    Some(pages)
}

/// What the variables say for all pages that say nothing else.
struct Shared {
    app: Option<Uuid>,
    theme: Option<String>,
    options: Option<String>,
    language: Option<String>,
    identity: Option<String>,
    flow: Option<Flow>,
}

impl Shared {
    fn read(reader: &mut Reader) -> Self {
        Self {
            app: reader.optional("QLIK_APP_ID", APP, app_id),
            theme: reader.optional("QLIK_THEME", THEME, theme_id),
            options: reader.required("QLIK_OPTIONS", OPTIONS, options),
            language: reader.optional("QLIK_LANGUAGE", LANGUAGE, language),
            identity: reader.optional("QLIK_IDENTITY", IDENTITY, line),
            flow: Self::flow(reader),
        }
    }

    /// Without a word about it: the way that works in every browser, and by the shorter road where the browser allows it.
    fn flow(reader: &mut Reader) -> Option<Flow> {
        if reader.is_set("QLIK_FLOW") {
            return reader.optional("QLIK_FLOW", FLOW, flow);
        }
        let flow = if reader.is_set(WEB_INTEGRATION) { Flow::Auto } else { Flow::Proxy };
        reader.derived("QLIK_FLOW", flow.as_str(), WEB_INTEGRATION);
        Some(flow)
    }

    /// The one page, when there is no list.
    fn page(self, reader: &mut Reader) -> Option<Page> {
        if !reader.is_set("QLIK_APP_ID") {
            reader.problem("QLIK_APP_ID", "is not set", APP);
        }
        let title = reader.required("QLIK_TITLE", "write a title for the page", line);
        let content = self.content(reader, title.as_deref());
        Some(Page {
            slug: Slug::parse(Slug::DEFAULT)?,
            title: title?,
            app: self.app?,
            content: content?,
            theme: self.theme,
            options: self.options?,
            language: self.language,
            selections: Vec::new(),
            identity: self.identity,
            flow: self.flow?,
            visible_to: Audience::Everyone,
        })
    }

    /// What the one page shows: a frame with the sheet; or a component, when there shall be one.
    fn content(&self, reader: &mut Reader, title: Option<&str>) -> Option<Content> {
        let named = reader.is_set("QLIK_EMBED");
        let kind = reader.optional("QLIK_EMBED", EMBED, |text| match components::kind(text)? {
            kind @ (Kind::Sheet | Kind::ClassicApp | Kind::Selections) => Ok(kind),
            _ => Err("needs more than a sheet: describe the page in CONFIG_FILE"),
        });
        let sheet = match kind {
            Some(Kind::Selections) => None,
            Some(Kind::ClassicApp) => reader.optional("QLIK_SHEET_ID", SHEET, sheet_id),
            _ => Some(reader.required("QLIK_SHEET_ID", SHEET, sheet_id)?),
        };
        if let Some(flow) = self.flow.filter(|flow| named && !flow.shows_components()) {
            let reason = format!("is set, and the flow {} shows no components", flow.as_str());
            reader.problem("QLIK_EMBED", reason, "set QLIK_FLOW to oauth or proxy");
        }
        let by_flow = (self.flow == Some(Flow::Oauth)).then_some(Kind::Sheet);
        let Some(kind) = kind.or(by_flow) else { return sheet.filter(|_| !named).map(Content::Sheet) };
        let shared =
            components::Shared { app: self.app, theme: self.theme.as_deref(), language: self.language.as_deref() };
        let mut attributes: Vec<_> = sheet.map(|id| ("sheet-id", id)).into_iter().collect();
        components::dress(&mut attributes, kind, &shared);
        let (title, width) = (title?.to_owned(), Grid::MOST_COLUMNS);
        let component =
            Component { kind, title, app: Some(self.app?), attributes, more: Vec::new(), width, height: None };
        Some(Content::Components(Grid::of(component)))
    }
}

pub(super) const APP: &str =
    "open the app in the tenant and copy the id behind /app/ in the address, such as 2d54bd8e-...-0a5c";
pub(super) const SHEET: &str = "open the sheet in the tenant and copy the id behind /sheet/ in the address";
pub(super) const OBJECT: &str =
    "write the id of a visualization; the tenant shows it under Embed, in the visualization's menu";
const EMBED: &str =
    "write analytics/sheet, classic/app or analytics/selections; more of them [[pages]] in CONFIG_FILE can have";
const THEME: &str = "write a theme id, such as breeze, or leave it out";
const OPTIONS: &str = "list options of /single/, such as ctxmenu,currsel, or write none";
const LANGUAGE: &str = "write a language such as de or pt-BR, or leave it out";
const IDENTITY: &str = "write a word, or leave it out: then each session has its own";
const FLOW: &str = "write auto, session, proxy or oauth; or leave it out";

pub(super) fn app_id(text: &str) -> Result<Uuid, &'static str> {
    Uuid::try_parse(text).map_err(|_| "is not an app id, which is a GUID")
}

pub(super) fn sheet_id(text: &str) -> Result<String, &'static str> {
    name_of(text, "is not a sheet id")
}

fn object_id(text: &str) -> Result<String, &'static str> {
    name_of(text, "is not the id of a visualization")
}

fn theme_id(text: &str) -> Result<String, &'static str> {
    name_of(text, "is not a theme id")
}

fn options(text: &str) -> Result<String, &'static str> {
    let good = |option: &str| option.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    match items(text).collect::<Vec<_>>()[..] {
        ["none"] => Ok(String::new()),
        ref options if options.iter().all(|option| good(option)) => Ok(options.join(",")),
        _ => Err("has something that is no option"),
    }
}

fn language(text: &str) -> Result<String, &'static str> {
    name_of(text, "is not a language")
}

fn flow(text: &str) -> Result<Flow, &'static str> {
    Flow::parse(text).ok_or("is not a flow")
}
