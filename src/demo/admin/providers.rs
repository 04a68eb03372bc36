//! `/api/v1/identity-providers` (section A.1): JWT providers only, one key each; made and deleted, hardly changed.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Admin, Body, Paging, code, created, invalid, not_found, replacements, show, take_out, timestamp};
use crate::demo::{
    access, refusal,
    settings::{IdentityProvider, Switches, TENANT_ID},
    state::{State, held},
};

const PATH: &str = "/api/v1/identity-providers";

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(PATH, get(list).post(create))
        .route("/api/v1/identity-providers/status", get(status))
        .route("/api/v1/identity-providers/{id}", get(one).delete(remove).patch(change))
}

pub(in crate::demo) fn as_json(provider: &IdentityProvider) -> Value {
    json!({
        "id": provider.id, "tenantIds": [TENANT_ID], "provider": "external", "protocol": "jwtAuth",
        "interactive": false, "active": provider.active, "description": provider.description,
        "clockToleranceSec": provider.clock_tolerance.as_secs(),
        "created": timestamp(provider.created), "lastUpdated": timestamp(provider.created),
        "options": {
            "jwtLoginEnabled": true, "issuer": provider.issuer,
            "staticKeys": [{ "kid": provider.key_id, "pem": provider.key }],
        },
    })
}

async fn list(Shared(state): Shared<Arc<State>>, _: Admin, uri: Uri) -> Response {
    let active = match access::query(&uri, "active").as_deref() {
        None => None,
        Some("true") => Some(true),
        Some("false") => Some(false),
        Some(_) => return invalid(PATH, "active"),
    };
    let settings = state.settings();
    let wanted = settings.providers.iter().filter(|provider| active.is_none_or(|active| provider.active == active));
    Paging::default().answer(&state, &uri, wanted.map(as_json).collect())
}

async fn status(Shared(state): Shared<Arc<State>>, _: Admin) -> Json<Value> {
    let settings = state.settings();
    let meta = |one: &IdentityProvider| json!({ "active": one.active, "interactive": false, "provider": "external" });
    let metadata: Vec<Value> = settings.providers.iter().map(meta).collect();
    Json(json!({ "active_interactive_idps_count": 0, "idps_metadata": metadata }))
}

async fn create(Shared(state): Shared<Arc<State>>, _: Admin, Body(body): Body) -> Response {
    let now = state.now();
    let mut settings = held(&state.settings);
    let mut provider = match read(&body, &settings.switches) {
        Ok(provider) => provider,
        Err(what) => return invalid(PATH, what),
    };
    let same_issuer = || settings.providers.iter().filter(|known| known.issuer == provider.issuer);
    let same_key = same_issuer().any(|known| known.key_id == provider.key_id);
    if same_key || settings.switches.shared_issuer_refused && same_issuer().next().is_some() {
        let wanted = settings.switches.duplicate_provider_status;
        let status = StatusCode::from_u16(wanted).unwrap_or(StatusCode::BAD_REQUEST);
        let title = "Identity provider already exists";
        return refusal::service_error(status, &code(PATH, 9), title);
    }
    provider.created = now;
    let shown = as_json(&provider);
    settings.providers.push(provider);
    created(shown)
}

/// What a body says, or which member of it is wrong.
fn read(body: &Value, switches: &Switches) -> Result<IdentityProvider, &'static str> {
    if body["protocol"] != "jwtAuth" {
        return Err("protocol");
    }
    if body["provider"] != "external" {
        return Err("provider");
    }
    if !body["tenantIds"].is_null() && body["tenantIds"] != json!([TENANT_ID]) {
        return Err("tenantIds");
    }
    let options = &body["options"];
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let issuer = text(&options["issuer"]).ok_or("options/issuer")?;
    let [key] = options["staticKeys"].as_array().map(Vec::as_slice).unwrap_or_default() else {
        return Err("options/staticKeys");
    };
    let key_id = text(&key["kid"]).ok_or("options/staticKeys/0/kid")?;
    let pem = text(&key["pem"]).ok_or("options/staticKeys/0/pem")?;
    let broken = pem.contains(['\r', '\n']) || pem.ends_with(char::is_whitespace);
    if switches.one_line_required && broken || !pem.trim().starts_with("-----BEGIN ") || pem.contains("PRIVATE KEY") {
        return Err("options/staticKeys/0/pem");
    }
    let mut provider = IdentityProvider::new(issuer, key_id, pem);
    if let Some(seconds) = body.get("clockToleranceSec") {
        provider.clock_tolerance = Duration::from_secs(seconds.as_u64().ok_or("clockToleranceSec")?);
    }
    provider.description = body["description"].as_str().unwrap_or_default().to_owned();
    provider.active = body["active"] != false && options["jwtLoginEnabled"] != false;
    Ok(provider)
}

async fn one(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    show(state.settings().providers.iter().find(|provider| provider.id == id).map(as_json), &uri)
}

async fn remove(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    take_out(&mut held(&state.settings).providers, |provider| provider.id == id, &uri)
}

/// Only the description; anything else fails the whole request.
async fn change(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    uri: Uri,
    Body(body): Body,
) -> Response {
    let mut settings = held(&state.settings);
    let Some(provider) = settings.providers.iter_mut().find(|provider| provider.id == id) else {
        return not_found(&uri);
    };
    let Some(patches) = replacements(&body) else { return invalid(PATH, "body") };
    if let Some((path, _)) = patches.iter().find(|(path, value)| *path != "/description" || !value.is_string()) {
        return invalid(PATH, path);
    }
    if let Some((_, value)) = patches.last() {
        provider.description = value.as_str().unwrap_or_default().to_owned();
    }
    StatusCode::NO_CONTENT.into_response()
}
