//! The published clients, unmodified, against the tenant: enigma.js and @qlik/api in Node.

use std::path::Path;
use std::process::{Command, Output};

use qlik_embed_bff::demo;
use serde_json::{Value, json};

use super::oauth::embedding;
use super::site::{Site, Visitor};
use crate::packages::PACKAGES;

/// Runs a script of `tests/it/clients` with the visitor's cookies, and reads the JSON that it prints.
async fn run(script: &str, visitor: &Visitor<'_>, more: &[(&str, &str)]) -> Value {
    let csrf = visitor.csrf().await;
    let cookies = [("COOKIE", visitor.cookies.as_str()), ("CSRF", &csrf)];
    start(script, visitor.site, &[&cookies, more].concat()).await
}

async fn start(script: &str, site: &Site, more: &[(&str, &str)]) -> Value {
    let mut command = Command::new("node");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/clients").join(script))
        .envs([
            ("ORIGIN", site.tenant.origin()),
            ("APP", demo::APP_ID),
            ("SHEET", demo::SHEET_ID),
            ("CHART", demo::CHART_ID),
        ])
        .envs(more.iter().copied());
    let output: Output =
        tokio::task::spawn_blocking(move || command.env("PACKAGES", &*PACKAGES).output().expect("node runs"))
            .await
            .unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn enigma_accepts_the_engine_with_and_without_deltas() {
    for delta in [false, true] {
        let site = Site::with(|settings| settings.switches.delta = delta).await;
        let ada = site.visitor("ada").await;
        let seen = run("enigma.mjs", &ada, &[("DELTA", if delta { "yes" } else { "no" })]).await;
        assert_eq!(seen["notifications"], json!(["SESSION_CREATED", "SESSION_ATTACHED"]));
        assert_eq!((&seen["title"], &seen["theme"]), (&json!("Sales overview"), &json!("breeze")));
        assert_eq!(seen["sheet"], json!(["kpi", "listbox", "barchart"]));
        assert_eq!((&seen["products"], &seen["page"]), (&json!(5), &json!(2)));
        assert_eq!(seen["before"].as_array().unwrap().len(), 5);
        assert_eq!(seen["after"], json!([seen["before"][1]]));
        assert_eq!(seen["cleared"], 5);
        assert_eq!(seen["destroyed"], true);
        assert_eq!((&seen["missing"], &seen["wrongApp"], &seen["unknown"]), (&json!(-2), &json!(1003), &json!(5)));
        assert_eq!(seen["closed"], 1000);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn qlik_api_accepts_rest_and_engine() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let seen = run("qlik-api.mjs", &ada, &[]).await;
    assert_eq!(seen["user"], json!([200, "ada"]));
    assert_eq!(seen["before"].as_array().unwrap().len(), 5);
    assert_eq!((&seen["selected"], &seen["after"]), (&json!(true), &json!(["Americas"])));
    assert_eq!(seen["states"], json!(["S", "A", "A", "A", "A"]));
    let sockets: Vec<_> =
        site.control().requests().into_iter().filter(|request| request.path.starts_with("/app/")).collect();
    assert_eq!((sockets.len(), sockets[0].status), (1, 101));
    assert!(sockets[0].query.starts_with("reloadUri="));
}

#[tokio::test(flavor = "multi_thread")]
async fn qlik_api_acts_for_a_machine_or_for_a_user() {
    let site = embedding(|_| {}).await;
    let id = site.control().users().iter().find(|user| user.subject == "ada").unwrap().id.clone();
    let client = [("CLIENT", "embedding"), ("SECRET", "s3cret")];
    for (who, subject) in
        [(json!({}), "qlikbot\\embedding"), (json!({ "subject": "ada" }), "ada"), (json!({ "userId": id }), "ada")]
    {
        let seen = start("qlik-api-oauth.mjs", &site, &[&client[..], &[("WHO", &who.to_string())]].concat()).await;
        assert_eq!(seen["user"], json!([200, subject]));
        assert_eq!(
            (&seen["tokens"], &seen["title"], &seen["bars"]),
            (&json!([true]), &json!("Sales overview"), &json!(5))
        );
    }
    assert_eq!(site.control().tokens_given(demo::IMPERSONATION), 2);
    assert_eq!(site.control().tokens_given(demo::CLIENT_CREDENTIALS), 1);
}
