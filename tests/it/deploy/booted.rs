//! The units under a real systemd: process 1 of namespaces of its own, which boot.sh makes. That takes root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use qlik_embed_bff::demo::{self, IdentityProvider, Tenant, Tls};
use tokio::task::block_in_place;

use super::{path, read, root, run};
use crate::binary::{Server, command, configure, free_port, run_with_input};
use crate::browser::cookies::certificate;
use crate::cluster::load::{Load, assert_all_good};
use crate::cluster::visitor::Visitor;
use crate::portal::KEY;
use crate::proxied::until;

const SERVICE: &str = "qlik-embed-bff.service";
const SOCKET: &str = "qlik-embed-bff.socket";
/// Of the tests' own, so that they need not wait for half a minute.
const WATCHDOG: Duration = Duration::from_secs(8);

/// What the services of this systemd are ordered after, with nothing in it.
const TARGETS: [&str; 5] = ["sysinit", "basic", "shutdown", "network-online", "sockets"];

/// A systemd that runs. It ends when dropped, with all that it started.
struct Systemd {
    process: Child,
    /// Its number on this machine.
    init: u32,
    group: PathBuf,
}

/// What boot.sh does of which a container may be refused the right.
const MOUNTS: &str = "
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount -t tmpfs tmpfs /run
    mkdir /run/new /run/work
    mount -t overlay -o lowerdir=/etc,upperdir=/run/new,workdir=/run/work over /etc";

/// An empty control group, if this machine lets us have one, the namespaces and what is mounted in them.
fn permitted() -> Result<PathBuf, String> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("Linux");
    let unified = mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
    let root = Path::new(unified.ok_or("there are no control groups of version 2")?);
    // Below our own, whose limits hold for what we start.
    let ours = fs::read_to_string("/proc/self/cgroup").expect("Linux");
    let ours = ours.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    let group = root.join(ours).join(format!("qlik-embed-bff-{}", std::process::id()));
    let mut namespaces = Command::new("unshare");
    namespaces.args(["--mount", "--pid", "--cgroup", "--ipc", "--uts", "--fork", "sh", "-euc", MOUNTS]);
    let tried = namespaces.output().map_err(|problem| format!("unshare cannot be run: {problem}"))?;
    if !tried.status.success() {
        let said = String::from_utf8_lossy(&tried.stderr);
        return Err(format!("this user may not make namespaces, or not mount in them: {said}"));
    }
    fs::create_dir(&group).map_err(|problem| format!("no control group can be made: {problem}"))?;
    Ok(group)
}

