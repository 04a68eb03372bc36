//! Data without a chart, and the other routes for scripts of the portal, as `docs/openapi.json` describes them.

use std::process::Command;

use axum::http::{Method, StatusCode};
use qlik_embed_bff::demo::{self, ApiKey, NoAccess, OauthClient, Refusal, Tenant, Times};
use serde_json::{Value, json};

use crate::portal::{Answer, Browser, Portal};
use crate::tenant_session::until;

const CLIENT: &str = "0123456789abcdef0123456789abcdef";
const API_KEY: &str = "administrators-api-key";

struct Stage {
    tenant: Tenant,
    portal: Portal,
}

impl Stage {
    /// A gallery, and a page with components of another app.
    async fn set(changes: &[(&str, &str)]) -> Self {
        let other = "3e64ce9f-87ba-4d64-96e3-177c55351257";
        let tenant = Tenant::start(demo::Settings {
            clients: vec![OauthClient::impersonating(CLIENT, "secret")],
            api_keys: vec![ApiKey::of_admin(API_KEY)],
            more_apps: vec![other.into()],
            ..demo::Settings::default()
        });
        let tenant = tenant.await.expect("a tenant");
        let settings = [
            ("QLIK_TENANT", tenant.origin()),
            ("QLIK_OAUTH_CLIENT_ID", CLIENT),
            ("QLIK_OAUTH_CLIENT_SECRET", "secret"),
            ("QLIK_API_KEY", API_KEY),
            ("QLIK_PROVISION", "create"),
            ("QLIK_APP_ID", demo::APP_ID),
            ("QLIK_SHEET_ID", demo::SHEET_ID),
            ("DATA_DIMENSION", "Region"),
            ("DATA_MEASURE", "=Sum(Sales)"),
            ("GALLERY", "true"),
            ("OBJECT_ID", demo::CHART_ID),
            ("FIELD_ID", "Region"),
        ];
        let pages = format!(
            r#"
            [[pages]]
            slug = "components"
            title = "Components"
            flow = "oauth"
            sheet = "{sheet}"

            [[pages]]
            slug = "other"
            title = "Another app"
            flow = "oauth"
            app = "{other}"
            sheet = "{sheet}"
            visible_to = {{ groups = ["sales"] }}

            [[pages]]
            slug = "frame"
            title = "A sheet in a frame"
            flow = "proxy"
            sheet = "{sheet}"
            "#,
            sheet = demo::SHEET_ID
        );
        let portal = Portal::with_file(&pages, &[&settings[..], changes].concat()).await;
        Self { tenant, portal }
    }
}

