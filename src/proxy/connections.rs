//! Connections to the tenant.
