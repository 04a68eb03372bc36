//! Limits on how often something is asked for: shared by instances, told in headers, and out of the way when they cannot be counted.

use std::time::Instant;

use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use qlik_embed_bff::limits::{Limits, Verdict, Whom};
use qlik_embed_bff::metrics::Limit;
use time::Duration;

use crate::audit::refused::Recorded;
use crate::portal::{Answer, PASSWORD, Portal};
use crate::proxied::until;
use crate::servers::cable::{Cable, State};
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;
use crate::ticket;

mod passed_on;

const SECRET: (&str, &str) = ("SESSION_SECRET", "a secret of at least 32 characters");
const TOO_MANY: StatusCode = StatusCode::TOO_MANY_REQUESTS;

/// What an answer says of a limit: what is left, and for how many seconds. The rest has to be as it is everywhere.
fn standing(answer: &Answer, limit: &str, quota: u32) -> (u32, u64) {
    assert_eq!(answer.header("ratelimit-policy"), format!("\"{limit}\";q={quota};w=60"), "{}", answer.body);
    let standing = answer.header("ratelimit").strip_prefix(&format!("\"{limit}\";r=")).expect("of this limit");
    let (left, resets) = standing.split_once(";t=").expect("both");
    (left.parse().expect("a number"), resets.parse().expect("a number"))
}

/// Refused, with as many seconds as it says everywhere; how many those are.
fn refused(answer: &Answer, limit: &str, quota: u32) -> u64 {
    assert_eq!(answer.status, TOO_MANY, "{}", answer.body);
    let (left, resets) = standing(answer, limit, quota);
    assert_eq!((left, answer.header("retry-after")), (0, resets.to_string().as_str()));
    assert!((1..=60).contains(&resets), "{resets}");
    resets
}

fn uncounted(answer: &Answer) {
    assert_eq!((answer.header("ratelimit"), answer.header("ratelimit-policy")), ("", ""), "{}", answer.body);
}