impl Systemd {
    /// Knows the units of `deploy/` and the changes of this folder, and nothing else of this machine.
    async fn boot(folder: &Path, group: PathBuf) -> Self {
        let log = fs::File::create(folder.join("log")).expect("a file");
        let mut boot = Command::new("sh");
        boot.arg(root().join("tests/it/deploy/boot.sh"))
            .args([folder, &group])
            .arg(env!("CARGO_BIN_EXE_qlik-embed-bff"));
        let process =
            boot.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log).spawn().expect("sh");
        let mut systemd = Self { process, init: 0, group };
        let children = format!("/proc/{0}/task/{0}/children", systemd.process.id());
        let patience = Instant::now() + Duration::from_secs(20);
        while !systemd.is_up() {
            let said = fs::read_to_string(folder.join("log")).expect("it is there");
            let ended = systemd.process.try_wait().expect("ours");
            assert!(ended.is_none() && Instant::now() < patience, "systemd does not start: {said}");
            tokio::time::sleep(Duration::from_millis(50)).await;
            let child = fs::read_to_string(&children).unwrap_or_default();
            systemd.init = child.trim().parse().unwrap_or_default();
        }
        systemd
    }

    /// A command beside it.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--pid"]).args(words);
        command
    }

    /// Not before it is process 1: this machine's own systemd would be asked.
    fn is_up(&self) -> bool {
        let name = fs::read_to_string(format!("/proc/{}/comm", self.init)).unwrap_or_default();
        let asked = name == "systemd\n";
        asked && self.command(&["systemctl", "is-system-running"]).output().is_ok_and(|said| said.status.success())
    }

    fn ctl(&self, words: &[&str]) {
        block_in_place(|| run(&mut self.command(&[&["systemctl"], words].concat())));
    }

    /// A property of this unit.
    fn of(&self, unit: &str, property: &str) -> String {
        let words = ["systemctl", "show", "--value", "--property", property, unit];
        block_in_place(|| run(&mut self.command(&words))).trim().to_owned()
    }

    fn of_service(&self, property: &str) -> String {
        self.of(SERVICE, property)
    }

    /// A file as it sees it.
    fn file(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root/{name}", self.init))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("run/server.log")).unwrap_or_default()
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let _ = fs::write(self.group.join("cgroup.kill"), "1");
        // Where the kernel knows no such file, process 1 ends with the one that made its namespaces, and takes all the others along.
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Those that it started are a moment longer on their way out.
        for _ in 0..200 {
            if remove(&self.group).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Removes a control group with those below it. The files in them are no files.
fn remove(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// The units with what has to be another here: the port, a log that can be read, and less patience. The secret is one of those of
/// stores.conf.
fn units(folder: &Path, port: u16) {
    let write = |name: String, text: String| {
        let file = folder.join("units").join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        fs::write(file, text).expect("written");
    };
    for target in TARGETS {
        write(format!("{target}.target"), "[Unit]\nDefaultDependencies=no\n".into());
    }
    for unit in [SERVICE, SOCKET, "qlik-embed-bff.sysusers"] {
        fs::copy(path("systemd").join(unit), folder.join("units").join(unit)).expect("copied");
    }
    let stores = read("systemd/stores.conf");
    let secret: Vec<_> = stores.lines().filter(|line| line.contains("session-secret")).collect();
    assert_eq!(secret.len(), 2, "{secret:?}");
    let service = format!(
        "[Service]\n{}\nWatchdogSec={}s\nStandardError=append:/run/server.log\n",
        secret.join("\n"),
        WATCHDOG.as_secs()
    );
    write(format!("{SERVICE}.d/test.conf"), service);
    write(format!("{SOCKET}.d/test.conf"), format!("[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n"));
    fs::create_dir(folder.join("etc")).expect("a new folder");
    fs::write(folder.join("etc/session-secret"), "a secret that nobody but root can read").expect("written");
}

/// What lies in the working directory: settings, keys, and a database with an account.
fn state(folder: &Path, port: u16, tenant: &Tenant, authority: &Path) -> PathBuf {
    let state = folder.join("state");
    fs::create_dir(&state).expect("a new folder");
    let public_url = format!("http://localhost:{port}");
    let changes = [
        ("PUBLIC_URL", public_url.as_str()),
        ("QLIK_TENANT", tenant.origin()),
        ("QLIK_WEB_INTEGRATION_ID", ""),
        ("QLIK_APP_ID", demo::APP_ID),
        ("QLIK_SHEET_ID", demo::SHEET_ID),
        ("TLS_CA_FILE", "authority.pem"),
        ("DATABASE_URL", "sqlite:data/portal.db"),
    ];
    configure(&state, &changes);
    fs::copy(authority, state.join("authority.pem")).expect("copied");
    let add = ["users", "add", "ada", "--email", "ada@example.com"];
    let (code, _, err) = run_with_input(&state, &add, "correct horse\n");
    assert_eq!(code, Some(0), "{err}");
    state
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_units_serve_reload_recover_and_stop_under_a_real_systemd() {
    let (_certificate, authority, key) = certificate(&["localhost"]);
    let text = |file| fs::read_to_string(file).expect("it is there");
    let tls = Tls { certificate: text(&authority), key: text(&key) };
    let provider = IdentityProvider::new("https://portal.example", "key-1", &*KEY.certificate);
    let settings = demo::Settings { providers: vec![provider], tls: Some(tls), ..demo::Settings::default() };
    let tenant = Tenant::start(settings).await.expect("a tenant");
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    units(folder.path(), port);
    let state = state(folder.path(), port, &tenant, &authority);
    match permitted() {
        Ok(group) => supervised(&Systemd::boot(folder.path(), group).await, port).await,
        Err(reason) => {
            eprintln!("no systemd was started, since {reason}: run the tests as root. The server is tried by itself.");
            by_itself(&state, port).await;
        }
    }
}

/// What can be tried where systemd cannot: the same settings serve.
async fn by_itself(state: &Path, port: u16) {
    let mut serve = command(state, &["serve"]);
    serve.env("LISTEN", format!("127.0.0.1:{port}"));
    let mut server = Server::by(serve);
    block_in_place(|| server.wait_for("serving"));
    at_work(&Visitor::sign_in(&format!("localhost:{port}"), port, "ada").await).await;
    server.ask_to_stop();
    assert_eq!(server.child.wait().expect("it ends").code(), Some(0));
}

/// All that a visitor does: the key signs, the tenant is reached, the database keeps.
async fn at_work(visitor: &Visitor) {
    for path in ["/embed/default", "/token", "/api/v1/users/me"] {
        let answer = visitor.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
}

async fn supervised(systemd: &Systemd, port: u16) {
    // The first visitor is there before the server, and waits for it.
    systemd.ctl(&["start", SOCKET]);
    assert_eq!(systemd.of_service("ActiveState"), "inactive");
    let ada = Visitor::sign_in(&format!("localhost:{port}"), port, "ada").await;
    assert_eq!(systemd.of_service("ActiveState"), "active", "{}", systemd.log());
    assert_eq!(systemd.of_service("StatusText"), format!("serving on 127.0.0.1:{port}"));
    at_work(&ada).await;
    closed_to_the_machine(systemd);

    reload(systemd, &ada).await;
    restart_unnoticed(systemd, &ada).await;
    let signs = async || systemd.of_service("WatchdogTimestampMonotonic");
    let first = signs().await;
    crate::outlast(WATCHDOG).await;
    assert_ne!(signs().await, first, "it says that it is well");
    assert_eq!(systemd.of_service("NRestarts"), "0");
    hang(systemd, &ada).await;
    refuse_to_start(systemd, &ada).await;

    systemd.ctl(&["stop", SOCKET, SERVICE]);
    assert_eq!((systemd.of_service("Result"), systemd.of_service("ExecMainStatus")), ("success".into(), "0".into()));
    assert_eq!(ada.get("/session").await.status, 0, "the address is given back");
    assert!(!systemd.log().contains("secret that nobody"));
}

/// What the unit promises of the process holds.
fn closed_to_the_machine(systemd: &Systemd) {
    let process = systemd.of_service("MainPID");
    let status = fs::read_to_string(systemd.file(&format!("proc/{process}/status"))).expect("it runs");
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    assert!(!status.contains("Uid:\t0"), "{status}");
    let limits = fs::read_to_string(systemd.file(&format!("proc/{process}/limits"))).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert!(core.split_whitespace().any(|word| word == "0"), "no dump of its memory: {core}");
}

/// Settings that are good are in effect, and those that are not are told of.
async fn reload(systemd: &Systemd, ada: &Visitor) {
    let file = systemd.file("var/lib/qlik-embed-bff/.env");
    let good = fs::read_to_string(&file).expect("it is there");
    fs::write(&file, format!("{good}PORTAL_NAME=Elsewhere\n")).expect("written");
    systemd.ctl(&["reload", SERVICE]);
    until(async || ada.open("/embed/default").await.body.contains("Elsewhere")).await;
    until(async || systemd.of_service("StatusText") == "serving").await;
    fs::write(&file, format!("{good}SESSION_IDLE=soon\n")).expect("written");
    systemd.ctl(&["reload", SERVICE]);
    until(async || systemd.of_service("StatusText").starts_with("serving with the old configuration")).await;
    fs::write(&file, good).expect("written");
}

/// Visitors wait while it is started anew, and none is turned away.
async fn restart_unnoticed(systemd: &Systemd, ada: &Visitor) {
    let process = systemd.of_service("MainPID");
    let load = Load::of(&[ada.clone(), ada.clone()]);
    systemd.ctl(&["restart", SERVICE]);
    assert_ne!(systemd.of_service("MainPID"), process);
    at_work(ada).await;
    assert_all_good(&load.end().await, 5);
}

/// A server that stands still is ended and started again. Whoever came meanwhile waits for the next one, and is still signed in.
async fn hang(systemd: &Systemd, ada: &Visitor) {
    let process = systemd.of_service("MainPID");
    systemd.ctl(&["kill", "--signal=STOP", SERVICE]);
    at_work(ada).await;
    assert_ne!(systemd.of_service("MainPID"), process);
    assert_eq!(systemd.of_service("NRestarts"), "1");
}

/// With settings that cannot be used it is not started again and again; visitors who come try it some more times, until systemd
/// has had enough. The words of docs/production.md help then.
async fn refuse_to_start(systemd: &Systemd, ada: &Visitor) {
    let file = systemd.file("var/lib/qlik-embed-bff/.env");
    let good = fs::read_to_string(&file).expect("it is there");
    fs::write(&file, format!("{good}SESSION_IDLE=soon\n")).expect("written");
    let restarted = block_in_place(|| systemd.command(&["systemctl", "restart", SERVICE]).output().expect("it runs"));
    assert!(!restarted.status.success());
    assert_eq!(systemd.of_service("ExecMainStatus"), "78", "{}", systemd.log());
    assert_eq!(ada.get("/session").await.status, 0);
    until(async || systemd.of(SOCKET, "ActiveState") == "failed").await;
    assert_eq!(systemd.of_service("NRestarts"), "0");
    fs::write(&file, good).expect("written");
    systemd.ctl(&["reset-failed", SOCKET, SERVICE]);
    systemd.ctl(&["start", SOCKET, SERVICE]);
    at_work(ada).await;
}
