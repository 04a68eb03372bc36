//! Settings of the gallery, and of data without a chart.

use uuid::Uuid;

use super::page::{APP, OBJECT, SHEET, app_id, is_free, name_of, sheet_id};
use super::reader::{Reader, line};
use crate::data;
use crate::pages::component::{Component, Grid, Kind};
use crate::pages::{Audience, Content, Flow, Gallery, Page, Pages, Slug};

const FIELD: &str = "write the name of a field of the app";

/// What is asked for where a request for data does not say.
pub(super) fn data(reader: &mut Reader) -> data::Settings {
    let dimension = reader.optional("DATA_DIMENSION", "write a field of the app, or leave it out", line);
    let measure = reader.optional("DATA_MEASURE", "write an expression such as =Sum(Sales), or leave it out", line);
    data::Settings { dimension, measure }
}

/// The gallery, if there shall be one, which is a page as well. `None` after a problem.
pub(super) fn read(reader: &mut Reader, pages: &mut Option<Pages>, data: &data::Settings) -> Option<Option<Gallery>> {
    let wanted = reader.required("GALLERY", "write true or false", |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("is neither true nor false"),
    });
    let object = reader.optional("GALLERY_OBJECT", OBJECT, |text| name_of(text, "is not the id of a visualization"));
    let field = reader.optional("GALLERY_FIELD", FIELD, line);
    let assistant = reader.optional("GALLERY_ASSISTANT", "write the id of an assistant, or leave it out", |text| {
        name_of(text, "is not the id of an assistant")
    });
    let snapshot =
        reader.optional("GALLERY_SNAPSHOT", "write an attribute and its value, such as snapshot-id=JsVPe", |text| {
            let (name, value) = text.split_once('=').ok_or("has no =")?;
            if is_free(name) { Ok((name.to_owned(), line(value)?)) } else { Err("has no attribute that can be set") }
        });
    if !wanted? {
        return Some(None);
    }
    let needed = [
        ("QLIK_OAUTH_CLIENT_ID", "the gallery takes access tokens: set up an OAuth client, see docs/oauth-flow.md"),
        ("QLIK_APP_ID", APP),
        ("QLIK_SHEET_ID", SHEET),
        ("GALLERY_OBJECT", OBJECT),
        ("GALLERY_FIELD", FIELD),
    ];
    for (name, remedy) in needed {
        if !reader.is_set(name) {
            reader.problem(name, "is not set, and GALLERY is true", remedy);
        }
    }
    let app = reader.value("QLIK_APP_ID").and_then(|text| app_id(text).ok())?;
    let sheet = reader.value("QLIK_SHEET_ID").and_then(|text| sheet_id(text).ok())?;
    let gallery = Gallery { app, sheet, object: object?, field: field?, assistant };
    let pages = pages.as_mut()?;
    if pages.named(Gallery::SLUG).is_some() {
        reader.problem("GALLERY", "is true, and another page has the slug gallery", "give that page another slug");
        return None;
    }
    pages.add(page(&gallery, snapshot, data)?);
    Some(Some(gallery))
}

/// Each kind once, so far as there is something to show.
fn page(gallery: &Gallery, snapshot: Option<(String, String)>, data: &data::Settings) -> Option<Page> {
    let mut components = vec![
        one(Kind::Selections, 12, gallery.app, vec![]),
        one(Kind::Sheet, 12, gallery.app, vec![("sheet-id", gallery.sheet.clone())]),
        one(Kind::Chart, 6, gallery.app, vec![("object-id", gallery.object.clone())]),
        one(Kind::Field, 6, gallery.app, vec![("field-id", gallery.field.clone())]),
    ];
    if let (Some(dimension), Some(measure)) = (&data.dimension, &data.measure) {
        let json = |text: &String| serde_json::json!([text]).to_string();
        let told = vec![
            ("type", "barchart".into()),
            ("dimensions___json", json(dimension)),
            ("measures___json", json(measure)),
        ];
        components.push(Component { title: "On-the-fly chart".into(), ..one(Kind::Chart, 6, gallery.app, told) });
    }
    components.push(one(Kind::ClassicChart, 6, gallery.app, vec![("object-id", gallery.object.clone())]));
    components.push(one(Kind::ClassicApp, 12, gallery.app, vec![("sheet-id", gallery.sheet.clone())]));
    if let Some(snapshot) = snapshot {
        components.push(Component { more: vec![snapshot], ..one(Kind::Snapshot, 6, gallery.app, vec![]) });
    }
    if let Some(assistant) = &gallery.assistant {
        for kind in [Kind::Assistant, Kind::AgenticAssistant] {
            let told = vec![("assistant-id", assistant.clone())];
            components.push(Component { app: None, ..one(kind, 6, gallery.app, told) });
        }
    }
    Some(Page {
        slug: Slug::parse(Gallery::SLUG)?,
        title: "Gallery".into(),
        app: gallery.app,
        content: Content::Components(Grid { columns: Grid::MOST_COLUMNS, captioned: true, components }),
        theme: None,
        options: String::new(),
        language: None,
        selections: Vec::new(),
        identity: None,
        flow: Flow::Oauth,
        visible_to: Audience::Everyone,
    })
}

fn one(kind: Kind, width: u8, app: Uuid, attributes: Vec<(&'static str, String)>) -> Component {
    let title = match kind {
        Kind::Selections => "Current selections",
        Kind::Sheet => "Sheet",
        Kind::Chart => "Chart",
        Kind::Field => "Filterable field",
        Kind::ClassicChart => "Classic chart",
        Kind::ClassicApp => "Classic app",
        Kind::Snapshot => "Snapshot",
        Kind::Assistant => "Assistant",
        Kind::AgenticAssistant => "Agentic assistant",
    };
    Component { kind, title: title.into(), app: Some(app), attributes, more: Vec::new(), width, height: None }
}
