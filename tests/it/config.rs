//! What an administrator can get wrong, and what they are told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::config::{self, Config, Env, Loaded, Problem, Problems};
use qlik_embed_bff::qlik::key::{self, CertificateDates, KeySize};
use secrecy::ExposeSecret;
use time::Duration;

use crate::portal::{KEY, settings};

mod components;
mod file;
mod observed;
mod pages;
mod proxy;
mod rates;

fn load(changes: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    load_in(folder.path(), changes)
}

/// An empty value takes the setting away.
fn load_in(folder: &Path, changes: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let mut env: Env = settings(folder);
    env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    config::load(&env, Clock::default().now())
}

fn good(changes: &[(&str, &str)]) -> (Config, Vec<String>) {
    let loaded = load(changes).unwrap_or_else(|problems| panic!("{problems}"));
    (loaded.config, loaded.hints)
}

/// The one problem that these changes make: variable and reason.
fn problem(changes: &[(&str, &str)]) -> (String, String) {
    let problems = load(changes).expect_err("a problem").problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    let Problem { variable, reason, remedy } = problems[0].clone();
    assert!(remedy.len() > 10, "{remedy}");
    (variable, reason)
}

#[test]
fn the_least_that_must_be_set_is_enough() {
    let (config, hints) = good(&[]);
    assert_eq!(hints, Vec::<String>::new());
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url.as_str(), "http://localhost:8080");
    assert_eq!(config.server.frame_ancestors, ["'self'"]);
    assert_eq!(config.tenant.origin.as_str(), "https://acme.eu.qlikcloud.com");
    assert_eq!((config.session.idle.as_secs(), config.session.max.as_secs()), (1800, 43_200));
    assert_eq!(config.pages.all().len(), 1);
}

#[test]
fn every_bad_value_is_named_with_its_reason() {
    for (name, value, reason) in [
        (
            "QLIK_TENANT",
            "https://acme.eu.qlikcloud.com/sense",
            "must end after the host name: remove the path, query, fragment and user name",
        ),
        (
            "QLIK_TENANT",
            "http://acme.eu.qlikcloud.com",
            "must be https: plain http is accepted only for this machine (localhost, 127.0.0.1, [::1])",
        ),
        ("QLIK_TENANT", "", "is not set"),
        ("QLIK_APP_ID", "Sales", "is not an app id, which is a GUID"),
        ("QLIK_SHEET_ID", "a/b", "is not a sheet id"),
        ("QLIK_WEB_INTEGRATION_ID", "a b", "is not the id of a web integration"),
        ("QLIK_THEME", "<x>", "is not a theme id"),
        ("QLIK_OPTIONS", "ctxmenu&x=1", "has something that is no option"),
        ("QLIK_FLOW", "magic", "is not a flow"),
        ("QLIK_JWT_ISSUER", "", "is not set"),
        ("QLIK_JWT_LIFETIME", "soon", "is not a length of time"),
        ("QLIK_JWT_LIFETIME", "2h", "makes tokens good for 7230 s, skew included, and Qlik refuses more than 3600 s"),
        (
            "PUBLIC_URL",
            "https://{domain}",
            "has no usable host name: letters, digits, dots and hyphens, or an IP address",
        ),
        ("QLIK_TENANT", "a\"b.example", "has no usable host name: letters, digits, dots and hyphens, or an IP address"),
        ("LISTEN", "here", "is not an address to listen on"),
        (
            "PUBLIC_URL",
            "https://portal.example/qlik",
            "must end after the host name: remove the path, query, fragment and user name",
        ),
        ("TRUSTED_PROXIES", "10.0.0.0/8 proxy", "has an item that is no address or network"),
        (
            "FRAME_ANCESTORS",
            "https://a.example; script-src *",
            "has https://a.example;, which has no usable host name: letters, digits, dots and hyphens, or an IP address",
        ),
        ("TOKEN_ALLOWED_ORIGINS", "*", "is not an address such as https://portal.example"),
        ("TLS_CERT_FILE", "cert.pem", "is not set, but TLS_CERT_FILE is"),
        ("LOG_FORMAT", "xml", "is neither text nor json"),
        ("RUST_LOG", "a=b=c", "is not a log filter"),
        ("SIGN_IN", "magic", "has magic, which is no way to sign in"),
        ("SIGN_IN", ",", "is empty: nobody could sign in"),
        ("SUBJECT_TEMPLATE", "{id", "has a brace without its partner"),
        (
            "SUBJECT_TEMPLATE",
            "{id}|{random}",
            "has {random}, which can change: one person would become several Qlik users",
        ),
        (
            "SUBJECT_TEMPLATE",
            "everybody",
            "is the same for several people, who would see each other's data; it needs {id}, {email} or a claim that is one person's",
        ),
        ("SUBJECT_LOOKUP", "name", "is neither email nor off"),
        ("SUBJECT_LOOKUP", "email", "is email, and there is nothing to ask the tenant with"),
        ("SUBJECT_LOOKUP_ELSE", "guess", "is neither deny nor rules"),
        ("QLIK_API_KEY", "two words", "has characters that are in no such secret"),
        ("QLIK_ADMIN_CLIENT_ID", "machine", "is set, and QLIK_ADMIN_CLIENT_SECRET is not"),
        ("QLIK_ADMIN_CLIENT_SECRET", "x", "is set, and QLIK_ADMIN_CLIENT_ID is not"),
        ("DATABASE_URL", "mysql://localhost/x", "is no address of SQLite or PostgreSQL"),
        (
            "DATABASE_URL",
            "sqlite:/nowhere/at/all/x.db",
            "lies in /nowhere/at/all, and neither that folder nor the one above it exists",
        ),
        ("DATABASE_URL", "sqlite:/tmp", "names no file"),
        ("DATABASE_URL", "sqlite:x.db?mode=rwc", "has options or a special name, and only files are supported"),
        ("DATABASE_URL", "sqlite::memory:", "has options or a special name, and only files are supported"),
        ("SESSION_SECRET", "short", "has fewer than 32 characters"),
        ("SESSION_IDLE", "13h", "is longer than SESSION_MAX"),
        ("SESSION_MAX", "10s", "is less than a minute"),
    ] {
        let variable = if name == "TLS_CERT_FILE" { "TLS_KEY_FILE" } else { name };
        assert_eq!(problem(&[(name, value)]), (variable.to_owned(), reason.to_owned()), "{name}={value}");
    }
}

