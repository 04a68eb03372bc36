//! Several pages: the list with its search, the way from one to the other, single objects, and selections.

use qlik_embed_bff::demo;
use serde_json::json;
use thirtyfour::Key;

use super::audit;
use super::scene::Scene;
use super::window::{DESK, PHONE, Window, eventually};

/// A sheet, the same with selections, an object, and more, so that there is a menu and a search.
fn many() -> String {
    let (sheet, chart, figure) = (demo::SHEET_ID, demo::CHART_ID, demo::KPI_ID);
    let sheets = [
        "Budget and forecast",
        "Crème brûlée in Besançon",
        "Deliveries of the week",
        "Energy",
        "Größte Straßen",
        "Returns and complaints, by product group, region and quarter, with last year's figures beside them",
        "Stock",
        "Suppliers",
        "Targets",
    ];
    let list = sheets.iter().enumerate().map(|(place, title)| {
        format!("[[pages]]\nslug = \"more-{place}\"\ntitle = \"{title}\"\nsheet = \"{sheet}\"\n")
    });
    format!(
        "[[pages]]\nslug = \"sales\"\ntitle = \"Sales dashboard\"\nsheet = \"{sheet}\"\n\
         [[pages]]\nslug = \"europe\"\ntitle = \"Europe this year\"\nsheet = \"{sheet}\"\n\
         selections = {{ Region = [\"Europe\", \"Asia Pacific\"], Year = 2026 }}\n\
         [[pages]]\nslug = \"chart\"\ntitle = \"Sales by region\"\nobject = \"{chart}\"\n\
         [[pages]]\nslug = \"figure\"\ntitle = \"Board figures\"\nobject = \"{figure}\"\n\
         visible_to = {{ groups = [\"Sales\"] }}\n{}",
        list.collect::<String>()
    )
}

async fn open(window: &Window, scene: &Scene, path: &str) {
    window.driver.goto(format!("{}{path}", scene.url)).await.unwrap();
}

async fn ready(window: &Window) {
    window.until_state("connected").await;
    window.in_frame(async || window.until("document.querySelector('#sheet')?.dataset.state === 'ready'").await).await;
}

