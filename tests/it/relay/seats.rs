//! Whatever ends a session ends its sockets, and so does the end of the server.

use super::*;
use qlik_embed_bff::proxy::relay::By;
use qlik_embed_bff::proxy::sockets::{GOING_AWAY, SESSION_ENDED};
use std::time::Instant;

#[tokio::test]
async fn the_end_of_the_session_closes_its_sockets_and_no_others() {
    let mut r = plain().await;
    let (near_browser, mut other) = tcp().await;
    let (near_tenant, mut tenant_of_other) = tcp().await;
    let seat = r.sockets.seat(SessionRef::of(Id::default())).expect("not stopping");
    let other_relay = tokio::spawn(relay(near_browser.into(), near_tenant.into(), seat, LIMITS));
    assert_eq!(r.sockets.count(), 2);

    r.sockets.end(r.session, SESSION_ENDED);
    assert_eq!(said(&read(&mut r.browser, 17).await), (4401, "session ended".to_owned()));
    assert_eq!(
        said(&read(&mut r.tenant, 21).await),
        (1001, "session ended".to_owned()),
        "4401 is between us and the page"
    );
    r.browser.write_all(&masked(0x88, &4401_u16.to_be_bytes())).await.expect("sent");
    assert_eq!(read_all(&mut r.browser).await, b"", "and the end follows the answer");
    drop((r.browser, r.tenant));
    assert_eq!(ended(r.ended).await.by, By::Seat(SESSION_ENDED));
    assert_eq!(r.sockets.count(), 1);

    other.write_all(&masked(0x81, b"still here")).await.expect("sent");
    assert_eq!(read(&mut tenant_of_other, 16).await, masked(0x81, b"still here"));
    other_relay.abort();
    assert!(other_relay.await.expect_err("aborted").is_cancelled());
    assert_eq!(r.sockets.count(), 0);
}

#[tokio::test]
async fn a_frame_that_has_begun_is_finished_first() {
    let mut r = plain().await;
    let frame = bare(0x82, &[7; 1_000_000]);
    let (first, rest) = frame.split_at(400_000);
    r.tenant.write_all(first).await.expect("sent");
    assert!(read(&mut r.browser, first.len()).await == first);
    r.sockets.end(r.session, SESSION_ENDED);
    assert_eq!(said(&read(&mut r.tenant, 21).await).0, 1001, "this side was between frames");
    let sent = async {
        // It may not take all of it: nothing after this frame is read for anybody.
        let _ = r.tenant.write_all(&[rest, &bare(0x82, &[8; 1_000_000])].concat()).await;
    };
    let ((), passed) = tokio::join!(sent, read_all(&mut r.browser));
    let (passed, told) = passed.split_at(rest.len());
    assert!(passed == rest);
    assert_eq!(said(told), (4401, "session ended".to_owned()));
}

#[tokio::test]
async fn a_frame_that_does_not_end_is_cut_off() {
    let mut r = plain().await;
    r.tenant.write_all(&bare(0x82, &[7; 1_000])[..500]).await.expect("sent");
    read(&mut r.browser, 500).await;
    let begun = Instant::now();
    r.sockets.end(r.session, SESSION_ENDED);
    assert_eq!(read_all(&mut r.browser).await, b"");
    assert!(begun.elapsed() < LIMITS.linger * 4);
    assert_eq!(ended(r.ended).await.by, By::Seat(SESSION_ENDED));
}

#[tokio::test]
async fn a_session_that_ended_before_the_upgrade_was_done_has_no_socket() {
    let sockets = Sockets::new();
    let session = SessionRef::of(Id::default());
    let seat = sockets.seat(session).expect("not stopping");
    sockets.end(session, SESSION_ENDED);
    assert_eq!(seat.ended(), Some(SESSION_ENDED));
    let ((near_browser, mut browser), (near_tenant, tenant)) = (tcp().await, tcp().await);
    let relay = tokio::spawn(relay(near_browser.into(), near_tenant.into(), seat, LIMITS));
    assert_eq!(said(&read(&mut browser, 17).await).0, 4401);
    drop((browser, tenant));
    ended(relay).await;
}

#[tokio::test]
async fn draining_closes_what_is_open_at_the_end_of_the_grace() {
    let mut r = plain().await;
    let begun = Instant::now();
    let sockets = r.sockets.clone();
    let drained = tokio::spawn(async move { sockets.drain(Duration::from_millis(300)).await });
    tokio::task::yield_now().await;
    assert!(r.sockets.seat(r.session).is_none(), "nothing new");
    r.browser.write_all(&masked(0x81, b"still served")).await.expect("sent");
    assert_eq!(read(&mut r.tenant, 18).await, masked(0x81, b"still served"));

    assert_eq!(said(&read(&mut r.browser, 4 + GOING_AWAY.reason.len()).await), (1001, GOING_AWAY.reason.to_owned()));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(said(&read(&mut r.tenant, 8 + GOING_AWAY.reason.len()).await).0, 1001);
    r.browser.write_all(&masked(0x88, &1001_u16.to_be_bytes())).await.expect("sent");
    r.tenant.write_all(&close(1001, "")).await.expect("sent");
    drop((r.browser, r.tenant));
    timeout(LONG, drained).await.expect("in time").expect("no panic");
    assert_eq!(r.sockets.count(), 0);
    assert_eq!(ended(r.ended).await.by, By::Seat(GOING_AWAY));
}

#[tokio::test]
async fn draining_takes_no_time_without_sockets_and_ends_with_the_last() {
    let begun = Instant::now();
    Sockets::new().drain(LONG).await;
    assert!(begun.elapsed() < Duration::from_millis(100));

    let r = plain().await;
    let sockets = r.sockets.clone();
    let drained = tokio::spawn(async move { sockets.drain(LONG).await });
    drop((r.browser, r.tenant));
    drained.await.expect("no panic");
    assert!(begun.elapsed() < LONG / 4);
}

#[tokio::test]
async fn the_end_reaches_a_socket_that_nobody_reads() {
    let r = plain().await;
    let Relayed { browser, mut tenant, sockets, session, ended: relay } = r;
    let flood = bare(0x82, &[0; 60_000]);
    while timeout(Duration::from_millis(200), tenant.write_all(&flood)).await.is_ok() {}
    let begun = Instant::now();
    sockets.end(session, SESSION_ENDED);
    assert_eq!(ended(relay).await.by, By::Seat(SESSION_ENDED));
    assert!(begun.elapsed() < LIMITS.linger * 4);
    drop(browser);
}
