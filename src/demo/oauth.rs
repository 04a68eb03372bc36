//! `/oauth/token` and `/oauth/revoke` (Qlik Cloud facts, section H.2): client credentials, and impersonation as far as it
//! can be refused. JSON or a form; the secret in the body or in `Authorization: Basic`.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    admin, refusal,
    settings::{CLIENT_CREDENTIALS, IMPERSONATION, OauthClient, Settings},
    state::{State, held},
};

pub(super) async fn token(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let asked = read(&headers, &body);
    let settings = state.settings();
    give(&state, &settings, &headers, &asked).unwrap_or_else(|refused| refused)
}

/// Forgets a token. Says nothing of whether there was one (RFC 7009, section 2.2).
pub(super) async fn revoke(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let asked = read(&headers, &body);
    let Some(token) = asked["token"].as_str() else {
        return refusal::service_error(StatusCode::BAD_REQUEST, "OAUTH-4", "token is required");
    };
    held(&state.users).revoke_token(token);
    StatusCode::OK.into_response()
}

fn read(headers: &HeaderMap, body: &Bytes) -> Value {
    if admin::is_json(headers) {
        return serde_json::from_slice(body).unwrap_or_default();
    }
    let pairs = url::form_urlencoded::parse(body);
    pairs.map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect()
}

fn refused(status: u16, code: &str, title: &str) -> Response {
    refusal::service_error(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), code, title)
}

fn give(state: &State, settings: &Settings, headers: &HeaderMap, asked: &Value) -> Result<Response, Response> {
    let switches = &settings.switches;
    let client = authenticate(settings, headers, asked).ok_or_else(|| refused(401, "OAUTH-2", "Invalid client"))?;
    let grant = asked["grant_type"].as_str().unwrap_or_default();
    if !matches!(grant, CLIENT_CREDENTIALS | IMPERSONATION) {
        return Err(refused(400, "OAUTH-1", "Unsupported grant type"));
    }
    if !client.grants.iter().any(|allowed| allowed == grant) {
        return Err(refused(switches.grant_refused_status, "OAUTH-3", "Grant type is not allowed for this client"));
    }
    let all = client.scopes.join(" ");
    let scope = asked["scope"].as_str().unwrap_or(&all);
    if !scope.split(' ').all(|one| client.scopes.iter().any(|allowed| allowed == one)) {
        return Err(refused(400, "OAUTH-5", "Invalid scope"));
    }
    let machine = grant == CLIENT_CREDENTIALS;
    let admin = machine && scope.split(' ').any(|one| one == "admin_classic");
    let now = state.now();
    let mut users = held(&state.users);
    let user = if machine {
        users.staff(&format!("qlikbot\\{}", client.id), admin, Some(&client.id))
    } else {
        if !client.trusted {
            return Err(refused(switches.untrusted_status, "OAUTH-6", "Consent is required"));
        }
        let wanted = asked["user_lookup"]["value"].as_str().unwrap_or_default();
        let found = match asked["user_lookup"]["field"].as_str() {
            Some("subject") => users.by_subject(wanted),
            Some("userId") => users.get(wanted),
            _ => return Err(refused(400, "OAUTH-4", "user_lookup is required")),
        };
        let user = found.ok_or_else(|| refused(switches.missing_user_status, "OAUTH-7", "User not found"))?;
        if user.status != "active" {
            return Err(refused(403, "OAUTH-8", "User is disabled"));
        }
        user.id.clone()
    };
    if users.tokens_of(&user, now) >= switches.most_access_tokens {
        return Err(refused(403, "OAUTH-9", "Maximum number of tokens reached"));
    }
    let lifetime = switches.access_token_lifetime;
    let token = users.give_token(&user, admin, machine, now + lifetime);
    Ok(Json(json!({
        "access_token": token, "token_type": "bearer", "expires_in": lifetime.as_secs(),
        "expires_at": admin::timestamp(now + lifetime), "scope": scope,
    }))
    .into_response())
}

/// The client of an id and its secret.
fn authenticate<'a>(settings: &'a Settings, headers: &HeaderMap, asked: &Value) -> Option<&'a OauthClient> {
    let member = |name: &str| asked[name].as_str().map(str::to_owned);
    let (id, secret) = basic(headers).or_else(|| Some((member("client_id")?, member("client_secret")?)))?;
    settings.clients.iter().find(|client| client.id == id && client.secret == secret)
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    Some((id.to_owned(), secret.to_owned()))
}
