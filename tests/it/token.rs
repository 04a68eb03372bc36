//! `token`, as an administrator uses it.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use qlik_embed_bff::commands::token::{self, Token};
use qlik_embed_bff::identity::Subject;
use qlik_embed_bff::qlik::key::{self, CertificateDates, KeySize, SigningKey};
use qlik_embed_bff::qlik::token::Settings;
use serde_json::Value;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

fn print(claims: bool) -> String {
    let dates = CertificateDates { not_before: NOW, not_after: NOW + Duration::DAY };
    let pair = key::generate(KeySize::Rsa2048, "test", dates).expect("a key");
    let key = SigningKey::parse(&pair.private_key).expect("our own key");
    let minute = std::time::Duration::from_secs(60);
    let settings = Settings::new("https://portal.example", "key-1", key, minute, minute / 2).expect("valid");
    let subject = Subject {
        id: "password|ada".into(),
        name: "Ada Lovelace".into(),
        email: "ada@example.com".into(),
        groups: vec!["Analysts".into()],
    };
    let args = Token { identity: "ada".into(), name: None, email: None, groups: vec![], claims, attempt: false };
    let mut out = Vec::new();
    token::run(&args, &settings, &subject, NOW, &mut out).expect("a token");
    String::from_utf8(out).expect("text")
}

#[test]
fn the_token_stands_alone_for_scripts() {
    let printed = print(false);
    assert_eq!(printed.matches('\n').count(), 1);
    let parts: Vec<&str> = printed.trim_end().split('.').collect();
    assert_eq!(parts.len(), 3);
    let claims: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).expect("base64url")).expect("JSON");
    assert_eq!(claims["sub"], "password|ada");
}

#[test]
fn claims_are_explained_in_columns() {
    let mut printed = print(true);
    let (start, _) = printed.match_indices("jti").next().expect("a jti");
    let value = start + "jti             \"".len();
    printed.replace_range(value..value + 43, &"x".repeat(43));
    insta::assert_snapshot!(printed, @r#"
    Header
      typ             "JWT"    the kind of token
      alg             "RS256"  how it is signed: RSA with SHA-256
      kid             "key-1"  which key signed it: the Key ID of the tenant's identity provider
    Claims
      jti             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"  random name of this token: the tenant takes it once
      sub             "password|ada"                                 who signs in: one value is one user in Qlik, another value is another user
      subType         "user"                                         always user
      name            "Ada Lovelace"                                 display name of the user
      email           "ada@example.com"                              e-mail address of the user
      email_verified  true                                           the tenant may otherwise not store the address
      groups          ["Analysts"]                                   for access to spaces, when the tenant allows the creation of groups
      iss             "https://portal.example"                       who signed it: the Issuer of the tenant's identity provider
      aud             "qlik.api/login/jwt-session"                   what it is for: this one endpoint of the tenant
      iat             1795348800 (2026-11-22T12:00:00Z)              when it was made
      nbf             1795348770 (2026-11-22T11:59:30Z)              valid from: earlier by QLIK_JWT_SKEW, for clocks that differ
      exp             1795348860 (2026-11-22T12:01:00Z)              valid until: later by QLIK_JWT_LIFETIME; the session that it opens lasts longer
    "#);
}
