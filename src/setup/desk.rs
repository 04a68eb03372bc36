//! The calls of `setup`: by the right of an administrator, one after the other, no faster than the tenant likes.

use std::time::Duration;

use reqwest::Client;
use serde_json::Value;
use time::OffsetDateTime;

use super::look::{self, Found};
use super::{Entry, Names, Part, Plan, Request, Signing, State, Step, Trouble, Wanted, plan};
use crate::advice::At;
use crate::client;
use crate::clock::Clock;
use crate::identity::Subject;
use crate::origin::Origin;
use crate::qlik::api::{Access, Api};
use crate::qlik::engine::{Engine, Right};
use crate::qlik::{Tenant, session, token};

/// The longest pause that is waited for when the tenant asks for one: its limits are those of five minutes (section I).
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Where the tenant's administration is asked.
#[derive(Debug)]
pub struct Desk {
    api: Api,
    client: Client,
    /// For sockets, which there are only in HTTP/1.1.
    http1: Client,
    tenant: Origin,
    clock: Clock,
}

impl Desk {
    /// Asks this tenant by this right.
    ///
    /// # Errors
    /// When the machine's certificate authorities cannot be read.
    pub fn new(tenant: &Tenant, access: Access, clock: Clock) -> Result<Self, client::Error> {
        let client = tenant.authorities.client(&tenant.way_out)?;
        let api = Api::new(client.clone(), tenant.origin.clone(), access).with_patience(LONGEST_PAUSE);
        let http1 = tenant.authorities.http1_client(&tenant.way_out)?;
        Ok(Self { api, client, http1, tenant: tenant.origin.clone(), clock })
    }

    fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// When the tenant does not answer, or refuses.
    pub async fn look(&self, wanted: &Wanted) -> Result<Found, Trouble> {
        look::look(&self.api, wanted, self.now()).await
    }

    /// Looks, and says what has to be done.
    ///
    /// # Errors
    /// As [`Desk::look`].
    pub async fn plan(&self, wanted: &Wanted) -> Result<Plan, Trouble> {
        Ok(plan(wanted, &self.look(wanted).await?, self.now()))
    }

    /// Carries a step out. What the tenant answers; `Null` when somebody else was faster and all is as it should be.
    ///
    /// # Errors
    /// When the tenant does not answer, or refuses.
    pub async fn carry_out(&self, step: &Step, wanted: &Wanted) -> Result<Value, Trouble> {
        let Some(request) = &step.request else { return Ok(Value::Null) };
        let problem = match self.send(request, &request.body).await {
            Ok(answer) => return Ok(answer),
            Err(problem) => problem,
        };
        if !matches!(problem.status(), Some(400 | 409)) {
            return Err(Trouble::of_call(doing(step), At::Admin, problem));
        }
        // Which status a duplicate has is not documented (section A.1). Is it there by now?
        let plan = self.plan(wanted).await?;
        if plan.steps.iter().any(|now| now.part == step.part && now.state == State::There) {
            return Ok(Value::Null);
        }
        let Some(otherwise) = &request.otherwise else {
            return Err(Trouble::of_call(doing(step), At::Admin, problem));
        };
        self.send(request, otherwise).await.map_err(|problem| Trouble::of_call(doing(step), At::Admin, problem))
    }

    async fn send(&self, request: &Request, body: &Value) -> Result<Value, crate::qlik::api::Error> {
        self.api.call(request.method.clone(), &request.path, Some(body), self.now()).await
    }

    /// The apps that the administrator sees.
    ///
    /// # Errors
    /// When the tenant does not answer, or refuses.
    pub async fn apps(&self) -> Result<Vec<Entry>, Trouble> {
        const PATH: &str = "/api/v1/items?resourceType=app&limit=100";
        let items = look::list(&self.api, "list the apps", PATH, self.now()).await?;
        let entry = |item: &Value| {
            let id = item["resourceId"].as_str()?;
            Some(Entry { id: id.to_owned(), title: item["name"].as_str().unwrap_or(id).to_owned() })
        };
        Ok(items.iter().filter_map(entry).collect())
    }

