//! OAuth clients that may impersonate visitors, which the components of qlik-embed need (Qlik Cloud facts, section H.1). Without one,
//! nothing is missing.

use serde_json::Value;

use super::Doctor;
use super::finding::{Check, Finding, Look, Outcome};
use super::refused::{PAGES, refused};
use crate::advice::{At, Sign};
use crate::qlik::api::Api;

const LIST: &str = "/api/v1/oauth-clients";
const IMPERSONATION: &str = "urn:qlik:oauth:user-impersonation";

pub(super) async fn examine(doctor: &Doctor, api: &Api) -> Vec<Finding> {
    let look = Look::new(Check::OauthClient, format!("GET {LIST}"));
    let clients = match api.list(&format!("{LIST}?limit=100"), PAGES, doctor.now()).await {
        Ok(clients) => clients,
        Err(problem) if matches!(problem.status(), Some(404 | 405)) => {
            return vec![look.skip("the tenant does not tell")];
        }
        Err(problem) => return vec![refused(look, At::Admin, problem)],
    };
    let may_impersonate = |client: &&Value| list(client, "allowedGrantTypes").any(|grant| grant == IMPERSONATION);
    let mut findings = Vec::new();
    for client in clients.iter().filter(may_impersonate) {
        findings.push(one(doctor, api, client).await);
    }
    if findings.is_empty() {
        findings.push(look.skip("none may impersonate visitors; only components of qlik-embed need one"));
    }
    findings
}

async fn one(doctor: &Doctor, api: &Api, client: &Value) -> Finding {
    let id = client["clientId"].as_str().unwrap_or_default();
    let look = Look::new(Check::OauthClient, format!("{LIST}/{id}"));
    let consent = match client["connectionConfig"]["consentMethod"].as_str() {
        Some(told) => told.to_owned(),
        None => match api.get(&format!("{LIST}/{id}/connection-configs/me"), doctor.now()).await {
            Ok(config) => config["consentMethod"].as_str().unwrap_or_default().to_owned(),
            Err(problem) if matches!(problem.status(), Some(404 | 405)) => {
                return look.skip("the tenant does not tell");
            }
            Err(problem) => return refused(look, At::Admin, problem),
        },
    };
    if consent != "trusted" {
        return look.sign(Outcome::Warning, format!("its consent method is {consent}"), Sign::ConsentNotTrusted);
    }
    let ours = doctor.config.server.public_url.as_str();
    if !list(client, "allowedOrigins").any(|origin| origin.trim_end_matches('/') == ours) {
        let told = format!("trusted, and {ours} is none of its allowed origins");
        return look.sign(Outcome::Warning, told, Sign::TokenOriginNotListed);
    }
    look.pass(format!("trusted, and may be used from {ours}"))
}

fn list<'a>(client: &'a Value, member: &str) -> impl Iterator<Item = &'a str> {
    client[member].as_array().into_iter().flatten().filter_map(Value::as_str)
}
