//! Sessions: listed and searched by who they are, a page at a time, and ended with all that belongs to them.

use axum::http::StatusCode;
use futures_util::StreamExt;
use qlik_embed_bff::store::SessionRef;
use qlik_embed_bff::store::sessions::Sessions;
use serde_json::{Value, json};
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use super::{ADMINS, all, kept};
use crate::portal::{Browser, Portal};
use crate::proxied::clients::{listening, socket_of};
use crate::proxied::until;

fn session_of(browser: &Browser) -> SessionRef {
    SessionRef::of(browser.cookies["qlik-embed-bff"].parse().expect("a session's id"))
}

/// Sessions of people that nobody has to sign in for: copies of one, each a second older than the one before.
async fn crowd(portal: &Portal, of: &Browser, size: usize) {
    let sessions = Sessions::new(portal.app.store.clone(), portal.clock.clone());
    let visit = sessions.entry(session_of(of), "visit").await.expect("it answers").expect("a visit");
    // Ends are kept in whole seconds: taken anew for each, two of them would be one when a second begins between them.
    let newest = portal.clock.now() + time::Duration::hours(11);
    for number in 0..size {
        let mut visit = visit.clone();
        visit["identity"]["id"] = json!(format!("guest-{number:05}"));
        visit["identity"]["name"] = json!(format!("Guest {number}"));
        let data = [("owner", json!(format!("password:guest-{number:05}"))), ("visit", visit)];
        let data = data
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<std::collections::HashMap<_, Value>>();
        let ago = time::Duration::seconds(i64::try_from(number).expect("small"));
        let expiry_date = newest - ago;
        let mut record = Record { id: Id::default(), data, expiry_date };
        sessions.create(&mut record).await.expect("a new session");
    }
}

#[tokio::test]
async fn they_are_listed_with_their_times_and_no_cookie() {
    let portal = Portal::with(&[ADMINS]).await;
    let bob = portal.signed_in("bob").await;
    portal.clock.advance(time::Duration::minutes(10));
    // Somebody who has not signed in has no session that counts.
    portal.browser().open("/embed/default").await;
    let mut ada = portal.signed_in("ada").await;
    portal.clock.advance(time::Duration::minutes(5));
    let page = ada.open("/admin/sessions").await;
    assert_eq!(
        all(&page, "tbody th", None),
        ["Ada Lovelace your own password:ada ada@example.com", "Bob <b> password:bob bob@example.com"]
    );
    let times = |label: &str| all(&page, &format!("td[data-label='{label}']"), None);
    assert_eq!(times("Signed in"), ["5 min ago", "15 min ago"]);
    assert_eq!(times("Last used"), ["now", "15 min ago"]);
    assert_eq!(times("Expires"), ["in 30 min", "in 15 min"]);
    assert!(page.text(".lead").starts_with("2 sessions in all, at all instances."), "{}", page.text(".lead"));
    assert_eq!(
        all(&page, "button[name=session]", Some("value")),
        [session_of(&ada).to_hex(), session_of(&bob).to_hex()]
    );
    assert_eq!(all(&page, "button[name=owner]", Some("value")), ["password:ada", "password:bob"]);
    for browser in [&ada, &bob] {
        assert!(!page.body.contains(&browser.cookies["qlik-embed-bff"]));
    }
    assert!(all(&ada.open("/admin").await, "dd", None).contains(&"2 sessions".to_owned()));
}

#[tokio::test]
async fn they_are_searched_by_name_id_and_address() {
    let portal = Portal::with(&[ADMINS]).await;
    let mut ada = portal.signed_in("ada").await;
    portal.signed_in("bob").await;
    for (query, found) in [
        ("LOVE", &["password:ada"][..]),
        ("password%3Ab", &["password:bob"]),
        ("%20bob%40example%20", &["password:bob"]),
        ("example.com", &["password:bob", "password:ada"]),
        ("nobody", &[]),
        ("%3Cscript%3E", &[]),
    ] {
        let page = ada.open(&format!("/admin/sessions?q={query}")).await;
        let mut owners = all(&page, "button[name=owner]", Some("value"));
        owners.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(owners, found, "{query}");
        let told =
            if found.len() == 1 { "1 session found.".to_owned() } else { format!("{} sessions found.", found.len()) };
        assert!(page.text(".lead").starts_with(&told), "{}", page.text(".lead"));
        assert!(!page.body.contains("<script>"));
    }
}

#[tokio::test]
async fn a_long_list_is_read_page_by_page_and_a_long_search_says_so() {
    let portal = Portal::with(&[ADMINS]).await;
    let mut ada = portal.signed_in("ada").await;
    crowd(&portal, &ada, 10_020).await;
    let mut seen = Vec::new();
    let mut way = "/admin/sessions".to_owned();
    for page_number in 0..3 {
        let page = ada.open(&way).await;
        let ids = all(&page, "button[name=owner]", Some("value"));
        assert_eq!(ids.len(), 50);
        seen.extend(ids);
        assert!(page.text(".lead").starts_with("10,021 sessions in all"), "{}", page.text(".lead"));
        let ways = all(&page, ".ways a", Some("href"));
        assert_eq!(ways.len(), if page_number == 0 { 1 } else { 2 }, "{ways:?}");
        way = ways.last().expect("a way on").clone();
    }
    let expected: Vec<_> = (0..150).map(|number| format!("password:guest-{number:05}")).collect();
    assert_eq!(seen, expected, "those that end last first, each once");

    // Found among those that are searched at once; and the last ones, only by searching on.
    let page = ada.open("/admin/sessions?q=guest-0999").await;
    assert_eq!(all(&page, "button[name=owner]", Some("value")).len(), 10);
    let told = "10 sessions found among 10,000 sessions. There are more to search.";
    assert!(page.text(".lead").starts_with(told), "{}", page.text(".lead"));
    let page = ada.open("/admin/sessions?q=guest-1001").await;
    assert_eq!(all(&page, "tbody tr", None).len(), 0);
    let on = all(&page, ".ways a", Some("href")).pop().expect("a way on");
    let page = ada.open(&on).await;
    assert_eq!(all(&page, "button[name=owner]", Some("value")).len(), 10);
    assert!(page.text(".lead").starts_with("10 sessions found. "), "{}", page.text(".lead"));
    // More than a page of what is searched.
    let page = ada.open("/admin/sessions?q=Guest").await;
    assert_eq!(all(&page, "tbody tr", None).len(), 50);
    assert!(page.text(".lead").starts_with("50 sessions found so far. There are more to search."));
}

