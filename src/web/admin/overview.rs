//! What this instance is, and what is wrong with it.

use std::time::Duration;

use askama::Template;
use axum::extract::{Form, State};
use axum::response::{Html, Redirect};
use serde::Deserialize;
use time::OffsetDateTime;

use super::words::{Moment, count};
use super::{Admin, Part};
use crate::admin::Round;
use crate::app::App;
use crate::audit::{self, Event};
use crate::doctor::{Finding, Outcome, Who, probe};
use crate::errand::Budget;
use crate::web::error::{Error, Site};

/// How long the form waits for the diagnosis. A request has 30 seconds; what takes longer is looked at later.
const PATIENCE: Duration = Duration::from_secs(20);

/// `GET /admin`: the instance, and the last diagnosis.
pub async fn show(State(app): State<App>, admin: Admin) -> Result<Html<String>, Error> {
    let now = app.clock.now();
    let (site, visitor) = admin.look_at(&app, Part::Overview, None);
    let facts = facts(&app, &admin).await?;
    let round = admin.desk.rounds.last().map(|round| Shown::of(round, now));
    let page = Overview { site, visitor, part: Part::Overview, facts, probe: probe().id, round };
    Ok(Html(page.render()?))
}

/// Who shall be signed in at the tenant.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum As {
    #[default]
    Nobody,
    Me,
    Probe,
}

/// The form.
#[derive(Deserialize)]
pub struct Wish {
    #[serde(default, rename = "as")]
    who: As,
}

/// `POST /admin/doctor`: has the diagnosis made, unless one is under way, and leads back to where it is shown.
pub async fn begin_doctor(State(app): State<App>, admin: Admin, Form(wish): Form<Wish>) -> Result<Redirect, Error> {
    let who = match wish.who {
        As::Nobody => Who::Nobody("nobody was to be signed in: choose somebody beside the button".to_owned()),
        As::Probe => Who::Subject(probe()),
        As::Me => Who::of(admin.identity(), app.subjects.foresee(admin.identity(), app.clock.now()).await?.result),
    };
    let subject = who.subject().map(|subject| subject.id.clone());
    let (desk, by) = (&admin.desk, admin.identity());
    let config = desk.config_now(app.tokens.as_ref());
    let begun = desk.rounds.begin(config, &desk.settings.hints, who, by.key(), &app.clock);
    if begun.map_err(|_| Error::Broken("the certificate authorities of this machine cannot be read"))? {
        audit::record(admin.caller, &Event::DoctorRun { by, subject: subject.as_deref() });
        desk.rounds.wait(PATIENCE).await;
    }
    Ok(Redirect::to("/admin#doctor"))
}

/// What is worth knowing about the instance: names and values.
async fn facts(app: &App, admin: &Admin) -> Result<Vec<(&'static str, String)>, Error> {
    let now = app.clock.now();
    let since = Moment::of(admin.desk.since, now);
    let ways: Vec<_> = app.sign_in.iter().map(|source| source.as_str()).collect();
    let mut facts = vec![
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Running since", format!("{} UTC ({})", since.text, since.distance)),
        ("Address", app.server.public_url.to_string()),
        ("Tenant", app.tenant.origin.to_string()),
        ("Ways of signing in", ways.join(", ")),
        ("Signed in", count(app.store.count_sessions(now).await?, "session")),
        ("Logins at the tenant", logins(app).await?),
    ];
    if let Some(tokens) = &app.access_tokens {
        facts.push(("Access tokens of the tenant", left_of(tokens.budget(now).await?, "token", now)));
    }
    Ok(facts)
}

/// What is left of the logins, for pages whose requests pass through this server.
async fn logins(app: &App) -> Result<String, Error> {
    if !app.pages.use_proxy() {
        return Ok("made by the visitors' browsers, and not counted here".to_owned());
    }
    let now = app.clock.now();
    Ok(left_of(app.tenant_sessions.budget(now).await?, "login", now))
}

