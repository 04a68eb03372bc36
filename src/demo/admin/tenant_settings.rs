//! Settings of the whole tenant: `/api/v1/licenses/settings` (section A.6) and `/api/core/auth-settings` (section B.4).

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State as Shared,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::{Value, json};

use super::{Admin, Body, invalid, replacements};
use crate::demo::{
    settings::Settings,
    settings::TENANT_ID,
    state::{State, held},
};

const LICENCES: &str = "/api/v1/licenses/settings";
const SESSIONS: &str = "/api/core/auth-settings";

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route(LICENCES, get(licences).put(change_licences))
        .route(SESSIONS, get(sessions).patch(change_sessions))
}

async fn licences(Shared(state): Shared<Arc<State>>, _: Admin) -> Json<Value> {
    Json(licences_as_json(&state.settings()))
}

pub(super) fn licences_as_json(settings: &Settings) -> Value {
    json!({
        "autoAssignAnalyzer": settings.auto_assign_analyzer,
        "autoAssignProfessional": settings.auto_assign_professional,
    })
}

async fn change_licences(Shared(state): Shared<Arc<State>>, _: Admin, Body(body): Body) -> Response {
    let mut settings = held(&state.settings);
    for name in ["autoAssignAnalyzer", "autoAssignProfessional"] {
        if !matches!(body[name], Value::Null | Value::Bool(_)) {
            return invalid(LICENCES, name);
        }
    }
    if let Some(on) = body["autoAssignAnalyzer"].as_bool() {
        settings.auto_assign_analyzer = on;
    }
    if let Some(on) = body["autoAssignProfessional"].as_bool() {
        settings.auto_assign_professional = on;
    }
    Json(licences_as_json(&settings)).into_response()
}

async fn sessions(Shared(state): Shared<Arc<State>>, _: Admin) -> Json<Value> {
    let (settings, usual) = (state.settings(), Settings::default());
    let (idle, longest) = (settings.idle_timeout, settings.longest_session);
    Json(json!({
        "tenantId": TENANT_ID,
        "userSessionInactivityTimeoutMinutes": idle.as_secs() / 60,
        "maxUserSessionLifespanMinutes": longest.as_secs() / 60,
        "isDefault": (idle, longest) == (usual.idle_timeout, usual.longest_session),
    }))
}

async fn change_sessions(Shared(state): Shared<Arc<State>>, _: Admin, Body(body): Body) -> Response {
    let Some(patches) = replacements(&body) else { return invalid(SESSIONS, "body") };
    let (mut idle, mut longest) = (None, None);
    for (path, value) in patches {
        match (path, value.as_u64()) {
            ("/userSessionInactivityTimeoutMinutes", Some(minutes @ 15..=1440)) => idle = Some(minutes),
            ("/maxUserSessionLifespanMinutes", Some(minutes @ 60..=10_080)) if minutes % 60 == 0 => {
                longest = Some(minutes);
            }
            _ => return invalid(SESSIONS, path),
        }
    }
    let mut settings = held(&state.settings);
    if let Some(minutes) = idle {
        settings.idle_timeout = Duration::from_secs(minutes * 60);
    }
    if let Some(minutes) = longest {
        settings.longest_session = Duration::from_secs(minutes * 60);
    }
    StatusCode::NO_CONTENT.into_response()
}
