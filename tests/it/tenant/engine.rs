//! Section M 12 to 16: the handshake, the protocol, and what sockets of one engine session share.

use std::{collections::BTreeMap, time::Duration};

use qlik_embed_bff::demo::{self, AlreadyOpen, HandshakeRefusal, MissingObject, Theme, UnknownApp};
use serde_json::{Value, json};

use super::site::{End, Site, Socket, Visitor};

const OTHER_APP: &str = "11111111-1111-4111-8111-111111111111";

#[tokio::test]
async fn a_handshake_needs_session_and_token() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let stranger = Visitor { site: &site, cookies: String::new() };
    let token = ada.csrf().await;
    let bare = format!("/app/{}", demo::APP_ID);
    let full = format!("{bare}?qlik-csrf-token={token}");
    assert_eq!(stranger.try_socket(&full).await.err(), Some(401));
    assert_eq!(ada.try_socket(&bare).await.err(), Some(403));
    assert_eq!(ada.try_socket(&format!("{bare}?qlik-csrf-token=nonsense")).await.err(), Some(403));

    site.control().change(|settings| settings.switches.handshake_refusal = HandshakeRefusal::CloseCode);
    let refused = End::Closed(4006, "Authentication failed".into());
    assert_eq!(stranger.try_socket(&full).await.unwrap().end().await, refused);
    assert_eq!(ada.try_socket(&bare).await.unwrap().end().await, refused);

    site.control().change(|settings| settings.switches.csrf_on_handshake = false);
    assert_eq!(ada.try_socket(&bare).await.unwrap().hear().await["method"], "OnConnected");
}

#[tokio::test]
async fn access_tokens_open_sockets_too() {
    let site = Site::start().await;
    site.visitor("ada").await;
    let token = site.control().access_token("ada").unwrap();
    let nobody = Visitor { site: &site, cookies: String::new() };
    let path = format!("/app/{}?accessToken=", demo::APP_ID);
    assert!(nobody.try_socket(&format!("{path}{token}")).await.is_ok());
    assert_eq!(nobody.try_socket(&format!("{path}{token}x")).await.err(), Some(401));
}

#[tokio::test]
async fn the_address_has_an_order() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let csrf = ada.csrf().await;
    let status =
        async |path: &str| ada.try_socket(&format!("/app/{}{path}?qlik-csrf-token={csrf}", demo::APP_ID)).await.err();
    assert_eq!(status("").await, None);
    assert_eq!(status("/identity/a%2Fb%20c").await, None);
    assert_eq!(status("/identity/x/ttl/30").await, None);
    assert_eq!(status("/ttl/30").await, None);
    assert_eq!(status("/ttl/30/identity/x").await, Some(404));
    assert_eq!(status("/ttl/soon").await, Some(400));
    assert_eq!(site.get(&format!("/app/{}", demo::APP_ID)).await.status(), 400, "no handshake at all");
}

#[tokio::test]
async fn an_open_socket_is_known_and_forgotten() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let socket = ada.socket("/identity/a%2Fb/ttl/30").await;
    site.until(|control| control.sockets().len() == 1).await;
    let known = site.control().sockets().remove(0);
    assert_eq!((known.subject.as_str(), known.identity.as_deref(), known.ttl), ("ada", Some("a/b"), Some(30)));
    assert_eq!(known.query, ["qlik-csrf-token"]);
    socket.leave().await;
    site.until(|control| control.sockets().is_empty()).await;
}

#[tokio::test]
async fn an_unknown_app_shows_at_the_door_or_when_opened() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let path = format!("/app/{OTHER_APP}?qlik-csrf-token={}", ada.csrf().await);
    assert_eq!(ada.try_socket(&path).await.unwrap().end().await, End::Closed(4204, "App not found".into()));
    site.control().change(|settings| settings.switches.unknown_app = UnknownApp::OpenDocError);
    let mut socket = ada.try_socket(&path).await.unwrap();
    assert_eq!(socket.hear().await["method"], "OnConnected");
    assert_eq!(socket.call(-1, "OpenDoc", json!([OTHER_APP])).await["error"]["code"], 1003);
}

