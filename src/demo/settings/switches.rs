//! A [`Switches`] for everything that nobody outside Qlik knows for certain.

use std::time::Duration;

/// Behaviour that rests on inference or is unknown. The default is the likelier of the two.
#[derive(Debug, Clone)]
pub struct Switches {
    /// A token without `subType` is refused: documented, but a sample of Qlik's signs without it.
    pub sub_type_required: bool,
    /// A token without `email` or `email_verified` is refused: "listed as required".
    pub email_required: bool,
    /// A token with a `kid` or `iss` that no provider has gets the page "406 Not Acceptable" of the edge `[C]` `[I]`.
    pub unknown_key_is_406: bool,
    /// A 401 of the login says in its `detail` why, such as "unable to decode jwt" `[C]` `[U]`.
    pub reasons_told: bool,
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
    /// The status for an identity provider with issuer and key id of another one `[U]`.
    pub duplicate_provider_status: u16,
    /// A second identity provider with the issuer of another one, though another key id, is refused `[U]`.
    pub shared_issuer_refused: bool,
    /// A certificate with line breaks is refused when a provider is made: documented, but a sample sends it so `[C]`.
    pub one_line_required: bool,
    /// PATCH of `/validOrigins` takes a text, as the schema says, instead of a list `[U]`: the list in JSON, or with commas.
    pub origins_as_text: bool,
    /// Content security policy entries may begin with a scheme `[U]`; documented are domains, with `*.` or without.
    pub csp_scheme_accepted: bool,
    /// The status for a second content security policy entry of one origin; accepted without `[U]`.
    pub duplicate_csp_status: Option<u16>,
    /// Lists have no more than this many on a page, whatever `limit` asks for `[U]`.
    pub longest_page: usize,
    /// The last page of a list says `"next": null` instead of leaving it out `[U]`.
    pub null_links: bool,
    /// `\"` and `\\` in the value of a filter stand for `"` and `\`; otherwise such a filter is malformed `[U]`.
    pub filter_escapes: bool,
    /// How long an access token of a client is good; the documentation says six hours.
    pub access_token_lifetime: Duration,
    /// How many access tokens a user may have; the maximum is documented, its size is not `[U]`.
    pub most_access_tokens: usize,
    /// The status for a grant type that the client may not use: 400 or 401 `[U]`.
    pub grant_refused_status: u16,
    /// The status for impersonation by a client whose consent method is not `trusted` `[U]`.
    pub untrusted_status: u16,
    /// The status for impersonation of a user who is not there: 401 or 403 `[U]`.
    pub missing_user_status: u16,
    /// Access tokens have three parts, as JWTs do, though nothing can be read from them. Documented is only: opaque.
    pub tokens_look_like_jwt: bool,
    /// How far `iat` of a client's assertion may lie ahead, and `exp` behind `[U]`.
    pub assertion_tolerance: Duration,
    /// How long an exchanged token is good `[U]`; never longer than the token that it was exchanged for `[I]`.
    pub exchanged_token_lifetime: Duration,
    /// An exchanged token may be used as a bearer token too `[U]`, as if it had not been exchanged.
    pub exchanged_as_bearer: bool,
    /// A token that was exchanged for a socket opens one only `[U]`.
    pub exchanged_once: bool,
    /// `?accessToken=` takes exchanged tokens only `[U]`.
    pub exchange_required: bool,
    /// Exchanged tokens count against the maximum of a user `[U]`.
    pub exchanged_tokens_count: bool,
    /// Revoking a token revokes what was exchanged for it `[U]`.
    pub revocation_ends_exchanged: bool,
    /// Revoking a token closes at once, with 4006, the sockets that it opened `[U]`.
    pub sockets_end_with_token: bool,
    /// The status for an access token in the browser of an origin that its client does not list `[U]`.
    pub token_origin_status: u16,
    /// CORS headers on that refusal, so that the page can read it `[U]`.
    pub cors_on_foreign_origin: bool,
    /// The embedding runtime injects an import map, which is an inline script to a page's policy `[I]`.
    pub embed_import_map: bool,
    /// Nothing is drawn where the page does not accept that import map `[U]`; otherwise the runtime does without.
    pub embed_import_map_required: bool,
    /// The embedding runtime needs `'unsafe-eval'`, as one deployment reports `[C]`.
    pub embed_evaluates: bool,
    /// An embedded element connects again by itself, once, when its socket has ended `[U]`.
    pub embed_reconnects: bool,
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
    /// How it shows that somebody is not assigned to the space of the app `[U]`.
    pub no_access: NoAccess,
    /// Administrators open apps of spaces to which they are not assigned `[U]`.
    pub admins_open_apps: bool,
    /// How it shows that somebody has no licence.
    pub no_licence: NoLicence,
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
            unknown_key_is_406: false,
            reasons_told: false,
            long_life_status: 400,
            certificate_expiry_enforced: false,
            profile_refreshed: true,
            missing_groups_clear: false,
            email_collision_refused: false,
            duplicate_provider_status: 400,
            shared_issuer_refused: false,
            one_line_required: true,
            origins_as_text: false,
            csp_scheme_accepted: false,
            duplicate_csp_status: None,
            longest_page: 100,
            null_links: false,
            filter_escapes: false,
            access_token_lifetime: Duration::from_secs(6 * 60 * 60),
            most_access_tokens: 1000,
            grant_refused_status: 400,
            untrusted_status: 403,
            missing_user_status: 401,
            tokens_look_like_jwt: false,
            assertion_tolerance: Duration::from_secs(5),
            exchanged_token_lifetime: Duration::from_secs(60),
            exchanged_as_bearer: false,
            exchanged_once: false,
            exchange_required: false,
            exchanged_tokens_count: false,
            revocation_ends_exchanged: true,
            sockets_end_with_token: false,
            token_origin_status: 401,
            cors_on_foreign_origin: false,
            embed_import_map: true,
            embed_import_map_required: false,
            embed_evaluates: false,
            embed_reconnects: false,
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
            no_access: NoAccess::ClosePermission,
            admins_open_apps: true,
            no_licence: NoLicence::ConnectedState,
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

/// The ways in which a missing licence shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoLicence {
    /// `OnConnected` carries `SESSION_ERROR_NO_LICENSE`; `OpenDoc` is refused with error 5.
    ConnectedState,
    /// The socket is closed with 4230.
    Close,
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
