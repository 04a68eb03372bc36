//! compose.yaml: what the specification allows, in itself and with nginx.conf and the image.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{duration, is_setting, path, read, run, time_to_stop, yaml};
use crate::binary::free_port;

fn composed() -> Value {
    yaml("compose", &[path("compose.yaml")]).remove(0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no table")).keys().map(String::as_str).collect()
}

fn names(value: &Value) -> BTreeSet<&str> {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list")).iter().map(text).collect()
}

fn servers(composed: &Value) -> Vec<(&str, &Value)> {
    let services = composed["services"].as_object().expect("services");
    services.iter().filter(|(name, _)| name.starts_with("portal-")).map(|(name, it)| (name.as_str(), it)).collect()
}

#[test]
fn three_servers_are_alike_and_have_time_to_stop() {
    let composed = composed();
    let servers = servers(&composed);
    assert_eq!(servers.len(), 3);
    for (name, server) in servers {
        assert_eq!(server, &composed["x-portal"], "{name}");
        let environment = server["environment"].as_object().expect("a table");
        for (name, value) in environment {
            assert!(is_setting(name), "{name} is no setting");
            let secret = text(value).strip_prefix("/run/secrets/");
            assert_eq!(name.ends_with("_FILE"), secret.is_some(), "{name}");
            assert!(secret.is_none_or(|secret| names(&server["secrets"]).contains(secret)), "{name}");
        }
        let stop = duration(text(&server["stop_grace_period"]));
        assert!(stop > time_to_stop(text(&environment["SHUTDOWN_DELAY"])), "{stop:?}");
    }
}

#[test]
fn what_services_name_is_there() {
    let composed = composed();
    for (name, service) in composed["services"].as_object().expect("services") {
        let networks = &service["networks"];
        let networks = if networks.is_array() { names(networks) } else { keys(networks) };
        assert!(!networks.is_empty() && networks.is_subset(&keys(&composed["networks"])), "{name}: {networks:?}");
        if service.get("secrets").is_some() {
            assert!(names(&service["secrets"]).is_subset(&keys(&composed["secrets"])), "{name}");
        }
    }
    let ignored = read(".gitignore");
    for (name, secret) in composed["secrets"].as_object().expect("secrets") {
        let file = text(&secret["file"]);
        assert!(file.starts_with("./secrets/") && ignored.contains("/secrets"), "{name} must not be committed: {file}");
    }
    assert_eq!(composed["networks"]["stores"]["internal"], true);
}

/// The servers believe what nginx says of visitors, and nobody else.
#[test]
fn nginx_asks_each_server_and_is_the_one_proxy_that_they_believe() {
    let composed = composed();
    let servers = servers(&composed);
    let conf = read("nginx.conf");
    let asked: Vec<_> =
        conf.lines().filter_map(|line| line.trim().strip_prefix("server ")?.split_once(":8080 ")).collect();
    assert_eq!(
        asked.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        servers.iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
    let nginx = &composed["services"]["nginx"];
    let address = &nginx["networks"]["portal"]["ipv4_address"];
    assert_eq!(&servers[0].1["environment"]["TRUSTED_PROXIES"], address);
    let subnet: ipnet::IpNet =
        text(&composed["networks"]["portal"]["ipam"]["config"][0]["subnet"]).parse().expect("a net");
    assert!(subnet.contains(&text(address).parse::<std::net::IpAddr>().expect("an address")));
    for volume in names(&nginx["volumes"]) {
        let (here, there) = volume.split_once(':').expect("two places");
        let there = there.trim_end_matches(":ro");
        assert!(there == "/etc/nginx/nginx.conf" || conf.contains(&format!("{there}/")), "{volume}");
        assert!(here == "./tls" || path(here).exists(), "{volume}");
    }
}

struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What Compose makes of a text: `$$` is one `$`. The secret is elsewhere.
fn here(text: &str, folder: &Path) -> String {
    text.replace("$$", "$").replace("/run/secrets", &folder.display().to_string())
}

/// The command of the file starts a Redis that takes nobody without the password, and its health check knows it.
#[test]
fn redis_starts_by_its_command_and_asks_for_the_password() {
    let composed = composed();
    let service = &composed["services"]["sessions"];
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("session-store-password"), "a password of the test\n".replace(' ', "-"))
        .expect("written");
    let command: Vec<_> = service["command"].as_array().expect("a list").iter().map(text).collect();
    let [shell, flags, script] = command[..] else { panic!("{command:?}") };
    let port = free_port();
    let place = format!("dir {}\nbind 127.0.0.1\nport {port}", folder.path().display());
    let script = here(script, folder.path()).replace("dir /data", &place);
    let mut redis = Command::new(shell);
    let redis = redis.args([flags, &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut redis = Redis(redis.spawn().expect("a shell"));
    let patience = Instant::now() + Duration::from_secs(20);
    let stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(_) => {
                let ended = redis.0.try_wait().expect("ours");
                assert!(ended.is_none() && Instant::now() < patience, "Redis does not listen: {ended:?}");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    };
    let name = fs::read_to_string(format!("/proc/{}/comm", redis.0.id())).expect("it runs");
    assert_eq!(name.trim(), "redis-server", "the shell has made room, so that a signal to stop reaches it");
    let (mut line, mut answers) = (String::new(), BufReader::new(&stream));
    let mut say = |words: &str| {
        (&stream).write_all(format!("{words}\r\n").as_bytes()).expect("sent");
        line.clear();
        answers.read_line(&mut line).expect("an answer");
        line.trim().to_owned()
    };
    assert!(say("PING").starts_with("-NOAUTH"));
    assert_eq!(say("AUTH a-password-of-the-test"), "+OK");
    assert_eq!(say("PING"), "+PONG");

    let test: Vec<_> = service["healthcheck"]["test"].as_array().expect("a list").iter().map(text).collect();
    let ["CMD-SHELL", check] = test[..] else { panic!("{test:?}") };
    let check = here(check, folder.path()).replace("redis-cli", &format!("redis-cli -p {port}"));
    run(Command::new("sh").args(["-c", &check]));
    fs::write(folder.path().join("session-store-password"), "another\n").expect("written");
    assert!(!Command::new("sh").args(["-c", &check]).output().expect("a shell").status.success());
}
