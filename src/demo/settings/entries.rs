//! What an administrator enters into a tenant: whom it trusts, who may call and frame it, who may open what.

use std::time::Duration;

use time::OffsetDateTime;

use crate::demo::random_hex;

/// A JWT identity provider (Qlik Cloud facts, section A.1): one issuer, one key.
#[derive(Debug, Clone)]
pub struct IdentityProvider {
    /// The tenant's id of it, 24 hex characters.
    pub id: String,
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `kid` of its tokens.
    pub key_id: String,
    /// A certificate (in lines, or in one line as the administration wants it) or a bare public key, PEM.
    pub key: String,
    /// `clockToleranceSec`: how far `nbf` may lie ahead and `exp` behind. The tenant's own default is not known `[U]`.
    pub clock_tolerance: Duration,
    /// What people call it.
    pub description: String,
    /// `active`: nobody logs in with an inactive one.
    pub active: bool,
    /// When it was made.
    pub created: OffsetDateTime,
}

impl IdentityProvider {
    /// An active provider with the tolerance of Qlik's example, five seconds.
    pub fn new(issuer: impl Into<String>, key_id: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            id: random_hex::<12>(),
            issuer: issuer.into(),
            key_id: key_id.into(),
            key: key.into(),
            clock_tolerance: Duration::from_secs(5),
            description: String::new(),
            active: true,
            created: OffsetDateTime::UNIX_EPOCH,
        }
    }
}

/// A web integration (section C.1): origins that may call the tenant from a browser. No wildcards.
#[derive(Debug, Clone)]
pub struct WebIntegration {
    /// What travels as `qlik-web-integration-id`.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Scheme, host and port where it is not the scheme's own.
    pub origins: Vec<String>,
    /// When it was made.
    pub created: OffsetDateTime,
}

impl WebIntegration {
    /// An integration for these origins.
    pub fn new<O: Into<String>>(id: impl Into<String>, origins: impl IntoIterator<Item = O>) -> Self {
        Self {
            id: id.into(),
            name: "Portal".into(),
            origins: origins.into_iter().map(Into::into).collect(),
            created: OffsetDateTime::UNIX_EPOCH,
        }
    }
}

/// An entry of the tenant's content security policy (section C.2).
#[derive(Debug, Clone)]
pub struct CspOrigin {
    /// The tenant's id of it, 24 hex characters.
    pub id: String,
    /// The host, with a port where it has one, or `*.` and a domain.
    pub origin: String,
    /// What people call it.
    pub name: String,
    /// Why it is there.
    pub description: String,
    /// The directives that it is for, such as `frameAncestors`.
    pub directives: Vec<&'static str>,
    /// When it was made.
    pub created: OffsetDateTime,
}

impl CspOrigin {
    /// An entry that lets an origin frame the tenant's pages.
    pub fn framing(origin: impl Into<String>) -> Self {
        Self {
            id: random_hex::<12>(),
            origin: origin.into(),
            name: String::new(),
            description: String::new(),
            directives: vec!["frameAncestors"],
            created: OffsetDateTime::UNIX_EPOCH,
        }
    }

    /// May it frame the tenant's pages?
    pub fn frames(&self) -> bool {
        self.directives.contains(&"frameAncestors")
    }
}

/// A space (section A.6): apps lie in it, and who is assigned to it may open them.
#[derive(Debug, Clone)]
pub struct Space {
    /// The tenant's id of it, 24 hex characters.
    pub id: String,
    /// Its name, which is unique.
    pub name: String,
    /// `shared`, `managed` or `data`.
    pub kind: String,
    /// Who may do what in it.
    pub assignments: Vec<Assignment>,
    /// When it was made.
    pub created: OffsetDateTime,
}

impl Space {
    /// A shared space to which nobody is assigned.
    pub fn shared(name: impl Into<String>) -> Self {
        Self {
            id: random_hex::<12>(),
            name: name.into(),
            kind: "shared".into(),
            assignments: Vec::new(),
            created: OffsetDateTime::UNIX_EPOCH,
        }
    }
}

