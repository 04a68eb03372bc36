//! What the server looks at when it starts, and the commands before they begin.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::demo::{self, IdentityProvider, Refusal, Tenant, Times};
use qlik_embed_bff::store::{Settings, Store};

use super::{Server, configure, free_port, get, run, run_with_input};

#[test]
fn endless_heads_of_requests_are_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    configure(folder.path(), &[("LISTEN", &format!("127.0.0.1:{port}"))]);
    let mut server = Server::start(folder.path());
    server.wait_for("serving");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    // As much as a head may be, without its end. All of it is read, so that the answer is not lost with what nobody reads.
    let head = format!("GET /{}", "x".repeat(32 * 1024 - 5));
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 414") || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert!(get(port, "/healthz").starts_with("HTTP/1.1 200"), "others are served");
}

#[test]
fn a_port_in_use_is_said_and_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    configure(folder.path(), &[("LISTEN", &address)]);
    let (code, _, err) = run(folder.path(), &["serve"]);
    assert_eq!(code, Some(1));
    assert!(err.contains(&format!("cannot listen on {address}: stop the program that does, or set LISTEN")), "{err}");
    assert!(!folder.path().join("portal.db").exists());
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), &[("LISTEN", "127.0.0.1:0")]);
    let file = folder.path().join("portal.db");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let store = Store::open(&Settings::file(file.clone())).await.expect("a new store");
        store.sweep(Clock::default().now()).await.expect("it answers");
        store.close().await;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let pool = sqlx::SqlitePool::connect_with(options).await.expect("it opens");
        sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)")
            .execute(&pool)
            .await
            .expect("a later version");
        pool.close().await;
    });
    let (code, _, err) = run(folder.path(), &["serve"]);
    assert_eq!(code, Some(78));
    assert!(err.contains("belongs to a newer version of qlik-embed-bff"), "{err}");
}

#[test]
fn the_folder_of_the_database_is_made_and_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let (code, _, err) = run(folder.path(), &["users", "list"]);
    assert_eq!((code, folder.path().join("data").exists()), (Some(1), false), "looking makes nothing");
    assert!(err.contains("there is no database data/qlik-embed-bff.db yet"), "{err}");
    run_with_input(folder.path(), &["users", "add", "ada", "--email", "ada@example.com"], "correct horse\n");
    let mode = |path: &str| fs::metadata(folder.path().join(path)).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode("data"), 0o700);
    assert_eq!(mode("data/qlik-embed-bff.db"), 0o600);
    assert_eq!(mode("data/qlik-embed-bff.db.secret"), 0o600);
    fs::write(folder.path().join("data/qlik-embed-bff.db.secret"), "cut").expect("written");
    let (code, _, err) = run(folder.path(), &["users", "list"]);
    assert_eq!(code, Some(78));
    assert!(err.contains("is damaged"), "{err}");
}

#[tokio::test]
async fn a_token_is_tried_at_the_tenant() {
    let folder = tempfile::tempdir().expect("a folder");
    let provider = IdentityProvider::new("https://portal.example", "key-1", crate::portal::KEY.certificate.clone());
    let tenant =
        Tenant::start(demo::Settings { providers: vec![provider], ..Default::default() }).await.expect("a tenant");
    configure(folder.path(), &[("QLIK_TENANT", tenant.origin())]);
    let path = folder.path().to_owned();
    let run_try =
        move || run(&path, &["token", "--try", "--identity", "ada", "--name", "Ada", "--email", "ada@example.com"]);
    let attempt = async || tokio::task::spawn_blocking(run_try.clone()).await.expect("it ends");
    let accepted = format!("The tenant {} accepted the token: Ada is signed in as password|ada.\n", tenant.origin());
    assert_eq!(attempt().await, (Some(0), accepted, String::new()));
    for (refusal, words) in [
        (
            Refusal::NotAcceptablePage,
            ["the tenant refused the token with status 406: 406 Not Acceptable", "not-acceptable"],
        ),
        (Refusal::NotAMember, ["the tenant refused the token with status 403: AUTH-5", "not-a-member"]),
    ] {
        tenant.control().refuse("/login/jwt-session", refusal, Times::Next(1));
        let (code, out, err) = attempt().await;
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(words.iter().all(|words| err.contains(words)) && !err.contains("eyJ"), "{err}");
        assert!(err.contains("\n(advice: "), "{err}");
    }
    drop(tenant);
    let (code, _, err) = attempt().await;
    assert_eq!(code, Some(1));
    assert!(err.contains("the tenant did not answer") && !err.contains("eyJ"), "{err}");
    assert!(err.contains("(advice: connection-refused,"), "{err}");
}
