//! What is made of the catalogue: a page of the documentation, and the tables for the browser. Both are committed; a test compares
//! them, and `make advice` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::tables::{CLOSES, CLOSES_WHEN_OPEN, CODES, DETAILS, ERRORS, PROVIDER_CODES, STATES, STATUSES, of};
use super::{Advice, Answer, At, CHAPTERS, Sign, Silent, all};

/// `docs/troubleshooting.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# When something does not work\n\n\
         Every answer of the tenant, of the engine and of an OpenID provider that is known to trouble people: what it means, who can do something \
         about it, and what. The same entries are behind the sentences of the page, the advice in the log (`advice=`) and the answers of this server.\n\n\
         Look for what you see, or for the name that the log or the details give. Qlik publishes no list of its codes, so some of this rests on \
         what people reported; [qlik-cloud.md](qlik-cloud.md) says how well each fact is known. The sentences that visitors read are in \
         [session-flow.md](session-flow.md), the answers of this server itself in [proxy-flow.md](proxy-flow.md).\n\n\
         This page is made from `src/advice`, by `make advice`.\n",
    );
    for chapter in &CHAPTERS {
        let _ = write!(page, "\n**{}**\n\n", chapter.title);
        for Advice { id, symptom, .. } in chapter.entries {
            let _ = writeln!(page, "- [{symptom}](#{id})");
        }
    }
    for chapter in &CHAPTERS {
        let _ = write!(page, "\n## {}\n", chapter.title);
        chapter.entries.iter().for_each(|advice| entry(&mut page, advice));
    }
    page
}

fn entry(page: &mut String, advice: &'static Advice) {
    let Advice { id, symptom, meaning, who, remedy, where_to_click, retry, visitor } = advice;
    let _ = write!(page, "\n### {id}\n\n**{symptom}**\n\n{meaning}\n\n");
    let _ = writeln!(page, "- **What to do:** {remedy}");
    let _ = writeln!(page, "- **Who:** {who}");
    if let Some(place) = where_to_click {
        let _ = writeln!(page, "- **Where:** {place}");
    }
    let _ = writeln!(page, "- **Does another try help?** {}", capital(&retry.to_string()));
    if let Some(sentence) = visitor {
        let _ = writeln!(page, "- **Visitors read:** {} {}", sentence.what, sentence.advice);
    }
    let signs = signs(advice);
    if !signs.is_empty() {
        let _ = writeln!(page, "- **Known by:** {}", signs.join("; "));
    }
}

