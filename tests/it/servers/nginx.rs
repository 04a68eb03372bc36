//! A real nginx with a configuration of the documentation.

use std::fmt::Display;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::docs::blocks::blocks;

/// nginx's own address, so that the product can tell it from everybody else on this machine.
pub const ADDRESS: &str = "127.0.0.2";

/// A server as the documentation has it. Its ports, names and certificate are exchanged, and nothing else.
pub struct Documented(String);

/// The configuration on this page that has these words.
pub fn documented(page: &str, words: &str) -> Documented {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page)).unwrap();
    let found = blocks(&page).into_iter().find(|block| block.is("nginx") && block.text.contains(words));
    Documented(found.expect("a configuration").text)
}

impl Documented {
    pub fn with(self, told: &str, here: impl Display) -> Self {
        assert!(self.0.contains(told), "{told} is gone from the documentation");
        Self(self.0.replace(told, &here.to_string()))
    }
}

/// A server of one test alone, in the foreground and in a folder of its own. Ends when dropped.
pub struct Nginx(Child);

impl Nginx {
    /// Runs it, and waits until it listens on this port.
    pub fn start(Documented(server): Documented, folder: &Path, port: u16) -> Self {
        let temporary = temporary_files();
        // As root it would change to another user, to whom the folder is closed.
        let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        let whole = format!(
            "daemon off;\npid nginx.pid;\nworker_processes 1;\n{user}\nevents {{ worker_connections 64; }}\n\
             http {{\naccess_log off;\nproxy_bind {ADDRESS};\n{temporary}{server}}}\n"
        );
        Self::run(&whole, folder, port)
    }

    /// The one of `deploy/`, before these instances. What is exchanged is where they are, and TLS is left out.
    pub fn before(deployed: &str, folder: &Path, port: u16, instances: &[u16]) -> Self {
        let cut = |text: &str, from: &str, to: &str| {
            let begin = text.find(from).unwrap_or_else(|| panic!("{from} is gone from nginx.conf"));
            let end = begin + text[begin..].find(to).expect("an end") + to.len();
            format!("{}{}", &text[..begin], &text[end..])
        };
        let mut whole = cut(deployed, "    server {\n        listen 80;", "\n    }\n");
        for line in [
            "ssl_certificate ",
            "ssl_certificate_key",
            "ssl_protocols",
            "ssl_session_cache",
            "pid ",
            "worker_processes",
        ] {
            whole = cut(&whole, line, "\n");
        }
        for number in 1..=3 {
            whole = match instances.get(number - 1) {
                Some(port) => {
                    whole.replace(&format!("server portal-{number}:8080"), &format!("server 127.0.0.1:{port}"))
                }
                None => cut(&whole, &format!("server portal-{number}:8080"), "\n"),
            };
        }
        whole = whole.replace("listen 443 ssl;", &format!("listen 127.0.0.1:{port};"));
        let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        whole = whole.replace("http {", &format!("http {{\nproxy_bind {ADDRESS};\n{}", temporary_files()));
        Self::run(&format!("daemon off;\npid nginx.pid;\nworker_processes 1;\n{user}\n{whole}"), folder, port)
    }

    fn run(whole: &str, folder: &Path, port: u16) -> Self {
        let file = folder.join("nginx.conf");
        fs::write(&file, whole).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-e", "stderr"]);
        let mut process = command.stdin(Stdio::null()).spawn().expect("nginx is installed: run `make setup-tests`");
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < patience && process.try_wait().unwrap().is_none(), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(process)
    }
}

/// Where nginx keeps what is too large for memory: below the folder of the test.
fn temporary_files() -> String {
    ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {kind};\n")).concat()
}

impl Drop for Nginx {
    /// The signal at which the master takes its worker along.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}
