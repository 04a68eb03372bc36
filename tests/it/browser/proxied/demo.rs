//! What `demo` shows by its own settings.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::{Window, Wishes, is_ready, states, watch_states};

/// The demo, as somebody starts it. Ends when dropped.
struct Demo {
    process: Child,
    url: String,
}

impl Demo {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_qlik-embed-bff"))
            .args(["demo", "--port", "0"])
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let told = lines.next().expect("a line");
        let url = told.strip_prefix("The demo is at ").and_then(|rest| rest.split(' ').next()).expect("an address");
        let url = url.to_owned();
        // The rest of what it says has to go somewhere.
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, url }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn shows_the_sheet(block_third_party_cookies: bool, flow_after: &str) {
    let demo = Demo::start();
    let window = Window::like(Wishes { block_third_party_cookies, ..Wishes::default() }).await;
    watch_states(&window).await;
    window.driver.goto(format!("{}/embed/sales", demo.url)).await.unwrap();
    window.fill_in_as("ada", "ada-demo").await;
    is_ready(&window).await;
    assert_eq!(states(&window).await, json!(["loading", "connected"]));
    window.driver.refresh().await.unwrap();
    is_ready(&window).await;
    assert_eq!(window.value("document.querySelector('#embed').dataset.flow").await, json!(flow_after));
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_the_sheet_where_third_party_cookies_are_blocked() {
    shows_the_sheet(true, "proxy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_they_are_not_blocked_the_browser_goes_to_the_tenant_itself() {
    shows_the_sheet(false, "auto").await;
}