#[tokio::test]
async fn an_engine_session_is_user_app_and_identity() {
    let site = Site::start().await;
    let (ada, grace) = (site.visitor("ada").await, site.visitor("grace").await);
    let state = async |visitor: &Visitor<'_>, path: &str| {
        let mut socket = visitor.socket(path).await;
        let state = socket.hear().await["params"]["qSessionState"].as_str().unwrap().to_owned();
        (state, socket)
    };
    let (first, socket) = state(&ada, "/identity/x").await;
    assert_eq!(first, "SESSION_CREATED");
    assert_eq!(state(&ada, "/identity/x").await.0, "SESSION_ATTACHED");
    assert_eq!(state(&ada, "/identity/y").await.0, "SESSION_CREATED");
    assert_eq!(state(&ada, "").await.0, "SESSION_CREATED");
    assert_eq!(state(&grace, "/identity/x").await.0, "SESSION_CREATED");
    drop(socket);
}

#[tokio::test]
async fn a_detached_session_lives_for_its_time() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let again = async |path: &str, away: i64| {
        let socket = ada.document(path).await;
        socket.leave().await;
        site.until(|control| control.sockets().is_empty()).await;
        site.control().shift_clock(time::Duration::seconds(away));
        let state = ada.socket(path).await.hear().await["params"]["qSessionState"].clone();
        site.until(|control| control.sockets().is_empty()).await;
        site.control().shift_clock(time::Duration::hours(-1));
        state
    };
    assert_eq!(again("/identity/a/ttl/300", 299).await, "SESSION_ATTACHED");
    assert_eq!(again("/identity/b/ttl/300", 301).await, "SESSION_CREATED");
    assert_eq!(again("/identity/c", 59).await, "SESSION_ATTACHED");
    assert_eq!(again("/identity/d", 61).await, "SESSION_CREATED");
    site.control().change(|settings| settings.switches.retention = Duration::ZERO);
    assert_eq!(again("/identity/e", 0).await, "SESSION_CREATED");
}

#[tokio::test]
async fn opening_an_app_has_its_rules() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let mut socket = ada.socket("").await;
    socket.hear().await;
    let error =
        async |socket: &mut Socket, params: Value| socket.call(-1, "OpenDoc", params).await["error"]["code"].clone();
    assert_eq!(socket.call(-1, "GetActiveDoc", json!([])).await["error"]["code"], 1017);
    assert_eq!(error(&mut socket, json!([])).await, 8);
    assert_eq!(error(&mut socket, json!([OTHER_APP])).await, 1003);
    for code in [15, 5, 1009] {
        site.control().change(|settings| settings.switches.open_doc_error = Some(code));
        assert_eq!(error(&mut socket, json!([demo::APP_ID])).await, code);
    }
    site.control().change(|settings| settings.switches.open_doc_error = None);

    let named = socket.call(-1, "OpenDoc", json!({ "qDocName": demo::APP_ID })).await;
    let expected = json!({ "qType": "Doc", "qHandle": 1, "qGenericId": demo::APP_ID });
    assert_eq!(named["result"]["qReturn"], expected);
    assert_eq!(socket.call(-1, "GetActiveDoc", json!([])).await["result"]["qReturn"], expected);
    assert_eq!(socket.call(-1, "OpenDoc", json!([demo::APP_ID, "", "", "", true])).await["error"]["code"], 1009);
    assert_eq!(socket.call(-1, "OpenDoc", json!([demo::APP_ID])).await["result"]["qReturn"], expected);
    site.control().change(|settings| settings.switches.already_open = AlreadyOpen::Refused);
    assert_eq!(error(&mut socket, json!([demo::APP_ID])).await, 1002);
}

