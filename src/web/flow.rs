//! Which way the visitor's browser takes to the tenant, where the page leaves that open.

use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use tower_sessions::Session;

use super::Error;
use super::visitor::SignedIn;
use crate::app::App;

/// What a page has found out.
#[derive(Deserialize)]
pub struct Found {
    flow: Way,
}

/// The ways that can be remembered. Without one, a page tries the tenant itself.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Way {
    Proxy,
}

/// `POST /flow`: the browser does not keep the tenant's cookies, and the sheet came through us. Until this session ends, pages
/// with the flow `auto` begin that way.
pub async fn remember(
    State(app): State<App>,
    who: SignedIn,
    session: Session,
    Form(Found { flow: Way::Proxy }): Form<Found>,
) -> Result<StatusCode, Error> {
    if !who.is_proxied() {
        tracing::info!("a browser keeps no cookies of the tenant; its session carries on by the proxy");
        who.carry_on_by_proxy(&app, &session).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}
