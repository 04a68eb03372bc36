//! Records under a name: claimed once, taken once, locks and pauses.

use futures_util::future::join_all;
use qlik_embed_bff::store::Kind;
use time::Duration;

use super::Pair;

pub async fn hold(pair: &Pair) {
    a_name_is_claimed_once(pair).await;
    what_is_taken_is_gone(pair).await;
    a_lock_is_one_instances_at_a_time(pair).await;
    pauses_only_get_longer(pair).await;
}

async fn a_name_is_claimed_once(Pair { here, there, now, .. }: &Pair) {
    let until = *now + Duration::minutes(5);
    let claims = (0..30).map(|n| {
        let store = if n % 2 == 0 { here } else { there };
        store.keep(Kind::UsedTicket, "ticket-1", b"x".to_vec(), until)
    });
    let first = join_all(claims).await.into_iter().filter(|claim| *claim.as_ref().expect("it answers")).count();
    assert_eq!(first, 1, "of those who come at once, one is first");
    assert!(there.keeps(Kind::UsedTicket, "ticket-1", *now).await.expect("it answers"));
    assert!(!there.keeps(Kind::UsedTicket, "ticket-1", until).await.expect("it answers"), "it has expired");
    assert!(!there.keeps(Kind::PendingLogin, "ticket-1", *now).await.expect("it answers"), "kinds are apart");
}

async fn what_is_taken_is_gone(Pair { here, there, now, .. }: &Pair) {
    let until = *now + Duration::minutes(10);
    let value = vec![0, 255, 7, 10, 13];
    assert!(here.keep(Kind::PendingLogin, "state", value.clone(), until).await.expect("it answers"));
    let takes = (0..20).map(|n| if n % 2 == 0 { here } else { there }.take(Kind::PendingLogin, "state", *now));
    let mut taken: Vec<_> = join_all(takes).await.into_iter().filter_map(|take| take.expect("it answers")).collect();
    assert_eq!((taken.len(), taken.pop()), (1, Some(value)));
    assert!(here.keep(Kind::PendingLogin, "late", b"x".to_vec(), until).await.expect("it answers"));
    assert_eq!(there.take(Kind::PendingLogin, "late", until).await.expect("it answers"), None, "it has expired");
}

async fn a_lock_is_one_instances_at_a_time(Pair { here, there, now, .. }: &Pair) {
    let until = *now + Duration::seconds(40);
    let locks = (0..30).map(|n| if n % 2 == 0 { here } else { there }.lock("work", until, *now));
    let mut taken: Vec<_> = join_all(locks).await.into_iter().filter_map(|lock| lock.expect("it answers")).collect();
    assert_eq!(taken.len(), 1);
    let dead = taken.pop().expect("the one");
    let later = until + Duration::seconds(1);
    let heir =
        there.lock("work", later + Duration::seconds(40), later).await.expect("it answers").expect("it has expired");
    here.unlock(dead).await.expect("it answers");
    assert!(here.lock("work", later, later).await.expect("it answers").is_none(), "the dead one's is not the heir's");
    there.unlock(heir).await.expect("it answers");
    let last = here.lock("work", until, *now).await.expect("it answers").expect("it is free");
    here.unlock(last).await.expect("it answers");
}

async fn pauses_only_get_longer(Pair { here, there, now, .. }: &Pair) {
    assert_eq!(there.paused("tenant", *now).await.expect("it answers"), None);
    let (short, long) = (*now + Duration::seconds(10), *now + Duration::seconds(50));
    for until in [short, long, short] {
        here.pause("tenant", until).await.expect("it answers");
    }
    let until = there.paused("tenant", *now).await.expect("it answers").map(|until| until.unix_timestamp());
    assert_eq!(until, Some(long.unix_timestamp()));
    assert_eq!(there.paused("tenant", long).await.expect("it answers"), None);
}
