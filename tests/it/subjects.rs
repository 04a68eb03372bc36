//! Who somebody is to Qlik: the list, the guard and the look-up, as visitors meet them.

use axum::http::StatusCode;
use proptest::prelude::*;
use qlik_embed_bff::app::App;
use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::config;
use qlik_embed_bff::identity::{Identity, Source};
use qlik_embed_bff::mapping::Denied;
use qlik_embed_bff::store::subjects::{Listed, Release, Spelling, fold};
use qlik_embed_bff::subjects::{Origin, Resolution};
use serde_json::Value;

use crate::portal::{Answer, Portal, settings};

mod command;
mod look_up;

fn somebody(source: Source, id: &str, email: &str) -> Identity {
    Identity {
        source,
        id: id.into(),
        name: id.into(),
        email: Some(email.into()),
        groups: vec![],
        claims: serde_json::Map::new(),
    }
}

async fn resolve(app: &App, identity: &Identity) -> Resolution {
    app.subjects.resolve(identity, app.clock.now()).await.expect("the store answers")
}

/// The subject that somebody gets, and what decided.
async fn subject(app: &App, identity: &Identity) -> (Origin, Result<String, Denied>) {
    let Resolution { origin, result, .. } = resolve(app, identity).await;
    (origin, result.map(|subject| subject.id))
}

async fn list(app: &App, identity: &str, subject: &str) {
    let entry = Listed { identity: identity.into(), subject: subject.into() };
    app.store.list_subject(&entry, false, app.clock.now()).await.expect("it can be listed");
}

fn sub(answer: &Answer) -> String {
    use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let token = answer.json()["body"].as_str().expect("a token").to_owned();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    claims["sub"].as_str().expect("a subject").to_owned()
}

/// Another instance on the same database.
async fn beside(portal: &Portal, changes: &[(&str, &str)]) -> App {
    let mut env = settings(portal.folder());
    env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let loaded = config::load(&env, portal.clock.now()).unwrap_or_else(|problems| panic!("{problems}"));
    App::open(loaded.config, portal.clock.clone()).await.expect("it opens")
}

#[tokio::test]
async fn the_list_wins_over_the_rules_at_once() {
    let portal = Portal::open().await;
    let mut ada = portal.signed_in("ada").await;
    assert_eq!(sub(&ada.fetch("/token").await), "password|ada");
    list(&portal.app, "password:ada", "ACME\\ada").await;
    assert_eq!(sub(&ada.fetch("/token").await), "ACME\\ada", "this process knows at once");
    assert_eq!(ada.open("/embed/default").await.attributes("#embed")["data-subject"], "ACME\\ada");
    let ada = somebody(Source::Password, "ada", "ada@example.com");
    assert_eq!(subject(&portal.app, &ada).await, (Origin::List, Ok("ACME\\ada".into())));
    portal.app.store.forget_identity("password:ada").await.expect("an answer");
    assert_eq!(subject(&portal.app, &ada).await, (Origin::Template, Ok("password|ada".into())));
}

#[tokio::test]
async fn a_subject_is_one_identitys_until_it_is_given_away() {
    let portal = Portal::with(&[("SUBJECT_TEMPLATE", "{email}")]).await;
    let app = &portal.app;
    let other = somebody(Source::Oidc, "a-1", "ADA@example.com");
    assert_eq!(subject(app, &other).await.1, Ok("ADA@example.com".into()));
    // The same letters in another case are the same subject.
    let mut ada = portal.signed_in("ada").await;
    for answer in [ada.fetch("/token").await, ada.fetch("/embed/default").await] {
        assert_eq!((answer.status, &answer.json()["error"]), (StatusCode::FORBIDDEN, &"subject_taken".into()));
        assert!(!answer.body.contains("a-1") && !answer.body.contains("ey"), "{}", answer.body);
    }
    let page = ada.open("/embed/default").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(page.text(".lead"), "The Qlik user that is meant for you belongs to another account.");
    assert!(page.text("main").contains("Ask your administrator whose it shall be."), "{}", page.body);
    // Looking claims nothing; released, it goes to whoever comes next.
    let now = portal.clock.now();
    assert_eq!(app.store.release(Release::Of("oidc:a-1")).await.expect("an answer"), 1);
    for _ in 0..2 {
        assert!(app.subjects.foresee(&other, now).await.expect("an answer").result.is_ok());
    }
    assert_eq!(sub(&ada.fetch("/token").await), "ada@example.com");
    let taken = Denied::SubjectTaken { subject: "ADA@example.com".into(), by: "password:ada".into() };
    assert_eq!(app.subjects.foresee(&other, now).await.expect("an answer").result, Err(taken.clone()));
    assert_eq!(subject(app, &other).await.1, Err(taken));
    // The list gives it away over its holder's head.
    list(app, "oidc:a-1", "ada@example.com").await;
    assert_eq!(subject(app, &other).await, (Origin::List, Ok("ada@example.com".into())));
    assert_eq!(ada.fetch("/token").await.status, StatusCode::FORBIDDEN);
    assert_eq!(app.store.release(Release::Beginning("oidc:")).await.expect("an answer"), 0, "the list gives it");
}

