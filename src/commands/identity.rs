//! `identity explain`: who somebody would be to Qlik, and why.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::token::MEANINGS;
use crate::auth::{oidc, ticket};
use crate::config::{self, Config, Env};
use crate::identity::{Account, Identity, Source, Subject};
use crate::mapping::groups::LeftOut;
use crate::mapping::{Denied, LOOKS_LIKE_A_QLIK_ID, Step, looks_like_a_qlik_id};
use crate::qlik::token;
use crate::store::Store;
use crate::subjects::{Origin, Resolution, Subjects};

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
    let store = if config.store.file.exists() { Some(Store::open_existing(&config.store).await?) } else { None };
    let identity = identity(&args, &config, store.as_ref()).await?;
    let subjects = Subjects::new(config.subjects.clone(), config.mapping.clone(), store)?;
    let resolution = subjects.foresee(&identity, now).await?;
    let explanation = Explanation::of(&config, identity, resolution, now)?;
    let text = if args.json { explanation.json() } else { explanation.text() };
    std::io::stdout().write_all(text.as_bytes())?;
    match &explanation.result {
        Ok(_) => Ok(()),
        Err(denied) => bail!("{} is denied: {}", explanation.identity.key(), denied.why()),
    }
}

/// Whoever is meant: what the way of signing in says of them, with what is told here in its place.
pub(super) async fn identity(args: &Explain, config: &Config, store: Option<&Store>) -> anyhow::Result<Identity> {
    let said = args.claims.as_deref().map(claims).transpose()?;
    let mut identity = match args.source {
        Source::Password | Source::Header if said.is_some() => {
            bail!("--claims is for --source oidc and --source ticket: no other way of signing in has claims")
        }
        Source::Password => account(args, store).await?,
        Source::Header => nobody(args.source, args.id.as_deref().unwrap_or_default().trim()),
        Source::Oidc | Source::Ticket => match (said, args.id.as_deref()) {
            (None, id) => nobody(args.source, id.unwrap_or_default()),
            (Some(mut said), id) => {
                said.extend(id.map(|id| ("sub".to_owned(), id.into())));
                of_claims(args.source, said, config)?
            }
        },
    };
    if let Some(name) = &args.name {
        identity.name.clone_from(name);
    }
    if args.email.is_some() {
        identity.email.clone_from(&args.email);
    }
    if !args.groups.is_empty() {
        identity.groups.clone_from(&args.groups);
    }
    Ok(identity)
}

/// The account; without one, somebody who is described instead.
async fn account(args: &Explain, store: Option<&Store>) -> anyhow::Result<Identity> {
    let id = Account::canonical(args.id.as_deref().unwrap_or_default());
    let account = match store {
        Some(store) => store.account(&id).await?,
        None => None,
    };
    let described = args.name.is_some() || args.email.is_some() || !args.groups.is_empty();
    match account {
        Some((account, _)) => Ok(account.identity()),
        None if described => Ok(nobody(Source::Password, &id)),
        None => bail!("there is no account named {id}: see `users list`, or describe somebody with --email"),
    }
}