fn failure(answer: &Answer) -> (StatusCode, String) {
    (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
}

async fn csrf(browser: &mut Browser) -> String {
    browser.fetch("/csrf-token").await.json()["csrfToken"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn a_table_is_what_the_app_computes() {
    let stage = Stage::set(&[]).await;
    let mut ada = stage.portal.signed_in("ada").await;
    let answer = ada.fetch("/hypercube").await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"), "{}", answer.body);
    let table = answer.json();
    let (regions, sales) = (&table["returnedDimension"], &table["returnedMeasure"]);
    let count = regions.as_array().map_or(0, Vec::len);
    assert!(count > 2 && sales.as_array().map_or(0, Vec::len) == count, "{table}");
    assert_eq!(table["total"], count);
    assert!(regions.as_array().is_some_and(|regions| regions.contains(&json!("Europe"))), "{table}");

    let two = ada.fetch("/hypercube?limit=2").await.json();
    assert_eq!((two["returnedDimension"].as_array().map(Vec::len), &two["total"]), (Some(2), &table["total"]));
    let years = ada.fetch("/hypercube?dimension=Year&measure=%3DCount(Sales)").await.json();
    assert!(years["returnedDimension"].as_array().is_some_and(|years| years.contains(&json!("2026"))), "{years}");
    assert_ne!(years, table);

    // In a session of the engine of its own, which is over.
    until(|| stage.tenant.control().sockets().is_empty()).await;
}

#[tokio::test]
async fn sheets_are_those_that_the_visitor_sees() {
    let stage = Stage::set(&[]).await;
    let mut ada = stage.portal.signed_in("ada").await;
    let sheets = ada.fetch("/app-sheets").await.json();
    let first = &sheets[0];
    assert_eq!((&first["qInfo"]["qId"], &first["qMeta"]["id"]), (&json!(demo::SHEET_ID), &json!(demo::SHEET_ID)));
    assert!(first["qMeta"]["title"].as_str().is_some_and(|title| !title.is_empty()), "{sheets}");

    let attributes = ada.fetch("/user-attributes").await.json();
    assert_eq!(attributes, json!({ "sessionUserId": "password:ada", "qlikUserId": "password|ada" }));
}

#[tokio::test]
async fn apps_are_those_of_the_visitors_pages() {
    let stage = Stage::set(&[]).await;
    let (mut ada, mut bob) = (stage.portal.signed_in("ada").await, stage.portal.signed_in("bob").await);
    assert_eq!(ada.fetch("/app-sheets?page=other").await.status, StatusCode::OK);
    for path in ["/app-sheets?page=other", "/hypercube?page=frame", "/app-sheets?page=unknown"] {
        assert_eq!(failure(&bob.fetch(path).await), (StatusCode::NOT_FOUND, "not_found".into()), "{path}");
    }
    // Without the gallery, the visitor's first page with components.
    let stage = Stage::set(&[("GALLERY", "")]).await;
    assert_eq!(stage.portal.signed_in("bob").await.fetch("/app-sheets").await.status, StatusCode::OK);
}

/// Before anything else is looked at.
#[tokio::test]
async fn without_a_session_there_is_none_of_it() {
    let stage = Stage::set(&[]).await;
    for (method, path) in [
        (Method::GET, "/app-sheets"),
        (Method::GET, "/hypercube?limit=x"),
        (Method::GET, "/user-attributes"),
        (Method::POST, "/access-token"),
        (Method::POST, "/config"),
    ] {
        let answer = stage.portal.browser().send(method, path, &[], "").await;
        assert_eq!(
            (answer.status, answer.json()["error"].clone()),
            (StatusCode::UNAUTHORIZED, json!("session_expired")),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_said() {
    let stage = Stage::set(&[("DATA_MEASURE", "")]).await;
    let mut ada = stage.portal.signed_in("ada").await;
    for (query, words) in [
        ("", "which measure"),
        ("?measure=%3DSum(Sales)&limit=0", "from 1 to 10000"),
        ("?measure=%3DSum(Sales)&limit=10001", "from 1 to 10000"),
        ("?measure=%3DSum(Sales)&limit=many", "limit is no number"),
    ] {
        let answer = ada.fetch(&format!("/hypercube{query}")).await;
        assert_eq!(failure(&answer), (StatusCode::BAD_REQUEST, "bad_query".into()), "{query}");
        assert!(answer.json()["message"].as_str().is_some_and(|text| text.contains(words)), "{}", answer.body);
    }
}

#[tokio::test]
async fn what_the_tenant_refuses_is_said() {
    let stage = Stage::set(&[]).await;
    let mut ada = stage.portal.signed_in("ada").await;
    assert_eq!(ada.fetch("/hypercube").await.status, StatusCode::OK);
    for how in [NoAccess::ConnectedState, NoAccess::OpenDocError, NoAccess::ClosePermission] {
        stage.tenant.control().deny_app("password|ada", how);
        let refused = ada.fetch("/hypercube").await;
        assert_eq!(failure(&refused), (StatusCode::BAD_GATEWAY, "tenant_refused".into()), "{}", refused.body);
        assert_eq!(refused.json()["message"], "You have no permission to open the app.", "{how:?}");
    }
    stage.tenant.control().grant_app("password|ada");
    stage.tenant.control().refuse("/app/", Refusal::Unavailable, Times::Next(1));
    assert_eq!(ada.fetch("/hypercube").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(ada.fetch("/hypercube").await.status, StatusCode::OK);
    let unknown = ada.fetch("/hypercube?dimension=Nothing").await;
    assert_eq!(failure(&unknown), (StatusCode::UNPROCESSABLE_ENTITY, "no_data".into()), "{}", unknown.body);
}

#[tokio::test]
async fn the_gallery_says_what_it_shows() {
    let stage = Stage::set(&[("ASSISTANT_ID", "helper")]).await;
    let mut ada = stage.portal.signed_in("ada").await;
    assert_eq!(
        failure(&ada.send(Method::POST, "/config", &[], "").await),
        (StatusCode::FORBIDDEN, "csrf_token".into())
    );
    let token = csrf(&mut ada).await;
    let config = ada.send(Method::POST, "/config", &[("csrf-token", &token)], "").await.json();
    assert_eq!(
        config,
        json!({
            "tenantUri": stage.tenant.origin(), "oAuthFrontEndClientId": CLIENT, "appId": demo::APP_ID,
            "sheetId": demo::SHEET_ID, "objectId": demo::CHART_ID, "fieldId": "Region", "assistantId": "helper",
            "hypercubeDimension": "Region", "hypercubeMeasure": "=Sum(Sales)",
        })
    );
    let none = Stage::set(&[("GALLERY", "false")]).await;
    let mut ada = none.portal.signed_in("ada").await;
    let token = csrf(&mut ada).await;
    let answer = ada.send(Method::POST, "/config", &[("csrf-token", &token)], "").await;
    assert_eq!(failure(&answer), (StatusCode::NOT_FOUND, "not_found".into()));
}

/// Every answer is what the description says, and the description is one.
#[tokio::test]
async fn answers_are_as_described() {
    let stage = Stage::set(&[]).await;
    let mut ada = stage.portal.signed_in("ada").await;
    let token = csrf(&mut ada).await;
    let headers = [("csrf-token", token.as_str()), ("accept", "application/json")];
    let mut answers: Vec<(&str, &str, Answer)> =
        vec![("post", "/access-token", ada.send(Method::POST, "/access-token", &headers, "").await)];
    answers.push(("post", "/config", ada.send(Method::POST, "/config", &headers, "").await));
    for path in ["/csrf-token", "/app-sheets", "/hypercube", "/user-attributes", "/session", "/token/frame"] {
        let answer = ada.fetch(path).await;
        answers.push(("get", if path == "/token/frame" { "/token/{slug}" } else { path }, answer));
    }
    let mut nobody = stage.portal.browser();
    answers.push(("get", "/app-sheets", nobody.fetch("/app-sheets").await));
    answers.push(("get", "/hypercube", ada.fetch("/hypercube?limit=0").await));
    answers.push(("post", "/access-token", ada.send(Method::POST, "/access-token", &[], "").await));
    let seen: Vec<Value> = answers
        .iter()
        .map(|(method, path, answer)| {
            json!({ "method": method, "path": path, "status": answer.status.as_u16(), "body": answer.json() })
        })
        .collect();
    let file = stage.portal.folder().join("answers.json");
    std::fs::write(&file, json!(seen).to_string()).expect("the folder can be written to");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut check = Command::new("node");
    check.arg(root.join("tests/it/clients/openapi.mjs")).arg(root.join("docs/openapi.json")).arg(&file);
    let told = check.env("PACKAGES", root.join("web")).output().expect("node runs");
    let (out, err) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert_eq!((out.trim(), err.trim()), ("valid", ""));
}
