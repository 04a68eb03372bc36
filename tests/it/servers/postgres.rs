//! A real PostgreSQL server.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{signal, wait_for};
use crate::binary::free_port;

/// Nobody's fsync is waited for: what a test writes need not outlast the machine.
const FAST: [&str; 8] =
    ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200"];

pub struct Postgres {
    folder: TempDir,
    process: Option<Child>,
    pub port: u16,
    more: Vec<String>,
}

impl Postgres {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// With these files beside its data, which its settings may name.
    pub fn with_files(files: &[(&str, &str)], more: &[&str]) -> Self {
        let mut server = Self::with(&[]);
        server.stop();
        for (name, content) in files {
            let file = server.folder.path().join("data").join(name);
            fs::write(&file, content).expect("written");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("ours");
            give_to_postgres(&file);
        }
        server.more = more.iter().map(|&word| word.to_owned()).collect();
        server.start_again();
        server
    }

    fn with(more: &[&str]) -> Self {
        let more = more.iter().map(|&word| word.to_owned()).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        fs::create_dir(&data).expect("a folder for it");
        give_to_postgres(folder.path());
        give_to_postgres(&data);
        let mut make = command("initdb");
        make.args(["--no-sync", "--auth=trust", "--username=portal", "--encoding=UTF8", "--locale=C.UTF-8", "-D"]);
        let made =
            make.arg(&data).stdout(Stdio::null()).status().expect("PostgreSQL is installed: run `make setup-tests`");
        assert!(made.success(), "the database cluster can be made");
        let mut server = Self { folder, process: None, port: free_port(), more };
        server.start_again();
        server
    }

    /// On the same port and data.
    pub fn start_again(&mut self) {
        let mut command = command("postgres");
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-h", "127.0.0.1", "-p"])
            .arg(self.port.to_string());
        command.arg("-k").arg(self.folder.path()).args(FAST).args(&self.more).stderr(Stdio::null());
        let mut process = command.spawn().expect("the server starts");
        wait_for(&mut process, self.port, "PostgreSQL");
        self.process = Some(process);
    }

    /// Breaks off what is under way, and keeps what was written.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            signal(&process, "INT");
            let _ = process.wait();
        }
    }

    /// The address of a database of that name, made if it is not there.
    pub fn database(&self, name: &str) -> String {
        let port = self.port.to_string();
        let mut make = Command::new(program("createdb"));
        make.args(["-h", "127.0.0.1", "-p", &port, "-U", "portal", name]);
        // It listens before it answers.
        let made = (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            make.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        });
        assert!(made, "a database can be made");
        format!("postgres://portal@127.0.0.1:{port}/{name}")
    }
}

impl Postgres {
    /// Has the server do this.
    pub fn say(&self, url: &str, sql: &str) {
        for sql in sql.split("; ") {
            let mut command = Command::new(program("psql"));
            let done = command.args([url, "-q", "-v", "ON_ERROR_STOP=1", "-c", sql]).status();
            assert!(done.expect("psql is there").success());
        }
    }

    /// What the server answers.
    pub fn ask(&self, url: &str, sql: &str) -> String {
        let told = Command::new(program("psql")).args([url, "-qtA", "-c", sql]).output().expect("psql is there");
        assert!(told.status.success(), "{told:?}");
        String::from_utf8(told.stdout).expect("text").trim().to_owned()
    }

    /// Whom it lets in, and how, from now on.
    pub fn let_in_by(&self, rules: &str) {
        let file = self.folder.path().join("data/pg_hba.conf");
        fs::write(&file, rules).expect("written");
        signal(self.process.as_ref().expect("it runs"), "HUP");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Debian keeps the programs of each version apart, outside of the path.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> =
        versions.map(|version| version.path().join("bin").join(name)).filter(|file| file.exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}

/// PostgreSQL does not run as root.
fn command(name: &str) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program(name));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program(name));
    command
}

fn give_to_postgres(folder: &Path) {
    if rustix::process::getuid().is_root() {
        let id = |kind: &str| {
            let output = Command::new("id").args([kind, "postgres"]).output().expect("id is there").stdout;
            String::from_utf8_lossy(&output).trim().parse().expect("PostgreSQL's package makes its user")
        };
        chown(folder, Some(id("-u")), Some(id("-g"))).expect("the folder is ours to give");
    }
}
