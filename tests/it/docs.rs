//! The documentation is true: its commands run, its settings and makefile targets exist, its links lead somewhere.
//!
//! A block fenced as `sh` is run, in order, in one fresh directory for each document. Three words behind it change that:
//!
//! - `sh by-hand` needs a tenant, root, a terminal or a server that stays: its syntax is checked, and that each
//!   subcommand and flag of ours exists.
//! - `sh make` calls the makefile, which calls these tests: its targets must exist.
//! - `text output` is what the block before it prints, with `...` for whatever varies.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use qlik_embed_bff::config::settings::{DEFAULT_KEY_FILE, SETTINGS};

pub mod blocks;
use blocks::{Block, blocks};

const BINARY: &str = env!("CARGO_BIN_EXE_qlik-embed-bff");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page of documentation, relative to the root.
fn documents() -> Vec<PathBuf> {
    let mut found = vec!["README.md".into(), "keys/README.md".into()];
    let docs = fs::read_dir(root().join("docs")).expect("there is documentation");
    found.extend(docs.map(|entry| Path::new("docs").join(entry.expect("can be listed").file_name())));
    found.retain(|path: &PathBuf| path.extension().is_some_and(|extension| extension == "md"));
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()))
}

/// A directory as a newcomer has it: the manual of settings, the folder for keys, and our command in the path.
fn fresh_directory() -> tempfile::TempDir {
    let fresh = tempfile::tempdir().expect("a directory can be made");
    let at = |path: &str| fresh.path().join(path);
    for folder in ["bin", "keys"] {
        fs::create_dir(at(folder)).expect("a new directory is empty");
    }
    std::os::unix::fs::symlink(BINARY, at("bin/qlik-embed-bff")).expect("a new directory is empty");
    fs::copy(root().join(".env.example"), at(".env.example")).expect("the manual is there");
    fresh
}

/// Runs a command in the directory, with nothing else in its environment than what it needs to be found.
fn run(directory: &Path, command: &[&str]) -> Output {
    #[expect(clippy::disallowed_methods, reason = "where the shell and its tools are is the machine's to say")]
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new(command[0])
        .args(&command[1..])
        .current_dir(directory)
        .env_clear()
        .env("PATH", format!("{}:{path}", directory.join("bin").display()))
        .env("HOME", directory)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap_or_else(|problem| panic!("{} cannot be run: {problem}", command[0]))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_commands_of_each_document_run_in_a_fresh_directory() {
    for document in documents() {
        let fresh = fresh_directory();
        let mut printed = String::new();
        for block in blocks(&read(&document)) {
            let place = format!("{}:{}", document.display(), block.line);
            match block.kind.as_str() {
                "sh" => {
                    let output = run(fresh.path(), &["sh", "-euc", &block.text]);
                    printed = text(&output.stdout);
                    assert!(output.status.success(), "{place}: {}\n{printed}{}", output.status, text(&output.stderr));
                }
                "text output" => assert_prints(&place, &block.text, &printed),
                _ => {}
            }
        }
    }
}

/// Each line of `expected` is a line of `printed`, in order; `...` stands for anything, also for whole lines.
fn assert_prints(place: &str, expected: &str, printed: &str) {
    let mut lines = printed.lines();
    for wanted in expected.lines().filter(|line| line.trim() != "...") {
        assert!(
            lines.any(|line| fits(wanted, line)),
            "{place}: nothing like this is printed:\n{wanted}\n\nbut:\n{printed}"
        );
    }
}

fn fits(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.trim_end().split("...");
    let Some(mut rest) = parts.next().and_then(|start| line.strip_prefix(start)) else { return false };
    let mut last = None;
    for part in parts {
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
        last = Some(part);
    }
    rest.trim_end().is_empty() || last == Some("")
}

#[test]
fn commands_that_are_run_by_hand_are_well_formed_and_their_flags_exist() {
    let fresh = fresh_directory();
    for document in documents() {
        for Block { text: script, line, .. } in blocks(&read(&document)).iter().filter(|block| block.is("sh by-hand")) {
            let place = format!("{}:{line}", document.display());
            let syntax = run(fresh.path(), &["sh", "-n", "-c", script]);
            assert!(syntax.status.success(), "{place}: {}", text(&syntax.stderr));
            for call in calls(script) {
                assert_known(fresh.path(), &place, &call);
            }
        }
    }
}

/// The arguments of each call of ours in a script.
fn calls(script: &str) -> Vec<Vec<String>> {
    let joined = script.replace("\\\n", " ");
    let commands = joined.split(['\n', ';', '|', '(', ')', '&']).map(str::split_whitespace);
    let ours = commands.filter_map(|mut words| (words.next() == Some("qlik-embed-bff")).then_some(words));
    ours.map(|arguments| arguments.map(|word| word.trim_matches('"').to_owned()).collect()).collect()
}

/// Follows the subcommands, and looks each flag up in their help.
fn assert_known(directory: &Path, place: &str, arguments: &[String]) {
    let help = |path: &[&str]| {
        let output = run(directory, &[&["qlik-embed-bff"], path, &["--help"]].concat());
        assert!(output.status.success(), "{place}: {path:?} has no help");
        text(&output.stdout)
    };
    let mut path: Vec<&str> = Vec::new();
    let mut known = help(&path);
    for argument in arguments {
        if let Some(flag) = argument.strip_prefix("--") {
            let flag = flag.split('=').next().unwrap_or(flag);
            let listed =
                known.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| word == format!("--{flag}"));
            assert!(listed, "{place}: {path:?} does not know --{flag}:\n{known}");
        } else if known.lines().any(|line| line.split_whitespace().next() == Some(argument))
            && known.contains("Commands:")
        {
            path.push(argument);
            known = help(&path);
        }
    }
    assert!(!path.is_empty(), "{place}: no such command: {arguments:?}");
}

