//! A portal for one test: the product on a free port, and a tenant that trusts it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use qlik_embed_bff::app::App;
use qlik_embed_bff::auth::password;
use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::commands::serve;
use qlik_embed_bff::config::{self, Env};
use qlik_embed_bff::demo::{self, IdentityProvider, Settings, Tenant, WebIntegration};
use qlik_embed_bff::identity::Account;
use qlik_embed_bff::qlik::key::{self, CertificateDates, KeySize};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use time::Duration;
use tokio::task::JoinHandle;

/// The password of every account here.
pub const PASSWORD: &str = "correct horse battery staple";
/// What the header of each page says.
pub const NAME: &str = "Northwind Portal";

/// The product and its tenant. Both stop when dropped.
pub struct Portal {
    /// Where visitors go.
    pub url: String,
    /// The far side.
    pub tenant: Tenant,
    /// The product itself.
    pub app: App,
    server: JoinHandle<anyhow::Result<()>>,
    _folder: TempDir,
}

/// Names for the two sites, and the files that make them https.
pub struct Sites<'a> {
    pub portal: &'a str,
    pub tenant: &'a str,
    pub certificate: &'a Path,
    pub key: &'a Path,
}

impl Portal {
    /// Portal and tenant on `localhost`, plain.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, with a tenant of another mood.
    pub async fn with(edit: impl FnOnce(&mut Settings)) -> Self {
        Self::build(None, edit).await
    }

    /// Portal and tenant on two different sites, both with TLS, as in production.
    pub async fn on_two_sites(sites: Sites<'_>) -> Self {
        Self::build(Some(sites), |_| {}).await
    }

    async fn build(sites: Option<Sites<'_>>, edit: impl FnOnce(&mut Settings)) -> Self {
        // Fails when a test of the same process was first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = Clock::default();
        let now = clock.now();
        let folder = tempfile::tempdir().unwrap();
        let dates = CertificateDates { not_before: now - Duration::days(1), not_after: now + Duration::days(365) };
        let pair = key::generate(KeySize::Rsa2048, "portal", dates).unwrap();

        let listener = serve::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = match &sites {
            Some(sites) => format!("https://{}:{port}", sites.portal),
            None => format!("http://localhost:{port}"),
        };

        let mut settings = Settings {
            providers: vec![IdentityProvider::new("portal", "key-1", &pair.certificate)],
            web_integrations: vec![WebIntegration::new(demo::WEB_INTEGRATION_ID, [url.as_str()])],
            frame_ancestors: vec![url.clone()],
            ..Settings::default()
        };
        if let Some(sites) = &sites {
            let tenant_port = free_port();
            settings.listen = SocketAddr::from(([127, 0, 0, 1], tenant_port));
            settings.public_origin = Some(format!("https://{}:{tenant_port}", sites.tenant));
            let read = |file| std::fs::read_to_string(file).unwrap();
            settings.tls = Some(demo::Tls { certificate: read(sites.certificate), key: read(sites.key) });
            settings.cookies = demo::Cookies::cross_site();
        }
        edit(&mut settings);
        let tenant = Tenant::start(settings).await.unwrap();

        let database = format!("sqlite:{}", folder.path().join("portal.db").display());
        let mut env: Env = [
            ("PUBLIC_URL", url.as_str()),
            ("PORTAL_NAME", NAME),
            ("QLIK_TENANT", tenant.origin()),
            ("QLIK_WEB_INTEGRATION_ID", demo::WEB_INTEGRATION_ID),
            ("QLIK_APP_ID", demo::APP_ID),
            ("QLIK_SHEET_ID", demo::SHEET_ID),
            ("QLIK_TITLE", "Sales dashboard"),
            ("QLIK_JWT_ISSUER", "portal"),
            ("QLIK_JWT_KEY_ID", "key-1"),
            ("QLIK_JWT_PRIVATE_KEY", pair.private_key.expose_secret()),
            ("DATABASE_URL", &database),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if let Some(Sites { certificate, key, .. }) = sites {
            env.insert("TLS_CERT_FILE".into(), certificate.display().to_string());
            env.insert("TLS_KEY_FILE".into(), key.display().to_string());
        }
        let app = App::open(config::load(&env, now).unwrap().config, clock).await.unwrap();
        for (id, name) in [("ada", "Ada Lovelace"), ("bob", "Bob Noyce")] {
            let account =
                Account { id: id.into(), name: name.into(), email: format!("{id}@example.com"), groups: vec![] };
            let hash = password::hash(&SecretString::from(PASSWORD)).unwrap();
            app.store.add_account(&account, &hash, now).await.unwrap();
        }
        let server = tokio::spawn(serve::serve(app.clone(), listener));
        Self { url, tenant, app, server, _folder: folder }
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The tenant's origin, and with it the port, has to be known before the tenant starts.
fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
