//! The token exchange (section H.5): a page trades its access token for one that is short-lived and may lie in an address.
//! It has no secret; a browser says from which origin it comes.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use serde_json::Value;

use super::{issue, refused};
use crate::demo::{
    access,
    settings::{Settings, TOKEN_EXCHANGE},
    state::{State, held},
    tokens::{AccessToken, Purpose},
};

/// The only kind of token that can be exchanged, and the only one that comes of it.
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) fn give(
    state: &State,
    settings: &Settings,
    headers: &HeaderMap,
    asked: &Value,
) -> Result<Response, Response> {
    let invalid = |what: &str| refused(400, "OAUTH-4", &format!("{what} is missing or not known"));
    if asked["subject_token_type"] != ACCESS_TOKEN {
        return Err(invalid("subject_token_type"));
    }
    let purpose = asked["purpose"].as_str().and_then(Purpose::parse).ok_or_else(|| invalid("purpose"))?;
    let (Some(subject), Some(client)) = (asked["subject_token"].as_str(), asked["client_id"].as_str()) else {
        return Err(invalid("subject_token or client_id"));
    };
    let client = settings.clients.iter().find(|known| known.id == client);
    let client = client.ok_or_else(|| refused(401, "OAUTH-2", "Invalid client"))?;
    if let Some(origin) = headers.get(header::ORIGIN).filter(|origin| **origin != *state.origin)
        && !origin.to_str().is_ok_and(|origin| client.lists(origin))
    {
        return Err(access::stranger(settings));
    }
    let now = state.now();
    // What was exchanged once cannot be exchanged again [U].
    let known = held(&state.tokens).living(subject, now).filter(|token| token.purpose.is_none()).cloned();
    let own = known.filter(|token| token.client.as_ref().is_none_or(|given_to| *given_to == client.id));
    let parent = own.ok_or_else(|| refused(401, "OAUTH-10", "Invalid subject token"))?;
    if held(&state.users).get(&parent.user).is_none_or(|user| user.status != "active") {
        return Err(refused(StatusCode::FORBIDDEN.as_u16(), "OAUTH-8", "User is disabled"));
    }
    let until = parent.until.min(now + settings.switches.exchanged_token_lifetime);
    let token = AccessToken::new(&parent.user, TOKEN_EXCHANGE, now, until);
    let (scope, parent) = (parent.scope, Some(parent.id));
    let client = Some(client.id.clone());
    issue(state, settings, AccessToken { client, scope, purpose: Some(purpose), parent, ..token })
}
