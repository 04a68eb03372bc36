//! What clients of Qlik's own sample find in the demo.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Running, command};

#[test]
fn clients_of_qliks_sample_find_what_they_know() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = command(folder.path(), &["demo", "--port", "0"]);
    let mut demo = Running(demo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs"));
    // Held to the end: the demo has more to say.
    let mut told = BufReader::new(demo.0.stdout.take().expect("piped"));
    let mut line = String::new();
    told.read_line(&mut line).expect("a line");
    let base = line.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");

    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut walk = Command::new("node");
    walk.arg(root.join("tests/it/clients/sample.mjs")).env("BASE", base).env("PACKAGES", root.join("web"));
    let secrets = ["a-secret-of-the-demo", "another-secret-of-the-demo"];
    let walked = walk.env("SECRETS", secrets.join(" ")).output().expect("node runs");
    let (out, err) = (String::from_utf8_lossy(&walked.stdout), String::from_utf8_lossy(&walked.stderr));
    let seen: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    assert_eq!(
        seen,
        json!({
            "refused": vec!["401 session_expired"; 5], "form": true, "forged": 403, "signedIn": [303, "/"],
            "token": [200, 3, true], "config": true, "sheets": true, "rows": [5, 5],
            "who": {
                "sessionUserId": "password:health@test.example", "qlikUserId": "password|health@test.example",
            },
            // By the token of /access-token, which is exchanged for the socket; asked for once.
            "user": [200, "password|health@test.example"], "title": "Sales overview", "bars": 5, "asked": 1,
            "leaked": [],
        })
    );
}
