//! `private_key_jwt` (section H.1): a client proves itself with a short-lived JWT, signed with a key that it has registered.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use crate::demo::{
    settings::{ClientKey, OauthClient, Settings},
    state::{State, held},
};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// `exp - iat` at most, in seconds.
const LONGEST_LIFE: i64 = 300;

/// The client that an assertion proves. Each is good once; why one is not, nobody is told.
pub(super) fn client<'a>(state: &State, settings: &'a Settings, asked: &Value) -> Option<&'a OauthClient> {
    if asked["client_assertion_type"] != TYPE {
        return None;
    }
    let assertion = asked["client_assertion"].as_str()?;
    let header = jsonwebtoken::decode_header(assertion).ok()?;
    let kid = header.kid?;
    let mut candidates = settings.clients.iter().flat_map(|client| client.keys.iter().map(move |key| (client, key)));
    let (client, claims) = candidates.find_map(|(client, key)| {
        let claims = verified(assertion, header.alg, key).filter(|_| key.id == kid)?;
        (claims.get("iss")? == client.id.as_str()).then_some((client, claims))
    })?;
    let named = asked["client_id"].as_str().is_none_or(|named| named == client.id);
    if !named || claims.get("sub")? != client.id.as_str() {
        return None;
    }
    if claims.get("aud")? != format!("{}/oauth/token", state.origin).as_str() {
        return None;
    }
    let (issued, end) = (claims.get("iat")?.as_i64()?, claims.get("exp")?.as_i64()?);
    let tolerance = i64::try_from(settings.switches.assertion_tolerance.as_secs()).unwrap_or(i64::MAX);
    let now = state.now().unix_timestamp();
    if end - issued > LONGEST_LIFE || issued > now + tolerance || end <= now - tolerance {
        return None;
    }
    let jti = claims.get("jti")?.as_str().filter(|jti| !jti.is_empty())?;
    held(&state.tokens).use_assertion(&client.id, jti, end + tolerance, now).then_some(client)
}

/// The claims, if the key made the signature. Only that is left to the library.
fn verified(assertion: &str, algorithm: Algorithm, key: &ClientKey) -> Option<Map<String, Value>> {
    let key = match algorithm {
        _ if key.key.trim_start().starts_with('{') => {
            DecodingKey::from_jwk(&serde_json::from_str(&key.key).ok()?).ok()?
        }
        Algorithm::RS256 | Algorithm::RS512 => DecodingKey::from_rsa_pem(key.key.as_bytes()).ok()?,
        Algorithm::ES384 => DecodingKey::from_ec_pem(key.key.as_bytes()).ok()?,
        _ => return None,
    };
    if !matches!(algorithm, Algorithm::RS256 | Algorithm::RS512 | Algorithm::ES384) {
        return None;
    }
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    Some(jsonwebtoken::decode(assertion, &key, &validation).ok()?.claims)
}
