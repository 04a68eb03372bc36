//! `POST /login/jwt-session` (Qlik Cloud facts, sections A.3, A.4 and B.2), `GET /login`, `GET /logout`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    access,
    refusal::{self, Refusal},
    session,
    settings::{IdentityProvider, Settings, Switches},
    state::{Login, State, held, record},
    users::Profile,
};

/// The one audience, exactly.
const AUDIENCE: &str = "qlik.api/login/jwt-session";
/// `exp - nbf` at most.
const LONGEST_LIFE: i64 = 3600;

type Claims = Map<String, Value>;
/// Does a claim have its type?
type Check = fn(&Value) -> bool;

/// Why a login is refused. Only some of it is told; all of it is recorded.
enum No {
    /// 401, without the reason.
    Unauthorized(&'static str),
    /// No provider has this key id and issuer: 401, or the page of the edge.
    UnknownKey(&'static str),
    /// `INTERNAL-TOKEN-1` with this status, and the problem.
    Invalid(u16, String),
    Disabled,
    SharedEmail,
}

impl No {
    fn missing(claim: &str) -> Self {
        Self::Invalid(400, format!("Missing required claim: {claim}"))
    }

    fn wrong(what: &str, claim: &str) -> Self {
        Self::Invalid(400, format!("Invalid {what} of claim: {claim}"))
    }

    fn reason(&self) -> &str {
        match self {
            Self::Unauthorized(reason) | Self::UnknownKey(reason) => reason,
            Self::Invalid(_, problem) => problem,
            Self::Disabled => "user is disabled",
            Self::SharedEmail => "e-mail belongs to another active user",
        }
    }

    fn answer(&self, switches: &Switches) -> Response {
        match self {
            Self::UnknownKey(_) if switches.unknown_key_is_406 => Refusal::NotAcceptablePage.into_response(),
            Self::Unauthorized(reason) | Self::UnknownKey(reason) => {
                refusal::unauthorized_because(switches.reasons_told.then_some(*reason))
            }
            Self::Invalid(status, problem) => refusal::invalid_token_request(*status, problem),
            Self::Disabled => Refusal::DisabledUser.into_response(),
            Self::SharedEmail => {
                refusal::login_error(StatusCode::BAD_REQUEST, "LOGIN-12", "Multiple active users detected", None)
            }
        }
    }
}

/// Exchanges a token for a session.
pub(super) async fn jwt_session(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Response {
    let token = access::bearer(&headers).unwrap_or_default();
    let mut claims = Claims::new();
    let (answer, reason) = match admit(&state, token, &mut claims) {
        Ok(answer) => (answer, String::new()),
        Err(no) => (no.answer(&state.settings().switches), no.reason().to_owned()),
    };
    record(&state.logins, Login { status: answer.status().as_u16(), reason, claims: Value::Object(claims) });
    answer
}

fn admit(state: &State, token: &str, claims: &mut Claims) -> Result<Response, No> {
    let (settings, now) = (state.settings(), state.now());
    let provider = verify(token, &settings, now, claims)?;
    check_presence(claims, &settings.switches)?;
    check_meaning(claims, provider, &settings.switches, now)?;

    let mut users = held(&state.users);
    let jti = claims["jti"].to_string();
    let tolerance = seconds(provider.clock_tolerance);
    if !users.use_token(&jti, number(claims, "exp") + tolerance, now.unix_timestamp()) {
        return Err(No::Unauthorized("jti was used before"));
    }
    let profile = profile(claims, &settings);
    if users.by_subject(profile.subject).is_some_and(|user| user.status != "active") {
        return Err(No::Disabled);
    }
    if settings.switches.email_collision_refused && users.shares_email(&profile) {
        return Err(No::SharedEmail);
    }
    let Switches { profile_refreshed, missing_groups_clear, .. } = settings.switches;
    let user = users.admit(profile, profile_refreshed, missing_groups_clear, now);

    let mut response = Json(json!({})).into_response();
    for cookie in held(&state.sessions).begin(&user, &settings, now) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Header, provider and signature. The claims are handed out as soon as they are proven.
fn verify<'a>(
    token: &str,
    settings: &'a Settings,
    now: OffsetDateTime,
    claims: &mut Claims,
) -> Result<&'a IdentityProvider, No> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| No::Unauthorized("unable to decode jwt"))?;
    if header.alg != Algorithm::RS256 {
        return Err(No::Unauthorized("alg is not RS256"));
    }
    if header.typ.as_deref() != Some("JWT") {
        return Err(No::Unauthorized("typ is not JWT"));
    }
    let active = settings.providers.iter().filter(|provider| provider.active);
    let candidates = active.filter(|provider| Some(&provider.key_id) == header.kid.as_ref());
    let mut no = No::UnknownKey("kid is not that of a provider");
    for provider in candidates {
        let (key, not_after) = public_key(&provider.key).ok_or(No::Unauthorized("unable to decode jwt"))?;
        if settings.switches.certificate_expiry_enforced && not_after.is_some_and(|end| now > end) {
            no = No::Unauthorized("certificate has run out");
            continue;
        }
        let Ok(decoded) = jsonwebtoken::decode::<Claims>(token, &key, &signature_only()) else {
            no = No::Unauthorized("signature does not match");
            continue;
        };
        *claims = decoded.claims;
        match claims.get("iss") {
            None => return Err(No::missing("iss")),
            Some(Value::String(issuer)) if *issuer == provider.issuer => return Ok(provider),
            Some(_) => no = No::UnknownKey("iss is not that of the provider"),
        }
    }
    Err(no)
}

/// Only the signature is left to the library; the claims are judged here, one by one.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// The key of a certificate with its end, or a bare public key.
fn public_key(pem: &str) -> Option<(DecodingKey, Option<OffsetDateTime>)> {
    let Some(body) = pem.trim().strip_prefix("-----BEGIN CERTIFICATE-----") else {
        return Some((DecodingKey::from_rsa_pem(pem.as_bytes()).ok()?, None));
    };
    let body: String = body.split("-----END").next()?.split_whitespace().collect();
    let der = STANDARD.decode(body).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let key = DecodingKey::from_rsa_der(&certificate.public_key().subject_public_key.data);
    Some((key, Some(certificate.validity().not_after.to_datetime())))
}

/// Every claim there, and of its type.
fn check_presence(claims: &Claims, switches: &Switches) -> Result<(), No> {
    let text: Check = |value| value.as_str().is_some_and(|text| !text.is_empty());
    let identifier: Check = |value| value.is_number() || value.as_str().is_some_and(|t| !t.is_empty());
    let rules: [(&str, bool, Check); 11] = [
        ("iss", true, text),
        ("aud", true, text),
        ("sub", true, text),
        ("subType", switches.sub_type_required, text),
        ("name", true, text),
        ("email", switches.email_required, text),
        ("email_verified", switches.email_required, Value::is_boolean),
        ("jti", true, identifier),
        ("iat", true, Value::is_i64),
        ("nbf", true, Value::is_i64),
        ("exp", true, Value::is_i64),
    ];
    for (name, required, fits) in rules {
        match claims.get(name) {
            None | Some(Value::Null) if required => {
                return Err(No::missing(name));
            }
            Some(value) if !value.is_null() && !fits(value) => {
                return Err(No::wrong("type", name));
            }
            _ => {}
        }
    }
    let groups = claims.get("groups").unwrap_or(&Value::Null);
    let names = groups.as_array().is_some_and(|groups| groups.iter().all(Value::is_string));
    if groups.is_null() || names { Ok(()) } else { Err(No::wrong("type", "groups")) }
}

/// The values: kind, audience, life and time.
fn check_meaning(
    claims: &Claims,
    provider: &IdentityProvider,
    switches: &Switches,
    now: OffsetDateTime,
) -> Result<(), No> {
    if claims.get("subType").is_some_and(|kind| kind != "user") {
        return Err(No::wrong("value", "subType"));
    }
    if claims["aud"] != AUDIENCE {
        return Err(No::Unauthorized("aud is not the login's"));
    }
    let (now, tolerance) = (now.unix_timestamp(), seconds(provider.clock_tolerance));
    let (not_before, end) = (number(claims, "nbf"), number(claims, "exp"));
    if end - not_before > LONGEST_LIFE {
        let problem = "Token lifetime exceeds 3600 seconds: exp";
        return Err(No::Invalid(switches.long_life_status, problem.into()));
    }
    if not_before > now + tolerance {
        return Err(No::Unauthorized("nbf lies ahead"));
    }
    if end <= now - tolerance {
        return Err(No::Unauthorized("exp has passed"));
    }
    Ok(())
}

fn profile<'a>(claims: &'a Claims, settings: &Settings) -> Profile<'a> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let verified = claims.get("email_verified") == Some(&Value::Bool(true));
    let groups = claims.get("groups").and_then(Value::as_array);
    Profile {
        subject: text("sub").unwrap_or_default(),
        name: text("name").unwrap_or_default(),
        email: text("email").filter(|_| verified),
        groups: groups
            .filter(|_| settings.auto_create_groups)
            .map(|groups| groups.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
    }
}

fn number(claims: &Claims, name: &str) -> i64 {
    claims.get(name).and_then(Value::as_i64).unwrap_or_default()
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The query of `/login` and `/logout`.
#[derive(Deserialize)]
pub(super) struct Way {
    returnto: Option<String>,
    #[serde(rename = "qlik-web-integration-id")]
    web_integration: Option<String>,
}

/// The interactive sign-in, which this tenant does not have. Refuses to be framed, as the real one.
pub(super) async fn page(Shared(state): Shared<Arc<State>>, Query(way): Query<Way>) -> Response {
    if let Some(target) = &way.returnto
        && !may_return(&state, target, way.web_integration.as_deref())
    {
        let title = "returnto not included in web integration whitelist";
        return refusal::login_error(StatusCode::UNAUTHORIZED, "LOGIN-10", title, None);
    }
    let headers = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'self'; frame-ancestors 'none'"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, Html(include_str!("single/login.html"))).into_response()
}

/// Ends the session and leads back, if the way back is known.
pub(super) async fn logout(Shared(state): Shared<Arc<State>>, Query(way): Query<Way>, headers: HeaderMap) -> Response {
    let settings = state.settings();
    let found = held(&state.sessions).find(&headers, state.now(), false);
    if let Some(session) = found {
        held(&state.sessions).end(&session.id);
        if settings.switches.sockets_end_with_session {
            held(&state.engine).close_of(&session.id);
        }
    }
    let target = way.returnto.filter(|target| may_return(&state, target, way.web_integration.as_deref()));
    let mut response = Redirect::to(target.as_deref().unwrap_or("/login")).into_response();
    for cookie in session::farewell(settings.cookies) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// Back to the tenant itself, or to an origin of the web integration.
fn may_return(state: &State, target: &str, web_integration: Option<&str>) -> bool {
    if target.starts_with('/') && !target.starts_with("//") {
        return true;
    }
    let Ok(target) = url::Url::parse(target) else { return false };
    let origin = target.origin().ascii_serialization();
    let settings = held(&state.settings);
    let listed = |id: &str| settings.web_integrations.iter().any(|i| i.id == id && i.origins.contains(&origin));
    origin == state.origin || web_integration.is_some_and(listed)
}
