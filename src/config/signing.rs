//! Settings of the token: the key, its certificate, and what the tenant knows them by.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use super::reader::{DURATION, Reader, duration, line};
use super::settings::DEFAULT_KEY_FILE;
use crate::qlik::key::{CERTIFICATE_FILE, PRIVATE_KEY_FILE, SigningKey};
use crate::qlik::token::{Settings, Validity};

/// How long before a certificate's end the remarks begin.
pub const EXPIRES_SOON: time::Duration = time::Duration::days(30);

/// The certificate of the key, where it is known.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The file.
    pub file: PathBuf,
    /// When it ends.
    pub not_after: OffsetDateTime,
}

/// Whether anybody set something that is about tokens.
pub(super) fn is_given(reader: &Reader) -> bool {
    ["QLIK_JWT_ISSUER", "QLIK_JWT_KEY_ID", "QLIK_JWT_PRIVATE_KEY"].iter().any(|name| reader.is_given(name))
}

pub(super) fn read(reader: &mut Reader, now: OffsetDateTime) -> Option<(Settings, Option<Certificate>)> {
    const COPY: &str = "copy it from the tenant: Administration, Identity provider, the entry of type JWT";
    let issuer = reader.required("QLIK_JWT_ISSUER", COPY, line);
    let key_id = reader.required("QLIK_JWT_KEY_ID", COPY, line);
    let key = key(reader, now);
    let validity = validity(reader);
    let (key, certificate) = key?;
    Some((Settings::new(&issuer?, &key_id?, key, validity?), certificate))
}

/// The key and what the tenant knows it by, as far as there is something.
#[derive(Clone, Debug)]
pub struct KeyInPlace {
    /// What the tenant's identity provider has as issuer.
    pub issuer: Option<String>,
    /// What it has as key ID.
    pub key_id: Option<String>,
    /// The key, once it is made.
    pub key: Option<SigningKey>,
    /// Its file, or where it will be; nothing when the variable itself has the key.
    pub file: Option<PathBuf>,
    /// The certificate beside it.
    pub certificate: Option<PathBuf>,
    /// For how long tokens are good.
    pub validity: Validity,
}

/// The same as [`read`], for whoever makes what is missing.
pub(super) fn read_in_place(reader: &mut Reader, now: OffsetDateTime) -> Option<KeyInPlace> {
    const COPY: &str = "copy it from the tenant, or leave it out";
    const KEY: &str = "QLIK_JWT_PRIVATE_KEY";
    let issuer = reader.optional("QLIK_JWT_ISSUER", COPY, line);
    let key_id = reader.optional("QLIK_JWT_KEY_ID", COPY, line);
    let validity = validity(reader);
    let place = PathBuf::from(reader.file_of(KEY).unwrap_or(DEFAULT_KEY_FILE));
    let is_inline = reader.is_set(KEY);
    let (key, certificate) = if is_inline || std::fs::symlink_metadata(&place).is_ok() {
        let (key, certificate) = key(reader, now)?;
        (Some(key), certificate.map(|certificate| certificate.file))
    } else {
        (None, None)
    };
    let file = (!is_inline).then_some(place);
    Some(KeyInPlace { issuer, key_id, key, file, certificate, validity: validity? })
}

fn validity(reader: &mut Reader) -> Option<Validity> {
    let lifetime = reader.required("QLIK_JWT_LIFETIME", DURATION, duration);
    let skew = reader.required("QLIK_JWT_SKEW", DURATION, duration);
    Validity::new(lifetime?, skew?)
        .map_err(|problem| {
            let remedy = "leave QLIK_JWT_LIFETIME at 60s and QLIK_JWT_SKEW at 30s unless clocks are far apart";
            reader.problem("QLIK_JWT_LIFETIME", problem, remedy);
        })
        .ok()
}

fn key(reader: &mut Reader, now: OffsetDateTime) -> Option<(SigningKey, Option<Certificate>)> {
    let (pem, file) = reader.secret("QLIK_JWT_PRIVATE_KEY", Some(DEFAULT_KEY_FILE))?;
    let variable = if file.is_some() { "QLIK_JWT_PRIVATE_KEY_FILE" } else { "QLIK_JWT_PRIVATE_KEY" };
    let key = match SigningKey::parse(&pem) {
        Ok(key) => key,
        Err(problem) => {
            reader.problem(variable, problem, "make a key with `qlik-embed-bff keygen`, or name the right file");
            return None;
        }
    };
    let Some(file) = file else { return Some((key, None)) };
    warn_when_others_may_read(reader, &file);
    let certificate = check_certificate(reader, &key, &file, now)?;
    Some((key, certificate))
}

/// A private key that its group or everybody may read is as good as published.
fn warn_when_others_may_read(reader: &mut Reader, file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::metadata(file).is_ok_and(|data| data.permissions().mode() & 0o077 != 0) {
        reader.hint(format!("{} may be read by other users of this machine: chmod 600 it", file.display()));
    }
}

/// Where the certificate would lie: beside the key, by the key's own name, or as `keygen` names the two. Another key's
/// pair may lie in the same folder, as it does while keys are changed.
fn certificate_beside(key: &Path) -> Option<PathBuf> {
    let own = [key.with_extension("cer"), key.with_extension("crt")];
    let made = (key.file_name() == Some(PRIVATE_KEY_FILE.as_ref())).then(|| key.with_file_name(CERTIFICATE_FILE));
    own.into_iter().chain(made).find(|file| file.is_file())
}

/// `None` when it was a problem.
fn check_certificate(
    reader: &mut Reader,
    key: &SigningKey,
    file: &Path,
    now: OffsetDateTime,
) -> Option<Option<Certificate>> {
    const VARIABLE: &str = "QLIK_JWT_PRIVATE_KEY_FILE";
    let Some(certificate) = certificate_beside(file) else { return Some(None) };
    let name = certificate.display();
    let pem = match std::fs::read_to_string(&certificate) {
        Ok(pem) => pem,
        Err(problem) => {
            reader.hint(format!(
                "the certificate {name} beside the key cannot be read ({problem}), so it was not checked"
            ));
            return Some(None);
        }
    };
    match key.check_certificate(&pem, now) {
        Ok(dates) => {
            if dates.not_after - now < EXPIRES_SOON {
                let when = match (dates.not_after - now).whole_days() {
                    0 => "today".to_owned(),
                    1 => "tomorrow".to_owned(),
                    days => format!("in {days} days"),
                };
                reader.hint(format!("the certificate {name} expires {when}: make a new key and identity provider"));
            }
            Some(Some(Certificate { file: certificate.clone(), not_after: dates.not_after }))
        }
        Err(problem) => {
            let remedy = "put the key's own certificate there, or make a new pair with `qlik-embed-bff keygen`";
            reader.problem(VARIABLE, format!("lies beside the certificate {name}, which {problem}"), remedy);
            None
        }
    }
}
