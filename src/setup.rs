//! What has to be in the tenant before a sheet can be embedded, and how it comes there (Qlik Cloud facts, sections A.1, A.5, C
//! and H.1): what is there is looked up, a plan says what is missing, and the plan is carried out step by step.
//!
//! Nothing is deleted that was not made here, and nothing has to be remembered: a run that was interrupted finds what it
//! made, by issuer and key ID, by origin, by name, and goes on. The plan is pure; [`Desk`] makes the calls.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::advice::Advice;
use crate::origin::Origin;
use crate::qlik::key::SigningKey;

pub mod by_hand;
mod choice;
mod desk;
pub mod env_file;
mod look;
pub mod pair;
mod plan;
pub mod rotation;
mod trouble;

pub use choice::{Choice, Entry, choose};
pub use desk::Desk;
pub use look::Found;
pub use plan::plan;
pub use trouble::Trouble;

/// What we call what we make, in the tenant's lists.
pub const NAME: &str = "qlik-embed-bff";
/// How the description of a provider begins that we made, and that we may therefore delete.
pub const MADE_BY_US: &str = "Made by qlik-embed-bff setup";

/// What the tenant's identity provider and our tokens have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    /// `iss`.
    pub issuer: String,
    /// `kid`.
    pub key_id: String,
}

impl Names {
    /// Those of a key. A new key gets a new issuer, so that old and new provider can stand side by side while keys are changed.
    pub fn of(key: &SigningKey) -> Self {
        let key_id = key.fingerprint();
        let begin: String = key_id.chars().take(8).collect();
        Self { issuer: format!("{NAME}-{begin}"), key_id }
    }
}

/// The key that signs, once there is one.
#[derive(Clone, Debug)]
pub struct Signing {
    /// The key.
    pub key: SigningKey,
    /// Its certificate in PEM, where it is known.
    pub certificate: Option<String>,
    /// What the tenant knows it by, or shall.
    pub names: Names,
}

/// What there shall be.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The tenant.
    pub tenant: Origin,
    /// Our own origin.
    pub portal: Origin,
    /// The key, and its names in the tenant.
    pub signing: Option<Signing>,
    /// The web integration that the settings name.
    pub web_integration: Option<String>,
    /// Whether browsers call the tenant themselves.
    pub uses_browser: bool,
    /// Whether the tenant has to create groups.
    pub groups: bool,
    /// Whether there shall be an OAuth client for impersonation.
    pub oauth: bool,
}

/// What a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The key pair, here.
    KeyPair,
    /// The JWT identity provider.
    IdentityProvider,
    /// The web integration.
    WebIntegration,
    /// The tenant's CSP.
    ContentSecurity,
    /// Whether the tenant creates groups.
    Groups,
    /// The OAuth client.
    OauthClient,
    /// App and sheet.
    Page,
    /// `.env`, here.
    Settings,
}

impl Part {
    /// Its name in JSON.
    pub const fn id(self) -> &'static str {
        match self {
            Self::KeyPair => "key-pair",
            Self::IdentityProvider => "identity-provider",
            Self::WebIntegration => "web-integration",
            Self::ContentSecurity => "content-security",
            Self::Groups => "groups",
            Self::OauthClient => "oauth-client",
            Self::Page => "page",
            Self::Settings => "settings",
        }
    }

    /// Its name within a sentence.
    const fn in_a_sentence(self) -> &'static str {
        match self {
            Self::KeyPair => "key pair",
            Self::IdentityProvider => "identity provider",
            Self::WebIntegration => "web integration",
            Self::ContentSecurity => "entry in the content security policy",
            Self::Groups => "settings of groups",
            Self::OauthClient => "OAuth client",
            Self::Page => "page",
            Self::Settings => "settings",
        }
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::KeyPair => "Key pair",
            Self::IdentityProvider => "JWT identity provider",
            Self::WebIntegration => "Web integration",
            Self::ContentSecurity => "Content security policy",
            Self::Groups => "Creation of groups",
            Self::OauthClient => "OAuth client",
            Self::Page => "App and sheet",
            Self::Settings => "Settings",
        }
    }
}

/// How it is about a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    There,
    /// It will be made.
    Create,
    /// It will be changed.
    Change,
    /// It stays as it is, since nobody asked for it.
    Left,
    /// It cannot be done from here.
    Stuck,
}

impl State {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::There => "there",
            Self::Create => "create",
            Self::Change => "change",
            Self::Left => "left",
            Self::Stuck => "stuck",
        }
    }
}

/// A change in the tenant, as it is sent. It has no secret: of the key pair, the tenant gets the public half.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its method.
    pub method: Method,
    /// Its path.
    pub path: String,
    /// Its body.
    pub body: Value,
    /// Another form of the body, for a tenant that does not take the first one.
    pub otherwise: Option<Value>,
}

/// One step of a plan.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it is about.
    pub part: Part,
    /// What has to be done.
    pub state: State,
    /// What was found, or what will be done, in words.
    pub found: String,
    /// What is sent, when something is.
    pub request: Option<Request>,
    /// What to do, for a step that cannot be done from here.
    pub remedy: Option<String>,
    /// What the catalogue says about it.
    pub advice: Option<&'static Advice>,
}

impl Step {
    fn new(part: Part, state: State, found: impl Into<String>) -> Self {
        Self { part, state, found: found.into(), request: None, remedy: None, advice: None }
    }

    /// A step of this machine, which no request makes.
    pub fn here(part: Part, state: State, found: impl Into<String>) -> Self {
        Self::new(part, state, found)
    }

    fn sends(self, method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { request: Some(Request { method, path: path.into(), body, otherwise: None }), ..self }
    }

    fn or_else(mut self, body: Value) -> Self {
        if let Some(request) = &mut self.request {
            request.otherwise = Some(body);
        }
        self
    }

    fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// Whether something has to be done.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Create | State::Change)
    }
}

/// What is to be done, in order.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The steps in the tenant.
    pub steps: Vec<Step>,
    /// What tokens will have in common with the identity provider, once there is a key.
    pub names: Option<Names>,
    /// The web integration, when it is there.
    pub web_integration: Option<String>,
}
