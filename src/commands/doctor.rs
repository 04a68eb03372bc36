//! `doctor`: what is wrong between this server, the tenant and the provider, and what to do.

use std::io::{IsTerminal, Write};

use anyhow::bail;
use clap::Args;
use serde_json::{Value, json};

use super::identity::{self, Explain, sources};
use crate::clock::Clock;
use crate::config::{self, Env, Loaded, Problems};
use crate::doctor::{self, Doctor, Finding, Outcome, Who};
use crate::identity::Source;
use crate::store::{self, Condition, Store};
use crate::subjects::Subjects;

/// How wide text is set on a terminal, in characters.
const WIDTH: usize = 100;
/// Where the columns begin.
const TITLE: usize = 9;
const FOUND: usize = 34;

/// Whom to sign in, and how to tell.
#[derive(Debug, Args)]
pub struct Options {
    /// Sign this person in at the tenant, to look at what lies behind the login: the id of a local account, or any id
    /// together with the options below. Their first login creates their user in the tenant
    #[arg(long = "as", value_name = "ID", conflicts_with = "probe_subject")]
    as_whom: Option<String>,
    /// Sign in as qlik-embed-bff-probe. This creates a user of that name in the tenant, which stays there
    #[arg(long)]
    probe_subject: bool,
    /// The way of signing in by which --as is known
    #[arg(long, requires = "as_whom", default_value = "password", value_parser = sources())]
    source: Source,
    /// Display name
    #[arg(long, requires = "as_whom")]
    name: Option<String>,
    /// E-mail address
    #[arg(long, requires = "as_whom")]
    email: Option<String>,
    /// A group; repeat for several
    #[arg(long = "group", value_name = "GROUP", requires = "as_whom")]
    groups: Vec<String>,
    /// Print one JSON object, as docs/doctor.schema.json describes it
    #[arg(long)]
    json: bool,
}

/// Looks, and tells.
///
/// # Errors
/// When a check failed, the settings cannot be used, or nobody is known by that id.
pub async fn run(options: Options, env: &Env, clock: Clock) -> anyhow::Result<()> {
    let mut report = Report::new(options.json);
    match config::load(env, clock.now()) {
        Ok(loaded) => examine(&options, loaded, clock, &mut report).await?,
        Err(problems) => without_settings(&problems, env, clock, &mut report).await,
    }
    let failures = report.finish()?;
    match failures {
        0 => Ok(()),
        1 => bail!("one check failed"),
        failures => bail!("{failures} checks failed"),
    }
}

async fn examine(options: &Options, loaded: Loaded, clock: Clock, report: &mut Report) -> anyhow::Result<()> {
    let Loaded { config, hints, .. } = loaded;
    let (who, trouble) = match who(options, &config, &clock).await {
        Ok(who) => (who, None),
        // The store, the look-up or the account: what is wrong with them is looked at all the same.
        Err(problem) => (Who::Nobody("it cannot be told who that is to Qlik".to_owned()), Some(format!("{problem:#}"))),
    };
    report.begin(config.tenant.origin.as_str(), who.subject().map(|subject| subject.id.as_str()));
    if let Some(trouble) = trouble {
        report.tell(doctor::unknown(&trouble));
    }
    let doctor = Doctor::new(config, clock)?;
    doctor.examine(&hints, &who, &mut |finding| report.tell(finding)).await;
    Ok(())
}

/// What can be looked at when not all settings can be used: whether there is a tenant.
async fn without_settings(problems: &Problems, env: &Env, clock: Clock, report: &mut Report) {
    let tenant = config::load_tenant(env).ok();
    report.begin(&tenant.as_ref().map_or_else(String::new, |tenant| tenant.origin.to_string()), None);
    doctor::of_problems(problems).into_iter().for_each(|finding| report.tell(finding));
    if let Some(tenant) = tenant {
        doctor::reach(&tenant, clock.now(), &mut |finding| report.tell(finding)).await;
    }
}

async fn who(options: &Options, config: &config::Config, clock: &Clock) -> anyhow::Result<Who> {
    if options.probe_subject {
        return Ok(Who::Subject(doctor::probe()));
    }
    let Some(id) = options.as_whom.clone() else {
        let why = "nobody was named: sign somebody in with --as, whose first login creates their user in the tenant";
        return Ok(Who::Nobody(why.to_owned()));
    };
    // Who is described need not be anywhere, not even a database.
    // Nor shall looking bring a database up to date, on which older instances may be at work.
    let is_current = matches!(store::condition(&config.store).await, Ok(Condition::Current));
    let store = if is_current { Some(Store::open_existing(&config.store).await?) } else { None };
    let described = Explain {
        source: options.source,
        id: Some(id),
        name: options.name.clone(),
        email: options.email.clone(),
        groups: options.groups.clone(),
        claims: None,
        json: false,
    };
    let identity = identity::identity(&described, config, store.as_ref()).await?;
    let subjects = Subjects::new(config.subjects.clone(), config.mapping.clone(), store)?;
    let resolution = subjects.foresee(&identity, clock.now()).await?;
    Ok(Who::of(&identity, resolution.result))
}

/// Tells findings as they come, or all of them as JSON.
struct Report {
    json: bool,
    /// Colour, and a line that says that something is going on.
    terminal: bool,
    tenant: String,
    subject: Option<String>,
    findings: Vec<Finding>,
}

