//! What components of a page would get, as far as it can be told without a browser.

use qlik_embed_bff::demo::OauthClient;
use qlik_embed_bff::doctor::{Check, Outcome, Who};

use super::Scene;

async fn scene() -> Scene {
    let client = |tenant: &mut qlik_embed_bff::demo::Settings| {
        tenant.clients = vec![OauthClient::impersonating("embed", "secret").at(["http://127.0.0.1:9"])];
    };
    let mut scene = Scene::with(client).await;
    scene.set("QLIK_OAUTH_CLIENT_ID", "embed");
    scene.set("QLIK_OAUTH_CLIENT_SECRET", "secret");
    scene
}

async fn finding(scene: &Scene) -> (Outcome, String, &'static str) {
    let findings = scene.examine().await;
    let finding = findings.into_iter().find(|finding| finding.check == Check::AccessToken).expect("it is looked at");
    (finding.outcome, finding.found, finding.advice.map_or("", |advice| advice.id))
}

#[tokio::test]
async fn a_token_is_asked_for_and_given_back() {
    let scene = scene().await;
    let (outcome, found, _) = finding(&scene).await;
    assert_eq!((outcome, found.as_str()), (Outcome::Pass, "one for password|ada, good for 359 minutes"));
    assert!(scene.tenant.control().access_tokens("password|ada").is_empty(), "it is revoked");

    let mut nobody = scene;
    nobody.who = Who::Nobody("nobody is named".into());
    assert_eq!(finding(&nobody).await.0, Outcome::Skipped);
}

#[tokio::test]
async fn what_the_tenant_refuses_has_its_advice() {
    let mut scene = scene().await;
    scene.tenant.control().change(|tenant| tenant.clients[0].trusted = false);
    assert_eq!((finding(&scene).await.0, finding(&scene).await.2), (Outcome::Failure, "oauth-forbidden"));
    scene.tenant.control().change(|tenant| tenant.clients[0].trusted = true);
    scene.tenant.control().change(|tenant| tenant.switches.access_token_lifetime = std::time::Duration::from_secs(300));
    assert_eq!(finding(&scene).await.0, Outcome::Warning);
    scene.set("QLIK_OAUTH_CLIENT_SECRET", "wrong");
    let (outcome, found, advice) = finding(&scene).await;
    assert_eq!((outcome, advice), (Outcome::Failure, "oauth-client"));
    assert!(!found.contains("wrong"), "{found}");
}
