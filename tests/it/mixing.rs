//! Two visitors at once, through every way to sign in that there is: nobody is ever taken for somebody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use qlik_embed_bff::auth::{WAYS, password};
use qlik_embed_bff::identity::{Account, Source};
use secrecy::SecretString;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::portal::{Answer, Browser, PASSWORD, Portal};
use crate::provider::Provider;
use crate::{oidc, ticket};

const ROUNDS: usize = 200;

/// In every how many rounds somebody signs in anew by this way. A password costs a hash, and the provider is a process of
/// its own that answers four requests for each sign-in: in all rounds, these two would take minutes.
fn every(source: Source) -> usize {
    match source {
        Source::Header | Source::Ticket => 1,
        Source::Password | Source::Oidc => 10,
    }
}

/// Known to each way by the same name.
const VISITORS: [&str; 2] = ["ada", "grace"];
/// What the ways need, all open at once; the provider's own settings come beside them.
const SETTINGS: [(&str, &str); 8] = [
    ("SIGN_IN", "password, oidc, header, ticket"),
    ("TRUSTED_PROXIES", "10.0.0.1"),
    ("HEADER_ID", "X-Forwarded-User"),
    ("HEADER_EMAIL", "X-Forwarded-Email"),
    ("TICKET_ISSUER", ticket::ISSUER),
    ("TICKET_SECRET", ticket::SECRET),
    // Nobody comes so often.
    ("RATE_LIMIT_SIGN_IN", "off"),
    ("RATE_LIMIT_TOKEN", "off"),
];

type Place = (Portal, Provider);

async fn open() -> Place {
    let provider = Provider::start(ticket::PUBLIC_URL).await;
    let portal = Portal::with(&[&provider.settings()[..], &SETTINGS].concat()).await;
    let hash = password::hash(&SecretString::from(PASSWORD)).expect("a good password");
    let (id, email) = ("grace".to_owned(), "grace@example.com".to_owned());
    let grace = Account { id, name: "Grace Hopper".to_owned(), email, groups: Vec::new() };
    portal.app.store.add_account(&grace, &hash, portal.clock.now()).await.expect("a new account");
    (portal, provider)
}

/// One entry a way: how this visitor comes in by it.
async fn arrive(source: Source, (portal, provider): &Place, id: &str) -> Browser {
    let mut browser = portal.browser();
    match source {
        Source::Password => return portal.signed_in(id).await,
        Source::Oidc => {
            oidc::sign_in_by(&mut browser, provider.browser_of(id)).await;
        }
        Source::Header => {
            browser.address = "10.0.0.1".into();
            browser.proxied =
                vec![("x-forwarded-user", id.to_owned()), ("x-forwarded-email", format!("{id}@example.com"))];
        }
        Source::Ticket => {
            let answer = ticket::hand_over(&mut browser, &ticket::ticket(&ticket::claims(portal, id))).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        }
    }
    browser
}

/// What a browser asks for in a round.
async fn ask(browser: &mut Browser, round: usize) -> [Answer; 2] {
    match round % 3 {
        0 => [browser.open("/embed/default").await, browser.fetch("/token").await],
        1 => [browser.fetch("/session").await, browser.fetch("/token/default").await],
        _ => [browser.fetch("/token").await, browser.open("/embed/default").await],
    }
}

/// In each round, browsers that are signed in ask for pages, sessions and tokens; at the same time both visitors sign in
/// anew by each way whose turn it is, ask for a token, and go on in place of the browser that was signed in before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_visitors_at_once_through_every_way_never_mix() {
    let place = Arc::new(open().await);
    assert!(WAYS.iter().all(|way| place.0.app.sign_in.contains(way)), "every way is open here");
    let mut visitors = Vec::new();
    for &source in WAYS {
        for id in VISITORS {
            visitors.push((source, id, arrive(source, &place, id).await));
        }
    }
    let (mut tokens, mut asked) = (BTreeSet::new(), 0);
    let mut signed_in = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut at_once = JoinSet::new();
        for (at, (source, id, browser)) in visitors.iter().enumerate() {
            let (mut browser, id, source, place) = (browser.clone(), *id, *source, Arc::clone(&place));
            at_once.spawn(async move { (at, ask(&mut browser, round).await.into(), None) });
            if round % every(source) == 0 {
                at_once.spawn(async move {
                    let mut browser = arrive(source, &place, id).await;
                    (at, vec![browser.fetch("/token").await], Some(browser))
                });
            }
        }
        while let Some(done) = at_once.join_next().await {
            let (at, answers, newcomer): (usize, Vec<Answer>, _) = done.expect("no panic");
            let (source, id, browser) = &mut visitors[at];
            let subject = format!("{source}|{id}");
            asked += 1;
            for answer in answers {
                assert_eq!(answer.status, StatusCode::OK, "round {round}: {subject}: {}", answer.body);
                match who(&answer) {
                    Who::Subject(said) => assert_eq!(said, subject, "round {round}"),
                    Who::Id(said) => assert_eq!(said, *id, "round {round}"),
                    Who::Token { name, sub } => {
                        assert_eq!(sub, subject, "round {round}");
                        assert!(tokens.insert(name), "round {round}: a token was given twice");
                    }
                }
            }
            if let Some(newcomer) = newcomer {
                *browser = newcomer;
                *signed_in.entry(subject).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(tokens.len(), asked);
    assert!(signed_in.len() == visitors.len() && signed_in.values().all(|&times| times >= 20), "{signed_in:?}");
}

/// One cookie in two hands: a proxy that names two people over one browser's session gets each their own answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_over_one_cookie_never_mix() {
    let place = open().await;
    let mut shared = arrive(Source::Header, &place, "ada").await;
    shared.open("/embed/default").await;
    let mut at_once = JoinSet::new();
    for round in 0..ROUNDS {
        let id = VISITORS[round % 2];
        let mut browser = arrive(Source::Header, &place, id).await;
        browser.cookies = shared.cookies.clone();
        at_once.spawn(async move { (browser.fetch("/token").await, format!("header|{id}")) });
    }
    while let Some(done) = at_once.join_next().await {
        let (answer, subject) = done.expect("no panic");
        assert!(matches!(who(&answer), Who::Token { sub, .. } if sub == subject), "{}", answer.body);
    }
}

enum Who {
    Subject(String),
    Id(String),
    Token { name: String, sub: String },
}

/// Whom an answer is about: the page, the session, or the token.
fn who(answer: &Answer) -> Who {
    if answer.header("content-type").starts_with("text/html") {
        return Who::Subject(answer.attributes("#embed")["data-subject"].clone());
    }
    let json = answer.json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let Some(token) = json.get("body") else { return Who::Id(text(&json["id"])) };
    let payload = URL_SAFE_NO_PAD.decode(text(token).split('.').nth(1).expect("three parts")).expect("base64url");
    let claims: Value = serde_json::from_slice(&payload).expect("claims");
    Who::Token { name: text(&claims["jti"]), sub: text(&claims["sub"]) }
}
