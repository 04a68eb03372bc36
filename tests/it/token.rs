//! `token`, as an administrator uses it.

use std::fs;
use std::process::Command;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use qlik_embed_bff::commands::token::{self, Token};
use qlik_embed_bff::identity::Subject;
use qlik_embed_bff::qlik::key::{self, CertificateDates, KeySize, SigningKey};
use qlik_embed_bff::qlik::token::{Settings, Validity};
use serde_json::{Value, json};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

fn print(claims: bool) -> String {
    let dates = CertificateDates { not_before: NOW, not_after: NOW + Duration::DAY };
    let pair = key::generate(KeySize::Rsa2048, "test", dates).expect("a key");
    let key = SigningKey::parse(&pair.private_key).expect("our own key");
    let minute = std::time::Duration::from_secs(60);
    let validity = Validity::new(minute, minute / 2).expect("valid");
    let settings = Settings::new("https://portal.example", "key-1", key, validity);
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
    assert_eq!(printed.trim_end().split('.').count(), 3);
    assert_eq!(claims_of(&printed)["sub"], "password|ada");
}

/// As on the day of setting up: keys made, settings in the environment, no account and no database yet.
#[test]
fn openssl_verifies_the_token_of_the_binary() {
    let home = tempfile::tempdir().expect("a folder");
    let run = |program: &str, args: &[&str], env: &[(&str, &str)]| {
        let mut command = Command::new(program);
        command.args(args).current_dir(home.path()).env_clear().envs(env.iter().copied());
        command.env("PATH", option_env!("PATH").unwrap_or("/usr/bin"));
        let output = command.output().expect("the program runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let binary = env!("CARGO_BIN_EXE_qlik-embed-bff");
    run(binary, &["keygen", "--bits=2048"], &[]);
    let env = [("QLIK_JWT_ISSUER", "https://portal.example"), ("QLIK_JWT_KEY_ID", "key-1")];
    let printed = run(binary, &["token", "--identity=ada", "--email=ada@example.com", "--group=Analysts"], &env);

    let (signed, signature) = printed.trim_end().rsplit_once('.').expect("three parts");
    fs::write(home.path().join("signed"), signed).expect("written");
    fs::write(home.path().join("signature"), BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64url"))
        .expect("written");
    run("openssl", &["x509", "-in", "keys/publickey.cer", "-noout", "-pubkey", "-out", "public.pem"], &[]);
    let verdict =
        run("openssl", &["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "signed"], &[]);
    assert_eq!(verdict, "Verified OK\n");
    let claims = claims_of(&printed);
    assert_eq!((&claims["email"], &claims["groups"]), (&json!("ada@example.com"), &json!(["Analysts"])));
}

fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON")
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
