//! The server's outside: the route table, and the layers that every request passes.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::timeout::TimeoutLayer;
use tower_sessions::SessionManagerLayer;
use tower_sessions::cookie::SameSite;

use crate::app::App;
use crate::identity::Source;
use crate::store::sessions::Sessions;

mod access_token;
mod address;
mod admin;
pub mod assets;
mod cookie;
mod csrf;
mod data;
mod embed;
pub mod error;
mod flow;
mod front;
mod gallery;
mod health;
mod limited;
mod login;
pub mod observed;
mod policy;
pub mod proxy;
mod security;
mod session;
mod token;
mod trail;
mod upstream;
mod visitor;
mod way_back;

pub use error::Error;
pub use front::{Front, Present};

/// Where the portal hands visitors over, with a ticket.
const HAND_OVER: &str = "/login/ticket";
/// The largest body that a form of ours can have, in bytes.
const LARGEST_BODY: usize = 16 * 1024;
/// How long a request may take. Proxied and streamed answers will have limits of their own.
const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// The whole server.
pub fn front(app: App) -> Front {
    build(app, proxy::Memory::default())
}

/// The whole server, with what the proxy remembers of its visitors.
fn build(app: App, memory: proxy::Memory) -> Front {
    let headers = security::Headers::of(&app);
    let pages = pages(&app, headers.clone());
    // Unless every page lets the browser call the tenant itself, the tenant's paths lie beside ours.
    let gate = app.pages.use_proxy().then(|| proxy::Gate::new(app.clone(), headers, &memory));
    Front::new(app, memory, gate, pages)
}

/// Our own part of it: every route on one screen, every layer in one place.
fn pages(app: &App, headers: security::Headers) -> Router {
    let pages = Router::new()
        .route("/", get(embed::home))
        .route("/embed/{slug}", get(embed::page))
        .route("/logout", get(login::signed_out).post(login::sign_out))
        .route("/session", get(session::show).post(session::stay))
        .route("/csrf-token", get(csrf::show))
        .route("/hand-over", post(proxy::entry::begin))
        .route("/flow", post(flow::remember))
        .layer(CompressionLayer::new());
    let sign_in = sign_in(app);
    let mut tokens = Router::new().route("/token", get(token::issue_default)).route("/token/{slug}", get(token::issue));
    // Who asks is looked up before the handler does it only where there is something to count.
    if app.quotas.token.is_some() {
        tokens = tokens.route_layer(from_fn_with_state(app.clone(), limited::token));
    }
    let tokens = tokens.layer(from_fn_with_state(app.clone(), security::check_token_origin));
    // To who is no administrator, no method says that there is something.
    let no_method = || any(admin::no_such_method);
    let admin = Router::new()
        .route("/admin", no_method().get(admin::overview::show))
        .route("/admin/doctor", no_method().post(admin::overview::begin_doctor))
        .route("/admin/settings", no_method().get(admin::settings::show))
        .route("/admin/pages", no_method().get(admin::pages::show))
        .route("/admin/sessions", no_method().get(admin::sessions::show))
        .route("/admin/sessions/end", no_method().post(admin::sessions::end))
        .route("/admin/identity", no_method().get(admin::identity::show))
        .route("/admin/audit", no_method().get(admin::events::show));
    let stateless = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/favicon.ico", get(assets::favicon))
        .route("/static/{hash}/{*file}", get(assets::file).layer(CompressionLayer::new()));

    let mut visitors = pages.merge(sign_in).merge(tokens);
    if app.access_tokens.is_some() {
        let mut give = post(access_token::give);
        if app.quotas.access_token.is_some() {
            give = give.route_layer(from_fn_with_state(app.clone(), limited::access_token));
        }
        let components = Router::new()
            .route("/access-token", give)
            .route("/app-sheets", get(data::sheets))
            .route("/hypercube", get(data::table))
            .route("/user-attributes", get(data::attributes))
            .route("/config", post(gallery::config))
            .route("/gallery", get(gallery::show))
            .layer(CompressionLayer::new());
        visitors = visitors.merge(components);
    }
    // What those pages show is nobody else's: to everybody else they do not exist, and without ADMIN_GROUPS to nobody.
    if app.admin.is_some() {
        visitors = visitors.merge(admin);
    }
    if app.header.is_some() {
        visitors = visitors.layer(from_fn_with_state(app.clone(), upstream::follow));
    }
    let everything = visitors
        // A tuple is passed from its first layer to its last; single calls of `layer` would each box the whole route.
        .layer((
            from_fn_with_state(app.clone(), security::finish_cookies),
            sessions(app),
            // Forms are posted from our own pages only.
            csrf(app),
        ))
        .merge(stateless)
        .fallback(error::no_such_page);
    // No other layer or handler may see what anybody could have sent.
    let believed = match app.header {
        Some(_) => everything.layer(from_fn_with_state(app.clone(), upstream::believe)),
        None => everything,
    };
    believed
        .layer((
            from_fn(trail::name_request),
            from_fn_with_state(app.clone(), trail::log_request),
            from_fn_with_state(headers, security::add_headers),
            // Up to here every answer is final; behind it, failures are turned into pages or JSON.
            from_fn_with_state(app.clone(), error::present),
            CatchPanicLayer::custom(error::panicked),
            TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LONGEST_REQUEST),
            DefaultBodyLimit::max(LARGEST_BODY),
        ))
        .with_state(app.clone())
}

/// Signing in, by each way that is open. What may be an attempt is limited; to look at the page is free.
fn sign_in(app: &App) -> Router<App> {
    let limit = || from_fn_with_state(app.clone(), limited::sign_in);
    let mut sign_in = Router::new().route("/login", get(login::form));
    if app.guests {
        sign_in = sign_in.route("/login", post(login::guest::check).route_layer(limit()));
    } else if app.sign_in.contains(&Source::Password) {
        sign_in = sign_in.route("/login", post(login::password::check).route_layer(limit()));
    }
    if app.oidc.is_some() {
        let finish = get(login::oidc::finish).route_layer(limit()).layer(from_fn(security::hide_address));
        sign_in = sign_in
            .route("/login/oidc", get(login::oidc::start).route_layer(limit()))
            .route("/login/oidc/callback", finish)
            .route("/login/oidc/logout", post(login::oidc::end));
    }
    if app.sign_in.contains(&Source::Ticket) {
        let hand_over = get(login::ticket::by_link).post(login::ticket::by_form);
        sign_in = sign_in.route(HAND_OVER, hand_over.route_layer(limit()));
    }
    sign_in
}

/// `Origin` and `Sec-Fetch-Site` instead of hidden form fields. The public origin is listed for proxies that rewrite
/// `Host`.
///
/// One form comes from another site: the portal's, with a ticket. It needs no such protection, for nothing in it happens by
/// the power of a cookie that the browser adds: the ticket alone says who it is for, and no other site can make one.
fn csrf(app: &App) -> CsrfLayer {
    let origin = app.server.public_url.as_str();
    let layer = CsrfLayer::new().add_trusted_origin(origin).expect("a parsed origin is one");
    layer.with_insecure_bypass(|method, uri| method == Method::POST && uri.path() == HAND_OVER)
}

fn sessions(app: &App) -> SessionManagerLayer<Sessions> {
    let https = app.server.public_url.is_https();
    SessionManagerLayer::new(Sessions::new(app.store.clone(), app.clock.clone()))
        .with_name(visitor::cookie_name(https))
        .with_secure(https)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
}
