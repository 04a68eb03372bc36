//! What a check found.

use std::fmt;

use crate::advice::{self, Advice, Answer, Sign};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Pass,
    /// It works, or may work, and somebody should look at it.
    Warning,
    /// It does not work.
    Failure,
    /// It was not looked at.
    Skipped,
}

impl Outcome {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Every check there is, in the order in which they are made (Qlik Cloud facts, section L).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Check {
    /// The settings.
    Configuration,
    /// The private key.
    SigningKey,
    /// Its certificate.
    Certificate,
    /// What a token says.
    Token,
    /// From people to subjects.
    Subject,
    /// The names of the engine's sessions.
    Selections,
    /// The database.
    Store,
    /// A store for sessions apart.
    SessionStore,
    /// `PUBLIC_URL`, TLS and proxies before us.
    PublicAddress,
    /// Our own cookies.
    OwnCookies,
    /// The tenant's name.
    TenantName,
    /// The tenant itself.
    TenantAnswers,
    /// The two clocks.
    Clock,
    /// The login.
    Login,
    /// The tenant's cookies.
    Cookies,
    /// The user that came of the login.
    User,
    /// The addresses that answers name.
    Links,
    /// The CSRF token.
    Csrf,
    /// The engine's socket and the app.
    Engine,
    /// The sheet or object.
    Sheet,
    /// The theme.
    Theme,
    /// The frame.
    Frame,
    /// What a browser asks first.
    Preflight,
    /// What clients ask before they are anybody.
    ProductInfo,
    /// Our own addresses, as a browser reaches them.
    OwnPaths,
    /// Our token endpoint, as a browser reaches it.
    TokenEndpoint,
    /// The OpenID provider.
    Provider,
    /// Its answer to our redirect URI.
    RedirectUri,
    /// The right by which the tenant's administration is asked.
    Administration,
    /// The JWT identity provider.
    IdentityProvider,
    /// The web integration.
    WebIntegration,
    /// The tenant's CSP.
    ContentSecurity,
    /// How long sessions live there and here.
    SessionAges,
    /// Whether groups are created.
    Groups,
    /// The app in the catalogue.
    App,
    /// Who may open its space.
    Space,
    /// Users with one address.
    Duplicates,
    /// Licences.
    Licence,
    /// OAuth clients.
    OauthClient,
    /// A visitor's access token.
    AccessToken,
}

impl Check {
    /// Every check.
    pub const ALL: [Self; 40] = [
        Self::Configuration,
        Self::SigningKey,
        Self::Certificate,
        Self::Token,
        Self::Subject,
        Self::Selections,
        Self::Store,
        Self::SessionStore,
        Self::PublicAddress,
        Self::OwnCookies,
        Self::TenantName,
        Self::TenantAnswers,
        Self::Clock,
        Self::Login,
        Self::Cookies,
        Self::User,
        Self::Links,
        Self::Csrf,
        Self::Engine,
        Self::Sheet,
        Self::Theme,
        Self::Frame,
        Self::Preflight,
        Self::ProductInfo,
        Self::OwnPaths,
        Self::TokenEndpoint,
        Self::Provider,
        Self::RedirectUri,
        Self::Administration,
        Self::IdentityProvider,
        Self::WebIntegration,
        Self::ContentSecurity,
        Self::SessionAges,
        Self::Groups,
        Self::App,
        Self::Space,
        Self::Duplicates,
        Self::Licence,
        Self::OauthClient,
        Self::AccessToken,
    ];

    /// Its name in JSON.
    pub const fn id(self) -> &'static str {
        self.about().0
    }

