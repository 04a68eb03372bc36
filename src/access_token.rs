//! Access tokens of our visitors, for pages with the flow `oauth`: the server has the tenant impersonate them, and gives each
//! visitor's own token to that visitor's browser (Qlik Cloud facts, section H).

use crate::qlik::api::Access;
use crate::qlik::oauth::Client;

/// How access tokens are had.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The client that may impersonate users.
    pub client: Client,
    /// What the tokens are good for: scopes, parted by spaces.
    pub scope: String,
    /// By what right a user is made who is not there; without one, such visitors are refused.
    pub people: Option<Access>,
    /// How many tokens a minute the tenant may be asked for, by all instances together (Qlik Cloud facts, section I: Tier 2).
    pub tokens_a_minute: u32,
}
