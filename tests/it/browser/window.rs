//! A browser for one test: Chromium, driven by a chromedriver of its own.

use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::ChromiumLikeCapabilities;
use thirtyfour::cdp::domains::network::NetworkConditions;
use thirtyfour::prelude::*;

use super::scene::Scene;
use crate::portal::PASSWORD;

/// How long anything may take to show, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often somebody looks whether it has.
const GLANCE: Duration = Duration::from_millis(50);
/// Windows of the tests: a desk, and a phone.
pub const DESK: (u32, u32) = (1280, 800);
pub const PHONE: (u32, u32) = (390, 800);

/// What the browser should be like, apart from what it always is.
#[derive(Default)]
pub struct Wishes<'a> {
    /// Names that lead to this machine; all others but `localhost` lead nowhere.
    pub hosts: &'a [&'a str],
    pub block_third_party_cookies: bool,
}

/// One window. Ends with its driver when dropped; [`Window::close`] does so in peace.
pub struct Window {
    pub driver: WebDriver,
    // Dropped in this order: the browser has to be gone before its profile.
    _chromedriver: Chromedriver,
    _profile: TempDir,
}

impl Window {
    pub async fn open() -> Self {
        Self::like(Wishes::default()).await
    }

    pub async fn like(wishes: Wishes<'_>) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let chromedriver = Chromedriver::start();
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(program("chromium").to_str().unwrap()).unwrap();
        let hosts: String = wishes.hosts.iter().map(|host| format!("MAP {host} 127.0.0.1, ")).collect();
        for argument in [
            "--headless=new",
            "--no-sandbox", // tests run as root in containers
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--ignore-certificate-errors",
            &format!("--user-data-dir={}", profile.path().display()),
            &format!("--host-resolver-rules={hosts}MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
        ] {
            wanted.add_arg(argument).unwrap();
        }
        // Said in both cases: distributions differ in what they begin with.
        let blocked = wishes.block_third_party_cookies;
        let cookies = json!({ "cookie_controls_mode": i32::from(blocked), "block_third_party_cookies": blocked });
        wanted.add_experimental_option("prefs", json!({ "profile": cookies })).unwrap();
        let driver = WebDriver::new(chromedriver.url(), wanted).await.unwrap();
        let window = Self { driver, _chromedriver: chromedriver, _profile: profile };
        window.resize(DESK).await;
        window
    }

    pub async fn close(self) {
        self.driver.quit().await.unwrap();
    }

    /// Shows the page as on a screen of this size.
    pub async fn resize(&self, (width, height): (u32, u32)) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tell("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Light or dark, as the visitor's system says.
    pub async fn prefer(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.tell("Emulation.setEmulatedMedia", features).await;
    }

    /// A command of the DevTools protocol.
    pub async fn tell(&self, command: &str, parameters: Value) {
        self.driver.cdp().send_raw(command, parameters).await.unwrap();
    }

    /// The value of an expression in the page.
    pub async fn value(&self, expression: &str) -> Value {
        self.driver.execute(format!("return {expression};"), vec![]).await.unwrap().json().clone()
    }

    /// Waits until an expression in the page is true.
    pub async fn until(&self, expression: &str) {
        eventually(expression, || async { self.value(&format!("Boolean({expression})")).await == json!(true) }).await;
    }

    /// Waits until the embed page is in this state.
    pub async fn until_state(&self, state: &str) {
        let reached = async || self.value("document.querySelector('#embed')?.dataset.state").await == json!(state);
        let start = Instant::now();
        while !reached().await {
            if start.elapsed() > PATIENCE {
                panic!("not {state} within {PATIENCE:?}, but:\n{}", self.text("body").await);
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// The text of an element, as the visitor reads it.
    pub async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.unwrap()
    }

    pub async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    /// An element, as soon as it is there.
    async fn find(&self, selector: &str) -> WebElement {
        self.driver.query(By::Css(selector)).wait(PATIENCE, GLANCE).first().await.unwrap()
    }

    /// Types into whatever has the focus.
    pub async fn type_text(&self, text: impl AsRef<str>) {
        self.driver.action_chain().send_keys(text.as_ref()).perform().await.unwrap();
    }

    pub async fn press(&self, key: Key) {
        self.driver.action_chain().send_keys(key.value()).perform().await.unwrap();
    }

    /// Cuts the page off from the network, or connects it again.
    pub async fn be_offline(&self, offline: bool) {
        let conditions = NetworkConditions { offline, ..NetworkConditions::new() };
        self.driver.cdp().network().emulate_network_conditions(conditions).await.unwrap();
    }

    /// Opens the portal, fills in the sign-in form, and sends it.
    pub async fn sign_in(&self, scene: &Scene, name: &str) {
        self.driver.goto(format!("{}/", scene.url)).await.unwrap();
        self.fill_in(name).await;
    }

    /// The same, where the form is on the screen already.
    pub async fn fill_in(&self, name: &str) {
        self.fill_in_as(name, PASSWORD).await;
    }

    pub async fn fill_in_as(&self, name: &str, password: &str) {
        self.driver.find(By::Id("username")).await.unwrap().send_keys(name).await.unwrap();
        self.driver.find(By::Id("password")).await.unwrap().send_keys(password).await.unwrap();
        self.click("form[action='/login'] button").await;
    }

    /// Signs in and waits for the sheet.
    pub async fn see_the_sheet(&self, scene: &Scene, name: &str) {
        self.sign_in(scene, name).await;
        self.until_state("connected").await;
        self.in_frame(async || self.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await).await;
    }

    /// From now on, everything happens inside the frame, until [`Window::in_frame`] has been deeper.
    pub async fn enter_frame(&self) {
        self.driver.find(By::Css("#frame iframe")).await.unwrap().enter_frame().await.unwrap();
    }

    /// Does something inside the frame.
    pub async fn in_frame<T>(&self, what: impl AsyncFnOnce() -> T) -> T {
        self.enter_frame().await;
        let done = what().await;
        self.driver.enter_default_frame().await.unwrap();
        done
    }

    /// Leaves a mark that does not survive a reload.
    pub async fn mark(&self) {
        self.driver.execute("window.unreloaded = true;", vec![]).await.unwrap();
    }

    pub async fn is_marked(&self) -> bool {
        self.value("window.unreloaded === true").await == json!(true)
    }

    /// A picture for people, in `target/screenshots`.
    pub async fn picture(&self, name: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        self.driver.screenshot(&folder.join(format!("{name}.png"))).await.unwrap();
    }
}

/// Waits until something holds; fails with its name when it takes too long.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(GLANCE).await;
    }
}

/// Where a program is, as a shell would find it.
fn program(name: &str) -> PathBuf {
    let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output().unwrap().stdout;
    let path = String::from_utf8(found).unwrap();
    assert!(!path.trim().is_empty(), "{name} is not installed: run `make setup-tests`");
    PathBuf::from(path.trim())
}

/// The driver's process, on a port that it chose itself.
struct Chromedriver {
    process: Child,
    port: u16,
}

impl Chromedriver {
    /// The port that it finds free for one family of addresses may be taken for the other; then it ends at once.
    fn start() -> Self {
        (0..5).find_map(|_| Self::try_start()).expect("chromedriver names its port")
    }

    fn try_start() -> Option<Self> {
        let mut process = Command::new(program("chromedriver"))
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
        });
        let Some(port) = port else {
            process.wait().unwrap();
            return None;
        };
        // The rest of what it says has to go somewhere, or it would stop to wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { process, port })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Chromedriver {
    /// Its own way out, which takes the browser along even when a test has failed.
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let _ = stream.write_all(b"GET /shutdown HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            let _ = stream.read_to_end(&mut Vec::new());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
