//! `/api/v1/spaces` and their assignments (section A.6); and who may open the apps by them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Admin, Body, Paging, created, text, texts, timestamp};
use crate::demo::{
    access::{self, Caller},
    random_hex,
    refusal::spaces_fault,
    settings::{Assignment, Settings, Space, TENANT_ID},
    state::{State, held},
    users::{EVERYONE, TENANT_ADMIN, User, Users},
};

const PATH: &str = "/api/v1/spaces";
const PAGING: Paging = Paging { usual: 10, least: 1, most: 100, cursor: "next" };
/// Roles by kind of space.
const ROLES: [(&str, &[&str]); 3] = [
    ("shared", &["codeveloper", "consumer", "dataconsumer", "facilitator", "producer"]),
    ("managed", &["consumer", "contributor", "dataconsumer", "facilitator", "publisher", "basicconsumer"]),
    ("data", &["consumer", "dataconsumer", "datapreview", "facilitator", "operator", "producer", "publisher"]),
];
/// Roles that open apps: the viewers' two, and those of people who work on apps `[I]`.
const OPENING: [&str; 6] = ["consumer", "basicconsumer", "contributor", "producer", "codeveloper", "facilitator"];

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(PATH, get(list).post(create))
        .route("/api/v1/spaces/{id}", get(one).delete(remove))
        .route("/api/v1/spaces/{id}/assignments", get(assignments).post(assign))
        .route("/api/v1/spaces/{id}/assignments/{assignment}", axum::routing::delete(unassign))
}

/// Whether a user may open the apps: everybody, as long as they lie in no space.
pub(in crate::demo) fn may_open(settings: &Settings, users: &Users, user: &User) -> bool {
    let Some(id) = &settings.app_space else { return true };
    if settings.switches.admins_open_apps && user.roles.iter().any(|role| role == TENANT_ADMIN) {
        return true;
    }
    settings.spaces.iter().find(|space| space.id == *id).is_some_and(|space| opens(space, users, user))
}

/// Whether somebody is assigned to a space in a role that opens apps.
fn opens(space: &Space, users: &Users, user: &User) -> bool {
    space.assignments.iter().any(|assignment| {
        let meant = if assignment.kind == "group" {
            users.groups_of(user).any(|group| group == assignment.assignee)
        } else {
            user.id == assignment.assignee
        };
        meant && assignment.roles.iter().any(|role| OPENING.contains(&role.as_str()))
    })
}

pub(in crate::demo) fn as_json(space: &Space, origin: &str) -> Value {
    let this = format!("{origin}{PATH}/{}", space.id);
    json!({
        "id": space.id, "tenantId": TENANT_ID, "name": space.name, "description": "", "type": space.kind,
        "createdAt": timestamp(space.created), "updatedAt": timestamp(space.created),
        "meta": { "actions": ["read"], "roles": [], "assignableRoles": roles(&space.kind) },
        "links": { "self": { "href": this }, "assignments": { "href": format!("{this}/assignments") } },
    })
}

fn assignment_as_json(space: &Space, assignment: &Assignment, origin: &str) -> Value {
    let this = format!("{origin}{PATH}/{}", space.id);
    json!({
        "id": assignment.id, "type": assignment.kind, "assigneeId": assignment.assignee, "roles": assignment.roles,
        "spaceId": space.id, "tenantId": TENANT_ID,
        "links": {
            "self": { "href": format!("{this}/assignments/{}", assignment.id) }, "space": { "href": this },
        },
    })
}

fn roles(kind: &str) -> &'static [&'static str] {
    ROLES.iter().find(|(known, _)| *known == kind).map_or(&[], |(_, roles)| roles)
}

fn invalid(what: &str) -> Response {
    spaces_fault(StatusCode::BAD_REQUEST, "SPACES-4", "Invalid request", &format!("Invalid value: {what}"))
}

fn not_found() -> Response {
    spaces_fault(StatusCode::NOT_FOUND, "SPACES-7", "Not found", "Space not found")
}

