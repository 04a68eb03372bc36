//! Which pages there are for whom: on the start page, in the header, by address, and for tokens.

use axum::http::StatusCode;
use scraper::{Html, Selector};

use crate::portal::{Answer, PASSWORD, Portal};

/// Ada is in the groups sales and all, bob in none.
const PAGES: &str = r#"
    [[pages]]
    slug = "board"
    title = "Board"
    object = "JsVPe"
    visible_to = { groups = ["Board"] }

    [[pages]]
    slug = "sales"
    title = "Sales"
    sheet = "PpVjBm"
    visible_to = { groups = ["Marketing", "sales"] }

    [[pages]]
    slug = "europe"
    title = "Europe <this year>"
    object = "hRZaKk"
    options = "none"
    selections = { Region = ["Europe & more", "\"Asia\""], Year = 2026 }

    [[pages]]
    slug = "bobs"
    title = "Bob's own"
    sheet = "PpVjBm"
    visible_to = { identities = ["password:bob", "oidc:ada"] }

    [[pages]]
    slug = "mixed"
    title = "Either"
    sheet = "PpVjBm"
    visible_to = { groups = ["SALES"], identities = ["password:ada"] }
"#;

/// Address and title of each link that a selector finds.
fn links(page: &Answer, selector: &str) -> Vec<(String, String)> {
    let html = Html::parse_document(&page.body);
    let told = |link: scraper::ElementRef<'_>| {
        (link.attr("href").unwrap_or_default().to_owned(), link.text().collect::<String>())
    };
    html.select(&Selector::parse(selector).expect("a selector")).map(told).collect()
}

fn has(page: &Answer, selector: &str) -> bool {
    Html::parse_document(&page.body).select(&Selector::parse(selector).expect("a selector")).next().is_some()
}

fn addresses(page: &Answer, selector: &str) -> Vec<String> {
    links(page, selector).into_iter().map(|(address, _)| address).collect()
}

fn numbered(count: usize) -> String {
    let page = |n| format!("[[pages]]\nslug = \"page-{n}\"\ntitle = \"Page {n}\"\nsheet = \"s\"\n");
    (1..=count).map(page).collect()
}

#[tokio::test]
async fn the_start_page_lists_what_the_visitor_may_see_in_order() {
    let portal = Portal::with_file(PAGES, &[]).await;
    let home = portal.signed_in("ada").await.open("/").await;
    assert_eq!(home.status, StatusCode::OK);
    let seen = links(&home, "main a");
    assert_eq!(
        seen,
        [("/embed/sales", "Sales"), ("/embed/europe", "Europe <this year>"), ("/embed/mixed", "Either")]
            .map(|(address, title)| (address.to_owned(), title.to_owned()))
    );
    assert!(!has(&home, "#search") && !has(&home, "script"), "ten pages need no search");
    let home = portal.signed_in("bob").await.open("/").await;
    assert_eq!(addresses(&home, "main a"), ["/embed/europe", "/embed/bobs"]);
}

#[tokio::test]
async fn one_page_is_opened_at_once_and_none_is_said() {
    let sales =
        "[[pages]]\nslug = \"sales\"\ntitle = \"Sales\"\nsheet = \"s\"\nvisible_to = { groups = [\"sales\"] }\n";
    let portal = Portal::with_file(sales, &[]).await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(ada.open("/").await.location(), "/embed/sales");
    assert!(!has(&ada.open("/embed/sales").await, "nav, #menu"), "there is nowhere else to go");
    let mut bob = portal.signed_in("bob").await;
    let home = bob.open("/").await;
    assert_eq!(
        (home.status, home.text("main p")),
        (StatusCode::OK, "There is no page for you yet. Ask your administrator for access.".to_owned())
    );
    assert!(!home.body.contains("Sales"));
    let token = bob.fetch("/token").await;
    assert_eq!((token.status, token.json()["error"].as_str()), (StatusCode::NOT_FOUND, Some("not_found")));
}

#[tokio::test]
async fn a_page_that_is_not_visible_answers_like_one_that_does_not_exist() {
    // What is left of a limit differs from one answer to the next.
    let portal = Portal::with_file(PAGES, &[("RATE_LIMIT_TOKEN", "off")]).await;
    for (name, hidden) in [("ada", ["board", "bobs"]), ("bob", ["sales", "mixed"])] {
        let mut visitor = portal.signed_in(name).await;
        for slug in hidden {
            for path in ["/embed/", "/token/"] {
                let masked = |answer: Answer| {
                    let id = answer.header("x-request-id").to_owned();
                    let head: Vec<_> = answer.headers.iter().filter(|(name, _)| *name != "x-request-id").collect();
                    format!("{} {head:?} {}", answer.status, answer.body.replace(&id, "ID"))
                };
                let (there, nowhere) = (format!("{path}{slug}"), format!("{path}nowhere"));
                let frame = [("sec-fetch-dest", "iframe"), ("sec-fetch-site", "same-origin")];
                let answers = [
                    (visitor.open(&there).await, visitor.open(&nowhere).await),
                    (visitor.fetch(&there).await, visitor.fetch(&nowhere).await),
                    (
                        visitor.send(axum::http::Method::GET, &there, &frame, "").await,
                        visitor.send(axum::http::Method::GET, &nowhere, &frame, "").await,
                    ),
                ];
                for (hidden, missing) in answers {
                    assert!(hidden.status.is_client_error() && !hidden.body.contains("eyJ"), "{there}");
                    assert_eq!(masked(hidden), masked(missing), "{name} {there}");
                }
            }
            let page = visitor.open(&format!("/embed/{slug}")).await;
            assert_eq!((page.status, page.text("h1").as_str()), (StatusCode::NOT_FOUND, "There is nothing here"));
            assert_eq!(addresses(&page, "main a"), ["/"]);
        }
    }
}

