//! Pages with components, as browsers get them: the elements, what these are told, and the policy.

use axum::http::StatusCode;
use scraper::{Html, Selector};

use crate::portal::{APP_ID, Answer, Portal};

const CLIENT: [(&str, &str); 2] =
    [("QLIK_OAUTH_CLIENT_ID", "client-1"), ("QLIK_OAUTH_CLIENT_SECRET", "not-for-the-page")];
const PAGES: &str = r#"
    [[pages]]
    slug = "all"
    title = "All of it"
    flow = "oauth"
    selections = { Region = ["Europe & more", "\"Asia\""] }
    columns = 4

    [[pages.embeds]]
    ui = "analytics/chart"
    title = "Sales <by> region"
    object = "hRZaKk"
    width = 3
    height = 300

    [[pages.embeds]]
    ui = "analytics/sheet"
    title = "The sheet"
    sheet = "PpVjBm"
    context = { interactions = { select = false } }
"#;

fn attribute(page: &Answer, selector: &str, name: &str) -> Vec<Option<String>> {
    let html = Html::parse_document(&page.body);
    let selector = Selector::parse(selector).expect("a selector");
    html.select(&selector).map(|element| element.attr(name).map(str::to_owned)).collect()
}

fn only(page: &Answer, selector: &str, name: &str) -> String {
    let found = attribute(page, selector, name);
    let [Some(value)] = &found[..] else { panic!("{selector} {name}: {found:?}") };
    value.clone()
}

