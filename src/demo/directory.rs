//! `GET /api/v1/users`, for administrators (Qlik Cloud facts, section E): the filter's `eq` and `and`, and pages.

use std::sync::Arc;

use axum::{
    Json,
    extract::State as Shared,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    access::{self, Caller},
    refusal,
    rest::TENANT_ID,
    state::{State, held},
    users,
};

/// What a filter may compare.
const FIELDS: [&str; 5] = ["id", "subject", "name", "email", "status"];

pub(super) async fn list(Shared(state): Shared<Arc<State>>, caller: Caller, uri: Uri) -> Response {
    if !matches!(caller, Caller::Machine) {
        return refusal::service_error(StatusCode::FORBIDDEN, "USERS-3", "Forbidden");
    }
    let switches = state.settings().switches;
    let conditions = match access::query(&uri, "filter").map(|text| parse(&text, switches.filter_escapes)) {
        None => Vec::new(),
        Some(Some(conditions)) => conditions,
        Some(None) => return refusal::service_error(StatusCode::BAD_REQUEST, "USERS-4", "Invalid filter"),
    };
    let number = |name: &str| access::query(&uri, name).map(|text| text.parse::<usize>());
    let (Ok(limit), Ok(from)) = (number("limit").unwrap_or(Ok(20)), number("next").unwrap_or(Ok(0))) else {
        return refusal::service_error(StatusCode::BAD_REQUEST, "USERS-5", "Invalid parameter");
    };
    if !(1..=100).contains(&limit) {
        return refusal::service_error(StatusCode::BAD_REQUEST, "USERS-5", "Invalid parameter");
    }
    let limit = limit.min(switches.users_on_a_page);
    let fits = |user: &Value| conditions.iter().all(|(field, value)| same(&user[*field], value));
    let mut found: Vec<_> =
        held(&state.users).all().map(|user| users::as_json(user, &state.origin, TENANT_ID)).filter(fits).collect();
    found.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    let link = |from: usize| {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let kept = pairs.filter(|(name, _)| name != "next");
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept)
            .append_pair("next", &from.to_string())
            .finish();
        json!({ "href": format!("{}/api/v1/users?{query}", state.origin) })
    };
    let mut links = json!({ "self": link(from) });
    if from + limit < found.len() {
        links["next"] = link(from + limit);
    } else if switches.null_links {
        links["next"] = Value::Null;
    }
    let page: Vec<_> = found.into_iter().skip(from).take(limit).collect();
    Json(json!({ "data": page, "links": links })).into_response()
}

/// Values are compared without regard to case.
fn same(own: &Value, value: &str) -> bool {
    own.as_str().is_some_and(|own| own.to_lowercase() == value.to_lowercase())
}

/// `email eq "a" and status eq "b"`: the fields and their values. `None` when it is malformed.
fn parse(text: &str, escapes: bool) -> Option<Vec<(&'static str, String)>> {
    let mut conditions = Vec::new();
    let mut rest = text.trim();
    loop {
        let (field, after) = rest.split_once(' ')?;
        let field = FIELDS.into_iter().find(|known| known.eq_ignore_ascii_case(field))?;
        let after = after.trim_start().strip_prefix("eq ")?.trim_start();
        let (value, after) = quoted(after, escapes)?;
        conditions.push((field, value));
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(conditions);
        }
        rest = rest.strip_prefix("and ")?.trim_start();
    }
}

/// A value in double quotes, and what follows it.
fn quoted(text: &str, escapes: bool) -> Option<(String, &str)> {
    let text = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' if escapes => value.push(characters.next()?.1),
            '\\' => return None,
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_compare_and_combine() {
        for (filter, escapes, expected) in [
            (r#"email eq "a@b.c""#, false, Some(vec![("email", "a@b.c")])),
            (r#"Email eq "a" and status eq "active""#, false, Some(vec![("email", "a"), ("status", "active")])),
            (r#"subject eq "a\"b""#, true, Some(vec![("subject", "a\"b")])),
            (r#"subject eq "a\"b""#, false, None),
            (r#"email co "a""#, false, None),
            (r#"email eq a"#, false, None),
            (r#"email eq "a" or status eq "b""#, false, None),
            (r#"secret eq "a""#, false, None),
            ("", false, None),
        ] {
            let expected: Option<Vec<_>> =
                expected.map(|list| list.into_iter().map(|(field, value)| (field, value.to_owned())).collect());
            assert_eq!(parse(filter, escapes), expected, "{filter}");
        }
    }
}
