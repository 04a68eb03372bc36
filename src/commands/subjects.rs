//! `subjects`: the administrator's list of who somebody is to Qlik, and whose each subject is.

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::{self, Env};
use crate::store::Store;
use crate::store::subjects::{Forgotten, Holding, Listed, Listing, Release};

mod file;
mod import;

/// What to do with subjects.
#[derive(Debug, Subcommand)]
pub enum Subjects {
    /// Reads a list from a CSV file: identity and subject. All of it, or nothing when a line is wrong
    Import(Import),
    /// Prints the list as the CSV file that import reads
    Export,
    /// Prints the list, or with --held whose each subject is
    List {
        /// Subjects and who holds them, instead of the list
        #[arg(long)]
        held: bool,
    },
    /// Puts one identity on the list, or gives it another subject there
    Set {
        /// The identity: source and id, as in oidc:ada
        identity: String,
        /// Its subject, as Qlik has it
        subject: String,
    },
    /// Forgets an identity: its entry in the list, what the tenant said of it, the subject that it holds
    Remove {
        /// The identity: source and id, as in oidc:ada
        identity: String,
    },
    /// Frees subjects that identities hold, for whoever comes next; those on the list keep theirs
    Release(ToRelease),
}

/// What to import.
#[derive(Debug, Args)]
pub struct Import {
    /// The file; - is standard input
    file: PathBuf,
    /// Take the file for the whole list: entries that it does not have are removed, others may change
    #[arg(long)]
    replace: bool,
}

/// What to release.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct ToRelease {
    /// The identity: source and id, as in oidc:ada
    identity: Option<String>,
    /// All identities of this source, for instance after a change from password to oidc
    #[arg(long, value_parser = ["password", "oidc", "header", "ticket"])]
    source: Option<String>,
    /// All subjects that their holder has given up for another one
    #[arg(long)]
    left: bool,
}

/// Does it.
///
/// # Errors
/// When the configuration or the store is not usable, or what was asked for cannot be.
pub async fn run(command: Subjects, env: &Env, now: OffsetDateTime) -> anyhow::Result<()> {
    let (settings, shared) = config::load_list(env)?;
    let store = match command {
        Subjects::Import(_) | Subjects::Set { .. } => Store::open(&settings).await?,
        _ => Store::open_existing(&settings).await?,
    };
    let done = apply(command, &store, shared, now).await;
    store.close().await;
    done
}

async fn apply(command: Subjects, store: &Store, shared: bool, now: OffsetDateTime) -> anyhow::Result<()> {
    match command {
        Subjects::Import(Import { file, replace }) => import::run(store, &file, replace, shared, now).await,
        Subjects::Export => export(store).await,
        Subjects::List { held: false } => list(store).await,
        Subjects::List { held: true } => list_held(store).await,
        Subjects::Set { identity, subject } => set(store, &identity, &subject, shared, now).await,
        Subjects::Remove { identity } => remove(store, &identity).await,
        Subjects::Release(what) => release(store, &what).await,
    }
}

async fn set(store: &Store, identity: &str, subject: &str, shared: bool, now: OffsetDateTime) -> anyhow::Result<()> {
    let identity = file::identity(identity).map_err(anyhow::Error::msg)?;
    let subject = file::subject(subject).map_err(anyhow::Error::msg)?;
    if let Some(warning) = file::doubt(&subject) {
        eprintln!("warning: {warning}");
    }
    let entry = Listed { identity, subject };
    match store.list_subject(&entry, shared, now).await? {
        Listing::ListedFor(other) => bail!(
            "the list gives {} to {other} already, and two people with one subject would see each other's bookmarks: \
             remove one, or set SUBJECT_SHARED=allow",
            entry.subject
        ),
        Listing::Done { before, taken_from } => {
            let before = before.filter(|before| *before != entry.subject);
            let before = before.map(|before| format!(" instead of {before}")).unwrap_or_default();
            println!("{} is {} to Qlik{before}.", entry.identity, entry.subject);
            if let Some(other) = taken_from {
                println!("{other} held that subject, and is denied with it from now on.");
            }
            Ok(())
        }
    }
}

