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
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        // As root it would change to another user, to whom the folder is closed.
        let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        let whole = format!(
            "daemon off;\npid nginx.pid;\nworker_processes 1;\n{user}\nevents {{ worker_connections 64; }}\n\
             http {{\naccess_log off;\nproxy_bind {ADDRESS};\n{temporary}{server}}}\n"
        );
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

impl Drop for Nginx {
    /// The signal at which the master takes its worker along.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}
