//! The plan: what was found against what is wanted. Pure.

use http::Method;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Found, MADE_BY_US, NAME, Names, Part, Plan, Signing, State, Step, Wanted, pair};
use crate::advice::{self, Answer, Sign};
use crate::origin::Origin;
use crate::qlik::key::KeyError;

/// How far the tenant's clock may be from ours, in seconds. As Qlik's examples have it.
const CLOCK_TOLERANCE: u64 = 5;
/// The directives of an entry (section C.2).
const SWITCHES: [&str; 13] = [
    "childSrc",
    "connectSrc",
    "connectSrcWSS",
    "fontSrc",
    "formAction",
    "frameAncestors",
    "frameSrc",
    "imgSrc",
    "mediaSrc",
    "objectSrc",
    "scriptSrc",
    "styleSrc",
    "workerSrc",
];

/// What has to be done in the tenant.
pub fn plan(wanted: &Wanted, found: &Found, now: OffsetDateTime) -> Plan {
    let (provider, names) = identity_provider(wanted, found, now);
    let (integration, web_integration) = web_integration(wanted, found);
    let mut steps = vec![provider, integration, content_security(wanted, found), groups(wanted, found)];
    if wanted.oauth {
        steps.push(oauth_client(found));
    }
    Plan { steps, names, web_integration }
}

fn stuck(part: Part, found: impl Into<String>, sign: Sign) -> Step {
    let advice = advice::of(&Answer::Found(sign));
    Step { advice: Some(advice), ..Step::new(part, State::Stuck, found) }.remedy(advice.remedy)
}

/// Whether an entry of the list is the one of this issuer and this key (Qlik Cloud facts, section A.1).
pub(super) fn is_of(entry: &Value, names: &Names) -> bool {
    let options = &entry["options"];
    entry["protocol"] == "jwtAuth"
        && options["issuer"] == names.issuer.as_str()
        && options["staticKeys"][0]["kid"] == names.key_id.as_str()
}

fn identity_provider(wanted: &Wanted, found: &Found, now: OffsetDateTime) -> (Step, Option<Names>) {
    const PART: Part = Part::IdentityProvider;
    let Some(signing) = &wanted.signing else {
        let step = Step::new(PART, State::Create, "with the certificate of the key pair that is made first");
        return (step, None);
    };
    let Signing { key, names, .. } = signing;
    let Some(entry) = found.providers.iter().find(|entry| is_of(entry, names)) else {
        return (new_provider(signing, names, found), Some(names.clone()));
    };
    let about = format!("issuer {}, key ID {}", names.issuer, names.key_id);
    let certificate = entry["options"]["staticKeys"][0]["pem"].as_str();
    let step = match certificate.map(|pem| key.check_certificate(pem, now)) {
        // The tenant patches nothing of a provider but its description.
        Some(Err(KeyError::NoMatch)) if *names == Names::of(key) => {
            stuck(PART, format!("{about}: its certificate belongs to another private key"), Sign::KeyMismatch)
        }
        Some(Err(KeyError::NoMatch)) => {
            let names = Names::of(key);
            let signing = Signing { names: names.clone(), ..signing.clone() };
            return identity_provider(&Wanted { signing: Some(signing), ..wanted.clone() }, found, now);
        }
        Some(Err(problem @ KeyError::Expired(_))) => {
            let step = stuck(PART, format!("{about}: its certificate {problem}"), Sign::CertificateExpired);
            step.remedy("change the key with `qlik-embed-bff setup --rotate-key`")
        }
        Some(Err(problem)) => stuck(PART, format!("{about}: its certificate {problem}"), Sign::CertificateBroken),
        _ if entry["active"] == false => {
            stuck(PART, format!("{about}: it is not active"), Sign::IdentityProviderMissing)
                .remedy("switch it on in the tenant's administration, or delete it there and run this again")
        }
        _ => Step::new(PART, State::There, about),
    };
    (step, Some(names.clone()))
}

