//! The audit: what it says of a visitor's doings, where, and what it never says.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub mod refused;

use crate::binary::{Server, configure, free_port, run, run_with_input};

/// An answer's status line, the id of its request, the session that it began, and its body.
struct Answer {
    status: u16,
    request: String,
    cookie: Option<String>,
    body: String,
}

fn send(port: u16, line: &str, headers: &[&str], body: &str) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    write!(
        stream,
        "{line} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let header =
        |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    Answer {
        status: head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"),
        request: header("x-request-id: ").expect("a request id"),
        cookie: header("set-cookie: ").map(|cookie| cookie.split(';').next().unwrap_or_default().to_owned()),
        body: body.to_owned(),
    }
}

/// The lines of the file, each without its time, which is checked here.
fn events(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("the file is there");
    assert!(text.is_empty() || text.ends_with('\n'));
    let event = |line: &str| {
        let mut event: Value = serde_json::from_str(line).unwrap_or_else(|problem| panic!("{problem}: {line}"));
        let time = event.as_object_mut().and_then(|event| event.remove("timestamp")).expect("a time");
        let time = time.as_str().expect("text");
        let format = &time::format_description::well_known::Rfc3339;
        assert!(time::OffsetDateTime::parse(time, format).is_ok() && time.ends_with('Z'), "{time}");
        event
    };
    text.lines().map(event).collect()
}

