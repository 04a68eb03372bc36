//! The algorithms that tickets can be signed with, and the keys that prove it.

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{DecodingKey, crypto};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use secrecy::{ExposeSecret, SecretString};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION};
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

/// How tickets are signed (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA on the curve P-256 with SHA-256.
    Es256,
    /// HMAC with SHA-256: a secret that both sides know.
    Hs256,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::Hs256];

    /// The name in the header of a JWT.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    fn of_the_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text is no key for tickets. Continues the name of a setting.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyProblem {
    /// Neither of the two kinds of PEM text that are read.
    #[error("is neither a public key nor a certificate in PEM format")]
    NotPem,
    /// Its owner has lost it by this.
    #[error("is a private key, which only the portal may have")]
    Private,
    /// The PEM text holds something else than it says.
    #[error("is damaged: its content cannot be read")]
    Damaged,
    /// Another algorithm, another curve.
    #[error("is neither an RSA key nor an EC key on the curve P-256")]
    OtherKind,
    /// RFC 7518, section 3.3.
    #[error("has fewer than 2048 bits, or more than 8192")]
    Size,
    /// A key as a secret: everybody may know it (RFC 8725, section 2.1).
    #[error("is a key or certificate in PEM format, and no secret")]
    NoSecret,
    /// RFC 7518, section 3.2.
    #[error("has fewer than 32 bytes")]
    ShortSecret,
}

/// A key and the one algorithm that it is for. Silent in logs.
#[derive(Clone, Debug)]
pub struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Key {
    /// A public key (`BEGIN PUBLIC KEY`), or the one in a certificate: RSA of 2048 to 8192 bits, or EC on P-256. The dates
    /// of a certificate are not looked at: it is only a form in which a key comes.
    ///
    /// # Errors
    /// When it is none.
    pub fn public(pem: &str) -> Result<Self, KeyProblem> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(KeyProblem::Private);
        }
        if let Ok(key) = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()) {
            return Self::of(&SubjectPublicKeyInfo::from_der(&key).map_err(|_| KeyProblem::Damaged)?.1);
        }
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyProblem::NotPem)?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&certificate).map_err(|_| KeyProblem::Damaged)?;
        Self::of(certificate.public_key())
    }

    fn of(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, KeyProblem> {
        let data = &info.subject_public_key.data;
        let kind = &info.algorithm.algorithm;
        let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        if *kind == OID_PKCS1_RSAENCRYPTION {
            let bits = info.parsed().map_err(|_| KeyProblem::Damaged)?.key_size();
            if !(2048..=8192).contains(&bits) {
                return Err(KeyProblem::Size);
            }
            Ok(Self { algorithm: Algorithm::Rs256, key: DecodingKey::from_rsa_der(data) })
        } else if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == Some(OID_EC_P256) {
            Ok(Self { algorithm: Algorithm::Es256, key: DecodingKey::from_ec_der(data) })
        } else {
            Err(KeyProblem::OtherKind)
        }
    }

    /// A secret: its bytes as they are, without white space around them.
    ///
    /// # Errors
    /// When it is too short, or is what no secret should be.
    pub fn secret(secret: &SecretString) -> Result<Self, KeyProblem> {
        let text = secret.expose_secret().trim();
        if text.starts_with("-----BEGIN") {
            return Err(KeyProblem::NoSecret);
        }
        if text.len() < 32 {
            return Err(KeyProblem::ShortSecret);
        }
        Ok(Self { algorithm: Algorithm::Hs256, key: DecodingKey::from_secret(text.as_bytes()) })
    }

    /// A key of a JWK set, if it is one to check such signatures with (RFC 7517, section 4). Never a shared secret.
    pub fn of_jwk(jwk: &Jwk, algorithm: Algorithm) -> Option<Self> {
        let fits = match (algorithm, &jwk.algorithm) {
            (Algorithm::Rs256, AlgorithmParameters::RSA(_)) => true,
            (Algorithm::Es256, AlgorithmParameters::EllipticCurve(key)) => key.curve == EllipticCurve::P256,
            _ => false,
        };
        let common = &jwk.common;
        let for_signatures = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|list| list.contains(&KeyOperations::Verify))
            && common.key_algorithm.is_none_or(|named| named == algorithm.of_the_library().into());
        if !fits || !for_signatures {
            return None;
        }
        Some(Self { algorithm, key: DecodingKey::from_jwk(jwk).ok()? })
    }

    /// The algorithm that this key is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether this key has signed that (the signature in base64url), with this algorithm and no other.
    pub fn verifies(&self, algorithm: Algorithm, signed: &str, signature: &str) -> bool {
        algorithm == self.algorithm
            && crypto::verify(signature, signed.as_bytes(), &self.key, algorithm.of_the_library()).unwrap_or(false)
    }
}
