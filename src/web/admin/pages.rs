//! Every page there is, whoever may see it.

use askama::Template;
use axum::extract::State;
use axum::response::Html;

use super::{Admin, Part};
use crate::app::App;
use crate::pages::component::Component;
use crate::pages::{Audience, Content, Page, Selection};
use crate::web::error::{Error, Site};

/// `GET /admin/pages`.
pub async fn show(State(app): State<App>, admin: Admin) -> Result<Html<String>, Error> {
    let (site, visitor) = admin.look_at(&app, Part::Pages, None);
    let rows = app.pages.all().iter().map(|page| Row::of(page, page.visible_to.admits(admin.identity()))).collect();
    Ok(Html(Pages { site, visitor, part: Part::Pages, rows }.render()?))
}

#[derive(Template)]
#[template(path = "admin_pages.html")]
struct Pages {
    site: Site,
    visitor: Option<String>,
    part: Part,
    rows: Vec<Row>,
}

/// A page.
struct Row {
    title: String,
    slug: String,
    /// Whether this administrator may see it.
    open: bool,
    app: String,
    content: String,
    flow: &'static str,
    audience: Vec<String>,
    /// What else is set: names and values.
    more: Vec<(&'static str, String)>,
}

impl Row {
    fn of(page: &Page, open: bool) -> Self {
        let more = [
            ("theme", page.theme.clone()),
            ("options", Some(page.options.clone()).filter(|options| !options.is_empty())),
            ("language", page.language.clone()),
            ("identity", page.identity.clone()),
            ("selects", selected(&page.selections)),
        ];
        Self {
            title: page.title.clone(),
            slug: page.slug.to_string(),
            open,
            app: page.app.to_string(),
            content: match &page.content {
                Content::Sheet(id) => format!("sheet {id}"),
                Content::Object(id) => format!("object {id}"),
                Content::Components(grid) => {
                    let told = |component: &Component| {
                        let ids =
                            ["sheet-id", "object-id", "field-id"].iter().find_map(|name| component.attribute(name));
                        format!("{} {}", component.kind.as_str(), ids.unwrap_or_default()).trim_end().to_owned()
                    };
                    grid.components.iter().map(told).collect::<Vec<_>>().join(", ")
                }
            },
            flow: page.flow.as_str(),
            audience: match &page.visible_to {
                Audience::Everyone => vec!["everybody who is signed in".to_owned()],
                Audience::Only { groups, identities } => {
                    groups.iter().map(|group| format!("group {group}")).chain(identities.iter().cloned()).collect()
                }
            },
            more: more.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        }
    }
}

fn selected(selections: &[Selection]) -> Option<String> {
    let told = |selection: &Selection| format!("{}: {}", selection.field, selection.values.join(", "));
    (!selections.is_empty()).then(|| selections.iter().map(told).collect::<Vec<_>>().join("; "))
}
