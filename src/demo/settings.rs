//! What a simulated tenant can be told: its addresses, whom it trusts, and a switch for everything that nobody outside
//! Qlik knows for certain. The letters in brackets are the strength of evidence in the Qlik Cloud facts:
//! `[I]` inferred, `[U]` unknown, `[C]` reported by users.

use std::{net::SocketAddr, time::Duration};

use super::{APP_ID, SHEET_ID};

/// Everything about one simulated tenant. All of it except the addresses may be changed while it runs
/// ([`Control::change`](super::Control::change)).
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
    /// The id of the one app of the tenant.
    pub app: String,
    /// The id of the one sheet of that app.
    pub sheet: String,
    /// Whose tokens are believed.
    pub providers: Vec<IdentityProvider>,
    /// Which other origins may call the tenant from a browser.
    pub web_integrations: Vec<WebIntegration>,
    /// Content security policy entries with `frameAncestors: true`. The tenant itself always may.
    pub frame_ancestors: Vec<String>,
    /// How the session cookies are dressed.
    pub cookies: Cookies,
    /// A session without requests ends after this time.
    pub idle_timeout: Duration,
    /// Every session ends after this time.
    pub longest_session: Duration,
    /// "Creation of groups" of the administration: without it the `groups` claim is dropped.
    pub auto_create_groups: bool,
    /// API keys of an administrator, which the REST interface takes as bearer tokens.
    pub api_keys: Vec<String>,
    /// OAuth clients for machines, with the rights of an administrator (section H): ids and secrets.
    pub clients: Vec<(String, String)>,
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
            sheet: SHEET_ID.into(),
            providers: Vec::new(),
            web_integrations: Vec::new(),
            frame_ancestors: Vec::new(),
            cookies: Cookies::plain(),
            idle_timeout: Duration::from_secs(30 * 60),
            longest_session: Duration::from_secs(24 * 60 * 60),
            auto_create_groups: true,
            api_keys: Vec::new(),
            clients: Vec::new(),
            switches: Switches::default(),
        }
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

/// A JWT identity provider (Qlik Cloud facts, section A.1): one issuer, one key.
#[derive(Debug, Clone)]
pub struct IdentityProvider {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// The `kid` of its tokens.
    pub key_id: String,
    /// A certificate (in lines, or in one line as the administration wants it) or a bare public key, PEM.
    pub key: String,
    /// `clockToleranceSec`: how far `nbf` may lie ahead and `exp` behind. The tenant's own default is not known `[U]`.
    pub clock_tolerance: Duration,
}

impl IdentityProvider {
    /// A provider with the tolerance of Qlik's example, five seconds.
    pub fn new(issuer: impl Into<String>, key_id: impl Into<String>, key: impl Into<String>) -> Self {
        Self { issuer: issuer.into(), key_id: key_id.into(), key: key.into(), clock_tolerance: Duration::from_secs(5) }
    }
}

/// A web integration (section C.1): origins that may call the tenant from a browser. No wildcards.
#[derive(Debug, Clone)]
pub struct WebIntegration {
    /// What travels as `qlik-web-integration-id`.
    pub id: String,
    /// Scheme, host and port where it is not the scheme's own.
    pub origins: Vec<String>,
}

