//! Signing in as anybody, by an e-mail address that nobody checks. No setting opens this way: only the command `demo` does, whose
//! tenant is simulated. It takes the form of Qlik's own sample, so that clients of that one find what they know.

use axum::Form;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use secrecy::SecretString;
use serde::Deserialize;
use tower_sessions::Session;

use super::password::{self, Credentials};
use crate::app::App;
use crate::audit::Caller;
use crate::identity::{Identity, Source};
use crate::qlik::users::Address;
use crate::web::{Error, csrf, visitor};

/// What either form sends.
#[derive(Deserialize)]
pub struct Typed {
    email: Option<String>,
    #[serde(rename = "_csrf")]
    csrf_token: Option<String>,
    username: Option<String>,
    password: Option<SecretString>,
}

/// `POST /login` of the demo: an e-mail address, or an account's name and password.
pub async fn check(
    State(app): State<App>,
    session: Session,
    caller: Caller,
    Form(typed): Form<Typed>,
) -> Result<Response, Error> {
    let Typed { email, csrf_token, username, password } = typed;
    let Some(email) = email else {
        let credentials =
            Credentials { username: username.unwrap_or_default(), password: password.unwrap_or_default() };
        return password::sign_in(&app, &session, caller, credentials).await;
    };
    // Whether there is a session is known once something was read of it.
    session.get_value("").await?;
    // Our own form has no token: where it comes from is checked for every form. Who sends one has asked for it.
    if csrf_token.is_some_and(|token| !csrf::is_of(&app, &session, token.as_bytes())) {
        return Err(Error::NoCsrfToken);
    }
    let address = Address::parse(&email).ok_or(Error::BadQuery("this is no e-mail address"))?;
    let id = address.as_str().to_lowercase();
    let (name, email) = (id.split('@').next().unwrap_or_default().to_owned(), Some(id.clone()));
    let groups = vec!["Sales".to_owned()];
    let identity = Identity { source: Source::Password, id, name, email, groups, claims: serde_json::Map::new() };
    visitor::begin(&app, &session, identity, caller).await?;
    let to = visitor::way_on(&app, &session).await?.unwrap_or_default();
    Ok(Redirect::to(to.as_str()).into_response())
}
