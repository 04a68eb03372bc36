//! What is held of the tenant: one of a kind for each session, never overwritten by who was slower, and given back once.

use futures_util::future::join_all;
use qlik_embed_bff::store::held::{Held, Kept, Put};
use time::Duration;

use super::Pair;

const KINDS: [Held; 2] = [Held::TenantSession, Held::AccessToken];

fn kept(login: i64, version: i64, used: time::OffsetDateTime, value: &[u8]) -> Kept {
    Kept { login, version, used, value: value.to_vec() }
}

pub async fn hold(pair: &Pair) {
    of_two_logins_one_is_kept(pair).await;
    changes_are_of_the_version_that_is_there(pair).await;
    what_is_left_is_given_back_once(pair).await;
}

async fn of_two_logins_one_is_kept(pair: &Pair) {
    let Pair { here, there, now, .. } = pair;
    let (ada, until) = (pair.signed_in("password:ada").await, pair.now + Duration::hours(1));
    // As large, and as negative, as such names get.
    let first = join_all((0..20_i64).map(|n| {
        let store = if n % 2 == 0 { here } else { there };
        let login = i64::MIN + n;
        async move {
            let put =
                store.put_held(ada.session, Held::TenantSession, kept(login, 0, *now, b"x"), until, None, *now).await;
            (login, put.expect("it answers"))
        }
    }))
    .await;
    let done: Vec<_> = first.iter().filter(|(_, put)| *put == Put::Done).collect();
    assert_eq!(done.len(), 1);
    assert!(first.iter().all(|(_, put)| matches!(put, Put::Done | Put::Late)));
    let login = done[0].0;
    let found = there.held(ada.session, Held::TenantSession).await.expect("it answers").expect("it is there");
    assert_eq!((found.login, found.version, &found.value[..]), (login, 0, &b"x"[..]));
    assert_eq!(found.used.unix_timestamp(), now.unix_timestamp());
    let put = async |login, instead_of| {
        let kept = kept(login, 0, *now, b"y");
        there.put_held(ada.session, Held::TenantSession, kept, until, instead_of, *now).await.expect("it answers")
    };
    assert_eq!(put(7, Some(login + 1)).await, Put::Late, "it replaces only what it was to replace");
    assert_eq!(put(i64::MAX, Some(login)).await, Put::Done);
    let found = here.held(ada.session, Held::TenantSession).await.expect("it answers").expect("it is there");
    assert_eq!(found.login, i64::MAX);
    assert!(here.held(ada.session, Held::AccessToken).await.expect("it answers").is_none(), "kinds are apart");
    here.end_session(ada.session).await.expect("it answers");
    assert_eq!(put(8, Some(i64::MAX)).await, Put::SessionEnded);
}

async fn changes_are_of_the_version_that_is_there(pair: &Pair) {
    let Pair { here, there, now, .. } = pair;
    let (ada, until, later) =
        (pair.signed_in("password:ada").await, *now + Duration::hours(1), *now + Duration::minutes(2));
    let held = Held::AccessToken;
    here.put_held(ada.session, held, kept(1, 0, *now, b"a"), until, None, *now).await.expect("it answers");
    let changes = (0..10).map(|_| there.change_held(ada.session, held, kept(1, 0, later, b"b")));
    let done = join_all(changes).await.into_iter().filter(|done| *done.as_ref().expect("it answers")).count();
    assert_eq!(done, 1);
    let read = async || here.held(ada.session, held).await.expect("it answers").expect("it is there");
    assert_eq!((read().await.version, read().await.used.unix_timestamp()), (1, later.unix_timestamp()));
    assert!(there.change_held(ada.session, held, kept(1, 1, *now, b"c")).await.expect("it answers"));
    assert_eq!(read().await.used.unix_timestamp(), later.unix_timestamp(), "it is never used earlier");
    assert!(!there.change_held(ada.session, held, kept(2, 2, later, b"d")).await.expect("it answers"), "another login");
    let last = later + Duration::minutes(5);
    there.touch_held(ada.session, held, 1, last).await.expect("it answers");
    there.touch_held(ada.session, held, 2, last + Duration::minutes(5)).await.expect("it answers");
    assert_eq!(read().await.used.unix_timestamp(), last.unix_timestamp());
    here.end_session(ada.session).await.expect("it answers");
    assert!(here.take_held(ada.session, held).await.expect("it answers").is_some());
}

async fn what_is_left_is_given_back_once(pair: &Pair) {
    let Pair { here, there, now, .. } = pair;
    let until = *now + Duration::hours(1);
    for held in KINDS {
        while let Some(session) = here.held_left(held).await.expect("it answers").pop() {
            here.take_held(session, held).await.expect("it answers");
        }
    }
    let (ada, bob) = (pair.signed_in("password:ada").await, pair.signed_in("password:bob").await);
    for held in KINDS {
        for session in [ada.session, bob.session] {
            here.put_held(session, held, kept(1, 0, *now, b"value"), until, None, *now).await.expect("it answers");
        }
    }
    assert!(here.end_session(ada.session).await.expect("it answers"));
    for held in KINDS {
        assert_eq!(there.held_left(held).await.expect("it answers"), [ada.session]);
        assert!(there.held(ada.session, held).await.expect("it answers").is_none(), "nobody uses it any more");
        assert!(!there.change_held(ada.session, held, kept(1, 0, *now, b"z")).await.expect("it answers"));
        let takes = (0..10).map(|n| if n % 2 == 0 { here } else { there }.take_held(ada.session, held));
        let taken: Vec<_> = join_all(takes).await.into_iter().filter_map(|take| take.expect("it answers")).collect();
        assert_eq!(taken, [b"value".to_vec()]);
        assert!(here.held_left(held).await.expect("it answers").is_empty());
        assert!(there.held(bob.session, held).await.expect("it answers").is_some());
    }
}