#[test]
fn all_problems_stand_in_one_report() {
    let problems = load(&[
        ("QLIK_TENANT", "http://acme.example"),
        ("QLIK_APP_ID", "x"),
        ("SESSION_SECRET", "short"),
        ("QLIK_THEM", "dark"),
        ("SHEETID", "abc"),
        ("QLIK_SHEET_ID", ""),
    ])
    .expect_err("problems");
    assert_eq!(
        problems.to_string(),
        "the configuration has 3 problems\n\
         \n  QLIK_TENANT must be https: plain http is accepted only for this machine (localhost, 127.0.0.1, [::1])\
         \n      write the tenant's host name, for example QLIK_TENANT=acme.eu.qlikcloud.com\n\
         \n  QLIK_APP_ID is not an app id, which is a GUID\
         \n      open the app in the tenant and copy the id behind /app/ in the address, such as 2d54bd8e-...-0a5c\n\
         \n  SESSION_SECRET has fewer than 32 characters\
         \n      make one with `openssl rand -base64 48`, or leave it out\n\
         \n  note: SHEETID is understood; its name here is QLIK_SHEET_ID\
         \n  note: QLIK_THEM is not known and has no effect; did you mean QLIK_THEME?\n"
    );
}

#[test]
fn spellings_of_the_tutorial_and_of_samples_are_understood() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut env = settings(folder.path());
    for (old, new, value) in [
        ("tenantDomain", "QLIK_TENANT", "other.us.qlikcloud.com"),
        ("WEBINTEGRATIONID", "QLIK_WEB_INTEGRATION_ID", "wi"),
        ("APPID", "QLIK_APP_ID", "00000000-0000-4000-8000-000000000000"),
        ("SHEET_ID", "QLIK_SHEET_ID", "sheet"),
        ("IDENTITY", "QLIK_IDENTITY", "kiosk"),
        ("issuer", "QLIK_JWT_ISSUER", "me"),
        ("keyid", "QLIK_JWT_KEY_ID", "k"),
        ("APP_BASE_URL", "PUBLIC_URL", "https://portal.example"),
    ] {
        env.remove(new);
        env.insert(old.to_owned(), value.to_owned());
    }
    env.insert("PORT".into(), "3000".into());
    let loaded = config::load(&env, Clock::default().now()).unwrap_or_else(|problems| panic!("{problems}"));
    let Loaded { config, hints, .. } = loaded;
    assert_eq!(config.tenant.origin.as_str(), "https://other.us.qlikcloud.com");
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.server.public_url.as_str(), "https://portal.example");
    assert_eq!(config.pages.all()[0].identity.as_deref(), Some("kiosk"));
    assert_eq!(hints.len(), 9);
    assert!(hints.contains(&"APPID is understood; its name here is QLIK_APP_ID".to_owned()));
    assert!(hints.contains(&"PORT is understood; its name here is LISTEN".to_owned()));
    // The new spelling wins.
    env.insert("QLIK_IDENTITY".into(), "new".into());
    let loaded = config::load(&env, Clock::default().now()).expect("still good");
    assert_eq!(loaded.config.pages.all()[0].identity.as_deref(), Some("new"));
    assert!(loaded.hints.contains(&"IDENTITY has no effect beside QLIK_IDENTITY".to_owned()));
}

