//! The real binary, in a fresh directory, as an administrator runs it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::portal::settings;

mod live;
mod sample;
mod secrets;
mod starting;
pub mod stopping;
mod systemd;
mod tls;

pub fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qlik-embed-bff"));
    command.args(arguments).current_dir(folder).env_clear();
    command
}

pub fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    read(command(folder, arguments).stdin(Stdio::null()).output().expect("it runs"))
}

pub fn run_with_input(folder: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = command(folder, arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    read(child.wait_with_output().expect("it ends"))
}

fn read(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Writes `.env` with the least that must be set, and these changes.
pub fn configure(folder: &Path, changes: &[(&str, &str)]) {
    let mut env = settings(folder);
    env.remove("QLIK_JWT_PRIVATE_KEY");
    fs::create_dir_all(folder.join("keys")).expect("a folder");
    fs::write(
        folder.join("keys/privatekey.pem"),
        secrecy::ExposeSecret::expose_secret(&crate::portal::KEY.private_key),
    )
    .expect("written");
    env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let lines: String = env.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    fs::write(folder.join(".env"), lines).expect("written");
}

#[test]
fn without_a_configuration_it_says_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [&[][..], &["serve"], &["config", "check"], &["config", "show"]] {
        let (code, out, err) = run(folder.path(), arguments);
        assert_eq!((code, out.as_str()), (Some(78), ""), "{err}");
        assert!(
            err.starts_with("qlik-embed-bff: the configuration has 6 problems\n\n  QLIK_TENANT is not set\n"),
            "{err}"
        );
        assert!(err.contains("keygen"), "{err}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0, "nothing was made");
}

#[test]
fn wrong_usage_is_its_own_exit_code() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [&["serv"][..], &["users"], &["users", "add", "ada"], &["keygen", "--bits", "1024"]] {
        assert_eq!(run(folder.path(), arguments).0, Some(2), "{arguments:?}");
    }
}

#[test]
fn the_configuration_is_read_from_the_file_and_the_environment_wins() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), &[("QLIK_TITLE", "From the file"), ("SHEETID", "x")]);
    let (code, out, err) = run(folder.path(), &["config", "check"]);
    assert_eq!((code, out.as_str()), (Some(0), "the configuration is good\n"), "{err}");
    let output =
        command(folder.path(), &["config", "show"]).env("QLIK_TITLE", "From outside").output().expect("it runs");
    let (code, out, _) = read(output);
    assert_eq!(code, Some(0));
    assert!(out.lines().any(|line| line.starts_with("QLIK_TITLE ") && line.contains("From outside")), "{out}");
    assert!(!out.contains("PRIVATE KEY"), "{out}");
    assert!(!folder.path().join("portal.db").exists(), "looking changes nothing");

    fs::write(folder.path().join(".env"), "# mine\nQLIK_TENANT acme\n").expect("written");
    let (code, _, err) = run(folder.path(), &["config", "check"]);
    assert_eq!(code, Some(78));
    assert!(err.contains(".env is not NAME=value in line 2"), "{err}");
}