async fn remove(store: &Store, identity: &str) -> anyhow::Result<()> {
    let identity = file::identity(identity).map_err(anyhow::Error::msg)?;
    let Forgotten { listed, found, held } = store.forget_identity(&identity).await?;
    let what =
        [(listed, "its entry in the list"), (found, "what the tenant said"), (held > 0, "the subject that it held")];
    let what: Vec<_> = what.into_iter().filter_map(|(was, what)| was.then_some(what)).collect();
    if what.is_empty() {
        bail!("nothing is known of {identity}: see `subjects list`, and `subjects list --held`");
    }
    println!("{identity} is forgotten: {}.", what.join(", "));
    Ok(())
}

async fn release(store: &Store, what: &ToRelease) -> anyhow::Result<()> {
    let identity = what.identity.as_deref().map(file::identity).transpose().map_err(anyhow::Error::msg)?;
    let of_source = what.source.as_deref().map(|source| format!("{source}:"));
    let which = match (&identity, &of_source) {
        (Some(identity), _) => Release::Of(identity),
        (None, Some(start)) => Release::Beginning(start),
        (None, None) => Release::Left,
    };
    let released = store.release(which).await?;
    if let Some(identity) = identity
        && released == 0
    {
        if store.standing(&identity).await?.listed.is_some() {
            bail!("{identity} is on the list, and holds what the list gives it: see `subjects remove`");
        }
        bail!("{identity} holds no subject: see `subjects list --held`");
    }
    println!("{released} subject{} released.", if released == 1 { " is" } else { "s are" });
    Ok(())
}

async fn export(store: &Store) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_writer(std::io::stdout().lock());
    out.write_record(["identity", "subject"])?;
    let mut page = store.listed("").await?;
    while let Some(last) = page.last() {
        let behind = last.identity.clone();
        for Listed { identity, subject } in &page {
            out.write_record([identity, subject])?;
        }
        page = store.listed(&behind).await?;
    }
    out.flush()?;
    Ok(())
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let mut page = store.listed("").await?;
    if page.is_empty() {
        println!("The list is empty. Fill it: qlik-embed-bff subjects set IDENTITY SUBJECT, or subjects import FILE");
    }
    let mut out = std::io::stdout().lock();
    while let Some(last) = page.last() {
        let behind = last.identity.clone();
        // Columns are as wide as the page at hand needs them: a long list is never in memory as a whole.
        let width = page.iter().map(|entry| entry.identity.chars().count()).max().unwrap_or_default();
        for Listed { identity, subject } in &page {
            writeln!(out, "{identity:width$}  {subject}")?;
        }
        page = store.listed(&behind).await?;
    }
    Ok(())
}

async fn list_held(store: &Store) -> anyhow::Result<()> {
    let mut page = store.holdings("").await?;
    if page.is_empty() {
        println!("Nobody holds a subject yet.");
    }
    let mut out = std::io::stdout().lock();
    while let Some(last) = page.last() {
        let behind = last.subject.clone();
        let width =
            |of: fn(&Holding) -> &str| page.iter().map(|holding| of(holding).chars().count()).max().unwrap_or(0);
        let (subjects, identities) = (width(|h| &h.subject), width(|h| &h.identity));
        for Holding { subject, identity, since, left_at } in &page {
            let left = match left_at {
                Some(left_at) => format!(", left {}", left_at.format(&Rfc3339)?),
                None => String::new(),
            };
            let since = since.format(&Rfc3339)?;
            writeln!(out, "{subject:subjects$}  {identity:identities$}  since {since}{left}")?;
        }
        page = store.holdings(&behind).await?;
    }
    Ok(())
}