#[test]
fn look_alikes_are_reported_and_strangers_are_not() {
    let (_, hints) = good(&[
        ("QLIK_SHEETID", "x"),
        ("OIDC_ISUER", "x"),
        ("HOME", "/root"),
        ("SESSION_MANAGER", "x"),
        ("DATABASE_CONECTIONS", "9"),
    ]);
    assert_eq!(
        hints,
        [
            "DATABASE_CONECTIONS is not known and has no effect; did you mean DATABASE_CONNECTIONS?",
            "OIDC_ISUER is not known and has no effect; did you mean OIDC_ISSUER?",
            "QLIK_SHEETID is not known and has no effect; did you mean QLIK_SHEET_ID?"
        ]
    );
}

#[test]
fn secrets_come_from_the_variable_or_from_a_file_but_not_from_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    let path = file.to_str().expect("a path");
    let secret = "a secret of more than thirty-two characters";
    fs::write(&file, format!("{secret}\n")).expect("written");
    let (config, _) = good(&[("SESSION_SECRET_FILE", path)]);
    assert_eq!(config.store.secret.expect("a secret").expose_secret(), secret);
    assert_eq!(
        problem(&[("SESSION_SECRET_FILE", path), ("SESSION_SECRET", secret)]),
        ("SESSION_SECRET".into(), "and SESSION_SECRET_FILE are both set".into())
    );
    fs::write(&file, "\n").expect("written");
    assert_eq!(problem(&[("SESSION_SECRET_FILE", path)]).1, format!("names {path}, which is empty"));
    let (variable, reason) = problem(&[("SESSION_SECRET_FILE", "/nowhere/secret")]);
    assert_eq!(variable, "SESSION_SECRET_FILE");
    assert!(reason.starts_with("names /nowhere/secret, which cannot be read (No such file"), "{reason}");
}

#[test]
fn what_is_shown_masks_secrets() {
    let secret = "a secret of more than thirty-two characters";
    let loaded = load(&[("SESSION_SECRET", secret), ("IDENTITY", "kiosk")]).expect("good");
    let shown: Vec<_> = loaded.shown.iter().map(|line| (line.name, line.value.as_str(), line.from.as_str())).collect();
    assert!(shown.contains(&("SESSION_SECRET", "(set, not shown)", "environment")));
    assert!(shown.contains(&("QLIK_JWT_PRIVATE_KEY", "(set, not shown)", "environment")));
    assert!(shown.contains(&("PUBLIC_URL", "http://localhost:8080", "LISTEN")));
    assert!(shown.contains(&("QLIK_IDENTITY", "kiosk", "IDENTITY")));
    assert!(shown.contains(&("SESSION_IDLE", "30m", "default")));
    let everything = format!("{:?} {:?}", loaded.shown, loaded.config);
    assert!(!everything.contains(secret) && !everything.contains("PRIVATE KEY-----"), "{everything}");
}

