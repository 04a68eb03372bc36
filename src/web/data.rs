//! Data without a chart, for scripts of the portal: `docs/openapi.json` describes it.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use super::visitor::{self, SignedIn};
use super::{Error, access_token};
use crate::app::App;
use crate::audit::Caller;
use crate::data::{Data, MOST_ROWS};
use crate::qlik::engine::Sheet;

/// How many rows there are where a request does not say.
const ROWS: usize = 1000;

/// Of which page's app.
#[derive(Deserialize)]
pub struct OfPage {
    page: Option<String>,
}

/// A sheet, as the engine lists it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedSheet {
    q_info: Info,
    q_meta: Meta,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    q_id: String,
    q_type: &'static str,
}

#[derive(Serialize)]
struct Meta {
    id: String,
    title: String,
}

impl From<Sheet> for ListedSheet {
    fn from(Sheet { id, title }: Sheet) -> Self {
        Self { q_info: Info { q_id: id.clone(), q_type: "sheet" }, q_meta: Meta { id, title } }
    }
}

/// `GET /app-sheets`: the sheets that the visitor sees in the app of a page.
pub async fn sheets(
    State(app): State<App>,
    caller: Caller,
    who: SignedIn,
    session: Session,
    asked: Result<Query<OfPage>, QueryRejection>,
) -> Result<Json<Vec<ListedSheet>>, Error> {
    let Query(asked) = asked.map_err(|_| Error::BadQuery("the query cannot be read"))?;
    let (data, id) = open(&app, &who, asked.page.as_deref())?;
    let visit = access_token::visit(&session, &who, caller)?;
    let sheets = data.sheets(&visit, &id, &identity(&who), app.clock.now()).await?;
    Ok(Json(sheets.into_iter().map(ListedSheet::from).collect()))
}

/// What is asked for.
#[derive(Deserialize)]
pub struct Cube {
    page: Option<String>,
    dimension: Option<String>,
    measure: Option<String>,
    limit: Option<usize>,
}

/// Columns of a table.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Columns {
    returned_dimension: Vec<String>,
    returned_measure: Vec<String>,
    /// How many rows there are in all.
    total: usize,
}

/// `GET /hypercube`: a measure for each value of a dimension.
pub async fn table(
    State(app): State<App>,
    caller: Caller,
    who: SignedIn,
    session: Session,
    asked: Result<Query<Cube>, QueryRejection>,
) -> Result<Json<Columns>, Error> {
    let Query(asked) = asked.map_err(|_| Error::BadQuery("limit is no number"))?;
    let (data, id) = open(&app, &who, asked.page.as_deref())?;
    let dimension = asked.dimension.as_deref().or(data.settings.dimension.as_deref());
    let dimension =
        dimension.ok_or(Error::BadQuery("say which dimension: a field, or an expression that begins with ="))?;
    let measure = asked.measure.as_deref().or(data.settings.measure.as_deref());
    let measure = measure.ok_or(Error::BadQuery("say which measure: an expression, such as =Sum(Sales)"))?;
    let limit = asked.limit.unwrap_or(ROWS);
    if !(1..=MOST_ROWS).contains(&limit) {
        return Err(Error::BadQuery("limit is from 1 to 10000"));
    }
    let visit = access_token::visit(&session, &who, caller)?;
    let identity = identity(&who);
    let table = data.table(&visit, (&id, &identity), (dimension, measure), limit, app.clock.now()).await?;
    let (returned_dimension, returned_measure) = table.rows.into_iter().unzip();
    Ok(Json(Columns { returned_dimension, returned_measure, total: table.total }))
}

/// Who the visitor is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    session_user_id: String,
    qlik_user_id: String,
}

/// `GET /user-attributes`: who the visitor is here, and to Qlik.
pub async fn attributes(State(app): State<App>, who: SignedIn) -> Result<Json<Attributes>, Error> {
    open(&app, &who, None)?;
    let resolution = app.subjects.resolve(who.identity(), app.clock.now()).await?;
    let subject = resolution.result?;
    Ok(Json(Attributes { session_user_id: who.identity().key(), qlik_user_id: subject.id }))
}

/// Where data is had, and the app of this page; without one, of the gallery, or of the visitor's first page that has
/// components. Of others there is none.
fn open(app: &App, who: &SignedIn, slug: Option<&str>) -> Result<(Data, String), Error> {
    let data = app.data.clone().ok_or(Error::NoSuchPage)?;
    let mut pages = app.pages.visible_to(who.identity()).filter(|page| page.flow.uses_access_token());
    let page = match slug {
        Some(slug) => pages.find(|page| page.slug.as_str() == slug),
        None => {
            if let Some(gallery) = &app.gallery {
                return Ok((data, gallery.app.to_string()));
            }
            pages.next()
        }
    };
    let page = page.ok_or(Error::NoSuchPage)?;
    Ok((data, page.app.to_string()))
}

/// An engine session of its own for each request: what runs beside it has no selections in it.
fn identity(who: &SignedIn) -> String {
    format!("{}-data-{}", who.engine_identity(), visitor::random())
}
