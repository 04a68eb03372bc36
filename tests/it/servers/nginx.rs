//! A real nginx with a configuration of the documentation.

use std::fmt::Display;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::binary::free_port;
use crate::browser::cookies::certificate;
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
        let whole = format!(
            "pid nginx.pid;\nworker_processes 1;\nevents {{ worker_connections 64; }}\n\
             http {{\naccess_log off;\nproxy_bind {ADDRESS};\n{temporary}{server}}}\n"
        );
        Self::run(&whole, folder, port)
    }

    fn run(whole: &str, folder: &Path, port: u16) -> Self {
        let file = folder.join("nginx.conf");
        fs::write(&file, whole).unwrap();
        // As root it would change to another user, to whom the folder is closed.
        let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-e", "stderr", "-g", &format!("daemon off; {user}")]);
        let mut process = command.stdin(Stdio::null()).spawn().expect("nginx is installed: run `make setup-tests`");
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(Instant::now() < patience && process.try_wait().unwrap().is_none(), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(process)
    }
}

/// nginx.conf of `deploy/` at work. It has the name `portal.example`.
pub struct Deployed {
    _nginx: Nginx,
    /// Where it listens with TLS, and without: the tests' way to the same server.
    pub tls: u16,
    pub plain: u16,
    _certificate: TempDir,
}

impl Deployed {
    /// The file as it is, but for ports, the certificate's place, and where the servers are; with fewer than three of them, those
    /// that are missing are left out.
    pub fn before(servers: &[u16], folder: &Path, plain: u16) -> Self {
        let (_certificate, chain, key) = certificate(&["portal.example"]);
        let tls = free_port();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx.conf");
        let mut conf = fs::read_to_string(file).expect("it is there");
        let mut exchange = |told: &str, here: String| {
            assert!(conf.contains(told), "{told} is gone from nginx.conf");
            conf = conf.replace(told, &here);
        };
        for number in 0..3 {
            let told = format!("server portal-{}:8080", number + 1);
            match servers.get(number) {
                Some(port) => exchange(&told, format!("server 127.0.0.1:{port}")),
                None => exchange(&told, format!("# {told}")),
            }
        }
        exchange("listen 443 ssl;", format!("listen 127.0.0.1:{tls} ssl; listen 127.0.0.1:{plain};"));
        exchange("listen 80;", format!("listen 127.0.0.1:{};", free_port()));
        exchange("/etc/nginx/tls/fullchain.pem", chain.display().to_string());
        exchange("/etc/nginx/tls/privkey.pem", key.display().to_string());
        exchange("/tmp/nginx.pid", folder.join("nginx.pid").display().to_string());
        exchange("access_log off;", format!("access_log off;\nproxy_bind {ADDRESS};\n{}", temporary_files()));
        Self { _nginx: Nginx::run(&conf, folder, plain), tls, plain, _certificate }
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