#[test]
fn accounts_are_added_listed_changed_and_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let add = [
        "users",
        "add",
        "Ada",
        "--name",
        "Ada Lovelace",
        "--email",
        "ada@example.com",
        "--group",
        "sales",
        "--group",
        "all",
    ];
    let (code, out, err) = run_with_input(folder.path(), &add, "correct horse\n");
    assert_eq!((code, out.as_str(), err.as_str()), (Some(0), "ada can sign in.\n", ""));
    let (code, _, err) = run_with_input(folder.path(), &add, "correct horse\n");
    assert_eq!(code, Some(1));
    assert!(err.contains("there is an account named ada already"), "{err}");
    let same_address = ["users", "add", "bob", "--email", "ADA@example.com"];
    let (code, _, err) = run_with_input(folder.path(), &same_address, "correct horse\n");
    assert_eq!(code, Some(1));
    assert!(err.contains("another account has the e-mail address ADA@example.com"), "{err}");
    for (arguments, input, part) in [
        (["users", "add", "eve", "--email", "eve"], "correct horse\n", "is not an e-mail address"),
        (["users", "add", "e ve", "--email", "eve@example.com"], "correct horse\n", "cannot be a sign-in name"),
        (["users", "add", "eve", "--email", "eve@example.com"], "short\n", "at least 8 characters"),
    ] {
        let (code, _, err) = run_with_input(folder.path(), &arguments, input);
        assert_eq!(code, Some(1));
        assert!(err.contains(part), "{err}");
    }
    run_with_input(folder.path(), &["users", "add", "bob", "--email", "bob@example.com"], "correct horse\n");
    let (_, out, _) = run(folder.path(), &["users", "list"]);
    assert_eq!(out, "ada  Ada Lovelace  ada@example.com  sales, all\nbob  bob           bob@example.com\n");
    let (code, out, _) = run_with_input(folder.path(), &["users", "set-password", "ADA"], "another horse\n");
    assert_eq!((code, out.as_str()), (Some(0), "ada has a new password; sessions under the old one have ended.\n"));
    let (code, out, _) = run(folder.path(), &["users", "remove", "ada"]);
    assert_eq!((code, out.as_str()), (Some(0), "ada is removed, and signed out everywhere.\n"));
    let (code, _, err) = run(folder.path(), &["users", "remove", "ada"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no account named ada"), "{err}");
    let text = fs::read(folder.path().join("data/qlik-embed-bff.db")).expect("the database");
    assert!(!text.windows(5).any(|window| window == b"horse"));
}

#[test]
fn tokens_are_printed_for_accounts_and_for_people_described() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), &[]);
    let (code, _, err) = run(folder.path(), &["token", "--identity", "ada"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no database"), "{err}");
    assert_eq!(run(folder.path(), &["token", "--identity", "ada", "--name", "Bob"]).0, Some(2));
    let (code, out, _) = run(folder.path(), &["token", "--identity", "ada", "--email", "ada@example.com", "--claims"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("\"password|ada\""), "{out}");
    run_with_input(folder.path(), &["users", "add", "ada", "--email", "ada@example.com"], "correct horse\n");
    let (code, out, _) = run(folder.path(), &["token", "--identity", "ada"]);
    assert_eq!((code, out.trim_end().split('.').count()), (Some(0), 3));
}

/// A server that is ended when the test is.
pub struct Server {
    pub child: Child,
    log: BufReader<std::process::ChildStderr>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub fn start(folder: &Path) -> Self {
        Self::by(command(folder, &["serve"]))
    }

    /// With these in its environment, where they win over the folder's `.env`.
    pub fn start_with(folder: &Path, env: &[(&str, &str)]) -> Self {
        let mut command = command(folder, &["serve"]);
        command.envs(env.iter().copied());
        Self::by(command)
    }

    /// Started by this command, which becomes it.
    pub fn by(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it runs");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, log }
    }

    /// Reads the log up to a line with this text.
    pub fn wait_for(&mut self, text: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.log.read_line(&mut line).expect("a log"), 0, "it ended before it said {text}");
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Reads the log to its end, which is that of the server.
    pub fn rest_of_log(&mut self) -> String {
        let mut log = String::new();
        self.log.read_to_string(&mut log).expect("a log");
        log
    }

    /// Sends it SIGTERM.
    pub fn ask_to_stop(&self) {
        self.signal("-TERM");
    }

    /// Sends it SIGHUP.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("kill").success());
    }
}

#[test]
fn it_serves_logs_and_stops_when_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    configure(folder.path(), &[("LISTEN", &format!("127.0.0.1:{port}")), ("LOG_FORMAT", "json")]);
    let mut server = Server::start(folder.path());
    server.wait_for("serving");
    let answer = get(port, "/login?secret=never-logged");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: ")).expect("a request id").to_owned();
    let line: serde_json::Value = serde_json::from_str(&server.wait_for("answered")).expect("a line of JSON");
    assert_eq!(line["span"]["id"], id.trim());
    assert_eq!((&line["method"], &line["route"], &line["status"]), (&"GET".into(), &"/login".into(), &200.into()));
    assert!(line["ms"].is_u64(), "{line}");
    assert!(!line.to_string().contains("never-logged"), "{line}");
    server.ask_to_stop();
    server.wait_for("stopped");
    assert_eq!(server.child.wait().expect("it ends").code(), Some(0));
}

