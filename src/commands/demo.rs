//! `demo`: a simulated tenant, a fresh key, a few pages, two accounts and a simulated host portal, and then the same road
//! as in production.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Context;
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

use super::serve;
use crate::app::App;
use crate::auth::password;
use crate::clock::Clock;
use crate::config::{self, Config, Env};
use crate::demo::{
    self, Cookies, CspOrigin, HostPortal, HostSettings, IdentityProvider, OauthClient, Switches, Tenant, WebIntegration,
};
use crate::identity::Account;
use crate::qlik::key::{self, CertificateDates, KeySize};

const ISSUER: &str = "https://portal.example";
const KEY_ID: &str = "demo";
/// To browsers another site than `localhost`, as every tenant is to its portals: its cookies are third-party cookies.
const TENANT_NAME: &str = "127.0.0.1";
/// Ids and secrets of the tenant's OAuth clients: the one that impersonates, and the one that makes users. The tenant goes with
/// the demo, and they are good nowhere else.
const CLIENT: (&str, &str) = ("6d1f0a7c3b908b2c54d15f0a4e0e9d2e", "a-secret-of-the-demo");
const ADMIN: (&str, &str) = ("0e9d2e6f1f0a7c3b908b2c54d15f0a4e", "another-secret-of-the-demo");
/// The configuration file, in a folder that goes when the demo ends.
const PAGES_FILE: &str = "portal.toml";
/// Sign-in names, passwords, who they are, and their groups. One of them may see a page more.
const ACCOUNTS: [(&str, &str, &str, &[&str]); 2] = [
    ("ada", "ada-demo", "Ada Lovelace", &["Sales", "Management"]),
    ("grace", "grace-demo", "Grace Hopper", &["Sales"]),
];

/// How to run the demo.
#[derive(Debug, Args)]
pub struct Demo {
    /// The port to listen on; without it 8080, or any free one when that is taken
    #[arg(long)]
    port: Option<u16>,
}

/// Runs until it is stopped; leaves nothing behind.
///
/// # Errors
/// When a port or the temporary folder cannot be had.
pub async fn run(demo: Demo, clock: Clock) -> anyhow::Result<()> {
    let listener = match demo.port {
        Some(port) => serve::bind(loopback(port))?,
        None => serve::bind(loopback(8080)).or_else(|_| serve::bind(loopback(0)))?,
    };
    let address = listener.local_addr()?;
    let portal = format!("http://localhost:{}", address.port());
    let pair = key::generate(KeySize::Rsa2048, "demo", a_day_from(clock.now()))?;
    let secret = random_secret();
    let host = HostPortal::start(HostSettings {
        name: "localhost".into(),
        tls: None,
        target: portal.clone(),
        page: "/embed/sales".into(),
        secret: secret.expose_secret().into(),
    })
    .context("the simulated host portal cannot be started")?;
    let tenant = Tenant::start(demo::Settings {
        name: TENANT_NAME.into(),
        cookies: Cookies::cross_site(),
        providers: vec![IdentityProvider::new(ISSUER, KEY_ID, pair.certificate)],
        web_integrations: vec![WebIntegration::new(demo::WEB_INTEGRATION_ID, [portal.clone()])],
        clients: clients(&portal),
        // As clients of Qlik's sample expect; whoever takes them for opaque does not mind.
        switches: Switches { tokens_look_like_jwt: true, ..Switches::default() },
        csp_origins: vec![CspOrigin::framing(portal.clone()), CspOrigin::framing(host.origin())],
        ..demo::Settings::default()
    })
    .await
    .context("the simulated tenant cannot be started")?;

    let folder = tempfile::tempdir().context("a temporary folder cannot be made")?;
    fs::write(folder.path().join(PAGES_FILE), pages()).context("the temporary folder cannot be written to")?;
    let places = Places { listen: address, tenant: tenant.origin(), host: host.origin(), folder: folder.path() };
    let app = App::open(configuration(&places, &pair.private_key, &secret, &clock)?, clock).await?;
    add_accounts(&app).await?;
    let accounts = ACCOUNTS.map(|(id, password, ..)| format!("{id} with password {password}")).join(", or ");
    println!("The demo is at {portal} - sign in as {accounts}. Ctrl+C ends it.");
    println!("Or come from a host portal, where you are signed in already: {}", host.origin());
    serve::serve(app, listener).await
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn a_day_from(now: OffsetDateTime) -> CertificateDates {
    CertificateDates { not_before: now - Duration::HOUR, not_after: now + Duration::DAY }
}

/// 32 random bytes in base64url.
fn random_secret() -> SecretString {
    let mut bytes = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(bytes.as_mut_slice()).expect("the operating system has randomness");
    BASE64_URL_SAFE_NO_PAD.encode(bytes).into()
}

/// Where everything is.
struct Places<'a> {
    listen: SocketAddr,
    tenant: &'a str,
    host: &'a str,
    folder: &'a Path,
}

