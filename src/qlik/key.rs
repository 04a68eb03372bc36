//! The RSA key that signs the tenant's tokens, and the certificate that the tenant knows it by.
//!
//! A key is parsed, checked and proven once, at start; signing then costs nothing but the signature. That is why tokens
//! are not made with `jsonwebtoken::encode`, which parses the key again on every call.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_lc_rs::{digest, rand};
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// What `keygen` calls the private key.
pub const PRIVATE_KEY_FILE: &str = "privatekey.pem";
/// What `keygen` calls the certificate, which lies beside the key.
pub const CERTIFICATE_FILE: &str = "publickey.cer";

/// Why a key or its certificate cannot be used, and what to do about it.
///
/// The sentences continue "the private key ..." and "the certificate ...": who reads the file names it.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// No PEM block at all: another format, another file, or an empty one.
    #[error(
        "is not in PEM format: expected a text that begins with -----BEGIN PRIVATE KEY-----; make a key with `keygen`"
    )]
    NotPem,
    /// A PEM block that is cut off, or whose content is no base64, or no key.
    #[error("is damaged: it begins like a PEM text, but its content cannot be read; copy the whole file again")]
    Damaged,
    /// A key under a passphrase, which nobody can type at start.
    #[error(
        "is protected by a passphrase: remove it with `openssl pkey -in FILE -out privatekey.pem` and restrict the file to the server (mode 0600)"
    )]
    Encrypted,
    /// A private key of another kind.
    #[error("is a key of another kind: signing with RS256 needs an RSA key; make one with `keygen`")]
    NotRsa,
    /// Something else out of the same folder.
    #[error("is a {0}: the private key is needed here, the file that `keygen` calls privatekey.pem")]
    NotPrivate(&'static str),
    /// Too small for RS256 (RFC 7518 section 3.3).
    #[error("has fewer than 2048 bits, which RS256 does not allow: make a new one with `keygen`")]
    TooSmall,
    /// Larger than the cryptography library takes.
    #[error("has more than 8192 bits, which is not supported: make a new one with `keygen`")]
    TooLarge,
    /// The key does not verify its own signature.
    #[error("does not verify its own signature: the file is damaged; make a new key with `keygen`")]
    SelfCheck,
    /// The library could not sign.
    #[error("could not sign: the cryptography library reported a failure")]
    Sign,
    /// The library could not make a key or a certificate.
    #[error("could not be made: {0}")]
    Generate(String),
    /// The text given as certificate is none.
    #[error("is not a certificate in PEM format: expected a text that begins with -----BEGIN CERTIFICATE-----")]
    NotCertificate,
    /// Certificate and key are not a pair.
    #[error(
        "belongs to another private key: the tenant would refuse every token; use the pair that one run of `keygen` wrote"
    )]
    NoMatch,
    /// Whether the tenant looks at the date is not documented, so an expired certificate counts as a failure.
    #[error("expired on {0}: make a new pair with `keygen` and create a new identity provider with it")]
    Expired(time::Date),
    /// Wrong clock, here or where it was made.
    #[error("is not valid before {0}: check the clock of this machine")]
    NotYetValid(time::Date),
}

/// The parsed private key. Cheap to clone, silent in logs.
#[derive(Clone)]
pub struct SigningKey(Arc<RsaKeyPair>);

impl SigningKey {
    /// Reads an RSA key of at least 2048 bits from PEM text (RFC 7468), PKCS#8 or PKCS#1, and proves that it works by
    /// verifying one signature.
    ///
    /// A text on one line, or with `\n` spelt out as environment variables often have it, is read as well.
    pub fn parse(pem: &SecretString) -> Result<Self, KeyError> {
        let blocks = blocks(pem.expose_secret())?;
        let pair = blocks.iter().find_map(|block| match block.label {
            "PRIVATE KEY" => Some(block.der().and_then(|der| check(RsaKeyPair::from_pkcs8(&der)))),
            "RSA PRIVATE KEY" if block.body.contains("ENCRYPTED") => Some(Err(KeyError::Encrypted)), // RFC 1421, section 4.6.1.1
            "RSA PRIVATE KEY" => Some(block.der().and_then(|der| check(RsaKeyPair::from_der(&der)))),
            "ENCRYPTED PRIVATE KEY" => Some(Err(KeyError::Encrypted)),
            label if label.ends_with("PRIVATE KEY") => Some(Err(KeyError::NotRsa)),
            _ => None,
        });
        let pair = pair.unwrap_or_else(|| {
            Err(match blocks.first().map(|block| block.label) {
                Some("CERTIFICATE") => KeyError::NotPrivate("certificate"),
                Some("PUBLIC KEY" | "RSA PUBLIC KEY") => KeyError::NotPrivate("public key"),
                Some("CERTIFICATE REQUEST") => KeyError::NotPrivate("certificate request"),
                _ => KeyError::NotPem,
            })
        })?;
        let key = Self(Arc::new(pair));
        key.prove()?;
        Ok(key)
    }

    /// Size of the modulus in bits.
    pub fn bits(&self) -> usize {
        self.0.public_modulus_len() * 8
    }

