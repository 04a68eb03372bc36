//! The flow `proxy`, through the real router, with the simulated tenant as the far side.

use axum::http::{Method, StatusCode};
use qlik_embed_bff::demo::{Control, IdentityProvider, Settings, Tenant};

use crate::portal::{Answer, Browser, KEY, Portal};

mod away;
pub mod clients;
mod refused;
mod rest;
mod sibling;
mod way_out;

/// A portal whose one page takes the proxy, and its tenant.
pub struct Proxied {
    pub portal: Portal,
    pub tenant: Tenant,
}

impl Proxied {
    pub async fn open() -> Self {
        Self::with(&[], |_| {}).await
    }

    pub async fn with(changes: &[(&str, &str)], edit: impl FnOnce(&mut Settings)) -> Self {
        let provider = IdentityProvider::new("https://portal.example", "key-1", &*KEY.certificate);
        let mut settings = Settings { providers: vec![provider], ..Settings::default() };
        edit(&mut settings);
        let tenant = Tenant::start(settings).await.expect("a tenant");
        let base = [("QLIK_TENANT", tenant.origin()), ("QLIK_WEB_INTEGRATION_ID", "")];
        let portal = Portal::with(&[&base[..], changes].concat()).await;
        let tended = portal.app.clone();
        tokio::spawn(async move { tended.tend().await });
        Self { portal, tenant }
    }

    pub fn control(&self) -> &Control {
        self.tenant.control()
    }

    /// How often the tenant was asked for this path.
    pub fn asked(&self, path: &str) -> usize {
        self.control().requests().iter().filter(|request| request.path == path).count()
    }

    /// How often it was asked for a session.
    pub fn logins(&self) -> usize {
        self.asked("/login/jwt-session")
    }
}

/// Does this until it is so; at the most five seconds of the tests' time.
pub async fn until(mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("waited five seconds in vain");
}

/// What a script of the tenant's page does.
pub async fn send(browser: &mut Browser, method: Method, path: &str, body: &str) -> Answer {
    let headers = [
        ("sec-fetch-dest", "empty"),
        ("sec-fetch-site", "same-origin"),
        ("origin", "http://localhost:8080"),
        ("content-type", "application/json"),
        ("content-length", &body.len().to_string()),
    ];
    browser.send(method, path, &headers, body).await
}

pub fn assert_refused(answer: &Answer, status: StatusCode, error: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.json()["error"], error, "{}", answer.body);
    assert!(answer.json()["request_id"].as_str().is_some_and(|id| id.len() == 32), "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
}