/// The body is that of Qlik's examples (section A.1).
pub(super) fn new_provider(signing: &Signing, names: &Names, found: &Found) -> Step {
    const PART: Part = Part::IdentityProvider;
    let Some(certificate) = &signing.certificate else {
        return Step::new(PART, State::Stuck, "there is no certificate beside the private key, and the tenant needs it").remedy(
            "put the key's certificate beside it, as publickey.cer or under the key's name with .cer; openssl makes one: \
             openssl req -new -x509 -key keys/privatekey.pem -out keys/publickey.cer -days 1825 -subj /CN=qlik-embed-bff",
        );
    };
    let body = json!({
        "tenantIds": [found.tenant_id], "provider": "external", "protocol": "jwtAuth",
        "interactive": false, "active": true, "description": format!("{MADE_BY_US}, key {}", names.key_id),
        "clockToleranceSec": CLOCK_TOLERANCE,
        "options": {
            "jwtLoginEnabled": true, "issuer": names.issuer,
            "staticKeys": [{ "kid": names.key_id, "pem": pair::one_line(certificate) }],
        },
    });
    let about = format!("issuer {}, key ID {}, and the certificate", names.issuer, names.key_id);
    Step::new(PART, State::Create, about).sends(Method::POST, "/api/v1/identity-providers", body)
}

