//! `.env` as `setup` changes it: its own variables are changed where they stand or put at the end, and every other line stays
//! as it is.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use time::OffsetDateTime;

use super::pair::Staged;
use crate::config::settings::find;

/// What stands above the variables that are put at the end.
const HEADING: &str = "# Written by `qlik-embed-bff setup`:";

/// A variable and its value; without one it goes.
pub type Change = (&'static str, Option<String>);

/// The text with these changes. What it has already, under any spelling of the name, stays where it stands.
pub fn changed(text: &str, changes: &[Change]) -> String {
    let mut entries: Vec<Entry<'_>> = entries(text);
    let mut new = Vec::new();
    for (name, value) in changes {
        let spellings =
            std::iter::once(*name).chain(find(name).map_or(&[][..], |setting| setting.aliases).iter().copied());
        // Of two lines with one name the first counts.
        let place = spellings.into_iter().find_map(|name| entries.iter().position(|entry| entry.name == Some(name)));
        match (place.and_then(|place| entries.get_mut(place)), value) {
            (Some(entry), Some(value)) => {
                let end = if entry.text.ends_with("\r\n") { "\r\n" } else { "\n" };
                entry.text = format!("{}={}{end}", entry.name.unwrap_or(name), quoted(value)).into();
            }
            (Some(entry), None) => entry.text = "".into(),
            (None, Some(value)) => new.push(format!("{name}={}\n", quoted(value))),
            (None, None) => {}
        }
    }
    let mut text: String = entries.into_iter().map(|entry| entry.text).collect();
    if new.is_empty() {
        return text;
    }
    if !text.is_empty() {
        text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
    }
    text.push_str(HEADING);
    text.push('\n');
    text.extend(new);
    text
}

/// As `.env` needs it: single quotes keep blanks and dollar signs, double quotes what is written with backslashes. A value has one line:
/// what would end it is left out, so that no name chosen elsewhere becomes a setting of its own.
pub fn quoted(value: &str) -> String {
    let value: String = value.chars().filter(|c| !c.is_control()).collect();
    let plain = |c: char| c.is_alphanumeric() || "/._-:".contains(c);
    if value.chars().all(plain) {
        value
    } else if value.contains('\'') {
        let escaped = |c: char| if "\\\"$".contains(c) { format!("\\{c}") } else { c.to_string() };
        format!("\"{}\"", value.chars().map(escaped).collect::<String>())
    } else {
        format!("'{value}'")
    }
}

/// A line, or several when a value between quotes goes over them.
struct Entry<'a> {
    /// The variable that it sets.
    name: Option<&'a str>,
    text: std::borrow::Cow<'a, str>,
}

fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let line = rest.split_inclusive('\n').next().unwrap_or(rest);
        let assigned = assignment(line);
        let length = match assigned {
            Some((_, begin)) => end_of_value(rest, begin),
            None => line.len(),
        };
        let (entry, after) = rest.split_at(length);
        entries.push(Entry { name: assigned.map(|(name, _)| name), text: entry.into() });
        rest = after;
    }
    entries
}

/// The variable of a line, and where its value begins.
fn assignment(line: &str) -> Option<(&str, usize)> {
    let (before, _) = line.split_once('=')?;
    let name = before.trim();
    let name = name.strip_prefix("export ").map_or(name, str::trim_start);
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, before.len() + 1))
}

/// Behind the end of the line in which a value ends: a quote that is open goes on in the next. As dotenvy reads it.
fn end_of_value(text: &str, begin: usize) -> usize {
    let mut open = None;
    let (mut escaped, mut after_blank) = (false, false);
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at < begin) {
        match (open, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (None, '\n') => return at + 1,
            (None, '#') if after_blank => {
                let end = text.get(at..).and_then(|comment| comment.find('\n'));
                return end.map_or(text.len(), |end| at + end + 1);
            }
            (None, '\'' | '"') => open = Some(c),
            (Some(quote), c) if c == quote => open = None,
            _ => {}
        }
        after_blank = c.is_whitespace();
    }
    text.len()
}

/// The file, as it was found.
#[derive(Clone, Debug)]
pub struct EnvFile {
    /// Where it is, or will be.
    path: PathBuf,
    /// What it says; nothing when there is none.
    text: Option<String>,
}

