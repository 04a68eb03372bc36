//! What a simulated tenant can be told: its addresses, whom it trusts, and a switch for everything that nobody outside
//! Qlik knows for certain. The letters in brackets are the strength of evidence in the Qlik Cloud facts:
//! `[I]` inferred, `[U]` unknown, `[C]` reported by users.

mod entries;
mod switches;

use std::{net::SocketAddr, time::Duration};

pub use entries::{
    ApiKey, Assignment, CLIENT_CREDENTIALS, ClientKey, CspOrigin, IMPERSONATION, IdentityProvider, OauthClient, Space,
    TOKEN_EXCHANGE, WebIntegration,
};
pub use switches::{
    AlreadyOpen, HandshakeRefusal, MissingObject, NoAccess, NoLicence, Race, Switches, Theme, UnknownApp,
};

use super::{APP_ID, SHEET_ID};

/// The tenant's own id.
pub const TENANT_ID: &str = "kX2oQwPZ1sVYt0cBn7mLr5dGfHjEaUiR";

/// Everything about one simulated tenant. All of it except the addresses may be changed while it runs: by
/// [`Control::change`](super::Control::change), and what is an administrator's affair by the REST interface as well.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes any free one. Read once, at the start.
    pub listen: SocketAddr,
    /// The host in its address. It listens on this machine in any case.
    pub name: String,
    /// The origin as browsers name it, such as `https://acme.eu.qlikcloud.test`. Without it: the name and the port.
    pub public_origin: Option<String>,
    /// Certificate and key to serve TLS with; plain HTTP without. Read once, at the start.
    pub tls: Option<Tls>,
    /// The id of the app of the tenant.
    pub app: String,
    /// The ids of further apps, which are like it.
    pub more_apps: Vec<String>,
    /// The id of the sheet of each app.
    pub sheet: String,
    /// The ids of further sheets, which show the same.
    pub more_sheets: Vec<String>,
    /// Spaces of the tenant.
    pub spaces: Vec<Space>,
    /// The id of the space in which the apps lie: only who is assigned to it may open them. Without one, everybody may.
    pub app_space: Option<String>,
    /// Whose tokens are believed. None at all, as long as there is no provider.
    pub providers: Vec<IdentityProvider>,
    /// Which other origins may call the tenant from a browser.
    pub web_integrations: Vec<WebIntegration>,
    /// Content security policy entries. The tenant itself may always frame its pages.
    pub csp_origins: Vec<CspOrigin>,
    /// How the session cookies are dressed.
    pub cookies: Cookies,
    /// A session without requests ends after this time. New values hold for new sessions.
    pub idle_timeout: Duration,
    /// Every session ends after this time. New values hold for new sessions.
    pub longest_session: Duration,
    /// "Creation of groups" of the administration: without it the `groups` claim is dropped.
    pub auto_create_groups: bool,
    /// How many users can have a licence; without a number, all who come (section A.6).
    pub licences: Option<usize>,
    /// Users who come get an analyzer licence by themselves.
    pub auto_assign_analyzer: bool,
    /// Users who come get a professional licence by themselves.
    pub auto_assign_professional: bool,
    /// API keys, which the REST interface and the engine take as bearer tokens.
    pub api_keys: Vec<ApiKey>,
    /// OAuth clients (section H).
    pub clients: Vec<OauthClient>,
    /// What rests on inference, or is not known.
    pub switches: Switches,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            name: "localhost".into(),
            public_origin: None,
            tls: None,
            app: APP_ID.into(),
            more_apps: Vec::new(),
            sheet: SHEET_ID.into(),
            more_sheets: Vec::new(),
            spaces: Vec::new(),
            app_space: None,
            providers: Vec::new(),
            web_integrations: Vec::new(),
            csp_origins: Vec::new(),
            cookies: Cookies::plain(),
            idle_timeout: Duration::from_secs(30 * 60),
            longest_session: Duration::from_secs(24 * 60 * 60),
            auto_create_groups: true,
            licences: None,
            auto_assign_analyzer: true,
            auto_assign_professional: false,
            api_keys: Vec::new(),
            clients: Vec::new(),
            switches: Switches::default(),
        }
    }
}

impl Settings {
    /// The ids of all apps.
    pub(super) fn apps(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.app).chain(&self.more_apps)
    }

    /// The ids of all sheets of each app.
    pub(super) fn sheets(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.sheet).chain(&self.more_sheets)
    }
}

/// A certificate chain and its private key, both PEM.
#[derive(Clone)]
pub struct Tls {
    /// The chain, leaf first.
    pub certificate: String,
    /// The leaf's private key.
    pub key: String,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// Attributes of the session cookies. None was ever published `[I]` `[U]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookies {
    /// `SameSite=None; Secure`, which the session flow needs between two sites; otherwise `SameSite=Lax`.
    pub cross_site: bool,
    /// `Partitioned` (CHIPS).
    pub partitioned: bool,
    /// `HttpOnly` on the session's cookies (never on `_csrfToken`, which scripts may read).
    pub http_only: bool,
    /// Adds the load balancer's `AWSALB` and `AWSALBCORS`.
    pub load_balancer: bool,
}

impl Cookies {
    /// For tests and demos over plain HTTP on one host.
    pub fn plain() -> Self {
        Self { cross_site: false, partitioned: false, http_only: true, load_balancer: true }
    }

    /// As the real tenant must set them for the session flow to work from another site.
    pub fn cross_site() -> Self {
        Self { cross_site: true, ..Self::plain() }
    }
}
