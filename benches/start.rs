//! What it costs to be there: the time from the start of the shipped binary to its first answer, with SQLite, and its resident memory
//! when nothing happens.
//!
//! `--server PATH` measures another build, such as `target/dist/qlik-embed-bff`. `docs/performance.md` has the figures.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The median start may take so long.
const TIME: Duration = Duration::from_millis(100);
/// So much memory may be resident, in KiB.
const MEMORY: u64 = 20 * 1024;
/// Longer, and it will never be there.
const PATIENCE: Duration = Duration::from_secs(30);
/// After this, what a start leaves to others is done.
const SETTLED: Duration = Duration::from_secs(2);

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Fails when a limit is not kept.
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    // `cargo bench` says so; anything else only wants to know that it runs, and with a build that is not meant to be fast.
    let in_earnest = arguments.iter().any(|argument| argument == "--bench");
    let other = arguments.iter().skip_while(|argument| *argument != "--server").nth(1);
    let program = other.map_or(PathBuf::from(env!("CARGO_BIN_EXE_qlik-embed-bff")), PathBuf::from);
    let folder = tempfile::tempdir().expect("a folder");
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port");
    configure(&program, folder.path(), address);

    // The first makes the database.
    let (first, memory_first) = measure(&program, folder.path(), address, true);
    let rounds = if in_earnest { 31 } else { 3 };
    let mut times: Vec<_> = (0..rounds).map(|_| measure(&program, folder.path(), address, false).0).collect();
    times.sort();
    let [lower, median, upper] = [times.len() / 4, times.len() / 2, times.len() * 3 / 4].map(|place| times[place]);
    let (_, memory) = measure(&program, folder.path(), address, true);
    println!("first start, which makes the database   {:6.1} ms  {memory_first:6} KiB", milliseconds(first));
    println!(
        "start, {rounds:2} rounds: median (quartiles)     {:6.1} ms ({:.1}-{:.1})",
        milliseconds(median),
        milliseconds(lower),
        milliseconds(upper)
    );
    println!("idle, {} s after the start               {memory:6} KiB", SETTLED.as_secs());
    println!(
        "size of the binary                      {:6} KiB",
        fs::metadata(&program).expect("it is there").len() / 1024
    );
    let kept = (median < TIME || !in_earnest, memory < MEMORY || !in_earnest);
    for (kept, limit) in [(kept.0, "100 ms"), (kept.1, "20 MiB")] {
        if !kept {
            println!("ABOVE {limit}");
        }
    }
    if kept == (true, true) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// One page, one key, SQLite, and defaults.
fn configure(program: &Path, folder: &Path, address: SocketAddr) {
    let settings = format!(
        "LISTEN={address}\nQLIK_TENANT=acme.eu.qlikcloud.com\nQLIK_APP_ID=2d54bd8e-6f7b-4a3e-9c1d-0a5c8e7f1b23\n\
         QLIK_SHEET_ID=tsPRvK\nQLIK_JWT_ISSUER=issuer\nQLIK_JWT_KEY_ID=key\n"
    );
    fs::write(folder.join(".env"), settings).expect("written");
    let made = Command::new(program).arg("keygen").current_dir(folder).env_clear().stdout(Stdio::null()).status();
    assert!(made.expect("it runs").success());
}

/// From before the process is made to its first good answer; and its memory, when somebody waits for that.
fn measure(program: &Path, folder: &Path, address: SocketAddr, settle: bool) -> (Duration, u64) {
    let begun = Instant::now();
    let mut server = Command::new(program);
    let server = server.arg("serve").current_dir(folder).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    let mut server = Server(server.stderr(Stdio::null()).spawn().expect("it runs"));
    while !is_there(address) {
        assert!(begun.elapsed() < PATIENCE && server.0.try_wait().expect("ours").is_none(), "it does not answer");
        thread::sleep(Duration::from_micros(200));
    }
    let time = begun.elapsed();
    if settle {
        thread::sleep(SETTLED);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.0.id())).expect("Linux");
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    (time, memory.expect("a number"))
}

fn is_there(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    asked.and_then(|()| stream.read_to_string(&mut answer)).is_ok() && answer.starts_with("HTTP/1.1 200")
}