fn nobody(source: Source, id: &str) -> Identity {
    Identity { source, id: id.to_owned(), name: String::new(), email: None, groups: Vec::new(), claims: Map::new() }
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

/// Everything about one person.
struct Explanation {
    identity: Identity,
    steps: Vec<Step>,
    /// What decided: a rule, or the setting that holds when no rule matches.
    decided_by: String,
    /// What to tell of the list or the look-up, before the rules.
    before_rules: Option<(&'static str, String)>,
    /// The rule by which name, e-mail address and groups are made; `None`: they are the identity's own.
    shaped_by: Option<String>,
    result: Result<Subject, Denied>,
    left_out: Vec<LeftOut>,
    /// Slug and title.
    pages: Vec<(String, String)>,
    /// What a token would say; `None` for whom gets none.
    claims: Option<Map<String, Value>>,
}

impl Explanation {
    fn of(
        config: &Config,
        identity: Identity,
        Resolution { origin, steps, result, in_vain, .. }: Resolution,
        now: OffsetDateTime,
    ) -> anyhow::Result<Self> {
        let by_rules = config.mapping.decide(&identity);
        let shape = match (&by_rules.rule, &by_rules.result) {
            (Some(rule), Err(Denied::ByRule { .. })) => format!(", though {rule} denies"),
            (Some(rule), _) => format!("; {rule} makes name, e-mail and groups"),
            (None, _) => "; name, e-mail and groups are the identity's own".to_owned(),
        };
        const LIST: &str = "the list of subjects";
        const LOOK_UP: &str = "SUBJECT_LOOKUP";
        let (decided_by, before_rules, steps) = match (origin, in_vain) {
            (Origin::List, _) => (LIST.to_owned(), Some((LIST, format!("names the subject{shape}"))), by_rules.steps),
            (Origin::LookUp, None) => {
                (LOOK_UP.to_owned(), Some((LOOK_UP, format!("found the user{shape}"))), by_rules.steps)
            }
            (Origin::LookUp, Some(why)) => (LOOK_UP.to_owned(), Some((LOOK_UP, why.to_string())), Vec::new()),
            (Origin::Rule(rule), why) => (rule, why.map(|why| (LOOK_UP, why.to_string())), steps),
            (Origin::Template, why) => {
                let unmapped = matches!(result, Err(Denied::Unmapped));
                let setting = if unmapped { "SUBJECT_UNMAPPED" } else { "SUBJECT_TEMPLATE" };
                (setting.to_owned(), why.map(|why| (LOOK_UP, why.to_string())), steps)
            }
        };
        let shaped_by = by_rules.rule.filter(|_| result.is_ok());
        let (mut left_out, mut pages, mut claims) = (Vec::new(), Vec::new(), None);
        if let Ok(subject) = &result {
            left_out = config.mapping.left_out(&identity);
            pages =
                config.pages.visible_to(&identity).map(|page| (page.slug.to_string(), page.title.clone())).collect();
            claims = Some(claims_of(subject, &config.token, now)?);
        }
        Ok(Self { identity, decided_by, before_rules, shaped_by, steps, result, left_out, pages, claims })
    }

    fn note(&self) -> Option<String> {
        let subject = self.result.as_ref().ok().filter(|subject| looks_like_a_qlik_id(&subject.id))?;
        Some(format!("{} {LOOKS_LIKE_A_QLIK_ID}", subject.id))
    }

    fn json(&self) -> String {
        let denied = self.result.as_ref().err();
        let steps: Vec<_> = self
            .steps
            .iter()
            .map(|Step { rule, reason }| json!({ "rule": rule, "matches": reason.is_none(), "reason": reason }))
            .collect();
        let left_out: Vec<_> = self
            .left_out
            .iter()
            .map(|LeftOut { group, reason }| json!({ "group": group, "reason": reason.to_string() }))
            .collect();
        let pages: Vec<_> = self.pages.iter().map(|(slug, title)| json!({ "slug": slug, "title": title })).collect();
        let all = json!({
            "identity": self.identity,
            "rules": steps,
            "decided_by": self.decided_by,
            "before_rules": self.before_rules.as_ref().map(|(what, told)| json!({ "what": what, "told": told })),
            "shaped_by": self.shaped_by,
            "subject": self.result.as_ref().ok(),
            "denied": denied.map(|denied| json!({ "why": denied.why(), "visitor": denied.to_string() })),
            "groups_left_out": left_out,
            "note": self.note(),
            "pages": pages,
            "claims": self.claims,
        });
        format!("{all:#}\n")
    }

    fn text(&self) -> String {
        let sections = [self.who(), self.why(), self.outcome(), self.what_opens(), self.what_is_sent()];
        sections.into_iter().filter(|section| !section.is_empty()).collect::<Vec<_>>().join("\n")
    }

    fn who(&self) -> String {
        let Identity { source, id, name, email, groups, claims } = &self.identity;
        let claims = if claims.is_empty() { String::new() } else { Value::from(claims.clone()).to_string() };
        let lines = [
            ("source", source.to_string()),
            ("id", id.clone()),
            ("name", name.clone()),
            ("e-mail", email.clone().unwrap_or_default()),
            ("groups", quoted(groups)),
            ("claims", claims),
        ];
        section("Identity", lines)
    }

    fn why(&self) -> String {
        let mut lines: Vec<(&str, String)> = self.before_rules.iter().cloned().collect();
        lines.extend(self.steps.iter().map(|step| (step.rule.as_str(), verdict(step))));
        if ["SUBJECT_TEMPLATE", "SUBJECT_UNMAPPED"].contains(&&*self.decided_by) {
            let why = if self.steps.is_empty() { "there are no rules" } else { "no rule matches" };
            lines.push((&self.decided_by, format!("decides: {why}")));
        }
        section("Mapping", lines)
    }

    fn outcome(&self) -> String {
        let Subject { id, name, email, groups } = match &self.result {
            Ok(subject) => subject,
            Err(denied) => {
                return section("Denied", [("because", denied.why()), ("visitor", denied.to_string())]);
            }
        };
        let mut lines = vec![
            ("subject", id.clone()),
            ("name", name.clone()),
            ("e-mail", email.clone()),
            ("groups", quoted(groups)),
        ];
        let left_out = |LeftOut { group, reason }: &LeftOut| ("not sent", format!("{group:?}: {reason}"));
        lines.extend(self.left_out.iter().map(left_out));
        lines.extend(self.note().map(|note| ("note", note)));
        section("Qlik", lines)
    }

    fn what_opens(&self) -> String {
        let pages: Vec<_> = self.pages.iter().map(|(slug, title)| (format!("/embed/{slug}"), title.clone())).collect();
        section("Pages", pages.iter().map(|(path, title)| (path.as_str(), title.clone())))
    }

    fn what_is_sent(&self) -> String {
        let Some(claims) = &self.claims else { return String::new() };
        let lines = MEANINGS.iter().filter_map(|(name, _)| {
            let value = claims.get(*name)?;
            // These differ from token to token: what stands there is no value.
            let in_words = value.as_str().filter(|_| ["jti", "iat", "nbf", "exp"].contains(name));
            Some((*name, in_words.map_or_else(|| value.to_string(), |words| format!("({words})"))))
        });
        section("Claims", lines)
    }
}

/// What a token made now would say. What differs from token to token is told in words.
fn claims_of(subject: &Subject, settings: &token::Settings, now: OffsetDateTime) -> anyhow::Result<Map<String, Value>> {
    let Value::Object(mut claims) = serde_json::to_value(token::claims(subject, settings, now, ""))? else {
        bail!("claims are no object");
    };
    let seconds = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (before, after) = (seconds("iat") - seconds("nbf"), seconds("exp") - seconds("iat"));
    claims.insert("jti".into(), "random, another in each token".into());
    claims.insert("iat".into(), "when the token is made".into());
    claims.insert("nbf".into(), format!("{before} s before iat").into());
    claims.insert("exp".into(), format!("{after} s after iat").into());
    Ok(claims)
}

fn verdict(step: &Step) -> String {
    step.reason.as_ref().map_or_else(|| "matches".to_owned(), |reason| format!("no: {reason}"))
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// A heading and its lines, in columns; nothing when there are none.
fn section<'a>(title: &str, lines: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let lines: Vec<_> = lines.into_iter().collect();
    let Some(width) = lines.iter().map(|(name, _)| name.chars().count()).max() else { return String::new() };
    let line = |(name, value): (&str, String)| {
        let value = if value.is_empty() { "-" } else { &value };
        format!("  {name:width$}  {value}\n")
    };
    format!("{title}\n") + &lines.into_iter().map(line).collect::<String>()
}
