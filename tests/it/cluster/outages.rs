//! Stores that stop, are cut off, or fall silent while visitors work: bounded answers, open sockets, and nobody is signed out.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use qlik_embed_bff::demo;
use serde_json::json;
use tokio::task::block_in_place;

use super::load::{Load, assert_all_good};
use super::stage::{Keeping, Stage};
use super::visitor::{Answer, Socket, Visitor};
use crate::servers::cable::State;

/// How long a store is away.
const AWAY: Duration = Duration::from_secs(10);
/// Longer than memory keeps a session, so that the store has to be asked.
const FORGOTTEN: Duration = Duration::from_secs(6);
/// How long an answer may take that says that there is none.
const BOUND: Duration = Duration::from_secs(8);
/// How soon all is well when the store is back.
const BACK: Duration = Duration::from_secs(10);

/// What is lost: a server, or the way to the one that has the sessions.
#[derive(Clone, Copy)]
enum Loss {
    Redis,
    Postgres,
    Network(State),
}

impl Loss {
    fn begin(self, stage: &mut Stage) {
        match self {
            Self::Redis => stage.redis.as_mut().expect("Redis").stop(),
            Self::Postgres => stage.postgres.as_mut().expect("PostgreSQL").stop(),
            Self::Network(state) => stage.cable().is(state),
        }
    }

    fn end(self, stage: &mut Stage) {
        match self {
            Self::Redis => stage.redis.as_mut().expect("Redis").start_again(),
            Self::Postgres => stage.postgres.as_mut().expect("PostgreSQL").start_again(),
            Self::Network(_) => stage.cable().is(State::Whole),
        }
    }
}

/// Two instances, and visitors who are at home at both.
struct Outage {
    stage: Stage,
    visitors: Vec<Visitor>,
    /// Of the first of them.
    socket: Socket,
    /// How often the tenant has been asked for a session.
    logins: usize,
}

impl Outage {
    async fn prepare(keeping: Keeping) -> Self {
        let stage = Stage::set(keeping, 2).await;
        let mut visitors = Vec::new();
        for n in 0..4 {
            let name = if n % 2 == 0 { "ada" } else { "bob" };
            let visitor = stage.sign_in(name, n % 2).await.at(stage.port);
            assert_eq!(visitor.get("/api/v1/users/me").await.status, 200);
            visitors.push(visitor);
        }
        let (mut socket, _) = stage.at(&visitors[0], 1).socket("mine").await.expect("a socket");
        socket.call(1, "OpenDoc", -1, json!({ "qDocName": demo::APP_ID })).await;
        let logins = stage.logins();
        Self { stage, visitors, socket, logins }
    }

    /// The store goes, is away for a while, and comes back. Visitors ask before, meanwhile and after.
    async fn pass(&mut self, loss: Loss) {
        let load = Load::of(&self.visitors);
        block_in_place(|| loss.begin(&mut self.stage));
        let begun = Instant::now();
        crate::outlast(FORGOTTEN).await;
        self.hold_without(loss).await;
        crate::outlast(AWAY.saturating_sub(begun.elapsed())).await;
        block_in_place(|| loss.end(&mut self.stage));
        self.wait_until_ready().await;
        assert_bounded(&load.end().await);
        self.hold_again().await;
    }

    /// What holds while the store is away, and nothing is remembered any more.
    async fn hold_without(&mut self, loss: Loss) {
        // Beside Redis, PostgreSQL has accounts and subjects, and no sessions.
        let sessions_are_there = matches!(loss, Loss::Postgres) && self.stage.redis.is_some();
        let of_sessions = if sessions_are_there { 200 } else { 503 };
        let paths = [
            ("/embed/default", 503),
            ("/token", 503),
            ("/session", of_sessions),
            ("/api/v1/users/me", of_sessions),
            ("/readyz", 503),
            ("/healthz", 200),
            ("/favicon.ico", 200),
        ];
        let asked = (0..2).flat_map(|number| paths.map(|(path, status)| (number, path, status)));
        // All at once: a store that is silent is waited for once.
        join_all(asked.map(async |(number, path, status)| {
            let answer = self.stage.at(&self.visitors[0], number).get(path).await;
            assert_eq!(answer.status, status, "{path}: {answer:?}");
            assert!(answer.took < BOUND, "{path}: {answer:?}");
        }))
        .await;
        self.assert_socket_lives().await;
    }

