//! The pages for administrators: they need no script, everybody can use them, and they fit a phone.

use qlik_embed_bff::demo;
use serde_json::json;
use thirtyfour::By;

use super::audit;
use super::scene::Scene;
use super::window::{DESK, PHONE, Window};

/// Ada is in Sales.
fn file() -> String {
    let (sheet, chart) = (demo::SHEET_ID, demo::CHART_ID);
    format!(
        "ADMIN_GROUPS = \"Sales\"\n\
         [[pages]]\nslug = \"default\"\ntitle = \"Sales dashboard\"\nsheet = \"{sheet}\"\n\
         [[pages]]\nslug = \"board\"\ntitle = \"Figures for the board and for nobody else\"\nobject = \"{chart}\"\n\
         visible_to = {{ groups = [\"Management\"], identities = [\"oidc:grace\"] }}\n"
    )
}

async fn fits_and_passes(window: &Window, page: &str) {
    for (size, width) in [(DESK, "1280"), (PHONE, "390")] {
        window.resize(size).await;
        let overhang =
            window.value("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
        assert_eq!(overhang, json!(0), "{page} scrolls sideways at {width}");
        audit::passes(window, &format!("{page} at {width}")).await;
        // All of it in one picture.
        let height = window.value("document.documentElement.scrollHeight").await.as_u64().unwrap_or_default();
        window.resize((size.0, u32::try_from(height).unwrap_or(size.1).clamp(size.1, 8000))).await;
        for scheme in ["light", "dark"] {
            window.prefer(scheme).await;
            window.picture(&format!("admin-{page}-{width}-{scheme}")).await;
        }
    }
    window.prefer("light").await;
    window.resize(DESK).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_work_without_scripts_for_everybody() {
    let scene = Scene::with_pages(&file()).await;
    let (bob, window) = (Window::open().await, Window::open().await);
    bob.sign_in(&scene, "bob").await;
    bob.until_state("connected").await;

    window.tell("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    window.driver.goto(format!("{}/admin", scene.url)).await.unwrap();
    window.fill_in("ada").await;
    assert_eq!(window.text("h1").await, "Overview", "where she wanted to go");
    window.click("input[value=me]").await;
    window.click("#doctor button").await;
    window.text(".rest summary").await;
    let told = window.text("#doctor").await;
    assert!(told.contains("signed in at the tenant as password|ada"), "{told}");
    window.click("a[href='/admin/sessions']").await;
    window.driver.find(By::Id("q")).await.unwrap().send_keys("bob").await.unwrap();
    window.click("form[role=search] button").await;
    // The list of before has such buttons, too.
    window.text("#q[value=bob]").await;
    window.click("button[name=owner]").await;
    assert_eq!(window.text(".done").await, "One session was ended.");
    bob.driver.goto(format!("{}/embed/default", scene.url)).await.unwrap();
    assert_eq!(bob.text("h1").await, "Sign in");
    bob.fill_in("bob").await;

    // The audit itself is a script; the pages have none.
    window.tell("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await;
    for (page, path) in [
        ("overview", ""),
        ("settings", "/settings"),
        ("pages", "/pages"),
        ("sessions", "/sessions"),
        ("identity", "/identity?source=password&id=bob"),
        ("audit", "/audit"),
    ] {
        window.driver.goto(format!("{}/admin{path}", scene.url)).await.unwrap();
        assert_eq!(window.value("document.scripts.length").await, json!(0));
        window
            .driver
            .execute("document.querySelectorAll('details').forEach((one) => { one.open = true; });", vec![])
            .await
            .unwrap();
        fits_and_passes(&window, page).await;
    }
    bob.driver.goto(format!("{}/admin", scene.url)).await.unwrap();
    assert_eq!(bob.text("h1").await, "There is nothing here");
    bob.close().await;
    window.close().await;
}
