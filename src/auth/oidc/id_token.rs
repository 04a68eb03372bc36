//! What makes an ID token good (OpenID Connect Core 1.0, section 3.1.3.7).

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, EmptyAdditionalClaims, IdTokenVerifier, JwsSigningAlgorithm,
    Nonce, SignatureVerificationError, SigningError, SubjectIdentifier,
};
use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::provider::Metadata;
use super::{SKEW, Settings};

pub(super) type IdToken = openidconnect::IdToken<
    EmptyAdditionalClaims,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

/// What is wrong with a token.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// It is signed with a key that the provider does not publish, or did not when we last looked.
    #[error("signed with a key that the provider does not publish")]
    UnknownKey,
    /// The key that should have signed it did not. The provider may have another by now under the same name, or without
    /// names.
    #[error("signed otherwise than by the key that the provider publishes")]
    OtherKey(#[source] SignatureVerificationError),
    /// One of its claims, or its signature.
    #[error("the ID token")]
    Claims(#[source] ClaimsVerificationError),
    /// The access token beside it is not the one that it was issued with.
    #[error("the ID token's at_hash")]
    Hash(#[source] SigningError),
    /// Anything else.
    #[error("{0}")]
    Other(&'static str),
}

impl Problem {
    /// Whether the provider's keys of now may judge otherwise than those that we know.
    pub(super) fn is_of_keys(&self) -> bool {
        matches!(self, Self::UnknownKey | Self::OtherKey(_))
    }
}

/// A token that is good.
pub(super) struct Verified {
    pub subject: SubjectIdentifier,
    /// All that it says.
    pub claims: Map<String, Value>,
}

/// The algorithms by which the provider may sign: those it names, without those that anybody who knows the public key or
/// the client's secret could use, and without `none`.
pub(super) fn algorithms(metadata: &Metadata) -> Vec<CoreJwsSigningAlgorithm> {
    let named = metadata.id_token_signing_alg_values_supported().iter();
    let asymmetric = |algorithm: &&CoreJwsSigningAlgorithm| {
        !algorithm.uses_shared_secret() && **algorithm != CoreJwsSigningAlgorithm::None
    };
    named.filter(asymmetric).cloned().collect()
}

/// Verifies signature, issuer, audience, expiry, time of issue, nonce, authorized party and the access token's hash.
pub(super) fn verify(
    token: &IdToken,
    metadata: &Metadata,
    settings: &Settings,
    nonce: &Nonce,
    access_token: &AccessToken,
    now: OffsetDateTime,
) -> Result<Verified, Problem> {
    let (issuer, keys) = (metadata.issuer().clone(), metadata.jwks().clone());
    // Never the client's secret as a key: that one is for the token endpoint.
    let verifier: IdTokenVerifier<'_, CoreJsonWebKey> =
        IdTokenVerifier::new_public_client(settings.client_id.clone(), issuer, keys)
            .set_allowed_algs(algorithms(metadata))
            // Others may be named beside us, when the token says that it was issued to us: checked below.
            .set_other_audience_verifier_fn(|_| true)
            .set_time_fn(move || SystemTime::from(now - SKEW).into())
            .set_issue_time_verifier_fn(move |issued| {
                let latest = (now + SKEW).unix_timestamp();
                if issued.timestamp() <= latest { Ok(()) } else { Err("issued in the future".to_owned()) }
            });
    let claims = token.claims(&verifier, nonce).map_err(|problem| match problem {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => {
            Problem::UnknownKey
        }
        ClaimsVerificationError::SignatureVerification(
            problem @ (SignatureVerificationError::CryptoError(_) | SignatureVerificationError::AmbiguousKeyId(_)),
        ) => Problem::OtherKey(problem),
        other => Problem::Claims(other),
    })?;
    match claims.authorized_party() {
        Some(party) if *party != settings.client_id => {
            return Err(Problem::Other("the ID token was issued to another party (azp)"));
        }
        None if claims.audiences().iter().any(|audience| audience.as_str() != settings.client_id.as_str()) => {
            return Err(Problem::Other(
                "the ID token is for others too, and does not say that it was issued to us (azp)",
            ));
        }
        _ => {}
    }
    if let Some(expected) = claims.access_token_hash() {
        let unsigned = |_| Problem::UnknownKey;
        let (algorithm, key) =
            (token.signing_alg().map_err(unsigned)?, token.signing_key(&verifier).map_err(unsigned)?);
        let actual = AccessTokenHash::from_token(access_token, algorithm, key).map_err(Problem::Hash)?;
        if actual != *expected {
            return Err(Problem::Other("the access token is not the one of the ID token (at_hash)"));
        }
    }
    // The library keeps the claims that it knows; the rules of the mapping may want others.
    let all = payload(&token.to_string()).ok_or(Problem::Other("the ID token's claims cannot be read"))?;
    Ok(Verified { subject: claims.subject().clone(), claims: all })
}

/// The claims of a token in compact form (RFC 7519, section 3.1), verified or not.
pub(super) fn payload(token: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