#[test]
fn keys_are_checked_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("privatekey.pem");
    let path = file.to_str().expect("a path").to_owned();
    let with = |text: &str| {
        fs::write(&file, text).expect("written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
        load(&[("QLIK_JWT_PRIVATE_KEY", ""), ("QLIK_JWT_PRIVATE_KEY_FILE", &path)])
    };
    let reason = |text: &str| {
        let problems = with(text).expect_err("a problem").problems;
        assert_eq!((problems.len(), problems[0].variable.as_str()), (1, "QLIK_JWT_PRIVATE_KEY_FILE"), "{problems:?}");
        problems[0].reason.clone()
    };
    let key = KEY.private_key.expose_secret();
    assert_eq!(with(key).expect("a good key").hints, Vec::<String>::new());
    for (text, part) in [("hello", "PEM"), (&KEY.certificate, "certificate"), (EC_KEY, "RSA"), (&key[..400], "PEM")] {
        let reason = reason(text);
        assert!(reason.contains(part), "{reason}");
        assert!(!reason.contains("MII"), "{reason}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("ours");
    fs::write(&file, key).expect("written");
    let hints = load(&[("QLIK_JWT_PRIVATE_KEY", ""), ("QLIK_JWT_PRIVATE_KEY_FILE", &path)]).expect("good").hints;
    assert_eq!(hints, [format!("{path} may be read by other users of this machine: chmod 600 it")]);
}

#[test]
fn a_certificate_beside_the_key_must_be_its_own_and_in_force() {
    let now = Clock::default().now();
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = folder.path().join("publickey.cer");
    let file = folder.path().join("privatekey.pem");
    let path = file.to_str().expect("a path").to_owned();
    let mut env = settings(folder.path());
    env.remove("QLIK_JWT_PRIVATE_KEY");
    env.insert("QLIK_JWT_PRIVATE_KEY_FILE".into(), path);
    let pair = key::generate(
        KeySize::Rsa2048,
        "test",
        CertificateDates { not_before: now - Duration::DAY, not_after: now + Duration::days(100) },
    )
    .expect("a key");
    fs::write(&file, pair.private_key.expose_secret()).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
    fs::write(&certificate, &pair.certificate).expect("written");
    let loaded = |days: i64| config::load(&env, now + Duration::days(days));
    assert_eq!(loaded(0).expect("in force").hints, Vec::<String>::new());
    let hints = loaded(90).expect("still in force").hints;
    assert_eq!(hints.len(), 1);
    assert!(
        hints[0].ends_with("expires in 9 days: make a new key and identity provider")
            || hints[0].ends_with("expires in 10 days: make a new key and identity provider"),
        "{hints:?}"
    );
    let expired = loaded(101).expect_err("expired").problems;
    assert!(expired[0].reason.contains("expired"), "{expired:?}");
    // A certificate of the key's own name comes first: while keys are changed, two pairs lie in one folder.
    fs::write(folder.path().join("privatekey.cer"), &pair.certificate).expect("written");
    fs::write(&certificate, &KEY.certificate).expect("written");
    assert!(loaded(0).is_ok());
    fs::remove_file(folder.path().join("privatekey.cer")).expect("it is there");
    let foreign = loaded(0).expect_err("another key's certificate").problems;
    assert_eq!(foreign[0].variable, "QLIK_JWT_PRIVATE_KEY_FILE");
    assert!(foreign[0].reason.contains("lies beside the certificate"), "{foreign:?}");
}

/// Made with `openssl ecparam -name prime256v1 -genkey | openssl pkcs8 -topk8 -nocrypt`; guards nothing.
const EC_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2
OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r
1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G
-----END PRIVATE KEY-----
";

#[test]
fn proxies_and_frames_are_lists() {
    let (config, _) = good(&[
        ("TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.7"),
        ("FRAME_ANCESTORS", "self https://*.portal.example"),
        ("TOKEN_ALLOWED_ORIGINS", "https://a.example,https://b.example/"),
        ("PUBLIC_URL", "http://portal.example"),
        ("LISTEN", "[::1]:9000"),
    ]);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.server.frame_ancestors, ["'self'", "https://*.portal.example"]);
    assert_eq!(
        config.server.token_allowed_origins.iter().map(|o| o.as_str()).collect::<Vec<_>>(),
        ["https://a.example", "https://b.example"]
    );
    let hint = |ways: &'static str| {
        let frames = [("FRAME_ANCESTORS", "https://intranet.example"), ("PUBLIC_URL", "https://portal.example")];
        let ticket = [("TICKET_ISSUER", "intranet"), ("TICKET_SECRET", "0123456789abcdef0123456789abcdef")];
        let (_, hints) = good(&[&[("SIGN_IN", ways)], &frames[..], &ticket].concat());
        hints.into_iter().find(|hint| hint.starts_with("FRAME_ANCESTORS"))
    };
    assert!(hint("password").is_some_and(|hint| hint.contains("has neither ticket nor header")));
    assert_eq!(hint("password, ticket"), None);
    let (_, hints) = good(&[("PUBLIC_URL", "http://portal.example")]);
    assert!(hints[0].starts_with("PUBLIC_URL is plain http"), "{hints:?}");
    assert_eq!(
        problem(&[("LISTEN", "0.0.0.0:8080")]),
        ("PUBLIC_URL".into(), "is not set, and the server listens beyond this machine".into())
    );
}

