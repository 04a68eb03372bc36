//! Two hosts behind one nginx, with the configuration of the page on this flow.

use std::net::{Ipv4Addr, SocketAddr};

use qlik_embed_bff::commands::serve;
use serde_json::json;

use super::{PORTAL, SIBLING, Scene, Sites, TENANT, Window, Wishes, certificate, states, watch_states};
use crate::servers::nginx::{Nginx, documented};

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_nginx_leads_both_hosts_to_the_server() {
    let (_files, certificate, key) = certificate(&[PORTAL, SIBLING, TENANT]);
    let folder = tempfile::tempdir().unwrap();
    let free = serve::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap().local_addr().unwrap().port();
    let sites = Sites { portal: PORTAL, tenant: TENANT, certificate: &certificate, key: &key };
    let (sibling, authority) = (format!("https://{SIBLING}:{free}"), certificate.display().to_string());
    let settings = [("QLIK_FLOW", "proxy"), ("PROXY_URL", sibling.as_str()), ("TLS_CA_FILE", &authority)];
    let (scene, product) = Scene::behind_proxy(sites, free, &settings).await;
    let server = documented("proxy-flow.md", "analytics.portal.example")
        .with("listen 443 ssl", format!("listen 127.0.0.1:{free} ssl"))
        .with("portal.example analytics.portal.example;", format!("{PORTAL} {SIBLING};"))
        .with("/etc/ssl/portal.example.pem", certificate.display())
        .with("/etc/ssl/portal.example.key", key.display())
        .with("127.0.0.1:8080", format!("127.0.0.1:{product}"));
    let _nginx = Nginx::start(server, folder.path(), free);

    let window = Window::like(Wishes { hosts: &[PORTAL, SIBLING], block_third_party_cookies: true }).await;
    watch_states(&window).await;
    window.see_the_sheet(&scene, "ada").await;
    assert_eq!(states(&window).await, json!(["loading", "connected"]));
    assert_eq!(window.in_frame(async || window.value("location.origin").await).await, json!(sibling));
    window
        .in_frame(async || {
            window.click("#bars button[data-value='Europe']").await;
            window.until("document.querySelectorAll('#bars button').length === 1").await;
        })
        .await;
    window.close().await;
}
