//! Without stickiness: what one instance did, each of them knows.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use qlik_embed_bff::demo;
use serde_json::json;

use super::stage::{Keeping, Stage};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_are_one_on_a_file() {
    are_one(Keeping::File).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_are_one_on_postgresql() {
    are_one(Keeping::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_instances_are_one_on_postgresql_and_redis() {
    are_one(Keeping::Both).await;
}

async fn are_one(keeping: Keeping) {
    let stage = Stage::set(keeping, 3).await;
    signed_in_on_one_served_by_all(&stage).await;
    two_hundred_requests_renew_once(&stage).await;
    what_ends_on_one_ends_on_all(&stage).await;
    a_wrong_password_counts_everywhere(&stage).await;
    let logs = stage.logs();
    for secret in ["eas.sid", super::stage::SECRET, "correct horse", "eyJ"] {
        assert!(!logs.contains(secret), "{secret} is in a log");
    }
}

async fn signed_in_on_one_served_by_all(stage: &Stage) {
    let ada = stage.sign_in("ada", 0).await;
    let page = stage.at(&ada, 1).open("/embed/default").await;
    assert_eq!(page.status, 200, "{page:?}");
    let me = stage.at(&ada, 2).get("/api/v1/users/me").await;
    assert!(me.status == 200 && me.body.contains("password|ada"), "{me:?}");
    for number in [0, 1, 2, 1] {
        let me = stage.at(&ada, number).get("/api/v1/users/me").await;
        assert_eq!(me.status, 200, "{me:?}");
        let token = stage.at(&ada, number).get("/token").await;
        assert_eq!(token.status, 200, "{token:?}");
    }
    assert_eq!(stage.logins(), 1, "one session at the tenant, whoever asks for it");
    // Through nginx, each of them has its turn.
    let ada = ada.at(stage.port);
    let bob = super::visitor::Visitor::sign_in(&stage.host, stage.port, "bob").await;
    for (visitor, subject) in [(&ada, "password|ada"), (&bob, "password|bob")].repeat(4) {
        let me = visitor.get("/api/v1/users/me").await;
        assert!(me.status == 200 && me.body.contains(subject), "{me:?}");
    }
    assert_eq!(stage.logins(), 2);
}

async fn two_hundred_requests_renew_once(stage: &Stage) {
    let ada = stage.sign_in("ada", 1).await;
    assert_eq!(stage.at(&ada, 0).get("/api/v1/users/me").await.status, 200);
    let before = stage.logins();
    stage.control().expire_sessions();
    let requests = (0..200).map(|n| {
        let visitor = stage.at(&ada, n % 3);
        async move { visitor.get("/api/v1/users/me").await.status }
    });
    let answers: HashSet<_> = join_all(requests).await.into_iter().collect();
    assert_eq!(answers, [200].into());
    assert_eq!(stage.logins() - before, 1, "of two hundred at three instances, one logs in");
}

async fn what_ends_on_one_ends_on_all(stage: &Stage) {
    let ada = stage.sign_in("ada", 0).await;
    let mut sockets = Vec::new();
    for number in 0..3 {
        sockets.push(stage.at(&ada, number).socket("shared").await.expect("a socket").0);
    }
    let opened = sockets[1].call(1, "OpenDoc", -1, json!({ "qDocName": demo::APP_ID })).await;
    assert!(opened["result"]["qReturn"]["qHandle"].is_i64(), "{opened}");
    let sessions = stage.control().session_count();
    let token = stage.at(&ada, 2).get("/csrf-token").await.body;
    let begun = Instant::now();
    let gone = stage.at(&ada, 2).send("POST", "/logout", &[("X-CSRF-Token", token.trim())], "").await;
    assert!((200..400).contains(&gone.status), "{gone:?}");
    for socket in &mut sockets {
        assert_eq!(socket.closed().await, Some(4401));
    }
    // Told at once, and looked for twice a second; the rest is a busy machine's.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    for number in 0..3 {
        let me = stage.at(&ada, number).get("/api/v1/users/me").await;
        assert_eq!(me.status, 401, "{me:?}");
        assert_eq!(stage.at(&ada, number).get("/token").await.status, 401);
    }
    crate::proxied::until(async || stage.control().session_count() < sessions).await;
}

async fn a_wrong_password_counts_everywhere(stage: &Stage) {
    let nobody = super::visitor::Visitor { host: stage.host.clone(), port: stage.port, cookie: String::new() };
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let mut answers = Vec::new();
    for n in 0..12 {
        let at = stage.at(&nobody, n % 3);
        answers.push(at.send("POST", "/login", &form, "username=bob&password=wrong+horse").await.status);
    }
    assert_eq!(answers.last(), Some(&429), "{answers:?}");
    assert_eq!(answers[0], 401, "{answers:?}");
}

/// Locks, pauses and ends are written by the store's clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_by_half_a_minute_do_no_harm() {
    for keeping in [Keeping::Postgres, Keeping::Both] {
        let stage = Stage::with(keeping, &[None, Some("+30s"), Some("-30s")], &[]).await;
        for number in 0..3 {
            let ahead =
                stage.instances[number].log().contains("the store's clock is ahead of this machine's by so much");
            assert_eq!(ahead, number > 0, "{}", stage.instances[number].log());
        }
        two_hundred_requests_renew_once(&stage).await;
        what_ends_on_one_ends_on_all(&stage).await;
        for at in 0..3 {
            let ada = stage.sign_in("ada", at).await;
            for number in 0..3 {
                assert_eq!(stage.at(&ada, number).get("/session").await.status, 200);
                assert_eq!(stage.at(&ada, number).get("/api/v1/users/me").await.status, 200);
            }
        }
    }
}
