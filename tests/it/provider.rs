//! An OpenID provider on loopback: the certified `oidc-provider`, started and stopped by the tests, with switches.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::{Client, Method, Response, Url, header};
use serde_json::{Value, json};
use url::Position;

use crate::packages::PACKAGES;

/// Where its discovery document is.
pub const DISCOVERY: &str = "/.well-known/openid-configuration";
pub const CLIENT_ID: &str = "portal";
pub const CLIENT_SECRET: &str = "s3cret +/%&";

/// Ends when dropped.
pub struct Provider {
    pub issuer: String,
    control: String,
    client: Client,
    /// With its standard input, whose end would end it too.
    process: Child,
}

impl Provider {
    /// A provider that knows the portal of this origin.
    pub async fn start(portal: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients/oidc-provider.mjs");
        let mut command = Command::new("node");
        command.arg(script).env("PORTAL", portal).stdin(Stdio::piped()).stdout(Stdio::piped());
        let (process, line) = tokio::task::spawn_blocking(move || {
            let mut process = command.env("PACKAGES", &*PACKAGES).spawn().expect("node runs");
            let mut line = String::new();
            BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut line).expect("it says where it is");
            (process, line)
        })
        .await
        .expect("no panic");
        let at: Value = serde_json::from_str(&line).unwrap_or_else(|problem| panic!("{problem}: {line}"));
        let text = |name: &str| at[name].as_str().expect("an address").to_owned();
        Self { issuer: text("issuer"), control: text("control"), client: client(), process }
    }

    /// What a portal has to know about it.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        vec![
            ("SIGN_IN", "oidc"),
            ("OIDC_ISSUER", &self.issuer),
            ("OIDC_CLIENT_ID", CLIENT_ID),
            ("OIDC_CLIENT_SECRET", CLIENT_SECRET),
        ]
    }

    /// Sets switches; the script tells which there are.
    pub async fn set(&self, switches: Value) {
        self.tell("/", switches).await;
    }

    /// Signs with another key from now on.
    pub async fn rotate(&self) {
        self.tell("/rotate", json!({})).await;
    }

    /// Signs with another key of the same name from now on.
    pub async fn replace_key(&self, name: &str) {
        self.tell("/rotate", json!({ "kid": name })).await;
    }

    pub async fn go_down(&self) {
        self.tell("/down", json!({})).await;
    }

    pub async fn come_up(&self) {
        self.tell("/up", json!({})).await;
    }

    /// A logout token; `{"claims": {}, "without": [], "alg", "key", "typ"}` say how it differs from a good one.
    pub async fn logout_token(&self, differences: Value) -> String {
        self.tell("/logout-token", differences).await["token"].as_str().expect("a token").to_owned()
    }

    /// How many requests there were for a path.
    pub async fn requests(&self, path: &str) -> u64 {
        self.seen().await["requests"][path].as_u64().unwrap_or(0)
    }

    /// Waits until there were this many.
    pub async fn asked(&self, path: &str, times: u64) {
        for _ in 0..500 {
            if self.requests(path).await >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody asks for {path}");
    }

    /// What the token endpoint has seen, and the rest.
    pub async fn seen(&self) -> Value {
        let answer = self.client.get(format!("{}/", self.control)).send().await.expect("an answer");
        parse(answer).await
    }

    async fn tell(&self, what: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}{what}", self.control)).body(body.to_string());
        parse(request.send().await.expect("an answer")).await
    }

    /// Somebody's browser, as the provider sees it.
    pub fn browser(&self) -> AtProvider<'_> {
        AtProvider { provider: self, cookies: BTreeMap::new() }
    }

    /// The browser of somebody who is signed in there as soon as they are asked, whoever else is at the same time.
    pub fn browser_of(&self, account: &str) -> AtProvider<'_> {
        AtProvider { provider: self, cookies: BTreeMap::from([("account".to_owned(), account.to_owned())]) }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The part of a browser that is at the provider, with its cookies there.
pub struct AtProvider<'p> {
    provider: &'p Provider,
    cookies: BTreeMap<String, String>,
}

impl AtProvider<'_> {
    /// Follows redirects at the provider until one leads elsewhere, and says where: path and query.
    pub async fn follow(&mut self, address: &str) -> String {
        let mut at = Url::parse(address).expect("an address");
        for _ in 0..10 {
            let answer = self.open(&at).await;
            let to = answer.headers().get(header::LOCATION).map(|to| to.to_str().expect("text").to_owned());
            let to = to.unwrap_or_else(|| panic!("{} leads nowhere: {}", at.path(), answer.status()));
            at = at.join(&to).expect("an address");
            if !at.as_str().starts_with(&self.provider.issuer) {
                return at[Position::BeforePath..].to_owned();
            }
        }
        panic!("the provider never comes to an end");
    }

    async fn open(&mut self, at: &Url) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.provider.client.request(Method::GET, at.clone()).header(header::COOKIE, cookies.join("; "));
        let answer = request.send().await.expect("the provider answers");
        for cookie in answer.headers().get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().expect("text").split(';').next().expect("a first part");
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

async fn parse(answer: Response) -> Value {
    let text = answer.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|problem| panic!("{problem}: {text}"))
}

#[expect(clippy::disallowed_methods, reason = "a browser's stand-in: no redirects, no cookie jar, no product code")]
fn client() -> Client {
    // Fails when another test of the same process was first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder = Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(10));
    builder.no_proxy().build().expect("a client")
}
