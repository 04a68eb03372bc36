//! The short-lived token (JWT) that a browser or the proxy hands to the tenant for a session.
//!
//! It is good for one login (Qlik Cloud facts, section A.3), so nothing here caches: each request gets its own `jti`.
//! Signing takes milliseconds of CPU. [`Issuer`] keeps it away from the async threads, leaves one core to everything
//! else, lets a burst queue, and refuses what would not be served within about a second.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::rand;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jsonwebtoken::{Algorithm, Header};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use time::OffsetDateTime;

use super::key::{self, KeyError, SigningKey};
use crate::identity::Subject;

mod issuer;
mod meanings;
mod signers;

pub use issuer::Issuer;
pub use meanings::MEANINGS;

/// The only audience that the tenant's login takes.
pub const AUDIENCE: &str = "qlik.api/login/jwt-session";

/// `exp - nbf` may not be longer.
const LONGEST_WINDOW: Duration = Duration::from_secs(3600);

/// Requests that may wait for a signature. With a 4096-bit key on an older processor one takes 4 ms, so the last in
/// the queue waits about a second, a time in which a visitor still waits too.
const WAITING: usize = 256;

/// When the queue is full, it has drained after this time.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too many requests wait already.
    #[error("too many tokens are being signed; try again in {} s", retry_after.as_secs())]
    Saturated {
        /// After this time there is room again.
        retry_after: Duration,
    },
    /// There is no key: no page needs a token.
    #[error("there is no key to sign tokens with (QLIK_JWT_ISSUER, QLIK_JWT_KEY_ID, QLIK_JWT_PRIVATE_KEY)")]
    None,
    /// The key failed.
    #[error("the private key {0}")]
    Key(KeyError),
    /// No random numbers from the operating system.
    #[error("the operating system gave no random numbers for the token's id")]
    Random,
    /// The runtime is shutting down.
    #[error("the server is shutting down")]
    Stopping,
}

impl From<KeyError> for Error {
    fn from(problem: KeyError) -> Self {
        Self::Key(problem)
    }
}

/// For how long a token is good: from `skew` before until `lifetime` after it was made, an hour at the most.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    lifetime: i64,
    skew: i64,
}

/// Why two lengths of time are no [`Validity`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ValidityError {
    /// The token would have expired before it arrives.
    #[error("is less than a second, and a token needs time to arrive")]
    TooShort,
    /// Qlik refuses such tokens (Qlik Cloud facts, section A.3).
    #[error("makes tokens good for {0} s, skew included, and Qlik refuses more than 3600 s")]
    TooLong(u64),
}

impl Validity {
    /// Both in whole seconds; what is below is cut off.
    ///
    /// # Errors
    /// When the tenant would refuse such tokens.
    pub fn new(lifetime: Duration, skew: Duration) -> Result<Self, ValidityError> {
        let window = lifetime.saturating_add(skew);
        if lifetime < Duration::from_secs(1) {
            Err(ValidityError::TooShort)
        } else if window > LONGEST_WINDOW {
            Err(ValidityError::TooLong(window.as_secs()))
        } else {
            Ok(Self { lifetime: lifetime.as_secs() as i64, skew: skew.as_secs() as i64 }) // at most 3600
        }
    }
}

/// What every token of a tenant has in common.
#[derive(Debug, Clone)]
pub struct Settings {
    issuer: String,
    key_id: String,
    header: String,
    key: SigningKey,
    validity: Validity,
}

impl Settings {
    /// Issuer and key id as the tenant's identity provider has them.
    pub fn new(issuer: &str, key_id: &str, key: SigningKey, validity: Validity) -> Self {
        let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::RS256) };
        Self { issuer: issuer.to_owned(), key_id: key_id.to_owned(), header: key::part(&header), key, validity }
    }

    /// What the tenant's identity provider has as issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What it has as key ID.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// What tokens are signed with.
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Makes one token on this thread: for commands. Servers use [`Issuer::issue`].
    pub fn mint(&self, subject: &Subject, now: OffsetDateTime) -> Result<Token, Error> {
        Ok(Token(self.key.sign(self.signing_input(subject, now)?)?.into()))
    }

    fn signing_input(&self, subject: &Subject, now: OffsetDateTime) -> Result<String, Error> {
        let jti = new_jti()?;
        Ok(format!("{}.{}", self.header, key::part(&claims(subject, self, now, &jti))))
    }
}

/// The claims of Qlik Cloud facts, section A.3; all others are ignored there.
#[derive(Debug, Serialize)]
pub struct Claims<'a> {
    jti: &'a str,
    sub: &'a str,
    #[serde(rename = "subType")]
    sub_type: &'a str,
    name: &'a str,
    email: &'a str,
    email_verified: bool,
    groups: &'a [String],
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// What the token says of the subject at this moment; pure.
pub fn claims<'a>(subject: &'a Subject, settings: &'a Settings, now: OffsetDateTime, jti: &'a str) -> Claims<'a> {
    let now = now.unix_timestamp();
    Claims {
        jti,
        sub: &subject.id,
        sub_type: "user",
        name: &subject.name,
        email: &subject.email,
        email_verified: true,
        groups: &subject.groups,
        iss: &settings.issuer,
        aud: AUDIENCE,
        iat: now,
        nbf: now - settings.validity.skew,
        exp: now + settings.validity.lifetime,
    }
}

