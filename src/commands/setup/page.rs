//! App and sheet: those of the settings, those that were named, the only ones, or those that somebody chooses.

use anyhow::bail;

use super::{Options, ask};
use uuid::Uuid;

use crate::config::ToSetUp;
use crate::setup::{Choice, Desk, Entry, Part, State, Step, choose};

/// How many entries are listed.
const LISTED: usize = 20;

/// What came of it.
pub(super) struct Page {
    pub step: Step,
    pub app: Option<String>,
    pub sheet: Option<String>,
    /// Why it cannot go on like that.
    problem: Option<String>,
    /// What there is not yet.
    missing: Option<&'static str>,
}

impl Page {
    fn of(step: Step, app: Option<String>, sheet: Option<String>) -> Self {
        Self { step, app, sheet, problem: None, missing: None }
    }

    /// Somebody has to say more.
    fn open(app: Option<String>, problem: String) -> Self {
        let step = Step::here(Part::Page, State::Stuck, problem.clone());
        Self { problem: Some(problem), ..Self::of(step, app, None) }
    }

    /// There is nothing to take yet, which keeps nobody from the rest.
    fn missing(app: Option<String>, what: &'static str) -> Self {
        let step = Step::here(Part::Page, State::Stuck, what);
        Self { missing: Some(what), ..Self::of(step, app, None) }
    }

    /// # Errors
    /// When somebody has to say more.
    pub fn must_be_known(&self) -> anyhow::Result<()> {
        match &self.problem {
            Some(problem) => bail!("nothing was changed: {problem}"),
            None => Ok(()),
        }
    }

    /// # Errors
    /// When there was nothing to take.
    pub fn end(&self) -> anyhow::Result<()> {
        match self.missing {
            Some(what) => bail!("all else is done, but {what}; then run this again"),
            None => Ok(()),
        }
    }
}

/// Looks for both.
///
/// # Errors
/// When the tenant cannot be asked.
pub(super) async fn find(desk: &Desk, known: &ToSetUp, options: &Options, may_ask: bool) -> anyhow::Result<Page> {
    if known.has_pages && options.app.is_none() && options.sheet.is_none() {
        let step = Step::here(Part::Page, State::There, "CONFIG_FILE has the pages");
        return Ok(Page::of(step, None, None));
    }
    let mut names = Vec::new();
    let app = match (&options.app, &known.app) {
        (None, Some(id)) => Entry { id: id.clone(), title: id.clone() },
        // An id needs no list, which the tenant may not give.
        (Some(id), _) if id.parse::<Uuid>().is_ok() => Entry { id: id.clone(), title: id.clone() },
        (named, _) => match take("app", named.as_deref(), &desk.apps().await?, may_ask)? {
            Ok(app) => app,
            Err(Missing::Nothing) => {
                return Ok(Page::missing(
                    None,
                    "there is no app that this administrator sees: make one, or upload one",
                ));
            }
            Err(Missing::Unclear(problem)) => return Ok(Page::open(None, problem)),
        },
    };
    names.push(app.title.clone());
    // Another app has other sheets.
    let kept = known.sheet.as_ref().filter(|_| known.app.as_deref() == Some(&app.id) && options.sheet.is_none());
    let sheet = match kept {
        Some(id) => Entry { id: id.clone(), title: id.clone() },
        None => match (desk.sheets(&app.id).await, &options.sheet) {
            (Ok(sheets), named) => match take("sheet", named.as_deref(), &sheets, may_ask)? {
                Ok(sheet) => sheet,
                Err(Missing::Nothing) => {
                    return Ok(Page::missing(
                        Some(app.id),
                        "the app has no sheet that this administrator sees: make one",
                    ));
                }
                Err(Missing::Unclear(problem)) => return Ok(Page::open(Some(app.id), problem)),
            },
            // Whoever names the sheet may know an app that this administrator cannot open.
            (Err(_), Some(id)) => Entry { id: id.clone(), title: id.clone() },
            (Err(problem), None) => {
                return Ok(Page::open(
                    Some(app.id),
                    format!("{problem}\nName the sheet with --sheet to go on without"),
                ));
            }
        },
    };
    names.push(sheet.title.clone());
    let step = Step::here(Part::Page, State::There, names.join(", sheet "));
    Ok(Page::of(step, Some(app.id), Some(sheet.id)))
}

/// Why there is none.
enum Missing {
    Nothing,
    Unclear(String),
}

fn take(what: &str, named: Option<&str>, entries: &[Entry], may_ask: bool) -> anyhow::Result<Result<Entry, Missing>> {
    Ok(match choose(named, entries) {
        Choice::Taken(entry) => Ok(entry),
        Choice::Nothing => Err(Missing::Nothing),
        Choice::Several if may_ask => Ok(ask::choose(what, entries)?),
        Choice::Several => {
            let count = entries.len();
            Err(Missing::Unclear(format!("there are {count} {what}s; name one with --{what}:{}", list(entries))))
        }
        Choice::Unknown => {
            let named = named.unwrap_or_default();
            Err(Missing::Unclear(format!(
                "no {what}, or more than one, is called {named}; there are:{}",
                list(entries)
            )))
        }
    })
}

fn list(entries: &[Entry]) -> String {
    let mut text: String =
        entries.iter().take(LISTED).map(|Entry { id, title }| format!("\n    {id}  {title}")).collect();
    if let Some(more) = entries.len().checked_sub(LISTED).filter(|more| *more > 0) {
        text.push_str(&format!("\n    and {more} more"));
    }
    text
}