#[test]
fn the_makefile_knows_what_the_documentation_calls() {
    let makefile = read(Path::new("Makefile"));
    for document in documents() {
        for block in blocks(&read(&document)).iter().filter(|block| block.is("sh make")) {
            for line in block.text.lines() {
                let target = line.strip_prefix("make ").unwrap_or_else(|| panic!("not a call of make: {line}"));
                assert!(makefile.lines().any(|rule| rule.starts_with(&format!("{target}:"))), "no target {target}");
            }
        }
    }
}

#[test]
fn every_shell_block_says_how_it_is_checked() {
    for document in documents() {
        for Block { kind, line, .. } in blocks(&read(&document)) {
            let known = [
                "sh",
                "sh by-hand",
                "sh make",
                "text",
                "text output",
                "nginx",
                "apache",
                "ini",
                "json",
                "html",
                "toml",
            ];
            // Examples for portals; tests/it/ticket/examples.rs runs them.
            let known = [&known[..], &["js", "php", "python", "csharp"]].concat();
            assert!(known.contains(&kind.as_str()), "{}:{line}: a block fenced as {kind:?}", document.display());
        }
    }
}

#[test]
fn links_to_files_lead_somewhere() {
    for document in documents() {
        let page = read(&document);
        let links = page.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap_or(link);
            let from = document.parent().unwrap_or(Path::new(""));
            assert!(root().join(from).join(file).exists(), "{}: {link}", document.display());
        }
    }
}

#[test]
fn the_manual_of_settings_has_exactly_the_settings_and_their_defaults() {
    let manual = read(Path::new(".env.example"));
    let named = manual.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let listed: Vec<_> = named.filter(|(name, _)| name.chars().all(|c| c.is_ascii_uppercase() || c == '_')).collect();
    let mut expected = Vec::new();
    for setting in SETTINGS {
        expected.push((setting.name.to_owned(), setting.default.unwrap_or_default()));
        if setting.secret {
            let file = if setting.name == "QLIK_JWT_PRIVATE_KEY" { DEFAULT_KEY_FILE } else { "" };
            expected.push((format!("{}_FILE", setting.name), file));
        }
    }
    let expected: Vec<_> = expected.iter().map(|(name, default)| (name.as_str(), *default)).collect();
    assert_eq!(listed, expected, "the manual and the code list different settings, defaults, or orders");
    for setting in SETTINGS {
        for alias in setting.aliases {
            let told = manual.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == *alias);
            assert!(told, "the manual does not tell that {alias} means {}", setting.name);
        }
    }
}

#[test]
fn the_page_on_operation_lists_the_settings_that_take_effect_while_it_runs() {
    let page = read(Path::new("docs/operation.md"));
    let list = page.split("<!-- live settings -->").nth(1).and_then(|rest| rest.split("<!-- end -->").next());
    let listed: BTreeSet<_> = list.expect("there is a list").split('`').skip(1).step_by(2).collect();
    let live = SETTINGS.iter().filter(|setting| setting.live).map(|setting| setting.name);
    assert_eq!(listed, live.chain(["[[pages]]", "[[mapping]]", "[groups]"]).collect());
}