#[tokio::test]
async fn instances_count_tokens_together_until_the_window_ends() {
    let here = Portal::with(&[("RATE_LIMIT_TOKEN", "5")]).await;
    let there = here.beside().await;
    here.clock.hold();
    let mut ada = here.signed_in("ada").await;
    let mut elsewhere = ada.through(there.front());
    for left in (0..5).rev() {
        let browser = if left % 2 == 0 { &mut ada } else { &mut elsewhere };
        let answer = browser.fetch(if left > 2 { "/token" } else { "/token/default" }).await;
        assert_eq!((answer.status, standing(&answer, "token", 5)), (StatusCode::OK, (left, 60)));
        assert_eq!(answer.header("retry-after"), "");
    }
    here.clock.advance(Duration::seconds(20));
    for browser in [&mut elsewhere, &mut ada] {
        let answer = browser.fetch("/token").await;
        assert_eq!(refused(&answer, "token", 5), 40);
        assert_eq!(answer.json()["error"], "too_many_requests");
        let told = "Your account has asked for more than this portal gives within a minute. Try again in 40 seconds.";
        assert_eq!(answer.json()["message"], told);
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    here.clock.advance(Duration::seconds(39));
    assert_eq!(refused(&ada.fetch("/token").await, "token", 5), 1);
    here.clock.advance(Duration::SECOND);
    let answer = elsewhere.fetch("/token").await;
    assert_eq!((answer.status, standing(&answer, "token", 5)), (StatusCode::OK, (4, 60)), "as it was told");
}

/// At once, and in each engine that counts: exactly the quota passes.
async fn a_quota_is_one(changes: &[(&str, &str)]) {
    let here = Portal::with(&[&[("RATE_LIMIT_TOKEN", "20")], changes].concat()).await;
    let there = here.beside().await;
    let ada = here.signed_in("ada").await;
    let burst = (0..60).map(|n| {
        let mut browser = if n % 2 == 0 { ada.clone() } else { ada.through(there.front()) };
        async move { browser.fetch("/token").await }
    });
    let answers = join_all(burst).await;
    let mut left: Vec<_> = answers.iter().filter(|answer| answer.status == StatusCode::OK).collect::<Vec<_>>();
    left.sort_by_key(|answer| standing(answer, "token", 20).0);
    let left: Vec<_> = left.into_iter().map(|answer| standing(answer, "token", 20).0).collect();
    assert_eq!(left, (0..20).collect::<Vec<_>>());
    for answer in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
        refused(answer, "token", 20);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_at_two_instances_gets_the_quota_and_no_more() {
    a_quota_is_one(&[]).await;
    let redis = Redis::start();
    a_quota_is_one(&[SECRET, ("SESSION_STORE_URL", &redis.url())]).await;
    let postgres = Postgres::start();
    a_quota_is_one(&[SECRET, ("DATABASE_URL", &postgres.database("portal"))]).await;
}

#[tokio::test]
async fn tokens_are_counted_by_person_and_by_nothing_else() {
    let portal = Portal::with(&[("RATE_LIMIT_TOKEN", "3"), ("TOKEN_ALLOWED_ORIGINS", "https://host.example")]).await;
    let (mut ada, mut also_ada, mut bob) =
        (portal.signed_in("ada").await, portal.signed_in("ada").await, portal.signed_in("bob").await);
    // Who is nobody, and who may not ask, is refused as ever.
    for _ in 0..5 {
        let answer = portal.browser().fetch("/token").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        uncounted(&answer);
        let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
        let answer = ada.send(Method::GET, "/token", &foreign, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        uncounted(&answer);
    }
    also_ada.address = "2001:db8::7".into();
    assert_eq!(standing(&ada.fetch("/token").await, "token", 3).0, 2);
    assert_eq!(standing(&also_ada.fetch("/token").await, "token", 3).0, 1, "another session, another address");
    // What is counted and not given says so, too.
    let answer = ada.fetch("/token/unknown").await;
    assert_eq!((answer.status, standing(&answer, "token", 3).0), (StatusCode::NOT_FOUND, 0));
    let shared = [("origin", "https://host.example"), ("sec-fetch-site", "same-site")];
    let answer = also_ada.send(Method::GET, "/token", &shared, "").await;
    refused(&answer, "token", 3);
    assert_eq!(answer.header("access-control-allow-origin"), "https://host.example", "its script can read it");
    assert_eq!(standing(&bob.fetch("/token").await, "token", 3).0, 2, "at the address of ada");
    // Nothing else is held up.
    let page = ada.open("/embed/default").await;
    assert_eq!(page.status, StatusCode::OK);
    uncounted(&page);
}

#[tokio::test]
async fn attempts_to_sign_in_are_counted_by_address_whatever_becomes_of_them() {
    let changes = [("RATE_LIMIT_SIGN_IN", "4"), ("TRUSTED_PROXIES", "10.0.0.0/8")];
    let here = ticket::open(&changes).await;
    here.clock.hold();
    let there = here.beside().await;
    let from = |address: &str, portal: &Portal| {
        let mut browser = portal.browser();
        browser.address = "10.0.0.1".into();
        browser.proxied = vec![("x-forwarded-for", address.to_owned())];
        browser
    };
    let mut office = from("2001:db8:1:2::1", &here);
    for _ in 0..6 {
        uncounted(&office.open("/login").await);
    }
    let answer = office.clone().sign_in("ada", "a guess").await;
    assert_eq!((answer.status, standing(&answer, "sign_in", 4)), (StatusCode::UNAUTHORIZED, (3, 60)));
    let answer = from("2001:db8:1:2:ffff::", &there).sign_in("ada", PASSWORD).await;
    assert_eq!((answer.status, standing(&answer, "sign_in", 4).0), (StatusCode::SEE_OTHER, 2), "of the same network");
    let good = ticket::ticket(&ticket::claims(&here, "emmy"));
    let answer = ticket::hand_over(&mut office.clone(), &good).await;
    assert_eq!((answer.status, standing(&answer, "sign_in", 4).0), (StatusCode::SEE_OTHER, 1));
    let answer = office.clone().open("/login/ticket?ticket=x").await;
    assert_eq!((answer.status, standing(&answer, "sign_in", 4).0), (StatusCode::FORBIDDEN, 0));

    let answer = office.sign_in("ada", PASSWORD).await;
    assert_eq!(refused(&answer, "sign_in", 4), 60);
    assert_eq!(answer.text("h1"), "That was too often");
    let told = "Too many attempts to sign in came from your network within a minute. Try again in 60 seconds.";
    assert!(answer.text("main").contains(told), "{}", answer.text("main"));
    assert!(answer.header("set-cookie").is_empty() && answer.header("content-type").starts_with("text/html"));
    let late = ticket::ticket(&ticket::claims(&here, "emmy"));
    refused(&ticket::hand_over(&mut from("2001:db8:1:2::3", &there), &late).await, "sign_in", 4);
    let frame = [("sec-fetch-dest", "iframe"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "same-origin")];
    let framed = office.send(Method::GET, &format!("/login/ticket?ticket={late}"), &frame, "").await;
    refused(&framed, "sign_in", 4);
    assert_eq!(framed.text("h1"), "That was too often");
    let answer = office.send(Method::POST, "/login", &[("accept", "application/json"), FORM], "").await;
    refused(&answer, "sign_in", 4);
    assert_eq!(answer.json()["error"], "too_many_requests");

    assert_eq!(from("2001:db8:1:3::1", &here).sign_in("ada", PASSWORD).await.status, StatusCode::SEE_OTHER);
    here.clock.advance(Duration::MINUTE);
    let answer = from("2001:db8:1:2::9", &here).sign_in("ada", PASSWORD).await;
    assert_eq!((answer.status, standing(&answer, "sign_in", 4)), (StatusCode::SEE_OTHER, (3, 60)));
    let answer = ticket::hand_over(&mut from("2001:db8:1:2::9", &there), &late).await;
    assert_eq!(
        answer.status,
        StatusCode::SEE_OTHER,
        "nobody looked at it before, so it was not used up: {}",
        answer.body
    );
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn the_way_to_a_provider_and_back_are_two_attempts() {
    let provider = crate::provider::Provider::start(ticket::PUBLIC_URL).await;
    provider.set(serde_json::json!({ "account": "ada" })).await;
    let changes = [&provider.settings()[..], &[("RATE_LIMIT_SIGN_IN", "3")]].concat();
    let portal = Portal::with(&changes).await;
    let answer = crate::oidc::sign_in(&mut portal.browser(), &provider).await;
    assert_eq!((answer.status, standing(&answer, "sign_in", 3).0), (StatusCode::SEE_OTHER, 1));
    let mut late = portal.browser();
    let start = late.open("/login/oidc").await;
    assert_eq!((start.status, standing(&start, "sign_in", 3).0), (StatusCode::SEE_OTHER, 0));
    let back = provider.browser().follow(start.location()).await;
    let answer = late.open(&back).await;
    refused(&answer, "sign_in", 3);
    assert_eq!(answer.header("referrer-policy"), "no-referrer", "its address has the code");
    refused(&late.open("/login/oidc").await, "sign_in", 3);
    // Nothing was looked at: the same answer of the provider is good when the time has come.
    portal.clock.advance(Duration::MINUTE);
    let answer = late.open(&back).await;
    assert_eq!((answer.status, standing(&answer, "sign_in", 3).0), (StatusCode::SEE_OTHER, 2), "{}", answer.body);
}

#[tokio::test]
async fn what_is_off_is_neither_counted_nor_told() {
    let off = ["SIGN_IN", "TOKEN", "ACCESS_TOKEN", "PROXY"].map(|name| format!("RATE_LIMIT_{name}"));
    let portal = Portal::with(&off.each_ref().map(|name| (name.as_str(), "off"))).await;
    for _ in 0..65 {
        let answer = portal.browser().sign_in("nobody", "").await;
        assert_ne!(answer.status, StatusCode::OK);
        uncounted(&answer);
    }
    let ada = portal.signed_in("ada").await;
    for answer in join_all((0..130).map(async |_| ada.clone().fetch("/token").await)).await {
        assert_eq!(answer.status, StatusCode::OK);
        uncounted(&answer);
    }
}

/// The store of what expires falls silent; nobody is held up by a limit, and the log has one line.
#[tokio::test]
async fn while_nobody_can_count_everybody_passes() {
    let (log, _guard) = Recorded::begin_log();
    let redis = Redis::start();
    let cable = Cable::to(redis.port).await;
    let url = format!("redis://127.0.0.1:{}", cable.port);
    let portal = Portal::with(&[SECRET, ("SESSION_STORE_URL", &url)]).await;
    let limits = Limits::new(portal.app.store.clone());
    let (ada, _) = portal.app.store.account("ada").await.expect("the database answers").expect("an account");
    let counter = limits.counter(Limit::Token, Whom::Identity(&ada.identity()));
    let count = async || limits.count(&counter, 50, portal.clock.now()).await;
    assert!(matches!(count().await, Some(Verdict::Passed(_))));
    cable.is(State::Silent);
    let began = Instant::now();
    for verdict in join_all((0..20).map(|_| count())).await {
        assert_eq!(verdict, None);
    }
    assert!(began.elapsed().as_secs() < 5, "not one after the other: {:?}", began.elapsed());
    portal.clock.advance(Duration::seconds(10));
    assert_eq!(count().await, None, "asked again, in vain");
    assert_eq!(log.count("rate limits let everything through"), 1);
    cable.is(State::Whole);
    until(async || {
        portal.clock.advance(Duration::seconds(6));
        count().await.is_some()
    })
    .await;
    assert_eq!((log.count("rate limits let everything through"), log.count("rate limits count again")), (1, 1));
}

#[tokio::test]
async fn the_audit_tells_of_the_first_refusal_in_each_window() {
    let here = Portal::with(&[("RATE_LIMIT_TOKEN", "2"), ("RATE_LIMIT_SIGN_IN", "2")]).await;
    let there = here.beside().await;
    let events = qlik_embed_bff::audit::Recent::begin(here.clock.clone());
    let mut ada = here.signed_in("ada").await;
    ada.address = "198.51.100.77".into();
    let mut elsewhere = ada.through(there.front());
    let told = || {
        let events = events.events().into_iter().filter(|event| event.what == "rate limited");
        let of_ada = |fields: &Vec<(&str, String)>| fields.contains(&("address", "198.51.100.77".to_owned()));
        let fields = events.map(|event| (event.warning, event.fields)).filter(|(_, fields)| of_ada(fields));
        let shown = fields.map(|(warning, fields)| {
            let without_id = fields.into_iter().filter(|(name, _)| *name != "request_id");
            let fields: Vec<_> = without_id.map(|(name, value)| format!("{name}={value}")).collect();
            format!("{warning} {}", fields.join(" "))
        });
        shown.collect::<Vec<_>>()
    };
    const TOKEN: &str = "true identity=password:ada limit=token reason=more than 2 in a minute address=198.51.100.77";
    for _ in 0..5 {
        ada.fetch("/token").await;
        elsewhere.fetch("/token").await;
    }
    assert_eq!(told(), [TOKEN]);
    here.clock.advance(Duration::MINUTE);
    for _ in 0..5 {
        ada.fetch("/token").await;
        elsewhere.fetch("/token").await;
    }
    assert_eq!(told(), [TOKEN, TOKEN]);
    for _ in 0..5 {
        ada.sign_in("ada", "a guess").await;
    }
    assert_eq!(told()[0], "true limit=sign_in reason=more than 2 in a minute address=198.51.100.77");
    assert_eq!(told().len(), 3);
}

#[tokio::test]
async fn another_quota_takes_effect_at_once() {
    let portal = Portal::with(&[("RATE_LIMIT_TOKEN", "1")]).await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(ada.fetch("/token").await.status, StatusCode::OK);
    refused(&ada.fetch("/token").await, "token", 1);
    let other = portal.with_other(&[("RATE_LIMIT_TOKEN", "10")]);
    let answer = ada.through(other).fetch("/token").await;
    assert_eq!((answer.status, standing(&answer, "token", 10).0), (StatusCode::OK, 7), "two were counted before");
}
