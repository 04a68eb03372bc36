//! `/api/v1/oauth-clients` (section H.1): clients of this tenant, and whether they are trusted.

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
    settings::{CLIENT_CREDENTIALS, ClientKey, IMPERSONATION, OauthClient},
    state::{State, held},
};

const PATH: &str = "/api/v1/oauth-clients";

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(PATH, get(list).post(create))
        .route("/api/v1/oauth-clients/{id}", get(one).delete(remove).patch(change))
        .route("/api/v1/oauth-clients/{id}/connection-configs/me", get(consent).patch(change_consent))
}

/// Without the secret, of which only a hint is shown.
pub(in crate::demo) fn as_json(client: &OauthClient) -> Value {
    let hint: String = client.secret.chars().take(5).collect();
    let keys: Vec<Value> = client.keys.iter().map(key_as_json).collect();
    let methods = if keys.is_empty() { json!(["client_secret"]) } else { json!(["client_secret", "private_key_jwt"]) };
    json!({
        "clientId": client.id, "clientName": client.name, "appType": client.kind, "description": "",
        "allowedGrantTypes": client.grants, "allowedScopes": client.scopes, "allowedOrigins": client.origins,
        "allowedAuthMethods": methods, "publicKeys": keys, "redirectUris": [], "createdByType": "user",
        "clientSecrets": [{ "hint": hint, "createdAt": timestamp(client.created) }],
        "connectionConfig": consent_as_json(client),
        "createdAt": timestamp(client.created), "updatedAt": timestamp(client.created),
    })
}

/// A key as it was registered here; of one that was not, the id.
fn key_as_json(key: &ClientKey) -> Value {
    serde_json::from_str(&key.key).unwrap_or_else(|_| json!({ "kid": key.id, "use": "sig" }))
}

fn consent_as_json(client: &OauthClient) -> Value {
    json!({ "consentMethod": if client.trusted { "trusted" } else { "required" }, "status": "active" })
}

async fn list(Shared(state): Shared<Arc<State>>, _: Admin, uri: Uri) -> Response {
    let items = state.settings().clients.iter().map(as_json).collect();
    Paging::default().answer(&state, &uri, items)
}

/// The only answer that has the secret.
async fn create(Shared(state): Shared<Arc<State>>, _: Admin, Body(body): Body) -> Response {
    let Some(name) = text(&body, "clientName", 256) else { return invalid(PATH, "clientName") };
    let kind = body["appType"].as_str().filter(|kind| matches!(*kind, "web" | "native" | "spa" | "anonymous-embed"));
    let Some(kind) = kind else { return invalid(PATH, "appType") };
    let mut client = OauthClient {
        name: name.to_owned(),
        kind: kind.to_owned(),
        grants: Vec::new(),
        scopes: Vec::new(),
        trusted: body["connectionConfig"]["consentMethod"] == "trusted",
        created: state.now(),
        ..OauthClient::admin(random_hex::<16>(), random_hex::<32>())
    };
    for member in ["allowedGrantTypes", "allowedScopes", "allowedOrigins", "publicKeys"] {
        if !body[member].is_null() && set(&mut client, member, &body[member]).is_none() {
            return invalid(PATH, member);
        }
    }
    let mut shown = as_json(&client);
    shown["clientSecret"] = client.secret.clone().into();
    held(&state.settings).clients.push(client);
    created(shown)
}

/// `None` when the member does not exist, or the value does not fit it.
fn set(client: &mut OauthClient, member: &str, value: &Value) -> Option<()> {
    match member {
        "clientName" => client.name = value.as_str().filter(|name| !name.is_empty())?.to_owned(),
        "allowedGrantTypes" => {
            let known = |grant: &String| grant == CLIENT_CREDENTIALS || grant == IMPERSONATION;
            client.grants = texts(value).filter(|grants| client.kind == "web" && grants.iter().all(known))?;
        }
        "allowedScopes" => client.scopes = texts(value)?,
        "allowedOrigins" => client.origins = texts(value)?,
        "publicKeys" => {
            let key = |jwk: &Value| Some(ClientKey::new(jwk["kid"].as_str()?, jwk.to_string()));
            client.keys = value.as_array()?.iter().map(key).collect::<Option<_>>()?;
        }
        _ => return None,
    }
    Some(())
}

async fn one(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    show(state.settings().clients.iter().find(|client| client.id == id).map(as_json), &uri)
}

async fn remove(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    take_out(&mut held(&state.settings).clients, |client| client.id == id, &uri)
}

async fn change(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    uri: Uri,
    Body(body): Body,
) -> Response {
    let mut settings = held(&state.settings);
    let Some(client) = settings.clients.iter_mut().find(|client| client.id == id) else { return not_found(&uri) };
    let Some(patches) = replacements(&body) else { return invalid(PATH, "body") };
    let mut changed = client.clone();
    for (path, value) in patches {
        if set(&mut changed, path.trim_start_matches('/'), value).is_none() {
            return invalid(PATH, path);
        }
    }
    *client = changed;
    StatusCode::NO_CONTENT.into_response()
}

async fn consent(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    show(state.settings().clients.iter().find(|client| client.id == id).map(consent_as_json), &uri)
}

async fn change_consent(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    uri: Uri,
    Body(body): Body,
) -> Response {
    let mut settings = held(&state.settings);
    let Some(client) = settings.clients.iter_mut().find(|client| client.id == id) else { return not_found(&uri) };
    let Some(patches) = replacements(&body) else { return invalid(PATH, "body") };
    for (path, value) in patches {
        match (path, value.as_str()) {
            ("/consentMethod", Some(method @ ("trusted" | "required"))) => client.trusted = method == "trusted",
            _ => return invalid(PATH, path),
        }
    }
    StatusCode::NO_CONTENT.into_response()
}
