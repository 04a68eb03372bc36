//! The tenant's own settings, for whoever may look at them (Qlik Cloud facts, sections A, C and H).

use serde_json::Value;
use time::OffsetDateTime;

use super::finding::{Check, Finding, Look, Outcome};
use super::local::NO_TOKENS;
use super::refused::{PAGES, refused};
use super::sheet::{allows, ancestors_of};
use super::{Doctor, Tell, Who, oauth_client, people};
use crate::advice::{At, Sign};
use crate::qlik::api::Api;
use crate::qlik::key::KeyError;

const CHECKS: [Check; 10] = [
    Check::IdentityProvider,
    Check::WebIntegration,
    Check::ContentSecurity,
    Check::SessionAges,
    Check::Groups,
    Check::App,
    Check::Space,
    Check::Duplicates,
    Check::Licence,
    Check::OauthClient,
];

pub(super) async fn examine(doctor: &Doctor, answers: bool, who: &Who, tell: Tell<'_>) {
    let look = Look::new(Check::Administration, "QLIK_API_KEY, QLIK_ADMIN_CLIENT_ID");
    let right = match doctor.api() {
        None => Err(look.skip("there is neither an API key nor an admin client")),
        Some(_) if !answers => Err(look.skip("the tenant does not answer")),
        Some(api) => right(&api, doctor.now(), look).await.map(|finding| (api, finding)),
    };
    let api = match right {
        Ok((api, finding)) => {
            tell(finding);
            api
        }
        Err(finding) => {
            tell(finding);
            for check in CHECKS {
                tell(Look::new(check, "the tenant's administration").skip("there is no right to look at it"));
            }
            return;
        }
    };
    tell(identity_provider(doctor, &api).await);
    tell(web_integration(doctor, &api).await);
    tell(content_security(doctor, &api).await);
    tell(session_ages(doctor, &api).await);
    tell(groups(doctor, &api, who).await);
    people::examine(doctor, &api, who, tell).await;
    oauth_client::examine(doctor, &api).await.into_iter().for_each(tell);
}

/// Whose right it is. With less than a tenant administrator's, the checks that need more say so themselves.
async fn right(api: &Api, now: OffsetDateTime, look: Look) -> Result<Finding, Finding> {
    if let Err(problem) = api.bearer(now).await {
        return Err(refused(look, At::OauthToken, problem));
    }
    let user = match api.get("/api/v1/users/me", now).await {
        Ok(user) => user,
        Err(problem) => return Err(refused(look, At::Admin, problem)),
    };
    let roles = user["assignedRoles"].as_array();
    let is_admin = roles.is_some_and(|roles| roles.iter().any(|role| role["name"] == "TenantAdmin"));
    // Bots of OAuth clients have scopes instead of roles (section H.1).
    let is_bot =
        user["clientId"].as_str().is_some() || user["subject"].as_str().is_some_and(|s| s.starts_with("qlikbot"));
    let name = user["name"].as_str().or_else(|| user["subject"].as_str()).unwrap_or("a user without a name");
    if is_admin || is_bot {
        return Ok(look.pass(format!("of {name}")));
    }
    let remedy = "make the API key as a user with the role TenantAdmin";
    Ok(look.warn(format!("of {name}, who is no tenant administrator: not everything can be looked at"), remedy))
}

async fn identity_provider(doctor: &Doctor, api: &Api) -> Finding {
    let look = Look::new(Check::IdentityProvider, "GET /api/v1/identity-providers");
    let Some(token) = &doctor.config.token else { return look.skip(NO_TOKENS) };
    let entries = match api.list("/api/v1/identity-providers?limit=100", PAGES, doctor.now()).await {
        Ok(entries) => entries,
        Err(problem) => return refused(look, At::Admin, problem),
    };
    let (issuer, key_id) = (token.issuer(), token.key_id());
    let jwt: Vec<&Value> = entries.iter().filter(|entry| entry["protocol"] == "jwtAuth").collect();
    let key_of = |entry: &Value| entry["options"]["staticKeys"][0]["kid"].as_str().unwrap_or_default().to_owned();
    let issued: Vec<_> = jwt.iter().filter(|entry| entry["options"]["issuer"] == issuer).collect();
    let Some(entry) = issued.iter().find(|entry| key_of(entry) == key_id) else {
        let found = match issued.first() {
            Some(entry) => {
                format!("the one of our issuer has the key ID {}, and QLIK_JWT_KEY_ID is {key_id}", key_of(entry))
            }
            None if jwt.is_empty() => "there is none of type JWT".to_owned(),
            None => {
                let theirs: Vec<_> = jwt.iter().filter_map(|entry| entry["options"]["issuer"].as_str()).collect();
                format!("none has the issuer {issuer}; there are {}", theirs.join(", "))
            }
        };
        return look.sign(Outcome::Failure, found, Sign::IdentityProviderMissing);
    };
    if entry["active"] == false {
        return look.sign(Outcome::Failure, "it is there, and is not active", Sign::IdentityProviderMissing);
    }
    let Some(pem) = entry["options"]["staticKeys"][0]["pem"].as_str() else {
        return look.pass("active, with our issuer and key ID; its certificate is not told");
    };
    match token.key().check_certificate(pem, doctor.now()) {
        Ok(dates) => {
            look.pass(format!("active, with our issuer, key ID and certificate, until {}", dates.not_after.date()))
        }
        Err(KeyError::NoMatch) => {
            look.sign(Outcome::Failure, "its certificate belongs to another private key", Sign::KeyMismatch)
        }
        Err(problem @ KeyError::Expired(_)) => {
            look.sign(Outcome::Warning, format!("its certificate {problem}"), Sign::CertificateExpired)
        }
        Err(problem) => look.sign(Outcome::Failure, format!("its certificate {problem}"), Sign::CertificateBroken),
    }
}

