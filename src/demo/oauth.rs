//! `/oauth/token` and `/oauth/revoke` (Qlik Cloud facts, sections H.1, H.2 and H.5). JSON or a form; a client proves itself
//! with its secret, in the body or in `Authorization: Basic`, or with an assertion that it signed. `exchange` is the grant
//! of pages, which have no secret; `listed` shows administrators and users what tokens there are.

mod assertion;
mod exchange;
mod listed;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::State as Shared,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{
    admin, refusal,
    settings::{CLIENT_CREDENTIALS, IMPERSONATION, OauthClient, Settings, TOKEN_EXCHANGE},
    state::{State, held},
    tokens::AccessToken,
};

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/oauth/token", post(token))
        .route("/oauth/revoke", post(revoke))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/.well-known/jwks.json", get(async || Json(json!({ "keys": [] }))))
        .merge(listed::routes())
}

async fn token(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let asked = read(&headers, &body);
    let settings = state.settings();
    let given = match asked["grant_type"].as_str() {
        Some(TOKEN_EXCHANGE) => exchange::give(&state, &settings, &headers, &asked),
        _ => give(&state, &settings, &headers, &asked),
    };
    given.unwrap_or_else(|refused| refused)
}

/// Forgets a token. Says nothing of whether there was one (RFC 7009, section 2.2).
async fn revoke(Shared(state): Shared<Arc<State>>, headers: HeaderMap, body: Bytes) -> Response {
    let asked = read(&headers, &body);
    let Some(token) = asked["token"].as_str() else {
        return refusal::service_error(StatusCode::BAD_REQUEST, "OAUTH-4", "token is required");
    };
    revoke_where(&state, |value, _| value == token);
    StatusCode::OK.into_response()
}

/// Makes tokens worthless, and what hangs on them as the switches say. How many were meant.
pub(super) fn revoke_where(state: &State, meant: impl Fn(&str, &AccessToken) -> bool) -> usize {
    let switches = state.settings().switches;
    let gone = held(&state.tokens).revoke(meant, switches.revocation_ends_exchanged);
    if switches.sockets_end_with_token {
        let engine = held(&state.engine);
        gone.iter().for_each(|token| engine.close_of(token));
    }
    gone.len()
}

/// Whoever reads this has the right tenant. Needs no authentication.
async fn metadata(Shared(state): Shared<Arc<State>>) -> Json<Value> {
    let origin = &state.origin;
    Json(json!({
        "issuer": origin, "token_endpoint": format!("{origin}/oauth/token"),
        "revocation_endpoint": format!("{origin}/oauth/revoke"), "jwks_uri": format!("{origin}/.well-known/jwks.json"),
    }))
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
    let client =
        authenticate(state, settings, headers, asked).ok_or_else(|| refused(401, "OAUTH-2", "Invalid client"))?;
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
    let user = if machine {
        held(&state.users).staff(&format!("qlikbot\\{}", client.id), admin, Some(&client.id))
    } else {
        impersonated(state, settings, client, asked)?
    };
    let now = state.now();
    let token = AccessToken::new(&user, grant, now, now + switches.access_token_lifetime);
    issue(state, settings, AccessToken { client: Some(client.id.clone()), scope: scope.into(), admin, ..token })
}

/// The id of the user for whom a trusted client wants to act.
fn impersonated(state: &State, settings: &Settings, client: &OauthClient, asked: &Value) -> Result<String, Response> {
    let switches = &settings.switches;
    if !client.trusted {
        return Err(refused(switches.untrusted_status, "OAUTH-6", "Consent is required"));
    }
    let wanted = asked["user_lookup"]["value"].as_str().unwrap_or_default();
    let users = held(&state.users);
    let found = match asked["user_lookup"]["field"].as_str() {
        Some("subject") => users.by_subject(wanted),
        Some("userId") => users.get(wanted),
        _ => return Err(refused(400, "OAUTH-4", "user_lookup is required")),
    };
    let user = found.ok_or_else(|| refused(switches.missing_user_status, "OAUTH-7", "User not found"))?;
    if user.status != "active" {
        return Err(refused(403, "OAUTH-8", "User is disabled"));
    }
    Ok(user.id.clone())
}

/// Gives a token out, unless its user has too many.
fn issue(state: &State, settings: &Settings, token: AccessToken) -> Result<Response, Response> {
    let switches = &settings.switches;
    let mut tokens = held(&state.tokens);
    let counts = token.grant != TOKEN_EXCHANGE || switches.exchanged_tokens_count;
    let given = tokens.counted(&token.user, switches.exchanged_tokens_count, token.created);
    if counts && given >= switches.most_access_tokens {
        return Err(refused(403, "OAUTH-9", "Maximum number of tokens reached"));
    }
    let mut answer = json!({
        "token_type": "bearer", "expires_in": (token.until - token.created).whole_seconds(),
        "expires_at": admin::timestamp(token.until), "scope": token.scope,
    });
    if token.grant == TOKEN_EXCHANGE {
        answer["issued_token_type"] = exchange::ACCESS_TOKEN.into();
    }
    answer["access_token"] = tokens.give(token, switches.tokens_look_like_jwt).into();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// The client of an assertion, or of an id and its secret.
fn authenticate<'a>(
    state: &State,
    settings: &'a Settings,
    headers: &HeaderMap,
    asked: &Value,
) -> Option<&'a OauthClient> {
    if !asked["client_assertion"].is_null() {
        return assertion::client(state, settings, asked);
    }
    let member = |name: &str| asked[name].as_str().map(str::to_owned);
    let (id, secret) = basic(headers).or_else(|| Some((member("client_id")?, member("client_secret")?)))?;
    settings.clients.iter().find(|client| client.id == id && client.secret == secret && !secret.is_empty())
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, value) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let text = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    Some((id.to_owned(), secret.to_owned()))
}