#[tokio::test]
async fn one_that_cannot_be_read_can_be_ended() {
    let portal = Portal::with(&[ADMINS, ("SESSION_SECRET", "a secret of a good length, for the first")]).await;
    portal.signed_in("bob").await;
    let portal = portal.restart_with(&[("SESSION_SECRET", "another secret of a good length, later on")]).await;
    let mut ada = portal.signed_in("ada").await;
    let page = ada.open("/admin/sessions").await;
    assert_eq!(all(&page, "tbody th", None).len(), 2);
    assert!(page.body.contains("Cannot be read"));
    let unread = all(&page, "button[name=session]", Some("value"));
    let unread = unread.iter().find(|session| **session != session_of(&ada).to_hex()).expect("his");
    let answer = ada.post("/admin/sessions/end", &format!("session={unread}")).await;
    assert_eq!(answer.location(), "/admin/sessions?ended=1");
    assert_eq!(all(&ada.open("/admin/sessions").await, "tbody th", None).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_end_one_ends_its_sockets_and_its_session_at_the_tenant() {
    let (proxied, origin, mut ada) = listening(&[ADMINS]).await;
    let portal = &proxied.portal;
    let bob = portal.signed_in("bob").await;
    let mut sockets = Vec::new();
    for browser in [&ada, &bob] {
        let (mut socket, _) =
            tokio_tungstenite::connect_async(socket_of(&origin, browser, &origin)).await.expect("a socket");
        socket.next().await.expect("a message").expect("no error");
        sockets.push(socket);
    }
    assert_eq!((proxied.control().session_count(), portal.app.sockets.count()), (2, 2));

    let form = format!("session={}&q=b%26b", session_of(&bob).to_hex());
    let answer = ada.post("/admin/sessions/end", &form).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/admin/sessions?q=b%26b&ended=1"));
    assert_eq!(ada.open(answer.location()).await.text("[role=status].done"), "One session was ended.");
    let told = tokio::time::timeout(std::time::Duration::from_secs(10), sockets[1].next()).await.expect("in time");
    let told = told.expect("a message").expect("no error");
    let tokio_tungstenite::tungstenite::Message::Close(Some(frame)) = told else { panic!("{told}") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4401, "session ended"));
    until(async || proxied.control().session_count() == 1).await;
    until(async || portal.app.sockets.count() == 1).await;
    assert_eq!(bob.clone().fetch("/session").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(ada.fetch("/session").await.status, StatusCode::OK, "nobody else's");

    // Once more: there is nothing left, and that is told.
    let answer = ada.post("/admin/sessions/end", &form).await;
    assert_eq!(answer.location(), "/admin/sessions?q=b%26b&ended=0");
    assert_eq!(ada.open(answer.location()).await.text(".done"), "There was nothing left to end.");
}

#[tokio::test]
async fn all_of_somebody_end_at_once_in_every_instance() {
    let portal = Portal::with(&[ADMINS]).await;
    let beside = portal.beside().await;
    let mut bobs = [portal.signed_in("bob").await, portal.signed_in("bob").await, beside.signed_in("bob").await];
    let mut ada = portal.signed_in("ada").await;
    let answer = ada.post("/admin/sessions/end", "owner=password%3Abob").await;
    assert_eq!(answer.location(), "/admin/sessions?ended=3");
    assert_eq!(ada.open(answer.location()).await.text(".done"), "3 sessions were ended.");
    for bob in &mut bobs {
        until(async || bob.fetch("/session").await.status == StatusCode::UNAUTHORIZED).await;
    }
    let events = kept(&portal);
    let ended = events.iter().find(|event| event.what == "sessions ended").expect("told");
    let expected = [
        ("identity", "password:bob"),
        ("by", "password:ada"),
        ("ended", "3"),
        ("reason", "an administrator ended them"),
    ];
    assert_eq!(ended.fields, expected.map(|(name, value)| (name, value.to_owned())));

    // One's own, too: the next page asks to sign in.
    let own = format!("session={}", session_of(&ada).to_hex());
    let answer = ada.post("/admin/sessions/end", &own).await;
    assert_eq!(ada.open(answer.location()).await.location(), "/login");
}

#[tokio::test]
async fn a_form_that_names_nothing_ends_nothing() {
    let portal = Portal::with(&[ADMINS]).await;
    let mut ada = portal.signed_in("ada").await;
    let name = session_of(&ada).to_hex();
    for form in
        ["", "session=", "session=x", &format!("session={}", &name[2..]), &format!("session={name}&owner=password:ada")]
    {
        assert_eq!(ada.post("/admin/sessions/end", form).await.status, StatusCode::BAD_REQUEST, "{form}");
    }
    assert_eq!(ada.fetch("/session").await.status, StatusCode::OK);
    for nonsense in ["after=x", "after=1-2", "after=-1-", "ended=1"] {
        assert_eq!(ada.open(&format!("/admin/sessions?{nonsense}")).await.status, StatusCode::OK, "{nonsense}");
    }
}
