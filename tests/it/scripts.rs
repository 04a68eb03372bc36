//! The shell scripts, on machines that lack things.
//!
//! Nothing is installed or removed here: the scripts see a path in which programs are missing, and a package manager
//! that only says how it was called.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// A machine with a shell, the tools named here, and stand-ins for others.
struct Machine(tempfile::TempDir);

impl Machine {
    fn with(tools: &[&str]) -> Self {
        let machine = Self(tempfile::tempdir().expect("a directory can be made"));
        for tool in [&["sh", "dirname", "cat", "cksum"], tools].concat() {
            let found =
                ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool)).into_iter().find(|path| path.exists());
            let found = found.unwrap_or_else(|| panic!("{tool} is on every machine"));
            symlink(found, machine.0.path().join(tool)).expect("a new directory is empty");
        }
        machine
    }

    /// A program that prints a line and succeeds.
    fn stand_in(self, name: &str, line: &str) -> Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder of ours");
        fs::write(&path, format!("#!/bin/sh\necho \"{line}\"\n")).expect("can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        self
    }

    /// Runs a script of ours: whether it succeeded, and what it said.
    fn run(&self, script: &str) -> (bool, String) {
        self.run_in(Path::new(env!("CARGO_MANIFEST_DIR")), script)
    }

    fn run_in(&self, tree: &Path, script: &str) -> (bool, String) {
        let output = Command::new(tree.join("scripts").join(script))
            .env_clear()
            .env("PATH", self.0.path())
            .env("POLICY_FILE", self.0.path().join("policy-rc.d"))
            .env("CLUSTERS", self.0.path().join("createcluster.d"))
            .env("POSTGRESQL", self.0.path().join("postgresql"))
            .output()
            .expect("scripts can be run");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }
}

#[test]
fn root_on_debian_gets_what_the_tests_need() {
    let bare = Machine::with(&["chmod", "mkdir", "rm"])
        .stand_in("id", "0")
        .stand_in(
            "apt-get",
            "apt-get $*, $DEBIAN_FRONTEND, services: $(cat $POLICY_FILE), databases: $(cat $CLUSTERS/*)",
        )
        .stand_in("systemctl", "systemctl $*");
    let (succeeded, said) = bare.run("setup-tests");
    assert!(succeeded, "{said}");
    let (update, install) = said.split_once("noninteractive").expect("an update, then an installation");
    assert!(update.contains("apt-get update"), "{said}");
    assert!(
        install.contains("install -y")
            && install.contains("chromium fonts-liberation chromium-driver openssl nginx python3 python3-venv ")
            && install.contains(" postgresql redis-server prometheus systemd kubernetes-client faketime,"),
        "{said}"
    );
    assert!(install.contains("databases: create_main_cluster = false"), "PostgreSQL's package makes none: {said}");
    assert!(
        install.contains("exit 101")
            && ["nginx", "postgresql", "redis-server", "prometheus"]
                .map(|name| install.contains(&format!("systemctl disable {name}\n")))
                == [true; 4],
        "no service starts: {said}"
    );
    assert_eq!(fs::read_dir(bare.0.path().join("createcluster.d")).expect("a folder").count(), 0, "as it was");
    assert!(!bare.0.path().join("policy-rc.d").exists(), "other packages may start theirs again");
}

#[test]
fn others_are_told_the_command_and_nothing_is_installed() {
    let bare = Machine::with(&[]).stand_in("id", "1000").stand_in("apt-get", "must not be called");
    let (succeeded, said) = bare.stand_in("openssl", "is here").run("setup-tests");
    assert!(!succeeded);
    let packages = "chromium fonts-liberation chromium-driver nginx python3 python3-venv postgresql redis-server prometheus \
                    systemd kubernetes-client faketime";
    assert!(said.contains(&format!("apt-get install -y {packages}\n")), "{said}");
    assert!(!said.contains("must not be called"), "{said}");
}

