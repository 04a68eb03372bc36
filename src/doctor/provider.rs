//! The OpenID provider: its document, its keys, and whether it knows our redirect URI.

use openidconnect::{PkceCodeChallenge, PkceCodeVerifier};
use reqwest::Response;
use reqwest::header::LOCATION;
use serde_json::Value;
use url::Url;

use super::finding::{Check, Finding, Look, Outcome};
use super::session::unreachable;
use super::{CALL, Doctor, Tell, reach};
use crate::advice::{self, Answer, At, Sign};
use crate::auth::oidc::Settings;

pub(super) async fn examine(doctor: &Doctor, tell: Tell<'_>) {
    let Some(settings) = &doctor.config.oidc else {
        let look = Look::new(Check::Provider, "SIGN_IN");
        return tell(look.skip("nobody signs in at an OpenID provider here"));
    };
    let (finding, document) = document(doctor, settings).await;
    tell(finding);
    let look = Look::new(Check::RedirectUri, settings.redirect.as_str());
    tell(match document {
        Some(document) => redirect(doctor, settings, &document, look).await,
        None => look.skip("the provider's document cannot be used"),
    });
}

/// OpenID Connect Discovery 1.0, section 4.
async fn document(doctor: &Doctor, settings: &Settings) -> (Finding, Option<Value>) {
    let issuer = settings.issuer.as_str();
    let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let look = Look::new(Check::Provider, format!("GET {address}"));
    let document = match get(doctor, &address).await {
        Ok(Ok(document)) => document,
        Ok(Err(told)) => return (look.advise(Outcome::Failure, told.to_string(), told.advice(At::Provider)), None),
        Err(problem) => return (unreachable(look, At::Provider, problem), None),
    };
    if document["issuer"] != issuer {
        let theirs = document["issuer"].as_str().unwrap_or("nothing");
        let found = format!("it names {theirs} as the issuer, and OIDC_ISSUER is {issuer}");
        return (look.sign(Outcome::Failure, found, Sign::ProviderUnusable), None);
    }
    let keys = document["jwks_uri"].as_str().unwrap_or_default();
    let count = match get(doctor, keys).await {
        Ok(Ok(keys)) => keys["keys"].as_array().map_or(0, Vec::len),
        _ => 0,
    };
    if count == 0 {
        return (look.sign(Outcome::Failure, "its keys cannot be read", Sign::ProviderUnusable), None);
    }
    (look.pass(format!("issuer {issuer}, {count} key{}", if count == 1 { "" } else { "s" })), Some(document))
}

async fn get(doctor: &Doctor, address: &str) -> reqwest::Result<Result<Value, advice::Told>> {
    let response = doctor.client.get(address).timeout(CALL).send().await?;
    let (status, (told, body)) = reach::told(response).await;
    Ok(body.filter(|body| status == 200 && body.is_object()).ok_or(told))
}

/// Asks for a sign-in without a word to anybody (`prompt=none`; OpenID Connect Core 1.0, section 3.1.2.1): whoever knows our redirect
/// URI sends us back there, be it with `login_required`. Whoever does not must not (RFC 6749, section 4.1.2.1).
async fn redirect(doctor: &Doctor, settings: &Settings, document: &Value, look: Look) -> Finding {
    let Some(mut address) = document["authorization_endpoint"].as_str().and_then(|text| Url::parse(text).ok()) else {
        return look.sign(Outcome::Failure, "the provider names no place to sign in", Sign::ProviderUnusable);
    };
    let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new("doctor-".repeat(8)));
    let scopes = [&["openid".to_owned()], settings.scopes.as_slice()].concat().join(" ");
    address.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", settings.client_id.as_str()),
        ("redirect_uri", settings.redirect.as_str()),
        ("scope", &scopes),
        ("prompt", "none"),
        ("state", "doctor"),
        ("nonce", "doctor"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ]);
    let response = match doctor.client.get(address).timeout(CALL).send().await {
        Ok(response) => response,
        Err(problem) => return unreachable(look, At::Provider, problem),
    };
    match error_at(&response, settings.redirect.as_str()) {
        Some(error) if is_of_prompt(&error) => look.pass(format!("it leads back, with {error}")),
        Some(error) => {
            let answer = Answer::Http { at: At::Provider, status: 400, code: Some(&error), detail: "", html: false };
            look.advise(Outcome::Failure, format!("it leads back, with {error}"), advice::of(&answer))
        }
        None if response.status().is_client_error() => {
            let code = Some("redirect_uri_mismatch");
            let answer = Answer::Http { at: At::Provider, status: 400, code, detail: "", html: true };
            let (_, (told, _)) = reach::told(response).await;
            look.advise(Outcome::Failure, format!("it does not lead back: {told}"), advice::of(&answer))
        }
        None => {
            let status = response.status().as_u16();
            let remedy = "sign in once in a browser: this provider does not tell a program";
            look.warn(format!("it does not lead back, with status {status}, which may be its sign-in page"), remedy)
        }
    }
}

/// The error with which an answer leads back to us; empty for a code, which nobody redeems.
fn error_at(response: &Response, redirect: &str) -> Option<String> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?.to_str().ok()?;
    let query = location.strip_prefix(redirect)?.strip_prefix('?')?;
    let error = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "error");
    Some(error.map_or_else(|| "a code".to_owned(), |(_, error)| error.into_owned()))
}

/// What `prompt=none` is answered with when all else is right (section 3.1.2.6).
fn is_of_prompt(error: &str) -> bool {
    const RIGHT: [&str; 5] =
        ["login_required", "interaction_required", "consent_required", "account_selection_required", "a code"];
    RIGHT.contains(&error)
}