/// 32 random bytes in base64url: unique without anything to remember.
pub fn new_jti() -> Result<String, Error> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Error::Random)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// A token, ready for `Authorization: Bearer`. Whoever holds it is the visitor, once: it is shown to nobody else.
pub struct Token(SecretString);

impl Token {
    /// The compact serialization, for the answer that carries it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([REDACTED])")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashSet;

    use serde_json::{Value, json};
    use time::macros::datetime;

    use super::*;
    use crate::qlik::key::tests::key;

    pub(super) const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    pub(super) fn settings() -> Settings {
        let validity = Validity::new(Duration::from_secs(60), Duration::from_secs(30)).expect("valid");
        Settings::new("https://portal.example", "key-1", key(), validity)
    }

    pub(super) fn ada() -> Subject {
        Subject {
            id: "password|ada".into(),
            name: "Ada Lovelace".into(),
            email: "ada@example.com".into(),
            groups: vec!["Analysts".into(), "Mathematicians \u{3a3}".into()],
        }
    }

    pub(super) fn decoded(token: &Token) -> (Value, Value) {
        let parts: Vec<&str> = token.expose().split('.').collect();
        let [header, claims, signature] = parts[..] else { panic!("three parts") };
        assert_eq!(signature.len(), 342, "256 bytes without padding");
        let json =
            |part| serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON");
        (json(header), json(claims))
    }

    #[test]
    fn a_token_says_this_and_nothing_else() {
        let token = settings().mint(&ada(), NOW).expect("a token");
        let (header, mut claims) = decoded(&token);
        assert_eq!(header, json!({"typ": "JWT", "alg": "RS256", "kid": "key-1"}));

        let jti = claims["jti"].take();
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(jti.as_str().expect("text")).expect("base64url").len(), 32);
        let expected = json!({
            "jti": null,
            "sub": "password|ada", "subType": "user", "name": "Ada Lovelace",
            "email": "ada@example.com", "email_verified": true,
            "groups": ["Analysts", "Mathematicians \u{3a3}"],
            "iss": "https://portal.example", "aud": "qlik.api/login/jwt-session",
            "iat": 1_795_348_800, "nbf": 1_795_348_770, "exp": 1_795_348_860,
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn claims_are_a_pure_function_of_subject_settings_time_and_id() {
        let nobody = Subject { id: "x".into(), name: String::new(), email: String::new(), groups: vec![] };
        let (settings, jti) = (settings(), "a-jti");
        let claims = serde_json::to_value(claims(&nobody, &settings, NOW, jti)).expect("JSON");
        let expected = json!({
            "jti": "a-jti", "sub": "x", "subType": "user", "name": "", "email": "", "email_verified": true, "groups": [],
            "iss": "https://portal.example", "aud": "qlik.api/login/jwt-session",
            "iat": 1_795_348_800, "nbf": 1_795_348_770, "exp": 1_795_348_860,
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn others_can_verify_a_token_and_notice_a_change() {
        let token = settings().mint(&ada(), NOW).expect("a token");
        let mut rules = jsonwebtoken::Validation::new(Algorithm::RS256);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&["https://portal.example"]);
        rules.validate_exp = false; // their clock is the system's
        assert!(jsonwebtoken::decode::<Value>(token.expose(), &key().public(), &rules).is_ok());

        let forged = settings().mint(&Subject { id: "password|eve".into(), ..ada() }, NOW).expect("a token");
        let (forged, _) = forged.expose().rsplit_once('.').expect("three parts");
        let (_, signature) = token.expose().rsplit_once('.').expect("three parts");
        assert!(jsonwebtoken::decode::<Value>(format!("{forged}.{signature}"), &key().public(), &rules).is_err());
    }

    #[test]
    fn a_token_is_never_valid_for_more_than_an_hour() {
        for (lifetime, skew, problem) in [
            (60, 30, None),
            (3600, 0, None),
            (3570, 30, None),
            (1, 3599, None),
            (3571, 30, Some(ValidityError::TooLong(3601))),
            (3601, 0, Some(ValidityError::TooLong(3601))),
            (60, 3600, Some(ValidityError::TooLong(3660))),
            (u64::MAX, 30, Some(ValidityError::TooLong(u64::MAX))),
            (0, 30, Some(ValidityError::TooShort)),
        ] {
            let validity = Validity::new(Duration::from_secs(lifetime), Duration::from_secs(skew));
            assert_eq!(validity.as_ref().err(), problem.as_ref(), "{lifetime} {skew}");
            if let Ok(validity) = validity {
                let settings = Settings::new("i", "k", key(), validity);
                let ada = ada();
                let claims = claims(&ada, &settings, NOW, "j");
                assert!(claims.exp - claims.nbf <= 3600, "{lifetime} {skew}");
            }
        }
    }

    #[test]
    fn ten_thousand_tokens_have_ten_thousand_ids() {
        let settings = settings();
        let ids: HashSet<String> = (0..10_000)
            .map(|_| {
                let input = settings.signing_input(&ada(), NOW).expect("an unsigned token");
                let claims = input.split_once('.').expect("two parts").1;
                let claims: Value =
                    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON");
                claims["jti"].as_str().expect("text").to_owned()
            })
            .collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn a_token_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", settings().mint(&ada(), NOW).expect("a token")), "Token([REDACTED])");
    }
}
