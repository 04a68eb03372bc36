//! `/api/v1/groups` and its settings (section A.5).

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Admin, Body, Paging, conflict, created, invalid, not_found, replacements, show, text, timestamp};
use crate::demo::{
    access,
    filter::{Filter, Grammar},
    settings::TENANT_ID,
    state::{State, held},
    users::{EVERYONE, Group},
};

const PATH: &str = "/api/v1/groups";
const SETTINGS: &str = "/api/v1/groups/settings";
/// Characters of a name at most.
const LONGEST: usize = 256;
const GRAMMAR: Grammar =
    Grammar { equal: &["id", "name", "status", "providerType"], contains: &["name"], whole: &["status"] };

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(PATH, get(list).post(create))
        .route(SETTINGS, get(settings).patch(change_settings))
        .route("/api/v1/groups/{id}", get(one).delete(remove))
}

pub(in crate::demo) fn as_json(group: &Group, origin: &str) -> Value {
    json!({
        "id": group.id, "tenantId": TENANT_ID, "name": group.name, "status": "active", "providerType": group.provider,
        "assignedRoles": [], "createdAt": timestamp(group.created_at), "lastUpdatedAt": timestamp(group.created_at),
        "links": { "self": { "href": format!("{origin}{PATH}/{}", group.id) } },
    })
}

async fn list(Shared(state): Shared<Arc<State>>, _: Admin, uri: Uri) -> Response {
    let escapes = state.settings().switches.filter_escapes;
    let filter = access::query(&uri, "filter").map(|text| Filter::parse(&text, &GRAMMAR, escapes));
    let Some(filter) = filter.map_or(Some(None), |parsed| parsed.map(Some)) else { return invalid(PATH, "filter") };
    let all: Vec<Value> = held(&state.users).groups().map(|group| as_json(group, &state.origin)).collect();
    let wanted = all.into_iter().filter(|group| filter.as_ref().is_none_or(|filter| filter.fits(group)));
    Paging::default().answer(&state, &uri, wanted.collect())
}

async fn create(Shared(state): Shared<Arc<State>>, _: Admin, uri: Uri, Body(body): Body) -> Response {
    let Some(name) = text(&body, "name", LONGEST) else { return invalid(PATH, "name") };
    let provider = match &body["providerType"] {
        Value::Null => "idp",
        Value::String(kind) if matches!(kind.as_str(), "idp" | "custom") => kind.as_str(),
        _ => return invalid(PATH, "providerType"),
    };
    if !matches!(body["status"].as_str(), None | Some("active")) {
        return invalid(PATH, "status");
    }
    let group = Group::new(name, provider, state.now());
    let shown = as_json(&group, &state.origin);
    if held(&state.users).add_group(group) {
        created(shown)
    } else {
        conflict(&uri, "A group with this name exists already")
    }
}

async fn one(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    show(held(&state.users).group(&id).map(|group| as_json(group, &state.origin)), &uri)
}

async fn remove(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    if held(&state.users).remove_group(&id) { StatusCode::NO_CONTENT.into_response() } else { not_found(&uri) }
}

async fn settings(Shared(state): Shared<Arc<State>>, _: Admin) -> Json<Value> {
    let (id, name) = EVERYONE;
    Json(json!({
        "tenantId": TENANT_ID, "autoCreateGroups": held(&state.settings).auto_create_groups,
        "systemGroups": { id: { "id": id, "name": name, "enabled": true, "assignedRoles": [] } },
        "links": { "self": { "href": format!("{}{SETTINGS}", state.origin) } },
    }))
}

async fn change_settings(Shared(state): Shared<Arc<State>>, _: Admin, Body(body): Body) -> Response {
    let Some(patches) = replacements(&body) else { return invalid(SETTINGS, "body") };
    let mut wanted = None;
    for (path, value) in patches {
        match (path, value) {
            ("/autoCreateGroups", Value::Bool(on)) => wanted = Some(*on),
            _ => return invalid(SETTINGS, path),
        }
    }
    if let Some(on) = wanted {
        held(&state.settings).auto_create_groups = on;
    }
    StatusCode::NO_CONTENT.into_response()
}
