//! Takes settings out of an environment and collects every problem on the way, so that one run reports them all.

use std::fmt::Display;
use std::time::Duration;

use secrecy::SecretString;
use serde::de::DeserializeOwned;

use super::file::Sources;
use super::problem::{Problem, Problems};
use super::settings::{OTHERS, OURS, SETTINGS, Setting, find, nearest};

/// One line of `config show`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The variable.
    pub name: &'static str,
    /// Its value; a secret is masked.
    pub value: String,
    /// `environment`, `default`, or the spelling or file that it came from.
    pub from: String,
}

/// What a secret looks like when it is shown.
const MASK: &str = "(set, not shown)";

/// The remedy for lengths of time.
pub(super) const DURATION: &str = "write a number with its unit: 30s, 15m, 8h";

/// A length of time.
pub(super) fn duration(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text).map_err(|_| "is not a length of time")
}

/// One line of text for people.
pub(super) fn line(text: &str) -> Result<String, &'static str> {
    if text.chars().any(char::is_control) { Err("has control characters") } else { Ok(text.to_owned()) }
}

/// Items between commas or white space.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|item| !item.is_empty())
}

/// Reads settings one by one.
pub(super) struct Reader<'e> {
    sources: &'e Sources,
    problems: Vec<Problem>,
    hints: Vec<String>,
    shown: Vec<Shown>,
}

impl<'e> Reader<'e> {
    pub(super) fn new(sources: &'e Sources) -> Self {
        Self { sources, problems: sources.problems.clone(), hints: Vec::new(), shown: Vec::new() }
    }

    /// Ends the reading. All problems come out together; otherwise the remarks and what was in effect do.
    pub(super) fn finish(self) -> Result<(Vec<String>, Vec<Shown>), Problems> {
        let Self { problems, hints, shown, .. } = self;
        if problems.is_empty() { Ok((hints, shown)) } else { Err(Problems { problems, hints }) }
    }

    pub(super) fn problem(&mut self, variable: &str, reason: impl Display, remedy: impl Display) {
        self.problems.push(Problem {
            variable: variable.to_owned(),
            reason: reason.to_string(),
            remedy: remedy.to_string(),
        });
    }

    pub(super) fn hint(&mut self, hint: impl Into<String>) {
        self.hints.push(hint.into());
    }

    /// Whether somebody set it, under any spelling. Empty counts as not set.
    pub(super) fn is_set(&self, name: &str) -> bool {
        find(name).is_some_and(|setting| self.set(setting).is_some())
    }

    /// Whether somebody gave it: like [`Reader::is_set`], and for a secret also by `NAME_FILE`.
    pub(super) fn is_given(&self, name: &str) -> bool {
        let by_file =
            || find(name).is_some_and(|setting| setting.secret) && self.raw(&format!("{name}_FILE")).is_some();
        self.is_set(name) || by_file()
    }

