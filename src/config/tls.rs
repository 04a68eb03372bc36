//! The certificate and key with which we speak TLS ourselves.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

use super::reader::Reader;
use crate::client::Authorities;

/// PEM files for TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// Reads both files. HTTP/2 is offered beside HTTP/1.1.
    ///
    /// # Errors
    /// The variable of the file that is not what it should be, and what is wrong with it.
    pub fn load(&self) -> Result<Arc<ServerConfig>, (&'static str, String)> {
        let certificate_problem = |problem: String| ("TLS_CERT_FILE", problem);
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|problem| certificate_problem(format!("names a file that cannot be read ({problem})")))?;
        if chain.is_empty() {
            return Err(certificate_problem("names a file without a certificate in PEM format".into()));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|problem| {
            ("TLS_KEY_FILE", format!("names a file without a private key that can be read ({problem})"))
        })?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|problem| ("TLS_KEY_FILE", format!("does not fit TLS_CERT_FILE ({problem})")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// When the certificate expires, the first in its file.
    pub fn not_after(&self) -> Option<OffsetDateTime> {
        let first = CertificateDer::pem_file_iter(&self.certificate).ok()?.next()?.ok()?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&first).ok()?;
        OffsetDateTime::from_unix_timestamp(certificate.validity().not_after.timestamp()).ok()
    }
}

/// Who may vouch for the servers that we call, besides whom the machine trusts.
pub(super) fn authorities(reader: &mut Reader) -> Option<Authorities> {
    const REMEDY: &str = "name a PEM file with the certificates of the authorities, or leave it out";
    if !reader.is_set("TLS_CA_FILE") {
        return Some(Authorities::default());
    }
    reader.optional("TLS_CA_FILE", REMEDY, |text| {
        let certificates = CertificateDer::pem_file_iter(text)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|problem| format!("names a file that cannot be read ({problem})"))?;
        if certificates.is_empty() {
            return Err("names a file without a certificate in PEM format".to_owned());
        }
        let authorities = Authorities::and(certificates);
        authorities.tls().map_err(|problem| format!("has a certificate that cannot be used ({problem})"))?;
        Ok(authorities)
    })
}

/// `None` after a problem; `Some(None)` when TLS is left to a proxy.
pub(super) fn read(reader: &mut Reader) -> Option<Option<Tls>> {
    const REMEDY: &str = "name the PEM files of the certificate chain and of its private key";
    let path = |text: &str| Ok::<_, String>(PathBuf::from(text));
    let certificate = reader.optional("TLS_CERT_FILE", REMEDY, path);
    let key = reader.optional("TLS_KEY_FILE", REMEDY, path);
    let (variable, problem) = match (certificate, key) {
        (None, None) => return Some(None),
        (Some(certificate), Some(key)) => {
            let tls = Tls { certificate, key };
            match tls.load() {
                Ok(_) => return Some(Some(tls)),
                Err(problem) => problem,
            }
        }
        (Some(_), None) => ("TLS_KEY_FILE", "is not set, but TLS_CERT_FILE is".to_owned()),
        (None, Some(_)) => ("TLS_CERT_FILE", "is not set, but TLS_KEY_FILE is".to_owned()),
    };
    reader.problem(variable, problem, REMEDY);
    None
}
