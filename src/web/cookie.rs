//! Cookies of a request, for what the session layer does not read.

use axum::http::HeaderMap;
use axum::http::header::COOKIE;

/// The value of the first cookie of this name, if it has one, wherever it stands: HTTP/2 may send a line for each (RFC 9113,
/// section 8.2.3).
pub fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let value = lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (found, value) = pair.split_once('=')?;
        (found.trim() == name).then(|| value.trim())
    });
    value.filter(|value| !value.is_empty())
}
