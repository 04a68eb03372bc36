//! What load balancers and supervisors ask.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::app::App;

/// `GET /healthz`: the process answers.
pub async fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /readyz`: this instance can take visitors. Not while it drains, and not without its store.
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Value>) {
    let answer = |status, word| (status, Json(json!({ "status": word })));
    if app.is_draining() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, "draining");
    }
    match app.store.ping().await {
        Ok(()) => answer(StatusCode::OK, "ready"),
        Err(_) => answer(StatusCode::SERVICE_UNAVAILABLE, "store unavailable"),
    }
}
