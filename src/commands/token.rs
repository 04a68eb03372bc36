//! `token`: makes one token and shows it, to try a login by hand or to see what the tenant is told.

use std::io::Write;

use anyhow::{Context, anyhow, bail};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::advice::{self, Advice};
use crate::config::{self, Env, ToFindSubjects};
use crate::identity::{Account, Subject};
use crate::qlik::token::{self, MEANINGS};
use crate::qlik::{Tenant, session};
use crate::store::Store;
use crate::subjects::Subjects;

/// Make one token and print it; it is good for one login
#[derive(Debug, clap::Args)]
pub struct Token {
    /// Who signs in: the id of a local account, or any id together with the options below
    #[arg(long, value_name = "ID")]
    pub identity: String,
    /// Display name
    #[arg(long, requires = "email")]
    pub name: Option<String>,
    /// E-mail address
    #[arg(long)]
    pub email: Option<String>,
    /// A group; repeat for several
    #[arg(long = "group", value_name = "GROUP", requires = "email")]
    pub groups: Vec<String>,
    /// Print what the token says, with what each part is for, instead of the token
    #[arg(long)]
    pub claims: bool,
    /// Hand the token to the tenant instead of printing it, and tell what the tenant says; creates the user at the first time
    #[arg(long = "try", conflicts_with = "claims")]
    pub attempt: bool,
}

/// Makes the token of a local account, or of the person that the options describe.
///
/// # Errors
/// When the configuration or the store is not usable, or nobody is known by that id.
pub async fn for_account(args: Token, env: &Env, now: OffsetDateTime) -> anyhow::Result<()> {
    let (settings, ToFindSubjects { store, mapping, subjects }) = config::load_token(env, now)?;
    let id = Account::canonical(&args.identity);
    // Who is described need not be anywhere, not even a database.
    let store = if store.is_there() || args.email.is_none() { Some(Store::open_existing(&store).await?) } else { None };
    let account = match &args.email {
        Some(email) => Account {
            name: args.name.clone().unwrap_or_else(|| id.clone()),
            email: email.clone(),
            groups: args.groups.clone(),
            id,
        },
        None => match account(store.as_ref(), &id).await? {
            Some(account) => account,
            None => {
                bail!("there is no account named {id}: see `users list`, or describe somebody with --email and --name")
            }
        },
    };
    let subjects = Subjects::new(subjects, mapping, store)?;
    let identity = account.identity();
    // What is only shown claims nothing.
    let resolution = match args.claims {
        true => subjects.foresee(&identity, now).await?,
        false => subjects.resolve(&identity, now).await?,
    };
    let subject = resolution.result.map_err(|reason| anyhow!("no token for {}: {}", account.id, reason.why()))?;
    if args.attempt {
        return attempt(&config::load_tenant(env)?, &settings, &subject, now).await;
    }
    run(&args, &settings, &subject, now, &mut std::io::stdout())
}

async fn account(store: Option<&Store>, id: &str) -> anyhow::Result<Option<Account>> {
    let Some(store) = store else { return Ok(None) };
    Ok(store.account(id).await?.map(|(account, _)| account))
}

/// Does what the page does with a token, from here: what fails now is the key, the issuer or the claims, no browser.
async fn attempt(
    tenant: &Tenant,
    settings: &token::Settings,
    subject: &Subject,
    now: OffsetDateTime,
) -> anyhow::Result<()> {
    let token = settings.mint(subject, now)?;
    let client = tenant.client()?;
    if let Err(problem) = session::log_in(&client, &tenant.origin, &token, now).await {
        let Advice { id, meaning, remedy, .. } = problem.advice();
        let problem = anyhow::Error::from(problem);
        let (meaning, remedy) = (advice::plain(meaning), advice::plain(remedy));
        bail!("{problem:#}\n\n{meaning}\n{remedy}\n(advice: {id}, in docs/troubleshooting.md)");
    }
    println!("The tenant {} accepted the token: {} is signed in as {}.", tenant.origin, subject.name, subject.id);
    Ok(())
}

/// Prints the token alone on `out`, or with `--claims` what it says.
pub fn run(
    args: &Token,
    settings: &token::Settings,
    subject: &Subject,
    now: OffsetDateTime,
    out: &mut impl Write,
) -> anyhow::Result<()> {
    let token = settings.mint(subject, now)?;
    if !args.claims {
        writeln!(out, "{}", token.expose())?;
        return Ok(());
    }
    let parts: Vec<&str> = token.expose().split('.').collect();
    for (title, part) in ["Header", "Claims"].into_iter().zip(parts) {
        let json = BASE64_URL_SAFE_NO_PAD.decode(part).context("the token is no base64url")?;
        let values: Map<String, Value> = serde_json::from_slice(&json).context("the token is no JSON")?;
        writeln!(out, "{title}")?;
        write!(out, "{}", table(&values))?;
    }
    Ok(())
}

/// One line a value: name, value, meaning, in columns and in the order in which [`MEANINGS`] explains them.
fn table(values: &Map<String, Value>) -> String {
    let shown: Vec<_> =
        MEANINGS.iter().filter_map(|(name, meaning)| Some((name, show(name, values.get(*name)?), meaning))).collect();
    // A long value moves its own meaning, not everybody's.
    let width = shown.iter().map(|(_, value, _)| value.chars().count()).filter(|width| *width <= 45).max();
    let width = width.unwrap_or_default();
    shown.iter().map(|(name, value, meaning)| format!("  {name:14}  {value:width$}  {meaning}\n")).collect()
}

fn show(name: &str, value: &Value) -> String {
    let moment = match (name, value.as_i64()) {
        ("iat" | "nbf" | "exp", Some(seconds)) => OffsetDateTime::from_unix_timestamp(seconds).ok(),
        _ => None,
    };
    match moment.and_then(|moment| moment.format(&Rfc3339).ok()) {
        Some(moment) => format!("{value} ({moment})"),
        None => value.to_string(),
    }
}
