//! A key pair in two files. Both appear whole or not at all, the private key never readable by others, and nothing is
//! replaced unasked.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;
use time::{Duration, OffsetDateTime};

use crate::qlik::key::{self, CERTIFICATE_FILE, CertificateDates, KeySize, PRIVATE_KEY_FILE, SigningKey};

/// Days until a certificate expires, as Qlik's recipe has it (Qlik Cloud facts, section A.2).
pub const DAYS: u16 = 1825;
/// The name in certificates, for people.
pub const COMMON_NAME: &str = "qlik-embed-bff";

/// A pair that is to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewPair<'a> {
    /// The file of the private key.
    pub private_key: &'a Path,
    /// The file of its certificate.
    pub certificate: &'a Path,
    /// Its size.
    pub bits: KeySize,
    /// Days until the certificate expires.
    pub days: u16,
    /// The name in the certificate: 1 to 64 characters (RFC 5280, appendix A.1: ub-common-name).
    pub common_name: &'a str,
    /// Replace files that are there.
    pub force: bool,
}

/// A pair that was made.
#[derive(Debug)]
pub struct Made {
    /// The key.
    pub key: SigningKey,
    /// Its certificate, PEM.
    pub certificate: String,
    /// The certificate's last second.
    pub not_after: OffsetDateTime,
    /// Whether there were files that are gone now.
    pub replaces: bool,
}

/// Makes a pair and writes it.
///
/// # Errors
/// When a file is there already, or the folder cannot be written. Then nothing has changed.
pub fn make(pair: &NewPair<'_>, now: OffsetDateTime) -> anyhow::Result<Made> {
    let folder = folder_of(pair.private_key);
    check_folder(folder)?;
    let replaces = [pair.private_key, pair.certificate].map(|path| check_target(path, pair.force));
    let replaces = replaces.into_iter().collect::<anyhow::Result<Vec<_>>>()?.contains(&true);

    // An hour early, so that a tenant whose clock is behind takes it at once.
    let dates = CertificateDates {
        not_before: now - Duration::HOUR,
        not_after: now.checked_add(Duration::days(pair.days.into())).context("--days goes beyond the year 9999")?,
    };
    let new = key::generate(pair.bits, pair.common_name, dates);
    let new = new.map_err(|error| anyhow::anyhow!("the key pair {error}"))?;
    let key = SigningKey::parse(&new.private_key).map_err(|error| anyhow::anyhow!("the new private key {error}"))?;

    if !folder.exists() {
        let made = DirBuilder::new().mode(0o755).create(folder); // whoever may write here may exchange keys
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let staged_key = Staged::write(pair.private_key, new.private_key.expose_secret(), 0o600)?;
    let staged_certificate = Staged::write(pair.certificate, &new.certificate, 0o644)?;
    staged_key.publish()?;
    staged_certificate.publish().context("the key was replaced but the certificate was not: run keygen --force")?;
    Ok(Made { key, certificate: new.certificate, not_after: dates.not_after, replaces })
}

/// Where the certificate of a key is put: beside it, where it is looked for.
pub fn certificate_of(private_key: &Path) -> PathBuf {
    if private_key.file_name() == Some(PRIVATE_KEY_FILE.as_ref()) {
        private_key.with_file_name(CERTIFICATE_FILE)
    } else {
        private_key.with_extension("cer")
    }
}

/// A certificate as the tenant takes it: without line ends (Qlik Cloud facts, section A.1).
pub fn one_line(pem: &str) -> String {
    pem.lines().map(str::trim).collect()
}

/// The folder in which a file lies.
pub fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn check_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    ensure!(!folder.exists(), "{} is a file: choose another folder with --dir", folder.display());
    let parent = folder_of(folder);
    ensure!(
        parent.is_dir(),
        "the folder {} cannot be made, because {} does not exist: make that first, or choose another with --dir",
        folder.display(),
        parent.display()
    );
    Ok(())
}

/// Whether there is a file to be replaced, which needs `--force`.
fn check_target(path: &Path, force: bool) -> anyhow::Result<bool> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("cannot look at {}", path.display())),
    };
    if !found.is_file() {
        bail!("{} is not a plain file: remove it, or choose another folder with --dir", path.display());
    }
    if !force {
        bail!(
            "{} exists already and was left as it is: choose another folder with --dir, or replace both files with --force; \
             the tenant knows the old pair and would then need the new certificate",
            path.display()
        );
    }
    Ok(true)
}

/// A whole file beside its target under a passing name, taken away again unless it is published.
#[derive(Debug)]
pub struct Staged<'a> {
    at: PathBuf,
    target: &'a Path,
}

impl<'a> Staged<'a> {
    /// Writes the file, to the disk itself.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write(target: &'a Path, text: &str, mode: u32) -> anyhow::Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let at = target.with_file_name(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
        let staged = Self { at: at.clone(), target };
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&at)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write into {}", folder_of(target).display()))?;
        Ok(staged)
    }

    /// Where it is before it is published.
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Gives it its name, in place of what has it.
    ///
    /// # Errors
    /// When the name cannot be given.
    pub fn publish(self) -> anyhow::Result<()> {
        fs::rename(&self.at, self.target).with_context(|| format!("cannot write {}", self.target.display()))?;
        if let Ok(folder) = File::open(folder_of(self.target)) {
            folder.sync_all().ok(); // makes the name durable where the file system can
        }
        Ok(())
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        fs::remove_file(&self.at).ok(); // gone already when it was published
    }
}
