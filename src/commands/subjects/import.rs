//! `subjects import`: the whole file, or nothing.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, bail};
use time::OffsetDateTime;

use super::file::{Checked, Lines};
use crate::store::Store;
use crate::store::subjects::{ConflictWith, Holding, Import, Imported, Line};

/// How many lines go to the store at a time.
const BATCH: usize = 1000;

/// What to tell about lines; of many only the first, but all are counted.
#[derive(Default)]
struct Report {
    told: Vec<(u64, String)>,
    count: u64,
}

impl Report {
    fn add(&mut self, line: u64, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.told.len() < Import::REPORTED {
            self.told.push((line, what()));
        }
    }

    fn print(&mut self, kind: &str) {
        self.told.sort();
        for (line, what) in &self.told {
            eprintln!("line {line}: {kind}{what}");
        }
        let mut lines: Vec<_> = self.told.iter().map(|(line, _)| line).collect();
        lines.dedup(); // one line may be wrong in two ways
        let more = self.count.saturating_sub(lines.len() as u64);
        if more > 0 {
            eprintln!("... and {more} more lines");
        }
    }
}

/// Reads the file, checks all of it, and makes it part of the list, or with `replace` the list.
pub async fn run(store: &Store, file: &Path, replace: bool, shared: bool, now: OffsetDateTime) -> anyhow::Result<()> {
    let name = file.display();
    let input: Box<dyn Read> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).with_context(|| format!("{name} cannot be read"))?))
    };
    let (mut wrong, mut doubts) = (Report::default(), Report::default());
    let mut import = store.begin_import().await?;
    let mut lines = Lines::of(input).map_err(|problem| anyhow::anyhow!("{name} {problem}"))?;
    let mut batch = Vec::with_capacity(BATCH);
    let mut count = 0;
    loop {
        match lines.next() {
            Some(Err(problem)) => bail!("{name} {problem}; nothing has changed"),
            Some(Ok(Checked::Wrong { line, reason })) => wrong.add(line, || reason),
            Some(Ok(Checked::Good(line, doubt))) => {
                if let Some(doubt) = doubt {
                    doubts.add(line.number, || doubt);
                }
                count += 1;
                batch.push(line);
            }
            None => break,
        }
        if batch.len() == BATCH {
            import.add(&batch).await?;
            batch.clear();
        }
    }
    import.add(&batch).await?;
    drop::<Vec<Line>>(batch);
    doubts.print("warning: ");
    let (conflicts, in_conflict) = import.conflicts(replace, shared).await?;
    let told_before = wrong.count;
    for conflict in conflicts {
        wrong.add(conflict.line, || told(conflict.with));
    }
    wrong.count = told_before + in_conflict;
    if wrong.count > 0 {
        wrong.print("");
        bail!("{name} is not imported, and nothing has changed: {}", lines_of(wrong.count, "wrong"));
    }
    if count == 0 && replace {
        bail!("{name} has no lines: that would remove everybody from the list");
    }
    tell(&import.finish(replace, shared, now).await?);
    Ok(())
}

fn lines_of(count: u64, what: &str) -> String {
    if count == 1 { format!("1 line is {what}") } else { format!("{count} lines are {what}") }
}

fn told(with: ConflictWith) -> String {
    const SHARED: &str =
        "two people with one subject would see each other's bookmarks (SUBJECT_SHARED=allow permits it)";
    match with {
        ConflictWith::IdentityInLine(line) => format!("has the identity of line {line}"),
        ConflictWith::SubjectInLine(line) => format!("has the subject of line {line}; {SHARED}"),
        ConflictWith::ListedWith(subject) => format!(
            "has another subject than the list, {subject}: `subjects set` changes one, --replace takes the file for the \
             whole list"
        ),
        ConflictWith::ListedFor(identity) => format!("has the subject of {identity} in the list; {SHARED}"),
    }
}

fn tell(Imported { added, changed, removed, unchanged, taken_from }: &Imported) {
    println!("{added} added, {changed} changed, {removed} removed, {unchanged} as before.");
    for Holding { subject, identity, .. } in taken_from {
        println!("{identity} held {subject}, and is denied with it from now on.");
    }
    if taken_from.len() == Import::REPORTED {
        println!("... and perhaps more, who will find out when they come.");
    }
}