    /// Its name for people.
    pub const fn title(self) -> &'static str {
        self.about().1
    }

    /// What ought to be.
    pub const fn expected(self) -> &'static str {
        self.about().2
    }

    const fn about(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Configuration => ("configuration", "Settings", "every setting can be used"),
            Self::SigningKey => {
                ("signing-key", "Private key", "an RSA key of at least 2048 bits that nobody else may read")
            }
            Self::Certificate => ("certificate", "Certificate", "the key's own, valid for another 30 days"),
            Self::Token => ("token", "Token", "every claim that the tenant asks for, good for an hour at the most"),
            Self::Subject => ("subject", "Subjects", "one for each person, which stays"),
            Self::Selections => ("selections", "Selections", "each session of the portal has its own"),
            Self::Store => ("store", "Database", "it can be opened and written, with the tables of this version"),
            Self::SessionStore => ("session-store", "Store for sessions", "it answers"),
            Self::PublicAddress => {
                ("public-address", "Public address", "https, and client addresses that can be believed")
            }
            Self::OwnCookies => ("own-cookies", "Our own cookies", "browsers keep them wherever our pages are shown"),
            Self::TenantName => ("tenant-name", "Name of the tenant", "it has an address"),
            Self::TenantAnswers => ("tenant-answers", "Tenant", "it answers over TLS, in JSON"),
            Self::Clock => ("clock", "Clock", "at most 5 seconds from the tenant's"),
            Self::Login => ("login", "Login", "the tenant takes the token"),
            Self::Cookies => {
                ("cookies", "Cookies of the tenant", "a session, in cookies that a page of another site may use")
            }
            Self::User => ("user", "User", "the subject that signed in, and active"),
            Self::Links => ("links", "Addresses in answers", "those of the host that QLIK_TENANT names"),
            Self::Csrf => ("csrf-token", "CSRF token", "status 204 with the header qlik-csrf-token"),
            Self::Engine => ("engine", "Engine and app", "the socket opens, the session is created, the app opens"),
            Self::Sheet => ("sheet", "Sheet or object", "it is in the app, for this user"),
            Self::Theme => ("theme", "Theme", "the app has one, or the page names one"),
            Self::Frame => ("frame", "Frame", "/single/ answers 200 and lets our pages frame it"),
            Self::Preflight => {
                ("preflight", "Calls from the browser", "the tenant lets our origin call it with credentials")
            }
            Self::ProductInfo => ("product-info", "Product info", "JSON that says that this is the cloud"),
            Self::OwnPaths => ("own-paths", "Our own addresses", "this server answers there"),
            Self::TokenEndpoint => {
                ("token-endpoint", "Token endpoint", "without a session: 401 in JSON, which nothing keeps")
            }
            Self::Provider => ("provider", "OpenID provider", "a discovery document with our issuer, and keys"),
            Self::RedirectUri => ("redirect-uri", "Redirect URI", "the provider knows it"),
            Self::Administration => {
                ("administration", "Right to administer", "the tenant takes it, for a tenant administrator")
            }
            Self::IdentityProvider => {
                ("identity-provider", "JWT identity provider", "active, with our issuer, key ID and certificate")
            }
            Self::WebIntegration => ("web-integration", "Web integration", "it is there and lists our origin"),
            Self::ContentSecurity => {
                ("content-security", "Content security policy", "frame-ancestors lists our origin")
            }
            Self::SessionAges => {
                ("session-ages", "Ages of sessions", "sessions live there as long as this server assumes")
            }
            Self::Groups => ("groups", "Creation of groups", "on, since tokens name groups"),
            Self::App => ("app", "App", "it is there"),
            Self::Space => ("space", "Space of the app", "the subject or one of its groups may view it"),
            Self::Duplicates => {
                ("duplicate-users", "One user for one person", "nobody else has the subject's e-mail address")
            }
            Self::Licence => ("licence", "Licences", "new users get one by themselves"),
            Self::OauthClient => ("oauth-client", "OAuth client", "trusted, with our origin among the allowed ones"),
            Self::AccessToken => {
                ("access-token", "Access token", "the OAuth client gets one for the subject, which the tenant takes")
            }
        }
    }
}

/// One result of the diagnosis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// How it ended.
    pub outcome: Outcome,
    /// Where it was looked, or at what.
    pub looked_at: String,
    /// What was seen; for a check that was skipped, why.
    pub found: String,
    /// What to do about it, where that is not the catalogue's affair.
    pub remedy: Option<String>,
    /// What the catalogue says about it.
    pub advice: Option<&'static Advice>,
}

impl Finding {
    /// What to do: the finding's own words, else the catalogue's.
    pub fn remedy(&self) -> Option<&str> {
        self.remedy.as_deref().or_else(|| self.advice.map(|advice| advice.remedy))
    }

    /// The page about it, below `docs/`.
    pub fn link(&self) -> String {
        self.advice.map_or_else(|| format!("doctor.md#{}", self.check.id()), Advice::link)
    }
}

/// A check that is being made.
#[derive(Clone, Debug)]
pub(super) struct Look {
    check: Check,
    at: String,
}

impl Look {
    pub fn new(check: Check, at: impl Into<String>) -> Self {
        Self { check, at: at.into() }
    }

    fn found(self, outcome: Outcome, found: impl Into<String>) -> Finding {
        Finding { check: self.check, outcome, looked_at: self.at, found: found.into(), remedy: None, advice: None }
    }

    pub fn pass(self, found: impl Into<String>) -> Finding {
        self.found(Outcome::Pass, found)
    }

    pub fn skip(self, why: impl Into<String>) -> Finding {
        self.found(Outcome::Skipped, why)
    }

    pub fn warn(self, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { remedy: Some(remedy.into()), ..self.found(Outcome::Warning, found) }
    }

    pub fn fail(self, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { remedy: Some(remedy.into()), ..self.found(Outcome::Failure, found) }
    }

    pub fn advise(self, outcome: Outcome, found: impl Into<String>, advice: &'static Advice) -> Finding {
        Finding { advice: Some(advice), ..self.found(outcome, found) }
    }

    pub fn sign(self, outcome: Outcome, found: impl Into<String>, sign: Sign) -> Finding {
        self.advise(outcome, found, advice::of(&Answer::Found(sign)))
    }
}
