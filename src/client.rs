//! The HTTP client for calls to the tenant and to an OpenID provider: one user agent, one TLS library, bounded in time, no
//! redirects.

use std::time::Duration;

use reqwest::{Client, redirect};

/// How long the other side may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one call may take in all.
const CALL: Duration = Duration::from_secs(30);

/// Makes the client. Share it: it keeps connections open.
///
/// # Errors
/// When the machine's certificate authorities cannot be read.
#[expect(clippy::disallowed_methods, reason = "the one place where clients are made")]
pub fn new() -> reqwest::Result<Client> {
    Client::builder()
        .user_agent(concat!("qlik-embed-bff/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(CALL)
        .redirect(redirect::Policy::none())
        .build()
}
