//! Encryption of records at rest: AES-256-GCM, with a key for each record, derived from `SESSION_SECRET` and the record's id. What
//! was sealed under a secret of `SESSION_SECRET_PREVIOUS` opens too.
//!
//! Whoever reads the database learns neither session ids (only their SHA-256 is stored) nor what sessions hold. The row's
//! id is authenticated with its value too, so that a value moved to another row does not open.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use secrecy::{ExposeSecret, SecretString};

/// The format of a sealed value: this byte, the nonce, the ciphertext and its tag.
const VERSION: u8 = 2;
/// As it was with one key for all records. Such values still open, so that an update signs nobody out.
const ONE_KEY: u8 = 1;

/// What keys are derived for (RFC 5869, section 3.2), so that none serves two purposes.
const ALL_RECORDS: &[u8] = b"records at rest";
const RECORD: &[u8] = b"record at rest ";
const CSRF: &[u8] = b"csrf token ";

/// Seals and opens values, under secrets that are exchanged.
pub struct Seal(ArcSwap<Secrets>);

/// What values are sealed under, and what others were.
pub struct Secrets {
    newest: Arc<Secret>,
    previous: Vec<Secret>,
}

impl Seal {
    /// Seals under this secret, and opens also what was sealed under those.
    pub fn new(newest: &SecretString, previous: &[SecretString]) -> Self {
        Self(ArcSwap::from_pointee(Secrets::of(Arc::new(Secret::new(newest)), previous)))
    }

    /// Other secrets in the place of these; without a newest one, that stays.
    pub fn with(&self, newest: Option<&SecretString>, previous: &[SecretString]) -> Secrets {
        let newest = newest.map_or_else(|| Arc::clone(&self.0.load().newest), |newest| Arc::new(Secret::new(newest)));
        Secrets::of(newest, previous)
    }

    /// From now on, these are the secrets.
    pub fn follow(&self, secrets: Secrets) {
        self.0.store(Arc::new(secrets));
    }

    /// Encrypts a value for the row `id`.
    pub fn seal(&self, id: &[u8], value: Vec<u8>) -> Vec<u8> {
        self.0.load().newest.seal(id, value)
    }

    /// Decrypts what was sealed for the row `id`. `None` when it was sealed under a secret that is not known, for another row,
    /// or altered since.
    pub fn open(&self, id: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.load().all().find_map(|secret| secret.open(id, sealed))
    }

    /// What only we can derive for the session with this record, and whoever we tell: under the newest secret, and then under each
    /// of the others.
    pub fn csrf_tokens(&self, id: &[u8]) -> Vec<[u8; 32]> {
        self.0.load().all().map(|secret| secret.csrf_token(id)).collect()
    }
}

impl Secrets {
    fn of(newest: Arc<Secret>, previous: &[SecretString]) -> Self {
        Self { newest, previous: previous.iter().map(Secret::new).collect() }
    }

    fn all(&self) -> impl Iterator<Item = &Secret> {
        std::iter::once(&*self.newest).chain(&self.previous)
    }
}

/// One secret. Deriving a key costs about a microsecond.
struct Secret {
    secret: Prk,
    of_all_records: RandomizedNonceKey,
}

impl Secret {
    /// Takes the secret in (RFC 5869, section 2.2).
    fn new(secret: &SecretString) -> Self {
        let secret = Salt::new(HKDF_SHA256, b"qlik-embed-bff").extract(secret.expose_secret().as_bytes());
        let of_all_records = key(&secret, &[ALL_RECORDS]);
        Self { secret, of_all_records }
    }

    fn seal(&self, id: &[u8], value: Vec<u8>) -> Vec<u8> {
        let mut text = value;
        let nonce = self
            .of_record(id)
            .seal_in_place_append_tag(Aad::from(id), &mut text)
            .expect("records are far below the 64 GiB that one AES-GCM message may have");
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.append(&mut text);
        sealed
    }

    fn open(&self, id: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (version, rest) = sealed.split_first()?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let opened = match *version {
            VERSION => self.of_record(id).open_in_place(nonce, Aad::from(id), &mut text),
            ONE_KEY => self.of_all_records.open_in_place(nonce, Aad::from(id), &mut text),
            _ => return None,
        };
        let length = opened.ok()?.len();
        text.truncate(length);
        Some(text)
    }

