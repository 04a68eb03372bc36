//! Inside a page of a third site: our cookies are partitioned, and come along where third-party cookies are blocked.

use qlik_embed_bff::demo::Cookies;
use serde_json::json;

use super::{PORTAL, SIBLING, Scene, Sites, TENANT, Window, Wishes, certificate};

const HOST: &str = "intranet.test";

async fn in_a_frame_of_another_site(flow: &str, sibling: bool) {
    let (_files, certificate, key) = certificate(&[PORTAL, SIBLING, TENANT, HOST]);
    let sites = Sites { portal: PORTAL, tenant: TENANT, certificate: &certificate, key: &key };
    let authority = certificate.display().to_string();
    let settings = [("QLIK_FLOW", flow), ("TLS_CA_FILE", authority.as_str())];
    let sibling = sibling.then_some(SIBLING);
    let (scene, host) = Scene::with_host_portal(sites, HOST, Cookies::cross_site(), sibling, &settings).await;
    let hosts = &[PORTAL, SIBLING, HOST];
    let window = Window::like(Wishes { hosts, block_third_party_cookies: true }).await;
    window.driver.goto(format!("{}/framed", host.origin())).await.unwrap();
    window.enter_frame().await;
    window.until_state("connected").await;
    let of_the_sheet = window.value("new URL(document.querySelector('iframe').src).hostname").await;
    assert_eq!(of_the_sheet, json!(sibling.unwrap_or(PORTAL)));
    window.in_frame(async || window.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await).await;
    let subjects: Vec<_> = scene.tenant.control().sockets().into_iter().map(|socket| socket.subject).collect();
    assert_eq!(subjects, ["ticket|emmy", "ticket|emmy"]);
    if sibling.is_some() {
        // A frame in a frame is painted by another process, in its own time.
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        window.picture("proxied-host-portal").await;
    }
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sheet_is_shown_in_a_page_of_another_site() {
    in_a_frame_of_another_site("proxy", false).await;
    in_a_frame_of_another_site("auto", true).await;
}
