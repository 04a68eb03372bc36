//! `keygen`, judged by OpenSSL.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::qlik::key::{KeyError, SigningKey};
use tempfile::TempDir;
use time::OffsetDateTime;

const SMALL: &[&str] = &["--bits=2048"];

/// What `openssl` prints; it must succeed.
fn openssl(folder: &Path, args: &str) -> String {
    let output = Command::new("openssl").args(args.split(' ')).current_dir(folder).output().expect("openssl runs");
    assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Runs the binary: what it printed, or why it refused.
fn keygen(dir: &Path, options: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_qlik-embed-bff"))
        .args(["keygen", "--dir"])
        .arg(dir)
        .args(options)
        .env_clear()
        .output()
        .expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    if output.status.success() {
        assert!(output.stderr.is_empty(), "{}", text(output.stderr));
        Ok(text(output.stdout))
    } else {
        assert!(output.stdout.is_empty(), "{}", text(output.stdout));
        Err(text(output.stderr))
    }
}

fn now() -> OffsetDateTime {
    Clock::default().now()
}

fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name().into_string().expect("text"), fs::read(entry.path()).expect("a file")))
        .collect();
    files.sort();
    files
}

fn names(dir: &Path) -> Vec<String> {
    files(dir).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn openssl_takes_the_pair() {
    let home = TempDir::new().expect("a folder");
    let keys = home.path().join("keys");
    let printed = keygen(&keys, &[]).expect("a pair");

    assert_eq!(names(&keys), ["privatekey.pem", "publickey.cer"]);
    let mode = |name| fs::metadata(keys.join(name)).expect("a file").permissions().mode() & 0o777;
    assert_eq!(mode("privatekey.pem"), 0o600);
    assert_eq!(mode("publickey.cer") & 0o600, 0o600);

    let key = openssl(&keys, "pkey -in privatekey.pem -check -noout -text");
    assert!(key.contains("Key is valid") && key.contains("(4096 bit"), "{key}");
    assert!(
        fs::read_to_string(keys.join("privatekey.pem")).expect("text").starts_with("-----BEGIN PRIVATE KEY-----\n")
    );
    let public = openssl(&keys, "pkey -in privatekey.pem -pubout");
    assert_eq!(public, openssl(&keys, "x509 -in publickey.cer -noout -pubkey"));
    assert_eq!(
        openssl(&keys, "rsa -in privatekey.pem -noout -modulus"),
        openssl(&keys, "x509 -in publickey.cer -noout -modulus")
    );

    openssl(&keys, "verify -CAfile publickey.cer publickey.cer");
    openssl(&keys, "verify -x509_strict -partial_chain -trusted publickey.cer publickey.cer");
    let text = openssl(&keys, "x509 -in publickey.cer -noout -text");
    for part in ["Version: 3", "sha256WithRSAEncryption", "CN = qlik-embed-bff", "Digital Signature"] {
        assert!(text.replace("CN=", "CN = ").contains(part), "{part} in {text}");
    }
    let day = 24 * 3600;
    openssl(&keys, &format!("x509 -in publickey.cer -noout -checkend {}", 1824 * day));
    let later = format!("x509 -in publickey.cer -noout -checkend {}", 1826 * day);
    let later = Command::new("openssl").args(later.split(' ')).current_dir(&keys).output().expect("openssl runs");
    assert!(!later.status.success(), "valid for longer than asked");

    what_is_printed_can_be_pasted(&printed, &keys);
}

fn what_is_printed_can_be_pasted(printed: &str, keys: &Path) {
    let line = printed.lines().last().expect("a line");
    let unfolded = fs::read_to_string(keys.join("publickey.cer")).expect("text").replace('\n', "");
    assert_eq!(line, unfolded, "no line end, no blank at the end");

    let pem = fs::read_to_string(keys.join("privatekey.pem")).expect("text");
    let key = SigningKey::parse(&pem.into()).expect("our own key");
    assert!(key.check_certificate(line, now()).is_ok());
    let id = key.fingerprint();
    let setting = |name: &str| {
        let (_, value) = printed.split_once(&format!("{name}=")).expect("the setting");
        value.lines().next().expect("a value")
    };
    assert_eq!(setting("QLIK_JWT_KEY_ID"), id);
    assert_eq!(setting("QLIK_JWT_ISSUER"), format!("qlik-embed-bff-{}", &id[..8]));
    assert_eq!(setting("QLIK_JWT_PRIVATE_KEY_FILE"), keys.join("privatekey.pem").display().to_string());
    for pasted in [format!("Issuer       qlik-embed-bff-{}\n", &id[..8]), format!("Key ID       {id}\n")] {
        assert!(printed.contains(&pasted), "{pasted} in {printed}");
    }
    assert!(!printed.contains("PRIVATE KEY"), "the key itself is not shown");
}

#[test]
fn nothing_is_replaced_unasked() {
    let home = TempDir::new().expect("a folder");
    let keys = home.path();
    fs::write(keys.join("README"), "stays").expect("written");
    keygen(keys, SMALL).expect("a pair");
    let before = files(keys);

    let refusal = keygen(keys, SMALL).expect_err("exists");
    assert!(refusal.contains("privatekey.pem exists already") && refusal.contains("--force"), "{refusal}");
    assert_eq!(files(keys), before);

    let printed = keygen(keys, &["--bits=2048", "--force"]).expect("replaced");
    assert!(printed.contains("The old pair is gone"), "{printed}");
    let after = files(keys);
    assert_eq!(after.len(), 3, "nothing is left behind");
    for ((name, old), (_, new)) in before.iter().zip(&after) {
        assert_eq!(old == new, name == "README", "{name}");
    }
    assert_eq!(fs::metadata(keys.join("privatekey.pem")).expect("a file").permissions().mode() & 0o777, 0o600);

    for alone in ["privatekey.pem", "publickey.cer"] {
        let home = TempDir::new().expect("a folder");
        fs::write(home.path().join(alone), "precious").expect("written");
        let refusal = keygen(home.path(), SMALL).expect_err("exists");
        assert!(refusal.contains(alone), "{refusal}");
        assert_eq!(files(home.path()), [(alone.to_owned(), b"precious".to_vec())]);
    }
}

#[test]
fn what_cannot_be_done_is_told_and_leaves_nothing() {
    let home = TempDir::new().expect("a folder");
    let at = |path: &str| home.path().join(path);
    fs::write(at("file"), "").expect("written");
    fs::create_dir_all(at("odd/publickey.cer")).expect("made");
    let long = format!("--common-name={}", "x".repeat(65));
    let cases = [
        ("new/parent", "", "does not exist"),
        ("file", "", "is a file"),
        ("odd", "--force", "is not a plain file"),
        ("new", "--common-name= ", "--common-name must have"),
        ("new", &long, "--common-name must have"),
        ("new", "--days=0", "--days"),
        ("new", "--bits=1024", "must be 2048 or 4096"),
    ];
    for (dir, option, expected) in cases {
        let options: Vec<&str> = [option].into_iter().filter(|option| !option.is_empty()).collect();
        let refusal = keygen(&at(dir), &options).expect_err(expected);
        assert!(refusal.contains(expected), "{refusal}");
    }
    assert!(!at("new").exists() && names(&at("odd/publickey.cer")).is_empty());
    assert_eq!(fs::read_dir(at("odd")).expect("a folder").count(), 1);
}

#[test]
fn keys_that_openssl_made_are_read_or_refused_by_name() {
    let home = TempDir::new().expect("a folder");
    let dir = home.path();
    openssl(dir, "genrsa -out pkcs8.pem 2048");
    openssl(dir, "rsa -in pkcs8.pem -traditional -out pkcs1.pem");
    openssl(dir, "pkey -in pkcs8.pem -aes256 -passout pass:x -out encrypted8.pem");
    openssl(dir, "rsa -in pkcs8.pem -aes256 -passout pass:x -traditional -out encrypted1.pem");
    openssl(dir, "pkey -in pkcs8.pem -pubout -out public8.pem");
    openssl(dir, "rsa -in pkcs8.pem -RSAPublicKey_out -out public1.pem");
    openssl(dir, "genrsa -out small8.pem 1024");
    openssl(dir, "rsa -in small8.pem -traditional -out small1.pem");
    openssl(dir, "ecparam -name prime256v1 -genkey -noout -out elliptic1.pem");
    openssl(dir, "pkey -in elliptic1.pem -out elliptic8.pem");
    openssl(dir, "genpkey -algorithm ed25519 -out ed25519.pem");
    openssl(dir, "genpkey -algorithm rsa-pss -pkeyopt rsa_keygen_bits:2048 -out pss.pem");
    openssl(dir, "req -x509 -key pkcs8.pem -subj /CN=x -days 2 -out certificate.pem");
    openssl(dir, "req -new -key pkcs8.pem -subj /CN=x -out request.pem");
    openssl(dir, "pkey -in pkcs8.pem -outform DER -out binary.der");

    let read = |name: &str| String::from_utf8_lossy(&fs::read(dir.join(name)).expect("a file")).into_owned();
    let parse = |name: &str| SigningKey::parse(&read(name).into());
    for name in ["pkcs8.pem", "pkcs1.pem"] {
        let key = parse(name).expect("readable");
        assert_eq!(key.bits(), 2048);
        assert!(key.check_certificate(&read("certificate.pem"), now()).is_ok());
    }
    let refused = [
        ("encrypted8.pem", KeyError::Encrypted),
        ("encrypted1.pem", KeyError::Encrypted),
        ("public8.pem", KeyError::NotPrivate("public key")),
        ("public1.pem", KeyError::NotPrivate("public key")),
        ("small8.pem", KeyError::TooSmall),
        ("small1.pem", KeyError::TooSmall),
        ("elliptic1.pem", KeyError::NotRsa),
        ("elliptic8.pem", KeyError::NotRsa),
        ("ed25519.pem", KeyError::NotRsa),
        ("pss.pem", KeyError::NotRsa),
        ("certificate.pem", KeyError::NotPrivate("certificate")),
        ("request.pem", KeyError::NotPrivate("certificate request")),
        ("binary.der", KeyError::NotPem),
    ];
    for (name, expected) in refused {
        assert_eq!(parse(name).expect_err(name), expected, "{name}");
    }
}
