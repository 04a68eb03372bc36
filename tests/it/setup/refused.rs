//! Bad input: a clear finding, and nothing half written.

use std::fs;

use qlik_embed_bff::demo::{ApiKey, IdentityProvider, Refusal, Times};
use secrecy::ExposeSecret;

use super::{Newcomer, POWERLESS};
use crate::portal::KEY;

/// Nothing was changed, here or there.
fn refuses(newcomer: &Newcomer, parts: &[&str]) {
    let before = (newcomer.files(), newcomer.administration());
    for arguments in [&["--apply", "--yes"][..], &["--plan"]] {
        let ended = newcomer.setup(arguments);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        for part in parts {
            assert!(ended.err.contains(part), "{part} in {}", ended.err);
        }
    }
    assert_eq!((newcomer.files(), newcomer.administration()), before);
    assert_eq!(newcomer.writes(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_power_or_out_of_date() {
    let mut newcomer = Newcomer::with_key(|settings| {
        let expired = ApiKey { expires: Some(time::OffsetDateTime::UNIX_EPOCH), ..ApiKey::of_admin("out-of-date") };
        settings.api_keys.push(expired);
    })
    .await;
    newcomer.env.insert("QLIK_API_KEY", POWERLESS.into());
    refuses(&newcomer, &["status 403", "means", "who    an administrator of the tenant", "docs/troubleshooting.md#"]);
    newcomer.env.insert("QLIK_API_KEY", "out-of-date".into());
    refuses(&newcomer, &["cannot ask which tenant this is: status 401", "docs/troubleshooting.md#"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_none() {
    let mut newcomer = Newcomer::with_key(|_| {}).await;
    let control = newcomer.tenant.control();
    control.refuse("/", Refusal::UnknownHostname, Times::Always);
    refuses(&newcomer, &["LOGIN-2", "docs/troubleshooting.md#"]);
    control.mend();
    for page in [Refusal::NotAcceptablePage, Refusal::Unavailable] {
        control.refuse("/", page, Times::Always);
        refuses(&newcomer, &["cannot ask which tenant this is: status", "docs/troubleshooting.md#"]);
        control.mend();
    }
    // Something that answers with a page, and well.
    newcomer.env.insert("QLIK_TENANT", page_server().await);
    refuses(&newcomer, &["its answer cannot be used: it is no JSON", "docs/troubleshooting.md#"]);
    newcomer.env.insert("QLIK_TENANT", "http://localhost:9".into());
    refuses(&newcomer, &["the tenant did not answer", "docs/troubleshooting.md#"]);
}

async fn page_server() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let page = axum::Router::new().fallback(|| async { axum::response::Html("<title>Welcome</title>") });
    tokio::spawn(async move { axum::serve(listener, page).await });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_could_not_be_written_at_the_end() {
    let newcomer = Newcomer::with_key(|_| {}).await;
    let file = newcomer.path().join(".env");
    fs::write(&file, "MINE=1\n").expect("written");
    let mut mode = fs::metadata(&file).expect("a file").permissions();
    mode.set_readonly(true);
    fs::set_permissions(&file, mode).expect("ours");
    let ended = newcomer.setup(&["--apply", "--yes"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains(".env is read-only") && ended.err.contains("nothing was changed anywhere"), "{ended:?}");
    assert!(newcomer.tenant.control().requests().is_empty());
    assert_eq!(fs::read_to_string(&file).expect("a file"), "MINE=1\n");
    newcomer.set_up(&["--plan"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_to_ask() {
    let newcomer = Newcomer::with_key(|_| {}).await;
    let ended = newcomer.setup(&["--apply"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("nothing was changed: there is no terminal to ask at"), "{ended:?}");
    assert!(ended.out.contains("create   JWT identity provider"), "the plan is told: {ended:?}");
    assert!(newcomer.writes().is_empty() && !newcomer.path().join(".env").exists());
    assert_eq!(newcomer.setup(&["--yes", "--plan"]).code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_of_our_names_with_another_key_is_left_and_one_beside_it_is_made() {
    let mut newcomer = Newcomer::with_key(|settings| {
        let other = newcomer_key();
        settings.providers = vec![IdentityProvider::new("portal", "key-1", &other)];
    })
    .await;
    newcomer.env.extend([("QLIK_JWT_ISSUER", "portal".into()), ("QLIK_JWT_KEY_ID", "key-1".to_owned())]);
    let ended = newcomer.setup(&["--apply", "--yes"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("the environment sets QLIK_JWT_ISSUER, which wins over .env"), "{ended:?}");
    let providers = newcomer.tenant.control().settings().providers;
    assert_eq!(providers.len(), 2);
    assert_eq!(providers[1].issuer, newcomer.settings()["QLIK_JWT_ISSUER"]);
}

fn newcomer_key() -> String {
    use qlik_embed_bff::qlik::key::{CertificateDates, KeySize, generate};
    let now = qlik_embed_bff::clock::Clock::default().now();
    let dates = CertificateDates { not_before: now - time::Duration::HOUR, not_after: now + time::Duration::DAY };
    let other = generate(KeySize::Rsa2048, "other", dates).expect("a key");
    assert_ne!(other.private_key.expose_secret(), KEY.private_key.expose_secret());
    other.certificate
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_is_told_and_the_rest_is_done() {
    let newcomer = Newcomer::with_key(|_| {}).await;
    newcomer.set_up(&["--apply", "--yes"]);
    newcomer.tenant.control().change(|settings| {
        settings.providers[0].active = false;
        settings.web_integrations.clear();
    });
    let ended = newcomer.setup(&["--apply", "--yes"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("one step is left"), "{ended:?}");
    assert!(
        ended.out.contains("stuck    JWT identity provider") && ended.out.contains("it is not active"),
        "{ended:?}"
    );
    assert_eq!(newcomer.tenant.control().settings().web_integrations.len(), 1);

    let without = Newcomer::with_key(|_| {}).await;
    fs::remove_file(without.path().join("keys/publickey.cer")).expect("it is there");
    let ended = without.setup(&["--plan"]);
    assert!(ended.out.contains("there is no certificate beside the private key"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_refused_says_so() {
    let newcomer = Newcomer::with_key(|_| {}).await;
    let control = newcomer.tenant.control();
    control.refuse_after(0, Some("POST"), "/api/v1/csp-origins", Refusal::Status(403), Times::Always);
    let ended = newcomer.setup(&["--apply", "--yes"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("cannot create the entry in the content security policy: status 403"), "{ended:?}");
    assert!(!newcomer.path().join(".env").exists());
    control.mend();
    newcomer.set_up(&["--apply", "--yes"]);
}
