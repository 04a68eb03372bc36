//! Two origins of ours on one site: what scripts of the tenant can do at theirs.

use serde_json::{Value, json};

use super::{Place, SIBLING, Window, is_ready};

/// What a script comes to that runs here and asks for this address: the status and text that it can read, or that it can not.
async fn fetched(window: &Window, address: &str, options: &str) -> Value {
    let script = format!(
        "const done = arguments[0];
         fetch('{address}', {options}).then(async (answer) => done([answer.status, await answer.text()]), () => done('unreadable'));"
    );
    window.driver.execute_async(script, vec![]).await.unwrap().json().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_of_the_tenant_reach_neither_our_pages_nor_a_token() {
    let place = Place::of_flow(Some("auto"), Some(SIBLING)).await;
    let (scene, window) = (&place.scene, &place.window);
    window.see_the_sheet(scene, "ada").await;
    let portal = scene.url.as_str();
    window
        .in_frame(async || {
            assert_eq!(window.value("location.origin").await, json!(place.proxy(Some(SIBLING))));
            let reads = "(() => { try { return parent.document.title } catch (problem) { return problem.name } })()";
            assert_eq!(window.value(reads).await, json!("SecurityError"));
            for path in ["/embed/default", "/token", "/token/default", "/session", "/"] {
                for options in ["{}", "{ credentials: 'include' }"] {
                    let there = fetched(window, &format!("{portal}{path}"), options).await;
                    assert_eq!(there, json!("unreadable"), "{path} {options}");
                }
            }
            for path in ["/hand-over", "/flow", "/logout"] {
                let posted =
                    fetched(window, &format!("{portal}{path}"), "{ method: 'POST', credentials: 'include' }").await;
                assert_eq!(posted, json!("unreadable"), "{path}");
            }
            // At their own origin there is nothing of ours.
            for path in ["/embed/default", "/token", "/token/default", "/session", "/flow", "/static/x/js/main.js"] {
                let here = fetched(window, path, "{}").await;
                assert_eq!(here[0], json!(404), "{path}");
            }
            assert_eq!(window.value("document.cookie").await, json!(""), "our cookie there is not for scripts");
        })
        .await;
    // Nobody was signed out by what they posted.
    window.driver.refresh().await.unwrap();
    is_ready(window).await;
    place.window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_our_server_lets_a_page_of_the_other_origin_have_a_token() {
    let place = Place::of_flow(Some("proxy"), Some(SIBLING)).await;
    let (scene, window) = (&place.scene, &place.window);
    window.see_the_sheet(scene, "ada").await;
    let portal = scene.url.as_str();
    // A browser that is asked without CORS sends the request; the server has to refuse it.
    let before = scene.tenant.control().logins().len();
    window
        .in_frame(async || {
            for path in ["/token", "/token/default"] {
                let opaque =
                    fetched(window, &format!("{portal}{path}"), "{ mode: 'no-cors', credentials: 'include' }").await;
                assert!(opaque == json!([0, ""]) || opaque == json!("unreadable"), "{opaque}");
            }
        })
        .await;
    assert_eq!(scene.tenant.control().logins().len(), before);
    place.window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sibling_on_another_site_is_told_to_the_administrator() {
    let other = "analytics.other.test";
    let files = super::certificate(&[super::PORTAL, other, super::TENANT]);
    let sites = super::Sites { portal: super::PORTAL, tenant: super::TENANT, certificate: &files.1, key: &files.2 };
    let scene = super::Scene::with_proxy(sites, Some(other), &[("QLIK_FLOW", "proxy")]).await;
    let wishes = super::Wishes { hosts: &[super::PORTAL, other], block_third_party_cookies: true };
    let window = Window::like(wishes).await;
    window.sign_in(&scene, "ada").await;
    window.until_state("error").await;
    assert!(window.text("#notice-what").await.starts_with("Third-party cookies are not enabled"));
    assert!(window.text("#notice-advice").await.contains("PROXY_URL a host of the same site"));
    window.close().await;
}
