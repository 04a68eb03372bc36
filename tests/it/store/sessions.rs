//! Sessions: never brought back, counted, listed, ended by what they are marked with, and seen anew by everybody.

use std::collections::BTreeSet;
use std::time::Duration as Time;

use qlik_embed_bff::store::{Kind, SessionsOf};
use serde_json::json;
use time::Duration;
use tower_sessions::SessionStore;

use super::Pair;

pub async fn hold(pair: &Pair) {
    what_one_writes_the_other_reads(pair).await;
    a_session_that_ended_is_never_brought_back(pair).await;
    sessions_end_by_what_marks_them(pair).await;
    sessions_are_listed_by_their_ends(pair).await;
    what_belongs_to_a_session_goes_with_it(pair).await;
}

async fn what_one_writes_the_other_reads(pair: &Pair) {
    let mut ada = pair.signed_in("password:ada").await;
    let there = pair.sessions_there();
    let read = async || {
        let record = there.load(&ada.record.id).await.expect("it answers").expect("it is there");
        record.data.get("flow").cloned()
    };
    assert_eq!(read().await, None, "and from now on it is in memory");
    let mut changed = ada.record.clone();
    changed.data.insert("flow".into(), json!("proxy"));
    changed.expiry_date += Duration::minutes(1);
    pair.sessions().save(&changed).await.expect("it answers");
    // Servers tell; beside a file nobody does, and memory keeps what it has for five seconds.
    let patience = std::time::Instant::now() + if pair.told { Time::from_secs(2) } else { Time::from_secs(8) };
    while read().await.is_none() {
        assert!(std::time::Instant::now() < patience, "the other instance still has what was");
        tokio::time::sleep(Time::from_millis(10)).await;
    }
    ada.record = changed;
    let loaded = there.load(&ada.record.id).await.expect("it answers").expect("it is there");
    assert_eq!(loaded.expiry_date.unix_timestamp(), ada.record.expiry_date.unix_timestamp());
}

async fn a_session_that_ended_is_never_brought_back(pair: &Pair) {
    let ada = pair.signed_in("password:ada").await;
    pair.sessions_there().delete(&ada.record.id).await.expect("it answers");
    pair.sessions().save(&ada.record).await.expect("it answers");
    assert!(!pair.here.has_session(ada.session, pair.now).await.expect("it answers"));
    assert!(pair.sessions_there().load(&ada.record.id).await.expect("it answers").is_none());
    let expired = pair.now + Duration::minutes(30);
    let bob = pair.signed_in("password:bob").await;
    assert!(!pair.here.has_session(bob.session, expired).await.expect("it answers"), "at its end it has ended");
}

async fn sessions_end_by_what_marks_them(pair: &Pair) {
    let Pair { here, there, now, .. } = pair;
    let end = *now + Duration::minutes(30);
    let unmarked = pair.signed_in("oidc:eve").await;
    let [first, second] = [
        pair.signed_in_until("oidc:eve", Some("sid-1"), end).await,
        pair.signed_in_until("oidc:eve", Some("sid-2"), end).await,
    ];
    let other = pair.signed_in_until("oidc:mallory", Some("sid-3"), end).await;
    let has = async |session| there.has_session(session, *now).await.expect("it answers");
    assert_eq!(here.end_sessions(SessionsOf::ProviderSession("sid-1")).await.expect("it answers"), 1);
    assert_eq!((has(first.session).await, has(second.session).await), (false, true));
    assert_eq!(there.end_sessions(SessionsOf::OwnerUnmarked("oidc:eve")).await.expect("it answers"), 1);
    assert_eq!((has(unmarked.session).await, has(second.session).await), (false, true));
    assert_eq!(here.end_sessions(SessionsOf::Owner("oidc:eve")).await.expect("it answers"), 1);
    assert_eq!(here.end_sessions(SessionsOf::Owner("oidc:eve")).await.expect("it answers"), 0);
    assert_eq!((has(second.session).await, has(other.session).await), (false, true));
    assert!(there.end_session(other.session).await.expect("it answers"));
    assert!(!here.end_session(other.session).await.expect("it answers"), "it had ended already");
}

async fn sessions_are_listed_by_their_ends(pair: &Pair) {
    let now = pair.now + Duration::days(10);
    let before = pair.here.count_sessions(now).await.expect("it answers");
    assert_eq!(before, 0);
    // Several end at the same second.
    let mut made = BTreeSet::new();
    for n in 0..23 {
        let until = now + Duration::minutes(1 + n / 5);
        made.insert(pair.signed_in_until("password:many", None, until).await.session.to_hex());
    }
    assert_eq!(pair.there.count_sessions(now).await.expect("it answers"), 23);
    let (mut behind, mut seen) = (None, Vec::new());
    loop {
        let page = pair.sessions_there().list("owner", behind, 4).await.expect("it answers");
        // Of the other sessions of this test, none ends as late.
        let page: Vec<_> = page.into_iter().filter(|(_, owner)| *owner == Some(json!("password:many"))).collect();
        let Some((last, _)) = page.last() else { break };
        behind = Some(*last);
        seen.extend(page.iter().map(|(place, _)| place.session.to_hex()));
    }
    assert_eq!(seen.len(), 23, "each once");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), made);
    assert_eq!(pair.here.end_sessions(SessionsOf::Owner("password:many")).await.expect("it answers"), 23);
}

async fn what_belongs_to_a_session_goes_with_it(pair: &Pair) {
    let Pair { here, there, now, .. } = pair;
    let ada = pair.signed_in("password:ada").await;
    let later = *now + Duration::minutes(20);
    let attach = async |name: &str, value: &[u8]| {
        here.attach(ada.session, Kind::ProxyVisit, name, value.to_vec(), later).await.expect("it answers")
    };
    assert!(attach("a", b"one").await && attach("a", b"two").await && attach("b", b"three").await);
    let find = async |name: &str| {
        let found = there.find_anew(Kind::ProxyVisit, name, *now).await.expect("it answers");
        found.map(|found| (found.session, found.value.to_vec()))
    };
    assert_eq!(find("a").await, Some((ada.session, b"two".to_vec())), "the last one counts");
    let taken = there.take_attached(Kind::ProxyVisit, "b", *now).await.expect("it answers").expect("it is there");
    assert_eq!((&taken.value[..], taken.until.unix_timestamp()), (&b"three"[..], later.unix_timestamp()));
    assert!(find("b").await.is_none());
    // Written by one while the other ends the session: whoever is first, nothing is left.
    let races = (0..20).map(|n| {
        let name = format!("race {n}");
        async move { here.attach(ada.session, Kind::ProxyVisit, &name, vec![1], later).await.map(|done| (name, done)) }
    });
    let (attached, ended) = tokio::join!(futures_util::future::join_all(races), there.end_session(ada.session));
    assert!(ended.expect("it answers"));
    for attached in attached {
        let (name, _) = attached.expect("it answers");
        assert_eq!(find(&name).await, None);
    }
    assert!(find("a").await.is_none());
    assert!(!attach("c", b"late").await, "and nothing is added to what has ended");
}
