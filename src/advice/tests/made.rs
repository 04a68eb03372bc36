//! What is made of the catalogue and committed: it is what the catalogue says.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::*;

/// Answers and their entries, for the test of the browser's modules: they and the server have to agree.
fn cases() -> String {
    let codes = [
        "",
        "LOGIN-2",
        "LOGIN-10",
        "LOGIN-12",
        "USER_INVITE_EXPIRED",
        "AUTH-5",
        "INTERNAL-TOKEN-1",
        "CSRF-TOKEN-2",
        "X-1",
    ];
    let details = [
        "",
        "Token EXPIRED",
        "Unable to decode JWT",
        "jti was already used",
        "exp - nbf > 3600",
        "Missing required claim: nbf",
    ];
    let mut answers = Vec::new();
    for (call, at) in [("login", At::Login), ("usersMe", At::UsersMe), ("csrf", At::Csrf)] {
        for status in [400, 401, 403, 404, 406, 409, 418, 429, 500, 503] {
            let mut add = |code: &str, detail: &str, html: bool| {
                let advice = of(&Answer::Http { at, status, code: Some(code), detail, html });
                answers.push(json!([call, status, code, detail, html, advice.id]));
            };
            codes.iter().for_each(|code| add(code, "", false));
            details.iter().for_each(|detail| add("INTERNAL-TOKEN-1", detail, false));
            add("", "A title", true);
        }
    }
    let codes = [1000, 1001, 1005, 1006, 1009, 1011, 1012, 1015, 3000, 4401, 4999]
        .into_iter()
        .chain(4000..4010)
        .chain(4199..4250);
    let closes =
        codes.flat_map(|code| [true, false].map(|open| json!([code, open, of(&Answer::Close { code, open }).id])));
    let errors = (-33..30).chain(399..510).chain(999..1025).chain([6003, -32602]);
    let errors = errors.map(|code| json!([code, of(&Answer::Engine(code)).id]));
    let states = tables::STATES.iter().map(|(state, _)| *state).chain(["SESSION_ERROR_OF_TOMORROW", "toString"]);
    let states = states.map(|state| json!([state, of(&Answer::State(state)).id]));
    let list = |rows: Vec<Value>| rows.iter().map(|row| format!("    {row}")).collect::<Vec<_>>().join(",\n");
    let lists = [
        ("answers", answers),
        ("closes", closes.collect()),
        ("errors", errors.collect()),
        ("states", states.collect()),
    ];
    let lists: Vec<_> = lists.into_iter().map(|(name, rows)| format!("  \"{name}\": [\n{}\n  ]", list(rows))).collect();
    format!("{{\n{}\n}}\n", lists.join(",\n"))
}

/// What is made, and where it lies.
fn made() -> [(PathBuf, String); 3] {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    [
        (root.join("docs/troubleshooting.md"), page()),
        (root.join("static/js/catalogue.js"), script()),
        (root.join("web/test/catalogue.json"), cases()),
    ]
}

#[test]
fn what_is_made_of_the_catalogue_is_committed() {
    for (path, made) in made() {
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == made, "{} is not what the catalogue says: run `make advice`", path.display());
    }
}

#[test]
#[ignore = "writes files: `make advice` runs it"]
fn what_is_made_of_the_catalogue_is_written() {
    for (path, made) in made() {
        std::fs::write(path, made).expect("the sources can be written");
    }
}

/// Whatever the browser's tables and the server's answers lead to can be told.
#[test]
fn whatever_a_page_may_meet_has_a_sentence_for_visitors() {
    let missing: Vec<_> =
        render::in_browser().into_iter().filter(|id| named(id).is_none_or(|advice| advice.visitor.is_none())).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