#[test]
fn identity_headers_need_a_proxy_that_is_believed() {
    let header = |changes: &[(&'static str, &'static str)]| {
        let mut all = vec![
            ("SIGN_IN", "header"),
            ("TRUSTED_PROXIES", "127.0.0.1"),
            ("HEADER_ID", "Remote-User"),
            ("HEADER_EMAIL", "Remote-Email"),
        ];
        all.extend(changes);
        all
    };
    let (config, hints) =
        good(&header(&[("HEADER_GROUPS_SEPARATOR", "|"), ("HEADER_SIGN_OUT_URL", "/oauth2/sign_out")]));
    let settings = config.header.expect("the way is open");
    assert_eq!(settings.names().map(|name| name.as_str()).collect::<Vec<_>>(), ["remote-user", "remote-email"]);
    assert_eq!((&*settings.separator, settings.sign_out_url.as_deref()), ("|", Some("/oauth2/sign_out")));
    assert_eq!(hints, Vec::<String>::new());
    for (changes, variable, reason) in [
        (("TRUSTED_PROXIES", ""), "TRUSTED_PROXIES", "is not set, and SIGN_IN has header: nobody would be believed"),
        (
            ("TRUSTED_PROXIES", "10.0.0.1 ::/0"),
            "TRUSTED_PROXIES",
            "has every address there is, and SIGN_IN has header: anybody could sign in as anybody",
        ),
        (("HEADER_ID", ""), "HEADER_ID", "is not set"),
        (("HEADER_ID", "Remote User"), "HEADER_ID", "is not the name of a header"),
        (("HEADER_ID", "Cookie"), "HEADER_ID", "is a header that browsers or proxies fill with something else"),
        (("HEADER_NAME", "remote_email"), "HEADER_ID", "and the others name remote-email more than once"),
        (("HEADER_SIGN_OUT_URL", "javascript:alert(1)"), "HEADER_SIGN_OUT_URL", "is neither a path nor an address"),
        (("HEADER_SIGN_OUT_URL", "//evil.example"), "HEADER_SIGN_OUT_URL", "is neither a path nor an address"),
    ] {
        assert_eq!(problem(&header(&[changes])), (variable.to_owned(), reason.to_owned()), "{changes:?}");
    }
    let (_, hints) = good(&header(&[("HEADER_EMAIL", "")]));
    assert!(hints.len() == 1 && hints[0].starts_with("HEADER_EMAIL is not set"), "{hints:?}");
    let (config, hints) = good(&[("HEADER_ID", "Remote-User")]);
    assert!(config.header.is_none());
    assert_eq!(hints, ["HEADER_ID has no effect: SIGN_IN does not list header"]);
}

#[test]
fn the_audit_needs_a_file_that_can_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    let file = at("audit.log");
    good(&[("AUDIT_FILE", &file)]);
    assert!(!Path::new(&file).exists(), "looking changes nothing");
    let (variable, reason) = problem(&[("AUDIT_FILE", &at("nowhere/audit.log"))]);
    assert_eq!((&*variable, reason), ("AUDIT_FILE", format!("lies in {}, and there is no such folder", at("nowhere"))));
    let (_, reason) = problem(&[("AUDIT_FILE", &at(""))]);
    assert!(reason.contains("which cannot be written (Is a directory"), "{reason}");
}

#[test]
fn tls_files_are_checked_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    fs::write(at("cert.pem"), &KEY.certificate).expect("written");
    fs::write(at("key.pem"), KEY.private_key.expose_secret()).expect("written");
    fs::write(at("other.pem"), EC_KEY).expect("written");
    fs::write(at("empty.pem"), "").expect("written");
    let load = |certificate: &str, key: &str| load(&[("TLS_CERT_FILE", &at(certificate)), ("TLS_KEY_FILE", &at(key))]);
    let config = load("cert.pem", "key.pem").expect("a pair").config;
    assert_eq!(config.server.public_url.as_str(), "https://localhost:8080");
    for (certificate, key, variable, part) in [
        ("nothing.pem", "key.pem", "TLS_CERT_FILE", "cannot be read"),
        ("empty.pem", "key.pem", "TLS_CERT_FILE", "without a certificate"),
        ("cert.pem", "empty.pem", "TLS_KEY_FILE", "without a private key"),
        ("cert.pem", "other.pem", "TLS_KEY_FILE", "does not fit TLS_CERT_FILE"),
    ] {
        let problems = load(certificate, key).expect_err("a problem").problems;
        assert_eq!((problems.len(), problems[0].variable.as_str()), (1, variable), "{problems:?}");
        assert!(problems[0].reason.contains(part), "{problems:?}");
    }
}

