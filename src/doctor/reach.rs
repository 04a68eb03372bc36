//! Whether the tenant can be reached at all, and what time it is there.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap};
use time::OffsetDateTime;
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

use super::finding::{Check, Finding, Look, Outcome};
use super::{CALL, Tell};
use crate::advice::{self, Answer, At, Sign, Silent, Told};
pub(super) use crate::client::cause;
use crate::origin::Origin;
use crate::qlik::{Tenant, date};

/// What every tenant answers, to anybody (Qlik Cloud facts, section H.2).
const METADATA: &str = "/.well-known/oauth-authorization-server";
/// From here on the difference of the clocks is a warning, and a failure (section L 4).
const SKEWED: time::Duration = time::Duration::seconds(5);
const TOO_SKEWED: time::Duration = time::Duration::seconds(30);

/// Says whether the tenant answers.
pub(super) async fn examine(client: &Client, tenant: &Tenant, now: OffsetDateTime, tell: Tell<'_>) -> bool {
    let is_direct = tenant.way_out.to(&tenant.origin).is_none();
    let tenant = &tenant.origin;
    tell(name(tenant, is_direct).await);
    let address = format!("{tenant}{METADATA}");
    let look = Look::new(Check::TenantAnswers, format!("GET {address}"));
    let clock = Look::new(Check::Clock, "the header Date of the tenant");
    match client.get(&address).timeout(CALL).send().await {
        Err(problem) => {
            let why = Silent::of(&problem);
            let advice = advice::of(&Answer::Unreachable { at: At::WellKnown, why });
            tell(look.advise(Outcome::Failure, cause(problem), advice));
            tell(clock.skip("the tenant does not answer"));
            false
        }
        Ok(response) => {
            let compared = compare(clock, response.headers(), now);
            let (finding, answers) = metadata(look, response, tenant).await;
            tell(finding);
            tell(compared);
            answers
        }
    }
}

async fn name(tenant: &Origin, is_direct: bool) -> Finding {
    let url = Url::parse(tenant.as_str()).ok();
    let host = url.as_ref().and_then(Url::host);
    let look = Look::new(Check::TenantName, tenant.host());
    let Some(Host::Domain(name)) = host else { return look.skip("it is an address already") };
    if !is_direct {
        return look.skip("the proxy of this network looks it up");
    }
    let port = url.as_ref().and_then(Url::port_or_known_default).unwrap_or(443);
    match timeout(Duration::from_secs(5), lookup_host((name, port))).await {
        Ok(Ok(found)) => {
            let count = found.count();
            look.pass(format!("{count} address{}", if count == 1 { "" } else { "es" }))
        }
        _ => {
            let advice = advice::of(&Answer::Unreachable { at: At::WellKnown, why: Silent::Name });
            look.advise(Outcome::Failure, "it has no address", advice)
        }
    }
}

/// Hosts that are no tenant may answer too: Qlik's names resolve whatever the first part is (section L 8).
async fn metadata(look: Look, response: reqwest::Response, tenant: &Origin) -> (Finding, bool) {
    let (status, told) = told(response).await;
    if status != 200 {
        let advice = told.0.advice(At::WellKnown);
        return (look.advise(Outcome::Failure, told.0.to_string(), advice), told.0.code.as_deref() != Some("LOGIN-2"));
    }
    let Some(body) = told.1.filter(serde_json::Value::is_object) else {
        let html = Answer::Http { at: At::WellKnown, status: 200, code: None, detail: "", html: true };
        return (look.advise(Outcome::Failure, "it is no JSON", advice::of(&html)), true);
    };
    let endpoint = body["token_endpoint"].as_str().unwrap_or_default();
    if endpoint.starts_with(tenant.as_str()) {
        return (look.pass("it answers as this tenant"), true);
    }
    // The alias of a tenant and its own name both answer; which of the two the document has is not documented.
    (look.pass(format!("it answers, as {endpoint}")), true)
}

fn compare(look: Look, headers: &HeaderMap, now: OffsetDateTime) -> Finding {
    let Some(theirs) = headers.get(DATE).and_then(|date| date::parse(date.to_str().ok()?)) else {
        return look.skip("the answer has no date");
    };
    let skew = now - theirs;
    let found = match skew.whole_seconds() {
        0 => "the same".to_owned(),
        ahead @ 1.. => format!("this machine is {ahead} s ahead"),
        behind => format!("this machine is {} s behind", -behind),
    };
    match skew.abs() {
        skew if skew > TOO_SKEWED => look.sign(Outcome::Failure, found, Sign::ClockSkew),
        skew if skew > SKEWED => look.sign(Outcome::Warning, found, Sign::ClockSkew),
        _ => look.pass(found),
    }
}

/// What an answer says: in words for people, and as JSON if it is some.
pub(super) async fn told(response: reqwest::Response) -> (u16, (Told, Option<serde_json::Value>)) {
    let status = response.status().as_u16();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let html = kind.starts_with("text/html");
    let body = text(response).await;
    (status, (Told::read(status, html, &body), serde_json::from_str(&body).ok()))
}

/// The body, up to what is worth reading.
pub(super) async fn text(mut response: reqwest::Response) -> String {
    const LARGEST: usize = 512 * 1024;
    let mut body = Vec::new();
    while let Ok(Some(part)) = response.chunk().await
        && body.len() < LARGEST
    {
        body.extend_from_slice(&part);
    }
    String::from_utf8_lossy(&body).into_owned()
}
