//! Another key while visitors work: no token is refused.

use std::fs;

use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::demo::IdentityProvider;
use qlik_embed_bff::qlik::key::{self, CertificateDates, KeySize};
use secrecy::ExposeSecret;
use tokio::task::block_in_place;

use super::load::{Load, assert_all_good};
use super::stage::{Keeping, Stage};
use super::visitor::Visitor;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_keys_refuses_no_token() {
    let stage = Stage::set(Keeping::Both, 3).await;
    let ada = stage.sign_in("ada", 0).await.at(stage.port);
    let now = Clock::default().now();
    let dates = CertificateDates { not_before: now - time::Duration::HOUR, not_after: now + time::Duration::days(365) };
    let new = block_in_place(|| key::generate(KeySize::Rsa2048, "next", dates)).expect("a key");
    // First the tenant knows both, as `setup --rotate-key` does it.
    let provider = IdentityProvider::new("https://portal.example", "key-2", &*new.certificate);
    stage.control().change(|settings| settings.providers.push(provider));
    let bob = stage.sign_in("bob", 1).await.at(stage.port);
    let load = Load::on(&[ada.clone(), bob.clone()], &["/token", "/embed/default", "/token"]);
    let logins = stage.logins();
    for number in 0..3 {
        let folder = stage.instances[number].folder();
        let env = fs::read_to_string(folder.join(".env")).expect("it is there");
        fs::write(folder.join("keys/next.pem"), new.private_key.expose_secret()).expect("written");
        let env = env.replace("QLIK_JWT_KEY_ID='key-1'", "QLIK_JWT_KEY_ID='key-2'");
        fs::write(folder.join(".env"), format!("{env}QLIK_JWT_PRIVATE_KEY_FILE=keys/next.pem\n")).expect("written");
        stage.instances[number].signal("HUP");
        let told = || stage.instances[number].log().contains("tokens are signed with another key from now on");
        crate::proxied::until(async || told()).await;
        // Both visitors need a session now, from this instance or from one that still has the old key.
        log_in_anew(&stage, [&ada, &bob]).await;
    }
    // Now the old one goes.
    stage.control().change(|settings| settings.providers.retain(|provider| provider.key_id == "key-2"));
    log_in_anew(&stage, [&ada, &bob]).await;
    let answers = load.end().await;
    assert_all_good(&answers, 30);
    assert!(stage.logins() >= logins + 8);
    let refused = stage.control().logins().iter().filter(|login| login.status != 200).count();
    assert_eq!(refused, 0, "no token was refused");
}

/// The tenant forgets everybody; each of the two has a new session then, at whatever instance.
async fn log_in_anew(stage: &Stage, visitors: [&Visitor; 2]) {
    stage.control().expire_sessions();
    for visitor in visitors {
        for number in 0..3 {
            let me = stage.at(visitor, number).get("/api/v1/users/me").await;
            assert_eq!(me.status, 200, "{me:?}");
        }
    }
}