#[tokio::test]
async fn tokens_are_for_pages_that_the_visitor_may_see() {
    let portal = Portal::with_file(PAGES, &[]).await;
    for (name, open) in [("ada", ["sales", "europe", "mixed"].as_slice()), ("bob", &["europe", "bobs"])] {
        let mut visitor = portal.signed_in(name).await;
        for slug in ["board", "sales", "europe", "bobs", "mixed"] {
            let answer = visitor.fetch(&format!("/token/{slug}")).await;
            let expected = if open.contains(&slug) { StatusCode::OK } else { StatusCode::NOT_FOUND };
            assert_eq!(answer.status, expected, "{name} {slug}");
            assert_eq!(answer.body.contains("eyJ"), open.contains(&slug));
        }
        assert_eq!(visitor.fetch("/token").await.status, StatusCode::OK, "for the first that is visible");
    }
}

#[tokio::test]
async fn whoever_is_signed_out_cannot_tell_which_pages_there_are() {
    let portal = Portal::with_file(PAGES, &[]).await;
    for (slug, reached) in
        [("sales", "Sales"), ("board", "There is nothing here"), ("nowhere", "There is nothing here")]
    {
        let mut browser = portal.browser();
        let answer = browser.open(&format!("/embed/{slug}")).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login"), "{slug}");
        assert_eq!(browser.cookies.len(), 1, "the way back is kept: {slug}");
        let answer = browser.sign_in("ada", PASSWORD).await;
        assert_eq!(answer.location(), format!("/embed/{slug}"));
        let page = browser.open(answer.location()).await;
        assert_eq!(page.text("h1"), reached);
        assert!(page.status.is_success() || addresses(&page, "main a") == ["/"]);
    }
    // What is no address of a page costs no record.
    let mut browser = portal.browser();
    for path in ["/embed/Sales", "/embed/..", "/embed/%2e", "/embed/a/b", "/embed/"] {
        browser.open(path).await;
        assert_eq!(browser.cookies.len(), 0, "{path}");
    }
}

#[tokio::test]
async fn a_page_tells_its_script_what_to_show_and_what_is_selected() {
    let portal = Portal::with_file(PAGES, &[]).await;
    let mut ada = portal.signed_in("ada").await;
    let sheet = ada.open("/embed/sales").await.attributes("#embed");
    assert_eq!((sheet["data-sheet"].as_str(), sheet["data-select"].as_str()), ("PpVjBm", ""));
    assert!(!sheet.contains_key("data-object"));
    assert_eq!((sheet["data-slug"].as_str(), sheet["data-token"].as_str()), ("sales", "/token/sales"));

    let object = ada.open("/embed/europe").await.attributes("#embed");
    assert_eq!(object["data-object"], "hRZaKk");
    assert!(!object.contains_key("data-sheet"));
    assert_eq!(object["data-select"], "Region,Europe & more,\"Asia\"\nYear,2026");
    assert_eq!(object["data-options"], "");
    let identity = |told: &std::collections::BTreeMap<String, String>| told["data-identity"].clone();
    assert_eq!(identity(&object), format!("{}-europe", identity(&sheet)), "selections stay with their page");
    assert_eq!(identity(&ada.open("/embed/mixed").await.attributes("#embed")), identity(&sheet));
}

#[tokio::test]
async fn the_header_leads_to_the_other_pages_by_tabs_or_by_a_menu() {
    let portal = Portal::with_file(PAGES, &[]).await;
    let page = portal.signed_in("ada").await.open("/embed/europe").await;
    assert_eq!(addresses(&page, ".tabs a"), ["/embed/sales", "/embed/europe", "/embed/mixed"]);
    assert_eq!(addresses(&page, ".tabs a[aria-current=page]"), ["/embed/europe"]);
    assert!(!has(&page, "#menu"));

    for (count, tabs) in [(4, true), (5, false)] {
        let portal = Portal::with_file(&numbered(count), &[]).await;
        let page = portal.signed_in("ada").await.open("/embed/page-2").await;
        assert_eq!((has(&page, ".tabs"), has(&page, "#menu")), (tabs, !tabs), "{count}");
        let all: Vec<_> = (1..=count).map(|n| format!("/embed/page-{n}")).collect();
        assert_eq!(addresses(&page, "nav li a, nav.tabs a"), all);
        assert_eq!(addresses(&page, "nav a[aria-current=page]"), ["/embed/page-2"]);
        if !tabs {
            assert_eq!(page.text("#menu summary"), "Pages, now: Page 2");
            assert_eq!(addresses(&page, "nav .all"), ["/"]);
        }
    }
}

#[tokio::test]
async fn more_than_ten_pages_can_be_searched() {
    for (count, searched) in [(10, false), (11, true)] {
        let portal = Portal::with_file(&numbered(count), &[]).await;
        let home = portal.signed_in("ada").await.open("/").await;
        assert_eq!(addresses(&home, "#pages a").len(), count);
        assert_eq!((has(&home, "#search[hidden] label[for=query]"), has(&home, "script")), (searched, searched));
        assert!(home.header("content-security-policy").starts_with("script-src 'self'; default-src 'none'"));
    }
}
