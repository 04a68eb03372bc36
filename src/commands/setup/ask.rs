//! Whether a change may be made.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail};

use crate::setup::{Entry, Step};

/// Who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// All changes were agreed to beforehand.
    Given,
    /// Somebody at a terminal is asked.
    Ask,
    /// There is nobody to ask.
    Nobody,
}

impl Consent {
    pub fn of(yes: bool) -> Self {
        let terminal = || std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        match yes {
            true => Self::Given,
            false if terminal() => Self::Ask,
            false => Self::Nobody,
        }
    }
}

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
}

/// Asks, as long as there is something to ask.
pub struct Answers {
    consent: Consent,
}

impl Answers {
    pub fn new(consent: Consent) -> Self {
        Self { consent }
    }

    /// Whether a step may be carried out.
    pub fn ask(&mut self, step: &Step) -> anyhow::Result<Answer> {
        let question = format!("{}: {}?", step.part.title(), step.found);
        self.question(&question)
    }

    pub fn question(&mut self, question: &str) -> anyhow::Result<Answer> {
        match self.consent {
            Consent::Given => return Ok(Answer::Yes),
            Consent::Nobody => return Ok(Answer::No),
            Consent::Ask => {}
        }
        loop {
            match line(&format!("{question} [y]es, [n]o, [a]ll, [q]uit: "))?.to_lowercase().as_str() {
                "y" | "yes" => return Ok(Answer::Yes),
                "n" | "no" => return Ok(Answer::No),
                "a" | "all" => {
                    self.consent = Consent::Given;
                    return Ok(Answer::Yes);
                }
                "q" | "quit" => bail!("stopped; run this again to go on where it stopped"),
                _ => {}
            }
        }
    }
}

/// Lets somebody at the terminal choose.
pub fn choose(what: &str, entries: &[Entry]) -> anyhow::Result<Entry> {
    for (number, Entry { id, title }) in entries.iter().enumerate() {
        println!("{:4}  {title}  {id}", number + 1);
    }
    loop {
        let number = line(&format!("Which {what}? Its number: "))?.parse::<usize>().ok();
        if let Some(entry) = number.and_then(|number| entries.get(number.checked_sub(1)?)) {
            return Ok(entry.clone());
        }
    }
}

fn line(prompt: &str) -> anyhow::Result<String> {
    print!("{prompt}");
    std::io::stdout().flush()?;
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).context("the terminal cannot be read")?;
    if read == 0 {
        bail!("stopped; run this again to go on where it stopped");
    }
    Ok(line.trim().to_owned())
}
