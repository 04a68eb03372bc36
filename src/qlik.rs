//! Qlik Cloud as we speak to it: the tenant, the key that it trusts, and the tokens signed with that key.
//!
//! Facts about Qlik's behaviour come from its published documentation and client sources; a comment "Qlik Cloud facts,
//! section X" names the part of that collection on which a rule rests.

use crate::client::way_out::WayOut;
use crate::client::{self, Authorities};
use crate::origin::Origin;

pub mod api;
pub mod cookies;
pub(crate) mod date;
pub mod engine;
pub mod key;
pub mod oauth;
pub mod people;
pub mod session;
pub mod token;
pub mod users;

/// The tenant that pages embed from.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Where the tenant lives, for example `https://acme.eu.qlikcloud.com`.
    pub origin: Origin,
    /// The web integration that lists our origin (Qlik Cloud facts, section C.1). Without one, browsers cannot call the
    /// tenant themselves, and every page takes the proxy.
    pub web_integration: Option<String>,
    /// The id of the OAuth client that may impersonate users (Qlik Cloud facts, section H.1): pages with the flow `oauth` name
    /// it to the tenant, so it is no secret.
    pub oauth_client: Option<String>,
    /// Who may vouch for it.
    pub authorities: Authorities,
    /// How it is reached.
    pub way_out: WayOut,
}

impl Tenant {
    /// Makes a client for single calls to it, and to others of the same network. Share it: it keeps connections open.
    ///
    /// # Errors
    /// When the machine's certificate authorities cannot be read.
    pub fn client(&self) -> Result<reqwest::Client, client::Error> {
        self.authorities.client(&self.way_out)
    }

    /// The same, for upgrades.
    ///
    /// # Errors
    /// As for [`Tenant::client`].
    pub fn http1_client(&self) -> Result<reqwest::Client, client::Error> {
        self.authorities.http1_client(&self.way_out)
    }
}
