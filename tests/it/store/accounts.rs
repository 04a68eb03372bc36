//! Accounts, and attempts that are counted.

use std::time::Duration;

use futures_util::future::join_all;
use qlik_embed_bff::identity::Account;
use qlik_embed_bff::store::Error;

use super::Pair;

fn account(id: &str, email: &str) -> Account {
    Account {
        id: id.into(),
        name: "Ada \u{1F600}".into(),
        email: email.into(),
        groups: vec!["sales".into(), "a,b".into()],
    }
}

pub async fn hold(pair: &Pair) {
    accounts_are_kept_once(pair).await;
    a_password_and_an_account_take_their_sessions_along(pair).await;
    attempts_are_counted_by_all(pair).await;
    several_attempts_are_counted_at_once(pair).await;
}

async fn accounts_are_kept_once(Pair { here, there, now, .. }: &Pair) {
    let ada = account("ada", "Ada@example.com");
    here.add_account(&ada, "hash", *now).await.expect("a new account");
    assert_eq!(there.account("ada").await.expect("it answers"), Some((ada.clone(), "hash".to_owned())));
    assert_eq!(there.account("bob").await.expect("it answers"), None);
    let again = there.add_account(&account("ada", "other@example.com"), "hash", *now).await;
    assert!(matches!(again, Err(Error::NameTaken(name)) if name == "ada"));
    let same_address = there.add_account(&account("bob", "ADA@example.com"), "hash", *now).await;
    assert!(matches!(same_address, Err(Error::EmailTaken(_))), "addresses are compared without case");
    there.add_account(&account("Zoe", "zoe@example.com"), "hash", *now).await.expect("a new account");
    let names: Vec<_> = here.accounts().await.expect("it answers").into_iter().map(|account| account.id).collect();
    assert_eq!(names, ["Zoe", "ada"], "in the order of their bytes");
}

async fn a_password_and_an_account_take_their_sessions_along(pair: &Pair) {
    let Pair { here, there, now, .. } = pair;
    let first = pair.signed_in("password:ada").await;
    assert!(there.set_password("ada", "other", "password:ada").await.expect("it answers"));
    assert!(!here.has_session(first.session, *now).await.expect("it answers"));
    assert_eq!(here.account("ada").await.expect("it answers").map(|(_, hash)| hash).as_deref(), Some("other"));
    assert!(!there.set_password("nobody", "other", "password:nobody").await.expect("it answers"));
    let (second, bob) = (pair.signed_in("password:ada").await, pair.signed_in("password:bob").await);
    assert!(there.remove_account("ada", "password:ada").await.expect("it answers"));
    assert!(!there.remove_account("ada", "password:ada").await.expect("it answers"));
    assert!(!here.has_session(second.session, *now).await.expect("it answers"));
    assert!(here.has_session(bob.session, *now).await.expect("it answers"));
    assert_eq!(here.account("ada").await.expect("it answers"), None);
}

async fn attempts_are_counted_by_all(Pair { here, there, now, .. }: &Pair) {
    let window = Duration::from_secs(60);
    let all = (0..40).map(|n| if n % 2 == 0 { here } else { there }.count_attempt("sign-in", *now, window));
    let mut counts: Vec<_> = join_all(all).await.into_iter().map(|count| count.expect("it answers").0).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=40).collect::<Vec<_>>());
    let (count, until) = there.attempts("sign-in", *now).await.expect("it answers").expect("counted");
    assert_eq!((count, until.unix_timestamp()), (40, (*now + window).unix_timestamp()));
    here.forgive_attempt("sign-in").await.expect("it answers");
    let (count, _) = there.count_attempt("sign-in", *now + Duration::from_secs(30), window).await.expect("it answers");
    assert_eq!(count, 40);
    let later = *now + window;
    assert_eq!(there.attempts("sign-in", later).await.expect("it answers"), None, "the window has ended");
    assert_eq!(there.count_attempt("sign-in", later, window).await.expect("it answers").0, 1, "and a new one begins");
    assert_eq!(here.attempts("nothing", *now).await.expect("it answers"), None);
    here.forgive_attempt("nothing").await.expect("it answers");
}

async fn several_attempts_are_counted_at_once(Pair { here, there, now, .. }: &Pair) {
    let window = Duration::from_secs(60);
    let all = (0..20).map(|n| if n % 2 == 0 { here } else { there }.count_attempts("blocks", 7, *now, window));
    let mut counts: Vec<_> = join_all(all).await.into_iter().map(|count| count.expect("it answers").0).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=20).map(|n| n * 7).collect::<Vec<_>>(), "each has a block of its own");
    let (count, until) = there.count_attempt("blocks", *now, window).await.expect("it answers");
    assert_eq!((count, until.unix_timestamp()), (141, (*now + window).unix_timestamp()));
    let later = *now + window;
    let (count, until) = here.count_attempts("blocks", 5, later, window).await.expect("it answers");
    assert_eq!(
        (count, until.unix_timestamp()),
        (5, (later + window).unix_timestamp()),
        "a new window begins with them"
    );
}