/// What is left of a budget, in words.
fn left_of(budget: Budget, what: &str, now: OffsetDateTime) -> String {
    let (used, left, a_minute) = (budget.used, budget.left(), budget.a_minute);
    let mut told = match budget.until {
        Some(until) => {
            format!(
                "{used} of {a_minute} used in this minute, {left} left; it ends {}",
                Moment::of(until, now).distance
            )
        }
        None => format!("none in this minute, {left} left"),
    };
    if let Some(paused) = budget.paused {
        told.push_str(&format!(". The tenant is left alone; the next {what} is {}", Moment::of(paused, now).distance));
    }
    told
}

#[derive(Template)]
#[template(path = "admin_overview.html")]
struct Overview {
    site: Site,
    visitor: Option<String>,
    part: Part,
    facts: Vec<(&'static str, String)>,
    /// Who is signed in when nobody in particular shall be.
    probe: String,
    round: Option<Shown>,
}

/// A diagnosis as it is shown: first what somebody should look at.
struct Shown {
    by: String,
    subject: Option<String>,
    begun: Moment,
    under_way: bool,
    complete: bool,
    counts: String,
    bad: Vec<Entry>,
    rest: Vec<Entry>,
}

impl Shown {
    fn of(round: Round, now: time::OffsetDateTime) -> Self {
        let outcomes = [Outcome::Failure, Outcome::Warning, Outcome::Pass, Outcome::Skipped];
        let [failures, warnings, passed, skipped] = outcomes.map(|outcome| round.count(outcome) as u64);
        let (failures, warnings) = (count(failures, "failure"), count(warnings, "warning"));
        let under_way = round.is_under_way();
        let (bad, rest) = round.findings.into_iter().map(Entry::of).partition(|entry| entry.is_bad);
        Self {
            by: round.by,
            subject: round.subject,
            begun: Moment::of(round.begun, now),
            under_way,
            complete: round.complete,
            counts: format!("{failures}, {warnings}, {passed} passed, {skipped} skipped"),
            bad,
            rest,
        }
    }
}

/// A finding.
struct Entry {
    outcome: &'static str,
    is_bad: bool,
    title: &'static str,
    found: String,
    /// Names and values.
    more: Vec<(&'static str, Vec<Span>)>,
}

/// A piece of a text of the catalogue, which has names between backquotes.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    is_name: bool,
    text: String,
}

fn spans(text: &str) -> Vec<Span> {
    let pieces = text.split('`').enumerate().filter(|(_, text)| !text.is_empty());
    pieces.map(|(place, text)| Span { is_name: place % 2 == 1, text: text.to_owned() }).collect()
}

impl Entry {
    fn of(finding: Finding) -> Self {
        let advice = finding.advice;
        let more = [
            ("Looked at", Some(finding.looked_at.clone())),
            ("Expected", Some(finding.check.expected().to_owned())),
            ("Means", advice.map(|advice| advice.meaning.to_owned())),
            ("Do", finding.remedy().map(str::to_owned)),
            ("Where", advice.and_then(|advice| advice.where_to_click).map(str::to_owned)),
            ("Who", advice.map(|advice| advice.who.to_string())),
            ("See", Some(format!("docs/{}", finding.link()))),
        ];
        Self {
            outcome: finding.outcome.as_str(),
            is_bad: matches!(finding.outcome, Outcome::Failure | Outcome::Warning),
            title: finding.check.title(),
            more: more.into_iter().filter_map(|(name, value)| Some((name, spans(&value?)))).collect(),
            found: finding.found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_between_backquotes() {
        let told: Vec<_> = spans("set `A` to `b`").into_iter().map(|span| (span.is_name, span.text)).collect();
        let expected = [(false, "set "), (true, "A"), (false, " to "), (true, "b")];
        assert_eq!(told, expected.map(|(is_name, text)| (is_name, text.to_owned())));
        assert_eq!(spans("").len(), 0);
    }
}
