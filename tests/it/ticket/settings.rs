//! What an administrator can get wrong about tickets, and what they are told.

use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::config::{self, Loaded, Problems};
use secrecy::ExposeSecret;

use super::{ISSUER, SECRET};
use crate::portal::{KEY, settings};

fn load(changes: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut env = settings(folder.path());
    env.extend([("SIGN_IN", "ticket"), ("TICKET_ISSUER", ISSUER)].map(|(name, value)| (name.into(), value.into())));
    env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    config::load(&env, Clock::default().now())
}

/// A public key of this kind, as a portal would hand it out.
fn public(kind: &'static rcgen::SignatureAlgorithm) -> String {
    rcgen::KeyPair::generate_for(kind).expect("a key").public_key_pem()
}

#[test]
fn every_problem_is_named_with_its_reason() {
    let (p256, p384) = (public(&rcgen::PKCS_ECDSA_P256_SHA256), public(&rcgen::PKCS_ECDSA_P384_SHA384));
    let private = KEY.private_key.expose_secret();
    let url = "https://intranet.example/keys";
    let (key, secret, jwks) = ("TICKET_PUBLIC_KEY", "TICKET_SECRET", "TICKET_JWKS_URL");
    for (changes, variable, reason) in [
        (vec![], key, "is not set, and neither are TICKET_SECRET and TICKET_JWKS_URL"),
        (vec![(secret, SECRET), (jwks, url)], secret, "is set beside TICKET_JWKS_URL"),
        (vec![(key, &*p256), (secret, SECRET), (jwks, url)], key, "is set beside TICKET_SECRET and TICKET_JWKS_URL"),
        (vec![(secret, SECRET), ("TICKET_ISSUER", "")], "TICKET_ISSUER", "is not set"),
        (vec![(secret, "31 bytes, which is one too few.")], secret, "has fewer than 32 bytes"),
        (vec![(secret, &*p256)], secret, "is a key or certificate in PEM format, and no secret"),
        (vec![(key, private)], key, "is a private key, which only the portal may have"),
        (vec![(key, "x")], key, "is neither a public key nor a certificate in PEM format"),
        (vec![(key, &*p384)], key, "is neither an RSA key nor an EC key on the curve P-256"),
        (
            vec![("TICKET_PUBLIC_KEY_FILE", "/nowhere")],
            "TICKET_PUBLIC_KEY_FILE",
            "names /nowhere, which cannot be read (No such file or directory (os error 2))",
        ),
        (
            vec![(jwks, "http://intranet.example/keys")],
            jwks,
            "must be https: plain http is accepted only for this machine (localhost, 127.0.0.1, [::1])",
        ),
        (vec![(jwks, "https://a:b@intranet.example")], jwks, "has a user name or a password in it"),
        (vec![(jwks, "keys")], jwks, "is not an address"),
        (vec![(secret, SECRET), ("TICKET_ALGORITHM", "none")], "TICKET_ALGORITHM", "is no algorithm for tickets"),
        (
            vec![(key, &*p256), ("TICKET_ALGORITHM", "HS256")],
            "TICKET_ALGORITHM",
            "is HS256, and the key or secret that is set is for ES256",
        ),
        (
            vec![(key, &KEY.certificate), ("TICKET_ALGORITHM", "HS256")],
            "TICKET_ALGORITHM",
            "is HS256, and the key or secret that is set is for RS256",
        ),
        (
            vec![(jwks, url), ("TICKET_ALGORITHM", "HS256")],
            "TICKET_ALGORITHM",
            "is HS256, whose secret is in no published key set",
        ),
    ] {
        let problems = load(&changes).expect_err(reason);
        let [problem] = &problems.problems[..] else { panic!("{problems}") };
        assert_eq!((problem.variable.as_str(), problem.reason.as_str()), (variable, reason));
        assert!(problem.remedy.len() > 10 && !problems.to_string().contains(SECRET), "{problems}");
    }
}

#[test]
fn the_algorithm_follows_from_the_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).expect("written");
    let p256 = public(&rcgen::PKCS_ECDSA_P256_SHA256);
    for (changes, algorithm) in [
        (vec![("TICKET_SECRET", SECRET)], "HS256"),
        (vec![("TICKET_SECRET_FILE", file.to_str().expect("text"))], "HS256"),
        (vec![("TICKET_PUBLIC_KEY", &*p256)], "ES256"),
        (vec![("TICKET_PUBLIC_KEY", &*p256.replace('\n', "\\n"))], "ES256"),
        (vec![("TICKET_PUBLIC_KEY", &*KEY.certificate)], "RS256"),
        (vec![("TICKET_JWKS_URL", "https://intranet.example/keys")], "RS256"),
        (vec![("TICKET_JWKS_URL", "http://127.0.0.1:9/keys"), ("TICKET_ALGORITHM", "ES256")], "ES256"),
    ] {
        let loaded = load(&changes).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(loaded.hints, Vec::<String>::new());
        let ticket = loaded.config.ticket.expect("tickets are open");
        assert_eq!((ticket.algorithm.as_str(), ticket.audience.as_str()), (algorithm, "http://localhost:8080"));
        assert!(!format!("{ticket:?}{:?}", loaded.shown).contains(SECRET), "{ticket:?}");
    }
}

#[test]
fn settings_without_effect_and_frames_without_cookies_are_remarked_upon() {
    let hints = |changes: &[(&str, &str)]| load(changes).unwrap_or_else(|problems| panic!("{problems}")).hints;
    assert_eq!(
        hints(&[("SIGN_IN", "password"), ("TICKET_SECRET_FILE", "/nowhere")]),
        [
            "TICKET_ISSUER has no effect: SIGN_IN does not list ticket",
            "TICKET_SECRET has no effect: SIGN_IN does not list ticket"
        ]
    );
    let framed = [("TICKET_SECRET", SECRET), ("FRAME_ANCESTORS", "self https://intranet.example")];
    let [hint] = &hints(&framed)[..] else { panic!("one hint") };
    assert!(hint.starts_with("FRAME_ANCESTORS names what may be another site (https://intranet.example)"), "{hint}");
    assert_eq!(hints(&[&framed[..], &[("PUBLIC_URL", "https://portal.example")]].concat()), Vec::<String>::new());
}