#[tokio::test]
async fn the_elements_are_in_the_page_and_one_place_tells_how_they_meet_the_tenant() {
    let portal = Portal::with_file(PAGES, &CLIENT).await;
    let mut ada = portal.signed_in("ada").await;
    let page = ada.open("/embed/all").await;
    assert_eq!(page.status, StatusCode::OK);
    let grid = page.attributes(".grid");
    for (name, value) in [
        ("data-qlik-embed-host", "https://acme.eu.qlikcloud.com"),
        ("data-qlik-embed-auth-type", "oauth2"),
        ("data-qlik-embed-client-id", "client-1"),
        ("data-qlik-embed-get-access-token", "qlikAccessToken"),
        ("style", "--columns: 4"),
    ] {
        assert_eq!(grid[name], value, "{name}");
    }
    let told: Vec<_> = grid.keys().filter(|name| name.starts_with("data-qlik-embed-")).collect();
    assert_eq!(told.len(), 5, "no storage, no scope, no redirect: {told:?}");
    let own = page.attributes("#embed");
    assert_eq!(grid["data-qlik-embed-identity"], own["data-identity"], "that of the page, also to its script");
    assert!(own["data-identity"].ends_with("-all"), "selections stay with their page");

    let elements = |name| attribute(&page, "section.component > .body > qlik-embed", name);
    let some = |values: [&str; 2]| values.map(|value| (!value.is_empty()).then(|| value.to_owned())).to_vec();
    assert_eq!(elements("ui"), some(["analytics/chart", "analytics/sheet"]));
    assert_eq!(elements("app-id"), some([APP_ID, APP_ID]));
    assert_eq!(elements("object-id"), some(["hRZaKk", ""]));
    assert_eq!(elements("context___json"), some(["", r#"{"interactions":{"select":false}}"#]));
    assert_eq!(attribute(&page, ".component", "aria-label"), some(["Sales <by> region", "The sheet"]));
    assert_eq!(
        attribute(&page, ".component", "style"),
        some(["--width: 3; --height: 300px", "--width: 4; --height: 640px"])
    );
    assert_eq!(only(&page, "qlik-initial-selections > field", "values"), "Europe & more;\"Asia\"");

    // What the script posts with, and nothing that would be a secret.
    let session = ada.fetch("/csrf-token").await.json();
    assert_eq!(Some(own["data-csrf"].as_str()), session["csrfToken"].as_str());
    for absent in ["data-token", "data-web-integration", "data-proxy"] {
        assert!(!own.contains_key(absent), "{absent}");
    }
    assert!(!page.body.contains("not-for-the-page") && !page.body.contains("enigma"));
    for name in ["vendor/embed-web-components.js", "css/components.css", "js/runtime.js", "vendor/LICENSES.txt"] {
        let src = only(&page, "script[nonce]", "src");
        let prefix = src.strip_suffix("js/components.js").expect("our module");
        let asset = portal.browser().fetch(&format!("{prefix}{name}")).await;
        assert_eq!(asset.status, StatusCode::OK, "{name}");
        assert!(!name.ends_with("LICENSES.txt") || asset.body.contains("@qlik/embed-web-components 1.6.0"));
    }
}

#[tokio::test]
async fn the_policy_names_the_tenant_the_cdn_and_a_nonce_of_this_answer() {
    let more = [("EMBED_CSP", "script-src 'unsafe-eval'; connect-src https://*.launchdarkly.com")];
    for (more, eval, flags) in [(&[][..], "", ""), (&more, " 'unsafe-eval'", " https://*.launchdarkly.com")] {
        let portal = Portal::with_file(PAGES, &[&CLIENT, more].concat()).await;
        let mut ada = portal.signed_in("ada").await;
        let mut nonces = Vec::new();
        for _ in 0..2 {
            let page = ada.open("/embed/all").await;
            let nonce = only(&page, "script[nonce]", "nonce");
            assert_eq!(nonce.len(), 22, "16 random bytes in base64url");
            assert_eq!(
                page.header("content-security-policy"),
                format!(
                    "default-src 'none'; \
                     script-src 'self' 'nonce-{nonce}' https://acme.eu.qlikcloud.com https://cdn.qlikcloud.com{eval}; \
                     style-src 'self' 'unsafe-inline' https://cdn.qlikcloud.com; \
                     font-src 'self' https://cdn.qlikcloud.com; \
                     img-src 'self' data: blob: https://acme.eu.qlikcloud.com https://cdn.qlikcloud.com; \
                     connect-src 'self' https://acme.eu.qlikcloud.com wss://acme.eu.qlikcloud.com \
                     https://cdn.qlikcloud.com{flags}; \
                     frame-src https://acme.eu.qlikcloud.com https://cdn.qlikcloud.com; \
                     worker-src 'self' blob: https://acme.eu.qlikcloud.com; \
                     child-src 'self' blob: https://acme.eu.qlikcloud.com; \
                     form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
                )
            );
            assert!(page.header("permissions-policy").contains("fullscreen=(self \"https://acme.eu.qlikcloud.com\")"));
            nonces.push(nonce);
        }
        assert_ne!(nonces[0], nonces[1]);
    }
}

#[tokio::test]
async fn in_the_flow_proxy_components_meet_the_tenant_at_an_origin_of_ours() {
    let settings =
        [("PUBLIC_URL", "https://portal.example"), ("QLIK_FLOW", "proxy"), ("QLIK_EMBED", "analytics/sheet")];
    let sibling = [("PROXY_URL", "https://analytics.portal.example")];
    for (more, host, auth) in
        [(&[][..], "https://portal.example", "none"), (&sibling, "https://analytics.portal.example", "cookie")]
    {
        let portal = Portal::with(&[&settings, more].concat()).await;
        let page = portal.signed_in("ada").await.open("/embed/default").await;
        let grid = page.attributes(".grid");
        assert_eq!((grid["data-qlik-embed-host"].as_str(), grid["data-qlik-embed-auth-type"].as_str()), (host, auth));
        let confirmation = grid.get("data-qlik-embed-auth-redirect-user-confirmation").map(String::as_str);
        assert_eq!(confirmation, (auth == "cookie").then_some("qlikSignedOut"));
        assert!(
            !grid.contains_key("data-qlik-embed-client-id") && !grid.contains_key("data-qlik-embed-get-access-token")
        );
        assert!(grid["class"].contains("filled"), "one component fills the page");
        assert_eq!(page.attributes("#embed").get("data-csrf"), None);
        let policy = page.header("content-security-policy");
        assert!(policy.contains(&format!("frame-src 'self' {host} https://cdn.qlikcloud.com;")), "{policy}");
        assert!(!policy.contains("acme.eu"), "the tenant is not met: {policy}");
    }
}
