//! What happened lately, as this instance has told it to the audit.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::words::Moment;
use super::{Admin, Part};
use crate::app::App;
use crate::audit::{Recent, Told};
use crate::web::error::{Error, Site};

/// `GET /admin/audit`.
pub async fn show(State(app): State<App>, admin: Admin) -> Result<Html<String>, Error> {
    let now = app.clock.now();
    let (site, visitor) = admin.look_at(&app, Part::Audit, None);
    let row =
        |told: Told| Row { at: Moment::of(told.at, now), what: told.what, warning: told.warning, fields: told.fields };
    let rows = admin.desk.recent.events().into_iter().map(row).collect();
    let since = Moment::of(admin.desk.since, now);
    Ok(Html(Events { site, visitor, part: Part::Audit, since, kept: Recent::KEPT, rows }.render()?))
}

#[derive(Template)]
#[template(path = "admin_audit.html")]
struct Events {
    site: Site,
    visitor: Option<String>,
    part: Part,
    since: Moment,
    kept: usize,
    rows: Vec<Row>,
}

/// An event.
struct Row {
    at: Moment,
    what: &'static str,
    warning: bool,
    fields: Vec<(&'static str, String)>,
}
