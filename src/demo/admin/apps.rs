//! `/api/v1/apps/{id}` and `/api/v1/items` (sections A.6 and L 14): apps, for those who may open them.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Paging, spaces};
use crate::demo::{
    access::{self, Caller},
    engine::title,
    refusal,
    settings::TENANT_ID,
    state::{State, held},
};

const CREATED: &str = "2026-01-05T08:00:00Z";

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/api/v1/apps/{id}", get(app)).route("/api/v1/items", get(items))
}

/// Whether the caller sees the apps. An app that one may not see does not exist `[I]`.
fn sees(state: &State, caller: &Caller) -> bool {
    let (settings, users) = (state.settings(), held(&state.users));
    users
        .get(caller.user())
        .is_some_and(|user| !users.denied.contains_key(&user.subject) && spaces::may_open(&settings, &users, user))
}

async fn app(Shared(state): Shared<Arc<State>>, caller: Caller, Path(id): Path<String>) -> Response {
    let settings = state.settings();
    if !settings.apps().any(|known| *known == id) || !sees(&state, &caller) {
        return refusal::service_error(StatusCode::NOT_FOUND, "APPS-7", "App not found");
    }
    let mut attributes = json!({
        "id": id, "name": title(&settings, &id), "description": "", "createdDate": CREATED, "modifiedDate": CREATED,
        "lastReloadTime": CREATED, "publishTime": "", "published": false, "hasSectionAccess": false,
    });
    if let Some(space) = &settings.app_space {
        attributes["spaceId"] = space.clone().into();
    }
    Json(json!({ "attributes": attributes, "privileges": ["read"], "create": [] })).into_response()
}

/// By the query's `resourceType`, `resourceId`, `spaceId` and `name`.
async fn items(Shared(state): Shared<Arc<State>>, caller: Caller, uri: Uri) -> Response {
    let settings = state.settings();
    let item = |id: &String| {
        let mut item = json!({
            "id": item_id(id), "tenantId": TENANT_ID, "name": title(&settings, id), "description": "",
            "resourceType": "app", "resourceId": id, "resourceAttributes": { "id": id }, "resourceCustomAttributes": {},
            "resourceCreatedAt": CREATED, "resourceUpdatedAt": CREATED, "createdAt": CREATED, "updatedAt": CREATED,
            "actions": ["read"], "collectionIds": [], "isFavorited": false,
            "meta": { "actions": ["read"], "collections": [], "isFavorited": false, "tags": [] },
            "links": { "self": { "href": format!("{}/api/v1/items/{}", state.origin, item_id(id)) } },
        });
        if let Some(space) = &settings.app_space {
            item["spaceId"] = space.clone().into();
        }
        item
    };
    let wanted = |item: &Value| {
        let equal = |name: &&str| access::query(&uri, name).is_none_or(|wanted| item[*name] == wanted);
        let part = access::query(&uri, "name").map(|part| part.to_lowercase());
        let named = part.is_none_or(|part| item["name"].as_str().is_some_and(|own| own.to_lowercase().contains(&part)));
        named && ["resourceType", "resourceId", "spaceId"].iter().all(equal)
    };
    let seen = sees(&state, &caller);
    let mut items: Vec<Value> = settings.apps().filter(|_| seen).map(item).filter(wanted).collect();
    items.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    Paging { usual: 10, ..Paging::default() }.answer(&state, &uri, items)
}

/// Items have an id of their own, 24 hex characters.
fn item_id(app: &str) -> String {
    app.chars().filter(char::is_ascii_hexdigit).chain(std::iter::repeat('0')).take(24).collect()
}