    fn csrf_token(&self, id: &[u8]) -> [u8; 32] {
        let mut token = [0; 32];
        self.secret
            .expand(&[CSRF, id], HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut token))
            .expect("a SHA-256 output has 32 bytes");
        token
    }

    fn of_record(&self, id: &[u8]) -> RandomizedNonceKey {
        key(&self.secret, &[RECORD, id])
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal([REDACTED])")
    }
}

fn key(secret: &Prk, purpose: &[&[u8]]) -> RandomizedNonceKey {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    secret
        .expand(purpose, HKDF_SHA256)
        .and_then(|okm| okm.fill(key.as_mut()))
        .expect("a SHA-256 output is as long as an AES-256 key");
    RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).expect("the key has the length of AES-256")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_and_row_open_a_value() {
        let seal = Secret::new(&SecretString::from("one secret of some length"));
        let sealed = seal.seal(b"row", b"value".to_vec());
        assert!(!sealed.windows(5).any(|window| window == b"value"));
        assert_eq!(seal.open(b"row", &sealed).as_deref(), Some(&b"value"[..]));
        assert_eq!(seal.open(b"other", &sealed), None);
        assert_eq!(Secret::new(&SecretString::from("another secret")).open(b"row", &sealed), None);
        let mut altered = sealed.clone();
        *altered.last_mut().expect("a sealed value is not empty") ^= 1;
        assert_eq!(seal.open(b"row", &altered), None);
        assert_eq!(seal.open(b"row", &sealed[..5]), None);
        assert_ne!(seal.seal(b"row", b"value".to_vec()), sealed, "each sealing has its own nonce");
    }

    #[test]
    fn what_was_sealed_under_a_previous_secret_opens_and_is_sealed_under_the_newest() {
        let [old, new, third] = ["the old secret", "the new secret", "a third secret"].map(SecretString::from);
        let before = Seal::new(&old, &[]);
        let sealed = before.seal(b"row", b"value".to_vec());
        let both = Seal::new(&new, &[third.clone(), old.clone()]);
        assert_eq!(both.open(b"row", &sealed).as_deref(), Some(&b"value"[..]));
        assert_eq!(both.csrf_tokens(b"row")[2], before.csrf_tokens(b"row")[0]);
        let anew = both.seal(b"row", b"value".to_vec());
        assert_eq!(before.open(b"row", &anew), None);
        assert_eq!(Seal::new(&new, &[]).open(b"row", &anew).as_deref(), Some(&b"value"[..]));

        before.follow(before.with(Some(&new), std::slice::from_ref(&third)));
        assert_eq!(before.open(b"row", &sealed), None, "nobody knows the old one any more");
        before.follow(before.with(None, &[old]));
        assert_eq!(before.open(b"row", &sealed).as_deref(), Some(&b"value"[..]));
        assert_eq!(before.open(b"row", &anew).as_deref(), Some(&b"value"[..]), "the newest one stays");
    }

    /// The key of a record opens no other record, whatever is authenticated with it.
    #[test]
    fn each_record_has_its_own_key() {
        let seal = Secret::new(&SecretString::from("one secret of some length"));
        let mut sealed = b"value".to_vec();
        let nonce = seal.of_record(b"row").seal_in_place_append_tag(Aad::empty(), &mut sealed).expect("sealed");
        let other = seal.of_record(b"other").open_in_place(nonce, Aad::empty(), &mut sealed.clone()).is_ok();
        assert!(!other);
    }

    /// Made by another implementation of HKDF and AES-256-GCM, with one key for all records.
    #[test]
    fn values_from_before_keys_per_record_still_open() {
        let seal = Secret::new(&SecretString::from("one secret of some length"));
        let before = [
            0x01, 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x33, 0x67, 0xb6, 0x26, 0xcc,
            0xde, 0x68, 0x7a, 0xf5, 0x6b, 0x2c, 0xd1, 0xd3, 0xaf, 0x0b, 0xc8, 0xb7, 0xe1, 0xa5, 0x91, 0x45,
        ];
        assert_eq!(seal.open(b"row", &before).as_deref(), Some(&b"value"[..]));
    }
}
