//! Settings of the way in which a proxy before us says who the visitor is.

use axum::http::HeaderName;
use url::Url;

use super::Server;
use super::reader::Reader;
use crate::auth::header::{Settings, is_alike};
use crate::identity::Source;

const SETTINGS: [&str; 6] =
    ["HEADER_ID", "HEADER_NAME", "HEADER_EMAIL", "HEADER_GROUPS", "HEADER_GROUPS_SEPARATOR", "HEADER_SIGN_OUT_URL"];
const ID: &str = "name the header in which your proxy puts the visitor's id: X-Forwarded-User (oauth2-proxy), Remote-User (Authelia)";
const PROXIES: &str = "list the address of the proxy, as this server sees its connections";

/// `Some(None)` when that way is closed.
pub(super) fn read(reader: &mut Reader, ways: Option<&[Source]>, server: Option<&Server>) -> Option<Option<Settings>> {
    let open = ways.is_some_and(|ways| ways.contains(&Source::Header));
    let id = if open { reader.required(SETTINGS[0], ID, header) } else { reader.optional(SETTINGS[0], ID, header) };
    let [name, email, groups] = [SETTINGS[1], SETTINGS[2], SETTINGS[3]].map(|variable| {
        reader.optional(variable, "write the name of a header, such as X-Forwarded-Email, or leave it out", header)
    });
    let separator = reader.required("HEADER_GROUPS_SEPARATOR", "write what stands between two groups", |text| {
        Ok::<_, &str>(text.to_owned())
    });
    let sign_out_url = reader.optional(
        "HEADER_SIGN_OUT_URL",
        "write a path such as /oauth2/sign_out, or an address such as https://login.example/logout",
        address,
    );
    if !open {
        // When SIGN_IN itself is wrong, nobody knows yet what was meant.
        if let Some(name) = SETTINGS.iter().find(|name| ways.is_some() && reader.is_set(name)) {
            reader.hint(format!("{name} has no effect: SIGN_IN does not list header"));
        }
        return ways.map(|_| None);
    }
    check_proxies(reader, server);
    if !reader.is_set("HEADER_EMAIL") {
        reader
            .hint("HEADER_EMAIL is not set: Qlik asks for an e-mail address, and the proxy's headers will bring none");
    }
    let settings = Settings { id: id?, name, email, groups, separator: separator?, sign_out_url };
    let names: Vec<_> = settings.names().collect();
    let is_second = |place: usize| names[..place].iter().any(|earlier| is_alike(earlier, names[place]));
    if let Some(place) = (1..names.len()).find(|&place| is_second(place)) {
        let reason = format!("and the others name {} more than once", names[place]);
        reader.problem("HEADER_ID", reason, "name a header of its own for each");
        return None;
    }
    Some(Some(settings))
}

/// Whoever is trusted to say who the visitor is can be anybody.
fn check_proxies(reader: &mut Reader, server: Option<&Server>) {
    let Some(server) = server else { return };
    if !reader.is_set("TRUSTED_PROXIES") {
        reader.problem("TRUSTED_PROXIES", "is not set, and SIGN_IN has header: nobody would be believed", PROXIES);
    } else if server.trusted_proxies.iter().any(|network| network.prefix_len() == 0) {
        let reason = "has every address there is, and SIGN_IN has header: anybody could sign in as anybody";
        reader.problem("TRUSTED_PROXIES", reason, PROXIES);
    }
}

fn header(text: &str) -> Result<HeaderName, &'static str> {
    const OTHERS: [&str; 6] = ["authorization", "cookie", "host", "origin", "user-agent", "x-forwarded-for"];
    let name = HeaderName::try_from(text).map_err(|_| "is not the name of a header")?;
    if OTHERS.contains(&name.as_str()) {
        Err("is a header that browsers or proxies fill with something else")
    } else {
        Ok(name)
    }
}

/// A path of this origin, where the proxy is in front of us, or an address elsewhere; nothing that runs as a script.
fn address(text: &str) -> Result<String, &'static str> {
    let path = text.starts_with('/') && !text.starts_with("//") && !text.contains('\\');
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let elsewhere = || Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    if plain && (path || elsewhere()) { Ok(text.to_owned()) } else { Err("is neither a path nor an address") }
}