#[test]
fn the_file_tells_a_visit_from_beginning_to_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let file = folder.path().join("audit.log");
    let settings = [
        ("LISTEN", listen.as_str()),
        // The log leaves out what the audit keeps.
        ("RUST_LOG", "error"),
        ("AUDIT_FILE", "audit.log"),
        ("CONFIG_FILE", "portal.toml"),
        ("SIGN_IN", "password, header"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("HEADER_ID", "Remote-User"),
        ("HEADER_EMAIL", "Remote-Email"),
    ];
    configure(folder.path(), &settings);
    let rules = "[[mapping]]\nname = \"locals\"\nwhen = { source = \"password\" }\nsubject = \"{source}|{id}\"\n\
                 [[mapping]]\nname = \"left\"\nwhen = { id = \"zoe\" }\ndeny = \"Your account is closed.\"\n";
    fs::write(folder.path().join("portal.toml"), rules).expect("written");
    let (code, _, err) =
        run_with_input(folder.path(), &["users", "add", "ada", "--email", "ada@example.com"], "correct horse\n");
    assert_eq!(code, Some(0), "{err}");
    let (_, out, err) = run(folder.path(), &["users", "list"]);
    assert!(out.contains("ada"), "{err}");
    let server = Server::start(folder.path());
    wait_for_port(port);
    assert_eq!(fs::metadata(&file).expect("made at the start").permissions().mode() & 0o777, 0o600);

    let form = "Content-Type: application/x-www-form-urlencoded";
    let from = "X-Forwarded-For: 198.51.100.7";
    let refused = send(port, "POST /login", &[form, from], "username=my+secret+word&password=wrong+horse");
    let signed_in = send(port, "POST /login", &[form, from], "username=ada&password=correct+horse");
    assert_eq!((refused.status, signed_in.status), (401, 303));
    let session = signed_in.cookie.clone().expect("a session");
    let cookie = format!("Cookie: {session}");
    let token = send(port, "GET /token?leak=in-the-query", &[&cookie, from], "");
    let page = send(port, "GET /embed/typed-by-hand", &[&cookie, from], "");
    let none = send(port, "GET /token/typed-by-hand", &[&cookie, from], "");
    let foreign = send(port, "GET /token", &[&cookie, from, "Origin: https://evil.example"], "");
    let signed_out = send(port, "POST /logout", &[&cookie, from], "");
    assert_eq!((token.status, page.status, none.status, foreign.status, signed_out.status), (200, 404, 404, 403, 303));
    let first = send(port, "GET /session", &[from, "Remote-User: eve", "Remote-Email: eve@example.com"], "");
    let of_eve = format!("Cookie: {}", first.cookie.clone().expect("a session"));
    let other = send(port, "GET /session", &[from, &of_eve, "Remote-User: mia"], "");
    let denied = send(port, "GET /token", &[from, "Remote-User: mia"], "");
    let gone = send(port, "GET /session", &[from, &format!("Cookie: {}", other.cookie.clone().expect("hers"))], "");
    let unclear = send(port, "GET /session", &[from, "Remote-User: eve", "Remote-User: ada"], "");
    let alike = send(port, "GET /session", &[from, "Remote_User: ada"], "");
    let left = send(port, "GET /embed/default", &[from, "Remote-User: zoe"], "");
    assert_eq!(left.status, 403);
    assert_eq!((first.status, other.status, denied.status, gone.status), (200, 200, 403, 401));
    assert_eq!((unclear.status, alike.status), (400, 401));

    let event = |level: &str, message: &str, answer: &Answer, more: Value| {
        let mut event = json!({
            "level": level, "message": message, "request_id": answer.request, "address": "198.51.100.7",
        });
        event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        event
    };
    let ada = "password:ada";
    let expected = [
        event(
            "WARN",
            "sign-in refused",
            &refused,
            json!({ "source": "password", "reason": "the name or the password is wrong" }),
        ),
        event("INFO", "signed in", &signed_in, json!({ "identity": ada })),
        event(
            "INFO",
            "token issued",
            &token,
            json!({ "identity": ada, "subject": "password|ada", "page": "default", "rule": "[[mapping]] 1 (locals)" }),
        ),
        event("WARN", "page refused", &page, json!({ "identity": ada, "reason": "no such page" })),
        event("WARN", "token refused", &none, json!({ "identity": ada, "reason": "no such page" })),
        event(
            "WARN",
            "token refused",
            &foreign,
            json!({ "reason": "a page of another origin asked for it: https://evil.example" }),
        ),
        event("INFO", "signed out", &signed_out, json!({ "identity": ada })),
        event("INFO", "signed in", &first, json!({ "identity": "header:eve" })),
        event("INFO", "signed in", &other, json!({ "identity": "header:mia" })),
        event(
            "INFO",
            "session ended",
            &other,
            json!({ "identity": "header:eve", "reason": "the proxy names somebody else" }),
        ),
        event("INFO", "signed in", &denied, json!({ "identity": "header:mia" })),
        event(
            "WARN",
            "token refused",
            &denied,
            json!({
                "identity": "header:mia", "page": "default", "rule": "template",
                "reason": "denied: there is no e-mail address, and Qlik asks for one",
            }),
        ),
        event(
            "INFO",
            "session ended",
            &gone,
            json!({ "identity": "header:mia", "reason": "the proxy names nobody any more" }),
        ),
        event(
            "WARN",
            "sign-in refused",
            &unclear,
            json!({ "source": "header", "reason": "the header remote-user came more than once" }),
        ),
        event("WARN", "identity headers removed", &alike, json!({ "headers": "remote_user" })),
        event("INFO", "signed in", &left, json!({ "identity": "header:zoe" })),
        event(
            "WARN",
            "page refused",
            &left,
            json!({
                "identity": "header:zoe", "page": "default", "rule": "[[mapping]] 2 (left)",
                "reason": "denied: [[mapping]] 2 (left) says so",
            }),
        ),
    ];
    assert_eq!(events(&file), expected);

    let text = fs::read_to_string(&file).expect("the file");
    let jwt = token.body.split('"').nth(3).expect("a token").to_owned();
    let id = session.split('=').nth(1).expect("a value");
    for secret in [&*jwt, "ey", id, "horse", "my secret word", "my+secret", "typed-by-hand", "in-the-query", "PRIVATE"]
    {
        assert!(!text.contains(secret), "{secret}");
    }
    drop(server);
}

fn wait_for_port(port: u16) {
    let patience = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < patience, "it does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn tell(server: &Server, signal: &str) {
    let told = Command::new("kill").args([signal, &server.child.id().to_string()]).status().expect("kill");
    assert!(told.success());
}

