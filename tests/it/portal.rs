//! The portal under test: the real configuration, store and router, in a folder of its own, on a clock that tests move.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::LazyLock;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::header::{COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use qlik_embed_bff::app::App;
use qlik_embed_bff::auth::password;
use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::config::{self, Env};
use qlik_embed_bff::identity::Account;
use qlik_embed_bff::qlik::key::{self, CertificateDates, KeySize, NewKey};
use qlik_embed_bff::web;
use qlik_embed_bff::web::Front;
use scraper::{Html, Selector};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;
use time::Duration;
use tower::ServiceExt;

pub const PASSWORD: &str = "correct horse";
pub const APP_ID: &str = "2d54bd8e-76a9-4c53-85d2-066b44240146";

/// One key for all tests: making one takes long.
pub static KEY: LazyLock<NewKey> = LazyLock::new(|| {
    let now = Clock::default().now();
    let dates = CertificateDates { not_before: now - Duration::HOUR, not_after: now + Duration::days(365) };
    key::generate(KeySize::Rsa2048, "test", dates).expect("a key can be made")
});
static PASSWORD_HASH: LazyLock<String> =
    LazyLock::new(|| password::hash(&SecretString::from(PASSWORD)).expect("a good password"));

/// What an administrator would set, at the least.
pub fn settings(folder: &std::path::Path) -> Env {
    [
        ("QLIK_TENANT", "acme.eu.qlikcloud.com"),
        ("QLIK_WEB_INTEGRATION_ID", "web-integration-1"),
        ("QLIK_APP_ID", APP_ID),
        ("QLIK_SHEET_ID", "PpVjBm"),
        ("QLIK_JWT_ISSUER", "https://portal.example"),
        ("QLIK_JWT_KEY_ID", "key-1"),
        ("QLIK_JWT_PRIVATE_KEY", KEY.private_key.expose_secret()),
        ("DATABASE_URL", &format!("sqlite:{}", folder.join("portal.db").display())),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

pub struct Portal {
    pub app: App,
    pub clock: Clock,
    front: Front,
    folder: TempDir,
    env: Env,
}

impl Portal {
    /// With two accounts, ada and bob, under one password.
    pub async fn open() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(changes: &[(&str, &str)]) -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"), changes).await
    }

    /// With a configuration file that says this.
    pub async fn with_file(text: &str, changes: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("portal.toml");
        std::fs::write(&file, text).expect("the folder can be written to");
        let file = file.to_str().expect("a path").to_owned();
        Self::in_folder(folder, &[&[("CONFIG_FILE", file.as_str())], changes].concat()).await
    }

    async fn in_folder(folder: TempDir, changes: &[(&str, &str)]) -> Self {
        let mut env = settings(folder.path());
        env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let portal = Self::on(folder, env, Clock::default()).await;
        for (id, name, groups) in [("ada", "Ada Lovelace", vec!["sales", "all"]), ("bob", "Bob <b>", vec![])] {
            let groups = groups.into_iter().map(str::to_owned).collect();
            let account = Account { id: id.into(), name: name.into(), email: format!("{id}@example.com"), groups };
            portal.app.store.add_account(&account, &PASSWORD_HASH, portal.clock.now()).await.expect("a new account");
        }
        portal
    }

    async fn on(folder: TempDir, env: Env, clock: Clock) -> Self {
        let loaded = config::load(&env, clock.now()).unwrap_or_else(|problems| panic!("{problems}"));
        let app = App::open(loaded.config, clock.clone()).await.expect("a fresh store opens");
        let tended = app.clone();
        tokio::spawn(async move { tended.tend().await });
        Self { front: web::front(app.clone()), app, clock, folder, env }
    }

    /// Ends this portal and starts another on the same folder, with these settings changed.
    pub async fn restart_with(self, changes: &[(&str, &str)]) -> Self {
        let Self { app, clock, folder, mut env, .. } = self;
        app.store.close().await;
        env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self::on(folder, env, clock).await
    }

    /// Another instance on the same database, on the same clock.
    pub async fn beside(&self) -> Self {
        Self::on(tempfile::tempdir().expect("a folder"), self.env.clone(), self.clock.clone()).await
    }

    /// This instance, once it has read these settings in place of those that it began with.
    pub fn with_other(&self, changes: &[(&str, &str)]) -> Front {
        let mut env = self.env.clone();
        env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let loaded = config::load(&env, self.clock.now()).unwrap_or_else(|problems| panic!("{problems}"));
        let store = self.app.store.prepare(&loaded.config.store).expect("an address that can be used");
        web::front(self.app.renewed(loaded.config, store))
    }

    pub fn front(&self) -> Front {
        self.front.clone()
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Somebody's browser, with an empty cookie jar.
    pub fn browser(&self) -> Browser {
        Browser {
            front: self.front.clone(),
            cookies: BTreeMap::new(),
            address: "203.0.113.1".into(),
            proxied: Vec::new(),
        }
    }

    pub async fn signed_in(&self, name: &str) -> Browser {
        let mut browser = self.browser();
        let answer = browser.sign_in(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        browser
    }
}

#[derive(Clone)]
pub struct Browser {
    front: Front,
    pub cookies: BTreeMap<String, String>,
    pub address: String,
    /// Headers that something on the way adds to each request.
    pub proxied: Vec<(&'static str, String)>,
}

/// What an answer says, read to its end.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Browser {
    /// The same browser, whose requests are answered elsewhere.
    pub fn through(&self, front: Front) -> Self {
        Self { front, ..self.clone() }
    }

    /// Opens an address in the window.
    pub async fn open(&mut self, path: &str) -> Answer {
        let navigation = [("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")];
        self.send(Method::GET, path, &navigation, "").await
    }

    /// What a script of one of our pages does.
    pub async fn fetch(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[("sec-fetch-dest", "empty"), ("sec-fetch-site", "same-origin")], "").await
    }

    /// Posts a form of one of our pages.
    pub async fn post(&mut self, path: &str, form: &str) -> Answer {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-dest", "document"),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send(Method::POST, path, &headers, form).await
    }

    pub async fn sign_in(&mut self, name: &str, password: &str) -> Answer {
        let form = format!("username={name}&password={}", password.replace(' ', "+"));
        self.post("/login", &form).await
    }

    pub async fn send(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &self.proxied {
            request = request.header(*name, value);
        }
        if !self.cookies.is_empty() {
            let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, cookies.join("; "));
        }
        let peer = SocketAddr::new(self.address.parse().expect("an address"), 40_000);
        let request =
            request.extension(ConnectInfo(peer)).body(Body::from(body.to_owned())).expect("a well-formed request");
        let response = self.front.clone().oneshot(request).await.expect("the front does not fail");
        let (head, body) = response.into_parts();
        for cookie in head.headers.get_all(SET_COOKIE) {
            self.keep(cookie.to_str().expect("cookies are text"));
        }
        let body = to_bytes(body, 1 << 22).await.expect("a body with an end");
        Answer { status: head.status, headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() }
    }

    fn keep(&mut self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').expect("a cookie has a name");
        if attributes.to_lowercase().contains("max-age=0") || value.is_empty() {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("headers are text")).unwrap_or_default()
    }

    /// Where a redirect leads; empty for other answers.
    pub fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|problem| panic!("{problem}: {}", self.body))
    }

    /// The text of the first element that a CSS selector finds.
    pub fn text(&self, selector: &str) -> String {
        let page = Html::parse_document(&self.body);
        let selector = Selector::parse(selector).expect("a selector");
        let found = page.select(&selector).next().map(|element| element.text().collect::<String>());
        found.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// All attributes of the first element that a CSS selector finds.
    pub fn attributes(&self, selector: &str) -> BTreeMap<String, String> {
        let page = Html::parse_document(&self.body);
        let selector = Selector::parse(selector).expect("a selector");
        let element = page.select(&selector).next().unwrap_or_else(|| panic!("nothing there: {}", self.body));
        element.value().attrs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}
