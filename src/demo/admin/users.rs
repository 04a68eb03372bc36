//! `/api/v1/users` for administrators (Qlik Cloud facts, section E). A single user is in `rest`, where everybody is shown.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use serde_json::{Value, json};

use super::{Admin, Body, Paging, conflict, created, invalid, not_found, text};
use crate::demo::{
    access,
    filter::{Filter, Grammar},
    settings::TENANT_ID,
    state::{State, held},
    users::{STATUSES, TENANT_ADMIN, User, Users, role_id},
};

const PATH: &str = "/api/v1/users";
const GRAMMAR: Grammar = Grammar {
    equal: &[
        "id",
        "subject",
        "name",
        "email",
        "status",
        "clientId",
        "assignedRoles.id",
        "assignedRoles.name",
        "assignedGroups.id",
        "assignedScopes",
    ],
    contains: &["name", "email", "subject"],
    whole: &["status"],
};

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(PATH, get(list).post(create))
        .route("/api/v1/users/actions/filter", post(filter))
        .route("/api/v1/users/actions/count", get(count))
        .route("/api/v1/users/{id}", patch(change).delete(remove))
}

async fn list(Shared(state): Shared<Arc<State>>, _: Admin, uri: Uri) -> Response {
    let filter = access::query(&uri, "filter");
    answer(&state, &uri, filter.as_deref())
}

/// The filter in a body, where it may be long.
async fn filter(Shared(state): Shared<Arc<State>>, _: Admin, uri: Uri, Body(body): Body) -> Response {
    answer(&state, &uri, body["filter"].as_str())
}

fn answer(state: &State, uri: &Uri, filter: Option<&str>) -> Response {
    match found(state, filter) {
        Some(found) => Paging::default().answer(state, uri, found),
        None => invalid(PATH, "filter"),
    }
}

/// The users that a filter leaves, by name. `None` when it is malformed.
fn found(state: &State, filter: Option<&str>) -> Option<Vec<Value>> {
    let escapes = state.settings().switches.filter_escapes;
    let filter = match filter {
        Some(text) => Some(Filter::parse(text, &GRAMMAR, escapes)?),
        None => None,
    };
    let users = held(&state.users);
    let shown = users.all().map(|user| users.as_json(user, &state.origin));
    let mut found: Vec<Value> = shown.filter(|user| filter.as_ref().is_none_or(|filter| filter.fits(user))).collect();
    found.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    Some(found)
}

async fn count(Shared(state): Shared<Arc<State>>, _: Admin, uri: Uri) -> Response {
    match found(&state, access::query(&uri, "filter").as_deref()) {
        Some(found) => Json(json!({ "total": found.len() })).into_response(),
        None => invalid(PATH, "filter"),
    }
}

async fn create(Shared(state): Shared<Arc<State>>, _: Admin, uri: Uri, Body(body): Body) -> Response {
    let Some(subject) = text(&body, "subject", 256) else { return invalid(PATH, "subject") };
    if !body["tenantId"].is_null() && body["tenantId"] != TENANT_ID {
        return invalid(PATH, "tenantId");
    }
    let status = STATUSES.into_iter().find(|known| *known == body["status"].as_str().unwrap_or("invited"));
    let Some(status) = status.filter(|status| matches!(*status, "active" | "invited")) else {
        return invalid(PATH, "status");
    };
    let Some(roles) = roles(&body["assignedRoles"]) else { return invalid(PATH, "assignedRoles") };
    let mut user = User { status, roles, ..User::new(subject, state.now()) };
    user.name = body["name"].as_str().unwrap_or(subject).to_owned();
    user.email = body["email"].as_str().map(str::to_owned);
    let mut users = held(&state.users);
    if users.by_subject(subject).is_some() {
        return conflict(&uri, "A user with this subject exists already");
    }
    let shown = users.as_json(&user, &state.origin);
    users.add(user);
    created(shown)
}

/// Roles by name or by id. Only `TenantAdmin` is known here.
fn roles(value: &Value) -> Option<Vec<String>> {
    let known = |role: &Value| {
        (role["name"] == TENANT_ADMIN || role["id"] == role_id(TENANT_ADMIN)).then(|| TENANT_ADMIN.to_owned())
    };
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(list) => list.iter().map(known).collect(),
        _ => None,
    }
}

/// 204 when all of it is done, 207 with the errors of the operations that are not.
async fn change(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    uri: Uri,
    Body(body): Body,
) -> Response {
    let mut users = held(&state.users);
    if users.get(&id).is_none() {
        return not_found(&uri);
    }
    let Some(patches) = body.as_array().filter(|patches| !patches.is_empty()) else { return invalid(PATH, "body") };
    let failed = |(at, operation): (usize, &Value)| {
        let pointer = format!("/{at}{}", operation["path"].as_str().unwrap_or_default());
        apply(&mut users, &id, operation).is_none().then(
            || json!({ "code": "USERS-4", "title": "Invalid operation", "status": 400, "source": { "pointer": pointer } }),
        )
    };
    let errors: Vec<Value> = patches.iter().enumerate().filter_map(failed).collect();
    if errors.is_empty() {
        return StatusCode::NO_CONTENT.into_response();
    }
    (StatusCode::MULTI_STATUS, Json(json!({ "errors": errors }))).into_response()
}

fn apply(users: &mut Users, id: &str, operation: &Value) -> Option<()> {
    let value = &operation["value"];
    let groups = match operation["path"].as_str() {
        Some("/assignedGroups") => {
            let named = |one: &Value| {
                let group = users.groups().find(|group| one["name"] == group.name || one["id"] == group.id);
                group.map(|group| group.name.clone())
            };
            Some(value.as_array()?.iter().map(named).collect::<Option<Vec<String>>>()?)
        }
        _ => None,
    };
    let user = users.get_mut(id).filter(|_| operation["op"] == "replace")?;
    match operation["path"].as_str()? {
        "/name" => user.name = value.as_str()?.to_owned(),
        "/status" => user.status = STATUSES.into_iter().find(|known| value == known)?,
        "/assignedRoles" => user.roles = roles(value)?,
        "/assignedGroups" => user.groups = groups?,
        "/inviteExpiry" | "/preferredZoneinfo" | "/preferredLocale" => {}
        _ => return None,
    }
    Some(())
}

async fn remove(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    if held(&state.users).remove(&id) { StatusCode::NO_CONTENT.into_response() } else { not_found(&uri) }
}
