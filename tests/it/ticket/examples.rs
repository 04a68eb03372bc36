//! The examples of the documentation, run as they are printed.

use std::path::Path;
use std::process::Command;

use axum::http::StatusCode;

use super::{ISSUER, SECRET, open};
use crate::docs::blocks::blocks;

/// The one example in this language.
fn example(language: &str) -> String {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).expect("the README");
    let mut found = blocks(&page).into_iter().filter(|block| block.is(language));
    let (Some(only), None) = (found.next(), found.next()) else { panic!("one example in {language}") };
    only.text
}

/// Runs it as a portal would, and follows the link that it prints.
async fn signs_in(program: &str, file: &str, language: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(file), example(language)).expect("written");
    let output = Command::new(program).arg(file).current_dir(folder.path()).env("TICKET_SECRET", SECRET).output();
    let output = output.unwrap_or_else(|problem| panic!("{program} cannot be run: {problem}"));
    let printed = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let link = printed.trim().strip_prefix("https://portal.example").expect("a link to the server").to_owned();

    let portal = open(&[("PUBLIC_URL", "https://portal.example"), ("TICKET_ISSUER", ISSUER)]).await;
    let mut browser = portal.browser();
    let answer = browser.open(&link).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/embed/default"), "{}", answer.body);
    let page = browser.open("/embed/default").await;
    assert_eq!(page.attributes("#embed")["data-subject"], "ticket|4711");
    assert_eq!(page.text(".name"), "Signed in as Zoë Lovelace");
}

#[tokio::test]
async fn the_example_for_node_signs_in() {
    signs_in("node", "ticket.mjs", "js").await;
}

#[tokio::test]
async fn the_example_for_python_signs_in() {
    signs_in("python3", "ticket.py", "python").await;
}

/// These two need more than every machine has; that they make the same ticket is for the eye.
#[test]
fn the_examples_have_the_same_claims_and_ten_lines() {
    for language in ["js", "php", "python", "csharp"] {
        let text = example(language);
        for word in
            ["HS256", "iss", "aud", "jti", "exp", "sub", "4711", "email", "groups", ISSUER, "60", "/login/ticket"]
        {
            assert!(text.contains(word), "{language} has no {word}");
        }
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count();
        assert!(lines <= 10, "{language} has {lines} lines");
    }
}