#[test]
fn an_openid_provider_is_asked_for_only_where_it_is_needed() {
    let open = [
        ("SIGN_IN", "password, oidc"),
        ("PUBLIC_URL", "https://portal.example"),
        ("OIDC_ISSUER", "https://login.example/realms/acme"),
        ("OIDC_CLIENT_ID", "portal"),
    ];
    let (config, hints) = good(&open);
    let oidc = config.oidc.expect("it is open");
    assert_eq!(hints, Vec::<String>::new());
    assert_eq!(oidc.redirect.as_str(), "https://portal.example/login/oidc/callback");
    assert_eq!(oidc.after_logout.as_str(), "https://portal.example/logout");
    assert_eq!((oidc.scopes, oidc.groups_claim.as_str()), (vec!["profile".into(), "email".into()], "groups"));
    assert!(oidc.client_secret.is_none() && !oidc.prompt_none);

    let problems = load(&[("SIGN_IN", "oidc")]).expect_err("two are missing").problems;
    let missing: Vec<_> = problems.iter().map(|problem| (problem.variable.as_str(), problem.reason.as_str())).collect();
    assert_eq!(missing, [("OIDC_ISSUER", "is not set"), ("OIDC_CLIENT_ID", "is not set")]);

    let (config, hints) = good(&[("OIDC_CLIENT_ID", "portal")]);
    assert!(config.oidc.is_none());
    assert_eq!(hints, ["OIDC_CLIENT_ID has no effect: SIGN_IN does not list oidc"]);
    let (_, hints) = good(&[("QLIK_API_KEY", "a-key"), ("SUBJECT_LOOKUP_ELSE", "rules")]);
    assert_eq!(hints, ["SUBJECT_LOOKUP_ELSE has no effect: SUBJECT_LOOKUP is off"]);
    assert_eq!(good(&[]).1, Vec::<String>::new());

    for (name, value, reason) in [
        ("OIDC_ISSUER", "login.example", "is not an address such as https://login.example"),
        ("OIDC_ISSUER", "ldap://login.example", "must start with https:// (or http:// on this machine)"),
        (
            "OIDC_ISSUER",
            "http://login.example",
            "must be https: plain http is accepted only for this machine (localhost, 127.0.0.1, [::1])",
        ),
        ("OIDC_ISSUER", "https://login.example/?tenant=acme", "must have no query, fragment or user name"),
        (
            "OIDC_ISSUER",
            "https://login.example/.well-known/openid-configuration",
            "is the address of the discovery document; the issuer is what stands before /.well-known",
        ),
        ("OIDC_CLIENT_ID", "", "is not set"),
        ("OIDC_PROMPT_NONE", "maybe", "is neither true nor false"),
    ] {
        assert_eq!(problem(&[&open[..], &[(name, value)]].concat()), (name.to_owned(), reason.to_owned()), "{value}");
    }
    assert!(load(&[&open[..], &[("OIDC_ISSUER", "http://localhost:3000")]].concat()).is_ok());
}

#[test]
fn the_secret_of_the_openid_client_may_lie_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    fs::write(&file, "s3cret\n").expect("written");
    let file = file.display().to_string();
    let open = [("SIGN_IN", "oidc"), ("OIDC_ISSUER", "https://login.example"), ("OIDC_CLIENT_ID", "portal")];
    let from_file = [&open[..], &[("OIDC_CLIENT_SECRET_FILE", &file)]].concat();
    let oidc = good(&from_file).0.oidc.expect("it is open");
    assert_eq!(oidc.client_secret.as_ref().map(ExposeSecret::expose_secret), Some("s3cret"));
    assert!(!format!("{oidc:?}").contains("s3cret"));
    let twice = [&from_file[..], &[("OIDC_CLIENT_SECRET", "another")]].concat();
    assert_eq!(problem(&twice).0, "OIDC_CLIENT_SECRET");
    let shown = load(&from_file).expect("good").shown;
    assert!(shown.iter().any(|line| line.name == "OIDC_CLIENT_SECRET" && line.value == "(set, not shown)"));
}
