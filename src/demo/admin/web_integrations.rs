//! `/api/v1/web-integrations` (section C.1): which origins may call the tenant from a browser.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Admin, Body, Paging, created, invalid, not_found, replacements, show, take_out, text, texts, timestamp};
use crate::demo::{
    random_hex,
    settings::{TENANT_ID, WebIntegration},
    state::{State, held},
};

const PATH: &str = "/api/v1/web-integrations";

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(PATH, get(list).post(create))
        .route("/api/v1/web-integrations/{id}", get(one).delete(remove).patch(change))
}

pub(in crate::demo) fn as_json(integration: &WebIntegration) -> Value {
    json!({
        "id": integration.id, "name": integration.name, "tenantId": TENANT_ID, "validOrigins": integration.origins,
        "created": timestamp(integration.created), "lastUpdated": timestamp(integration.created),
    })
}

async fn list(Shared(state): Shared<Arc<State>>, _: Admin, uri: Uri) -> Response {
    let items = state.settings().web_integrations.iter().map(as_json).collect();
    Paging { usual: 10, least: 0, most: 100, cursor: "startingAfter" }.answer(&state, &uri, items)
}

async fn create(Shared(state): Shared<Arc<State>>, admin: Admin, Body(body): Body) -> Response {
    let Some(name) = text(&body, "name", 256) else { return invalid(PATH, "name") };
    let origins = if body["validOrigins"].is_null() { Some(Vec::new()) } else { origins(&body["validOrigins"]) };
    let Some(origins) = origins else { return invalid(PATH, "validOrigins") };
    let integration = WebIntegration {
        name: name.to_owned(),
        created: state.now(),
        ..WebIntegration::new(random_hex::<16>(), origins)
    };
    let mut shown = as_json(&integration);
    shown["createdBy"] = admin.user.into();
    held(&state.settings).web_integrations.push(integration);
    created(shown)
}

/// A list in which everything is an origin: scheme, host, perhaps a port; no path, no wildcard.
fn origins(value: &Value) -> Option<Vec<String>> {
    let origins = texts(value)?;
    let good = |origin: &String| {
        let parsed = url::Url::parse(origin).ok();
        parsed.is_some_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == *origin
        }) && !origin.contains('*')
    };
    origins.iter().all(good).then_some(origins)
}

/// The list as a text: in JSON, or with commas.
fn list_in_text(value: &Value) -> Option<Value> {
    let text = value.as_str()?;
    let parsed = serde_json::from_str(text).ok().filter(Value::is_array);
    Some(parsed.unwrap_or_else(|| text.split(',').map(|one| Value::from(one.trim())).collect()))
}

async fn one(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    show(state.settings().web_integrations.iter().find(|integration| integration.id == id).map(as_json), &uri)
}

async fn remove(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    take_out(&mut held(&state.settings).web_integrations, |integration| integration.id == id, &uri)
}

async fn change(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    uri: Uri,
    Body(body): Body,
) -> Response {
    let mut settings = held(&state.settings);
    let as_text = settings.switches.origins_as_text;
    let Some(integration) = settings.web_integrations.iter_mut().find(|integration| integration.id == id) else {
        return not_found(&uri);
    };
    let Some(patches) = replacements(&body) else { return invalid(PATH, "body") };
    let mut changed = integration.clone();
    for (path, value) in patches {
        let listed = if as_text { list_in_text(value) } else { Some(value.clone()) };
        match (path, value.as_str(), listed.as_ref().and_then(origins)) {
            ("/name", Some(name), _) if !name.trim().is_empty() => changed.name = name.to_owned(),
            ("/validOrigins", _, Some(origins)) => changed.origins = origins,
            _ => return invalid(PATH, path),
        }
    }
    *integration = changed;
    StatusCode::NO_CONTENT.into_response()
}