#[test]
fn a_line_of_the_manual_can_be_uncommented_as_it_is() {
    let required = "QLIK_TENANT=acme.eu.qlikcloud.com\nQLIK_WEB_INTEGRATION_ID=a\nQLIK_SHEET_ID=b\nQLIK_JWT_ISSUER=c\n\
                    QLIK_JWT_KEY_ID=d\nQLIK_APP_ID=2d54bd8e-6f7b-4a3e-9c1d-0a5c8e7f1b23\n";
    let manual = read(Path::new(".env.example"));
    let defaults = SETTINGS.iter().filter_map(|setting| Some(format!("{}={}", setting.name, setting.default?)));
    let lines: Vec<_> =
        defaults.filter(|line| manual.lines().any(|told| told.strip_prefix('#') == Some(line))).collect();
    assert!(lines.len() > 10, "{lines:?}");

    let fresh = fresh_directory();
    fs::write(fresh.path().join(".env"), format!("{required}{}\n", lines.join("\n"))).expect("can be written");
    let made = run(fresh.path(), &["qlik-embed-bff", "keygen", "--bits", "2048"]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let output = run(fresh.path(), &["qlik-embed-bff", "config", "show"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for line in &lines {
        let (name, value) = line.split_once('=').expect("so it was put together");
        let found =
            shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|words| words[0] == name);
        // In .env, quotes are the file's; the setting takes its keywords without them.
        assert_eq!(found, Some(vec![name, value.trim_matches('\''), "environment"]), "{shown}");
    }
}

#[test]
fn settings_that_the_documentation_names_exist() {
    let mut known: BTreeSet<String> = SETTINGS.iter().map(|setting| setting.name.to_owned()).collect();
    known.extend(SETTINGS.iter().filter(|setting| setting.secret).map(|setting| format!("{}_FILE", setting.name)));
    known.extend(SETTINGS.iter().flat_map(|setting| setting.aliases).map(|alias| (*alias).to_owned()));
    for document in documents() {
        let page = read(&document);
        // Words between backquotes, one in two, that look like variables.
        for code in page.split('`').skip(1).step_by(2) {
            let name = code.split('=').next().unwrap_or(code);
            let looks = name.contains('_') && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
            let of_the_tenant = name.starts_with("SESSION_ERROR_")
                || ["SESSION_ATTACHED", "SESSION_CREATED", "USER_INVITE_EXPIRED"].contains(&name);
            assert!(!looks || of_the_tenant || known.contains(name), "{}: {name} is no setting", document.display());
        }
    }
}

/// The letter of a section of the Qlik Cloud facts, perhaps with a number: `K`, `A.3`. X stands for any.
fn is_fact(word: &str) -> bool {
    let number = word.strip_prefix(|c: char| c.is_ascii_uppercase() && c != 'X');
    number.is_some_and(|rest| {
        let digits = rest.strip_prefix('.').is_some_and(|digits| digits.chars().all(|c| c.is_ascii_digit()));
        rest.is_empty() || digits
    })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("can be listed");
    let inside = entries.map(|entry| folder.join(entry.expect("can be listed").file_name()));
    let (folders, mut files): (Vec<_>, Vec<_>) = inside.partition(|path| root().join(path).is_dir());
    files.retain(|path| path.extension().is_some_and(|kind| kind == "rs" || kind == "js"));
    files.extend(folders.iter().flat_map(|folder| sources(folder)));
    files
}

#[test]
fn facts_about_qlik_cloud_that_comments_refer_to_are_told() {
    let page = read(Path::new("docs/qlik-cloud.md"));
    let headings = page.lines().filter(|line| line.starts_with("##"));
    let told: BTreeSet<_> =
        headings.filter_map(|line| line.split_whitespace().nth(1)).map(|letter| letter.trim_end_matches('.')).collect();
    let mut asked = 0;
    for file in ["src", "static/js", "tests"].iter().flat_map(|folder| sources(Path::new(folder))) {
        let text = read(&file);
        // Without its punctuation, a comment of several lines is one row of words.
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').map(|word| word.trim_matches('.'));
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        for (place, _) in words.iter().enumerate().filter(|(_, word)| ["section", "sections", "facts"].contains(word)) {
            let list = words[place + 1..].iter().take_while(|word| is_fact(word) || ["and", "to"].contains(word));
            for fact in list.filter(|word| is_fact(word)) {
                assert!(told.contains(fact), "{}: the page has no section {fact}", file.display());
                asked += 1;
            }
        }
    }
    assert!(asked > 40, "only {asked} references were found");
}

/// An identity header that a proxy passes on as the browser sent it lets visitors choose who they are.
#[test]
fn each_example_of_a_proxy_replaces_every_header_that_its_settings_name() {
    let page = read(Path::new("docs/proxy.md"));
    let blocks = blocks(&page);
    let settings = |block: &&Block| block.is("text") && block.text.contains("HEADER_ID=");
    let settings: Vec<_> = blocks.iter().filter(settings).collect();
    let with = |kind: &'static str| blocks.iter().filter(move |block| block.is(kind));
    let examples: Vec<_> = with("nginx").chain(with("apache")).collect();
    // One settings block each, in the order of the page.
    assert_eq!((settings.len(), examples.len()), (3, 3));
    for (settings, example) in settings.iter().zip(examples) {
        let parts: Vec<_> = match &*example.kind {
            "nginx" => example.text.split("location ").filter(|part| part.contains("//127.0.0.1:8080")).collect(),
            _ => vec![example.text.as_str()],
        };
        assert_eq!(parts.len(), 1, "line {}: one place leads to the product", example.line);
        let command = if example.is("nginx") { "proxy_set_header" } else { "RequestHeader unset" };
        let named = settings.text.lines().filter_map(|line| line.strip_prefix("HEADER_")?.split_once('='));
        let headers: Vec<_> = named.filter(|(setting, _)| *setting != "SIGN_OUT_URL").collect();
        assert_eq!(headers.len(), 4);
        for (setting, header) in headers {
            let replaced =
                parts[0].lines().any(|line| format!("{} ", line.trim()).starts_with(&format!("{command} {header} ")));
            assert!(replaced, "line {}: HEADER_{setting} names {header}, and nothing replaces it", example.line);
        }
    }
}
