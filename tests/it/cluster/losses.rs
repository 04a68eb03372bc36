//! An instance that dies, and instances that are exchanged one by one, while visitors work.

use qlik_embed_bff::demo;
use serde_json::json;

use super::load::{Load, assert_all_good};
use super::stage::{Keeping, Stage};
use super::visitor::{Socket, Visitor};

/// Visitors of both names, at all instances.
async fn visitors(stage: &Stage) -> Vec<Visitor> {
    let mut visitors = Vec::new();
    for n in 0..6 {
        let name = if n % 2 == 0 { "ada" } else { "bob" };
        visitors.push(stage.sign_in(name, n % 3).await.at(stage.port));
    }
    visitors
}

async fn open(socket: &mut Socket) -> i32 {
    let opened = socket.call(1, "OpenDoc", -1, json!({ "qDocName": demo::APP_ID })).await;
    let handle = opened["result"]["qReturn"]["qHandle"].as_i64().expect("a handle");
    i32::try_from(handle).expect("a small number")
}

/// One click into the chart, on its second bar.
async fn select(socket: &mut Socket, app: i32) {
    let chart = socket.call(2, "GetObject", app, json!([demo::CHART_ID])).await;
    let chart = i32::try_from(chart["result"]["qReturn"]["qHandle"].as_i64().expect("a handle")).expect("small");
    socket.call(3, "GetLayout", chart, json!([])).await;
    let selected = socket.call(4, "SelectHyperCubeValues", chart, json!(["/qHyperCubeDef", 0, [1], true])).await;
    assert_eq!(selected["result"]["qSuccess"], true, "{selected}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_is_killed_signs_nobody_out() {
    for keeping in [Keeping::File, Keeping::Postgres, Keeping::Both] {
        let mut stage = Stage::set(keeping, 3).await;
        let visitors = visitors(&stage).await;
        let ada = &visitors[0];
        let (mut socket, attached) = stage.at(ada, 1).socket("mine").await.expect("a socket");
        assert!(!attached);
        let handle = open(&mut socket).await;
        select(&mut socket, handle).await;
        assert_eq!(stage.control().selections("password|ada", Some("mine"))["Region"].len(), 1);
        let load = Load::of(&visitors);
        crate::proxied::until(async || stage.control().requests().len() > 40).await;
        stage.instances[1].kill();
        assert_eq!(socket.closed().await, None, "it breaks off");
        // As the page does: it opens another, which is another instance's, and finds its selections.
        let (_, attached) = ada.socket("mine").await.expect("a socket");
        assert!(attached, "the session of the engine goes on");
        assert_eq!(stage.control().selections("password|ada", Some("mine"))["Region"].len(), 1, "with its selections");
        let so_far = stage.control().requests().len();
        crate::proxied::until(async || stage.control().requests().len() > so_far + 40).await;
        assert_all_good(&load.end().await, 100);
        stage.instances[1].start();
        tokio::task::block_in_place(|| stage.instances[1].wait_until_ready());
        for visitor in &visitors {
            assert_eq!(stage.at(visitor, 1).get("/session").await.status, 200);
        }
    }
}

/// A new version, one instance after the other: what a deployment does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_fails_no_request() {
    for keeping in [Keeping::File, Keeping::Postgres, Keeping::Both] {
        let changes = [("SHUTDOWN_DELAY", "1s"), ("SHUTDOWN_GRACE", "5s")];
        let mut stage = Stage::with(keeping, &[None, None, None], &changes).await;
        let visitors = visitors(&stage).await;
        let load = Load::of(&visitors);
        for number in 0..3 {
            let (mut socket, _) = stage.at(&visitors[0], number).socket("rolling").await.expect("a socket");
            let code = tokio::task::block_in_place(|| stage.instances[number].stop());
            assert_eq!(code, Some(0), "{}", stage.instances[number].log());
            assert_eq!(socket.closed().await, Some(1001), "it is told that the server goes away");
            stage.instances[number].start();
            tokio::task::block_in_place(|| stage.instances[number].wait_until_ready());
        }
        assert_all_good(&load.end().await, 200);
        for visitor in &visitors {
            assert_eq!(visitor.get("/session").await.status, 200);
        }
    }
}
