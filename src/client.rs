//! The HTTP client for calls to the tenant and to an OpenID provider: one user agent, one TLS library, bounded in time, no
//! redirects.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, redirect};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls_platform_verifier::BuilderVerifierExt;

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

/// What other connections to the tenant speak TLS with: the same library and the same certificate authorities as the client.
/// No protocol is offered, so it is HTTP/1.1.
///
/// # Errors
/// When the machine's certificate authorities cannot be read.
pub fn tls() -> Result<Arc<ClientConfig>, rustls::Error> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    Ok(Arc::new(config))
}