/// A command that is ended when the test is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_demo_tells_of_its_accounts_and_of_a_portal_that_hands_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut demo = command(folder.path(), &["demo", "--port", "0"]);
    let mut demo = Running(demo.stdout(Stdio::piped()).spawn().expect("it runs"));
    let mut lines = BufReader::new(demo.0.stdout.take().expect("piped")).lines().map(|line| line.expect("text"));
    let mut port_after = |words: &str| {
        let line = lines.next().expect("a line");
        let rest = line.strip_prefix(words).unwrap_or_else(|| panic!("{line}")).strip_prefix("http://localhost:");
        let (port, more) = rest.expect("an address").split_once(' ').unwrap_or((rest.expect("an address"), ""));
        (port.parse::<u16>().expect("a port"), more.to_owned())
    };
    let (portal, accounts) = port_after("The demo is at ");
    assert_eq!(accounts, "- sign in as ada with password ada-demo, or grace with password grace-demo. Ctrl+C ends it.");
    let (host, _) = port_after("Or come from a host portal, where you are signed in already: ");

    assert!(get(host, "/").contains("Emmy Noether"));
    assert!(get(host, "/framed").contains("<iframe src=\"/open-dashboard\""));
    let handed = get(host, "/open-dashboard");
    let way = handed.lines().find_map(|line| line.strip_prefix("location: ")).expect("a redirect");
    let path = way.strip_prefix(&format!("http://localhost:{portal}")).expect("to the demo");
    let taken = get(portal, path);
    assert!(taken.starts_with("HTTP/1.1 303") && taken.contains("location: /embed/sales\r\n"), "{taken}");
    assert!(taken.contains("set-cookie: qlik-embed-bff="), "{taken}");
    assert!(get(portal, path).starts_with("HTTP/1.1 403"), "once");
}

/// Everything that a server with these settings logs while something is done with it, and what came of that.
pub fn log_of<T>(
    folder: &Path,
    changes: &[(&str, &str)],
    what: impl FnOnce(&dyn Fn(&str) -> String) -> T,
) -> (String, T) {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    configure(folder, &[&[("LISTEN", listen.as_str()), ("LOG_FORMAT", "json")], changes].concat());
    let mut server = Server::start(folder);
    let mut log = server.wait_for("serving");
    let done = what(&|path| get(port, path));
    server.ask_to_stop();
    log.push_str(&server.rest_of_log());
    (log, done)
}

/// A port that nobody has, and that no other test is given while this one runs. It is none of those that the kernel gives to whoever
/// asks for any: they could be taken before this one is used.
///
/// TCP is asked whether it is free. The mark that it is ours is the same number of UDP, which no server here listens on, and which the kernel takes
/// back when the test ends, however it ends.
pub fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    loop {
        // Each test, which is a process, begins elsewhere.
        let port = 10_000 + (std::process::id() * 41 + ASKED.fetch_add(1, Ordering::Relaxed)) % 22_000;
        let address = (Ipv4Addr::LOCALHOST, u16::try_from(port).expect("below 32,000"));
        if let (Ok(mark), Ok(_)) = (UdpSocket::bind(address), TcpListener::bind(address)) {
            std::mem::forget(mark);
            return address.1;
        }
    }
}

fn get(port: u16, path: &str) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
