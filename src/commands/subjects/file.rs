//! The CSV file of a list: a header line, and one identity and its subject in each line.
//!
//! UTF-8, with or without a byte order mark; lines end with LF or CRLF; fields may stand in double quotes (RFC 4180).

use std::io::Read;

use csv::{ByteRecord, ReaderBuilder, Terminator, Trim};

use crate::identity::{Account, Source};
use crate::mapping::{LOOKS_LIKE_A_QLIK_ID, looks_like_a_qlik_id};
use crate::store::subjects::{Line, Listed};

/// The longest id and the longest subject, in bytes. Longer ones are slips; what Qlik takes is not known.
const LONGEST: usize = 1024;
/// The largest file, in bytes: a quote that is never closed makes one field of all the rest.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Which columns say what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Columns {
    Key { identity: usize, subject: usize },
    Parts { source: usize, id: usize, subject: usize },
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub enum Checked {
    /// Good by itself; perhaps with a doubt.
    Good(Line, Option<String>),
    /// Wrong.
    Wrong {
        /// Its number in the file, from 1.
        line: u64,
        /// Why.
        reason: String,
    },
}

/// Reads a file line by line.
pub struct Lines<R> {
    reader: csv::Reader<std::io::Take<R>>,
    columns: Columns,
    record: ByteRecord,
}

impl<R: Read> Lines<R> {
    /// Reads the header line.
    ///
    /// # Errors
    /// When it does not have the columns, or cannot be read.
    pub fn of(input: R) -> Result<Self, String> {
        let input = input.take(LARGEST);
        // Lines end with LF, and a CR before it is white space: so lines are counted as editors count them.
        let lf = Terminator::Any(b'\n');
        let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).terminator(lf).from_reader(input);
        let header = reader.byte_headers().map_err(|problem| format!("cannot be read: {problem}"))?;
        let columns = columns(header)?;
        Ok(Self { reader, columns, record: ByteRecord::new() })
    }

    fn read(&mut self) -> Result<Listed, String> {
        let field = |place: usize| match self.record.get(place) {
            Some(field) => std::str::from_utf8(field).map_err(|_| "is not UTF-8".to_owned()),
            None => Err("has fewer fields than the header line".to_owned()),
        };
        let (identity, subject) = match self.columns {
            Columns::Key { identity, subject } => (self::identity(field(identity)?)?, field(subject)?),
            Columns::Parts { source, id, subject } => (key(field(source)?, field(id)?)?, field(subject)?),
        };
        if self.record.len() > self.reader.byte_headers().map_or(0, ByteRecord::len) {
            return Err("has more fields than the header line: put a field with commas in double quotes".into());
        }
        Ok(Listed { identity, subject: self::subject(subject)? })
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = Result<Checked, String>;

    /// An error is one of reading: the rest is not known.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(true) if self.record.len() == 1 && self.record[0].is_empty() => {}
                Ok(true) => break,
                Ok(false) if self.reader.get_ref().limit() == 0 => {
                    let size = LARGEST >> 20;
                    return Some(Err(format!("is larger than {size} MiB, or has a quote that is never closed")));
                }
                Ok(false) => return None,
                Err(problem) => return Some(Err(format!("cannot be read: {problem}"))),
            }
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        Some(Ok(match self.read() {
            Ok(entry) => {
                let doubt = doubt(&entry.subject);
                Checked::Good(Line { number: line, entry }, doubt)
            }
            Err(reason) => Checked::Wrong { line, reason },
        }))
    }
}

fn columns(header: &ByteRecord) -> Result<Columns, String> {
    let mut names = Vec::new();
    for field in header {
        names.push(std::str::from_utf8(field).map_err(|_| "is not UTF-8".to_owned())?.to_lowercase());
    }
    let find = |wanted: &[&str]| {
        let mut found = names.iter().enumerate().filter(|(_, name)| wanted.contains(&name.as_str()));
        match (found.next(), found.next()) {
            (Some(_), Some((_, name))) => Err(format!("has two columns for one thing in its header line: {name}")),
            (found, _) => Ok(found.map(|(place, _)| place)),
        }
    };
    let (identity, source, id) = (find(&["identity", "key"])?, find(&["source"])?, find(&["id"])?);
    match (find(&["subject"])?, identity, source, id) {
        (Some(subject), Some(identity), None, None) => Ok(Columns::Key { identity, subject }),
        (Some(subject), None, Some(source), Some(id)) => Ok(Columns::Parts { source, id, subject }),
        (Some(_), Some(_), ..) => Err("has both identity and source or id in its header line".into()),
        _ => {
            let semicolons = names.iter().any(|name| name.contains(';') || name.contains('\t'));
            let hint = if semicolons { "; fields are separated by commas" } else { "" };
            Err(format!("needs a header line with identity,subject or source,id,subject{hint}"))
        }
    }
}

/// The key of an identity, from a text such as `oidc:ada`.
pub fn identity(text: &str) -> Result<String, String> {
    match text.split_once(':') {
        Some((source, id)) => key(source, id),
        None if text.trim().is_empty() => Err("has no identity".into()),
        None => Err(format!("{text:?} is no identity: write its source and its id, as in oidc:ada")),
    }
}

