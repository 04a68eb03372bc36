//! Where a test plays: the product on a free port, and a tenant that trusts it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;

use qlik_embed_bff::app::App;
use qlik_embed_bff::auth::password;
use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::commands::serve;
use qlik_embed_bff::config;
use qlik_embed_bff::demo::{
    self, ApiKey, Cookies, CspOrigin, HostPortal, HostSettings, IdentityProvider, OauthClient, Settings, Tenant, Tls,
    WebIntegration,
};
use qlik_embed_bff::identity::Account;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::portal::{KEY, PASSWORD, settings};
use crate::provider::Provider;

/// What the header of each page says.
pub const NAME: &str = "Northwind Portal";
/// What the embed page is called.
pub const TITLE: &str = "Sales dashboard";

const ISSUER: &str = "portal";
const KEY_ID: &str = "key-1";
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The product and its tenant. Both stop when dropped.
pub struct Scene {
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

impl Sites<'_> {
    fn tls(&self) -> Tls {
        let read = |file| std::fs::read_to_string(file).expect("a file of this test");
        Tls { certificate: read(self.certificate), key: read(self.key) }
    }
}

impl Scene {
    /// Portal and tenant on `localhost`, plain.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// The same, with a tenant of another mood.
    pub async fn with(edit: impl FnOnce(&mut Settings)) -> Self {
        let listener = serve::bind(LOOPBACK).expect("a free port");
        let url = format!("http://localhost:{}", port(&listener));
        let mut tenant = trusting(&url);
        edit(&mut tenant);
        Self::build(listener, url, tenant, &[]).await
    }

    /// The same, with these limits.
    pub async fn limited(limits: &[(&str, &str)]) -> Self {
        let listener = serve::bind(LOOPBACK).expect("a free port");
        let url = format!("http://localhost:{}", port(&listener));
        let tenant = trusting(&url);
        Self::build(listener, url, tenant, limits).await
    }

    /// Portal and tenant on `localhost`, and a configuration file that says this. Ada is in the group Sales.
    pub async fn with_pages(file: &str) -> Self {
        let listener = serve::bind(LOOPBACK).expect("a free port");
        let url = format!("http://localhost:{}", port(&listener));
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("portal.toml");
        std::fs::write(&path, file).expect("the folder can be written to");
        let tenant = trusting(&url);
        Self::build(listener, url, tenant, &[("CONFIG_FILE", path.to_str().expect("a path"))]).await
    }

    /// Portal and tenant on `localhost`, with a gallery, and an OAuth client for it. Users who are missing are made.
    pub async fn with_gallery(more: &[(&str, &str)]) -> Self {
        let listener = serve::bind(LOOPBACK).expect("a free port");
        let url = format!("http://localhost:{}", port(&listener));
        let tenant = Settings {
            clients: vec![OauthClient::impersonating("embed", "secret-of-embed").at([url.as_str()])],
            api_keys: vec![ApiKey::of_admin("key-of-an-administrator")],
            ..trusting(&url)
        };
        let snapshot = format!("snapshot-id={}", demo::KPI_ID);
        let settings = [
            ("QLIK_FLOW", "oauth"),
            ("QLIK_OAUTH_CLIENT_ID", "embed"),
            ("QLIK_OAUTH_CLIENT_SECRET", "secret-of-embed"),
            ("QLIK_API_KEY", "key-of-an-administrator"),
            ("QLIK_PROVISION", "create"),
            ("DATA_DIMENSION", "Region"),
            ("DATA_MEASURE", "=Sum(Sales)"),
            ("GALLERY", "true"),
            ("GALLERY_OBJECT", demo::CHART_ID),
            ("GALLERY_FIELD", "Region"),
            ("GALLERY_ASSISTANT", "helper"),
            ("GALLERY_SNAPSHOT", &snapshot),
        ];
        Self::build(listener, url, tenant, &[&settings[..], more].concat()).await
    }

    /// The portal under this name, and perhaps another beside it, before somebody else's tenant, with these settings.
    pub async fn before(tenant: &str, name: &str, sibling: Option<&str>, more: &[(&str, &str)]) -> Self {
        let listener = serve::bind(LOOPBACK).expect("a free port");
        let at = |name: &str| format!("http://{name}:{}", port(&listener));
        let (url, sibling) = (at(name), sibling.map(at));
        let mut settings = vec![("QLIK_TENANT", tenant)];
        settings.extend(sibling.as_deref().map(|sibling| ("PROXY_URL", sibling)));
        let unused = trusting(&url);
        Self::build(listener, url, unused, &[&settings[..], more].concat()).await
    }

    /// Portal and tenant on two different sites, both with TLS, as in production. The page lets the browser call the tenant.
    pub async fn on_two_sites(sites: Sites<'_>) -> Self {
        Self::with_tls(serve::bind(LOOPBACK).expect("a free port"), sites, |_| {}, &[("QLIK_FLOW", "session")]).await
    }

    /// The same with the default flow or with these settings, where the server calls the tenant too; perhaps under another
    /// name beside the portal's.
    pub async fn with_proxy(sites: Sites<'_>, sibling: Option<&str>, more: &[(&str, &str)]) -> Self {
        let listener = serve::bind(LOOPBACK).expect("a free port");
        let sibling = sibling.map(|name| format!("https://{name}:{}", port(&listener)));
        let authority = sites.certificate.display().to_string();
        let mut settings = vec![("TLS_CA_FILE", authority.as_str())];
        settings.extend(sibling.as_deref().map(|sibling| ("PROXY_URL", sibling)));
        Self::with_tls(listener, sites, |_| {}, &[&settings[..], more].concat()).await
    }

