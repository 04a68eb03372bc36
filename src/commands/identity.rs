//! `identity explain`: who somebody would be to Qlik, and why.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use crate::auth::{oidc, ticket};
use crate::config::{self, Config, Env};
use crate::identity::{Identity, Source};
use crate::mapping::Step;
use crate::mapping::groups::LeftOut;
use crate::store::Store;
use crate::subjects::Subjects;
use crate::subjects::explanation::{Description, Explanation, Means, Section};

/// What to do with identities.
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
    /// Tells who somebody would be to Qlik and which rule says so; changes nothing. Exit code 1 when they are denied
    Explain(Explain),
}

/// Whom to explain.
#[derive(Debug, Args)]
pub struct Explain {
    /// The way of signing in
    #[arg(long, default_value = "password", value_parser = sources())]
    pub source: Source,
    /// The id there; of a local account, the rest is taken from the account unless it is told here
    #[arg(long, value_name = "ID", required_unless_present = "claims")]
    pub id: Option<String>,
    /// Display name
    #[arg(long)]
    pub name: Option<String>,
    /// E-mail address
    #[arg(long)]
    pub email: Option<String>,
    /// A group as the way of signing in names it; repeat for several
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// A file with a JSON object: the claims of an ID token or a ticket, read as signing in reads them; the options above
    /// win over it
    #[arg(long, value_name = "FILE")]
    pub claims: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

pub(super) fn sources() -> impl TypedValueParser<Value = Source> {
    let words = PossibleValuesParser::new(Source::ALL.map(Source::as_str));
    words.try_map(|word| Source::parse(&word).ok_or("no source"))
}

/// Does it.
///
/// # Errors
/// When the configuration or the store is not usable, nobody is known by that id, or the person is denied.
pub async fn run(command: IdentityCommand, env: &Env, now: OffsetDateTime) -> anyhow::Result<()> {
    let IdentityCommand::Explain(args) = command;
    let config = config::load(env, now)?.config;
    // Who is described need not be anywhere, not even a database.
    let store = if config.store.is_there() { Some(Store::open_existing(&config.store).await?) } else { None };
    let identity = identity(&args, &config, store.as_ref()).await?;
    let subjects = Subjects::new(config.subjects.clone(), config.mapping.clone(), store)?;
    let resolution = subjects.foresee(&identity, now).await?;
    let means = Means { mapping: &config.mapping, pages: &config.pages, token: config.token.as_ref() };
    let explanation = Explanation::of(means, identity, resolution, now);
    let text = if args.json { as_json(&explanation) } else { as_text(&explanation) };
    std::io::stdout().write_all(text.as_bytes())?;
    match &explanation.result {
        Ok(_) => Ok(()),
        Err(denied) => bail!("{} is denied: {}", explanation.identity.key(), denied.why()),
    }
}

/// Whoever is meant: what the way of signing in says of them, with what is told here in its place.
pub(super) async fn identity(args: &Explain, config: &Config, store: Option<&Store>) -> anyhow::Result<Identity> {
    let described = Description {
        source: args.source,
        id: args.id.clone().unwrap_or_default(),
        name: args.name.clone(),
        email: args.email.clone(),
        groups: args.groups.clone(),
    };
    let Some(file) = args.claims.as_deref() else {
        let identity = described.identity(store).await?;
        return identity.with_context(|| {
            let id = described.canonical_id();
            format!("there is no account named {id}: see `users list`, or describe somebody with --email")
        });
    };
    if matches!(args.source, Source::Password | Source::Header) {
        bail!("--claims is for --source oidc and --source ticket: no other way of signing in has claims")
    }
    let mut said = claims(file)?;
    said.extend(args.id.as_ref().map(|id| ("sub".to_owned(), id.as_str().into())));
    Ok(described.over(of_claims(args.source, said, config)?))
}

fn of_claims(source: Source, said: Map<String, Value>, config: &Config) -> anyhow::Result<Identity> {
    Ok(match source {
        Source::Ticket => ticket::claims::identity(said)?,
        _ => oidc::claims::identity(said, config.oidc.as_ref().map_or("groups", |oidc| &oidc.groups_claim))?,
    })
}

fn claims(file: &Path) -> anyhow::Result<Map<String, Value>> {
    let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not a JSON object", file.display()))
}

fn as_json(explanation: &Explanation) -> String {
    let denied = explanation.result.as_ref().err();
    let steps: Vec<_> = explanation
        .steps
        .iter()
        .map(|Step { rule, reason }| json!({ "rule": rule, "matches": reason.is_none(), "reason": reason }))
        .collect();
    let left_out: Vec<_> = explanation
        .left_out
        .iter()
        .map(|LeftOut { group, reason }| json!({ "group": group, "reason": reason.to_string() }))
        .collect();
    let pages: Vec<_> = explanation.pages.iter().map(|(slug, title)| json!({ "slug": slug, "title": title })).collect();
    let all = json!({
        "identity": explanation.identity,
        "rules": steps,
        "decided_by": explanation.decided_by,
        "before_rules": explanation.before_rules.as_ref().map(|(what, told)| json!({ "what": what, "told": told })),
        "shaped_by": explanation.shaped_by,
        "subject": explanation.result.as_ref().ok(),
        "denied": denied.map(|denied| json!({ "why": denied.why(), "visitor": denied.to_string() })),
        "groups_left_out": left_out,
        "note": explanation.note(),
        "pages": pages,
        "claims": explanation.claims,
    });
    format!("{all:#}\n")
}

/// Each section in columns.
fn as_text(explanation: &Explanation) -> String {
    explanation.sections().iter().map(section).collect::<Vec<_>>().join("\n")
}

fn section(Section { title, lines }: &Section) -> String {
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    let line = |(name, value): &(String, String)| format!("  {name:width$}  {value}\n");
    format!("{title}\n") + &lines.iter().map(line).collect::<String>()
}
