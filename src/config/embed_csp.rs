//! `EMBED_CSP`: what the content security policy of pages with components allows besides what is known to be needed.

use std::collections::BTreeMap;

use super::reader::Reader;
use crate::origin::Origin;

/// Sources by directive.
pub type MoreSources = BTreeMap<&'static str, Vec<String>>;

/// The directives that may have more. The others are ours alone: who frames us, where forms go.
const DIRECTIVES: [&str; 9] = [
    "script-src",
    "style-src",
    "img-src",
    "font-src",
    "media-src",
    "connect-src",
    "frame-src",
    "child-src",
    "worker-src",
];
const REMEDY: &str =
    "write directives and their sources, such as script-src 'unsafe-eval'; connect-src https://a.example";

/// Nothing, unless it is set. `None` after a problem.
pub(super) fn read(reader: &mut Reader) -> Option<MoreSources> {
    if !reader.is_set("EMBED_CSP") {
        return Some(MoreSources::new());
    }
    reader.optional("EMBED_CSP", REMEDY, parse)
}

fn parse(text: &str) -> Result<MoreSources, String> {
    let mut more = MoreSources::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let mut words = part.split_whitespace();
        let name = words.next().unwrap_or_default();
        let directive = DIRECTIVES.into_iter().find(|directive| *directive == name);
        let directive = directive.ok_or_else(|| format!("has {name}, which is none of {}", DIRECTIVES.join(", ")))?;
        let sources: Vec<_> = words.map(|word| source(directive, word)).collect::<Result<_, _>>()?;
        if sources.is_empty() {
            return Err(format!("has {directive} without a source"));
        }
        more.entry(directive).or_default().extend(sources);
    }
    Ok(more)
}

/// One source (CSP level 3, section 2.3.1). Inline scripts are not among them: beside the nonce of the page browsers would
/// not heed it.
fn source(directive: &str, word: &str) -> Result<String, String> {
    let is_script = matches!(directive, "script-src" | "worker-src");
    let known = match word {
        "'unsafe-eval'" | "'wasm-unsafe-eval'" => directive == "script-src",
        "blob:" => true,
        "data:" => !is_script,
        _ => return host(directive, word),
    };
    if known { Ok(word.to_owned()) } else { Err(format!("has {word}, which is not for {directive}")) }
}

/// An origin, perhaps with a wildcard as its first label; for sockets also one that begins with `wss://`.
fn host(directive: &str, word: &str) -> Result<String, String> {
    let socket = word.strip_prefix("wss://").filter(|_| directive == "connect-src");
    let plain = socket.map_or_else(|| word.to_owned(), |rest| format!("https://{rest}"));
    let (plain, wildcard) = match plain.split_once("://*.") {
        Some((scheme, host)) => (format!("{scheme}://{host}"), true),
        None => (plain, false),
    };
    let origin = Origin::parse_secure(&plain).map_err(|problem| format!("has {word}, which {problem}"))?;
    let origin = if socket.is_some() { origin.websocket() } else { origin.to_string() };
    Ok(if wildcard { origin.replacen("://", "://*.", 1) } else { origin })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_sources_are_read_by_directive() {
        let more = parse(
            "script-src 'unsafe-eval' https://*.pendo.example; connect-src https://*.launchdarkly.com \
             wss://a.example:8443;; connect-src http://localhost:9; media-src blob: data:",
        );
        let expected: MoreSources = [
            ("script-src", vec!["'unsafe-eval'", "https://*.pendo.example"]),
            ("connect-src", vec!["https://*.launchdarkly.com", "wss://a.example:8443", "http://localhost:9"]),
            ("media-src", vec!["blob:", "data:"]),
        ]
        .map(|(directive, sources)| (directive, sources.into_iter().map(str::to_owned).collect()))
        .into();
        assert_eq!(more, Ok(expected));
    }

    #[test]
    fn what_would_open_the_policy_is_refused() {
        for (text, reason) in [
            (
                "script-src 'unsafe-inline'",
                "has 'unsafe-inline', which is not an address such as https://portal.example",
            ),
            ("script-src *", "has *, which is not an address such as https://portal.example"),
            ("script-src https:", "has https:, which is not an address such as https://portal.example"),
            ("script-src data:", "has data:, which is not for script-src"),
            ("style-src 'unsafe-eval'", "has 'unsafe-eval', which is not for style-src"),
            ("script-src 'nonce-a'", "has 'nonce-a', which is not an address such as https://portal.example"),
            ("connect-src", "has connect-src without a source"),
            (
                "img-src http://a.example",
                "has http://a.example, which must be https: plain http is accepted only for this machine (localhost, \
                 127.0.0.1, [::1])",
            ),
            (
                "img-src wss://a.example",
                "has wss://a.example, which must start with https:// (or http:// on this machine)",
            ),
            (
                "img-src https://a.example/x",
                "has https://a.example/x, which must end after the host name: remove the path, query, fragment and user name",
            ),
            (
                "frame-ancestors https://a.example",
                "has frame-ancestors, which is none of script-src, style-src, img-src, font-src, media-src, connect-src, \
                 frame-src, child-src, worker-src",
            ),
        ] {
            assert_eq!(parse(text), Err(reason.to_owned()), "{text}");
        }
    }
}
