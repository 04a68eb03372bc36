//! Portal and tenant on two sites, as in production: the tenant's cookies are third-party cookies, and browsers may block
//! them (Qlik Cloud facts, section K).

use std::path::PathBuf;

use tempfile::TempDir;

use super::audit;
use super::scene::{Scene, Sites};
use super::window::{Window, Wishes};

pub const PORTAL: &str = "portal.test";
pub const TENANT: &str = "northwind.qlikcloud.test";

/// A certificate for these names, for a browser that ignores who signed it.
pub fn certificate(names: &[&str]) -> (TempDir, PathBuf, PathBuf) {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let pair = rcgen::generate_simple_self_signed(names).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, pair.cert.pem()).unwrap();
    std::fs::write(&key, pair.signing_key.serialize_pem()).unwrap();
    (folder, certificate, key)
}

#[tokio::test(flavor = "multi_thread")]
async fn blocked_third_party_cookies_are_told_in_the_words_of_the_tutorial() {
    // Whether the tenant's refusals carry CORS headers is not known: without them the browser hides the 401.
    for cors_on_errors in [true, false] {
        blocked_cookies_are_told(cors_on_errors).await;
    }
}

async fn blocked_cookies_are_told(cors_on_errors: bool) {
    let (_folder, certificate, key) = certificate(&[PORTAL, TENANT]);
    let sites = Sites { portal: PORTAL, tenant: TENANT, certificate: &certificate, key: &key };
    let scene = Scene::on_two_sites(sites).await;
    scene.tenant.control().change(|settings| settings.switches.cors_on_errors = cors_on_errors);
    let wishes = Wishes { hosts: &[PORTAL, TENANT], block_third_party_cookies: true };
    let window = Window::like(wishes).await;
    window.sign_in(&scene, "ada").await;
    window.until_state("error").await;
    assert_eq!(
        window.text("#notice-what").await,
        "Third-party cookies are not enabled in your browser settings and/or browser mode."
    );
    assert!(window.text("#notice-advice").await.contains("Allow third-party cookies"));
    let statuses: Vec<_> = scene.tenant.control().logins().iter().map(|login| login.status).collect();
    assert_eq!(statuses, [200], "the login itself was accepted");
    audit::passes(&window, "blocked cookies").await;
    window.picture("cookies-blocked").await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_third_party_cookies_lead_to_the_sheet() {
    let (_folder, certificate, key) = certificate(&[PORTAL, TENANT]);
    let sites = Sites { portal: PORTAL, tenant: TENANT, certificate: &certificate, key: &key };
    let scene = Scene::on_two_sites(sites).await;
    scene.tenant.control().change(|settings| settings.switches.cors_on_errors = false);
    let window = Window::like(Wishes { hosts: &[PORTAL, TENANT], ..Wishes::default() }).await;
    window.see_the_sheet(&scene, "ada").await;
    window.close().await;
}
