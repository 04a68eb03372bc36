//! Signing in and out at an OpenID provider: what is let in, what is refused, and what the visitor is told.

mod hanging;
mod logout;
mod refused;
mod sign_in;

use std::collections::BTreeMap;

use axum::http::Method;

use crate::portal::{Answer, Browser, Portal};
use crate::provider::{AtProvider, Provider};

/// Where `Portal`s are seen.
const PORTAL: &str = "http://localhost:8080";

/// A portal and its provider, at which ada signs in without being asked.
async fn scene(more: &[(&str, &str)]) -> (Portal, Provider) {
    let provider = Provider::start(PORTAL).await;
    provider.set(serde_json::json!({ "account": "ada" })).await;
    let portal = Portal::with(&[&provider.settings()[..], more].concat()).await;
    (portal, provider)
}

/// Comes back from the provider with its answer.
async fn return_with(browser: &mut Browser, answer: &str) -> Answer {
    let navigation = [("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "cross-site")];
    browser.send(Method::GET, answer, &navigation, "").await
}

/// To the provider and back; the last answer.
pub async fn sign_in(browser: &mut Browser, provider: &Provider) -> Answer {
    sign_in_by(browser, provider.browser()).await
}

/// The same with the part of the browser that is at the provider.
pub async fn sign_in_by(browser: &mut Browser, mut there: AtProvider<'_>) -> Answer {
    let start = browser.open("/login/oidc").await;
    assert_eq!(start.status, 303, "{}", start.body);
    let answer = there.follow(start.location()).await;
    return_with(browser, &answer).await
}

/// The parameters of an address.
fn parameters(address: &str) -> BTreeMap<String, String> {
    let address = url::Url::parse("http://localhost").and_then(|base| base.join(address)).expect("an address");
    address.query_pairs().into_owned().collect()
}