    async fn wait_until_ready(&self) {
        let patience = Instant::now() + BACK;
        for number in 0..2 {
            let at = self.stage.at(&self.visitors[0], number);
            while at.get("/readyz").await.status != 200 {
                assert!(Instant::now() < patience, "{}", self.stage.instances[number].log());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// ... and when it is back: as if it had not been away.
    async fn hold_again(&mut self) {
        let load = Load::of(&self.visitors);
        let (stage, ada) = (&self.stage, &self.visitors[0]);
        let so_far = stage.control().requests().len();
        for number in 0..2 {
            for path in ["/embed/default", "/token", "/session", "/api/v1/users/me"] {
                let answer = stage.at(ada, number).get(path).await;
                assert_eq!(answer.status, 200, "{path}: {answer:?}");
            }
        }
        crate::proxied::until(async || stage.control().requests().len() > so_far + 40).await;
        assert_all_good(&load.end().await, 40);
        assert_eq!(stage.logins(), self.logins, "the tenant's sessions are the same");
        // What ends is told again, too.
        let other = stage.sign_in("ada", 0).await;
        let (mut of_other, _) = stage.at(&other, 1).socket("other").await.expect("a socket");
        self.logins += 1;
        let token = stage.at(&other, 0).get("/csrf-token").await.body;
        stage.at(&other, 0).send("POST", "/logout", &[("X-CSRF-Token", token.trim())], "").await;
        assert_eq!(of_other.closed().await, Some(4401));
        self.assert_socket_lives().await;
    }

    async fn assert_socket_lives(&mut self) {
        let answer = self.socket.call(7, "EngineVersion", -1, json!([])).await;
        assert!(answer["result"].is_object(), "sockets live on: {answer}");
    }
}

/// Asserts that each visitor was served, or told soon to come again, and that some were told so.
fn assert_bounded(answers: &[(&str, Answer)]) {
    for (path, answer) in answers {
        let told = answer.status == 503 && answer.header("retry-after").is_some();
        assert!(answer.status == 200 || told, "{path}: {answer:?}");
        assert!(answer.took < BOUND, "{path}: {answer:?}");
        assert!(!told || answer.header("set-cookie").is_none(), "the cookie stays: {answer:?}");
    }
    assert!(answers.iter().any(|(_, answer)| answer.status == 503), "of {}", answers.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_that_stops_and_starts() {
    Outage::prepare(Keeping::Postgres).await.pass(Loss::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_that_stops_and_starts_and_then_postgresql_beside_it() {
    let mut outage = Outage::prepare(Keeping::Both).await;
    for loss in [Loss::Redis, Loss::Postgres] {
        outage.pass(loss).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_to_postgresql_that_is_slow_or_cut_or_falls_silent() {
    the_network_fails(Keeping::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_to_redis_that_is_slow_or_cut_or_falls_silent() {
    the_network_fails(Keeping::Both).await;
}

async fn the_network_fails(keeping: Keeping) {
    let mut outage = Outage::prepare(keeping).await;
    let load = Load::of(&outage.visitors);
    outage.stage.cable().is(State::Slow);
    crate::outlast(FORGOTTEN).await;
    // Late, but whole.
    let answers = load.end().await;
    assert_all_good(&answers, 20);
    outage.stage.cable().is(State::Whole);
    // Those that fell silent stay so; only new ones get through.
    for state in [State::Broken, State::Silent] {
        outage.pass(Loss::Network(state)).await;
    }
}
