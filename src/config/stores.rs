//! Where what must be remembered is kept.

use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};

use super::file::content;
use super::reader::Reader;
use crate::store::redis::Beside;
use crate::store::secret::SHORTEST;
use crate::store::{self, Database, Server, redis};

/// More connections than any instance can use.
const MOST_CONNECTIONS: u32 = 1000;

pub(super) fn read(reader: &mut Reader) -> Option<store::Settings> {
    let database = database(reader);
    let sessions = sessions(reader);
    let secret = secret(reader);
    let previous = previous(reader);
    let (database, sessions) = (database?, sessions?);
    let given = reader.is_given("SESSION_SECRET");
    match &database {
        _ if given => {}
        Database::Sqlite(file) if sessions.is_none() => {
            let beside = store::secret::file_beside(file);
            reader.derived("SESSION_SECRET", "(kept beside the database)", &beside.to_string_lossy());
        }
        _ => {
            let remedy = "make one with `openssl rand -base64 48`, the same for all instances";
            reader.problem("SESSION_SECRET", "is not set, and sessions are kept on a server", remedy);
            return None;
        }
    }
    Some(store::Settings { database, sessions, secret, previous: previous? })
}

fn database(reader: &mut Reader) -> Option<Database> {
    const REMEDY: &str = "write sqlite: and a file, as sqlite:data/qlik-embed-bff.db, or postgres://user@host/database";
    let connections = reader.required("DATABASE_CONNECTIONS", "write a number from 2 to 1000", |text| {
        let number = text.parse::<u32>().ok().filter(|number| (2..=MOST_CONNECTIONS).contains(number));
        number.ok_or("is no number from 2 to 1000")
    });
    let is_server = reader.value("DATABASE_URL").is_some_and(|url| url.starts_with("postgres"));
    if !is_server {
        if reader.is_given("DATABASE_PASSWORD") {
            reader.hint("DATABASE_PASSWORD has no effect: the database is a file");
        }
        let file = reader.required("DATABASE_URL", REMEDY, file)?;
        return near_a_folder(reader, file).map(Database::Sqlite);
    }
    let password = reader.secret("DATABASE_PASSWORD", None).map(|(password, _)| password);
    let connections = connections?;
    let parse = |text: &str| Server::parse(text, password.as_ref(), connections);
    let server = reader.shared("DATABASE_URL", REMEDY, parse, ToString::to_string)?;
    if !server.is_safe() {
        reader.hint(
            "DATABASE_URL leads to another machine, and TLS is not asked for: anybody on the network between can read and \
             change what is kept; add ?sslmode=verify-full&sslrootcert=FILE",
        );
    }
    Some(Database::Postgres(server))
}

fn file(text: &str) -> Result<PathBuf, &'static str> {
    let file = text.strip_prefix("sqlite:").ok_or("is no address of SQLite or PostgreSQL")?;
    let file = PathBuf::from(file.strip_prefix("//").unwrap_or(file));
    match file.to_str() {
        Some(name) if name.contains(['?', ':']) => Err("has options or a special name, and only files are supported"),
        _ if file.file_name().is_none() || file.is_dir() => Err("names no file"),
        _ => Ok(file),
    }
}

fn near_a_folder(reader: &mut Reader, file: PathBuf) -> Option<PathBuf> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let above = folder.and_then(Path::parent).filter(|above| !above.as_os_str().is_empty());
    if let (Some(folder), Some(above)) = (folder, above)
        && !folder.is_dir()
        && !above.is_dir()
    {
        let reason = format!("lies in {}, and neither that folder nor the one above it exists", folder.display());
        reader.problem("DATABASE_URL", reason, "create the folder, or name a file elsewhere");
        return None;
    }
    Some(file)
}

