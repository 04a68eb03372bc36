//! What is in the tenant, as far as `setup` cares.

use serde_json::Value;
use time::OffsetDateTime;

use super::{NAME, Trouble, Wanted};
use crate::advice::At;
use crate::qlik::api::{Api, Error};

/// How many pages of a list are read, of a hundred entries each.
pub(super) const PAGES: usize = 100;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The tenant's id.
    pub tenant_id: String,
    /// Identity providers of every kind.
    pub providers: Vec<Value>,
    /// Web integrations.
    pub web_integrations: Vec<Value>,
    /// Entries of the CSP.
    pub policies: Vec<Value>,
    /// Whether the tenant creates groups.
    pub creates_groups: bool,
    /// OAuth clients, when somebody wants one.
    pub clients: Vec<Value>,
}

/// Looks at everything before anything is changed: who may not look may not change either.
pub(super) async fn look(api: &Api, wanted: &Wanted, now: OffsetDateTime) -> Result<Found, Trouble> {
    const TENANT: &str = "/api/v1/tenants/me";
    api.bearer(now).await.map_err(|problem| Trouble::of_call("get an access token", At::OauthToken, problem))?;
    let tenant = read(api, "ask which tenant this is", TENANT, now).await?;
    let tenant_id = tenant["id"].as_str().filter(|id| !id.is_empty());
    let tenant_id = tenant_id.ok_or(Error::Unreadable("it has no id"));
    let tenant_id = tenant_id.map_err(|problem| Trouble::of_call("ask which tenant this is", At::Admin, problem))?;
    // What nobody needs is no reason to stop.
    let groups = match read(api, "read the settings of groups", "/api/v1/groups/settings", now).await {
        Err(_) if !wanted.groups => Value::Null,
        groups => groups?,
    };
    let (web_integrations, policies) = if wanted.uses_browser {
        let integrations = list(api, "list the web integrations", "/api/v1/web-integrations?limit=100", now).await?;
        (integrations, list(api, "list the content security policy", "/api/v1/csp-origins?limit=100", now).await?)
    } else {
        (Vec::new(), Vec::new())
    };
    let clients = if wanted.oauth { clients(api, now).await? } else { Vec::new() };
    Ok(Found {
        tenant_id: tenant_id.to_owned(),
        providers: providers(api, now).await?,
        web_integrations,
        policies,
        creates_groups: groups["autoCreateGroups"] == true,
        clients,
    })
}

/// The client of our name, and whether it is trusted (section H.1).
async fn clients(api: &Api, now: OffsetDateTime) -> Result<Vec<Value>, Trouble> {
    let mut clients = list(api, "list the OAuth clients", "/api/v1/oauth-clients?limit=100", now).await?;
    clients.retain(|client| client["clientName"] == NAME);
    for client in &mut clients {
        let Some(id) = client["clientId"].as_str() else { continue };
        let path = format!("/api/v1/oauth-clients/{id}/connection-configs/me");
        client["connectionConfig"] = read(api, "read the consent of the OAuth client", &path, now).await?;
    }
    Ok(clients)
}

pub(super) async fn providers(api: &Api, now: OffsetDateTime) -> Result<Vec<Value>, Trouble> {
    list(api, "list the identity providers", "/api/v1/identity-providers?limit=100", now).await
}

async fn read(api: &Api, what: &str, path: &str, now: OffsetDateTime) -> Result<Value, Trouble> {
    api.get(path, now).await.map_err(|problem| Trouble::of_call(what, At::Admin, problem))
}

pub(super) async fn list(api: &Api, what: &str, path: &str, now: OffsetDateTime) -> Result<Vec<Value>, Trouble> {
    api.list(path, PAGES, now).await.map_err(|problem| Trouble::of_call(what, At::Admin, problem))
}
