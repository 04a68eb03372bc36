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

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}
