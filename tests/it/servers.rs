//! Servers that tests start: each of one test alone, in a folder of its own, on loopback. They end when dropped.

use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

pub mod cable;
pub mod nginx;
pub mod postgres;
pub mod redis;

/// Waits until the process listens on this port.
fn wait_for(process: &mut Child, port: u16, name: &str) {
    let patience = Instant::now() + Duration::from_secs(30);
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < patience && process.try_wait().unwrap().is_none(), "{name} does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Sends the process a signal, as `kill` names it.
pub fn signal(process: &Child, signal: &str) {
    let _ = Command::new("kill").args(["-s", signal]).arg(process.id().to_string()).status();
}
