//! Questions and choices, as somebody at a terminal meets them.

use std::io::Write;
use std::process::{Command, Stdio};

use super::Newcomer;

impl Newcomer {
    /// Runs it at a terminal, at which these lines are typed. What is shown there, and the exit code.
    fn typed(&self, arguments: &str, lines: &str) -> (Option<i32>, String) {
        let run = format!("{} setup {arguments}", env!("CARGO_BIN_EXE_qlik-embed-bff"));
        let mut terminal = Command::new("script")
            .args(["--quiet", "--return", "--command", &run, "/dev/null"])
            .current_dir(self.path())
            .env_clear()
            .envs(&self.env)
            .env("SHELL", "/bin/sh")
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("util-linux has it");
        let mut keyboard = terminal.stdin.take().expect("piped");
        keyboard.write_all(lines.as_bytes()).expect("somebody reads");
        // It stays open: nobody presses Ctrl+D.
        let output = terminal.wait_with_output().expect("it ends");
        drop(keyboard);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).replace('\r', ""))
    }
}

const OTHER_APP: &str = "11111111-2222-4333-8444-555555555555";

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_asked_for() {
    let newcomer = Newcomer::with_key(|tenant| {
        tenant.more_apps = vec![OTHER_APP.to_owned()];
        tenant.more_sheets = vec!["another-sheet".to_owned()];
    })
    .await;
    // The second app, its second sheet, and a quick goodbye.
    let (code, shown) = newcomer.typed("--apply", "7\n2\n2\nperhaps\nq\n");
    assert_eq!(code, Some(1), "{shown}");
    assert!(shown.contains("Which app? Its number: ") && shown.contains("Which sheet? Its number: "), "{shown}");
    assert!(shown.contains("stopped; run this again to go on where it stopped"), "{shown}");
    assert!(newcomer.writes().is_empty() && !newcomer.path().join(".env").exists(), "{shown}");

    // No to the web integration, yes to all that follows.
    let (code, shown) = newcomer.typed("--apply", "2\n2\ny\nn\na\n");
    assert!(shown.contains("[y]es, [n]o, [a]ll, [q]uit: "), "{shown}");
    let control = newcomer.tenant.control().settings();
    let made = (control.providers.len(), control.web_integrations.len(), control.csp_origins.len());
    assert_eq!(made, (1, 0, 1), "{shown}");
    let settings = newcomer.settings();
    assert_eq!(settings["QLIK_APP_ID"], OTHER_APP);
    assert_eq!(settings["QLIK_SHEET_ID"], "another-sheet");
    assert!(!settings.contains_key("QLIK_WEB_INTEGRATION_ID"), "{shown}");
    assert!(code.is_some(), "{shown}");
}
