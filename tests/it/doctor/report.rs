//! The command itself: text, JSON, exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use qlik_embed_bff::demo::{Refusal, Times};
use qlik_embed_bff::doctor::Check;

use super::Scene;
use crate::binary::run;
use crate::packages::PACKAGES;

impl Scene {
    /// Writes `.env` and runs the command, as an administrator does.
    async fn doctor(&self, arguments: &[&'static str]) -> (Option<i32>, String, String) {
        let lines: String = self.env.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
        fs::write(self.folder.path().join(".env"), lines).expect("written");
        let (folder, arguments) = (self.folder.path().to_owned(), [&["doctor"], arguments].concat());
        let run = tokio::task::spawn_blocking(move || run(&folder, &arguments)).await;
        run.expect("it ends")
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_in_words() {
    let scene = Scene::new().await;
    scene.tenant.control().refuse("/login/jwt-session", Refusal::NotAcceptablePage, Times::Always);
    let (code, out, err) = scene.doctor(&["--as", "ada", "--name", "Ada", "--email", "ada@example.com"]).await;
    assert_eq!((code, err.as_str()), (Some(1), "qlik-embed-bff: one check failed\n"), "{out}");
    let begins = format!(
        "Looking at {}, signing in as password|ada: if there is no such user yet, this creates one.\n\npass     Settings",
        scene.tenant.origin()
    );
    assert!(out.starts_with(&begins), "{out}");
    let (_, failure) = out.split_once("\nfailure  ").expect("a failure");
    let (failure, _) = failure.split_once("\nskipped  ").expect("what cannot be looked at then");
    insta::assert_snapshot!(failure.replace(scene.tenant.origin(), "TENANT"), @"
    Login                    status 406: 406 Not Acceptable
             looked at   POST TENANT/login/jwt-session
             expected    the tenant takes the token
             means       Nobody has explained this answer in public. Those who got it had another key ID
                         or issuer in the token than in the identity provider.
             do          Compare `QLIK_JWT_KEY_ID` and `QLIK_JWT_ISSUER` with the identity provider,
                         letter for letter. If they are equal, create the identity provider anew with
                         both fields left empty, and take over the values that Qlik generates.
             where       Administration, Identity provider: the one of type JWT
             who         the operator of this server
             see         docs/troubleshooting.md#not-acceptable
    ");
    assert!(out.contains("What a visitor's browser does with the tenant's cookies, no server can see"), "{out}");
    assert!(!out.contains("eyJ") && !out.contains('\x1b') && !out.contains(super::API_KEY), "{out}");
}

#[tokio::test]
async fn nobody_is_signed_in_unasked() {
    let scene = Scene::new().await;
    let before = scene.tenant.control().users().len();
    let (code, out, _) = scene.doctor(&[]).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("signing nobody in"), "{out}");
    assert!(scene.tenant.control().logins().is_empty());
    // The owner of the API key is one.
    assert!(scene.tenant.control().users().len() <= before + 1);
    let (code, out, _) = scene.doctor(&["--probe-subject"]).await;
    assert_eq!(code, Some(1), "it has no role in the space: {out}");
    assert!(out.starts_with(&format!("Looking at {}, signing in as qlik-embed-bff-probe: ", scene.tenant.origin())));
    assert_eq!(scene.tenant.control().logins().len(), 1);
    assert_eq!(scene.tenant.control().session_count(), 0, "it signs out");
}

#[tokio::test]
async fn a_configuration_with_problems_is_looked_at_as_far_as_it_goes() {
    let mut scene = Scene::new().await;
    scene.set("SESSION_IDLE", "soon");
    scene.set("QLIK_APP_ID", "no id");
    let (code, out, err) = scene.doctor(&[]).await;
    assert_eq!((code, err.as_str()), (Some(1), "qlik-embed-bff: 2 checks failed\n"), "{out}");
    for part in ["SESSION_IDLE", "QLIK_APP_ID", "it answers as this tenant", "Clock"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (code, out, _) = run(folder.path(), &["doctor"]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("QLIK_TENANT is not set"), "{out}");
}

/// By the published schema, with a validator that is not ours.
#[tokio::test]
async fn machines_get_json() {
    let scene = Scene::new().await;
    scene.tenant.control().change(|tenant| tenant.csp_origins.clear());
    let (code, out, err) =
        scene.doctor(&["--json", "--as", "ada", "--name", "Ada", "--email", "ada@example.com"]).await;
    assert_eq!(code, Some(1), "{err}");
    let file = scene.folder.path().join("report.json");
    fs::write(&file, &out).expect("written");
    assert_eq!(validate(&file), "valid");
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["failure"], 2, "{out}");
    let frame = report["findings"].as_array().expect("a list").iter().find(|finding| finding["check"] == "frame");
    let frame = frame.expect("a finding");
    assert_eq!((&frame["outcome"], &frame["advice"]["id"]), (&"failure".into(), &"frames-not-allowed".into()));
    assert_eq!(frame["link"], "docs/troubleshooting.md#frames-not-allowed");
    fs::write(&file, out.replace("\"outcome\": \"failure\"", "\"outcome\": \"bad\"")).expect("written");
    assert_ne!(validate(&file), "valid", "the schema says something");
}

fn validate(report: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("node")
        .env("PACKAGES", PACKAGES.as_path())
        .arg(root.join("tests/it/clients/schema.mjs"))
        .arg(root.join("docs/doctor.schema.json"))
        .arg(report)
        .stdin(Stdio::null())
        .output()
        .expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Findings without advice lead there.
#[test]
fn the_page_about_it_has_every_check() {
    let page = include_str!("../../../docs/doctor.md");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| <a id=")).map(str::to_owned).collect();
    let row = |check: Check| format!("| <a id=\"{}\"></a>{} | {} |", check.id(), check.title(), check.expected());
    assert_eq!(rows, Check::ALL.map(row));
}