    /// The same, and a host portal on a third site, which hands its visitors over and frames our pages.
    pub async fn with_host_portal(
        sites: Sites<'_>,
        name: &str,
        cookies: Cookies,
        sibling: Option<&str>,
        settings: &[(&str, &str)],
    ) -> (Self, HostPortal) {
        let listener = serve::bind(LOOPBACK).expect("a free port");
        let secret = "a secret that both of them know".repeat(2);
        let host = HostPortal::start(HostSettings {
            name: name.to_owned(),
            tls: Some(sites.tls()),
            target: format!("https://{}:{}", sites.portal, port(&listener)),
            page: "/embed/default".into(),
            secret: secret.clone(),
        })
        .expect("the host portal starts");
        let ancestors = format!("self {}", host.origin());
        let sibling = sibling.map(|name| format!("https://{name}:{}", port(&listener)));
        let mut more = vec![
            ("SIGN_IN", "password, ticket"),
            ("TICKET_ISSUER", host.origin()),
            ("TICKET_SECRET", &secret),
            ("FRAME_ANCESTORS", &ancestors),
        ];
        more.extend(sibling.as_deref().map(|sibling| ("PROXY_URL", sibling)));
        let edit = |tenant: &mut Settings| {
            tenant.cookies = cookies;
            tenant.csp_origins.push(CspOrigin::framing(host.origin()));
        };
        (Self::with_tls(listener, sites, edit, &[&more[..], settings].concat()).await, host)
    }

    async fn with_tls(
        listener: TcpListener,
        sites: Sites<'_>,
        edit: impl FnOnce(&mut Settings),
        more: &[(&str, &str)],
    ) -> Self {
        let url = format!("https://{}:{}", sites.portal, port(&listener));
        let mut tenant = on_another_site(&sites, &url);
        edit(&mut tenant);
        let (certificate, key) = (sites.certificate.display().to_string(), sites.key.display().to_string());
        let tls = [("TLS_CERT_FILE", certificate.as_str()), ("TLS_KEY_FILE", key.as_str())];
        Self::build(listener, url, tenant, &[&tls[..], more].concat()).await
    }

    /// The same, where visitors sign in at a provider on another site.
    pub async fn with_provider() -> (Self, Provider) {
        let listener = serve::bind(LOOPBACK).expect("a free port");
        let url = format!("http://localhost:{}", port(&listener));
        let provider = Provider::start(&url).await;
        let tenant = trusting(&url);
        let scene = Self::build(listener, url, tenant, &provider.settings()).await;
        (scene, provider)
    }

    /// The same behind a proxy that speaks TLS on this port, with these settings; and the port where the portal itself
    /// listens.
    pub async fn behind_proxy(sites: Sites<'_>, proxy: u16, more: &[(&str, &str)]) -> (Self, u16) {
        let listener = serve::bind(LOOPBACK).expect("a free port");
        let own = port(&listener);
        let url = format!("https://{}:{proxy}", sites.portal);
        let tenant = on_another_site(&sites, &url);
        (Self::build(listener, url, tenant, more).await, own)
    }

    async fn build(listener: TcpListener, url: String, tenant: Settings, more: &[(&str, &str)]) -> Self {
        // Fails when another test of the same process was first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = Clock::default();
        let folder = tempfile::tempdir().expect("a folder");
        let tenant = Tenant::start(tenant).await.expect("the tenant starts");
        let mut env = settings(folder.path());
        let ours = [
            ("PUBLIC_URL", url.as_str()),
            ("PORTAL_NAME", NAME),
            ("QLIK_TENANT", tenant.origin()),
            ("QLIK_WEB_INTEGRATION_ID", demo::WEB_INTEGRATION_ID),
            ("QLIK_APP_ID", demo::APP_ID),
            ("QLIK_SHEET_ID", demo::SHEET_ID),
            ("QLIK_TITLE", TITLE),
            ("QLIK_JWT_ISSUER", ISSUER),
            ("QLIK_JWT_KEY_ID", KEY_ID),
        ];
        env.extend(ours.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let loaded = config::load(&env, clock.now()).unwrap_or_else(|problems| panic!("{problems}"));
        let app = App::open(loaded.config, clock.clone()).await.expect("a fresh store opens");
        let hash = password::hash(&SecretString::from(PASSWORD)).expect("a good password");
        for (id, name, groups) in [("ada", "Ada Lovelace", vec!["Sales".to_owned()]), ("bob", "Bob Noyce", Vec::new())]
        {
            let email = format!("{id}@example.com");
            let account = Account { id: id.into(), name: name.into(), email, groups };
            app.store.add_account(&account, &hash, clock.now()).await.expect("a new account");
        }
        let server = tokio::spawn(serve::serve(app.clone(), listener));
        Self { url, tenant, app, server, _folder: folder }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// A tenant whose administrator has done everything for this portal.
fn trusting(portal: &str) -> Settings {
    Settings {
        providers: vec![IdentityProvider::new(ISSUER, KEY_ID, &KEY.certificate)],
        web_integrations: vec![WebIntegration::new(demo::WEB_INTEGRATION_ID, [portal])],
        csp_origins: vec![CspOrigin::framing(portal)],
        ..Settings::default()
    }
}

/// The same with TLS, on a site of its own.
fn on_another_site(sites: &Sites<'_>, portal: &str) -> Settings {
    // Its origin, and with it the port, has to be known before the tenant starts.
    let free = port(&serve::bind(LOOPBACK).expect("another free port"));
    Settings {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, free)),
        public_origin: Some(format!("https://{}:{free}", sites.tenant)),
        tls: Some(sites.tls()),
        cookies: Cookies::cross_site(),
        ..trusting(portal)
    }
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("a bound address").port()
}
