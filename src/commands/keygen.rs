//! `keygen`: the key pair that makes tokens ours, and what to do with it.
//!
//! Both files appear whole or not at all, the private key never readable by others, and nothing is replaced unasked.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use secrecy::ExposeSecret;
use time::{Duration, OffsetDateTime};

use crate::qlik::key::{self, CERTIFICATE_FILE, CertificateDates, KeySize, PRIVATE_KEY_FILE, SigningKey};

/// Make the RSA key that signs tokens and the certificate that the tenant knows it by
#[derive(Debug, clap::Args)]
pub struct Keygen {
    /// Folder for privatekey.pem and publickey.cer; made when its parent exists
    #[arg(long, default_value = "keys", value_name = "FOLDER")]
    pub dir: PathBuf,
    /// Size of the key, 4096 or 2048: the smaller one signs seven times as fast
    #[arg(long, default_value_t)]
    pub bits: KeySize,
    /// Days until the certificate expires
    #[arg(long, default_value_t = 1825, value_parser = clap::value_parser!(u16).range(1..))]
    pub days: u16,
    /// Name in the certificate, for people
    #[arg(long, default_value = "qlik-embed-bff", value_name = "NAME")]
    pub common_name: String,
    /// Replace an existing pair; the tenant then needs the new certificate
    #[arg(long)]
    pub force: bool,
}

/// Writes the pair and tells on `out` what to paste where.
pub fn run(args: &Keygen, now: OffsetDateTime, out: &mut impl Write) -> anyhow::Result<()> {
    let name = args.common_name.trim();
    // RFC 5280, appendix A.1: ub-common-name
    ensure!((1..=64).contains(&name.chars().count()), "--common-name must have 1 to 64 characters");
    let private_key = args.dir.join(PRIVATE_KEY_FILE);
    let certificate = args.dir.join(CERTIFICATE_FILE);
    check_folder(&args.dir)?;
    let replaces = [&private_key, &certificate].map(|path| check_target(path, args.force));
    let replaces = replaces.into_iter().collect::<anyhow::Result<Vec<_>>>()?.contains(&true);

    // An hour early, so that a tenant whose clock is behind takes it at once.
    let dates = CertificateDates {
        not_before: now - Duration::HOUR,
        not_after: now.checked_add(Duration::days(args.days.into())).context("--days goes beyond the year 9999")?,
    };
    let pair = key::generate(args.bits, name, dates).map_err(|error| anyhow::anyhow!("the key pair {error}"))?;
    let key = SigningKey::parse(&pair.private_key).map_err(|error| anyhow::anyhow!("the new private key {error}"))?;

    if !args.dir.exists() {
        let made = DirBuilder::new().mode(0o755).create(&args.dir); // whoever may write here may exchange keys
        made.with_context(|| format!("cannot make the folder {}", args.dir.display()))?;
    }
    let staged_key = Staged::write(&private_key, pair.private_key.expose_secret(), 0o600)?;
    let staged_certificate = Staged::write(&certificate, &pair.certificate, 0o644)?;
    staged_key.publish()?;
    staged_certificate.publish().context("the key was replaced but the certificate was not: run keygen --force")?;
    if let Ok(folder) = File::open(&args.dir) {
        folder.sync_all().ok(); // makes the two names durable where the file system can
    }

    let steps = NextSteps {
        fingerprint: key.fingerprint(),
        single_line: pair.certificate.lines().collect(),
        expires: dates.not_after.date(),
        bits: key.bits(),
        private_key,
        certificate,
        replaces,
    };
    write!(out, "{steps}")?;
    Ok(())
}

fn check_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    ensure!(!folder.exists(), "{} is a file: choose another folder with --dir", folder.display());
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
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
struct Staged<'a> {
    at: PathBuf,
    target: &'a Path,
}

impl<'a> Staged<'a> {
    fn write(target: &'a Path, text: &str, mode: u32) -> anyhow::Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let at = target.with_file_name(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&at)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        let staged = Self { at: at.clone(), target };
        write().with_context(|| format!("cannot write into {}", at.parent().unwrap_or(target).display()))?;
        Ok(staged)
    }

    fn publish(self) -> anyhow::Result<()> {
        fs::rename(&self.at, self.target).with_context(|| format!("cannot write {}", self.target.display()))
    }
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        fs::remove_file(&self.at).ok(); // gone already when it was published
    }
}

/// What the administrator does next.
struct NextSteps {
    private_key: PathBuf,
    certificate: PathBuf,
    bits: usize,
    expires: time::Date,
    fingerprint: String,
    /// The tenant refuses a certificate with line ends (Qlik Cloud facts, section A.1).
    single_line: String,
    replaces: bool,
}

impl fmt::Display for NextSteps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { private_key, certificate, bits, expires, fingerprint, single_line, replaces } = self;
        // A new key gets a new issuer, so that old and new provider can stand side by side while keys are changed.
        let issuer = format!("qlik-embed-bff-{}", &fingerprint[..8]);
        writeln!(
            f,
            "{}  the private key, {bits} bits. It stays on the server; whoever has it is any user.",
            private_key.display()
        )?;
        writeln!(f, "{}   its certificate, valid until {expires}. Not secret.", certificate.display())?;
        if *replaces {
            writeln!(f, "\nThe old pair is gone: until the tenant knows the new certificate, it refuses our tokens.")?;
        }
        writeln!(
            f,
            "
1. In the tenant's administration, as a tenant admin: Identity provider -> Create new, type JWT

   Description  qlik-embed-bff
   Certificate  the single line below, without a line end or blank after it
   Issuer       {issuer}
   Key ID       {fingerprint}

   Issuer and Key ID are suggestions. Left empty, the tenant makes its own and shows them once: use those in step 2.

2. In .env:

   QLIK_JWT_ISSUER={issuer}
   QLIK_JWT_KEY_ID={fingerprint}
   QLIK_JWT_PRIVATE_KEY_FILE={}

The certificate as a single line:

{single_line}",
            quoted(&private_key.display().to_string())
        )
    }
}

/// As `.env` needs it: single quotes keep blanks and dollar signs.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-".contains(c);
    if value.chars().all(plain) { value.to_owned() } else { format!("'{value}'") }
}
