//! Settings of the tenant, of the page that the variables describe, and of the mapping.

use uuid::Uuid;

use super::reader::{Reader, line, list};
use crate::mapping::{Mapping, Template};
use crate::origin::Origin;
use crate::pages::{Flow, Page, Pages, Slug};
use crate::qlik::Tenant;

pub(super) fn tenant(reader: &mut Reader) -> Option<Tenant> {
    let origin = reader.required(
        "QLIK_TENANT",
        "write the tenant's host name, for example QLIK_TENANT=acme.eu.qlikcloud.com",
        |text| {
            let url = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
            Origin::parse_secure(&url)
        },
    );
    let web_integration = reader.required(
        "QLIK_WEB_INTEGRATION_ID",
        "copy the id from the tenant: Administration, Web, and the entry that lists the origin of PUBLIC_URL",
        |text| name_of(text, "is not the id of a web integration"),
    );
    Some(Tenant { origin: origin?, web_integration: web_integration? })
}

/// Ids as Qlik writes them: letters, digits, hyphens and underscores.
fn name_of(text: &str, reason: &'static str) -> Result<String, &'static str> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if text.len() <= 128 && text.chars().all(good) { Ok(text.to_owned()) } else { Err(reason) }
}

pub(super) fn read(reader: &mut Reader) -> Option<Pages> {
    let app = reader.required(
        "QLIK_APP_ID",
        "open the app in the tenant and copy the id behind /app/ in the address, such as 2d54bd8e-...-0a5c",
        |text| Uuid::try_parse(text).map_err(|_| "is not an app id, which is a GUID"),
    );
    let sheet = reader.required(
        "QLIK_SHEET_ID",
        "open the sheet in the tenant and copy the id behind /sheet/ in the address",
        |text| name_of(text, "is not a sheet id"),
    );
    let title = reader.required("QLIK_TITLE", "write a title for the page", line);
    let theme = reader.optional("QLIK_THEME", "write a theme id, such as breeze, or leave it out", |text| {
        name_of(text, "is not a theme id")
    });
    let remedy = "list options of /single/, such as ctxmenu,currsel, or write none";
    let options = reader.required("QLIK_OPTIONS", remedy, |text| {
        let good = |option: &str| option.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        match list(text).collect::<Vec<_>>()[..] {
            ["none"] => Ok(String::new()),
            ref options if options.iter().all(|option| good(option)) => Ok(options.join(",")),
            _ => Err("has something that is no option"),
        }
    });
    let language = reader.optional("QLIK_LANGUAGE", "write a language such as de or pt-BR, or leave it out", |text| {
        name_of(text, "is not a language")
    });
    let identity =
        reader.optional("QLIK_IDENTITY", "write a word, or leave it out: then each session has its own", |text| {
            line(text)
        });
    let flow = reader.required("QLIK_FLOW", "write session", |text| match text {
        "session" => Ok(Flow::Session),
        _ => Err("is not a flow"),
    });
    let page = Page {
        slug: Slug::parse(Slug::DEFAULT)?,
        title: title?,
        app: app?,
        sheet: sheet?,
        theme,
        options: options?,
        language,
        identity,
        flow: flow?,
    };
    Some(Pages::new(vec![page]))
}

pub(super) fn mapping(reader: &mut Reader) -> Option<Mapping> {
    reader.required("SUBJECT_TEMPLATE", "write a template such as {source}|{id}", Template::parse).map(Mapping::new)
}