/// A provider may report an address in another case than before; nobody knows whether Qlik minds.
#[tokio::test]
async fn a_subject_keeps_the_spelling_in_which_it_came_first() {
    let rules = "[[mapping]]\nwhen = { source = \"header\", id = \"x\" }\nexplicit = \"X-Ray\"\n";
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), rules).expect("written");
    let path = file.path().to_str().expect("a path");
    let template = [("SUBJECT_TEMPLATE", "{email}"), ("CONFIG_FILE", path)];
    let portal = Portal::with(&template).await;
    let app = &portal.app;
    let ada = |email: &str| somebody(Source::Oidc, "1", email);
    let (capital, small) = (ada("Ada@example.com"), ada("ada@example.com"));
    let now = portal.clock.now();
    assert_eq!(subject(app, &capital).await, (Origin::Template, Ok("Ada@example.com".into())));
    let other = beside(&portal, &template).await;
    for app in [app, app, &other] {
        assert_eq!(subject(app, &small).await, (Origin::Template, Ok("Ada@example.com".into())));
        let foreseen = app.subjects.foresee(&small, now).await.expect("an answer").result.expect("a subject");
        assert_eq!((foreseen.id.as_str(), foreseen.email.as_str()), ("Ada@example.com", "ada@example.com"));
    }
    // Also after another one in between.
    assert_eq!(subject(app, &ada("king@example.com")).await.1, Ok("king@example.com".into()));
    let foreseen = app.subjects.foresee(&small, now).await.expect("an answer").result.expect("a subject");
    assert_eq!(foreseen.id, "Ada@example.com");
    assert_eq!(subject(app, &small).await.1, Ok("Ada@example.com".into()));
    // What the administrator writes is sent as written, and held so.
    list(app, "oidc:1", "ADA@example.com").await;
    assert_eq!(subject(app, &small).await, (Origin::List, Ok("ADA@example.com".into())));
    assert_eq!(app.store.standing("oidc:1").await.expect("an answer").held.as_deref(), Some("ADA@example.com"));
    let explicit = somebody(Source::Header, "x", "x@example.com");
    app.store.claim("header:x", "x-ray", Spelling::Held, now).await.expect("an answer");
    assert_eq!(subject(app, &explicit).await, (Origin::Rule("[[mapping]] 1".into()), Ok("X-Ray".into())));
    assert_eq!(app.store.standing("header:x").await.expect("an answer").held.as_deref(), Some("X-Ray"));
}

#[tokio::test]
async fn shared_subjects_are_allowed_on_demand() {
    let portal = Portal::with(&[("SUBJECT_TEMPLATE", "{email}"), ("SUBJECT_SHARED", "allow")]).await;
    for id in ["a", "b"] {
        let found = subject(&portal.app, &somebody(Source::Oidc, id, "ada@example.com")).await;
        assert_eq!(found, (Origin::Template, Ok("ada@example.com".into())));
    }
    assert_eq!(portal.app.store.holdings("").await.expect("an answer"), []);
}

/// Nobody inherits the bookmarks of somebody who moved on.
#[tokio::test]
async fn a_subject_that_was_left_stays_its_holders() {
    let portal = Portal::with(&[("SUBJECT_TEMPLATE", "{email}")]).await;
    let app = &portal.app;
    let before = somebody(Source::Oidc, "1", "ada@example.com");
    let after = somebody(Source::Oidc, "1", "ada.king@example.com");
    let new = somebody(Source::Oidc, "2", "ada@example.com");
    assert!(resolve(app, &before).await.result.is_ok());
    assert_eq!(subject(app, &after).await.1, Ok("ada.king@example.com".into()));
    let holdings = app.store.holdings("").await.expect("an answer");
    let shown: Vec<_> =
        holdings.iter().map(|h| (h.subject.as_str(), h.identity.as_str(), h.left_at.is_some())).collect();
    assert_eq!(shown, [("ada.king@example.com", "oidc:1", false), ("ada@example.com", "oidc:1", true)]);
    assert!(resolve(app, &new).await.result.is_err());
    assert!(resolve(app, &before).await.result.is_ok(), "back to what it was");
    assert!(resolve(app, &after).await.result.is_ok());
    assert_eq!(app.store.release(Release::Left).await.expect("an answer"), 1);
    assert!(resolve(app, &new).await.result.is_ok());
    assert!(resolve(app, &before).await.result.is_err());
}

