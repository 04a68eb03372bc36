//! The certificate and key with which we speak TLS ourselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

use ::aws_lc_rs::digest::{Context, SHA256};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::reader::Reader;
use crate::client::Authorities;

/// Certificate chain and key for TLS, as they were in their files when those were read.
#[derive(Clone)]
pub struct Tls {
    certificate: PathBuf,
    /// Of what was in both files.
    hash: Vec<u8>,
    not_after: Option<OffsetDateTime>,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads both files. HTTP/2 is offered beside HTTP/1.1.
    fn load(certificate: PathBuf, key: &Path) -> Result<Self, (&'static str, String)> {
        let read = |variable, file: &Path| {
            fs::read(file).map_err(|problem| (variable, format!("names a file that cannot be read ({problem})")))
        };
        let chain_pem = read("TLS_CERT_FILE", &certificate)?;
        let key_pem = Zeroizing::new(read("TLS_KEY_FILE", key)?);
        let certificate_problem = |problem: String| ("TLS_CERT_FILE", problem);
        let chain = CertificateDer::pem_slice_iter(&chain_pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|problem| certificate_problem(format!("names a file that cannot be read ({problem})")))?;
        if chain.is_empty() {
            return Err(certificate_problem("names a file without a certificate in PEM format".into()));
        }
        let not_after = chain.first().and_then(not_after);
        let private = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|problem| {
            ("TLS_KEY_FILE", format!("names a file without a private key that can be read ({problem})"))
        })?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
            .map_err(|problem| ("TLS_KEY_FILE", format!("does not fit TLS_CERT_FILE ({problem})")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let mut both = Context::new(&SHA256);
        both.update(&chain_pem);
        both.update(&key_pem);
        Ok(Self { certificate, hash: both.finish().as_ref().to_vec(), not_after, config: Arc::new(config) })
    }

    /// What connections are taken with.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// When the first certificate of the chain expires.
    pub fn not_after(&self) -> Option<OffsetDateTime> {
        self.not_after
    }

    /// The file of the certificate chain.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// Whether both are the same chain and key.
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn not_after(certificate: &CertificateDer<'_>) -> Option<OffsetDateTime> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    OffsetDateTime::from_unix_timestamp(certificate.validity().not_after.timestamp()).ok()
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
        (Some(certificate), Some(key)) => match Tls::load(certificate, &key) {
            Ok(tls) => return Some(Some(tls)),
            Err(problem) => problem,
        },
        (Some(_), None) => ("TLS_KEY_FILE", "is not set, but TLS_CERT_FILE is".to_owned()),
        (None, Some(_)) => ("TLS_CERT_FILE", "is not set, but TLS_KEY_FILE is".to_owned()),
    };
    reader.problem(variable, problem, REMEDY);
    None
}
