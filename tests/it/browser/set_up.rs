//! From nothing but an API key to the sheet: `setup --apply`, `serve`, and a browser.

use std::fs;

use crate::binary::{Server, free_port, run_with_input};
use crate::portal::PASSWORD;
use crate::setup::Newcomer;

use super::window::Window;

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_tenant_and_an_api_key_are_enough() {
    let mut newcomer = Newcomer::with(|_| {}).await;
    let port = free_port();
    let url = format!("http://localhost:{port}");
    newcomer.env.insert("PUBLIC_URL", url.clone());
    fs::write(newcomer.path().join(".env"), format!("LISTEN=127.0.0.1:{port}\n")).expect("written");
    newcomer.set_up(&["--apply", "--yes"]);
    let add = ["users", "add", "ada", "--name", "Ada Lovelace", "--email", "ada@example.com"];
    assert_eq!(run_with_input(newcomer.path(), &add, &format!("{PASSWORD}\n")).0, Some(0));
    let mut server = Server::start(newcomer.path());
    server.wait_for("serving");

    let window = Window::open().await;
    window.driver.goto(&url).await.unwrap();
    window.fill_in("ada").await;
    window.until_state("connected").await;
    window
        .in_frame(async || {
            window.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await;
            assert_eq!(window.value("document.querySelector('#sheet').dataset.viewer").await, "Ada Lovelace");
        })
        .await;
    window.close().await;
}