#[tokio::test]
async fn nonsense_is_answered_as_errors() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let mut socket = ada.document("").await;
    socket.say("{").await;
    assert_eq!(socket.hear().await["error"]["code"], -32700);
    let cases = [
        (-1, "NoSuchMethod", json!([]), -32601),
        (77, "GetLayout", json!([]), -32602),
        (1, "GetObject", json!([]), 8),
        (1, "CreateSessionObject", json!([{}]), 8),
        (1, "CreateObject", json!([{ "qInfo": { "qType": "sheet" } }]), 5),
        (1, "DestroySessionObject", json!(["nothing"]), 2),
        (1, "GetField", json!(["NoField"]), 2),
    ];
    for (handle, method, params, code) in cases {
        assert_eq!(socket.call(handle, method, params).await["error"]["code"], code, "{method}");
    }
    assert_eq!(
        socket.call(1, "GetObject", json!(["nothing"])).await["result"]["qReturn"],
        json!({ "qType": null, "qHandle": null })
    );
    site.control().change(|settings| settings.switches.missing_object = MissingObject::Error);
    assert_eq!(socket.call(1, "GetObject", json!(["nothing"])).await["error"]["code"], 2);
}

#[tokio::test]
async fn the_theme_lookup_of_the_tutorial() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let mut socket = ada.document("").await;
    let definition = json!({
        "qInfo": { "qId": "AppPropsList", "qType": "AppPropsList" },
        "qAppObjectListDef": { "qType": "appprops", "qData": { "theme": "/theme" } },
    });
    let made = socket.handle("CreateSessionObject", json!([definition])).await;
    assert_eq!(socket.handle("GetObject", json!(["AppPropsList"])).await, made);
    let cases = [
        (Theme::Named("horizon".into()), json!([{ "theme": "horizon" }])),
        (Theme::Unset, json!([{}])),
        (Theme::NoAppProperties, json!([])),
    ];
    for (theme, expected) in cases {
        site.control().change(|settings| settings.switches.theme = theme);
        let layout = socket.call(made, "GetLayout", json!([])).await;
        let items = layout["result"]["qLayout"]["qAppObjectList"]["qItems"].as_array().unwrap().clone();
        assert_eq!(Value::from_iter(items.into_iter().map(|item| item["qData"].clone())), expected);
    }
}

#[tokio::test]
async fn with_deltas_every_member_is_a_list_of_patches() {
    let site = Site::with(|settings| settings.switches.delta = true).await;
    let ada = site.visitor("ada").await;
    let mut socket = ada.document("").await;
    let plain = socket.call(-1, "EngineVersion", json!([])).await;
    assert!(plain["result"]["qVersion"].is_object() && plain["delta"].is_null(), "only where asked for");
    let delta = socket.call_with(-1, "EngineVersion", json!([]), json!({ "delta": true })).await;
    assert_eq!(delta["delta"], true);
    assert_eq!(
        delta["result"]["qVersion"][0],
        json!({ "op": "add", "path": "/", "value": plain["result"]["qVersion"] })
    );
}

#[tokio::test]
async fn a_selection_is_told_to_all_sockets_of_its_session_and_no_other() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let (mut one, mut two) = (ada.document("/identity/x").await, ada.document("/identity/x").await);
    let mut apart = ada.document("/identity/y").await;
    let mut charts = Vec::new();
    for socket in [&mut one, &mut two, &mut apart] {
        let sheet = socket.handle("GetObject", json!([demo::SHEET_ID])).await;
        let chart = socket.handle("GetObject", json!([demo::CHART_ID])).await;
        assert_ne!(sheet, chart);
        assert_eq!(socket.bars(chart).await, ["Americas", "Europe", "Asia Pacific", "Middle East", "Africa"]);
        charts.push(chart);
    }
    let answer = one.call(charts[0], "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [1], true])).await;
    assert_eq!((&answer["result"]["qSuccess"], &answer["change"]), (&json!(true), &json!([charts[0]])));
    assert_eq!(two.hear().await, json!({ "jsonrpc": "2.0", "change": [charts[1]] }));
    assert_eq!(two.bars(charts[1]).await, ["Europe"]);
    assert_eq!(apart.bars(charts[2]).await.len(), 5, "another identity, other selections");
    let selected = BTreeMap::from([("Region".to_owned(), vec!["Europe".to_owned()])]);
    assert_eq!(site.control().selections("ada", Some("x")), selected);
    assert!(site.control().selections("ada", Some("y")).is_empty());

    assert_eq!(two.call(1, "ClearAll", json!([false])).await["change"], json!([charts[1]]));
    assert_eq!(one.hear().await["change"], json!([charts[0]]));
    assert_eq!(one.bars(charts[0]).await.len(), 5);
}