impl WebIntegration {
    /// An integration for these origins.
    pub fn new<O: Into<String>>(id: impl Into<String>, origins: impl IntoIterator<Item = O>) -> Self {
        Self { id: id.into(), origins: origins.into_iter().map(Into::into).collect() }
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

/// Behaviour that rests on inference or is unknown. The default is the likelier of the two.
#[derive(Debug, Clone)]
pub struct Switches {
    /// A token without `subType` is refused: documented, but a sample of Qlik's signs without it.
    pub sub_type_required: bool,
    /// A token without `email` or `email_verified` is refused: "listed as required".
    pub email_required: bool,
    /// The status of a token that lives too long: 400 or 401.
    pub long_life_status: u16,
    /// A token whose certificate has run out is refused `[U]`.
    pub certificate_expiry_enforced: bool,
    /// `name` and `email` are refreshed at each login `[U]`.
    pub profile_refreshed: bool,
    /// A login without the `groups` claim empties the memberships `[U]`.
    pub missing_groups_clear: bool,
    /// Two active users with one e-mail address: the login is refused with `LOGIN-12` `[U]`.
    pub email_collision_refused: bool,
    /// The list of users has no more than this many on a page, whatever `limit` asks for `[U]`.
    pub users_on_a_page: usize,
    /// The last page of a list says `"next": null` instead of leaving it out `[U]`.
    pub null_links: bool,
    /// `\"` and `\\` in the value of a filter stand for `"` and `\`; otherwise such a filter is malformed `[U]`.
    pub filter_escapes: bool,
    /// How long an access token of a client is good; the documentation says six hours.
    pub access_token_lifetime: Duration,
    /// CORS headers on the tenant's own 4xx answers. The tutorial reads a 401 across origins, so: yes `[I]`.
    pub cors_on_errors: bool,
    /// CORS headers on answers of the edge before the tenant: the 406 page and the 503 `[U]`.
    pub cors_at_edge: bool,
    /// `Retry-After` is a date instead of seconds `[U]`; both are HTTP (RFC 9110, section 10.2.3).
    pub retry_after_is_date: bool,
    /// The status for an origin that no web integration lists `[U]`.
    pub foreign_origin_status: u16,
    /// The token of `GET /api/v1/csrf-token` is another one than that of the cookie `[C]`: both were seen.
    pub fresh_csrf_tokens: bool,
    /// `users/me` and `tenants/me` redirect without `Cache-Control`, so that browsers may keep a 301 `[U]`.
    pub cacheable_redirects: bool,
    /// `X-Frame-Options: SAMEORIGIN` on `/single/`; browsers ignore it where `frame-ancestors` is given `[U]`.
    pub x_frame_options: bool,
    /// The websocket handshake of a cookie session needs the CSRF token `[U]`.
    pub csrf_on_handshake: bool,
    /// The websocket handshake checks `Origin` against the web integration `[U]`.
    pub origin_on_handshake: bool,
    /// How a socket without valid session or CSRF token is turned away `[U]`.
    pub handshake_refusal: HandshakeRefusal,
    /// Messages and handshakes on the socket count as activity of the cookie session `[U]`.
    pub socket_is_activity: bool,
    /// The end of the cookie session closes its sockets at once, with 4006 `[U]`.
    pub sockets_end_with_session: bool,
    /// How a socket for an app that does not exist is turned away `[U]`.
    pub unknown_app: UnknownApp,
    /// Users without access to the app for a while after their first login.
    pub race: Option<Race>,
    /// What the app says about its theme.
    pub theme: Theme,
    /// Answer with JSON patches where the client asked for `delta`.
    pub delta: bool,
    /// `OpenDoc` for an app that is already open `[I]`.
    pub already_open: AlreadyOpen,
    /// `GetObject` for an object that is not there `[I]`.
    pub missing_object: MissingObject,
    /// `OpenDoc` fails with this error code: 5, 15, 1003 or 1009 for instance.
    pub open_doc_error: Option<i64>,
    /// How long an engine session without sockets lives when the address names no `ttl` `[U]`.
    pub retention: Duration,
    /// The engine sends ping frames this often `[U]`.
    pub ping_every: Option<Duration>,
    /// The engine closes a socket with 4001 after this time without a message from the client `[U]`.
    pub idle_close: Option<Duration>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            sub_type_required: true,
            email_required: true,
            long_life_status: 400,
            certificate_expiry_enforced: false,
            profile_refreshed: true,
            missing_groups_clear: false,
            email_collision_refused: false,
            users_on_a_page: 100,
            null_links: false,
            filter_escapes: false,
            access_token_lifetime: Duration::from_secs(6 * 60 * 60),
            cors_on_errors: true,
            cors_at_edge: false,
            retry_after_is_date: false,
            foreign_origin_status: 403,
            fresh_csrf_tokens: true,
            cacheable_redirects: false,
            x_frame_options: false,
            csrf_on_handshake: true,
            origin_on_handshake: true,
            handshake_refusal: HandshakeRefusal::Http,
            socket_is_activity: false,
            sockets_end_with_session: false,
            unknown_app: UnknownApp::Close,
            race: None,
            theme: Theme::Named("breeze".into()),
            delta: false,
            already_open: AlreadyOpen::SameHandle,
            missing_object: MissingObject::NullHandle,
            open_doc_error: None,
            retention: Duration::from_secs(60),
            ping_every: None,
            idle_close: None,
        }
    }
}

/// Before or after the upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeRefusal {
    /// 401 without a session, 403 without the CSRF token.
    Http,
    /// The socket opens and is closed with 4006.
    CloseCode,
}

/// Where the absence of an app shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownApp {
    /// The socket is closed with 4204.
    Close,
    /// `OpenDoc` answers with error 1003.
    OpenDocError,
}

/// The time that access control takes to learn of a new user (section F.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Race {
    /// Counted from the user's creation, by the tenant's clock.
    pub lasts: Duration,
    /// How it shows meanwhile.
    pub signal: NoAccess,
}

/// The ways in which missing access to the app may show `[U]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAccess {
    /// The socket is closed right after it connected, without a word.
    CloseAfterConnect,
    /// `OnConnected` carries `SESSION_ERROR_APP_ACCESS_DENIED`.
    ConnectedState,
    /// `OpenDoc` answers with error 5, access denied.
    OpenDocError,
    /// The socket is closed with 4203.
    ClosePermission,
}

/// What the theme lookup finds (section F.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Theme {
    /// App properties with this theme.
    Named(String),
    /// App properties that name no theme.
    Unset,
    /// No app properties object at all.
    NoAppProperties,
}

/// A second `OpenDoc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlreadyOpen {
    /// Answers the document again.
    SameHandle,
    /// Answers with error 1002.
    Refused,
}

/// `GetObject` in vain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingObject {
    /// A success without type and handle, which clients report as their own error -2.
    NullHandle,
    /// Error 2, not found.
    Error,
}
