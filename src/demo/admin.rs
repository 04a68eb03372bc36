//! What administrators set up over REST (Qlik Cloud facts, sections A, C, E, H.1 and M 9). What they change is changed in
//! the [`Settings`](super::Settings), so that login, CORS, frames and engine follow it at once.
//!
//! Here is what all of it shares: who may, what a body must be, how lists come in pages. The codes of errors are made up
//! where the facts name none; statuses are documented, or a switch.

mod apps;
mod csp;
mod groups;
mod oauth_clients;
mod providers;
mod spaces;
mod tenant_settings;
mod users;
mod web_integrations;

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub(super) use csp::policy;
pub(super) use spaces::may_open;

use super::{
    access::{self, Caller},
    refusal,
    state::{State, held},
};

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .merge(providers::routes())
        .merge(web_integrations::routes())
        .merge(csp::routes())
        .merge(groups::routes())
        .merge(spaces::routes())
        .merge(apps::routes())
        .merge(users::routes())
        .merge(tenant_settings::routes())
        .merge(oauth_clients::routes())
}

/// All that administrators have set up, by the name of its resource.
pub(super) fn everything(state: &State) -> Value {
    let settings = state.settings();
    let list = |items: Vec<Value>| Value::Array(items);
    let users = held(&state.users);
    json!({
        "identity-providers": list(settings.providers.iter().map(providers::as_json).collect()),
        "web-integrations": list(settings.web_integrations.iter().map(web_integrations::as_json).collect()),
        "csp-origins": list(settings.csp_origins.iter().map(csp::as_json).collect()),
        "spaces": list(settings.spaces.iter().map(|space| spaces::as_json(space, &state.origin)).collect()),
        "oauth-clients": list(settings.clients.iter().map(oauth_clients::as_json).collect()),
        "groups": list(users.groups().map(|group| groups::as_json(group, &state.origin)).collect()),
        "groups/settings": { "autoCreateGroups": settings.auto_create_groups },
        "licenses/settings": tenant_settings::licences_as_json(&settings),
    })
}

/// A handler with this argument answers 401 to strangers and 403 to those who are not `TenantAdmin`.
struct Admin {
    /// The id of the user.
    user: String,
}

impl FromRequestParts<Arc<State>> for Admin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Response> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.is_admin(&held(&state.users)) {
            return Ok(Self { user: caller.user().to_owned() });
        }
        Err(refusal::service_error(StatusCode::FORBIDDEN, &code(parts.uri.path(), 3), "Forbidden"))
    }
}

/// A handler with this argument takes a body in JSON and nothing else.
struct Body(Value);

impl FromRequest<Arc<State>> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, Response> {
        let path = request.uri().path().to_owned();
        if !is_json(request.headers()) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(refusal::service_error(status, "HTTP-415", "Unsupported Media Type"));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        serde_json::from_slice(&bytes).map(Self).map_err(|_| invalid(&path, "body"))
    }
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"))
}

/// `WEB-INTEGRATIONS-7`: the service in a path, and a number.
fn code(path: &str, number: u8) -> String {
    let service = path.trim_start_matches("/api/").split('/').nth(1).unwrap_or("api");
    format!("{}-{number}", service.to_uppercase())
}

/// 404 in the envelope of the service.
fn not_found(uri: &Uri) -> Response {
    refusal::service_error(StatusCode::NOT_FOUND, &code(uri.path(), 7), "Not found")
}

/// 400, naming the member or the parameter.
fn invalid(path: &str, what: &str) -> Response {
    refusal::service_fault(
        StatusCode::BAD_REQUEST,
        &code(path, 4),
        "Invalid request",
        &format!("Invalid value: {what}"),
    )
}

/// 409.
fn conflict(uri: &Uri, detail: &str) -> Response {
    refusal::service_fault(StatusCode::CONFLICT, &code(uri.path(), 9), "Conflict", detail)
}

/// One entry, if there is such a one.
fn show(found: Option<Value>, uri: &Uri) -> Response {
    found.map_or_else(|| not_found(uri), |shown| Json(shown).into_response())
}

/// Takes one entry out of a list, if there is such a one.
fn take_out<T>(entries: &mut Vec<T>, is_it: impl Fn(&T) -> bool, uri: &Uri) -> Response {
    let Some(at) = entries.iter().position(is_it) else { return not_found(uri) };
    entries.remove(at);
    StatusCode::NO_CONTENT.into_response()
}

