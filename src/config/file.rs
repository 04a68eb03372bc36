//! The file that `CONFIG_FILE` names: TOML, with the lists that variables cannot hold, and any other setting under its own
//! name. The environment wins.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use toml::{Table, Value};

use super::problem::Problem;
use super::settings::{Setting, find, nearest};

/// The environment as a value: names and what they are set to.
pub type Env = BTreeMap<String, String>;

/// The lists and tables that only the file can hold.
const LISTS: [&str; 2] = ["pages", "mapping"];
const TABLES: [&str; 1] = ["groups"];

/// The environment, and under it what the file says.
#[derive(Clone, Debug, Default)]
pub(super) struct Sources {
    /// Settings by name.
    pub values: Env,
    /// The file's name, if there is one.
    pub file: Option<String>,
    /// Which of the settings come from the file.
    pub in_file: BTreeSet<String>,
    /// What was wrong with the file.
    pub problems: Vec<Problem>,
    /// Lists and tables.
    structured: Table,
}

impl Sources {
    pub(super) fn of(env: &Env) -> Self {
        let mut sources = Self { values: env.clone(), ..Self::default() };
        let name = env.get("CONFIG_FILE").map(|name| name.trim()).filter(|name| !name.is_empty());
        if let Some(name) = name {
            sources.file = Some(name.to_owned());
            match read(name) {
                Ok(table) => table.into_iter().for_each(|(key, value)| sources.add(key, value)),
                Err(problem) => sources.problem("CONFIG_FILE", problem, "correct the file, or leave CONFIG_FILE out"),
            }
        }
        sources
    }

    /// The entries of a list such as `[[pages]]`.
    pub(super) fn list(&self, name: &str) -> &[Value] {
        self.structured.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// A table such as `[groups]`.
    pub(super) fn table(&self, name: &str) -> Option<&Value> {
        self.structured.get(name).filter(|value| value.is_table())
    }

    /// Takes one setting as it is written elsewhere, with all that says something about it.
    pub(super) fn take(&mut self, setting: &Setting, elsewhere: &Self) {
        let file = format!("{}_FILE", setting.name);
        let names = setting.aliases.iter().copied().chain([setting.name]).chain(setting.secret.then_some(&*file));
        for name in names {
            self.in_file.remove(name);
            match elsewhere.values.get(name) {
                Some(value) => self.values.insert(name.to_owned(), value.clone()),
                None => self.values.remove(name),
            };
            if elsewhere.in_file.contains(name) {
                self.in_file.insert(name.to_owned());
            }
        }
    }

    /// The lists and tables that are not the same elsewhere.
    pub(super) fn other_lists(&self, elsewhere: &Self) -> impl Iterator<Item = &'static str> {
        let differs = |name: &&str| self.structured.get(*name) != elsewhere.structured.get(*name);
        LISTS.into_iter().chain(TABLES).filter(differs)
    }

    fn add(&mut self, key: String, value: Value) {
        let is_list = value.as_array().is_some_and(|items| items.iter().all(Value::is_table));
        match (&*key, scalar(&value)) {
            (name, _) if LISTS.contains(&name) && is_list => {
                self.structured.insert(key, value);
            }
            (name, _) if TABLES.contains(&name) && value.is_table() => {
                self.structured.insert(key, value);
            }
            (name, _) if LISTS.contains(&name) => {
                self.problem(name, "is not a list of tables", format!("begin each entry with [[{name}]]"));
            }
            (name, _) if TABLES.contains(&name) => {
                self.problem(name, "is not a table", format!("begin it with [{name}]"));
            }
            ("CONFIG_FILE", _) => {
                self.problem("CONFIG_FILE", "names another file inside the file", "leave it out there")
            }
            (name, Some(text)) if is_setting(name) => {
                if !self.is_set(name) {
                    self.values.insert(key.clone(), text);
                    self.in_file.insert(key);
                }
            }
            (name, None) if is_setting(name) => {
                self.problem(name, "is neither text, a number, true or false, nor a list of texts", "write it as text");
            }
            (name, _) => {
                let remedy = match nearest(&name.to_uppercase(), 0.7) {
                    Some(known) => format!("did you mean {known}?"),
                    None => "remove it; .env.example lists all settings".to_owned(),
                };
                self.problem(name, "in the file of CONFIG_FILE is not known", remedy);
            }
        }
    }

    /// Whether the environment has it, under any spelling.
    fn is_set(&self, name: &str) -> bool {
        let aliases = find(name).map_or(&[][..], |setting| setting.aliases);
        let set = |name: &str| self.values.get(name).is_some_and(|value| !value.trim().is_empty());
        set(name) || aliases.iter().any(|alias| set(alias))
    }

    fn problem(&mut self, variable: &str, reason: impl Into<String>, remedy: impl Into<String>) {
        self.problems.push(Problem { variable: variable.to_owned(), reason: reason.into(), remedy: remedy.into() });
    }
}

fn is_setting(name: &str) -> bool {
    let of_file = |setting: &Setting| setting.secret;
    find(name).is_some() || name.strip_suffix("_FILE").and_then(find).is_some_and(of_file)
}

/// What lies in a file that may change while the server runs. What is no file is not read: a pipe could be waited for without end,
/// and gives what it has only once.
pub fn content(file: impl AsRef<Path>) -> Option<Vec<u8>> {
    if file.as_ref().is_file() { fs::read(file).ok() } else { None }
}

fn read(name: &str) -> Result<Table, String> {
    let text = fs::read_to_string(name).map_err(|problem| format!("names {name}, which cannot be read ({problem})"))?;
    // The message without the line itself, which may hold a secret.
    text.parse::<Table>().map_err(|problem| {
        let line = problem.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        format!("names {name}, which is not TOML in line {line}: {}", problem.message())
    })
}

/// What a variable would say: lists of texts are joined as lists in variables are.
pub(super) fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(", "))
        }
        _ => None,
    }
}
