//! Access tokens for the components of a page: who gets one, of what the tenant grants, how many are asked for, and when they end.

use axum::http::{Method, StatusCode};
use qlik_embed_bff::access_token::Given;
use qlik_embed_bff::demo::{self, ApiKey, Control, IdentityProvider, OauthClient, Tenant};
use qlik_embed_bff::errand::Error;
use secrecy::ExposeSecret;

mod endpoint;
mod kept;
mod people;
mod refused;
mod secrets;

use crate::portal::{Answer, KEY, Portal};
use crate::tenant_session::Guest;

const CLIENT: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &str = "impersonations-very-own-secret";
const API_KEY: &str = "administrators-api-key";
/// A page that takes access tokens.
const OAUTH: [(&str, &str); 3] =
    [("QLIK_FLOW", "oauth"), ("QLIK_OAUTH_CLIENT_ID", CLIENT), ("QLIK_OAUTH_CLIENT_SECRET", SECRET)];
/// ... and users who are missing are made.
const PROVISION: [(&str, &str); 2] = [("QLIK_API_KEY", API_KEY), ("QLIK_PROVISION", "create")];

/// A tenant with a client that may impersonate, and an instance in front of it.
struct Stage {
    tenant: Tenant,
    portal: Portal,
}

impl Stage {
    /// Ada and Bob have users there.
    async fn set() -> Self {
        let stage = Self::with(|_| {}, &[]).await;
        for id in ["ada", "bob"] {
            stage.control().add_user(&format!("password|{id}"), &format!("{id}@example.com"), "active");
        }
        stage
    }

    async fn with(edit: impl FnOnce(&mut demo::Settings), changes: &[(&str, &str)]) -> Self {
        let provider = IdentityProvider::new("https://portal.example", "key-1", &KEY.certificate);
        let mut settings = demo::Settings {
            providers: vec![provider],
            clients: vec![OauthClient::impersonating(CLIENT, SECRET)],
            api_keys: vec![ApiKey::of_admin(API_KEY)],
            ..demo::Settings::default()
        };
        edit(&mut settings);
        let tenant = Tenant::start(settings).await.expect("a tenant");
        let portal = Portal::with(&[&[("QLIK_TENANT", tenant.origin())], &OAUTH[..], changes].concat()).await;
        Self { tenant, portal }
    }

    fn control(&self) -> &Control {
        self.tenant.control()
    }

    /// So much later, for everybody.
    fn pass(&self, seconds: i64) {
        let by = time::Duration::seconds(seconds);
        self.portal.clock.advance(by);
        self.control().shift_clock(by);
    }

    /// With which statuses the tenant answered at this path.
    fn answers(&self, method: &str, path: &str) -> Vec<u16> {
        let requests = self.control().requests();
        let those = requests.iter().filter(|request| request.method == method && request.path.starts_with(path));
        those.map(|request| request.status).collect()
    }

    /// For whom the tenant takes this token.
    async fn whose(&self, token: &str) -> String {
        let me = format!("{}/api/v1/users/me", self.tenant.origin());
        let me = self.portal.app.tenant.client().expect("a client").get(me).bearer_auth(token);
        let there = me.send().await.expect("an answer").headers()["location"].to_str().expect("an address").to_owned();
        let there = if there.starts_with('/') { format!("{}{there}", self.tenant.origin()) } else { there };
        let user = self.portal.app.tenant.client().expect("a client").get(there).bearer_auth(token);
        let user = user.send().await.expect("an answer").text().await.expect("a body");
        let user: serde_json::Value = serde_json::from_str(&user).expect("JSON");
        user["subject"].as_str().unwrap_or_default().to_owned()
    }

    /// How often it was asked for a token, and with which statuses it answered.
    fn asked(&self) -> Vec<u16> {
        self.answers("POST", "/oauth/token")
    }
}

/// What somebody who is signed in with us does for a token.
impl Guest {
    async fn granted(&self, portal: &Portal) -> Result<Given, Error> {
        let tokens = portal.app.access_tokens.as_ref().expect("a client");
        tokens.get(&self.visit(), portal.clock.now()).await
    }

    async fn token(&self, portal: &Portal) -> String {
        self.granted(portal).await.expect("a token").token.expose_secret().to_owned()
    }

    /// What a script of our pages posts.
    async fn post(&mut self, headers: &[(&str, &str)]) -> Answer {
        let token = self.browser.fetch("/csrf-token").await.json()["csrfToken"].as_str().expect("a token").to_owned();
        let ours = [("csrf-token", token.as_str()), ("sec-fetch-site", "same-origin"), ("sec-fetch-dest", "empty")];
        self.browser.send(Method::POST, "/access-token", &[&ours, headers].concat(), "").await
    }
}

/// Status and code of a failure.
fn failure(answer: &Answer) -> (StatusCode, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}
