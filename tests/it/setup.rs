//! `setup`: the real binary against a simulated tenant in which nobody has done anything yet.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use qlik_embed_bff::demo::{ApiKey, Settings, Tenant};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::command;
use crate::portal::KEY;

mod applied;
mod at_a_terminal;
mod interrupted;
mod refused;
mod rotated;

pub const API_KEY: &str = "the-key-of-an-administrator";
pub const POWERLESS: &str = "the-key-of-somebody-else";
pub const PORTAL: &str = "http://localhost:8080";

/// A tenant without anything but an app, and an empty folder.
pub struct Newcomer {
    pub tenant: Tenant,
    pub folder: TempDir,
    /// What the process's environment says.
    pub env: BTreeMap<&'static str, String>,
}

/// How the command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Newcomer {
    pub async fn with(edit: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            auto_create_groups: false,
            api_keys: vec![API_KEY.into(), ApiKey::of_user(POWERLESS)],
            ..Settings::default()
        };
        edit(&mut settings);
        let tenant = Tenant::start(settings).await.expect("the tenant starts");
        let env = [("QLIK_TENANT", tenant.origin()), ("QLIK_API_KEY", API_KEY), ("PUBLIC_URL", PORTAL)];
        let env = env.map(|(name, value)| (name, value.to_owned())).into();
        Self { tenant, folder: tempfile::tempdir().expect("a folder"), env }
    }

    /// The same, and a key pair is there already: making one takes long.
    pub async fn with_key(edit: impl FnOnce(&mut Settings)) -> Self {
        let newcomer = Self::with(edit).await;
        newcomer.place_key();
        newcomer
    }

    pub fn place_key(&self) {
        fs::create_dir_all(self.path().join("keys")).expect("a folder");
        let write = |name: &str, text: &str| fs::write(self.path().join("keys").join(name), text).expect("written");
        write("privatekey.pem", KEY.private_key.expose_secret());
        write("publickey.cer", &KEY.certificate);
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(self.path().join("keys/privatekey.pem"), private).expect("ours");
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn setup(&self, arguments: &[&str]) -> Ended {
        let mut command = command(self.path(), &["setup"]);
        let output = command.args(arguments).envs(&self.env).stdin(Stdio::null()).output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let ended = Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        for text in [&ended.out, &ended.err] {
            assert!(!text.contains(API_KEY) && !text.contains("PRIVATE KEY"), "a secret is shown: {text}");
        }
        ended
    }

    /// It must end well.
    pub fn set_up(&self, arguments: &[&str]) -> String {
        let ended = self.setup(arguments);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.out
    }

    /// What is set in `.env`.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let file = dotenvy::from_path_iter(self.path().join(".env")).expect("a file");
        file.map(|line| line.expect("NAME=value")).collect()
    }

    /// Requests by which something may have changed.
    pub fn writes(&self) -> Vec<(String, String, u16)> {
        let requests = self.tenant.control().requests();
        let writes = requests.into_iter().filter(|request| request.method != "GET");
        writes.map(|request| (request.method, request.path, request.status)).collect()
    }

    /// What administrators would see, without ids and times that differ from run to run.
    pub fn administration(&self) -> Value {
        let mut all = self.tenant.control().administration();
        for list in all.as_object_mut().expect("an object").values_mut().filter_map(Value::as_array_mut) {
            for entry in list.iter_mut().filter_map(Value::as_object_mut) {
                entry.retain(|name, _| !["id", "links"].contains(&name.as_str()) && !name.contains("ate"));
            }
        }
        all
    }

    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = Vec::new();
        for folder in [self.path().to_owned(), self.path().join("keys")] {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.expect("an entry").path();
                if path.is_file() {
                    let name = path.strip_prefix(self.path()).expect("within").display().to_string();
                    files.push((name, fs::read(path).expect("a file")));
                }
            }
        }
        files.sort();
        files
    }
}

/// The parts of a plan and their states.
pub fn states(plan: &Value) -> Value {
    let steps = plan["steps"].as_array().expect("steps").iter();
    steps
        .map(|step| (step["part"].as_str().expect("a part").to_owned(), step["state"].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

pub fn done() -> Value {
    json!({
        "key-pair": "there", "identity-provider": "there", "web-integration": "there", "content-security": "there",
        "groups": "left", "page": "there", "settings": "there",
    })
}