/// Roles of a user or a group in a space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The tenant's id of it, 24 hex characters.
    pub id: String,
    /// `user` or `group`.
    pub kind: String,
    /// The id of the user or the group.
    pub assignee: String,
    /// Such as `consumer`.
    pub roles: Vec<String>,
}

/// A key for the REST interface and the engine, and who it acts for.
#[derive(Clone)]
pub struct ApiKey {
    /// What follows `Bearer`.
    pub key: String,
    /// The subject of its owner.
    pub owner: String,
    /// Whether the owner has the role `TenantAdmin`.
    pub admin: bool,
    /// It is refused from then on.
    pub expires: Option<OffsetDateTime>,
}

impl ApiKey {
    /// The key of an administrator.
    pub fn of_admin(key: impl Into<String>) -> Self {
        Self { key: key.into(), owner: "auth0|administrator".into(), admin: true, expires: None }
    }

    /// The key of a user without any role.
    pub fn of_user(key: impl Into<String>) -> Self {
        Self { key: key.into(), owner: "auth0|somebody".into(), admin: false, expires: None }
    }
}

impl From<&str> for ApiKey {
    fn from(key: &str) -> Self {
        Self::of_admin(key)
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKey({})", self.owner)
    }
}

/// The grant of machines that act for themselves.
pub const CLIENT_CREDENTIALS: &str = "client_credentials";
/// The grant of machines that act for a user (section H.1).
pub const IMPERSONATION: &str = "urn:qlik:oauth:user-impersonation";
/// The grant by which a page gets a token for one purpose (section H.5). No client has to be allowed it.
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// An OAuth client (section H.1).
#[derive(Clone)]
pub struct OauthClient {
    /// `clientId`, 32 hex characters.
    pub id: String,
    /// `clientSecret`; told once, when it is made.
    pub secret: String,
    /// What people call it.
    pub name: String,
    /// `appType`.
    pub kind: String,
    /// `allowedGrantTypes`.
    pub grants: Vec<String>,
    /// `allowedScopes`.
    pub scopes: Vec<String>,
    /// `allowedOrigins`: where its tokens may be used in a browser.
    pub origins: Vec<String>,
    /// `publicKeys`: with one of them it proves itself instead of by its secret (`private_key_jwt`).
    pub keys: Vec<ClientKey>,
    /// Whether the consent method is `trusted`, not `required`.
    pub trusted: bool,
    /// When it was made.
    pub created: OffsetDateTime,
}

impl OauthClient {
    /// A client with the rights of an administrator.
    pub fn admin(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            name: "Administration".into(),
            kind: "web".into(),
            grants: vec![CLIENT_CREDENTIALS.into()],
            scopes: vec!["admin_classic".into(), "user_default".into()],
            origins: Vec::new(),
            keys: Vec::new(),
            trusted: true,
            created: OffsetDateTime::UNIX_EPOCH,
        }
    }

    /// A trusted client that may act for users.
    pub fn impersonating(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            name: "Embedding".into(),
            grants: vec![CLIENT_CREDENTIALS.into(), IMPERSONATION.into()],
            scopes: vec!["user_default".into()],
            ..Self::admin(id, secret)
        }
    }

    /// Whose tokens may be used at these origins.
    #[must_use]
    pub fn at<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.origins.extend(origins.into_iter().map(Into::into));
        self
    }

    /// That may prove itself with this key.
    #[must_use]
    pub fn with_key(mut self, key: ClientKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Does it list this origin?
    pub(in crate::demo) fn lists(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == origin)
    }
}

impl std::fmt::Debug for OauthClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OauthClient({})", self.id)
    }
}

/// A public key of an OAuth client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// The `kid` of its assertions.
    pub id: String,
    /// PEM; or a JWK in JSON, as the REST interface takes it.
    pub key: String,
}

impl ClientKey {
    /// A key by its id.
    pub fn new(id: impl Into<String>, key: impl Into<String>) -> Self {
        Self { id: id.into(), key: key.into() }
    }
}
