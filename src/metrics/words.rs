//! The values that labels may have.

use http::StatusCode;

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$what])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The value of the label.
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }
    };
}

words! {
    /// The methods that requests are counted by.
    Method {
        /// `GET`.
        Get = "GET",
        /// `HEAD`.
        Head = "HEAD",
        /// `POST`.
        Post = "POST",
        /// `PUT`.
        Put = "PUT",
        /// `PATCH`.
        Patch = "PATCH",
        /// `DELETE`.
        Delete = "DELETE",
        /// `OPTIONS`.
        Options = "OPTIONS",
        /// Whatever else somebody wrote.
        Other = "other",
    }
}

impl Method {
    /// How a request with this method is counted.
    pub fn of(method: &http::Method) -> Self {
        match *method {
            http::Method::GET => Self::Get,
            http::Method::HEAD => Self::Head,
            http::Method::POST => Self::Post,
            http::Method::PUT => Self::Put,
            http::Method::PATCH => Self::Patch,
            http::Method::DELETE => Self::Delete,
            http::Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }
}

words! {
    /// What became of the wish for a token.
    Token {
        /// The page got it.
        Issued = "issued",
        /// This visitor may have none.
        Denied = "denied",
        /// It could not be made, or it could not be told for whom.
        Failed = "failed",
    }
}

words! {
    /// What became of the wish for an access token.
    AccessToken {
        /// A browser got one: one that was kept, or a new one.
        Given = "given",
        /// The tenant granted a new one.
        Minted = "minted",
        /// The tenant refused, or this visitor may have none.
        Refused = "refused",
        /// The tenant did not answer, or it could not be told for whom.
        Failed = "failed",
    }
}

words! {
    /// What became of a login to the tenant.
    TenantLogin {
        /// There is a session.
        Done = "done",
        /// The tenant refused, or this visitor may have none.
        Refused = "refused",
        /// The tenant did not answer, or there was no token to log in with.
        Failed = "failed",
    }
}

words! {
    /// The limits that hold visitors up.
    Limit {
        /// On attempts to sign in.
        SignIn = "sign_in",
        /// On tokens.
        Token = "token",
        /// On access tokens.
        AccessToken = "access_token",
        /// On requests that are passed on.
        Proxy = "proxy",
    }
}

words! {
    /// Where things are remembered.
    Store {
        /// What `DATABASE_URL` names.
        Database = "database",
        /// What `SESSION_STORE_URL` names.
        Sessions = "sessions",
    }
}

words! {
    /// To whom bytes pass.
    Direction {
        /// To the tenant.
        ToTenant = "to_tenant",
        /// To the browser.
        ToBrowser = "to_browser",
    }
}

/// Of a sign-in.
pub(super) fn accepted(accepted: bool) -> &'static str {
    if accepted { "accepted" } else { "refused" }
}

/// Of a login to the tenant.
pub(super) fn login(renewal: bool) -> &'static str {
    if renewal { "renewal" } else { "login" }
}

/// Of a change of settings.
pub(super) fn reload(done: bool) -> &'static str {
    if done { "done" } else { "refused" }
}

/// The classes of the tenant's answers.
pub(super) const STATUS_CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "error"];

/// The place of an answer in [`STATUS_CLASSES`]. A status above all classes is a server's (RFC 9110, section 15).
pub(super) fn class_of(status: Option<StatusCode>) -> usize {
    match status.map(|status| status.as_u16()) {
        None => 4,
        Some(..300) => 0,
        Some(300..400) => 1,
        Some(400..500) => 2,
        Some(500..) => 3,
    }
}
