//! The settings in effect, as `config show` prints them.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::{Admin, Part};
use crate::app::App;
use crate::config::Shown;
use crate::config::settings::SETTINGS;
use crate::web::error::{Error, Site};

/// `GET /admin/settings`.
pub async fn show(State(app): State<App>, admin: Admin) -> Result<Html<String>, Error> {
    let (site, visitor) = admin.look_at(&app, Part::Settings, None);
    let mut shown = admin.desk.settings.shown.clone();
    // In the order of the manual; behind them, what only CONFIG_FILE has.
    let place = |shown: &Shown| SETTINGS.iter().position(|setting| setting.name == shown.name);
    shown.sort_by_key(|shown| place(shown).unwrap_or(SETTINGS.len()));
    let hints = admin.desk.settings.hints.clone();
    Ok(Html(Settings { site, visitor, part: Part::Settings, shown, hints }.render()?))
}

#[derive(Template)]
#[template(path = "admin_settings.html")]
struct Settings {
    site: Site,
    visitor: Option<String>,
    part: Part,
    shown: Vec<Shown>,
    hints: Vec<String>,
}
