//! What the other side said in its own words, fit for a log and a page: without secrets, bounded, in one line.

use std::fmt;

use serde_json::Value;

use super::{Advice, Answer, At, of};

/// How much of a text is kept, in characters.
const LONGEST_WORDS: usize = 300;
/// How long a code may be, in characters.
const LONGEST_CODE: usize = 64;
/// From so many characters on, a word without a space is a key and no word. Ids have 24, 32 or 36.
const KEY: usize = 40;

/// A refusal in the words of whoever refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The HTTP status.
    pub status: u16,
    /// The code of the first error, such as `LOGIN-2`; an `error` of OAuth.
    pub code: Option<String>,
    /// Title and detail of the first error, the title of a page, or the text; empty when nothing was said.
    pub words: String,
    /// Whether it is a page: then it does not come from whom we asked, but from something before it.
    pub html: bool,
}

impl Told {
    /// Reads an answer. Envelopes differ from service to service, and every member may be missing (Qlik Cloud facts, section I).
    pub fn read(status: u16, is_html: bool, body: &str) -> Self {
        if is_html || body.trim_start().starts_with('<') {
            let words = title(body).map(clean).unwrap_or_default();
            return Self { status, code: None, words, html: true };
        }
        let Ok(body) = serde_json::from_str::<Value>(body) else {
            // Said in plain text, which is kept as it is.
            return Self { status, code: None, words: clean(body.trim()), html: false };
        };
        let said = |member: &str| text(&body["errors"][0][member]).or_else(|| text(&body[member]));
        // A provider says `error` and `error_description` (RFC 6749, section 5.2).
        let code = said("code").or_else(|| text(&body["error"]));
        let words = ["title", "detail", "error_description", "message"].into_iter().filter_map(said);
        let words = words.filter(|words| !words.is_empty()).collect::<Vec<_>>().join(", ");
        let code = code.map(|code| clean(&code).chars().take(LONGEST_CODE).collect::<String>());
        Self { status, code: code.filter(|code| !code.is_empty()), words: clean(&words), html: false }
    }

    /// What it means, as an answer to this call.
    pub fn advice(&self, at: At) -> &'static Advice {
        let Self { status, code, words, html } = self;
        of(&Answer::Http { at, status: *status, code: code.as_deref(), detail: words, html: *html })
    }

    /// Code and words, or that there were none.
    pub fn said(&self) -> String {
        let parts: Vec<&str> = [self.code.as_deref().unwrap_or_default(), &self.words]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        if parts.is_empty() { "no explanation".to_owned() } else { parts.join(", ") }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}: {}", self.status, self.said())
    }
}

/// Texts and numbers.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The edge in front of the tenant answers in HTML (Qlik Cloud facts, section L 1).
fn title(page: &str) -> Option<&str> {
    let (_, after) = page.split_once("<title>")?;
    let (title, _) = after.split_once("</title>")?;
    Some(title.trim())
}

/// One line without control characters and without what looks like a token, a cookie or a key.
pub fn clean(text: &str) -> String {
    // What could be shown is at the beginning: a word that is cut in the middle is judged as a whole.
    let text: String = text.chars().take(LONGEST_WORDS * 8).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<_> = text.split(' ').map(|word| if is_secret(word) { "[removed]" } else { word }).collect();
    words.join(" ").chars().take(LONGEST_WORDS).collect()
}

fn is_secret(word: &str) -> bool {
    let of_key = |c: char| c.is_ascii_alphanumeric() || "_-.+=~".contains(c);
    let has_key = word.split(|c| !of_key(c)).any(|part| part.len() >= KEY);
    let has_cookie = ["eas.sid", "_csrfToken"].iter().any(|name| word.contains(name) && word.contains('='));
    // Each part of a token begins with the base64 of `{"`.
    has_key || has_cookie || (word.contains("eyJ") && word.contains('.'))
}
