//! `/single/` (Qlik Cloud facts, section G): the page that draws a sheet or an object in somebody else's frame, with its
//! own socket, and the files it loads.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State as Shared},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};

use super::{
    access, admin, refusal,
    state::{State, held},
};

/// What the page is told, in the order of section G. `select` may come more than once.
const PARAMETERS: [&str; 10] =
    ["appid", "sheet", "obj", "snapshot", "identity", "opt", "theme", "lang", "bookmark", "select"];

/// The drawings, and the engine's protocol in the browser.
pub(super) const CHARTS: &str = include_str!("single/charts.js");
pub(super) const ENGINE: &str = include_str!("single/engine.js");

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/single", get(page))
        .route("/single/", get(page))
        .route("/resources/single/sheet.js", get(async || script(include_str!("single/sheet.js"))))
        .route("/resources/single/charts.js", get(async || script(CHARTS)))
        .route("/resources/single/engine.js", get(async || script(ENGINE)))
        .route("/resources/single/sheet.css", get(async || style(include_str!("single/sheet.css"))))
}

/// The page for somebody with a session; anybody else goes to the login, which cannot be framed.
async fn page(Shared(state): Shared<Arc<State>>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let query = query.unwrap_or_default();
    if access::caller(&state, &headers).is_none() {
        let way: String = url::form_urlencoded::byte_serialize(format!("/single/?{query}").as_bytes()).collect();
        return Redirect::to(&format!("{}/login?returnto={way}", state.origin)).into_response();
    }
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    if !pairs.iter().any(|(name, value)| name == "appid" && !value.is_empty()) {
        return refusal::service_error(StatusCode::BAD_REQUEST, "HTTP-400", "appid is required");
    }
    let mut response = Html(render(&pairs)).into_response();
    let (policy, legacy) = {
        let settings = held(&state.settings);
        (admin::policy(&state.origin, &settings.csp_origins), settings.switches.x_frame_options)
    };
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if legacy {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn render(pairs: &[(String, String)]) -> String {
    let attribute = |name: &str| {
        let values: Vec<&str> = pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect();
        format!(" data-{name}=\"{}\"", escaped(&values.join("\n")))
    };
    let attributes: String = PARAMETERS.iter().map(|name| attribute(name)).collect();
    let of = |name: &str| pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    include_str!("single/page.html").replace("{look}", look(of("theme"))).replace("{attributes}", &attributes)
}

/// Light or dark by the theme's id; without one, as the visitor's system has it.
fn look(theme: &str) -> &'static str {
    match theme {
        "" => "system",
        dark if dark.contains("dark") => "dark",
        "horizon" => "horizon",
        _ => "light",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

type File = ([(HeaderName, &'static str); 2], &'static str);

/// Files are public, as the real ones are. They are revalidated, so that a newer build shows at once.
fn script(text: &'static str) -> File {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], text)
}

fn style(text: &'static str) -> File {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], text)
}