    /// Signs with RS256 and appends the signature: `header.claims` becomes `header.claims.signature`,
    /// the compact serialization of RFC 7515, section 7.1. Takes milliseconds of CPU: not for async threads.
    pub fn sign(&self, mut input: String) -> Result<String, KeyError> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &rand::SystemRandom::new(), input.as_bytes(), &mut signature)
            .map_err(|_| KeyError::Sign)?;
        input.reserve_exact(1 + signature.len().div_ceil(3) * 4);
        input.push('.');
        BASE64_URL_SAFE_NO_PAD.encode_string(&signature, &mut input);
        Ok(input)
    }

    /// The public half, to verify what this key signed.
    pub fn public(&self) -> DecodingKey {
        DecodingKey::from_rsa_der(self.0.public_key().as_ref())
    }

    /// A short name of the key, the same for as long as the key is: 16 hexadecimal digits of the SHA-256 of its public half.
    pub fn fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.0.public_key().as_ref());
        hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Checks that the certificate holds this key and is valid now. That it ends soon is for the caller to judge.
    pub fn check_certificate(&self, pem: &str, now: OffsetDateTime) -> Result<CertificateDates, KeyError> {
        let blocks = blocks(pem).map_err(|_| KeyError::NotCertificate)?;
        let block = blocks.iter().find(|block| block.label == "CERTIFICATE").ok_or(KeyError::NotCertificate)?;
        let der = block.der().map_err(|_| KeyError::NotCertificate)?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&der).map_err(|_| KeyError::NotCertificate)?;

        if certificate.public_key().subject_public_key.data != self.0.public_key().as_ref() {
            return Err(KeyError::NoMatch);
        }
        let dates = CertificateDates {
            not_before: certificate.validity().not_before.to_datetime(),
            not_after: certificate.validity().not_after.to_datetime(),
        };
        if now < dates.not_before {
            return Err(KeyError::NotYetValid(dates.not_before.date()));
        }
        if now > dates.not_after {
            return Err(KeyError::Expired(dates.not_after.date()));
        }
        Ok(dates)
    }

    /// Signs once and lets jsonwebtoken, which knows nothing of our serialization, read the result.
    fn prove(&self) -> Result<(), KeyError> {
        let input = format!("{}.{}", part(&Header::new(Algorithm::RS256)), part(&serde_json::json!({})));
        let mut signature_only = Validation::new(Algorithm::RS256);
        signature_only.required_spec_claims.clear();
        signature_only.validate_exp = false;
        jsonwebtoken::decode::<serde_json::Value>(self.sign(input)?, &self.public(), &signature_only)
            .map(drop)
            .map_err(|_| KeyError::SelfCheck)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey([REDACTED] {} bits)", self.bits())
    }
}

/// From when until when a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateDates {
    /// The first second.
    pub not_before: OffsetDateTime,
    /// The last second.
    pub not_after: OffsetDateTime,
}

/// The sizes of key that we make. Others can be used, see [`SigningKey::parse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeySize {
    /// A seventh of the signing time of 4096 bits.
    Rsa2048,
    /// What Qlik's recipe asks for (Qlik Cloud facts, section A.2).
    #[default]
    Rsa4096,
}

impl FromStr for KeySize {
    type Err = &'static str;

    fn from_str(bits: &str) -> Result<Self, Self::Err> {
        match bits {
            "2048" => Ok(Self::Rsa2048),
            "4096" => Ok(Self::Rsa4096),
            _ => Err("must be 2048 or 4096"),
        }
    }
}

impl fmt::Display for KeySize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa2048 => "2048",
            Self::Rsa4096 => "4096",
        })
    }
}

/// A new private key and the self-signed certificate that makes it known to a tenant, both as PEM text.
#[derive(Debug)]
pub struct NewKey {
    /// PKCS#8.
    pub private_key: SecretString,
    /// X.509 version 3.
    pub certificate: String,
}

/// Makes a key and its certificate, in memory.
pub fn generate(size: KeySize, common_name: &str, dates: CertificateDates) -> Result<NewKey, KeyError> {
    use rcgen::{CertificateParams, DnType, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize};

    let failed = |error: rcgen::Error| KeyError::Generate(error.to_string());
    let size = match size {
        KeySize::Rsa2048 => RsaKeySize::_2048,
        KeySize::Rsa4096 => RsaKeySize::_4096,
    };
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).map_err(failed)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.not_before = dates.not_before;
    params.not_after = dates.not_after;
    let certificate = params.self_signed(&pair).map_err(failed)?;
    Ok(NewKey { private_key: pair.serialize_pem().into(), certificate: certificate.pem() })
}

/// One part of a token: JSON in base64url without padding (RFC 7515, section 2).
pub fn part(value: &impl Serialize) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).expect("plain structs with string keys always serialize"))
}

/// One block of a PEM text: its label and what stands between its two lines.
struct Block<'a> {
    label: &'a str,
    body: &'a str,
}

impl Block<'_> {
    fn der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let unfolded = Zeroizing::new(self.body.replace("\\n", ""));
        let base64: Zeroizing<Vec<u8>> =
            Zeroizing::new(unfolded.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect());
        BASE64_STANDARD.decode(base64.as_slice()).map(Zeroizing::new).map_err(|_| KeyError::Damaged)
    }
}