fn created(shown: Value) -> Response {
    (StatusCode::CREATED, Json(shown)).into_response()
}

pub(super) fn timestamp(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_default()
}

/// A text that must be there, of a length between one and `most` characters.
fn text<'a>(body: &'a Value, name: &str, most: usize) -> Option<&'a str> {
    body[name].as_str().filter(|text| !text.trim().is_empty() && text.chars().count() <= most)
}

/// A list of texts.
fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
}

/// The paths and values of a JSON patch (RFC 6902) that only replaces. `None` when it does anything else, or nothing.
fn replacements(body: &Value) -> Option<Vec<(&str, &Value)>> {
    let one = |patch: &'_ Value| patch["op"] == "replace" && patch["path"].is_string() && patch.get("value").is_some();
    let patches = body.as_array().filter(|patches| !patches.is_empty() && patches.iter().all(one))?;
    Some(patches.iter().filter_map(|patch| Some((patch["path"].as_str()?, patch.get("value")?))).collect())
}

/// Pages of the usual size, with another parameter for the next one.
pub(super) fn pages_by(cursor: &'static str) -> Paging {
    Paging { cursor, ..Paging::default() }
}

/// How a list comes in pages.
pub(super) struct Paging {
    /// `limit` when it is not asked for, and its bounds.
    usual: usize,
    least: usize,
    most: usize,
    /// The parameter of the next page. `startingAfter` names an id, `next` is opaque.
    cursor: &'static str,
}

impl Default for Paging {
    fn default() -> Self {
        Self { usual: 20, least: 1, most: 100, cursor: "next" }
    }
}

impl Paging {
    /// The page that is asked for, as `{data, links}`, links absolute. A bad `limit` or cursor is refused.
    fn page(&self, state: &State, uri: &Uri, items: Vec<Value>) -> Result<Value, Response> {
        let switches = state.settings().switches;
        let limit = access::query(uri, "limit").map_or(Some(self.usual), |text| text.parse().ok());
        let limit = limit.filter(|limit| (self.least..=self.most).contains(limit));
        let limit = limit.ok_or_else(|| invalid(uri.path(), "limit"))?.min(switches.longest_page);
        let back = access::query(uri, "prev");
        let from = match access::query(uri, self.cursor).or_else(|| back.clone()) {
            None => Some(0),
            Some(id) if self.cursor == "startingAfter" && back.is_none() => {
                items.iter().position(|item| item["id"] == id).map(|at| at + 1)
            }
            Some(cursor) => cursor.parse().ok(),
        };
        let from = from.ok_or_else(|| invalid(uri.path(), self.cursor))?;
        let mut links = json!({ "self": { "href": format!("{}{uri}", state.origin) } });
        if limit > 0 && from + limit < items.len() {
            let last = items.get(from + limit - 1).and_then(|item| item["id"].as_str());
            let by_id = last.filter(|_| self.cursor == "startingAfter").map(str::to_owned);
            let cursor = by_id.unwrap_or_else(|| (from + limit).to_string());
            links["next"] = self.link(state, uri, self.cursor, &cursor);
        } else if switches.null_links {
            links["next"] = Value::Null;
        }
        if from > 0 {
            links["prev"] = self.link(state, uri, "prev", &from.saturating_sub(limit).to_string());
        }
        let total = items.len();
        let data: Vec<Value> = items.into_iter().skip(from).take(limit).collect();
        let mut page = json!({ "data": data, "links": links });
        if access::query(uri, "totalResults").as_deref() == Some("true") {
            page["totalResults"] = total.into();
        }
        Ok(page)
    }

    /// The same as an answer.
    pub(super) fn answer(&self, state: &State, uri: &Uri, items: Vec<Value>) -> Response {
        self.page(state, uri, items).map_or_else(|refused| refused, |page| Json(page).into_response())
    }

    fn link(&self, state: &State, uri: &Uri, name: &str, cursor: &str) -> Value {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let kept = pairs.filter(|(name, _)| name != "prev" && name != self.cursor);
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).append_pair(name, cursor).finish();
        json!({ "href": format!("{}{}?{query}", state.origin, uri.path()) })
    }
}
