//! What makes a logout token good (OpenID Connect Back-Channel Logout 1.0, sections 2.4 and 2.6). Pure.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::CoreJwsSigningAlgorithm;
use openidconnect::{ClientId, JsonWebKey, JsonWebKeyId, SignatureVerificationError};
use serde::Deserialize;
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::SKEW;
use super::id_token::{Problem, algorithms, payload};
use super::provider::Metadata;

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A logout token that is good.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// Its `jti`: it is good once.
    pub id: String,
    /// When nobody takes it any more.
    pub until: OffsetDateTime,
    /// The session at the provider in which the sessions that end began.
    pub session: Option<String>,
    /// Whose sessions end: without `session`, all of them. One of both is always there.
    pub subject: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    alg: CoreJwsSigningAlgorithm,
    kid: Option<JsonWebKeyId>,
    typ: Option<String>,
    crit: Option<Value>,
}

pub(super) fn verify(
    token: &str,
    metadata: &Metadata,
    client_id: &ClientId,
    now: OffsetDateTime,
) -> Result<Token, Problem> {
    check_signature(token, metadata)?;
    let claims = payload(token).ok_or(Problem::Other("the logout token's claims cannot be read"))?;
    check_claims(&claims, metadata.issuer().as_str(), client_id, now)
}

/// By the same keys and algorithms as an ID token's.
fn check_signature(token: &str, metadata: &Metadata) -> Result<(), Problem> {
    const NOT_SIGNED: Problem = Problem::Other("the logout token is not signed as the provider signs");
    let (signed, signature) = token.rsplit_once('.').ok_or(NOT_SIGNED)?;
    let head = signed.split_once('.').and_then(|(head, _)| URL_SAFE_NO_PAD.decode(head).ok()).ok_or(NOT_SIGNED)?;
    let header: Header = serde_json::from_slice(&head).map_err(|_| NOT_SIGNED)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NOT_SIGNED)?;
    // Older providers give no type, or the general one.
    let typed = header.typ.is_none_or(|typ| ["logout+jwt", "jwt"].contains(&&*typ.to_ascii_lowercase()));
    if !typed || header.crit.is_some() || !algorithms(metadata).contains(&header.alg) {
        return Err(NOT_SIGNED);
    }
    let named = |key: &&_| header.kid.is_none() || JsonWebKey::key_id(*key) == header.kid.as_ref();
    let mut keys = metadata.jwks().keys().iter().filter(named).peekable();
    if keys.peek().is_none() {
        return Err(Problem::UnknownKey);
    }
    // Whether a key fits the algorithm is checked with it.
    if keys.any(|key| key.verify_signature(&header.alg, signed.as_bytes(), &signature).is_ok()) {
        Ok(())
    } else {
        Err(Problem::OtherKey(SignatureVerificationError::CryptoError("no key fits".to_owned())))
    }
}

fn check_claims(
    claims: &Map<String, Value>,
    issuer: &str,
    client_id: &ClientId,
    now: OffsetDateTime,
) -> Result<Token, Problem> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let time = |name: &str| {
        let seconds = claims.get(name).and_then(Value::as_f64)?;
        OffsetDateTime::from_unix_timestamp(seconds as i64).ok()
    };
    if text("iss") != Some(issuer) {
        return Err(Problem::Other("the logout token is from another issuer"));
    }
    let is_us = |audience: &Value| audience.as_str() == Some(client_id.as_str());
    let for_us = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(is_us),
        audience => audience.is_some_and(is_us),
    };
    if !for_us {
        return Err(Problem::Other("the logout token is for another client"));
    }
    let until = time("exp").map(|expiry| expiry + SKEW).filter(|&until| until > now);
    let until = until.ok_or(Problem::Other("the logout token has expired, or does not say when it does"))?;
    if time("iat").is_none_or(|issued| issued > now + SKEW) {
        return Err(Problem::Other("the logout token was issued in the future, or does not say when"));
    }
    if !claims.get("events").is_some_and(|events| events[EVENT].is_object()) {
        return Err(Problem::Other("the token is no logout token: it has no such event"));
    }
    if claims.contains_key("nonce") {
        return Err(Problem::Other("the token is no logout token: it has a nonce"));
    }
    let session = text("sid").map(str::to_owned);
    let subject = text("sub").map(str::to_owned);
    if session.is_none() && subject.is_none() {
        return Err(Problem::Other("the logout token says neither whose session nor which"));
    }
    let id = text("jti").ok_or(Problem::Other("the logout token has no jti"))?.to_owned();
    Ok(Token { id, until, session, subject })
}
