//! The ends of sessions reach every instance, each of them, within a second.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use qlik_embed_bff::store::{SessionRef, SessionsOf};
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;

use super::Pair;

const MANY: usize = 900;

pub async fn hold(pair: &Pair) {
    all_ends_are_told_to_all(pair).await;
    what_expires_is_swept_and_told(pair).await;
}

/// What is told until nothing is missing any more.
async fn told(listener: &mut Receiver<SessionRef>, expected: &HashSet<SessionRef>) -> HashSet<SessionRef> {
    let mut told = HashSet::new();
    while !expected.is_subset(&told) {
        match timeout(Duration::from_secs(5), listener.recv()).await {
            Ok(Ok(session)) => told.insert(session),
            _ => break,
        };
    }
    told
}

async fn all_ends_are_told_to_all(pair: &Pair) {
    let mut sessions = HashSet::new();
    for n in 0..60 {
        sessions.insert(pair.signed_in(&format!("password:{}", n % 7)).await.session);
    }
    let (mut here, mut there) = (pair.here.ended(), pair.there.ended());
    // One by one and by the person, at both instances at once: numbers may be given in another order than they are seen.
    let single = sessions.iter().enumerate().map(|(n, session)| {
        let store = if n % 2 == 0 { &pair.here } else { &pair.there };
        async move { store.end_session(*session).await.expect("it answers") }
    });
    let owners = (0..7).map(|n| async move {
        let owner = format!("password:{n}");
        pair.there.end_sessions(SessionsOf::Owner(&owner)).await.expect("it answers")
    });
    let begun = std::time::Instant::now();
    let (ended, more) = tokio::join!(join_all(single), join_all(owners));
    assert_eq!(ended.into_iter().filter(|ended| *ended).count() as u64 + more.into_iter().sum::<u64>(), 60);
    let (here, there) = tokio::join!(told(&mut here, &sessions), told(&mut there, &sessions));
    assert!(sessions.is_subset(&here) && sessions.is_subset(&there), "of 60: {} and {}", here.len(), there.len());
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

async fn what_expires_is_swept_and_told(pair: &Pair) {
    let soon = pair.now + time::Duration::minutes(3);
    // More than any engine takes in one step.
    let brief = (0..MANY).map(|_| async { pair.signed_in_until("password:brief", None, soon).await.session });
    let expired: HashSet<_> = join_all(brief).await.into_iter().collect();
    let lasting = pair.signed_in_until("password:long", None, pair.now + time::Duration::days(30)).await;
    let (mut here, mut there) = (pair.here.ended(), pair.there.ended());
    pair.here.sweep(soon - time::Duration::seconds(1)).await.expect("it answers");
    assert!(pair.here.has_session(*expired.iter().next().expect("one"), pair.now).await.expect("it answers"));
    // Both at once, as instances do.
    let (first, second) = tokio::join!(pair.here.sweep(soon), pair.there.sweep(soon));
    let swept = first.expect("it answers") + second.expect("it answers");
    assert!(swept >= MANY as u64, "{swept}");
    assert_eq!(pair.here.sweep(soon).await.expect("it answers"), 0, "nothing is left");
    let (here, there) = tokio::join!(told(&mut here, &expired), told(&mut there, &expired));
    assert!(expired.is_subset(&here) && expired.is_subset(&there));
    assert!(!here.contains(&lasting.session));
    assert!(pair.there.has_session(lasting.session, soon).await.expect("it answers"));
}