/// Pictures at both widths, light and dark.
async fn pictures(window: &Window, name: &str) {
    for (size, width) in [(DESK, ""), (PHONE, "-390")] {
        window.resize(size).await;
        for scheme in ["light", "dark"] {
            window.prefer(scheme).await;
            window.picture(&format!("{name}{width}{}", if scheme == "dark" { "-dark" } else { "" })).await;
        }
    }
    window.resize(DESK).await;
    window.prefer("light").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_shown_alone_and_selections_are_applied() {
    let scene = Scene::with_pages(&many()).await;
    let window = Window::open().await;
    window.sign_in(&scene, "ada").await;
    open(&window, &scene, "/embed/chart").await;
    ready(&window).await;
    let query = "[...new URL(document.querySelector('iframe').src).searchParams.keys()].join()";
    assert_eq!(window.value(query).await, json!("appid,obj,theme,identity,opt"));
    assert_eq!(
        window.value("document.querySelector('iframe').title").await,
        json!("Sales by region: visualization in Qlik Cloud")
    );
    let cells =
        window.in_frame(async || window.value("[...document.querySelectorAll('.cell')].map((c) => c.id)").await).await;
    assert_eq!(cells, json!([format!("cell-{}", demo::CHART_ID)]));
    pictures(&window, "object").await;

    open(&window, &scene, "/embed/europe").await;
    ready(&window).await;
    let chosen = async || {
        let chips = "[...document.querySelectorAll('.chip span')].map((c) => c.textContent)";
        window.in_frame(async || window.value(chips).await).await
    };
    assert_eq!(chosen().await, json!(["Region: Europe, Asia Pacific", "Year: 2026"]));
    let identity = window.value("document.querySelector('#embed').dataset.identity").await;
    let selected = scene.tenant.control().selections("password|ada", identity.as_str());
    assert_eq!(selected["Region"], ["Europe", "Asia Pacific"]);
    assert_eq!(selected["Year"], ["2026"]);
    audit::passes(&window, "a page with a menu").await;
    pictures(&window, "selections-of-a-page").await;

    open(&window, &scene, "/embed/sales").await;
    ready(&window).await;
    assert_eq!(chosen().await, json!([]), "the selections of a page stay with it");
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_menu_leads_to_other_pages_by_keyboard() {
    let scene = Scene::with_pages(&many()).await;
    let window = Window::open().await;
    window.sign_in(&scene, "ada").await;
    open(&window, &scene, "/embed/sales").await;
    ready(&window).await;
    let is_open = async || window.value("document.querySelector('#menu').open").await == json!(true);
    let focus = async || window.value("document.activeElement.textContent.trim()").await;

    window.driver.execute("document.querySelector('.brand').focus();", vec![]).await.unwrap();
    window.press(Key::Tab).await;
    assert_eq!(focus().await, json!("Pages, now: Sales dashboard"));
    window.press(Key::Enter).await;
    assert!(is_open().await);
    audit::passes(&window, "the open menu").await;
    pictures(&window, "menu").await;

    window.press(Key::Tab).await;
    assert_eq!(focus().await, json!("Sales dashboard"));
    window.press(Key::Escape).await;
    assert!(!is_open().await);
    assert_eq!(focus().await, json!("Pages, now: Sales dashboard"), "back to where the menu was opened");

    // It closes when the visitor goes on, by keyboard, beside it, and into the frame.
    window.press(Key::Enter).await;
    window.driver.execute("document.querySelector('.visitor button').focus();", vec![]).await.unwrap();
    eventually("the menu closes behind the keyboard", async || !is_open().await).await;
    window.click("#menu summary").await;
    window.click("h1").await;
    assert!(!is_open().await);
    window.click("#menu summary").await;
    assert!(is_open().await);
    window.click("#frame iframe").await;
    eventually("the menu closes behind a click into the frame", async || !is_open().await).await;

    window.click("#menu summary").await;
    for _ in 0..3 {
        window.press(Key::Tab).await;
    }
    assert_eq!(focus().await, json!("Sales by region"));
    window.press(Key::Enter).await;
    window.until("location.pathname === '/embed/chart'").await;
    ready(&window).await;
    assert_eq!(window.text("h1").await, "Sales by region");
    assert!(!is_open().await);

    // Bob has the menu too, without the page that is for a group.
    let bob = Window::open().await;
    bob.sign_in(&scene, "bob").await;
    open(&bob, &scene, "/embed/figure").await;
    assert_eq!(bob.text("h1").await, "There is nothing here");
    bob.click("main a").await;
    bob.until("document.querySelectorAll('#pages li').length === 12").await;
    bob.close().await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_found_by_their_titles() {
    let scene = Scene::with_pages(&many()).await;
    let window = Window::open().await;
    window.sign_in(&scene, "ada").await;
    assert_eq!(window.text("#count").await, "13 pages");
    audit::passes(&window, "the list of pages").await;
    pictures(&window, "home").await;
    let shown = "[...document.querySelectorAll('#pages li:not([hidden])')].map((item) => item.textContent.trim())";

    window.click("label[for=query]").await;
    window.type_text("BESANCON creme").await;
    assert_eq!(window.value(shown).await, json!(["Crème brûlée in Besançon"]));
    assert_eq!(window.text("#count").await, "1 of 13 pages");
    window.driver.execute("document.querySelector('#query').select();", vec![]).await.unwrap();
    window.type_text("strasse").await;
    assert_eq!(window.value(shown).await, json!(["Größte Straßen"]));
    pictures(&window, "home-found").await;

    window.driver.execute("document.querySelector('#query').select();", vec![]).await.unwrap();
    window.type_text("unicorns").await;
    assert_eq!(window.value(shown).await, json!([]));
    assert_eq!(window.text("#count").await, "No page found");
    audit::passes(&window, "a search that finds nothing").await;
    pictures(&window, "home-nothing").await;
    window.click("#nothing button").await;
    assert_eq!(window.text("#count").await, "13 pages");
    assert_eq!(window.value("document.activeElement.id").await, json!("query"));

    window.type_text("by region").await;
    assert_eq!(window.text("#count").await, "2 of 13 pages");
    window.press(Key::Enter).await;
    assert_eq!(window.value("location.pathname").await, json!("/"), "there is a choice");
    window.type_text(" sal").await;
    assert_eq!(window.text("#count").await, "1 of 13 pages");
    window.press(Key::Enter).await;
    window.until("location.pathname === '/embed/chart'").await;
    window.close().await;
}