#[test]
fn a_signal_begins_a_new_file_and_loses_no_line() {
    const VISITORS: usize = 4;
    const EACH: usize = 40;
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let settings = [
        ("LISTEN", listen.as_str()),
        ("AUDIT_FILE", "audit.log"),
        // Few lines: nobody reads the log while visitors are on their way.
        ("RUST_LOG", "qlik_embed_bff::commands=info"),
        ("SIGN_IN", "header"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("HEADER_ID", "Remote-User"),
        ("HEADER_EMAIL", "Remote-Email"),
    ];
    configure(folder.path(), &settings);
    let at = |name: &str| folder.path().join(name);
    // The end of a machine that went down in the middle of a line.
    fs::write(at("audit.log"), "{\"torn\":").expect("written");
    let mut server = Server::start(folder.path());
    server.wait_for("serving");
    let first = send(port, "GET /token", &["Remote-User: 0", "Remote-Email: someone@example.com"], "").request;
    let mut ids: Vec<String> = std::thread::scope(|scope| {
        let visit = |visitor: usize| {
            let user = format!("Remote-User: {visitor}");
            let headers = [user.as_str(), "Remote-Email: someone@example.com"];
            (0..EACH).map(|_| send(port, "GET /token", &headers, "").request).collect::<Vec<_>>()
        };
        let visitors: Vec<_> = (0..VISITORS).map(|visitor| scope.spawn(move || visit(visitor))).collect();
        for turn in 1..=5 {
            fs::rename(at("audit.log"), at(&format!("audit.{turn}"))).expect("it is there");
            tell(&server, "-HUP");
            server.wait_for("the file of the audit is opened anew");
            assert_eq!(fs::metadata(at("audit.log")).expect("a new one").permissions().mode() & 0o777, 0o600);
        }
        visitors.into_iter().flat_map(|visitor| visitor.join().expect("no panic")).collect()
    });
    tell(&server, "-TERM");
    server.wait_for("stopped");

    let oldest = fs::read_to_string(at("audit.1")).expect("the first file");
    let rest = oldest.strip_prefix("{\"torn\":\n").expect("what was there stays, and its line ends").to_owned();
    fs::write(at("audit.1"), rest).expect("written");
    let files = ["audit.1", "audit.2", "audit.3", "audit.4", "audit.5", "audit.log"];
    let mut tokens: Vec<String> = Vec::new();
    for event in files.iter().flat_map(|name| events(&at(name))) {
        if event["message"] == "token issued" {
            tokens.push(event["request_id"].as_str().expect("text").to_owned());
        }
    }
    ids.push(first);
    ids.sort();
    tokens.sort();
    assert_eq!((tokens.len(), tokens), (VISITORS * EACH + 1, ids));
}

#[test]
fn a_file_that_cannot_be_written_is_a_problem_of_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("taken")).expect("a folder");
    for (file, words) in [("taken", "names taken, which cannot be written"), ("nowhere/x", "lies in nowhere")] {
        configure(folder.path(), &[("AUDIT_FILE", file)]);
        let (code, _, err) = run(folder.path(), &["serve"]);
        assert_eq!(code, Some(78), "{err}");
        assert!(err.contains(&format!("AUDIT_FILE {words}")), "{err}");
    }
    assert!(!folder.path().join("portal.db").exists(), "nothing was made");
}

/// `/dev/full` takes no byte, as a disk that is full.
#[test]
fn a_full_disk_is_told_once_and_stops_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let settings = [
        ("LISTEN", listen.as_str()),
        ("AUDIT_FILE", "audit.log"),
        ("SIGN_IN", "header"),
        ("TRUSTED_PROXIES", "127.0.0.1"),
        ("HEADER_ID", "Remote-User"),
        ("HEADER_EMAIL", "Remote-Email"),
    ];
    configure(folder.path(), &settings);
    std::os::unix::fs::symlink("/dev/full", folder.path().join("audit.log")).expect("a link");
    let mut server = Server::start(folder.path());
    server.wait_for("serving");
    for _ in 0..3 {
        let token = send(port, "GET /token", &["Remote-User: ada", "Remote-Email: ada@example.com"], "");
        assert_eq!(token.status, 200);
    }
    assert!(server.wait_for("the audit cannot be written").contains("No space left on device"));
    fs::remove_file(folder.path().join("audit.log")).expect("it is there");
    tell(&server, "-HUP");
    server.wait_for("the file of the audit is opened anew");
    send(port, "GET /token", &["Remote-User: ada", "Remote-Email: ada@example.com"], "");
    let told = server.wait_for("the audit is written again");
    assert!(told.contains("lost=6"), "a sign-in and a token each time: {told}");
    assert_eq!(events(&folder.path().join("audit.log")).len(), 2);
}