impl EnvFile {
    /// Reads the file, and makes sure that it can be written later. What is not writable is found out before anything is changed
    /// elsewhere.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()); // a link stays a link
        let text = match fs::metadata(&path) {
            Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => None,
            Err(problem) => return Err(problem).with_context(|| format!("cannot look at {}", path.display())),
            Ok(found) => {
                ensure!(found.is_file(), "{} is not a file: remove it", path.display());
                if found.permissions().readonly() {
                    bail!(
                        "{} is read-only, so the settings could not be written at the end; nothing was changed anywhere: make \
                         it writable (chmod 600), or run this in another folder",
                        path.display()
                    );
                }
                Some(fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?)
            }
        };
        let probe = Staged::write(&path, "", 0o600);
        drop(probe.context(
            "the settings could not be written at the end; nothing was changed anywhere: run this as the owner of the folder, \
             or in another one",
        )?);
        Ok(Self { path, text })
    }

    /// What it says.
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Writes it anew, readable by its owner only (0600), and keeps what was there beside it. Gives the backup's name.
    ///
    /// # Errors
    /// When it cannot be written. Then it is as it was.
    pub fn write(&mut self, text: &str, now: OffsetDateTime) -> anyhow::Result<Option<PathBuf>> {
        let backup = self.text.as_deref().map(|before| self.back_up(before, now)).transpose()?;
        let staged = Staged::write(&self.path, text, 0o600)?;
        self.give_to_owner(staged.path());
        staged.publish()?;
        self.text = Some(text.to_owned());
        Ok(backup)
    }

    fn back_up(&self, before: &str, now: OffsetDateTime) -> anyhow::Result<PathBuf> {
        let (date, time) = (now.date(), now.time());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let stamp = format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", time.hour(), time.minute(), time.second());
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let place = |number: u32| match number {
            0 => self.path.with_file_name(format!("{name}.bak-{stamp}")),
            number => self.path.with_file_name(format!("{name}.bak-{stamp}-{number}")),
        };
        let backup = (0..).map(place).find(|backup| !backup.exists()).context("no name for the backup is free")?;
        let staged = Staged::write(&backup, before, 0o600)?;
        self.give_to_owner(staged.path());
        staged.publish()?;
        Ok(backup.clone())
    }

    /// Who could read the file before can do so still, also when an administrator runs this.
    fn give_to_owner(&self, new: &Path) {
        if let (Ok(before), Ok(now)) = (fs::metadata(&self.path), fs::metadata(new))
            && (before.uid(), before.gid()) != (now.uid(), now.gid())
        {
            chown(new, Some(before.uid()), Some(before.gid())).ok();
            fs::set_permissions(new, fs::Permissions::from_mode(0o600)).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &'static str, value: &str) -> Change {
        (name, Some(value.to_owned()))
    }

    #[test]
    fn other_lines_comments_and_the_order_stay() {
        let before = "# mine\nQLIK_TITLE='Sales in $'\n\nQLIK_APP_ID=old # it's an app\nMINE=1\r\n#QLIK_SHEET_ID=\nQLIK_APP_ID=again";
        let after = changed(before, &[set("QLIK_APP_ID", "new"), set("QLIK_SHEET_ID", "a b")]);
        assert_eq!(
            after,
            "# mine\nQLIK_TITLE='Sales in $'\n\nQLIK_APP_ID=new\nMINE=1\r\n#QLIK_SHEET_ID=\nQLIK_APP_ID=again\n\n\
             # Written by `qlik-embed-bff setup`:\nQLIK_SHEET_ID='a b'\n"
        );
        assert_eq!(
            changed("", &[set("QLIK_TENANT", "https://a.example")]),
            format!("{HEADING}\nQLIK_TENANT=https://a.example\n")
        );
        assert_eq!(changed(before, &[]), before);
    }

    #[test]
    fn a_value_is_one_value() {
        for value in ["plain", "a b", "x'y", "it's $HOME \\ \"quoted\"", "x'\nADMIN_GROUPS=Everyone\n#", ""] {
            let text = changed("", &[set("QLIK_APP_ID", value)]);
            let read: Vec<_> =
                dotenvy::from_read_iter(text.as_bytes()).collect::<Result<_, _>>().expect("it can be read");
            let one_line = value.replace('\n', "");
            assert_eq!(read, [("QLIK_APP_ID".to_owned(), one_line)], "{text}");
        }
    }

    #[test]
    fn other_spellings_and_values_over_several_lines_are_known() {
        let before =
            "export TENANT = a\nQLIK_JWT_PRIVATE_KEY=\"-----BEGIN\nQLIK_APP_ID=not\\\" this\n\"\nAPPID='x\ny'\nZ=1\n";
        let changes = [set("QLIK_TENANT", "b"), set("QLIK_APP_ID", "z"), ("QLIK_JWT_PRIVATE_KEY", None)];
        assert_eq!(changed(before, &changes), "TENANT=b\nAPPID=z\nZ=1\n");
    }
}
