//! A real Redis server, or Valkey.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{signal, wait_for};
use crate::binary::free_port;

pub struct Redis {
    folder: TempDir,
    process: Option<Child>,
    pub port: u16,
    more: Vec<String>,
}

impl Redis {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With more settings, as the command line has them.
    pub fn with(more: &[&str]) -> Self {
        let more = more.iter().map(|&word| word.to_owned()).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Self { folder, process: None, port: free_port(), more };
        server.start_again();
        server
    }

    /// On the same port and data: what it had is on disk.
    pub fn start_again(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port"]).arg(self.port.to_string()).arg("--dir").arg(self.folder.path());
        command
            .args(["--appendonly", "yes", "--appendfsync", "no", "--save", ""])
            .args(&self.more)
            .stdout(Stdio::null());
        let mut process = command.spawn().expect("Redis is installed: run `make setup-tests`");
        wait_for(&mut process, self.port, "Redis");
        self.process = Some(process);
    }

    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal(&process, "TERM");
            let _ = process.wait();
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// The programs that name a master to whoever asks.
pub struct Sentinel {
    _folder: TempDir,
    process: Child,
    pub port: u16,
}

impl Sentinel {
    /// Watches this server, under the name `portal`.
    pub fn of(server: &Redis) -> Self {
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        let file = folder.path().join("sentinel.conf");
        let settings = format!(
            "bind 127.0.0.1\nport {port}\ndir {}\nsentinel monitor portal 127.0.0.1 {} 1\n",
            folder.path().display(),
            server.port
        );
        std::fs::write(&file, settings).expect("written");
        let mut command = Command::new("redis-server");
        let mut process = command.arg(file).arg("--sentinel").stdout(Stdio::null()).spawn().expect("it runs");
        wait_for(&mut process, port, "the sentinel");
        Self { _folder: folder, process, port }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What `redis-cli` is told to say to the server on this port.
pub fn say(port: u16, words: &[&str]) {
    let mut command = Command::new("redis-cli");
    let told = command.args(["-p", &port.to_string()]).args(words).stdout(Stdio::null()).status();
    assert!(told.expect("redis-cli is there").success());
}

/// What the server on this port answers to whoever has the password.
pub fn ask(port: u16, password: &str, words: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &port.to_string(), "--no-auth-warning", "-a", password]).args(words);
    let told = command.output().expect("redis-cli is there");
    assert!(told.status.success(), "{told:?}");
    String::from_utf8(told.stdout).expect("text")
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
