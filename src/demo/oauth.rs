//! `POST /oauth/token` for machines (Qlik Cloud facts, section H): client credentials, in JSON or as a form.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    refusal,
    state::{State, held},
};

pub(super) async fn token(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let asked: Value = if kind.starts_with("application/json") {
        serde_json::from_slice(&body).unwrap_or_default()
    } else {
        let pairs = url::form_urlencoded::parse(&body);
        pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect()
    };
    let member = |name: &str| asked[name].as_str().unwrap_or_default();
    if member("grant_type") != "client_credentials" {
        return refusal::service_error(StatusCode::BAD_REQUEST, "OAUTH-1", "Unsupported grant type");
    }
    let settings = state.settings();
    let known = |(id, secret): &(String, String)| id == member("client_id") && secret == member("client_secret");
    if !settings.clients.iter().any(known) {
        return refusal::service_error(StatusCode::UNAUTHORIZED, "OAUTH-2", "Invalid client");
    }
    let lifetime = settings.switches.access_token_lifetime;
    let token = held(&state.users).give_machine_token(state.now() + lifetime);
    Json(json!({
        "access_token": token, "token_type": "bearer", "expires_in": lifetime.as_secs(), "scope": "admin_classic user_default",
    }))
    .into_response()
}