#[tokio::test]
async fn removing_an_account_frees_its_subject() {
    let portal = Portal::with(&[("SUBJECT_TEMPLATE", "{email}")]).await;
    let ada = somebody(Source::Password, "ada", "ada@example.com");
    let oidc = somebody(Source::Oidc, "1", "ada@example.com");
    assert!(resolve(&portal.app, &ada).await.result.is_ok());
    assert!(resolve(&portal.app, &oidc).await.result.is_err());
    assert!(portal.app.store.remove_account("ada", "password:ada").await.expect("an answer"));
    assert!(resolve(&portal.app, &oidc).await.result.is_ok());
}

/// Two instances, many identities, one subject: exactly one gets it, whoever asks first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_race_for_one_subject() {
    let template = [("SUBJECT_TEMPLATE", "{email}")];
    let portal = Portal::with(&template).await;
    let other = beside(&portal, &template).await;
    for round in 0..20 {
        let mut tasks = tokio::task::JoinSet::new();
        for racer in 0..8 {
            let app = if racer % 2 == 0 { portal.app.clone() } else { other.clone() };
            tasks.spawn(async move {
                let address =
                    format!("{}@example.com", if racer < 4 { format!("r{round}") } else { format!("R{round}") });
                let who = somebody(Source::Oidc, &format!("{round}-{racer}"), &address);
                let mut results = Vec::new();
                for _ in 0..3 {
                    results.push(resolve(&app, &who).await.result.is_ok());
                }
                results
            });
        }
        let results = tasks.join_all().await;
        assert!(results.iter().all(|results| results.iter().all(|one| one == &results[0])), "{results:?}");
        assert_eq!(results.iter().filter(|results| results[0]).count(), 1, "{results:?}");
    }
}

/// What another process changes is known here after the few seconds that memory counts.
#[tokio::test]
async fn a_subject_is_safe_from_other_instances_that_remember() {
    let template = [("SUBJECT_TEMPLATE", "{email}")];
    let portal = Portal::with(&template).await;
    let other = beside(&portal, &template).await;
    let (one, two) = (somebody(Source::Oidc, "1", "x@example.com"), somebody(Source::Oidc, "2", "x@example.com"));
    assert!(resolve(&portal.app, &one).await.result.is_ok());
    assert!(resolve(&other, &two).await.result.is_err());
    other.store.release(Release::Of("oidc:1")).await.expect("an answer");
    assert!(resolve(&other, &two).await.result.is_ok());
    tokio::time::sleep(std::time::Duration::from_millis(5100)).await; // the cache keeps real time, as the one of sessions
    assert!(resolve(&portal.app, &one).await.result.is_err());
}

/// One step of the life of a portal.
#[derive(Clone, Debug)]
enum Event {
    Visit { who: usize, address: usize },
    List { who: usize, address: usize },
    Forget { who: usize },
    ReleaseLeft,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..4_usize, 0..4_usize).prop_map(|(who, address)| Event::Visit { who, address }),
        1 => (0..4_usize, 0..4_usize).prop_map(|(who, address)| Event::List { who, address }),
        1 => (0..4_usize).prop_map(|who| Event::Forget { who }),
        1 => Just(Event::ReleaseLeft),
    ]
}

const ADDRESSES: [&str; 4] = ["a@example.com", "A@example.com", "b@example.com", "\u{e4}@example.com"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever happens: between two acts of the administrator, no two identities get one subject, and no identity gets
    /// one subject in two spellings.
    #[test]
    fn a_subject_is_one_identitys_and_spelt_one_way(events in proptest::collection::vec(event(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let breach = runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let mut env = settings(folder.path());
            env.insert("SUBJECT_TEMPLATE".into(), "{email}".into());
            let clock = Clock::default();
            let loaded = config::load(&env, clock.now()).unwrap_or_else(|problems| panic!("{problems}"));
            let app = App::open(loaded.config, clock).await.expect("a store");
            let mut holders = std::collections::BTreeMap::new();
            for event in events {
                match event {
                    Event::Visit { who, address } => {
                        let identity = somebody(Source::Oidc, &who.to_string(), ADDRESSES[address]);
                        let Ok(subject) = resolve(&app, &identity).await.result else { continue };
                        let holder = (who, subject.id.clone());
                        let before = holders.entry(fold(&subject.id)).or_insert_with(|| holder.clone());
                        if *before != holder {
                            return Some((before.clone(), holder));
                        }
                    }
                    Event::List { who, address } => {
                        holders.clear();
                        list(&app, &format!("oidc:{who}"), ADDRESSES[address]).await;
                    }
                    Event::Forget { who } => {
                        holders.clear();
                        app.store.forget_identity(&format!("oidc:{who}")).await.expect("an answer");
                    }
                    Event::ReleaseLeft => {
                        holders.clear();
                        app.store.release(Release::Left).await.expect("an answer");
                    }
                }
            }
            None
        });
        prop_assert_eq!(breach, None);
    }
}