#[tokio::test]
async fn selections_by_cube_list_and_field() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let mut socket = ada.document("").await;
    let chart = socket.handle("GetObject", json!([demo::CHART_ID])).await;
    let filter = socket.handle("GetObject", json!([demo::FILTER_ID])).await;
    let field = socket.handle("GetField", json!(["Product"])).await;
    let selected = || site.control().selections("ada", None).into_values().map(|values| values.len()).sum::<usize>();

    socket.call(chart, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [0, 1], false])).await;
    socket.call(filter, "SelectListObjectValues", json!(["/qListObjectDef", [3], true])).await;
    socket.call(field, "SelectValues", json!([[{ "qText": "Kettles" }], false])).await;
    assert_eq!(selected(), 4);
    socket.call(chart, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [0], true])).await;
    assert_eq!(selected(), 3, "toggled back");
    let failed = socket.call(chart, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [99], true])).await;
    assert_eq!((&failed["result"]["qSuccess"], &failed["change"]), (&json!(false), &Value::Null));
    assert_eq!(
        socket.call(chart, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 3, [0], true])).await["error"]["code"],
        8
    );
    assert_eq!(socket.call(field, "Select", json!(["No such thing"])).await["result"]["qReturn"], false);
    socket.call(filter, "ClearSelections", json!(["/qListObjectDef"])).await;
    assert_eq!(selected(), 2);
    socket.call(field, "ClearAllButThis", json!([])).await;
    assert_eq!(selected(), 1);
    socket.call(field, "Clear", json!([])).await;
    assert_eq!(selected(), 0);
}

#[tokio::test]
async fn a_destroyed_object_is_closed_for_all() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let (mut one, mut two) = (ada.document("").await, ada.document("").await);
    let definition = json!([{ "qInfo": { "qId": "list", "qType": "list" }, "qListObjectDef": { "qDef": { "qFieldDefs": ["Region"] } } }]);
    let first = one.handle("CreateSessionObject", definition).await;
    let second = two.handle("GetObject", json!(["list"])).await;
    assert_eq!(one.call(1, "DestroySessionObject", json!(["list"])).await["close"], json!([first]));
    assert_eq!(two.hear().await["close"], json!([second]));
    assert_eq!(two.call(second, "GetLayout", json!([])).await["error"]["code"], -32602);
}

#[tokio::test]
async fn pages_are_cut_and_limited() {
    let site = Site::start().await;
    let ada = site.visitor("ada").await;
    let mut socket = ada.document("").await;
    let chart = socket.handle("GetObject", json!([demo::CHART_ID])).await;
    let page = |top: u32, height: u32| json!(["/qHyperCubeDef", [{ "qTop": top, "qLeft": 0, "qWidth": 2, "qHeight": height }]]);
    let part = socket.call(chart, "GetHyperCubeData", page(3, 50)).await;
    assert_eq!(part["result"]["qDataPages"][0]["qMatrix"].as_array().unwrap().len(), 2);
    assert_eq!(part["result"]["qDataPages"][0]["qArea"], json!({ "qLeft": 0, "qTop": 3, "qWidth": 2, "qHeight": 2 }));
    assert_eq!(socket.call(chart, "GetHyperCubeData", page(0, 5001)).await["error"]["code"], 6000);
    assert_eq!(socket.call(chart, "GetHyperCubeData", json!(["/other", []])).await["error"]["code"], 8);
    assert_eq!(socket.call(chart, "SetProperties", json!([{}])).await["error"]["code"], 5);
}

#[tokio::test]
async fn socket_traffic_as_activity_is_a_switch() {
    for counts in [false, true] {
        let site = Site::with(|settings| settings.switches.socket_is_activity = counts).await;
        let ada = site.visitor("ada").await;
        let mut socket = ada.document("").await;
        for _ in 0..2 {
            site.control().shift_clock(time::Duration::minutes(20));
            socket.call(-1, "EngineVersion", json!([])).await;
        }
        assert_eq!(ada.get("/api/v1/users/me").await.status() == 301, counts);
    }
}
