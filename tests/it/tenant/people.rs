//! Section M 9, on: users, groups, spaces, clients, and the settings that are about people.

use qlik_embed_bff::demo::{self, Space};
use reqwest::Method;
use serde_json::{Value, json};

use super::admin::{API_KEY, all, call, fresh, get, post, replace, told};
use super::site::{End, ISSUER, KEY, KEY_ID, PORTAL, Site};

#[tokio::test]
async fn groups_come_when_they_are_let() {
    let site = fresh(|settings| {
        settings.providers.push(demo::IdentityProvider::new(ISSUER, KEY_ID, &KEY.public));
    })
    .await;
    site.visitor("ada").await;
    assert_eq!(get(&site, "/api/v1/groups").await["data"], json!([]), "dropped");
    let settings = "/api/v1/groups/settings";
    assert_eq!(get(&site, settings).await["autoCreateGroups"], false);
    assert_eq!(call(&site, Method::PATCH, settings, replace("/autoCreateGroups", true)).await.0, 204);
    assert_eq!(call(&site, Method::PATCH, settings, replace("/autoCreateGroups", "yes")).await.0, 400);
    assert_eq!(get(&site, settings).await["autoCreateGroups"], true);
    site.visitor("ada").await;
    let groups = get(&site, "/api/v1/groups").await;
    assert_eq!((&groups["data"][0]["name"], &groups["data"][0]["providerType"]), (&json!("analysts"), &json!("idp")));
    let body = json!({ "name": "sales", "status": "active", "providerType": "idp" });
    let sales = post(&site, "/api/v1/groups", body.clone()).await;
    assert_eq!(call(&site, Method::POST, "/api/v1/groups", body).await.0, 409);
    assert_eq!(call(&site, Method::POST, "/api/v1/groups", json!({ "name": "x".repeat(257) })).await.0, 400);
    let found = get(&site, "/api/v1/groups?filter=name%20eq%20%22SALES%22").await;
    assert_eq!(found["data"], json!([sales]));
}

#[tokio::test]
async fn who_is_assigned_to_the_space_opens_the_app() {
    let site = Site::with(|settings| {
        let space = Space::shared("Sales");
        settings.app_space = Some(space.id.clone());
        settings.spaces.push(space);
        settings.api_keys = vec![API_KEY.into()];
    })
    .await;
    let ada = site.visitor("ada").await;
    let app = format!("/api/v1/apps/{}", demo::APP_ID);
    let refused = End::Closed(4203, "No permission to open the app".into());
    assert_eq!(ada.socket("").await.end().await, refused);
    assert_eq!(ada.get(&app).await.status(), 404);
    assert_eq!(told(ada.get("/api/v1/items?resourceType=app").await).await.1["data"], json!([]));

    let space = get(&site, "/api/v1/spaces?name=sal").await["data"][0].clone();
    let assignments = format!("/api/v1/spaces/{}/assignments", space["id"].as_str().unwrap());
    let group = get(&site, "/api/v1/groups").await["data"][0]["id"].clone();
    let body = json!({ "type": "group", "assigneeId": group, "roles": ["consumer"] });
    let made = post(&site, &assignments, body.clone()).await;
    let (status, again) = call(&site, Method::POST, &assignments, body).await;
    assert_eq!((status, &again["detail"]), (409, &json!("assignment of assignee already exists in space")));
    for wrong in [
        json!({ "type": "group", "assigneeId": "nobody", "roles": ["consumer"] }),
        json!({ "type": "user", "assigneeId": group, "roles": ["consumer"] }),
        json!({ "type": "group", "assigneeId": group, "roles": ["basicconsumer"] }),
        json!({ "type": "group", "assigneeId": group, "roles": [] }),
    ] {
        assert_eq!(call(&site, Method::POST, &assignments, wrong.clone()).await.0, 400, "{wrong}");
    }
    assert_eq!(get(&site, &assignments).await["meta"]["count"], 1);
    ada.document("").await;
    let shown = told(ada.get(&app).await).await.1;
    assert_eq!(
        (&shown["attributes"]["spaceId"], &shown["attributes"]["name"]),
        (&space["id"], &json!("Sales overview"))
    );
    let items = told(ada.get("/api/v1/items?resourceType=app").await).await.1;
    assert_eq!(items["data"][0]["resourceId"], demo::APP_ID);

    let this = format!("{assignments}/{}", made["id"].as_str().unwrap());
    assert_eq!(call(&site, Method::DELETE, &this, Value::Null).await.0, 204);
    assert_eq!(ada.socket("").await.end().await, refused);
    let everyone = json!({ "type": "group", "assigneeId": "000000000000000000000001", "roles": ["consumer"] });
    post(&site, &assignments, everyone).await;
    ada.document("").await;
    let (status, _) = call(&site, Method::POST, "/api/v1/spaces", json!({ "name": "Sales", "type": "shared" })).await;
    assert_eq!(status, 409);
    post(&site, "/api/v1/spaces", json!({ "name": "Other", "type": "managed" })).await;
    assert_eq!(all(&site, "/api/v1/spaces?limit=1").await.len(), 2);
}