/// The blocks of a PEM text, whatever stands before, between and after them.
fn blocks(text: &str) -> Result<Vec<Block<'_>>, KeyError> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let (label, begun) = begun.split_once("-----").ok_or(KeyError::Damaged)?;
        let (body, after) = begun.split_once(&format!("-----END {label}-----")).ok_or(KeyError::Damaged)?;
        blocks.push(Block { label, body });
        rest = after;
    }
    if blocks.is_empty() { Err(KeyError::NotPem) } else { Ok(blocks) }
}

fn check(parsed: Result<RsaKeyPair, aws_lc_rs::error::KeyRejected>) -> Result<RsaKeyPair, KeyError> {
    parsed.map_err(|rejected| match rejected.description_() {
        "TooSmall" => KeyError::TooSmall,
        "TooLarge" => KeyError::TooLarge,
        "WrongAlgorithm" => KeyError::NotRsa,
        _ => KeyError::Damaged,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::LazyLock;

    use time::Duration;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    /// One key for all unit tests: making it is the slow part.
    pub static NEW_KEY: LazyLock<NewKey> = LazyLock::new(|| new_key(KeySize::Rsa2048));

    pub fn key() -> SigningKey {
        SigningKey::parse(&NEW_KEY.private_key).expect("our own key")
    }

    fn new_key(size: KeySize) -> NewKey {
        let dates = CertificateDates { not_before: NOW, not_after: NOW + Duration::days(10) };
        generate(size, "test", dates).expect("a key")
    }

    fn refused(pem: &str) -> KeyError {
        SigningKey::parse(&pem.into()).expect_err("not a usable key")
    }

    #[test]
    fn a_key_is_read_however_it_is_folded() {
        let pem = NEW_KEY.private_key.expose_secret();
        let one_line = pem.replace('\n', "");
        for text in [
            pem.to_owned(),
            one_line.clone(),
            pem.replace('\n', "\r\n"),
            pem.replace('\n', "\\n"),
            one_line.replace("-----MII", "----- MII"),
            format!("subject=CN=test\n\n{pem}\n"),
            format!("{}{pem}", NEW_KEY.certificate),
        ] {
            let key = SigningKey::parse(&text.clone().into()).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((key.bits(), key.fingerprint()), (2048, super::tests::key().fingerprint()));
        }
    }

    #[test]
    fn what_is_no_private_rsa_key_is_named() {
        let pem = NEW_KEY.private_key.expose_secret();
        let elliptic = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key").serialize_pem();
        let cases = [
            ("", KeyError::NotPem),
            ("correct horse battery staple", KeyError::NotPem),
            (&pem[..900], KeyError::Damaged),
            (&pem.replacen("MII", "M!I", 1), KeyError::Damaged),
            (&pem.replacen("MII", "MIA", 1), KeyError::Damaged),
            (&elliptic, KeyError::NotRsa),
            ("-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----", KeyError::NotRsa),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", KeyError::NotRsa),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----", KeyError::Encrypted),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----",
                KeyError::Encrypted,
            ),
            (&NEW_KEY.certificate, KeyError::NotPrivate("certificate")),
            ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", KeyError::NotPrivate("public key")),
        ];
        for (text, expected) in cases {
            assert_eq!(refused(text), expected, "{}", text.get(..40).unwrap_or(text));
        }
    }

    #[test]
    fn a_certificate_must_hold_the_key_and_be_valid_now() {
        let key = key();
        let dates = CertificateDates { not_before: NOW, not_after: NOW + Duration::days(10) };
        let other = new_key(KeySize::Rsa2048).certificate;
        let chain = format!("{}{other}", NEW_KEY.certificate);
        let second = Duration::seconds(1);
        let cases = [
            (&NEW_KEY.certificate, NOW, Ok(dates)),
            (&NEW_KEY.certificate, dates.not_after, Ok(dates)),
            (&NEW_KEY.certificate, dates.not_after + second, Err(KeyError::Expired(dates.not_after.date()))),
            (&NEW_KEY.certificate, NOW - second, Err(KeyError::NotYetValid(NOW.date()))),
            (&NEW_KEY.certificate.replace('\n', ""), NOW, Ok(dates)),
            (&chain, NOW, Ok(dates)),
            (&other, NOW, Err(KeyError::NoMatch)),
            (&String::new(), NOW, Err(KeyError::NotCertificate)),
            (&NEW_KEY.certificate.replacen("MII", "MIA", 1), NOW, Err(KeyError::NotCertificate)),
            (&NEW_KEY.private_key.expose_secret().to_owned(), NOW, Err(KeyError::NotCertificate)),
        ];
        for (pem, now, expected) in cases {
            assert_eq!(key.check_certificate(pem, now), expected);
        }
    }

    #[test]
    fn a_key_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", key()), "SigningKey([REDACTED] 2048 bits)");
        let shown = format!("{:?}", *NEW_KEY);
        assert!(!shown.contains("PRIVATE KEY") && shown.contains("REDACTED"), "{shown}");
    }
}
