//! `/qlik-embed/` (Qlik Cloud facts, sections H.3 to H.5): the runtime that the published web components load from the tenant.
//! A stand-in: it keeps to their contract and to what is known of the wire, and draws the simulated app.
//!
//! An element has `<div class="simulated-embed" data-ui data-state data-viewer>` in it. The state is `starting`, `ready`,
//! `failed`, or `closed` once the socket has ended; in the last two a line with the class `simulated-error` says why.

use std::sync::Arc;

use axum::{
    Router,
    extract::State as Shared,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::{
    single,
    state::{State, held},
};

/// The modules, and what they share with the page in `single`.
const FILES: [(&str, &str); 9] = [
    ("/qlik-embed/embed.js", include_str!("embed/embed.js")),
    ("/qlik-embed/state.js", include_str!("embed/state.js")),
    ("/qlik-embed/host.js", include_str!("embed/host.js")),
    ("/qlik-embed/session.js", include_str!("embed/session.js")),
    ("/qlik-embed/draw.js", include_str!("embed/draw.js")),
    ("/qlik-embed/remote.js", include_str!("embed/remote.js")),
    ("/qlik-embed/style.js", include_str!("embed/style.js")),
    ("/qlik-embed/engine.js", single::ENGINE),
    ("/qlik-embed/charts.js", single::CHARTS),
];

pub(super) fn routes() -> Router<Arc<State>> {
    let main = Router::new().route("/qlik-embed/main.js", get(main));
    FILES.into_iter().fold(main, |router, (path, text)| router.route(path, get(async move || public(text.to_owned()))))
}

/// Told what the switches say when it is loaded.
async fn main(Shared(state): Shared<Arc<State>>) -> Response {
    let switches = {
        let switches = &held(&state.settings).switches;
        json!({
            "importMap": switches.embed_import_map, "importMapRequired": switches.embed_import_map_required,
            "evaluates": switches.embed_evaluates, "reconnects": switches.embed_reconnects,
        })
    };
    public(include_str!("embed/main.js").replace("\"{switches}\"", &switches.to_string()))
}

/// Scripts for pages of any origin, without authentication.
fn public(text: String) -> Response {
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    ];
    (headers, text).into_response()
}
