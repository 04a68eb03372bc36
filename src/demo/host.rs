//! A simulated host portal: somebody else's site, whose visitor is signed in there and wants to see the sheet. It does what
//! the documentation asks of a portal, and no more: it makes a ticket when the visitor goes, and redirects.

use std::{io, net::SocketAddr, sync::Arc};

use aws_lc_rs::hmac;
use axum::{
    Router,
    extract::State as Shared,
    response::{Html, IntoResponse, Redirect, Response},
    routing::get,
};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::json;
use time::OffsetDateTime;

use super::{listener::Listener, random_hex, settings::Tls};

/// Who is signed in at the host portal.
const PERSON: &str = "Emmy Noether";

/// What a host portal is told.
#[derive(Clone)]
pub struct HostSettings {
    /// The host in its address; it listens on this machine in any case, on any free port.
    pub name: String,
    /// Certificate and key to serve TLS with; plain HTTP without.
    pub tls: Option<Tls>,
    /// The origin of the server to which visitors are handed over.
    pub target: String,
    /// The path there that they want to see.
    pub page: String,
    /// What both know and tickets are signed with.
    pub secret: String,
}

/// A running host portal. It stops when dropped.
pub struct HostPortal {
    origin: String,
    listener: Listener,
}

struct Host {
    origin: String,
    settings: HostSettings,
}

impl HostPortal {
    /// Listens and serves. Fails when there is no free port, or TLS settings do not fit.
    pub fn start(settings: HostSettings) -> io::Result<Self> {
        let (mut listener, socket) = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), settings.tls.as_ref())?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{}:{}", settings.name, listener.address.port());
        let router = Router::new()
            .route("/", get(async || page("")))
            .route("/framed", get(async || page(FRAME)))
            .route("/open-dashboard", get(open_dashboard))
            .with_state(Arc::new(Host { origin: origin.clone(), settings }));
        listener.serve(socket, router)?;
        Ok(Self { origin, listener })
    }

    /// The origin as browsers name it, and what its tickets have as `iss`.
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for HostPortal {
    fn drop(&mut self) {
        self.listener.stop();
    }
}

/// The frame leads to the portal itself, which makes the ticket when the frame is loaded.
const FRAME: &str =
    r#"<div id="frame"><iframe src="/open-dashboard" title="Sales dashboard" allow="fullscreen"></iframe></div>"#;

fn page(frame: &str) -> Response {
    Html(include_str!("host/page.html").replace("{person}", PERSON).replace("{frame}", frame)).into_response()
}

async fn open_dashboard(Shared(host): Shared<Arc<Host>>) -> Redirect {
    let HostSettings { target, page, .. } = &host.settings;
    Redirect::to(&format!("{target}/login/ticket?ticket={}&to={page}", host.ticket()))
}

impl Host {
    #[expect(clippy::disallowed_methods, reason = "another site, with a clock of its own")]
    fn ticket(&self) -> String {
        let part = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
        let claims = json!({
            "iss": self.origin, "aud": self.settings.target,
            "jti": random_hex::<16>(), "exp": OffsetDateTime::now_utc().unix_timestamp() + 60,
            "sub": "emmy", "name": PERSON, "email": "emmy@intranet.example", "groups": ["Sales"],
        });
        let signed = format!("{}.{}", part(r#"{"alg":"HS256"}"#.into()), part(claims.to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.settings.secret.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}
