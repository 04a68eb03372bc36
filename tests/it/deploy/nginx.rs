//! A real nginx with nginx.conf, before instances of the real binary. They share a database, as several servers on one machine may.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use qlik_embed_bff::client;
use qlik_embed_bff::demo::{self, IdentityProvider, Tenant};
use tokio::task::block_in_place;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::binary::{Server, configure, free_port, run_with_input};
use crate::portal::KEY;
use crate::servers::nginx::{ADDRESS, Deployed};

const HOST: &str = "portal.example";
const LONG: Duration = Duration::from_secs(20);

/// A request over a connection of its own: the whole answer.
fn ask(nginx: &Deployed, head: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", nginx.plain)).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("a time");
    let size = body.len();
    let rest = format!("Host: {HOST}\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(format!("{head} HTTP/1.1\r\n{headers}\r\n{rest}").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
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
        ("TRUSTED_PROXIES", ADDRESS),
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
    let nginx = Deployed::before(&ports, folder.path(), free_port());

    // Over TLS, as visitors come.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let there = format!("https://127.0.0.1:{}/readyz", nginx.tls);
    let answer = client::to_ourselves(LONG).expect("a client").get(there).header("host", HOST).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);

    let cookie = block_in_place(|| {
        let form = "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin";
        let answer = ask(&nginx, "POST /login", form, "username=ada&password=correct+horse");
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect(&answer);
        cookie.split(';').next().expect("a cookie").to_owned()
    });
    let signed_in = format!("Cookie: {cookie}");
    let is_home = || ask(&nginx, "GET /", &signed_in, "").starts_with("HTTP/1.1 303");
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
        let said = ask(&nginx, "GET /session", &signed_in, "");
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
            // Counted before it breaks off: nginx answers at once when it does.
            let Ok(mut stream) = stream else { continue };
            if stream.read(&mut head).is_ok_and(|read| read > 0) {
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
    let nginx = Deployed::before(&[broken(&asked), broken(&asked), broken(&asked)], folder.path(), free_port());
    assert!(ask(&nginx, "POST /logout", "Accept: */*", "x").starts_with("HTTP/1.1 502"));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "whether it was done, nobody knows");
    assert!(ask(&nginx, "GET /", "Accept: */*", "").starts_with("HTTP/1.1 502"));
    assert_eq!(asked.load(Ordering::SeqCst), 3, "both others were tried");
}
