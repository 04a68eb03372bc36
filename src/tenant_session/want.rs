//! Which session is wanted.

use http::HeaderValue;

use super::TenantSession;

/// Which session is wanted.
#[derive(Clone, Debug)]
pub(super) enum Want {
    /// The one that is there.
    Any,
    /// One of another login.
    OtherLogin { than: i64 },
    /// One with another CSRF token, or of another login.
    OtherCsrf { login: i64, than: Option<HeaderValue> },
}

impl Want {
    pub(super) fn is_met_by(&self, session: &TenantSession) -> bool {
        match self {
            Self::Any => true,
            Self::OtherLogin { than } => session.login != *than,
            Self::OtherCsrf { login, than } => session.login != *login || session.credentials().csrf != *than,
        }
    }
}
