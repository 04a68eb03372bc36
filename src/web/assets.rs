//! Our scripts, styles and images, embedded in the binary, under one prefix that changes when any of them does.

use std::sync::LazyLock;

use aws_lc_rs::digest::{Context, SHA256};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::app::App;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Assets;

/// The hash over all names and contents. Module scripts import one another by relative paths, so they share a prefix
/// instead of having a hash each.
static HASH: LazyLock<String> = LazyLock::new(|| {
    let mut names: Vec<_> = Assets::iter().collect();
    names.sort();
    let mut context = Context::new(&SHA256);
    for name in names {
        if let Some(file) = Assets::get(&name) {
            context.update(name.as_bytes());
            context.update(&file.metadata.sha256_hash());
        }
    }
    context.finish().as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
});

/// What addresses of assets begin with, slash included.
pub fn prefix() -> String {
    format!("/static/{}/", *HASH)
}

/// `GET /static/{hash}/{file}`: good for a year, since another content has another address.
pub async fn file(State(app): State<App>, Path((hash, name)): Path<(String, String)>) -> Result<Response, StatusCode> {
    if hash != *HASH {
        return Err(StatusCode::NOT_FOUND);
    }
    let mut response = serve(&name, "public, max-age=31536000, immutable")?;
    if app.server.proxy_url.is_some() {
        // Failures that are shown at the sibling origin are dressed by this one.
        response.headers_mut().insert("cross-origin-resource-policy", HeaderValue::from_static("same-site"));
    }
    Ok(response)
}

/// `GET /favicon.ico`: asked for by browsers where no page names another icon.
pub async fn favicon() -> Result<Response, StatusCode> {
    serve("favicon.svg", "public, max-age=86400")
}

fn serve(name: &str, cache: &'static str) -> Result<Response, StatusCode> {
    let file = Assets::get(name).ok_or(StatusCode::NOT_FOUND)?;
    let kind = file.metadata.mimetype();
    let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    Ok(([(CONTENT_TYPE, kind), (CACHE_CONTROL, cache.to_owned())], file.data).into_response())
}