/// The spaces that the caller has access to.
async fn list(Shared(state): Shared<Arc<State>>, caller: Caller, uri: Uri) -> Response {
    let settings = state.settings();
    let items = {
        let users = held(&state.users);
        let all = caller.is_admin(&users);
        let Some(user) = users.get(caller.user()) else { return not_found() };
        let name = access::query(&uri, "name").map(|part| part.to_lowercase());
        let named = |space: &&Space| name.as_ref().is_none_or(|part| space.name.to_lowercase().contains(part));
        let seen = |space: &&Space| all || opens(space, &users, user);
        settings.spaces.iter().filter(named).filter(seen).map(|space| as_json(space, &state.origin)).collect()
    };
    with_count(&state, &uri, items)
}

/// A page with the number of all in `meta`.
fn with_count(state: &State, uri: &Uri, items: Vec<Value>) -> Response {
    let count = items.len();
    match PAGING.page(state, uri, items) {
        Ok(mut page) => {
            page["meta"] = json!({ "count": count });
            Json(page).into_response()
        }
        Err(refused) => refused,
    }
}

async fn create(Shared(state): Shared<Arc<State>>, _: Admin, Body(body): Body) -> Response {
    let Some(name) = text(&body, "name", 256) else { return invalid("name") };
    let kind = body["type"].as_str().filter(|kind| !roles(kind).is_empty());
    let Some(kind) = kind else { return invalid("type") };
    let now = state.now();
    let mut settings = held(&state.settings);
    if settings.spaces.iter().any(|space| space.name == name) {
        return spaces_fault(StatusCode::CONFLICT, "SPACES-9", "Conflict", "space name already exists");
    }
    let space = Space { kind: kind.to_owned(), created: now, ..Space::shared(name) };
    let shown = as_json(&space, &state.origin);
    settings.spaces.push(space);
    created(shown)
}

async fn one(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>) -> Response {
    let settings = state.settings();
    let found = settings.spaces.iter().find(|space| space.id == id);
    found.map_or_else(not_found, |space| Json(as_json(space, &state.origin)).into_response())
}

async fn remove(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>) -> Response {
    let mut settings = held(&state.settings);
    let Some(at) = settings.spaces.iter().position(|space| space.id == id) else { return not_found() };
    settings.spaces.remove(at);
    StatusCode::NO_CONTENT.into_response()
}

async fn assignments(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    let settings = state.settings();
    let Some(space) = settings.spaces.iter().find(|space| space.id == id) else { return not_found() };
    let shown = |assignment: &Assignment| assignment_as_json(space, assignment, &state.origin);
    with_count(&state, &uri, space.assignments.iter().map(shown).collect())
}

async fn assign(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, Body(body): Body) -> Response {
    let assignee = body["assigneeId"].as_str().unwrap_or_default().to_owned();
    let known = {
        let users = held(&state.users);
        match body["type"].as_str() {
            Some("user") => users.get(&assignee).is_some(),
            Some("group") => assignee == EVERYONE.0 || users.group(&assignee).is_some(),
            _ => return invalid("type"),
        }
    };
    if !known {
        return invalid("assigneeId");
    }
    let mut settings = held(&state.settings);
    let Some(space) = settings.spaces.iter_mut().find(|space| space.id == id) else { return not_found() };
    let allowed = |role: &String| roles(&space.kind).contains(&role.as_str());
    let wanted = texts(&body["roles"]).filter(|wanted| !wanted.is_empty() && wanted.iter().all(allowed));
    let Some(roles) = wanted else { return invalid("roles") };
    if space.assignments.iter().any(|known| known.assignee == assignee) {
        let detail = "assignment of assignee already exists in space";
        return spaces_fault(StatusCode::CONFLICT, "SPACES-9", "Conflict", detail);
    }
    let kind = body["type"].as_str().unwrap_or_default().to_owned();
    let assignment = Assignment { id: random_hex::<12>(), kind, assignee, roles };
    let shown = assignment_as_json(space, &assignment, &state.origin);
    space.assignments.push(assignment);
    created(shown)
}

async fn unassign(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path((id, assignment)): Path<(String, String)>,
) -> Response {
    let mut settings = held(&state.settings);
    let Some(space) = settings.spaces.iter_mut().find(|space| space.id == id) else { return not_found() };
    let Some(at) = space.assignments.iter().position(|known| known.id == assignment) else { return not_found() };
    space.assignments.remove(at);
    StatusCode::NO_CONTENT.into_response()
}
