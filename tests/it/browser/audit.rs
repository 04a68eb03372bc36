//! The accessibility audit: axe-core on the page as it is, in light and in dark.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use super::window::Window;

/// Fails with what axe-core objects to. The tenant's frame is not ours to judge.
pub async fn passes(window: &Window, page: &str) {
    for scheme in ["light", "dark"] {
        window.prefer(scheme).await;
        let objections = objections(window).await;
        assert!(objections.is_empty(), "{page}, {scheme}:\n{}", objections.join("\n"));
    }
    window.prefer("light").await;
}

async fn objections(window: &Window) -> Vec<String> {
    window.driver.execute(axe(), vec![]).await.unwrap();
    // Colours are judged when they have arrived.
    let run = "const done = arguments[0];
        Promise.all(document.getAnimations().filter((a) => a.effect.getTiming().iterations === 1).map((a) => a.finished))
            .then(() => axe.run(document, { iframes: false, resultTypes: ['violations'] }))
            .then(({ violations }) => done(violations.flatMap(({ id, nodes }) =>
                nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`))), (problem) => done([String(problem)]));";
    let found = window.driver.execute_async(run, vec![]).await.unwrap();
    let Value::Array(found) = found.json() else { panic!("axe gave {:?}", found.json()) };
    found.iter().map(|objection| objection.as_str().unwrap_or_default().to_owned()).collect()
}

fn axe() -> &'static str {
    static AXE: OnceLock<String> = OnceLock::new();
    AXE.get_or_init(|| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/node_modules/axe-core/axe.min.js");
        std::fs::read_to_string(file).expect("axe-core is installed by `make vendor`")
    })
}
