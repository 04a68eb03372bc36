//! The gallery: each kind of component once, for who wants to see what there is. It has the routes of Qlik's own sample, so that
//! clients of that one find what they know.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Redirect;
use serde::Serialize;
use tower_sessions::Session;

use super::visitor::SignedIn;
use super::{Error, csrf};
use crate::app::App;
use crate::pages::Gallery;

/// `GET /gallery`: it is one of the pages.
pub async fn show(State(app): State<App>, _: SignedIn) -> Result<Redirect, Error> {
    app.gallery.as_ref().ok_or(Error::NoSuchPage)?;
    Ok(Redirect::to(&format!("/embed/{}", Gallery::SLUG)))
}

/// What a page of components is told. Nothing here is a secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    tenant_uri: String,
    o_auth_front_end_client_id: String,
    app_id: String,
    sheet_id: String,
    object_id: String,
    field_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    assistant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hypercube_dimension: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hypercube_measure: Option<String>,
}

/// `POST /config`: the names of what the gallery shows.
pub async fn config(
    State(app): State<App>,
    _: SignedIn,
    session: Session,
    headers: HeaderMap,
) -> Result<Json<Config>, Error> {
    csrf::check(&app, &session, &headers)?;
    let gallery = app.gallery.as_ref().ok_or(Error::NoSuchPage)?;
    let data = app.data.as_ref().map(|data| data.settings.clone()).unwrap_or_default();
    Ok(Json(Config {
        tenant_uri: app.tenant.origin.to_string(),
        o_auth_front_end_client_id: app.tenant.oauth_client.clone().ok_or(Error::NoSuchPage)?,
        app_id: gallery.app.to_string(),
        sheet_id: gallery.sheet.clone(),
        object_id: gallery.object.clone(),
        field_id: gallery.field.clone(),
        assistant_id: gallery.assistant.clone(),
        hypercube_dimension: data.dimension,
        hypercube_measure: data.measure,
    }))
}
