//! Settings of the gallery, and of data without a chart.

use super::page::{APP, OBJECT, SHEET, app_id, name_of, sheet_id};
use super::reader::{Reader, line};
use crate::data;
use crate::pages::Gallery;

/// What is asked for where a request for data does not say.
pub(super) fn data(reader: &mut Reader) -> data::Settings {
    let dimension = reader.optional("DATA_DIMENSION", "write a field of the app, or leave it out", line);
    let measure = reader.optional("DATA_MEASURE", "write an expression such as =Sum(Sales), or leave it out", line);
    data::Settings { dimension, measure }
}

/// The gallery, if there shall be one. `None` after a problem.
pub(super) fn read(reader: &mut Reader) -> Option<Option<Gallery>> {
    let wanted = reader.required("GALLERY", "write true or false", |text| match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("is neither true nor false"),
    });
    let object = reader.optional("GALLERY_OBJECT", OBJECT, |text| name_of(text, "is not the id of a visualization"));
    let field = reader.optional("GALLERY_FIELD", "write the name of a field of the app", line);
    let assistant = reader.optional("GALLERY_ASSISTANT", "write the id of an assistant, or leave it out", |text| {
        name_of(text, "is not the id of an assistant")
    });
    if !wanted? {
        return Some(None);
    }
    let needed = [
        ("QLIK_OAUTH_CLIENT_ID", "the gallery takes access tokens: set up an OAuth client, see docs/oauth-flow.md"),
        ("QLIK_APP_ID", APP),
        ("QLIK_SHEET_ID", SHEET),
        ("GALLERY_OBJECT", OBJECT),
        ("GALLERY_FIELD", "write the name of a field of the app"),
    ];
    for (name, remedy) in needed {
        if !reader.is_set(name) {
            reader.problem(name, "is not set, and GALLERY is true", remedy);
        }
    }
    let app = reader.value("QLIK_APP_ID").and_then(|text| app_id(text).ok())?;
    let sheet = reader.value("QLIK_SHEET_ID").and_then(|text| sheet_id(text).ok())?;
    Some(Some(Gallery { app, sheet, object: object?, field: field?, assistant }))
}
