//! What an import costs: time, and memory at its peak, of the shipped command on a list of 100,000 lines.
//!
//! The peak is the process's resident memory (`VmHWM` in `/proc/PID/status`), which the kernel keeps; it is read until
//! the process ends. `docs/performance.md` has the figures.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The import may take so much memory, in KiB.
const LIMIT: u64 = 64 * 1024;

/// Fails when one of them took more memory.
fn main() -> ExitCode {
    // `cargo bench` says so; anything else only wants to know that it runs
    let lines = if std::env::args().any(|arg| arg == "--bench") { 100_000 } else { 1_000 };
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder.path().join("users.csv"), lines, "one");
    write(&folder.path().join("others.csv"), lines, "two");
    write(&folder.path().join("wrong.csv"), lines, "");
    let mut ended = ExitCode::SUCCESS;
    println!("{:44}  {:>9}  {:>9}", format!("{lines} lines"), "ms", "peak KiB");
    for (what, arguments, succeeds) in [
        ("a command that does nothing (users list)", &["users", "list"][..], false),
        ("import into an empty list", &["subjects", "import", "users.csv"], true),
        ("the same again", &["subjects", "import", "users.csv"], true),
        ("--replace, every subject another one", &["subjects", "import", "--replace", "others.csv"], true),
        ("a file with every line wrong", &["subjects", "import", "wrong.csv"], false),
        ("export", &["subjects", "export"], true),
    ] {
        let (time, peak) = run(folder.path(), arguments, succeeds);
        let verdict = if peak <= LIMIT { "" } else { "  ABOVE 64 MiB" };
        if peak > LIMIT {
            ended = ExitCode::FAILURE;
        }
        println!("  {what:42}  {:>9}  {peak:>9}{verdict}", time.as_millis());
    }
    ended
}

/// People as a directory has them. Without a subject, every line is wrong.
fn write(file: &Path, lines: usize, subject: &str) {
    let mut out = BufWriter::new(File::create(file).expect("a new file"));
    writeln!(out, "source,id,subject").expect("written");
    for line in 0..lines {
        let subject = if subject.is_empty() { String::new() } else { format!("ACME\\{subject}.{line}@example.com") };
        writeln!(out, "oidc,7c9e6679-7425-40de-944b-{line:012},{subject}").expect("written");
    }
    out.flush().expect("written");
}

fn run(folder: &Path, arguments: &[&str], succeeds: bool) -> (Duration, u64) {
    let begun = Instant::now();
    let mut process = Command::new(env!("CARGO_BIN_EXE_qlik-embed-bff"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let status = format!("/proc/{}/status", process.id());
    let mut peak = 0;
    let ended = loop {
        let now = fs::read_to_string(&status).unwrap_or_default();
        let now = now.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        peak = peak.max(now.unwrap_or(0));
        if let Some(ended) = process.try_wait().expect("our own process") {
            break ended;
        }
        thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(ended.success(), succeeds, "{arguments:?}");
    (begun.elapsed(), peak)
}