fn key(source: &str, id: &str) -> Result<String, String> {
    let (source, id) = (source.trim(), id.trim());
    let known = Source::ALL.map(Source::as_str).join(", ");
    let source = Source::parse(source).ok_or(match source {
        "" => "has no source".to_owned(),
        other => format!("{other:?} is no source; there are {known}"),
    })?;
    plain("id", id)?;
    // Names of accounts are kept in their canonical form, other ids letter for letter.
    let id = if source == Source::Password { Account::canonical(id) } else { id.to_owned() };
    Ok(format!("{source}:{id}"))
}

/// A subject, as Qlik has it.
pub fn subject(text: &str) -> Result<String, String> {
    let text = text.trim();
    plain("subject", text)?;
    Ok(text.to_owned())
}

fn plain(what: &str, text: &str) -> Result<(), String> {
    if text.is_empty() {
        Err(format!("has no {what}"))
    } else if text.chars().any(char::is_control) {
        Err(format!("has control characters in its {what}"))
    } else if text.len() > LONGEST {
        Err(format!("has more than {LONGEST} bytes in its {what}"))
    } else {
        Ok(())
    }
}

/// Why a subject that could be one is probably a mistake.
pub fn doubt(subject: &str) -> Option<String> {
    looks_like_a_qlik_id(subject).then(|| format!("{subject} {LOOKS_LIKE_A_QLIK_ID}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, identity and subject; or line and reason.
    type Seen = Result<(u64, String, String), (u64, String)>;

    fn read(text: &[u8]) -> Vec<Seen> {
        let lines = Lines::of(text).unwrap_or_else(|problem| panic!("{problem}"));
        let show = |line: Result<Checked, String>| match line.expect("it can be read") {
            Checked::Good(Line { number, entry }, _) => Ok((number, entry.identity, entry.subject)),
            Checked::Wrong { line, reason } => Err((line, reason)),
        };
        lines.map(show).collect()
    }

    fn good(line: u64, identity: &str, subject: &str) -> Seen {
        Ok((line, identity.into(), subject.into()))
    }

    #[test]
    fn files_of_many_makes_are_read() {
        let ada = good(2, "oidc:ada", "ACME\\ada");
        for text in [
            &b"identity,subject\noidc:ada,ACME\\ada\n"[..],
            b"identity,subject\noidc:ada,ACME\\ada",
            b"\xef\xbb\xbfIdentity,Subject\r\noidc:ada,ACME\\ada\r\n",
            b"key , subject\n oidc:ada , ACME\\ada \n",
            b"\"source\",\"id\",\"subject\"\n\"oidc\",\"ada\",\"ACME\\ada\"\n",
            b"name,subject,id,source\nAda,ACME\\ada,ada,oidc\n\n",
            b"identity,subject\r\n\"oidc:ada\",\"ACME\\ada\"\r\n\r\n",
        ] {
            assert_eq!(read(text), std::slice::from_ref(&ada), "{}", String::from_utf8_lossy(text));
        }
        assert_eq!(
            read(
                "source,id,subject\npassword,Ada,\"a,\"\"b\"\"\"\r\n\r\nheader,a:b,ü\r\nticket,\"x,y\",z\n".as_bytes()
            ),
            [good(2, "password:ada", "a,\"b\""), good(4, "header:a:b", "ü"), good(5, "ticket:x,y", "z")]
        );
        assert_eq!(read(b"identity,subject\n"), []);
    }

    #[test]
    fn each_wrong_line_is_told_with_its_reason() {
        let long = format!("oidc:{},a", "x".repeat(1100));
        for (line, reason) in [
            ("oidc:ada", "has fewer fields than the header line"),
            ("oidc:ada,a,b", "has more fields than the header line: put a field with commas in double quotes"),
            ("oidc:ada,", "has no subject"),
            ("oidc:,a", "has no id"),
            (":ada,a", "has no source"),
            (",a", "has no identity"),
            ("ada,a", "\"ada\" is no identity: write its source and its id, as in oidc:ada"),
            ("OIDC:ada,a", "\"OIDC\" is no source; there are password, oidc, header, ticket"),
            ("oidc:ada,\"a\nb\"", "has control characters in its subject"),
            (&long, "has more than 1024 bytes in its id"),
        ] {
            let text = format!("identity,subject\noidc:bob,b\n{line}\n");
            assert_eq!(read(text.as_bytes())[1..], [Err((3, reason.to_owned()))], "{line}");
        }
        assert_eq!(read(b"identity,subject\noidc:\xff,a\n"), [Err((2, "is not UTF-8".to_owned()))]);
    }

    #[test]
    fn a_header_line_names_the_columns() {
        for (text, problem) in [
            ("", "needs a header line with identity,subject or source,id,subject"),
            ("oidc:ada,a\n", "needs a header line with identity,subject or source,id,subject"),
            (
                "identity;subject\n",
                "needs a header line with identity,subject or source,id,subject; fields are separated by commas",
            ),
            ("identity,name\n", "needs a header line with identity,subject or source,id,subject"),
            ("identity,key,subject\n", "has two columns for one thing in its header line: key"),
            ("identity,source,id,subject\n", "has both identity and source or id in its header line"),
        ] {
            assert_eq!(Lines::of(text.as_bytes()).err().as_deref(), Some(problem), "{text}");
        }
    }
}
