//! `keygen`: the key pair that makes tokens ours, and what to do with it.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use anyhow::ensure;
use time::OffsetDateTime;

use crate::qlik::key::{CERTIFICATE_FILE, KeySize, PRIVATE_KEY_FILE};
use crate::setup::env_file::quoted;
use crate::setup::pair::{self, NewPair};

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
    let new = NewPair {
        private_key: &private_key,
        certificate: &certificate,
        bits: args.bits,
        days: args.days,
        common_name: name,
        force: args.force,
    };
    let made = pair::make(&new, now)?;
    let steps = NextSteps {
        fingerprint: made.key.fingerprint(),
        single_line: pair::one_line(&made.certificate),
        expires: made.not_after.date(),
        bits: made.key.bits(),
        private_key,
        certificate,
        replaces: made.replaces,
    };
    write!(out, "{steps}")?;
    Ok(())
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
