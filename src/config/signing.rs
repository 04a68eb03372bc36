//! Settings of the token: the key, its certificate, and what the tenant knows them by.

use std::path::{Path, PathBuf};
use std::time::Duration;

use time::OffsetDateTime;

use super::reader::Reader;
use super::settings::DEFAULT_KEY_FILE;
use crate::qlik::key::SigningKey;
use crate::qlik::token::Settings;

/// How long before a certificate's end the remarks begin.
const EXPIRES_SOON: time::Duration = time::Duration::days(30);

pub(super) fn read(reader: &mut Reader, now: OffsetDateTime) -> Option<Settings> {
    const COPY: &str = "copy it from the tenant: Administration, Identity provider, the entry of type JWT";
    let word = |text: &str| {
        if text.chars().any(char::is_control) { Err("has control characters") } else { Ok(text.to_owned()) }
    };
    let issuer = reader.required("QLIK_JWT_ISSUER", COPY, word);
    let key_id = reader.required("QLIK_JWT_KEY_ID", COPY, word);
    let key = key(reader, now);
    let duration = |text: &str| humantime::parse_duration(text).map_err(|_| "is not a length of time");
    let remedy = "write a number with its unit, for example 60s";
    let lifetime: Option<Duration> = reader.required("QLIK_JWT_LIFETIME", remedy, duration);
    let skew: Option<Duration> = reader.required("QLIK_JWT_SKEW", remedy, duration);
    match Settings::new(&issuer?, &key_id?, key?, lifetime?, skew?) {
        Ok(settings) => Some(settings),
        Err(problem) => {
            reader.problem("QLIK_JWT_LIFETIME", problem, remedy);
            None
        }
    }
}

fn key(reader: &mut Reader, now: OffsetDateTime) -> Option<SigningKey> {
    let (pem, file) = reader.secret("QLIK_JWT_PRIVATE_KEY", Some(DEFAULT_KEY_FILE))?;
    let variable = if file.is_some() { "QLIK_JWT_PRIVATE_KEY_FILE" } else { "QLIK_JWT_PRIVATE_KEY" };
    let key = match SigningKey::parse(&pem) {
        Ok(key) => key,
        Err(problem) => {
            reader.problem(variable, problem, "make a key with `qlik-embed-bff keygen`, or name the right file");
            return None;
        }
    };
    if let Some(file) = file {
        warn_when_others_may_read(reader, &file);
        check_certificate(reader, &key, &file, now)?;
    }
    Some(key)
}

/// A private key that its group or everybody may read is as good as published.
fn warn_when_others_may_read(reader: &mut Reader, file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o077 != 0) {
        reader.hint(format!("{} may be read by other users of this machine: chmod 600 it", file.display()));
    }
}

/// Where the certificate would lie: beside the key, by the name that `keygen` gives it or by the key's own.
fn certificate_beside(key: &Path) -> Option<PathBuf> {
    let candidates = [key.with_file_name("publickey.cer"), key.with_extension("cer"), key.with_extension("crt")];
    candidates.into_iter().find(|file| file.is_file())
}

fn check_certificate(reader: &mut Reader, key: &SigningKey, file: &Path, now: OffsetDateTime) -> Option<()> {
    const VARIABLE: &str = "QLIK_JWT_PRIVATE_KEY_FILE";
    let Some(certificate) = certificate_beside(file) else { return Some(()) };
    let name = certificate.display();
    let pem = match std::fs::read_to_string(&certificate) {
        Ok(pem) => pem,
        Err(problem) => {
            reader.hint(format!(
                "the certificate {name} beside the key cannot be read ({problem}), so it was not checked"
            ));
            return Some(());
        }
    };
    match key.check_certificate(&pem, now) {
        Ok(dates) => {
            if dates.not_after - now < EXPIRES_SOON {
                let days = (dates.not_after - now).whole_days();
                reader.hint(format!(
                    "the certificate {name} expires in {days} days: make a new key and identity provider"
                ));
            }
            Some(())
        }
        Err(problem) => {
            let remedy = "put the key's own certificate there, or make a new pair with `qlik-embed-bff keygen`";
            reader.problem(VARIABLE, format!("lies beside the certificate {name}, which {problem}"), remedy);
            None
        }
    }
}
