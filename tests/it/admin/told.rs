//! What is told of administrators, where, and what never is.

use serde_json::json;

use super::{ADMINS, PAGES, all, kept};
use crate::audit::refused::Recorded;
use crate::portal::Portal;

#[tokio::test]
async fn each_look_and_each_end_is_an_event() {
    let (recorded, _guard) = Recorded::begin();
    let portal = Portal::with(&[ADMINS]).await;
    let mut ada = portal.browser();
    let signed_in = ada.sign_in("ada", crate::portal::PASSWORD).await;
    recorded.since(&signed_in);
    for (path, part) in PAGES.iter().zip(["overview", "settings", "pages", "sessions", "identity", "audit"]) {
        let page = ada.open(&format!("{path}?q=some+words")).await;
        let looked =
            json!({ "level": "INFO", "message": "administration looked at", "by": "password:ada", "part": part });
        assert_eq!(recorded.since(&page), [looked]);
    }
    let page = ada.open("/admin/identity?id=bob").await;
    let looked = json!({
        "level": "INFO", "message": "administration looked at", "by": "password:ada", "part": "identity",
        "identity": "password:bob",
    });
    assert_eq!(recorded.since(&page), [looked]);
    let ended = ada.post("/admin/sessions/end", "owner=password:bob").await;
    let event = json!({
        "level": "INFO", "message": "sessions ended", "identity": "password:bob", "by": "password:ada", "ended": 0,
        "reason": "an administrator ended them",
    });
    assert_eq!(recorded.since(&ended), [event]);
    let mut bob = portal.browser();
    let signed_in = bob.sign_in("bob", crate::portal::PASSWORD).await;
    recorded.since(&signed_in);
    let refused = bob.open("/admin/audit").await;
    let event = json!({ "level": "WARN", "message": "administration refused", "identity": "password:bob" });
    assert_eq!(recorded.since(&refused), [event]);
}

#[tokio::test]
async fn the_page_has_the_last_events_without_looks_and_secrets() {
    let portal = Portal::with(&[ADMINS]).await;
    let mut ada = portal.signed_in("ada").await;
    portal.browser().sign_in("bob", "some wrong words").await;
    let token = ada.fetch("/token").await;
    let page = ada.open("/admin/audit").await;
    assert_eq!(all(&page, "tbody th", None), ["token issued", "sign-in refused warning", "signed in"]);
    let about = all(&page, "td[data-label=About]", None);
    let id = token.header("x-request-id");
    assert_eq!(
        about[0],
        format!(
            "identity password:ada subject password|ada page default rule template request_id {id} address 203.0.113.1"
        )
    );
    let jwt = token.json()["body"].as_str().expect("a token").to_owned();
    for secret in ["some wrong words", &jwt, &ada.cookies["qlik-embed-bff"]] {
        assert!(!page.body.contains(secret));
    }
    for _ in 0..250 {
        ada.open("/embed/nowhere").await;
    }
    let events = kept(&portal);
    assert_eq!(events.len(), 200);
    assert!(events.iter().all(|event| event.what == "page refused"), "the oldest go first");
    assert_eq!(all(&ada.open("/admin/audit").await, "tbody th", None).len(), 200);
}