#[test]
fn a_machine_that_has_everything_is_left_alone() {
    let programs = [
        "chromium",
        "chromedriver",
        "openssl",
        "nginx",
        "python3",
        "redis-server",
        "promtool",
        "systemd-analyze",
        "faketime",
    ];
    let complete = programs.iter().fold(Machine::with(&[]), |machine, name| machine.stand_in(name, ""));
    // Where Debian has it; elsewhere it is in the path.
    let complete = complete.stand_in("kubectl", "").stand_in("postgresql/15/bin/postgres", "");
    assert_eq!(complete.stand_in("apt-get", "must not be called").run("setup-tests"), (true, String::new()));
}

#[test]
fn the_comparison_gets_what_it_needs_in_the_same_way() {
    let bare = Machine::with(&[]).stand_in("id", "1000");
    let (succeeded, said) = bare.run("setup-bench");
    assert!(!succeeded && said.contains("sudo apt-get install -y nginx haproxy\n"), "{said}");

    let half = Machine::with(&["chmod", "rm"])
        .stand_in("nginx", "")
        .stand_in("id", "0")
        .stand_in("apt-get", "apt-get $*, services: $(cat $POLICY_FILE)")
        .stand_in("systemctl", "systemctl $*");
    let (succeeded, said) = half.run("setup-bench");
    assert!(succeeded, "{said}");
    assert!(said.contains("--no-install-recommends haproxy, services: ") && said.contains("exit 101"), "{said}");
    assert!(said.contains("systemctl disable haproxy") && !said.contains("disable nginx"), "{said}");
    assert_eq!(half.stand_in("haproxy", "").run("setup-bench"), (true, String::new()));
}

#[test]
fn without_a_recent_node_nothing_is_fetched() {
    let tree = tempfile::tempdir().expect("a directory can be made");
    for file in ["scripts/vendor", "web/package.json", "web/package-lock.json"] {
        let to = tree.path().join(file);
        fs::create_dir_all(to.parent().expect("a file lies in a folder")).expect("a new directory is empty");
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), to).expect("it is committed");
    }
    let (succeeded, said) = Machine::with(&[]).run_in(tree.path(), "vendor");
    assert!(!succeeded && said.contains("node is not installed. Node.js 20"), "{said}");

    let old = Machine::with(&[]).stand_in("node", "18").stand_in("npm", "must not be called");
    let (succeeded, said) = old.run_in(tree.path(), "vendor");
    assert!(!succeeded && said.contains("Node.js 20 or later is needed; node is version 18"), "{said}");
    assert!(!tree.path().join("static").exists() && !said.contains("must not be called"), "{said}");
}

#[test]
fn what_checks_manifests_is_pinned_and_takes_a_recent_python() {
    let tree = tempfile::tempdir().expect("a directory can be made");
    for file in ["scripts/manifests", "tests/deploy/requirements.txt"] {
        let to = tree.path().join(file);
        fs::create_dir_all(to.parent().expect("a file lies in a folder")).expect("a folder of ours");
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), to).expect("it is committed");
    }
    let (succeeded, said) = Machine::with(&[]).run_in(tree.path(), "manifests");
    assert!(!succeeded && said.contains("Python 3.10 or later") && said.contains("python3-venv"), "{said}");
    assert!(!tree.path().join("target").exists());

    let list = fs::read_to_string(tree.path().join("tests/deploy/requirements.txt")).expect("it is committed");
    let packages: Vec<_> = list.split("\n").filter(|line| !line.starts_with(' ') && !line.is_empty()).collect();
    assert!(packages.len() > 5 && packages.iter().all(|line| line.contains("==") && line.ends_with('\\')), "{list}");
}

#[test]
fn front_end_packages_are_pinned_by_version_and_digest_and_by_no_address() {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("web").join(name);
        let text = fs::read_to_string(path).expect("it is committed");
        serde_json::from_str::<serde_json::Value>(&text).expect("it is JSON")
    };
    let package = read("package.json");
    for kind in ["dependencies", "devDependencies"] {
        for (name, version) in package[kind].as_object().expect("both kinds are there") {
            let version = version.as_str().unwrap_or_default();
            assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "{name} is not pinned: {version}");
        }
    }
    for (name, locked) in read("package-lock.json")["packages"].as_object().expect("packages are locked") {
        let whole = name.is_empty() || locked["integrity"].as_str().is_some_and(|digest| digest.starts_with("sha512-"));
        assert!(whole && locked.get("resolved").is_none(), "{name}: {locked}");
    }
}