    /// The file that `NAME_FILE` names for a secret.
    pub(super) fn file_of(&self, secret: &str) -> Option<&'e str> {
        self.raw(&format!("{secret}_FILE"))
    }

    /// What was set under this name, as it was written.
    pub(super) fn value(&self, name: &str) -> Option<&'e str> {
        find(name).and_then(|setting| self.set(setting)).map(|(value, _)| value)
    }

    fn raw(&self, name: &str) -> Option<&'e str> {
        self.sources.values.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The value and the spelling that it stands under.
    fn set(&self, setting: &Setting) -> Option<(&'e str, &'static str)> {
        let spellings = std::iter::once(&setting.name).chain(setting.aliases);
        spellings.copied().find_map(|name| self.raw(name).map(|value| (value, name)))
    }

    /// Where a setting that is set stands.
    fn origin(&self, name: &str) -> String {
        let file = self.sources.file.as_deref().filter(|_| self.sources.in_file.contains(name));
        file.unwrap_or("environment").to_owned()
    }

    /// The entries of a list of the configuration file, such as `[[pages]]`, each with the name under which its problems
    /// are reported: its place, and its slug or name if it has one. An entry that is no `T` is a problem.
    pub(super) fn entries<T: DeserializeOwned>(&mut self, list: &str, remedy: &str) -> Vec<(String, T)> {
        let mut entries = Vec::new();
        for (place, entry) in self.sources.list(list).iter().enumerate() {
            let called = ["slug", "name"].iter().find_map(|key| entry.get(key)?.as_str());
            let called = called.filter(|text| !text.is_empty() && line(text).is_ok()).map(|text| format!(" ({text})"));
            let name = format!("[[{list}]] {}{}", place + 1, called.unwrap_or_default());
            match entry.clone().try_into::<T>() {
                Ok(entry) => entries.push((name, entry)),
                Err(problem) => self.problem(&name, format!("cannot be used: {}", problem.message()), remedy),
            }
        }
        entries
    }

    /// Whether the configuration file has this table.
    pub(super) fn has_table(&self, name: &str) -> bool {
        self.sources.table(name).is_some()
    }

    /// A table of the configuration file, such as `[groups]`.
    pub(super) fn table<T: DeserializeOwned>(&mut self, name: &str, remedy: &str) -> Option<T> {
        let table = self.sources.table(name)?.clone().try_into::<T>();
        table
            .map_err(|problem| {
                self.problem(&format!("[{name}]"), format!("cannot be used: {}", problem.message()), remedy)
            })
            .ok()
    }

    /// Notes what holds for a setting that nobody set and that follows from others.
    pub(super) fn derived(&mut self, name: &'static str, value: impl Display, from: &str) {
        self.shown.push(Shown { name, value: value.to_string(), from: from.to_owned() });
    }

    /// The text of a setting that is no secret, or its default.
    fn text(&mut self, setting: &'static Setting) -> Option<String> {
        let (value, from) = match self.set(setting) {
            Some((value, spelling)) if spelling == setting.name => {
                let differs = |alias: &&&str| self.raw(alias).is_some_and(|other| other != value);
                let ignored: Vec<_> = setting.aliases.iter().filter(differs).collect();
                for alias in ignored {
                    self.hints.push(format!("{alias} has no effect beside {}", setting.name));
                }
                (value, self.origin(setting.name))
            }
            Some((value, spelling)) => {
                self.hint(format!("{spelling} is understood; its name here is {}", setting.name));
                (value, spelling.to_owned())
            }
            None => (setting.default?, "default".to_owned()),
        };
        self.shown.push(Shown { name: setting.name, value: value.to_owned(), from });
        Some(value.to_owned())
    }

    /// An optional setting. A value that `parse` refuses is a problem, and reads as `None`.
    pub(super) fn optional<T, E: Display>(
        &mut self,
        name: &str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(find(name)?)?;
        parse(&text).map_err(|reason| self.problem(name, reason, remedy)).ok()
    }

    /// An optional setting that others read too, in whichever spelling. Of its value, only what `show` makes of it is shown.
    pub(super) fn shared<T, E: Display>(
        &mut self,
        name: &'static str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
        show: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let (text, spelling) = self.set(find(name)?)?;
        match parse(text) {
            Ok(value) => {
                let from = if spelling == name { self.origin(name) } else { spelling.to_owned() };
                self.shown.push(Shown { name, value: show(&value), from });
                Some(value)
            }
            Err(reason) => {
                self.problem(spelling, reason, remedy);
                None
            }
        }
    }

    /// A setting that must be there.
    pub(super) fn required<T, E: Display>(
        &mut self,
        name: &str,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let setting = find(name)?;
        if setting.default.is_none() && !self.is_set(name) {
            self.problem(name, "is not set", remedy);
            return None;
        }
        self.optional(name, remedy, parse)
    }

    /// A secret, from the variable or from the file that `NAME_FILE` names, never both. `default_file` is read when
    /// neither is set. Says from where it came: a file's path, or nothing for the variable.
    pub(super) fn secret(
        &mut self,
        name: &'static str,
        default_file: Option<&str>,
    ) -> Option<(SecretString, Option<std::path::PathBuf>)> {
        let setting = find(name)?;
        let file_name = format!("{name}_FILE");
        let (value, file) = (self.set(setting), self.raw(&file_name));
        if let (Some((_, spelling)), Some(_)) = (value, file) {
            self.problem(spelling, format!("and {file_name} are both set"), "keep one of the two");
            return None;
        }
        if let Some((value, _)) = value {
            self.shown.push(Shown { name: setting.name, value: MASK.into(), from: self.origin(name) });
            // Some places where environments are written allow no line breaks.
            return Some((SecretString::from(value.replace("\\n", "\n")), None));
        }
        let path = file.or(default_file)?;
        self.shown.push(Shown { name: setting.name, value: MASK.into(), from: path.to_owned() });
        match std::fs::read_to_string(path) {
            Ok(text) if !text.trim().is_empty() => Some((SecretString::from(text), Some(path.into()))),
            Ok(_) => {
                self.problem(&file_name, format!("names {path}, which is empty"), "put the secret into it");
                None
            }
            Err(problem) if file.is_none() => {
                let reason = format!("is not set, and {path} cannot be read ({problem})");
                self.problem(&file_name, reason, "make a key with `qlik-embed-bff keygen`, or name the file of yours");
                None
            }
            Err(problem) => {
                let reason = format!("names {path}, which cannot be read ({problem})");
                self.problem(&file_name, reason, "correct the path, or let this program's user read the file");
                None
            }
        }
    }

    /// Reports variables that look like ours and are not.
    pub(super) fn report_strangers(&mut self) {
        for name in self.sources.values.keys() {
            let known = |setting: &Setting| {
                setting.name == name || (setting.secret && name.strip_suffix("_FILE") == Some(setting.name))
            };
            if SETTINGS.iter().any(known) || name.starts_with(OTHERS) {
                continue;
            }
            let ours = OURS.iter().any(|prefix| name.starts_with(prefix));
            match nearest(name, if ours { 0.7 } else { 0.85 }) {
                Some(known) => self.hints.push(format!("{name} is not known and has no effect; did you mean {known}?")),
                None if ours => self.hints.push(format!("{name} is not known and has no effect")),
                None => {}
            }
        }
    }
}