impl Report {
    fn new(json: bool) -> Self {
        let terminal = !json && std::io::stdout().is_terminal();
        Self { json, terminal, tenant: String::new(), subject: None, findings: Vec::new() }
    }

    fn begin(&mut self, tenant: &str, subject: Option<&str>) {
        (self.tenant, self.subject) = (tenant.to_owned(), subject.map(str::to_owned));
        if self.json {
            return;
        }
        let tenant = if tenant.is_empty() { "no tenant" } else { tenant };
        match subject {
            Some(subject) => {
                println!(
                    "Looking at {tenant}, signing in as {subject}: if there is no such user yet, this creates one.\n"
                );
            }
            None => println!("Looking at {tenant}, signing nobody in.\n"),
        }
        self.progress();
    }

    fn tell(&mut self, finding: Finding) {
        if !self.json {
            let text = text(&finding, self.terminal);
            let erase = if self.terminal { "\r\x1b[K" } else { "" };
            print!("{erase}{text}");
        }
        self.findings.push(finding);
        self.progress();
    }

    fn progress(&self) {
        if self.terminal {
            print!("\x1b[2m… {} looked at\x1b[0m", self.findings.len());
        }
        // A pipe that nobody reads any more is no reason to stop looking.
        let _ = std::io::stdout().flush();
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.findings.iter().filter(|finding| finding.outcome == outcome).count()
    }

    fn finish(self) -> anyhow::Result<usize> {
        let counts = [Outcome::Pass, Outcome::Warning, Outcome::Failure, Outcome::Skipped]
            .map(|outcome| (outcome, self.count(outcome)));
        if self.json {
            let findings: Vec<_> = self.findings.iter().map(as_json).collect();
            let mut report = json!({ "tenant": self.tenant, "subject": self.subject, "findings": findings });
            for (outcome, count) in counts {
                report[outcome.as_str()] = count.into();
            }
            println!("{report:#}");
        } else {
            let erase = if self.terminal { "\r\x1b[K" } else { "" };
            let counts: Vec<_> = counts.iter().map(|(outcome, count)| counted(*outcome, *count)).collect();
            println!("{erase}\n{}", counts.join(", "));
            println!(
                "What a visitor's browser does with the tenant's cookies, no server can see: open a page to know."
            );
        }
        Ok(self.count(Outcome::Failure))
    }
}

fn counted(outcome: Outcome, count: usize) -> String {
    match (outcome, count) {
        (Outcome::Pass, count) => format!("{count} passed"),
        (Outcome::Skipped, count) => format!("{count} skipped"),
        (outcome, 1) => format!("1 {outcome}"),
        (outcome, count) => format!("{count} {outcome}s"),
    }
}

fn as_json(finding: &Finding) -> Value {
    let advice = finding.advice.map(|advice| {
        json!({
            "id": advice.id, "meaning": advice.meaning, "who": advice.who.to_string(),
            "where": advice.where_to_click, "retry": advice.retry.as_str(),
        })
    });
    json!({
        "check": finding.check.id(), "title": finding.check.title(), "outcome": finding.outcome.as_str(),
        "lookedAt": finding.looked_at, "expected": finding.check.expected(), "found": finding.found,
        "remedy": finding.remedy(), "advice": advice, "link": format!("docs/{}", finding.link()),
    })
}

/// One line for what is well, a paragraph for what is not.
fn text(finding: &Finding, colour: bool) -> String {
    let outcome = finding.outcome;
    let (paint, end) = match outcome {
        _ if !colour => ("", ""),
        Outcome::Pass => ("\x1b[32m", "\x1b[0m"),
        Outcome::Warning => ("\x1b[33m", "\x1b[0m"),
        Outcome::Failure => ("\x1b[1;31m", "\x1b[0m"),
        Outcome::Skipped => ("\x1b[2m", "\x1b[0m"),
    };
    let title = finding.check.title();
    let mut text = format!("{paint}{outcome:TITLE$}{end}{title:width$}", width = FOUND - TITLE);
    text.push_str(&wrap(&finding.found, FOUND));
    if matches!(outcome, Outcome::Pass | Outcome::Skipped) {
        return text;
    }
    let advice = finding.advice;
    let rows = [
        ("looked at", Some(finding.looked_at.clone())),
        ("expected", Some(finding.check.expected().to_owned())),
        ("means", advice.map(|advice| advice.meaning.to_owned())),
        ("do", finding.remedy().map(str::to_owned)),
        ("where", advice.and_then(|advice| advice.where_to_click).map(str::to_owned)),
        ("who", advice.map(|advice| advice.who.to_string())),
        ("see", Some(format!("docs/{}", finding.link()))),
    ];
    for (name, said) in rows.into_iter().filter_map(|(name, said)| Some((name, said?))) {
        text.push_str(&format!("{:TITLE$}{name:12}{}", "", wrap(&said, TITLE + 12)));
    }
    text
}

/// Breaks between words, and begins each further line in the same column.
fn wrap(text: &str, column: usize) -> String {
    let mut wrapped = String::new();
    let mut width = column;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > column && width + 1 + length > WIDTH {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(column));
            width = column;
        } else if width > column {
            wrapped.push(' ');
            width += 1;
        }
        wrapped.push_str(word);
        width += length;
    }
    wrapped.push('\n');
    wrapped
}
