//! A real nginx with nginx.conf, before instances of the real binary. They share a database, as several servers on one machine may.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use qlik_embed_bff::client;
use qlik_embed_bff::demo::{self, IdentityProvider, Tenant};
use tokio::task::block_in_place;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::read;
use crate::binary::{Server, configure, free_port, run_with_input};
use crate::browser::cookies::certificate;
use crate::portal::KEY;

const HOST: &str = "portal.example";
const LONG: Duration = Duration::from_secs(20);

/// An nginx of one test alone. Ends when dropped.
struct Nginx {
    process: Child,
    /// Where it listens with TLS, and without: the tests' way to the same server.
    tls: u16,
    plain: u16,
    _certificate: tempfile::TempDir,
}

impl Nginx {
    /// The file as it is, but for ports, the certificate's place, and where the servers are.
    fn before(servers: [u16; 3], folder: &Path) -> Self {
        let (_certificate, chain, key) = certificate(&[HOST]);
        let (tls, plain) = (free_port(), free_port());
        let mut conf = read("nginx.conf");
        let mut exchange = |told: &str, here: String| {
            assert!(conf.contains(told), "{told} is gone from nginx.conf");
            conf = conf.replace(told, &here);
        };
        for (number, port) in servers.iter().enumerate() {
            exchange(&format!("portal-{}:8080", number + 1), format!("127.0.0.1:{port}"));
        }
        exchange("listen 443 ssl;", format!("listen 127.0.0.1:{tls} ssl; listen 127.0.0.1:{plain};"));
        exchange("listen 80;", format!("listen 127.0.0.1:{};", free_port()));
        exchange("/etc/nginx/tls/fullchain.pem", chain.display().to_string());
        exchange("/etc/nginx/tls/privkey.pem", key.display().to_string());
        exchange("/tmp/nginx.pid", folder.join("nginx.pid").display().to_string());
        let temporary =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {kind};\n"));
        exchange("access_log off;", format!("access_log off;\n{}", temporary.concat()));
        let file = folder.join("nginx.conf");
        fs::write(&file, conf).expect("written");
        // As root it would change to another user, to whom the folder is closed.
        let user = if rustix::process::getuid().is_root() { "user root;" } else { "" };
        let mut nginx = Command::new("nginx");
        nginx.arg("-p").arg(folder).arg("-c").arg(&file).args(["-e", "stderr", "-g", &format!("daemon off; {user}")]);
        let mut process = nginx.stdin(Stdio::null()).spawn().expect("nginx is installed: run `make setup-tests`");
        let patience = Instant::now() + LONG;
        while TcpStream::connect(("127.0.0.1", tls)).is_err() {
            assert!(Instant::now() < patience && process.try_wait().expect("ours").is_none(), "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, tls, plain, _certificate }
    }

    /// A request over a connection of its own: the whole answer.
    fn ask(&self, head: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.plain)).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("a time");
        let size = body.len();
        let rest = format!("Host: {HOST}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}");
        stream.write_all(format!("{head} HTTP/1.1\r\n{headers}\r\n{rest}").as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

impl Drop for Nginx {
    /// The signal at which the master takes its workers along.
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn visitors_are_at_home_at_every_instance_and_do_not_miss_one_that_dies() {
    let folder = tempfile::tempdir().expect("a folder");
    let provider = IdentityProvider::new("https://portal.example", "key-1", &*KEY.certificate);
    let settings = demo::Settings { providers: vec![provider], ..demo::Settings::default() };
    let tenant = Tenant::start(settings).await.expect("a tenant");
    let public_url = format!("https://{HOST}");
    let changes = [
        ("PUBLIC_URL", public_url.as_str()),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("LOG_FORMAT", "json"),
        ("QLIK_TENANT", tenant.origin()),
        ("QLIK_WEB_INTEGRATION_ID", ""),
        ("QLIK_APP_ID", demo::APP_ID),
        ("QLIK_SHEET_ID", demo::SHEET_ID),
    ];
    configure(folder.path(), &changes);
    let (code, _, err) =
        run_with_input(folder.path(), &["users", "add", "ada", "--email", "ada@example.com"], "correct horse\n");
    assert_eq!(code, Some(0), "{err}");
    let ports = [free_port(), free_port(), free_port()];
    let mut servers = ports.map(|port| {
        let listen = format!("127.0.0.1:{port}");
        Server::start_with(folder.path(), &[("LISTEN", listen.as_str())])
    });
    for server in &mut servers {
        server.wait_for("serving");
    }
    let nginx = Nginx::before(ports, folder.path());

    // Over TLS, as visitors come.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let there = format!("https://127.0.0.1:{}/readyz", nginx.tls);
    let answer = client::to_ourselves(LONG).expect("a client").get(there).header("host", HOST).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);

    let cookie = block_in_place(|| {
        let form = "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin";
        let answer = nginx.ask("POST /login", form, "username=ada&password=correct+horse");
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect(&answer);
        cookie.split(';').next().expect("a cookie").to_owned()
    });
    let signed_in = format!("Cookie: {cookie}");
    let is_home = || nginx.ask("GET /", &signed_in, "").starts_with("HTTP/1.1 303");
    block_in_place(|| assert!((0..9).all(|_| is_home())));

    let mut request =
        format!("ws://127.0.0.1:{}/app/{}/identity/x", nginx.plain, demo::APP_ID).into_client_request().expect("good");
    for (name, value) in [("host", HOST), ("cookie", cookie.as_str()), ("origin", public_url.as_str())] {
        request.headers_mut().insert(name, value.parse().expect("a header"));
    }
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a socket");
    let first = socket.next().await.expect("a message").expect("whole");
    assert!(first.to_text().expect("text").contains("SESSION_CREATED"), "{first}");
    socket.send(Message::Close(None)).await.expect("sent");

    servers[1].child.kill().expect("kill -9");
    block_in_place(|| {
        assert!((0..12).all(|_| is_home()), "the others take over");
        let said = nginx.ask("GET /session", &signed_in, "");
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        for server in [&servers[0], &servers[2]] {
            server.ask_to_stop();
        }
        for (place, server) in servers.iter_mut().enumerate() {
            let answered = server.rest_of_log().matches("\"route\":\"/\"").count();
            assert!(answered >= 3, "number {place} answered {answered} of 9 in turn");
        }
    });
}

/// Takes requests and breaks off without an answer. Counts them.
fn broken(count: &Arc<AtomicUsize>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (port, count) = (listener.local_addr().expect("an address").port(), count.clone());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut head = [0; 4096];
            if stream.is_ok_and(|mut stream| stream.read(&mut head).is_ok_and(|read| read > 0)) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    port
}

#[test]
fn what_changes_something_is_sent_once_and_what_is_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let asked = Arc::new(AtomicUsize::new(0));
    let nginx = Nginx::before([broken(&asked), broken(&asked), broken(&asked)], folder.path());
    assert!(nginx.ask("POST /logout", "Accept: */*", "x").starts_with("HTTP/1.1 502"));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "whether it was done, nobody knows");
    assert!(nginx.ask("GET /", "Accept: */*", "").starts_with("HTTP/1.1 502"));
    assert_eq!(asked.load(Ordering::SeqCst), 3, "both others were tried");
}