fn origins_of(entry: &Value) -> Vec<&str> {
    entry["validOrigins"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn web_integration(wanted: &Wanted, found: &Found) -> (Step, Option<String>) {
    const PART: Part = Part::WebIntegration;
    let ours = wanted.portal.as_str();
    if !wanted.uses_browser {
        return (Step::new(PART, State::Left, "not needed: every page takes the flow proxy"), None);
    }
    let lists_us = |entry: &&Value| origins_of(entry).iter().any(|origin| origin.trim_end_matches('/') == ours);
    let is_ours = |entry: &&Value| entry["name"] == NAME;
    let all = || found.web_integrations.iter();
    let entry = match &wanted.web_integration {
        Some(id) => all().find(|entry| entry["id"] == id.as_str()),
        None => None,
    };
    // Without a word of the settings: what we made before, or what an administrator made for this origin.
    let entry = entry.or_else(|| all().filter(lists_us).find(is_ours)).or_else(|| all().find(lists_us));
    let Some((entry, id)) = entry.and_then(|entry| Some((entry, entry["id"].as_str()?))) else {
        let body = json!({ "name": NAME, "validOrigins": [ours] });
        let step = Step::new(PART, State::Create, format!("{NAME}, with the origin {ours}"));
        return (step.sends(Method::POST, "/api/v1/web-integrations", body), None);
    };
    let name = entry["name"].as_str().unwrap_or(id);
    if lists_us(&entry) {
        return (Step::new(PART, State::There, format!("{name}, which lists {ours}")), Some(id.to_owned()));
    }
    let mut origins = origins_of(entry);
    origins.push(ours);
    let patch = |value: Value| json!([{ "op": "replace", "path": "/validOrigins", "value": value }]);
    // The schema says that the value is a text, and gives a list as its example (section C.1).
    let as_text = Value::from(json!(origins).to_string());
    let step = Step::new(PART, State::Change, format!("{name}: {ours} is added to its origins"))
        .sends(Method::PATCH, format!("/api/v1/web-integrations/{id}"), patch(json!(origins)))
        .or_else(patch(as_text));
    (step, Some(id.to_owned()))
}

/// Whether a source of the CSP stands for an origin: a host, with the port unless it is the usual one, or everything below one.
fn stands_for(source: &str, origin: &Origin) -> bool {
    let (scheme, host) = source.split_once("://").map_or((None, source), |(scheme, host)| (Some(scheme), host));
    let fits = scheme.is_none_or(|scheme| origin.as_str().starts_with(&format!("{scheme}://")));
    let host = host.trim_end_matches('/');
    let below = host.strip_prefix("*.").is_some_and(|above| origin.authority().ends_with(&format!(".{above}")));
    fits && (host == origin.authority() || below)
}

fn content_security(wanted: &Wanted, found: &Found) -> Step {
    const PART: Part = Part::ContentSecurity;
    const PATH: &str = "/api/v1/csp-origins";
    let ours = &wanted.portal;
    if !wanted.uses_browser {
        return Step::new(PART, State::Left, "not needed: every page takes the flow proxy");
    }
    let of_us: Vec<_> = found
        .policies
        .iter()
        .filter(|entry| entry["origin"].as_str().is_some_and(|source| stands_for(source, ours)))
        .collect();
    if let Some(entry) = of_us.iter().find(|entry| entry["frameAncestors"] == true) {
        let source = entry["origin"].as_str().unwrap_or_default();
        return Step::new(PART, State::There, format!("{source} may frame the tenant's pages"));
    }
    let exact = of_us.iter().find_map(|entry| {
        let source = entry["origin"].as_str().filter(|source| !source.contains('*'))?;
        Some((entry, source, entry["id"].as_str()?))
    });
    if let Some((entry, source, id)) = exact {
        let body = with_frames(entry);
        let step = Step::new(PART, State::Change, format!("{source}: frame-ancestors is added to its directives"));
        return step.sends(Method::PUT, format!("{PATH}/{id}"), body);
    }
    let body = |source: &str| {
        let description = format!("{MADE_BY_US}: {ours} may frame the tenant's pages");
        json!({ "origin": source, "name": NAME, "description": description, "frameAncestors": true })
    };
    let step = Step::new(PART, State::Create, format!("{} may frame the tenant's pages", ours.authority()));
    // A source without a scheme stands for the scheme of the tenant, or a better one (CSP level 2, section 4.2.2).
    if wanted.tenant.is_https() && !ours.is_https() {
        return step.sends(Method::POST, PATH, body(ours.as_str())).or_else(body(ours.authority()));
    }
    step.sends(Method::POST, PATH, body(ours.authority()))
}

/// An entry as it is, and frames allowed: PUT replaces the whole of it.
fn with_frames(entry: &Value) -> Value {
    let mut body = json!({});
    for member in ["origin", "name", "description"].iter().chain(&SWITCHES) {
        if !entry[*member].is_null() {
            body[*member] = entry[*member].clone();
        }
    }
    body["frameAncestors"] = true.into();
    body
}

fn groups(wanted: &Wanted, found: &Found) -> Step {
    const PART: Part = Part::Groups;
    match (found.creates_groups, wanted.groups) {
        (true, _) => Step::new(PART, State::There, "on"),
        (false, false) => {
            let about = "off: the tenant drops the groups of tokens; say --groups to switch it on";
            Step::new(PART, State::Left, about)
        }
        (false, true) => {
            let body = json!([{ "op": "replace", "path": "/autoCreateGroups", "value": true }]);
            Step::new(PART, State::Change, "switched on").sends(Method::PATCH, "/api/v1/groups/settings", body)
        }
    }
}

/// How a client is made over REST is not documented well enough; that it must be trusted, is (section H.1).
fn oauth_client(found: &Found) -> Step {
    const PART: Part = Part::OauthClient;
    let client = found.clients.iter().find(|client| client["clientName"] == NAME);
    let Some((client, id)) = client.and_then(|client| Some((client, client["clientId"].as_str()?))) else {
        return Step::new(PART, State::Left, format!("there is none named {NAME}: make it by hand"))
            .remedy(super::by_hand::OAUTH_CLIENT);
    };
    if client["connectionConfig"]["consentMethod"] == "trusted" {
        return Step::new(PART, State::There, format!("{NAME} ({id}), trusted"));
    }
    let body = json!([{ "op": "replace", "path": "/consentMethod", "value": "trusted" }]);
    Step::new(PART, State::Change, format!("{NAME} ({id}): its consent method becomes trusted")).sends(
        Method::PATCH,
        format!("/api/v1/oauth-clients/{id}/connection-configs/me"),
        body,
    )
}
