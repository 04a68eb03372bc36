//! Signing in with a local account.

use std::time::Duration;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{Html, IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;
use tower_sessions::Session;

use super::LoginPage;
use crate::app::App;
use crate::audit::{self, Caller, Event};
use crate::auth::password::Refused;
use crate::identity::Source;
use crate::web::error::Error;
use crate::web::visitor;

/// What the form sends.
#[derive(Deserialize)]
pub struct Credentials {
    pub(super) username: String,
    pub(super) password: SecretString,
}

/// `POST /login`: checks the password, begins a session under a new id, and leads back to where the visitor wanted to go.
pub async fn check(
    State(app): State<App>,
    session: Session,
    caller: Caller,
    Form(typed): Form<Credentials>,
) -> Result<Response, Error> {
    sign_in(&app, &session, caller, typed).await
}

/// Signs in whoever has typed this.
pub(super) async fn sign_in(
    app: &App,
    session: &Session,
    caller: Caller,
    typed: Credentials,
) -> Result<Response, Error> {
    match app.passwords.verify(&typed.username, typed.password, caller.address, app.clock.now()).await {
        Ok(identity) => {
            visitor::begin(app, session, identity, caller).await?;
            let to = visitor::way_on(app, session).await?.unwrap_or_default();
            Ok(Redirect::to(to.as_str()).into_response())
        }
        Err(refused) => {
            let event = Event::SignInRefused { source: Source::Password, identity: None, reason: &refused };
            audit::record(caller, &event);
            match refused {
                Refused::Store(problem) => Err(problem.into()),
                refused => refuse(app, &refused, typed.username),
            }
        }
    }
}

fn refuse(app: &App, refused: &Refused, username: String) -> Result<Response, Error> {
    let (status, problem, wait) = match refused {
        Refused::Throttled { retry_after } => {
            let problem = format!("Too many attempts. Wait {}, then try again.", in_words(*retry_after));
            (StatusCode::TOO_MANY_REQUESTS, problem, Some(retry_after.as_secs()))
        }
        Refused::Busy => {
            let problem = "Many people are signing in right now. Try again in a few seconds.".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, problem, Some(5))
        }
        Refused::Wrong | Refused::Store(_) => {
            let problem = "The user name or the password is wrong. Check both and try again.".to_owned();
            (StatusCode::UNAUTHORIZED, problem, None)
        }
    };
    let page = LoginPage { problem: Some(problem), username, ..LoginPage::of(app) };
    let mut response = (status, Html(page.render()?)).into_response();
    if let Some(seconds) = wait {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    Ok(response)
}

fn in_words(wait: Duration) -> String {
    match wait.as_secs().div_ceil(60) {
        0 | 1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}
