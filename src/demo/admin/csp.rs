//! `/api/v1/csp-origins` (section C.2): the tenant's content security policy. The simulated pages need nothing from
//! elsewhere, so that of all directives only `frameAncestors` has an effect.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Admin, Body, Paging, code, created, invalid, not_found, show, take_out, text, timestamp};
use crate::demo::{
    access::{self, Caller},
    refusal,
    settings::{CspOrigin, Switches},
    state::{State, held},
};

const PATH: &str = "/api/v1/csp-origins";
/// Entries at most.
const MOST: usize = 256;
/// Characters of the compiled header at most.
const LONGEST: usize = 6144;
const DIRECTIVES: [&str; 13] = [
    "childSrc",
    "connectSrc",
    "connectSrcWSS",
    "fontSrc",
    "formAction",
    "frameAncestors",
    "frameSrc",
    "imgSrc",
    "mediaSrc",
    "objectSrc",
    "scriptSrc",
    "styleSrc",
    "workerSrc",
];

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(PATH, get(list).post(create))
        .route("/api/v1/csp-origins/actions/generate-header", get(header))
        .route("/api/v1/csp-origins/{id}", get(one).put(change).delete(remove))
}

/// What the tenant's pages may load, and who may frame them: the tenant itself, and the entries.
pub(in crate::demo) fn policy(origin: &str, entries: &[CspOrigin]) -> String {
    let socket = origin.replacen("http", "ws", 1);
    let framing = entries.iter().filter(|entry| entry.frames());
    let ancestors: String = framing.map(|entry| format!(" {}", entry.origin)).collect();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {socket}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'self'{ancestors}"
    )
}

pub(in crate::demo) fn as_json(entry: &CspOrigin) -> Value {
    let mut shown = json!({
        "id": entry.id, "origin": entry.origin, "name": entry.name, "description": entry.description,
        "createdDate": timestamp(entry.created), "modifiedDate": timestamp(entry.created),
    });
    for directive in DIRECTIVES {
        shown[directive] = entry.directives.contains(&directive).into();
    }
    shown
}

async fn list(Shared(state): Shared<Arc<State>>, _: Admin, uri: Uri) -> Response {
    let wanted = |entry: &Value| {
        let named = |name: &str| match access::query(&uri, name) {
            None => true,
            Some(part) => {
                let part = part.trim_matches('*').to_lowercase();
                entry[name].as_str().is_some_and(|own| own.to_lowercase().contains(&part))
            }
        };
        let set = |name: &&str| access::query(&uri, name).is_none_or(|wanted| entry[*name] == (wanted == "true"));
        named("origin") && named("name") && DIRECTIVES.iter().all(set)
    };
    let items = state.settings().csp_origins.iter().map(as_json).filter(wanted).collect();
    Paging::default().answer(&state, &uri, items)
}

/// For everybody who is signed in.
async fn header(Shared(state): Shared<Arc<State>>, _: Caller) -> Json<Value> {
    Json(json!({ "Content-Security-Policy": policy(&state.origin, &state.settings().csp_origins) }))
}

async fn create(Shared(state): Shared<Arc<State>>, _: Admin, Body(body): Body) -> Response {
    let now = state.now();
    let mut settings = held(&state.settings);
    let entry = match read(&body, &settings.switches) {
        Ok(entry) => CspOrigin { created: now, ..entry },
        Err(what) => return invalid(PATH, what),
    };
    let known = settings.csp_origins.iter().any(|known| known.origin == entry.origin);
    if let Some(status) = settings.switches.duplicate_csp_status.filter(|_| known) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::CONFLICT);
        return refusal::service_error(status, &code(PATH, 9), "Origin already exists");
    }
    let shown = as_json(&entry);
    settings.csp_origins.push(entry);
    if settings.csp_origins.len() > MOST || policy(&state.origin, &settings.csp_origins).len() > LONGEST {
        settings.csp_origins.pop();
        return refusal::service_error(StatusCode::BAD_REQUEST, &code(PATH, 5), "Content security policy is full");
    }
    created(shown)
}

/// What a body says, or which member of it is wrong.
fn read(body: &Value, switches: &Switches) -> Result<CspOrigin, &'static str> {
    let origin = text(body, "origin", 256).ok_or("origin")?;
    let host = match origin.split_once("://") {
        Some(("http" | "https", host)) if switches.csp_scheme_accepted => host,
        Some(_) => return Err("origin"),
        None => origin,
    };
    let domain = host.strip_prefix("*.").unwrap_or(host);
    if domain.is_empty() || !domain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':')) {
        return Err("origin");
    }
    let mut entry = CspOrigin::framing(origin);
    let limited = |name: &'static str, most: usize| match &body[name] {
        Value::Null => Ok(String::new()),
        Value::String(text) if text.chars().count() <= most => Ok(text.clone()),
        _ => Err(name),
    };
    entry.name = limited("name", 512)?;
    entry.description = limited("description", 1024)?;
    if let Some(wrong) = DIRECTIVES.into_iter().find(|name| !matches!(body[*name], Value::Null | Value::Bool(_))) {
        return Err(wrong);
    }
    entry.directives = DIRECTIVES.into_iter().filter(|name| body[*name] == true).collect();
    Ok(entry)
}

async fn one(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    show(state.settings().csp_origins.iter().find(|entry| entry.id == id).map(as_json), &uri)
}

async fn change(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Path(id): Path<String>,
    uri: Uri,
    Body(body): Body,
) -> Response {
    let mut settings = held(&state.settings);
    let read = read(&body, &settings.switches);
    let Some(known) = settings.csp_origins.iter_mut().find(|entry| entry.id == id) else { return not_found(&uri) };
    match read {
        Ok(entry) => *known = CspOrigin { id, created: known.created, ..entry },
        Err(what) => return invalid(PATH, what),
    }
    Json(as_json(known)).into_response()
}

async fn remove(Shared(state): Shared<Arc<State>>, _: Admin, Path(id): Path<String>, uri: Uri) -> Response {
    take_out(&mut held(&state.settings).csp_origins, |entry| entry.id == id, &uri)
}
