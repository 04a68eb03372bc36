//! `/api/v1/oauth-tokens` (section H.2): which tokens there are, for administrators all, for others their own. Exchanged
//! ones are not shown `[U]`.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State as Shared},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use serde_json::{Value, json};

use super::revoke_where;
use crate::demo::{
    access::{self, Caller},
    admin, refusal,
    settings::TENANT_ID,
    state::{State, held},
    tokens::AccessToken,
};

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new().route("/api/v1/oauth-tokens", get(list)).route("/api/v1/oauth-tokens/{id}", delete(remove))
}

fn as_json(token: &AccessToken) -> Value {
    let mut shown = json!({
        "id": token.id, "userId": token.user, "tenantId": TENANT_ID, "deviceType": "", "description": "",
    });
    if let Some(used) = token.used {
        shown["lastUsed"] = admin::timestamp(used).into();
    }
    shown
}

async fn list(Shared(state): Shared<Arc<State>>, caller: Caller, uri: Uri) -> Response {
    let everybodys = caller.is_admin(&held(&state.users));
    let wanted = access::query(&uri, "userId");
    if !everybodys && wanted.as_deref().is_some_and(|wanted| wanted != caller.user()) {
        return refusal::service_error(StatusCode::FORBIDDEN, "OAUTH-TOKENS-3", "Forbidden");
    }
    let of = wanted.or_else(|| (!everybodys).then(|| caller.user().to_owned()));
    let mut found: Vec<AccessToken> = held(&state.tokens)
        .all(state.now())
        .filter(|token| token.purpose.is_none() && of.as_ref().is_none_or(|user| token.user == *user))
        .cloned()
        .collect();
    found.sort_by(|one, other| (one.created, &one.id).cmp(&(other.created, &other.id)));
    admin::pages_by("page").answer(&state, &uri, found.iter().map(as_json).collect())
}

async fn remove(Shared(state): Shared<Arc<State>>, caller: Caller, Path(id): Path<String>) -> Response {
    let everybodys = caller.is_admin(&held(&state.users));
    let meant = |_: &str, token: &AccessToken| token.id == id && (everybodys || token.user == caller.user());
    if revoke_where(&state, meant) == 0 {
        return refusal::service_error(StatusCode::NOT_FOUND, "OAUTH-TOKENS-7", "Not found");
    }
    StatusCode::NO_CONTENT.into_response()
}
