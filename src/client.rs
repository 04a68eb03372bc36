//! The HTTP client for calls to the tenant and to an OpenID provider: one user agent, one TLS library, bounded in time, no
//! redirects.

use std::error::Error as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::LOCATION;
use reqwest::{Client, ClientBuilder, Response, Url, redirect::Policy};
use rustls::ClientConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;

pub mod way_out;

use way_out::WayOut;

const USER_AGENT: &str = concat!("qlik-embed-bff/", env!("CARGO_PKG_VERSION"));
/// How long the other side may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);
/// How long one call may take in all.
const CALL: Duration = Duration::from_secs(30);

/// What clients for single calls offer (RFC 7301, section 6; RFC 9113, section 3.1).
const HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine's certificate authorities cannot be read, or another one is no authority.
    #[error("the certificate authorities cannot be used")]
    Authorities(#[from] rustls::Error),
    /// The library refuses the settings.
    #[error("the HTTP client cannot be made")]
    Client(#[from] reqwest::Error),
}

/// Who may vouch for the servers that we call: the machine's certificate authorities, and what an administrator adds. Those of the
/// machine are read once, for all clones.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    more: Vec<CertificateDer<'static>>,
    verifier: OnceLock<Arc<Verifier>>,
}

impl Authorities {
    /// The machine's, and these.
    pub fn and(more: Vec<CertificateDer<'static>>) -> Self {
        Self(Arc::new(Known { more, verifier: OnceLock::new() }))
    }

    /// Makes a client for single calls, which reaches others by this way and asks the process's environment for no other.
    /// Share it: it keeps connections open.
    ///
    /// # Errors
    /// When the machine's certificate authorities cannot be read.
    pub fn client(&self, way_out: &WayOut) -> Result<Client, Error> {
        Ok(self.builder(way_out, &HTTP)?.build()?)
    }

    /// The same, for what there is in HTTP/1.1 only: upgrades.
    ///
    /// # Errors
    /// As for [`Authorities::client`].
    pub fn http1_client(&self, way_out: &WayOut) -> Result<Client, Error> {
        Ok(self.builder(way_out, &HTTP[1..])?.http1_only().build()?)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where clients are made")]
    fn builder(&self, way_out: &WayOut, offered: &[&[u8]]) -> Result<ClientBuilder, Error> {
        let mut tls = ClientConfig::clone(&*self.tls()?);
        tls.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .redirect(Policy::none())
            .tls_backend_preconfigured(tls)
            .no_proxy();
        Ok(way_out.proxies()?.into_iter().fold(client, ClientBuilder::proxy))
    }

    /// What other connections speak TLS with: the same library and the same authorities as the client. No protocol is offered,
    /// so it is HTTP/1.1.
    ///
    /// # Errors
    /// When the machine's certificate authorities cannot be read.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = self.verifier(&provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous() // so rustls calls any verifier that is not its own; this is that of the platform
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// Hundreds of files, on some machines: a fifth of a MiB, and milliseconds of a start.
    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<Verifier>, rustls::Error> {
        if let Some(verifier) = self.0.verifier.get() {
            return Ok(verifier.clone());
        }
        let verifier = Arc::new(Verifier::new_with_extra_roots(self.0.more.iter().cloned(), provider.clone())?);
        Ok(self.0.verifier.get_or_init(|| verifier).clone())
    }
}

/// A client for this server's own address and nothing else. It takes any certificate: that of the server bears the names that
/// visitors type, and may be exchanged at any moment. So send it no secret, and believe no more than a status.
///
/// # Errors
/// When a client cannot be made.
#[expect(clippy::disallowed_methods, reason = "the one place where clients are made")]
pub fn to_ourselves(patience: Duration) -> reqwest::Result<Client> {
    let client = Client::builder().user_agent(USER_AGENT).timeout(patience).redirect(Policy::none()).no_proxy();
    client.tls_danger_accept_invalid_certs(true).build()
}

/// Where an answer redirects to.
pub fn redirect(response: &Response) -> Option<Url> {
    let location = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?.to_str().ok()?;
    response.url().join(location).ok()
}

/// The innermost reason, which is the one that says something; without the address.
pub fn cause(problem: reqwest::Error) -> String {
    let problem = problem.without_url();
    let mut words = problem.to_string();
    let mut source = problem.source();
    while let Some(cause) = source {
        words = cause.to_string();
        source = cause.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_what_was_read() {
        let authorities = Authorities::default();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = || authorities.clone().verifier(&provider).expect("this machine has authorities");
        assert!(Arc::ptr_eq(&verifier(), &verifier()));
        let client = authorities.client(&WayOut::default());
        assert!(client.is_ok(), "{client:?}");
    }
}