/// What an administrator would have set, checked as theirs is.
fn configuration(
    places: &Places<'_>,
    private_key: &SecretString,
    ticket_secret: &SecretString,
    clock: &Clock,
) -> anyhow::Result<Config> {
    let database = format!("sqlite:{}", places.folder.join("demo.db").display());
    let file = places.folder.join(PAGES_FILE).display().to_string();
    let snapshot = format!("snapshot-id={}", demo::KPI_ID);
    let (listen, frame_ancestors) = (places.listen.to_string(), format!("self,{}", places.host));
    let env: Env = [
        ("LISTEN", listen.as_str()),
        ("PORTAL_NAME", "Acme Portal"),
        ("FRAME_ANCESTORS", &frame_ancestors),
        ("QLIK_TENANT", places.tenant),
        ("QLIK_WEB_INTEGRATION_ID", demo::WEB_INTEGRATION_ID),
        ("QLIK_APP_ID", demo::APP_ID),
        ("CONFIG_FILE", file.as_str()),
        ("QLIK_JWT_ISSUER", ISSUER),
        ("QLIK_JWT_KEY_ID", KEY_ID),
        ("QLIK_JWT_PRIVATE_KEY", private_key.expose_secret()),
        ("QLIK_SHEET_ID", demo::SHEET_ID),
        ("QLIK_OAUTH_CLIENT_ID", CLIENT.0),
        ("QLIK_OAUTH_CLIENT_SECRET", CLIENT.1),
        ("QLIK_ADMIN_CLIENT_ID", ADMIN.0),
        ("QLIK_ADMIN_CLIENT_SECRET", ADMIN.1),
        ("QLIK_PROVISION", "create"),
        ("DATA_DIMENSION", "Region"),
        ("DATA_MEASURE", "=Sum(Sales)"),
        ("GALLERY", "true"),
        ("GALLERY_OBJECT", demo::CHART_ID),
        ("GALLERY_FIELD", "Region"),
        ("GALLERY_ASSISTANT", "demo-assistant"),
        ("GALLERY_SNAPSHOT", &snapshot),
        ("SIGN_IN", "password, ticket"),
        ("TICKET_ISSUER", places.host),
        ("TICKET_SECRET", ticket_secret.expose_secret()),
        ("DATABASE_URL", database.as_str()),
        ("SHUTDOWN_GRACE", "1s"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    Ok(Config { guests: true, ..config::load(&env, clock.now())?.config })
}

/// A client for visitors' access tokens, and one that makes users.
fn clients(portal: &str) -> Vec<OauthClient> {
    vec![OauthClient::impersonating(CLIENT.0, CLIENT.1).at([portal]), OauthClient::admin(ADMIN.0, ADMIN.1)]
}

/// A sheet, one with selections, a single chart, and a figure that is not for everybody.
fn pages() -> String {
    let (sheet, chart, figure) = (demo::SHEET_ID, demo::CHART_ID, demo::KPI_ID);
    format!(
        r#"
        [[pages]]
        slug = "sales"
        title = "Sales dashboard"
        sheet = "{sheet}"

        [[pages]]
        slug = "europe"
        title = "Europe this year"
        sheet = "{sheet}"
        selections = {{ Region = "Europe", Year = 2026 }}

        [[pages]]
        slug = "regions"
        title = "Sales by region"
        object = "{chart}"
        options = "ctxmenu"

        [[pages]]
        slug = "board"
        title = "Board figures"
        object = "{figure}"
        options = "none"
        visible_to = {{ groups = ["Management"] }}
        "#
    )
}

async fn add_accounts(app: &App) -> anyhow::Result<()> {
    for (id, password, name, groups) in ACCOUNTS {
        let hash = password::hash(&SecretString::from(password))?;
        let email = format!("{id}@portal.example");
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let account = Account { id: id.into(), name: name.into(), email, groups };
        app.store.add_account(&account, &hash, app.clock.now()).await?;
    }
    Ok(())
}
