//! A simulated Qlik Cloud tenant, for the `demo` command and for tests: an honest double of what the session flow needs.
//!
//! It knows nothing of the product, so that it cannot share its mistakes: its only model is the Qlik Cloud facts, to
//! whose sections the comments refer. It is as strict as they say, answers errors in the shapes that they report, and
//! has a switch for everything that they mark as inferred or unknown ([`Switches`]).
//!
//! The rooms: `settings` is what it can be told, `control` the hand behind the curtain; `state` what it knows. `listener`
//! is the door; `access` asks every request where it comes from; `refusal` holds the shapes of "no". `login` checks
//! tokens, `users` and `session` keep what comes of it, `rest` answers about it; `admin` is what administrators set up,
//! with lists that `filter` sifts. `oauth` gives programs and pages access tokens, which `tokens` keeps. `engine` is the
//! websocket and its protocol, over `model`, a small app that really computes; `single` is the page that draws it, and
//! `embed` the runtime of web components, which draws it in pages of others. Apart stands `host`, a simulated portal
//! that hands its visitors over with tickets.

mod access;
mod admin;
mod control;
mod embed;
mod engine;
mod filter;
mod host;
mod listener;
mod login;
mod model;
mod oauth;
mod refusal;
mod rest;
mod session;
mod settings;
mod single;
mod state;
mod tokens;
mod users;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{Redirect, Response};
use axum::{Router, middleware, routing};

pub use control::Control;
pub use engine::Socket;
pub use host::{HostPortal, HostSettings};
pub use refusal::{Refusal, Times};
pub use settings::TENANT_ID;
pub use settings::{
    AlreadyOpen, ApiKey, Assignment, CLIENT_CREDENTIALS, ClientKey, Cookies, CspOrigin, HandshakeRefusal,
    IMPERSONATION, IdentityProvider, MissingObject, NoAccess, NoLicence, OauthClient, Race, Settings, Space, Switches,
    TOKEN_EXCHANGE, Theme, Tls, UnknownApp, WebIntegration,
};
pub use state::{Login, Request};
pub use tokens::{AccessToken, Purpose};
pub use users::{Group, User};

use listener::Listener;
use state::{State, held};

/// The app of the tenant, unless told otherwise.
pub const APP_ID: &str = "a51a902d-76a9-4c53-85d2-066b44240146";
/// Its sheet, unless told otherwise.
pub const SHEET_ID: &str = "8b2c54d1-5f0a-4e0e-9d2e-6f1f0a7c3b90";
/// The bar chart "Sales by region" on the sheet.
pub const CHART_ID: &str = "hRZaKk";
/// The KPI "Total sales" on the sheet.
pub const KPI_ID: &str = "JsVPe";
/// The filter "Year" on the sheet.
pub const FILTER_ID: &str = "pQmTfW";
/// A web integration id of the usual look. The tenant has none until [`Settings::web_integrations`] says so.
pub const WEB_INTEGRATION_ID: &str = "kmJrYw5vqU9S2dQnB0xTcGfZ7eAhLp1o";

/// A running tenant. It stops when dropped.
pub struct Tenant {
    control: Control,
    address: SocketAddr,
}

impl Tenant {
    /// Listens and serves. Fails when the port is taken, or TLS settings do not fit.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let (mut listener, socket) = Listener::bind(settings.listen, settings.tls.as_ref())?;
        let address = listener.address;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let here = || format!("{scheme}://{}:{}", settings.name, address.port());
        let origin = settings.public_origin.clone().unwrap_or_else(here);
        let state = Arc::new(State::new(origin.trim_end_matches('/').to_owned(), settings));
        listener.serve(socket, router(&state))?;
        Ok(Self { control: Control { state, listener: Arc::new(Mutex::new(listener)) }, address })
    }

    /// The origin as browsers name it, such as `http://localhost:41234`.
    pub fn origin(&self) -> &str {
        &self.control.state.origin
    }

    /// Where it really listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The hand behind the curtain.
    pub fn control(&self) -> &Control {
        &self.control
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        self.control.drop_sockets();
        held(&self.control.listener).stop();
    }
}

/// All routes, and the layers that every request passes: the last one added is the outermost.
fn router(state: &Arc<State>) -> Router {
    Router::new()
        .route("/", routing::get(async || Redirect::to("/login")))
        .route("/login/jwt-session", routing::post(login::jwt_session))
        .route("/login", routing::get(login::page))
        .route("/logout", routing::get(login::logout))
        .merge(rest::routes())
        .merge(admin::routes())
        .merge(oauth::routes())
        .merge(engine::routes())
        .merge(single::routes())
        .merge(embed::routes())
        .fallback(nothing)
        .layer(middleware::from_fn_with_state(state.clone(), access::csrf))
        .layer(middleware::from_fn_with_state(state.clone(), access::faults))
        .layer(middleware::from_fn_with_state(state.clone(), access::origins))
        .layer(middleware::from_fn_with_state(state.clone(), access::observe))
        .with_state(state.clone())
}

/// Strangers do not learn what there is in the REST interface.
async fn nothing(Shared(state): Shared<Arc<State>>, headers: HeaderMap, uri: Uri) -> Response {
    if uri.path().starts_with("/api/") && access::caller(&state, &headers).is_none() {
        return refusal::unauthorized();
    }
    refusal::service_error(StatusCode::NOT_FOUND, "HTTP-404", "Not found")
}

/// Random bytes for ids and secrets.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system's random source works");
    bytes
}

/// Random bytes as hex, two characters each.
fn random_hex<const N: usize>() -> String {
    random::<N>().iter().map(|byte| format!("{byte:02x}")).collect()
}
