//! Whose a subject is: one identity's at a time, among all instances.

use futures_util::future::join_all;
use qlik_embed_bff::store::subjects::{Claim, Conflict, ConflictWith, Found, Line, Listed, Listing, Release, Spelling};
use qlik_embed_bff::store::{Error, Store};

use super::Pair;

fn listed(identity: &str, subject: &str) -> Listed {
    Listed { identity: identity.into(), subject: subject.into() }
}

pub async fn hold(pair: &Pair) {
    a_subject_is_one_identitys(pair).await;
    the_first_answer_counts(pair).await;
    the_list_gives_and_takes(pair).await;
    a_whole_list_is_taken_in_at_once(pair).await;
}

async fn a_subject_is_one_identitys(Pair { here, there, now, .. }: &Pair) {
    let claims = join_all((0..20).map(|n| {
        let store = if n % 2 == 0 { here } else { there };
        async move {
            let (identity, subject) = (format!("oidc:{n}"), if n % 3 == 0 { "ACME\\Ada" } else { "acme\\ada" });
            (identity.clone(), store.claim(&identity, subject, Spelling::Held, *now).await.expect("it answers"))
        }
    }))
    .await;
    let holders: Vec<_> = claims.iter().filter(|(_, claim)| matches!(claim, Claim::Held { .. })).collect();
    assert_eq!(holders.len(), 1, "{claims:?}");
    let holder = holders[0].0.clone();
    assert!(claims.iter().all(|(_, claim)| match claim {
        Claim::Taken { by } => *by == holder,
        Claim::Held { from, .. } => from.is_none(),
    }));
    let another = there.claim(&holder, "other", Spelling::Claimed, *now).await.expect("it answers");
    assert!(
        matches!(another, Claim::Held { subject, from: Some(from) } if subject == "other" && from.eq_ignore_ascii_case("acme\\ada"))
    );
    let taken = here.claim("oidc:late", "acme\\ADA", Spelling::Claimed, *now).await.expect("it answers");
    assert_eq!(taken, Claim::Taken { by: holder.clone() }, "what was left stays theirs");
    assert_eq!(here.release(Release::Left).await.expect("it answers"), 1);
    let free = here.claim("oidc:late", "acme\\ADA", Spelling::Claimed, *now).await.expect("it answers");
    assert_eq!(free, Claim::Held { subject: "acme\\ADA".into(), from: None });
    let again = there.claim("oidc:late", "acme\\ada", Spelling::Held, *now).await.expect("it answers");
    assert_eq!(again, Claim::Held { subject: "acme\\ADA".into(), from: None }, "the spelling that is held");
    assert_eq!(here.holder("Acme\\Ada").await.expect("it answers"), Some(listed("oidc:late", "acme\\ADA")));
    assert_eq!(here.release(Release::Beginning("oidc:")).await.expect("it answers"), 2);
}

async fn the_first_answer_counts(Pair { here, there, .. }: &Pair) {
    let answers = (0..10).map(|n| {
        let store: &Store = if n % 2 == 0 { here } else { there };
        async move { store.remember("oidc:asked", &Found::One(format!("subject-{n}"))).await.expect("it answers") }
    });
    let answers = join_all(answers).await;
    assert!(answers.iter().all(|found| *found == answers[0]), "{answers:?}");
    assert_eq!(there.remember("oidc:nobody", &Found::NotOne).await.expect("it answers"), Found::NotOne);
    assert_eq!(here.standing("oidc:nobody").await.expect("it answers").found, Some(Found::NotOne));
}

