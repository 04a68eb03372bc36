//! Signing in and out.

use askama::Template;
use axum::extract::State;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Redirect, Response};
use tower_sessions::Session;

use super::error::{Error, Site};
use super::policy;
use super::visitor::Visit;
use crate::app::App;

pub mod password;

/// `GET /login`: the sign-in form; whoever is signed in goes on.
pub async fn form(State(app): State<App>, session: Session) -> Result<Response, Error> {
    if Visit::current(&app, &session).await?.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    let page = LoginPage { site: Site::of(&app), visitor: None, problem: None, username: String::new() };
    Ok(Html(page.render()?).into_response())
}

/// `POST /logout`: ends the session.
pub async fn sign_out(session: Session) -> Result<Response, Error> {
    session.flush().await?;
    Ok(Redirect::to("/logout").into_response())
}

/// `GET /logout`: says that the session has ended. Its script ends the tenant's session in this browser too.
pub async fn signed_out(State(app): State<App>, session: Session) -> Result<Response, Error> {
    if Visit::current(&app, &session).await?.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    let policy = policy::of_signed_out(&app.tenant.origin);
    let page = SignedOutPage { site: Site::of(&app), visitor: None, tenant: app.tenant.origin.to_string() };
    Ok(([(CONTENT_SECURITY_POLICY, policy)], Html(page.render()?)).into_response())
}

/// The sign-in form.
#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    site: Site,
    visitor: Option<String>,
    problem: Option<String>,
    username: String,
}

/// After signing out.
#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage {
    site: Site,
    visitor: Option<String>,
    tenant: String,
}