    /// The sheets of an app that the administrator sees.
    ///
    /// # Errors
    /// When the app cannot be opened.
    pub async fn sheets(&self, app: &str) -> Result<Vec<Entry>, Trouble> {
        let what = || format!("list the sheets of the app {app}");
        let bearer = self.api.bearer(self.now()).await;
        let bearer = bearer.map_err(|problem| Trouble::of_call("get an access token", At::OauthToken, problem))?;
        let right = Right::Bearer(&bearer);
        let opened = Engine::open(&self.http1, &self.tenant, app, super::NAME, &right, self.now()).await;
        let mut engine = opened.map_err(|problem| Trouble::of_engine(what(), problem))?;
        let sheets = engine.sheets().await.map_err(|problem| Trouble::of_engine(what(), problem))?;
        engine.close().await;
        Ok(sheets.into_iter().map(|sheet| Entry { id: sheet.id, title: sheet.title }).collect())
    }

    /// What is still to be done to have a second identity provider, for another key.
    ///
    /// # Errors
    /// As [`Desk::look`].
    pub async fn provider_of(&self, signing: &Signing, wanted: &Wanted) -> Result<Step, Trouble> {
        let wanted = Wanted { signing: Some(signing.clone()), oauth: false, ..wanted.clone() };
        let plan = self.plan(&wanted).await?;
        let step = plan.steps.into_iter().find(|step| step.part == Part::IdentityProvider);
        Ok(step.unwrap_or_else(|| Step::here(Part::IdentityProvider, State::Stuck, "it has no plan")))
    }

    /// Signs a subject in once and out again, to see that the tenant takes the key. Creates the subject's user.
    ///
    /// # Errors
    /// When the tenant does not answer, or refuses.
    pub async fn probe(&self, settings: &token::Settings, subject: &Subject) -> Result<(), Trouble> {
        const WHAT: &str = "sign in with the new key";
        let token = match settings.mint(subject, self.now()) {
            Ok(token) => token,
            Err(problem) => return Err(Trouble::own(WHAT, problem.to_string())),
        };
        let cookies = session::log_in(&self.client, &self.tenant, &token, self.now()).await;
        let cookies = cookies.map_err(|problem| Trouble::of_login(WHAT, problem))?;
        if let Some(cookies) = cookies.header(self.now()) {
            // It ends by itself, too.
            let _ = session::log_out(&self.client, &self.tenant, &cookies, self.now()).await;
        }
        Ok(())
    }

    /// The provider of these names: its id, and whether we made it. Nothing when it is not there.
    ///
    /// # Errors
    /// As [`Desk::look`].
    pub async fn provider(&self, names: &Names) -> Result<Option<(String, bool)>, Trouble> {
        let providers = look::providers(&self.api, self.now()).await?;
        let entry = providers.iter().find(|entry| plan::is_of(entry, names));
        Ok(entry.and_then(|entry| {
            let description = entry["description"].as_str().unwrap_or_default();
            Some((entry["id"].as_str()?.to_owned(), description.starts_with(super::MADE_BY_US)))
        }))
    }

    /// Deletes a provider.
    ///
    /// # Errors
    /// When the tenant does not answer, or refuses.
    pub async fn delete_provider(&self, id: &str) -> Result<(), Trouble> {
        let path = format!("/api/v1/identity-providers/{id}");
        match self.api.call(http::Method::DELETE, &path, None, self.now()).await {
            Ok(_) => Ok(()),
            Err(problem) if problem.status() == Some(404) => Ok(()),
            Err(problem) => Err(Trouble::of_call("delete the old identity provider", At::Admin, problem)),
        }
    }
}

fn doing(step: &Step) -> String {
    let verb = if step.state == State::Create { "create" } else { "change" };
    format!("{verb} the {}", step.part.in_a_sentence())
}