async fn the_list_gives_and_takes(Pair { here, there, now, .. }: &Pair) {
    let held = here.claim("password:bob", "bob", Spelling::Held, *now).await.expect("it answers");
    assert!(matches!(held, Claim::Held { .. }));
    let listing = there.list_subject(&listed("password:ada", "Bob"), false, *now).await.expect("it answers");
    assert_eq!(listing, Listing::Done { before: None, taken_from: Some("password:bob".into()) });
    let again = here.list_subject(&listed("password:eve", "bob"), false, *now).await.expect("it answers");
    assert_eq!(again, Listing::ListedFor("password:ada".into()));
    // At once: one of them is first.
    let both =
        [("password:x", here), ("password:y", there), ("password:z", here)].map(|(identity, store)| async move {
            store.list_subject(&listed(identity, "shared"), false, *now).await.expect("it answers")
        });
    let done = join_all(both).await.into_iter().filter(|done| matches!(done, Listing::Done { .. })).count();
    assert_eq!(done, 1);
    let forgotten = there.forget_identity("password:ada").await.expect("it answers");
    assert_eq!((forgotten.listed, forgotten.found, forgotten.held), (true, false, 1));
    assert_eq!(*here.standing("password:ada").await.expect("it answers"), Default::default());
}

async fn a_whole_list_is_taken_in_at_once(Pair { here, there, now, .. }: &Pair) {
    let line = |number, identity: &str, subject: &str| Line { number, entry: listed(identity, subject) };
    let mut import = here.begin_import().await.expect("it answers");
    let lines: Vec<_> =
        (1..=2500).map(|n| line(n, &format!("import:{n:04}"), &format!("Subject \u{E4} \"{n}\""))).collect();
    import.add(&lines[..1500]).await.expect("it answers");
    import.add(&lines[1500..]).await.expect("it answers");
    import
        .add(&[line(2501, "import:0001", "x"), line(2502, "import:9999", "SUBJECT \u{C4} \"2\"")])
        .await
        .expect("it answers");
    let (conflicts, count) = import.conflicts(false, false).await.expect("it answers");
    assert_eq!(count, 2);
    assert_eq!(
        conflicts,
        [
            Conflict { line: 2501, with: ConflictWith::IdentityInLine(1) },
            Conflict { line: 2502, with: ConflictWith::SubjectInLine(2) },
        ]
    );
    drop(import);
    assert!(
        there.listed("import:").await.expect("it answers").iter().all(|entry| !entry.identity.starts_with("import:"))
    );

    let mut import = there.begin_import().await.expect("it answers");
    import.add(&lines).await.expect("it answers");
    assert_eq!(import.conflicts(false, false).await.expect("it answers"), (vec![], 0));
    let imported = import.finish(false, false, *now).await.expect("it answers");
    assert_eq!((imported.added, imported.changed, imported.removed, imported.unchanged), (2500, 0, 0, 0));
    let (mut seen, mut behind) = (0, String::new());
    loop {
        let page = here.listed(&behind).await.expect("it answers");
        let Some(last) = page.last() else { break };
        assert!(page.is_sorted_by(|a, b| a.identity < b.identity) && page[0].identity > behind);
        behind.clone_from(&last.identity);
        seen += page.iter().filter(|entry| entry.identity.starts_with("import:")).count();
    }
    assert_eq!(seen, 2500);
    assert_eq!(here.holder("subject \u{E4} \"77\"").await.expect("it answers").expect("held").identity, "import:0077");
    let mut import = here.begin_import().await.expect("it answers");
    import
        .add(&[line(1, "import:0001", "Subject \u{E4} \"1\""), line(2, "import:0002", "other")])
        .await
        .expect("it answers");
    let (conflicts, _) = import.conflicts(false, false).await.expect("it answers");
    assert_eq!(conflicts, [Conflict { line: 2, with: ConflictWith::ListedWith("Subject \u{E4} \"2\"".into()) }]);
    let imported = import.finish(true, false, *now).await.expect("it answers");
    assert_eq!((imported.changed, imported.unchanged), (1, 1));
    assert!(imported.removed >= 2498);
    let all: Result<Vec<_>, Error> = there.listed("").await;
    assert_eq!(all.expect("it answers").len(), 2);
}
