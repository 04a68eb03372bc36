//! The room `proxy` between callers and tenants of which each test writes what they say, byte for byte.

mod answers;
mod connections;
mod links;
pub mod network;
mod requests;
mod tenant;
mod upgrade;
mod way_out;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use qlik_embed_bff::client::way_out::WayOut;
use qlik_embed_bff::origin::Origin;
use qlik_embed_bff::proxy::{Credentials, Error, Limits, Passed, Proxy, Settings};
use tenant::Tenant;
use tokio::net::TcpListener;

const LIMITS: Limits =
    Limits { connect: Duration::from_secs(2), stalled: Duration::from_millis(600), idle: Duration::from_secs(5) };

fn settings(tenant: &str) -> Settings {
    Settings {
        tenant: Origin::parse(tenant).unwrap(),
        origin: Origin::parse("https://analytics.portal.example").unwrap(),
        portal: Origin::parse("https://portal.example").unwrap(),
        frame_ancestors: vec!["https://portal.example".into()],
        more_paths: Vec::new(),
        way_out: WayOut::default(),
    }
}

fn credentials() -> Credentials {
    Credentials {
        cookies: HeaderValue::from_static("eas.sid=t"),
        csrf: Some(HeaderValue::from_static("csrf of/tenant")),
    }
}

/// Passes to this tenant, patient for half a second.
fn proxy_to(tenant: &Tenant) -> Proxy {
    proxy_with(tenant, LIMITS)
}

fn proxy_with(tenant: &Tenant, limits: Limits) -> Proxy {
    Proxy::with_limits(settings(&tenant.origin()), tls_for(tenant), limits)
}

fn tls_for(tenant: &Tenant) -> Arc<rustls::ClientConfig> {
    rustls::ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(tenant.authorities())
        .with_no_client_auth()
        .into()
}

async fn send(proxy: &Proxy, request: http::Request<Body>) -> Result<Passed, Error> {
    let (head, body) = request.into_parts();
    let target = proxy.target(&head).unwrap_or_else(|refused| panic!("{}: {refused}", head.uri));
    proxy.send(&target, &head, body, &credentials()).await
}

async fn get(proxy: &Proxy, path: &str) -> Result<Passed, Error> {
    send(proxy, http::Request::get(path).body(Body::empty()).unwrap()).await
}

/// The whole body, or how it broke off.
async fn body_of(passed: Passed) -> Result<String, String> {
    let body = passed.response.into_body().collect().await.map_err(|error| error.into_inner().to_string())?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

async fn text(proxy: &Proxy, path: &str) -> String {
    body_of(get(proxy, path).await.unwrap()).await.unwrap()
}

/// A server as ours in front of a proxy, for what only the bytes on the browser's side show.
async fn serve(proxy: Proxy) -> SocketAddr {
    async fn pass(State(proxy): State<Proxy>, request: Request) -> Response {
        let (head, body) = request.into_parts();
        let Ok(target) = proxy.target(&head) else { return StatusCode::NOT_FOUND.into_response() };
        match proxy.send(&target, &head, body, &credentials()).await {
            Ok(passed) => passed.response,
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(pass).with_state(proxy);
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    address
}
