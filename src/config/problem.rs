//! What keeps the server from starting, all of it in one report.

use std::fmt;
use std::fmt::Display;

/// One thing that keeps the server from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: String,
    /// What is wrong with it, as the end of a sentence that the variable begins.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// Everything that keeps the server from starting, and what else was noticed.
#[derive(Debug, thiserror::Error)]
pub struct Problems {
    /// At least one.
    pub problems: Vec<Problem>,
    /// Remarks that alone would not keep it from starting.
    pub hints: Vec<String>,
}

impl Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        writeln!(f, "the configuration has {count} problem{}", if count == 1 { "" } else { "s" })?;
        for Problem { variable, reason, remedy } in &self.problems {
            write!(f, "\n  {variable} {reason}\n      {remedy}\n")?;
        }
        for (place, hint) in self.hints.iter().enumerate() {
            writeln!(f, "{}  note: {hint}", if place == 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl Problems {
    /// A report of one problem.
    pub fn one(variable: &str, reason: impl Into<String>, remedy: &str) -> Self {
        let problem = Problem { variable: variable.into(), reason: reason.into(), remedy: remedy.into() };
        Self { problems: vec![problem], hints: Vec::new() }
    }

    /// The same in one line, for a log.
    pub fn in_one_line(&self) -> String {
        let problem = |Problem { variable, reason, remedy }: &Problem| format!("{variable} {reason}: {remedy}");
        let hints = self.hints.iter().map(|hint| format!("note: {hint}"));
        self.problems.iter().map(problem).chain(hints).collect::<Vec<_>>().join("; ")
    }
}