async fn web_integration(doctor: &Doctor, api: &Api) -> Finding {
    let Some(id) = &doctor.config.tenant.web_integration else {
        let look = Look::new(Check::WebIntegration, "QLIK_WEB_INTEGRATION_ID");
        return look.skip("not set: every page takes the flow proxy");
    };
    let look = Look::new(Check::WebIntegration, format!("GET /api/v1/web-integrations/{id}"));
    let entry = match api.get(&format!("/api/v1/web-integrations/{id}"), doctor.now()).await {
        Ok(entry) => entry,
        Err(problem) if problem.status() == Some(404) => {
            return look.sign(Outcome::Failure, "it is not there", Sign::WebIntegrationMissing);
        }
        Err(problem) => return refused(look, At::Admin, problem),
    };
    let listed: Vec<_> = entry["validOrigins"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let ours = doctor.config.server.public_url.as_str();
    if listed.iter().any(|origin| origin.trim_end_matches('/') == ours) {
        return look.pass(format!("it lists {ours}"));
    }
    let listed = if listed.is_empty() { "nothing".to_owned() } else { listed.join(", ") };
    look.sign(Outcome::Failure, format!("it lists {listed}, and not {ours}"), Sign::OriginNotListed)
}

async fn content_security(doctor: &Doctor, api: &Api) -> Finding {
    const PATH: &str = "/api/v1/csp-origins/actions/generate-header";
    let look = Look::new(Check::ContentSecurity, format!("GET {PATH}"));
    if !doctor.config.pages.use_browser() {
        return look.skip("every page takes the flow proxy, where this server says who may frame");
    }
    let header = match api.get(PATH, doctor.now()).await {
        Ok(header) => header,
        Err(problem) => return refused(look, At::Admin, problem),
    };
    let Some(policy) = header["Content-Security-Policy"].as_str() else { return look.skip("the tenant does not tell") };
    let ours = &doctor.config.server.public_url;
    match ancestors_of(policy) {
        Some(sources) if !allows(&sources, ours, &doctor.config.tenant.origin) => {
            let found = format!("frame-ancestors is {sources}, without {ours}");
            look.sign(Outcome::Failure, found, Sign::FramesNotAllowed)
        }
        Some(_) => look.pass(format!("frame-ancestors has {ours}")),
        None => look.pass("it has no frame-ancestors"),
    }
}

/// What this server assumes has to be no longer than what holds (section B.4).
async fn session_ages(doctor: &Doctor, api: &Api) -> Finding {
    const PATH: &str = "/api/core/auth-settings";
    let look = Look::new(Check::SessionAges, format!("GET {PATH}"));
    let settings = match api.get(PATH, doctor.now()).await {
        Ok(settings) => settings,
        Err(problem) => return refused(look, At::Admin, problem),
    };
    let assumed = &doctor.config.tenant_session;
    let pairs = [
        ("userSessionInactivityTimeoutMinutes", "QLIK_SESSION_IDLE", assumed.idle),
        ("maxUserSessionLifespanMinutes", "QLIK_SESSION_MAX", assumed.max),
    ];
    let too_long = pairs.iter().filter_map(|(name, ours, assumed)| {
        let minutes = settings[*name].as_u64()?;
        let longer = assumed.as_secs() > minutes * 60;
        longer.then(|| format!("{name} is {minutes}, and {ours} is {} minutes", assumed.as_secs() / 60))
    });
    let too_long: Vec<_> = too_long.collect();
    if too_long.is_empty() {
        return look.pass("not shorter than this server assumes");
    }
    let found = too_long.join("; ");
    let remedy =
        "set QLIK_SESSION_IDLE and QLIK_SESSION_MAX to what the tenant says, or let sessions live longer there";
    let finding = look.sign(Outcome::Warning, found, Sign::SessionIdle);
    Finding { remedy: Some(remedy.to_owned()), ..finding }
}

/// Groups in tokens are dropped while the tenant does not create groups (section A.5).
async fn groups(doctor: &Doctor, api: &Api, who: &Who) -> Finding {
    let look = Look::new(Check::Groups, "GET /api/v1/groups/settings");
    let settings = match api.get("/api/v1/groups/settings", doctor.now()).await {
        Ok(settings) => settings,
        Err(problem) => return refused(look, At::Admin, problem),
    };
    let named = who.subject().map_or(0, |subject| subject.groups.len());
    match settings["autoCreateGroups"].as_bool() {
        Some(true) => look.pass("on"),
        _ if named > 0 => {
            let found =
                format!("off, and the subject's token names {named} group{}", if named == 1 { "" } else { "s" });
            look.sign(Outcome::Failure, found, Sign::GroupsNotCreated)
        }
        _ => look.pass("off; nobody who was looked at has a group"),
    }
}
