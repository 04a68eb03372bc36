//! The flow `proxy`: what passes between a visitor's browser and the tenant. Who the visitor is, and whether they may, is
//! decided above.

use std::fmt;

use http::HeaderValue;

use crate::origin::Origin;

/// What a visitor's request gets of the tenant's session.
#[derive(Clone)]
pub struct Credentials {
    /// The header `Cookie`, marked as sensitive.
    pub cookies: HeaderValue,
    /// The CSRF token (Qlik Cloud facts, section D), marked as sensitive. The tenant may have none.
    pub csrf: Option<HeaderValue>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials([REDACTED])")
    }
}

/// Between whom.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The tenant.
    pub tenant: Origin,
    /// The origin under which visitors see what is passed on.
    pub origin: Origin,
    /// Who may frame what is passed on: the sources of the CSP directive `frame-ancestors`.
    pub frame_ancestors: Vec<String>,
    /// Beginnings of the tenant's paths that pass besides those that are known to be needed.
    pub more_paths: Vec<String>,
}
