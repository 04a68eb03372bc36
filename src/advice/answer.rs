//! What was answered, as a value.

use std::error::Error;
use std::io;

/// Which call was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// `POST /login/jwt-session`.
    Login,
    /// `GET /api/v1/users/me`, with a session.
    UsersMe,
    /// `GET /api/v1/csrf-token`.
    Csrf,
    /// `GET /logout`.
    Logout,
    /// Any other call with a session, passed on or our own.
    Rest,
    /// The upgrade to the engine's websocket.
    Handshake,
    /// `GET /single/`.
    Single,
    /// `OPTIONS` with an origin.
    Preflight,
    /// `/.well-known/`, which needs no sign-in.
    WellKnown,
    /// A call with an API key or the access token of a machine: the look-up of users, and administration.
    Admin,
    /// `POST /oauth/token`.
    OauthToken,
    /// The OpenID provider.
    Provider,
}

impl At {
    /// Every call.
    pub const ALL: [Self; 12] = [
        Self::Login,
        Self::UsersMe,
        Self::Csrf,
        Self::Logout,
        Self::Rest,
        Self::Handshake,
        Self::Single,
        Self::Preflight,
        Self::WellKnown,
        Self::Admin,
        Self::OauthToken,
        Self::Provider,
    ];

    /// What people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "the login (`/login/jwt-session`)",
            Self::UsersMe => "`users/me`",
            Self::Csrf => "`csrf-token`",
            Self::Logout => "the logout",
            Self::Rest => "a call with a session",
            Self::Handshake => "the engine's websocket",
            Self::Single => "`/single/`",
            Self::Preflight => "a browser's preflight",
            Self::WellKnown => "`/.well-known/`",
            Self::Admin => "a call with an API key or a machine's token",
            Self::OauthToken => "`/oauth/token`",
            Self::Provider => "the OpenID provider",
        }
    }
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Silent {
    /// The name is not known.
    Name,
    /// Nobody listens there, or a firewall refuses.
    Refused,
    /// The proxy of our own network lets nobody through.
    WayOut,
    /// The certificate, or TLS itself.
    Tls,
    /// Not in time.
    TimedOut,
    /// It broke off.
    Broken,
}

impl Silent {
    /// Every reason.
    pub const ALL: [Self; 6] = [Self::Name, Self::Refused, Self::WayOut, Self::Tls, Self::TimedOut, Self::Broken];

    /// Why a call failed, from the error and what lies below it. That a name is not known, or that a proxy lets nobody
    /// through, nothing but words says: those of the operating system, and of hyper-util.
    pub fn of(problem: &(dyn Error + 'static)) -> Self {
        let is_connect = problem.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect);
        let mut below = Some(problem);
        while let Some(problem) = below {
            if problem.is::<rustls::Error>() {
                return Self::Tls;
            }
            let words = problem.to_string();
            if words.contains("tunnel error") {
                return Self::WayOut;
            }
            if words.contains("dns error") || words.contains("failed to lookup address") {
                return Self::Name;
            }
            if let Some(problem) = problem.downcast_ref::<io::Error>() {
                match problem.kind() {
                    io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::PermissionDenied => return Self::Refused,
                    io::ErrorKind::TimedOut => return Self::TimedOut,
                    _ => {}
                }
            }
            if let Some(problem) = problem.downcast_ref::<reqwest::Error>()
                && problem.is_timeout()
            {
                return Self::TimedOut;
            }
            // What an I/O error wraps is not its source, but itself.
            let inside = problem.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            below = match inside {
                Some(inside) => Some(inside),
                None => problem.source(),
            };
        }
        if is_connect { Self::Refused } else { Self::Broken }
    }
}

