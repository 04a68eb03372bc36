//! Signing in with a ticket from the host portal.

use aws_lc_rs::hmac;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jsonwebtoken::{Algorithm, EncodingKey};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::portal::{Answer, Browser, KEY, Portal};

mod examples;
mod frames;
mod hand_over;
mod key_set;
mod refusals;
mod settings;

pub const SECRET: &str = "a secret that the portal and the server share";
pub const ISSUER: &str = "https://intranet.example";
pub const PUBLIC_URL: &str = "http://localhost:8080";

/// A portal with passwords and tickets that are signed with [`SECRET`].
pub async fn open(changes: &[(&str, &str)]) -> Portal {
    let settings = [("SIGN_IN", "password, ticket"), ("TICKET_ISSUER", ISSUER), ("TICKET_SECRET", SECRET)];
    Portal::with(&[&settings[..], changes].concat()).await
}

/// What a good ticket says.
pub fn claims(portal: &Portal, sub: &str) -> Value {
    let now = portal.clock.now().unix_timestamp();
    let jti = uuid::Uuid::new_v4().to_string();
    json!({
        "iss": ISSUER, "aud": PUBLIC_URL, "jti": jti, "iat": now, "exp": now + 60, "sub": sub, "name": "Emmy Noether",
        "email": format!("{sub}@acme.example"), "groups": ["Sales", "All"],
    })
}

pub fn part(json: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(json.to_string())
}

pub fn signed(header: &Value, claims: &Value, sign: impl Fn(&str) -> String) -> String {
    let input = format!("{}.{}", part(header), part(claims));
    let signature = sign(&input);
    format!("{input}.{signature}")
}

pub fn hmac_of(secret: &[u8], input: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input.as_bytes()))
}

/// A ticket as most portals make it.
pub fn ticket(claims: &Value) -> String {
    signed(&json!({ "alg": "HS256", "typ": "JWT" }), claims, |input| hmac_of(SECRET.as_bytes(), input))
}

/// The same with the key pair of the tests.
pub fn rs256(header: &Value, claims: &Value) -> String {
    let key = EncodingKey::from_rsa_pem(KEY.private_key.expose_secret().as_bytes()).expect("a key");
    signed(header, claims, |input| {
        jsonwebtoken::crypto::sign(input.as_bytes(), &key, Algorithm::RS256).expect("signed")
    })
}

/// Follows a link of the portal.
pub async fn hand_over(browser: &mut Browser, ticket: &str) -> Answer {
    browser.open(&format!("/login/ticket?ticket={ticket}&to=/embed/default")).await
}