/// By what an entry is known, from the tables.
fn signs(advice: &'static Advice) -> Vec<String> {
    let mut signs = Vec::new();
    let is_it = |other: &'static Advice| std::ptr::eq(other, advice);
    signs.extend(
        STATUSES.iter().filter(|row| is_it(row.1)).map(|((at, status), _)| format!("{status} at {}", at.as_str())),
    );
    let codes = CODES.iter().chain(&PROVIDER_CODES).filter(|row| is_it(row.1));
    signs.extend(codes.map(|(code, _)| format!("code {code}")));
    signs.extend(DETAILS.iter().filter(|row| is_it(row.1)).map(|(words, _)| format!("\"{words}\" in the detail")));
    let closes = CLOSES.iter().chain(&CLOSES_WHEN_OPEN).filter(|row| is_it(row.1));
    signs.extend(closes.map(|(code, _)| format!("close code {code}")));
    signs.extend(ERRORS.iter().filter(|row| is_it(row.1)).map(|(code, _)| format!("error {code} of the engine")));
    signs.extend(STATES.iter().filter(|row| is_it(row.1)).map(|(state, _)| format!("state {state}")));
    signs
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// The answers that the browser's page tells, by the names that it has for its steps.
const STEPS: [(&str, At); 3] = [("login", At::Login), ("usersMe", At::UsersMe), ("csrf", At::Csrf)];

/// `static/js/catalogue.js`: what visitors are told, and by which answers.
pub fn script() -> String {
    let mut script = String::from(
        "/**\n * What the tenant's answers mean to a visitor. Made from `src/advice` by `make advice`: change it there.\n *\n \
         * @typedef {\"no\" | \"once\" | \"later\" | \"soon\" | \"reconnect\"} Retry\n \
         * @typedef {{ what: string, advice: string, retry: Retry }} Entry\n */\n",
    );
    let wanted = in_browser();
    let entries = all().filter(|advice| wanted.contains(advice.id)).filter_map(|advice| {
        let sentence = advice.visitor?;
        Some((advice.id, json!({ "what": sentence.what, "advice": sentence.advice, "retry": advice.retry.as_str() })))
    });
    put(&mut script, "By its name.", "Record<string, Entry>", "ENTRIES", object(entries));
    let codes = CODES.iter().map(|(code, advice)| (*code, advice.id.into()));
    put(&mut script, "By the tenant's codes.", "Record<string, string>", "CODES", object(codes));
    let details = DETAILS.iter().map(|(words, advice)| (*words, advice.id.into()));
    put(
        &mut script,
        "By words in the detail of a refused login.",
        "Record<string, string>",
        "DETAILS",
        object(details),
    );
    let statuses = STEPS.iter().map(|(step, at)| {
        let rows = STATUSES.iter().filter(|((row, _), _)| row == at);
        let rows = rows.map(|((_, status), advice)| (status.to_string(), advice.id.into()));
        (*step, object(rows.chain([("other".to_owned(), other(*at).id.into())])))
    });
    put(&mut script, "By call and status.", "Record<string, Record<string, string>>", "STATUSES", object(statuses));
    let closes = CLOSES.iter().map(|(code, advice)| (code.to_string(), advice.id.into()));
    put(&mut script, "By close codes, at any time.", "Record<number, string>", "CLOSES", object(closes));
    let closes = CLOSES_WHEN_OPEN.iter().map(|(code, advice)| (code.to_string(), advice.id.into()));
    put(
        &mut script,
        "By close codes, once the app is open.",
        "Record<number, string>",
        "CLOSES_WHEN_OPEN",
        object(closes),
    );
    let errors = ERRORS.iter().map(|(code, advice)| (code.to_string(), advice.id.into()));
    put(&mut script, "By errors of the engine.", "Record<number, string>", "ERRORS", object(errors));
    let states = STATES.iter().map(|(state, advice)| (*state, advice.id.into()));
    put(&mut script, "By states of `OnConnected`.", "Record<string, string>", "STATES", object(states));
    put(
        &mut script,
        "Where nothing else fits.",
        "Record<string, string>",
        "OTHERWISE",
        object(otherwise().map(|(what, advice)| (what, advice.id.into()))),
    );
    script
}

/// The entries that stand for whatever no table has.
fn otherwise() -> [(&'static str, &'static Advice); 14] {
    let http = |status, html| of(&Answer::Http { at: At::Rest, status, code: None, detail: "", html });
    let found = |finding| of(&Answer::Found(finding));
    [
        ("tooMany", http(429, false)),
        ("trouble", http(500, false)),
        ("html", http(400, true)),
        ("early", of(&Answer::Close { code: 1006, open: false })),
        ("lost", of(&Answer::Close { code: 1006, open: true })),
        ("error", of(&Answer::Engine(0))),
        ("state", of(&Answer::State(""))),
        ("silence", of(&Answer::Silence)),
        ("cookiesBlocked", found(Sign::CookiesBlocked)),
        ("hidden", found(Sign::AnswerHidden)),
        ("unreachable", of(&Answer::Unreachable { at: At::UsersMe, why: Silent::Refused })),
        ("otherSubject", found(Sign::OtherSubject)),
        ("noCsrfToken", found(Sign::NoCsrfToken)),
        ("pathsNotServed", found(Sign::PathsNotServed)),
    ]
}

/// What a call is answered with a status that no table has.
fn other(at: At) -> &'static Advice {
    of(&Answer::Http { at, status: 418, code: None, detail: "", html: false })
}

/// The ids of all entries that the browser's page may look up; also by what our server says of a login of its own.
pub(super) fn in_browser() -> BTreeSet<&'static str> {
    let words = CODES.iter().chain(&DETAILS).chain(&STATES).map(|row| row.1);
    let closes = CLOSES.iter().chain(&CLOSES_WHEN_OPEN).map(|row| row.1);
    let errors = ERRORS.iter().map(|row| row.1);
    let steps = STATUSES.iter().filter(|((at, _), _)| STEPS.iter().any(|(_, step)| step == at)).map(|row| row.1);
    // What our server says of a token that it asked for.
    let granted = STATUSES.iter().filter(|((at, _), _)| *at == At::OauthToken).map(|row| row.1);
    let others = STEPS.iter().map(|(_, at)| other(*at)).chain(otherwise().map(|row| row.1));
    let no_cookies = of(&Answer::Found(Sign::CookiesNotSet));
    let all = words.chain(closes).chain(errors).chain(steps).chain(granted).chain(others).chain([no_cookies]);
    all.map(|advice| advice.id).collect()
}

fn object<K: Into<String>>(members: impl IntoIterator<Item = (K, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(key, value)| (key.into(), value)).collect::<Map<_, _>>())
}

fn put(script: &mut String, what: &str, kind: &str, name: &str, value: Value) {
    let _ = write!(script, "\n/** {what} @type {{Readonly<{kind}>}} */\nexport const {name} = {value:#};\n");
}
