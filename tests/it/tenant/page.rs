//! Section M 17: the page in the frame.

use reqwest::header;
use scraper::{Html, Selector};

use super::site::Site;

const PATH: &str =
    "/single/?appid=a&sheet=s&identity=i%26%22%3Cb%3E&opt=ctxmenu,currsel&select=Year,2024&select=clearall";

#[tokio::test]
async fn it_echoes_its_parameters_and_names_who_may_frame_it() {
    let site = Site::start().await;
    let page = site.visitor("ada").await.get(PATH).await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.ends_with("frame-ancestors 'self' portal.example"), "{policy}");
    assert!(!page.headers().contains_key(header::X_FRAME_OPTIONS));
    let html = Html::parse_document(&page.text().await.unwrap());
    let main = html.select(&Selector::parse("main").unwrap()).next().unwrap();
    let attribute = |name| main.value().attr(name).unwrap();
    assert_eq!((attribute("data-appid"), attribute("data-sheet"), attribute("data-obj")), ("a", "s", ""));
    assert_eq!(attribute("data-identity"), "i&\"<b>", "escaped on the way");
    assert_eq!(attribute("data-select"), "Year,2024\nclearall");
    assert!(html.select(&Selector::parse("script:not([src]), style, [style]").unwrap()).next().is_none());
}

#[tokio::test]
async fn strangers_are_sent_to_the_login() {
    let site = Site::start().await;
    let response = site.get("/single/?appid=a&sheet=s").await;
    assert_eq!(response.status(), 303);
    let way = format!("{}/login?returnto=%2Fsingle%2F%3Fappid%3Da%26sheet%3Ds", site.tenant.origin());
    assert_eq!(response.headers()[header::LOCATION], way);
}

#[tokio::test]
async fn themes_choose_the_look() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    for (theme, look) in [("", "system"), ("breeze", "light"), ("horizon", "horizon"), ("sense-dark", "dark")] {
        let page = ada.get(&format!("/single/?appid=a&sheet=s&theme={theme}")).await.text().await.unwrap();
        assert!(page.contains(&format!("data-look=\"{look}\"")), "{theme}");
    }
    assert_eq!(ada.get("/single/?sheet=s").await.status(), 400);
    site.control().change(|settings| settings.switches.x_frame_options = true);
    assert_eq!(ada.get("/single/?appid=a").await.headers()[header::X_FRAME_OPTIONS], "SAMEORIGIN");
}

#[tokio::test]
async fn its_files_are_public() {
    let site = Site::start().await;
    for (file, kind) in [
        ("sheet.js", "text/javascript"),
        ("engine.js", "text/javascript"),
        ("charts.js", "text/javascript"),
        ("sheet.css", "text/css"),
    ] {
        let response = site.get(&format!("/resources/single/{file}")).await;
        assert!(response.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with(kind));
    }
}

/// Section M 18; what the runtime does is seen in a browser.
#[tokio::test]
async fn the_embedding_runtime_is_for_pages_of_any_origin() {
    let site = Site::start().await;
    let files = ["main", "embed", "state", "host", "session", "draw", "remote", "style", "engine", "charts"];
    for file in files {
        let path = format!("/qlik-embed/{file}.js");
        let response =
            site.ask(reqwest::Method::GET, &path).header(header::ORIGIN, "https://evil.example").send().await;
        let response = response.unwrap();
        let header = |name: header::HeaderName| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(response.status(), 200, "{file}");
        assert!(header(header::CONTENT_TYPE).starts_with("text/javascript"));
        assert_eq!(header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
        assert_eq!(header(header::CACHE_CONTROL), "no-cache");
    }
    site.control().change(|settings| settings.switches.embed_reconnects = true);
    let told = site.get("/qlik-embed/main.js").await.text().await.unwrap();
    assert!(told.contains(r#""reconnects":true"#) && !told.contains("{switches}"), "{told}");
    assert_eq!(site.get("/qlik-embed/nothing.js").await.status(), 404);
}