/// What was found without an answer that says so: by a comparison, by what does not come, or by the eye.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sign {
    /// `exp` is more than 3600 s after `nbf`.
    TokenLifetime,
    /// The tenant's `Date` and our clock differ.
    ClockSkew,
    /// The private key is not that of the certificate.
    KeyMismatch,
    /// The certificate cannot be read, or has line breaks where the tenant takes none.
    CertificateBroken,
    /// The certificate has expired, or soon will.
    CertificateExpired,
    /// A token was used a second time.
    TokenReplayed,
    /// The tenant has no active JWT identity provider with our issuer and key ID.
    IdentityProviderMissing,
    /// The login was accepted, and no cookie was set.
    CookiesNotSet,
    /// The login was accepted, and the next request came without its cookies.
    CookiesBlocked,
    /// The cookies lack what a page of another site needs: `SameSite=None; Secure`.
    CookiesNotCrossSite,
    /// The CSRF token's header is missing or cannot be read.
    NoCsrfToken,
    /// The web integration does not exist.
    WebIntegrationMissing,
    /// The web integration does not list our origin.
    OriginNotListed,
    /// A page in the browser got an answer that it may not read.
    AnswerHidden,
    /// `frame-ancestors` of `/single/` does not list our origin.
    FramesNotAllowed,
    /// The frame shows the tenant's login page.
    FrameLeadsToLogin,
    /// The subject of `users/me` is not the one that signed in.
    OtherSubject,
    /// The welcome popup comes each time: the subject changes.
    SubjectChanges,
    /// One person is several users.
    DuplicateUsers,
    /// Several active users have one e-mail address.
    SameEmail,
    /// The tenant does not create groups.
    GroupsNotCreated,
    /// The user was created a moment ago.
    AccessOnItsWay,
    /// No role in the app's space.
    NoSpaceRole,
    /// The app does not exist, or not for this user.
    AppMissing,
    /// The sheet or object is not in the app, or not published.
    SheetMissing,
    /// The app has no theme, or one that is not installed.
    NoTheme,
    /// No licence for the user.
    NoLicence,
    /// Sessions end although the sheet is used.
    SessionIdle,
    /// Selections of one visitor show up at another, or in another tab.
    SelectionsShared,
    /// A client fails over HTTP/2.
    Http2,
    /// An embed waits two seconds for each socket: `product-info.json` cannot be read.
    ProductInfo,
    /// An embed leaves the proxy: absolute addresses are not rewritten.
    LinksLeave,
    /// Requests for the tenant's paths do not come to this server.
    PathsNotServed,
    /// An embed shows a button "authorize", or leads away.
    EmbedAsksToAuthorize,
    /// The OAuth client's consent method is not `trusted`.
    ConsentNotTrusted,
    /// The OAuth client does not list our origin.
    TokenOriginNotListed,
    /// The tenant has no user with the subject that a token is wanted for.
    NoUser,
    /// The OpenID provider does not answer.
    ProviderUnavailable,
    /// Its answer cannot be used.
    ProviderUnusable,
    /// It did not let the visitor in.
    ProviderRefused,
    /// What it said could not be verified.
    ProviderUnverified,
    /// It says more about a person than a session can hold.
    ProviderTooMuch,
}

impl Sign {
    /// Every sign.
    pub const ALL: [Self; 42] = [
        Self::TokenLifetime,
        Self::ClockSkew,
        Self::KeyMismatch,
        Self::CertificateBroken,
        Self::CertificateExpired,
        Self::TokenReplayed,
        Self::IdentityProviderMissing,
        Self::CookiesNotSet,
        Self::CookiesBlocked,
        Self::CookiesNotCrossSite,
        Self::NoCsrfToken,
        Self::WebIntegrationMissing,
        Self::OriginNotListed,
        Self::AnswerHidden,
        Self::FramesNotAllowed,
        Self::FrameLeadsToLogin,
        Self::OtherSubject,
        Self::SubjectChanges,
        Self::DuplicateUsers,
        Self::SameEmail,
        Self::GroupsNotCreated,
        Self::AccessOnItsWay,
        Self::NoSpaceRole,
        Self::AppMissing,
        Self::SheetMissing,
        Self::NoTheme,
        Self::NoLicence,
        Self::SessionIdle,
        Self::SelectionsShared,
        Self::Http2,
        Self::ProductInfo,
        Self::LinksLeave,
        Self::PathsNotServed,
        Self::EmbedAsksToAuthorize,
        Self::ConsentNotTrusted,
        Self::TokenOriginNotListed,
        Self::NoUser,
        Self::ProviderUnavailable,
        Self::ProviderUnusable,
        Self::ProviderRefused,
        Self::ProviderUnverified,
        Self::ProviderTooMuch,
    ];
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// An HTTP answer other than the wished one.
    Http {
        /// To which call.
        at: At,
        /// Its status.
        status: u16,
        /// The code in its envelope, such as `LOGIN-2`; an OpenID provider's `error`.
        code: Option<&'a str>,
        /// Its detail, or all its words.
        detail: &'a str,
        /// Whether it is a page instead of data.
        html: bool,
    },
    /// No answer.
    Unreachable {
        /// To which call.
        at: At,
        /// Why.
        why: Silent,
    },
    /// The engine's websocket was closed (Qlik Cloud facts, section F.4).
    Close {
        /// The close code.
        code: u16,
        /// Whether the app was open.
        open: bool,
    },
    /// An error of the engine's API, or of the client that speaks to it (section F.3).
    Engine(i32),
    /// `qSessionState` of `OnConnected` (section F.2).
    State(&'a str),
    /// The engine did not answer in time.
    Silence,
    /// What a check, or somebody's eye, has found.
    Found(Sign),
}
