//! Stores that stop, are cut off, or fall silent: bounded answers, open sockets, and nobody is signed out.

use std::time::{Duration, Instant};

use qlik_embed_bff::demo;
use serde_json::json;
use tokio::task::block_in_place;

use super::stage::{Keeping, Stage};
use super::visitor::{Socket, Visitor};
use crate::servers::cable::State;

/// Longer than memory keeps a session, so that the store has to be asked.
const FORGOTTEN: Duration = Duration::from_secs(6);
/// How long an answer may take that says that there is none.
const BOUND: Duration = Duration::from_secs(8);

async fn is_alive(socket: &mut Socket, number: u32) -> bool {
    let answer = socket.call(number, "EngineVersion", -1, json!([])).await;
    answer["id"] == number
}

/// What holds while the store is away.
async fn hold_without(stage: &Stage, visitor: &Visitor, socket: &mut Socket) {
    let begun = Instant::now();
    crate::outlast(FORGOTTEN).await;
    for number in 0..2 {
        let at = stage.at(visitor, number);
        for path in ["/embed/default", "/token", "/session"] {
            let asked = Instant::now();
            let answer = at.get(path).await;
            assert_eq!(answer.status, 503, "{path}: {answer:?}");
            assert!(answer.header("retry-after").is_some(), "{answer:?}");
            assert!(asked.elapsed() < BOUND, "{path}: {:?}", asked.elapsed());
            assert!(answer.header("set-cookie").is_none(), "the cookie stays: {answer:?}");
        }
        assert_eq!(at.get("/healthz").await.status, 200);
        assert_eq!(at.get("/readyz").await.status, 503);
        assert_eq!(at.get("/favicon.ico").await.status, 200);
    }
    assert!(is_alive(socket, 7).await, "sockets live on");
    assert!(begun.elapsed() < Duration::from_secs(60), "nothing piles up");
}

/// ... and when it is back.
async fn hold_again(stage: &Stage, visitor: &Visitor, socket: &mut Socket, logins: usize) {
    let patience = Instant::now() + Duration::from_secs(20);
    for number in 0..2 {
        let at = stage.at(visitor, number);
        while at.get("/readyz").await.status != 200 {
            assert!(Instant::now() < patience, "{}", stage.instances[number].log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for path in ["/embed/default", "/token", "/session", "/api/v1/users/me"] {
            let answer = at.get(path).await;
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
        }
    }
    assert!(is_alive(socket, 8).await);
    assert_eq!(stage.logins(), logins, "the tenant's session is the same");
    // What ends is told again, too.
    let other = stage.sign_in("ada", 0).await;
    let (mut of_other, _) = stage.at(&other, 1).socket("other").await.expect("a socket");
    let token = stage.at(&other, 0).get("/csrf-token").await.body;
    stage.at(&other, 0).send("POST", "/logout", &[("X-CSRF-Token", token.trim())], "").await;
    assert_eq!(of_other.closed().await, Some(4401));
}

async fn begin(keeping: Keeping) -> (Stage, Visitor, Socket, usize) {
    let stage = Stage::set(keeping, 2).await;
    let ada = stage.sign_in("ada", 0).await;
    let (mut socket, _) = stage.at(&ada, 1).socket("mine").await.expect("a socket");
    socket.call(1, "OpenDoc", -1, json!({ "qDocName": demo::APP_ID })).await;
    assert_eq!(stage.at(&ada, 0).get("/api/v1/users/me").await.status, 200);
    let logins = stage.logins();
    (stage, ada, socket, logins)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_stops_and_starts() {
    let (mut stage, ada, mut socket, logins) = begin(Keeping::Both).await;
    block_in_place(|| stage.redis.as_mut().expect("Redis").stop());
    hold_without(&stage, &ada, &mut socket).await;
    block_in_place(|| stage.redis.as_mut().expect("Redis").start_again());
    hold_again(&stage, &ada, &mut socket, logins).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_that_stops_and_starts() {
    let (mut stage, ada, mut socket, logins) = begin(Keeping::Postgres).await;
    block_in_place(|| stage.postgres.as_mut().expect("PostgreSQL").stop());
    hold_without(&stage, &ada, &mut socket).await;
    block_in_place(|| stage.postgres.as_mut().expect("PostgreSQL").start_again());
    hold_again(&stage, &ada, &mut socket, logins).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_is_cut_or_falls_silent() {
    for keeping in [Keeping::Postgres, Keeping::Both] {
        let (stage, ada, mut socket, logins) = begin(keeping).await;
        let cable = stage.to_redis.as_ref().or(stage.to_postgres.as_ref()).expect("a cable");
        cable.is(State::Slow);
        crate::outlast(FORGOTTEN).await;
        for path in ["/embed/default", "/token", "/session", "/api/v1/users/me"] {
            assert_eq!(stage.at(&ada, 0).get(path).await.status, 200, "{path}: late, but whole");
        }
        cable.is(State::Whole);
        for (times, state) in [State::Broken, State::Silent].into_iter().enumerate() {
            // Somebody else came and went in between.
            let logins = logins + times;
            cable.is(state);
            hold_without(&stage, &ada, &mut socket).await;
            // Those that fell silent stay so; only new ones get through.
            cable.is(State::Whole);
            hold_again(&stage, &ada, &mut socket, logins).await;
        }
    }
}
