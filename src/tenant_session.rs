//! The sessions that the tenant has with our visitors, kept for them in the flow `proxy`.

use std::time::Duration;

/// How the tenant's sessions are kept.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long the tenant keeps a session without requests (Qlik Cloud facts, section B.4).
    pub idle: Duration,
    /// How long it keeps one in all.
    pub max: Duration,
    /// How many logins a minute it may be asked for, by all instances together (Qlik Cloud facts, section I: Tier 2).
    pub logins_a_minute: u32,
}
