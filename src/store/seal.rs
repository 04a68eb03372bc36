//! Encryption of records at rest: AES-256-GCM under a key derived from `SESSION_SECRET`.
//!
//! Whoever reads the database learns neither session ids (only their SHA-256 is stored) nor what sessions hold. The row's
//! id is authenticated with its value, so that a value moved to another row does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use secrecy::{ExposeSecret, SecretString};

/// The format of a sealed value: this byte, the nonce, the ciphertext and its tag.
const VERSION: u8 = 1;

/// Seals and opens values.
#[derive(Debug)]
pub struct Seal(RandomizedNonceKey);

impl Seal {
    /// Derives the key from the secret (RFC 5869).
    pub fn new(secret: &SecretString) -> Self {
        let mut key = [0; 32];
        Salt::new(HKDF_SHA256, b"qlik-embed-bff")
            .extract(secret.expose_secret().as_bytes())
            .expand(&[b"records at rest"], HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("a SHA-256 output is as long as an AES-256 key");
        Self(RandomizedNonceKey::new(&AES_256_GCM, &key).expect("the key has the length of AES-256"))
    }

    /// Encrypts a value for the row `id`.
    pub fn seal(&self, id: &[u8], value: Vec<u8>) -> Vec<u8> {
        let mut text = value;
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(id), &mut text)
            .expect("records are far below the 64 GiB that one AES-GCM message may have");
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        sealed
    }

    /// Decrypts what was sealed for the row `id`. `None` when it was sealed under another secret, for another row, or
    /// altered since.
    pub fn open(&self, id: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (&VERSION, rest) = sealed.split_first()? else { return None };
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let length = self.0.open_in_place(nonce, Aad::from(id), &mut text).ok()?.len();
        text.truncate(length);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_and_row_open_a_value() {
        let seal = Seal::new(&SecretString::from("one secret of some length"));
        let sealed = seal.seal(b"row", b"value".to_vec());
        assert!(!sealed.windows(5).any(|window| window == b"value"));
        assert_eq!(seal.open(b"row", &sealed).as_deref(), Some(&b"value"[..]));
        assert_eq!(seal.open(b"other", &sealed), None);
        assert_eq!(Seal::new(&SecretString::from("another secret")).open(b"row", &sealed), None);
        let mut altered = sealed.clone();
        *altered.last_mut().expect("a sealed value is not empty") ^= 1;
        assert_eq!(seal.open(b"row", &altered), None);
        assert_eq!(seal.open(b"row", &sealed[..5]), None);
        assert_ne!(seal.seal(b"row", b"value".to_vec()), sealed, "each sealing has its own nonce");
    }
}
