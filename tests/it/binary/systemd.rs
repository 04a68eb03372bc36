//! The real binary under a service manager: what it tells it, and the socket that it gets from it.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Server, command, configure, free_port, get};

/// What systemd would hear.
pub struct Manager(UnixDatagram);

impl Manager {
    pub fn in_folder(folder: &Path) -> Self {
        let socket = UnixDatagram::bind(folder.join("notify")).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
        Self(socket)
    }

    /// The next message that is no sign of life.
    pub fn hear(&self) -> Vec<String> {
        loop {
            let message = self.hear_any();
            if message != ["WATCHDOG=1"] {
                return message;
            }
        }
    }

    fn hear_any(&self) -> Vec<String> {
        let mut bytes = [0; 1024];
        let length = self.0.recv(&mut bytes).expect("a message");
        String::from_utf8_lossy(&bytes[..length]).lines().map(str::to_owned).collect()
    }
}

#[test]
fn the_service_manager_hears_of_each_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let manager = Manager::in_folder(folder.path());
    let listen = format!("127.0.0.1:{}", free_port());
    let listening = [("LISTEN", listen.as_str()), ("SHUTDOWN_DELAY", "100ms")];
    configure(folder.path(), &listening);
    let mut serve = command(folder.path(), &["serve"]);
    serve.env("NOTIFY_SOCKET", folder.path().join("notify")).env("WATCHDOG_USEC", "200000");
    let mut server = Server::by(serve);
    assert_eq!(manager.hear(), ["READY=1".to_owned(), format!("STATUS=serving on {listen}")]);
    for _ in 0..3 {
        assert_eq!(manager.hear_any(), ["WATCHDOG=1"], "again and again");
    }

    let hears_reload = |outcome: &str| {
        let reloading = manager.hear();
        assert_eq!((reloading[0].as_str(), reloading.len()), ("RELOADING=1", 3), "{reloading:?}");
        let since = reloading[1].strip_prefix("MONOTONIC_USEC=").and_then(|since| since.parse::<u64>().ok());
        assert!(since.is_some_and(|since| since > 0), "{reloading:?}");
        assert_eq!(manager.hear(), ["READY=1", outcome]);
    };
    server.hang_up();
    hears_reload("STATUS=serving");
    configure(folder.path(), &[&listening[..], &[("QLIK_APP_ID", "none")]].concat());
    hears_reload("STATUS=serving with the old configuration: the new one cannot be used, see the log");

    server.ask_to_stop();
    assert_eq!(manager.hear(), ["STOPPING=1", "STATUS=not ready, and served on for 100ms"]);
    assert_eq!(manager.hear(), ["STATUS=waiting up to 20s for requests and 0 sockets"]);
    server.wait_for("stopped");
    assert_eq!(server.child.wait().expect("it ends").code(), Some(0));
}

/// Becomes the server, as a service manager does, with sockets at the places where sd_listen_fds(3) looks for them.
fn passing(folder: &Path, sockets: &str) -> Command {
    const LAUNCHER: &str = r#"
import os, socket, sys
def tcp():
    s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); return s
def unix():
    s = socket.socket(socket.AF_UNIX); s.bind("passed"); s.listen(); return s
def connection():
    global far
    # Its other end stays open.
    far = tcp(); os.dup2(far.fileno(), 60); s = socket.socket(); s.connect(far.getsockname()); return s
made = [globals()[kind]() for kind in sys.argv[2].split(",")]
# Above all places first, so that none is overwritten before it is moved.
high = [os.dup2(s.fileno(), 50 + i) for i, s in enumerate(made)]
for i, fd in enumerate(high):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ.update(LISTEN_FDS=str(len(made)), LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], [sys.argv[1], "serve"])
"#;
    #[expect(clippy::disallowed_methods, reason = "where tools are is the machine's to say")]
    let path = std::env::var("PATH").unwrap_or_default();
    let mut python = Command::new("python3");
    python.args(["-c", LAUNCHER, env!("CARGO_BIN_EXE_qlik-embed-bff"), sockets]);
    python.current_dir(folder).env_clear().env("PATH", path);
    python
}

#[test]
fn a_socket_that_is_passed_is_taken_in_place_of_listen() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), &[("LISTEN", "127.0.0.1:1")]);
    let mut server = Server::by(passing(folder.path(), "tcp"));
    let told = server.wait_for("the service manager passed the socket, which is taken in place of LISTEN");
    let port = told.trim().rsplit_once("127.0.0.1:").expect(&told).1.parse::<u16>().expect("a port");
    let serving = server.wait_for("serving");
    assert!(serving.contains(&format!("public_url=http://localhost:{port}")), "{serving}");
    assert!(get(port, "/login").starts_with("HTTP/1.1 200"));
    server.ask_to_stop();
    server.wait_for("stopped");
}

#[test]
fn sockets_that_cannot_be_taken_are_problems_of_the_configuration() {
    for (sockets, reason) in [
        ("tcp,tcp", "LISTEN_FDS passes 2 sockets, and there can be one"),
        ("unix", "LISTEN_FDS passes a socket that is not one for TCP"),
        ("connection", "LISTEN_FDS passes a connection, not a socket that listens"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        configure(folder.path(), &[]);
        let mut child = passing(folder.path(), sockets).stderr(Stdio::piped()).spawn().expect("it runs");
        let mut told = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut told).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(78), "{told}");
        assert!(told.contains(reason) && told.contains("ListenStream="), "{told}");
        assert!(!folder.path().join("portal.db").exists(), "nothing was made");
    }
}