/// `None` after a problem; `Some(None)` when the database has them.
fn sessions(reader: &mut Reader) -> Option<Option<redis::Settings>> {
    const REMEDY: &str =
        "write redis://host:6379, rediss:// for TLS, redis+sentinel://host,host/master, or redis+cluster://host,host";
    let password = reader.secret("SESSION_STORE_PASSWORD", None).map(|(password, _)| password);
    let sentinel_password = reader.secret("SESSION_STORE_SENTINEL_PASSWORD", None).map(|(password, _)| password);
    let prefix = reader.required("SESSION_STORE_PREFIX", "write a name of letters, digits and - . _", |text| {
        let is_name = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
        if is_name { Ok(text.to_owned()) } else { Err("has other characters than a name has") }
    });
    let authorities = match reader.is_set("SESSION_STORE_CA_FILE") {
        false => Some(None),
        true => reader
            .optional("SESSION_STORE_CA_FILE", "name a PEM file with the certificates of the authorities", authorities)
            .map(Some),
    };
    if !reader.is_set("SESSION_STORE_URL") {
        for name in ["SESSION_STORE_PASSWORD", "SESSION_STORE_SENTINEL_PASSWORD", "SESSION_STORE_CA_FILE"] {
            if reader.is_given(name) {
                reader.hint(format!("{name} has no effect: SESSION_STORE_URL is not set"));
            }
        }
        return Some(None);
    }
    let beside = Beside { password, sentinel_password, authorities: authorities?, prefix: prefix? };
    let parse = |text: &str| redis::Settings::parse(text, beside);
    let sessions = reader.shared("SESSION_STORE_URL", REMEDY, parse, |settings| settings.shown.clone())?;
    if !sessions.is_safe() {
        reader.hint(
            "SESSION_STORE_URL leads to another machine without TLS: anybody on the network between can read the password \
             and end sessions; use rediss:// where the network is not yours alone",
        );
    }
    Some(Some(sessions))
}

/// What is in the file, if it is certificates.
fn authorities(path: &str) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|problem| format!("names a file that cannot be read ({problem})"))?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match certificates.map(|certificates| certificates.len()) {
        Ok(1..) => Ok(pem),
        _ => Err("names a file without a certificate in PEM format".to_owned()),
    }
}

fn secret(reader: &mut Reader) -> Option<SecretString> {
    let (secret, file) = reader.secret("SESSION_SECRET", None)?;
    let secret = secret.expose_secret().trim();
    if secret.len() < SHORTEST {
        let (variable, has) = match file {
            Some(_) => ("SESSION_SECRET_FILE", "names a file with"),
            None => ("SESSION_SECRET", "has"),
        };
        let reason = format!("{has} fewer than {SHORTEST} characters");
        reader.problem(variable, reason, "make one with `openssl rand -base64 48`, or leave it out");
        return None;
    }
    if secret.contains([',', '\n']) {
        reader.hint(
            "SESSION_SECRET has a comma or a line break in it, so that it cannot stand in SESSION_SECRET_PREVIOUS one day: \
             when it is changed, everybody signs in again",
        );
    }
    Some(secret.into())
}

/// `None` after a problem. In a file, each may have a line of its own.
fn previous(reader: &mut Reader) -> Option<Vec<SecretString>> {
    const NAME: &str = "SESSION_SECRET_PREVIOUS";
    // The last one goes by emptying the file: its name may stand where it cannot be taken out while the server runs.
    let emptied = reader.file_of(NAME).and_then(content).is_some_and(|content| content.trim_ascii().is_empty());
    if emptied || !reader.is_given(NAME) {
        return Some(Vec::new());
    }
    let (text, file) = reader.secret(NAME, None)?;
    let secrets = text.expose_secret().split([',', '\n']).map(str::trim).filter(|secret| !secret.is_empty());
    let secrets: Vec<_> = secrets.map(SecretString::from).collect();
    if secrets.iter().any(|secret| secret.expose_secret().len() < SHORTEST) {
        let variable = if file.is_some() { format!("{NAME}_FILE") } else { NAME.to_owned() };
        let reason = format!("has a secret with fewer than {SHORTEST} characters");
        let remedy = "write what SESSION_SECRET was, letter for letter, with commas or line breaks between several and none in \
                      any of them; or leave it out";
        reader.problem(&variable, reason, remedy);
        return None;
    }
    Some(secrets)
}