#[tokio::test]
async fn users_are_made_changed_and_found() {
    let site = fresh(|_| {}).await;
    let path = "/api/v1/users";
    let body = json!({ "subject": "ada", "name": "Ada", "email": "ada@portal.example", "status": "active" });
    let ada = post(&site, path, body.clone()).await;
    assert_eq!(call(&site, Method::POST, path, body).await.0, 409);
    assert_eq!(call(&site, Method::POST, path, json!({ "name": "Nobody" })).await.0, 400);
    assert_eq!(post(&site, path, json!({ "subject": "grace" })).await["status"], "invited");
    let find = async |filter: &str| {
        let query: String = url::form_urlencoded::byte_serialize(filter.as_bytes()).collect();
        let listed = get(&site, &format!("{path}?filter={query}")).await["data"].clone();
        let (status, posted) =
            call(&site, Method::POST, &format!("{path}/actions/filter"), json!({ "filter": filter })).await;
        assert_eq!((status, &posted["data"]), (200, &listed));
        let count = get(&site, &format!("{path}/actions/count?filter={query}")).await["total"].clone();
        assert_eq!(count, listed.as_array().unwrap().len());
        listed.as_array().unwrap().iter().map(|user| user["subject"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(find(r#"email co "@PORTAL""#).await, ["ada"]);
    assert_eq!(find(r#"(subject eq "ada" or subject eq "grace") and status eq "invited""#).await, ["grace"]);
    assert_eq!(find(r#"assignedRoles.name eq "TenantAdmin""#).await, ["auth0|administrator"]);
    assert_eq!(call(&site, Method::GET, &format!("{path}?filter=x"), Value::Null).await.0, 400);
    assert_eq!(all(&site, &format!("{path}?limit=1")).await.len(), 3);
    assert_eq!(get(&site, &format!("{path}?totalResults=true&limit=1")).await["totalResults"], 3);

    let this = format!("{path}/{}", ada["id"].as_str().unwrap());
    assert_eq!(call(&site, Method::PATCH, &this, replace("/status", "disabled")).await.0, 204);
    let mut mixed = replace("/name", "Ada Lovelace");
    mixed.as_array_mut().unwrap().extend(replace("/subject", "x").as_array().unwrap().clone());
    let (status, problems) = call(&site, Method::PATCH, &this, mixed).await;
    assert_eq!((status, &problems["errors"][0]["source"]["pointer"]), (207, &json!("/1/subject")));
    let shown = get(&site, &this).await;
    assert_eq!((&shown["name"], &shown["status"]), (&json!("Ada Lovelace"), &json!("disabled")));
    assert_eq!(call(&site, Method::DELETE, &this, Value::Null).await.0, 204);
    let (status, gone) = call(&site, Method::PATCH, &this, replace("/name", "x")).await;
    assert_eq!((status, &gone["errors"][0]["code"]), (404, &json!("USERS-7")));
}

#[tokio::test]
async fn settings_of_the_tenant_change_what_comes_after() {
    let site = fresh(|settings| {
        settings.providers.push(demo::IdentityProvider::new(ISSUER, KEY_ID, &KEY.public));
    })
    .await;
    let (licences, sessions) = ("/api/v1/licenses/settings", "/api/core/auth-settings");
    assert_eq!(get(&site, licences).await, json!({ "autoAssignAnalyzer": true, "autoAssignProfessional": false }));
    let ada = site.visitor("ada").await;
    ada.document("").await;
    let (status, _) = call(&site, Method::PUT, licences, json!({ "autoAssignAnalyzer": false })).await;
    assert_eq!(status, 200);
    ada.document("").await;
    let mut refused = site.visitor("grace").await.socket("").await;
    assert_eq!(refused.hear().await["params"]["qSessionState"], "SESSION_ERROR_NO_LICENSE");

    let known = get(&site, sessions).await;
    assert_eq!((&known["userSessionInactivityTimeoutMinutes"], &known["isDefault"]), (&json!(30), &json!(true)));
    let path = "/userSessionInactivityTimeoutMinutes";
    assert_eq!(call(&site, Method::PATCH, sessions, replace(path, 15)).await.0, 204);
    assert_eq!(call(&site, Method::PATCH, sessions, replace(path, 14)).await.0, 400);
    assert_eq!(call(&site, Method::PATCH, sessions, replace("/maxUserSessionLifespanMinutes", 90)).await.0, 400);
    let late = site.visitor("late").await;
    site.control().shift_clock(time::Duration::minutes(20));
    assert_eq!(late.get("/api/v1/users/me").await.status(), 401);
    assert_eq!(ada.get("/api/v1/users/me").await.status(), 301, "begun before");
}

#[tokio::test]
async fn clients_are_made_and_trusted() {
    let site = fresh(|_| {}).await;
    let path = "/api/v1/oauth-clients";
    let body = json!({
        "clientName": "Embedding", "appType": "web", "allowedScopes": ["user_default"], "allowedOrigins": [PORTAL],
        "allowedGrantTypes": ["client_credentials", demo::IMPERSONATION],
    });
    let made = post(&site, path, body).await;
    let (id, secret) = (made["clientId"].as_str().unwrap(), made["clientSecret"].as_str().unwrap());
    let shown = get(&site, &format!("{path}/{id}")).await;
    assert!(!shown.to_string().contains(secret), "told once");
    assert_eq!(all(&site, &format!("{path}?limit=1")).await.len(), 2);
    let consent = format!("{path}/{id}/connection-configs/me");
    assert_eq!(get(&site, &consent).await["consentMethod"], "required");
    assert_eq!(call(&site, Method::PATCH, &consent, replace("/consentMethod", "trusted")).await.0, 204);
    assert_eq!(call(&site, Method::PATCH, &consent, replace("/consentMethod", "maybe")).await.0, 400);
    assert_eq!(get(&site, &consent).await["consentMethod"], "trusted");
    let wider = replace("/allowedOrigins", json!([PORTAL, "https://b.example"]));
    assert_eq!(call(&site, Method::PATCH, &format!("{path}/{id}"), wider).await.0, 204);
    assert_eq!(site.control().settings().clients[1].origins, [PORTAL, "https://b.example"]);
    assert_eq!(call(&site, Method::POST, path, json!({ "clientName": "x", "appType": "odd" })).await.0, 400);
}

#[tokio::test]
async fn administrators_read_apps_and_sheets_without_a_browser() {
    let site = fresh(|settings| {
        settings.more_apps.push("22222222-2222-4222-8222-222222222222".into());
        settings.more_sheets.push("another-sheet".into());
    })
    .await;
    let apps = all(&site, "/api/v1/items?resourceType=app&limit=1").await;
    let names: Vec<&Value> = apps.iter().map(|app| &app["name"]).collect();
    assert_eq!(names, ["Sales overview", "Sales overview 2"]);
    assert_eq!(all(&site, "/api/v1/items?resourceType=note").await.len(), 0);
    assert_eq!(call(&site, Method::GET, "/api/v1/apps/nothing", Value::Null).await.0, 404);

    let nobody = super::site::Visitor { site: &site, cookies: String::new() };
    for app in [demo::APP_ID, "22222222-2222-4222-8222-222222222222"] {
        let mut socket = nobody.try_socket_with(&format!("/app/{app}"), API_KEY).await.unwrap();
        assert_eq!(socket.hear().await["params"]["qSessionState"], "SESSION_CREATED");
        assert_eq!(socket.call(-1, "OpenDoc", json!([app])).await["result"]["qReturn"]["qHandle"], 1);
        let list = json!({
            "qInfo": { "qType": "SheetList" },
            "qAppObjectListDef": { "qType": "sheet", "qData": { "title": "/qMetaDef/title", "rank": "/rank" } },
        });
        let handle = socket.handle("CreateSessionObject", json!([list])).await;
        let layout = socket.call(handle, "GetLayout", json!([])).await;
        let items = layout["result"]["qLayout"]["qAppObjectList"]["qItems"].as_array().unwrap().clone();
        let ids: Vec<&Value> = items.iter().map(|item| &item["qInfo"]["qId"]).collect();
        assert_eq!(ids, [demo::SHEET_ID, "another-sheet"]);
        assert_eq!(items[1]["qMeta"]["title"], "Sales overview 2");
        assert!(socket.handle("GetObject", json!(["another-sheet"])).await > 0);
        let missing = socket.call(1, "GetObject", json!(["no-sheet"])).await;
        assert_eq!(missing["result"]["qReturn"]["qHandle"], Value::Null);
    }
    assert_eq!(nobody.try_socket_with(&format!("/app/{}", demo::APP_ID), "nobodys-key").await.err(), Some(401));
}
