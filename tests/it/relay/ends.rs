//! The end of one side ends the other.

use super::*;
use qlik_embed_bff::proxy::relay::By;
use std::time::Instant;

/// The size of the Close frame that tells of a lost tenant.
const LOST: usize = 36;

#[tokio::test]
async fn a_tenant_that_drops_between_frames_is_told_of() {
    for reset in [false, true] {
        let mut r = plain().await;
        let text = bare(0x81, b"the last words");
        r.tenant.write_all(&text).await.expect("sent");
        if reset {
            assert_eq!(read(&mut r.browser, text.len()).await, text);
            r.tenant.set_zero_linger().expect("set");
        }
        drop(r.tenant);
        if !reset {
            assert_eq!(read(&mut r.browser, text.len()).await, text);
        }
        let told = read(&mut r.browser, LOST).await;
        assert_eq!(said(&told), (1011, "the tenant's connection was lost".to_owned()));
        r.browser.write_all(&masked(0x88, &told[2..])).await.expect("sent");
        assert_eq!(read_all(&mut r.browser).await, b"");
        drop(r.browser);
        assert_eq!(ended(r.ended).await.by, By::Tenant);
    }
}

#[tokio::test]
async fn a_tenant_that_drops_in_a_frame_is_just_gone() {
    for cut in [3, 9] {
        let mut r = plain().await;
        let text = bare(0x81, b"0123456789");
        r.tenant.write_all(&text[..cut]).await.expect("sent");
        drop(r.tenant);
        assert_eq!(read_all(&mut r.browser).await, text[..cut]);
        drop(r.browser);
        assert_eq!(ended(r.ended).await.by, By::Tenant);
    }
    // Of a header that never came to its end nothing has passed.
    let mut r = plain().await;
    r.tenant.write_all(&bare(0x82, &[0; 70_000])[..7]).await.expect("sent");
    drop(r.tenant);
    assert_eq!(said(&read(&mut r.browser, LOST).await).0, 1011);
}

#[tokio::test]
async fn tls_without_a_farewell_is_normal_after_a_close_frame() {
    let mut r = with_tls().await;
    r.tenant.write_all(&close(4001, "idle")).await.expect("sent");
    r.tenant.flush().await.expect("sent");
    assert_eq!(read(&mut r.browser, 8).await, close(4001, "idle"));
    r.browser.write_all(&masked(0x88, &4001_u16.to_be_bytes())).await.expect("sent");
    read(&mut r.tenant, 8).await;
    // The socket without close_notify.
    drop(r.tenant.into_inner().0);
    assert_eq!(read_all(&mut r.browser).await, b"");
    drop(r.browser);
    assert_eq!(ended(r.ended).await.by, By::Tenant);
}

#[tokio::test]
async fn tls_that_breaks_off_is_a_lost_tenant() {
    let mut r = with_tls().await;
    r.tenant.write_all(&bare(0x81, b"text")).await.expect("sent");
    r.tenant.flush().await.expect("sent");
    drop(r.tenant.into_inner().0);
    assert_eq!(read(&mut r.browser, 6).await, bare(0x81, b"text"));
    assert_eq!(said(&read(&mut r.browser, LOST).await).0, 1011);
}

#[tokio::test]
async fn what_is_no_tls_is_a_lost_tenant() {
    let mut r = with_tls().await;
    r.tenant.write_all(&bare(0x81, b"text")).await.expect("sent");
    r.tenant.flush().await.expect("sent");
    let mut tcp = r.tenant.into_inner().0;
    tcp.write_all(&[0x17, 3, 3, 0, 20]).await.expect("sent");
    tcp.write_all(&[0; 20]).await.expect("sent");
    assert_eq!(read(&mut r.browser, 6).await, bare(0x81, b"text"));
    assert_eq!(said(&read(&mut r.browser, LOST).await).0, 1011);
    let alert = read_all(&mut tcp).await;
    assert_eq!(alert.first(), Some(&0x17), "an encrypted alert says why: {alert:?}");
}

#[tokio::test]
async fn a_browser_that_drops_ends_the_tenants_socket_after_all_was_passed() {
    for reset in [false, true] {
        let mut r = plain().await;
        let large = masked(0x82, &vec![5; 300_000]);
        if reset {
            r.browser.write_all(&large[..1_000]).await.expect("sent");
            assert_eq!(read(&mut r.tenant, 1_000).await, large[..1_000]);
            r.browser.set_zero_linger().expect("set");
            drop(r.browser);
            assert_eq!(read_all(&mut r.tenant).await, b"");
        } else {
            let sent = async {
                r.browser.write_all(&large).await.expect("sent");
                drop(r.browser);
            };
            let ((), passed) = tokio::join!(sent, read_all(&mut r.tenant));
            assert!(passed == large);
        }
        drop(r.tenant);
        assert_eq!(ended(r.ended).await.by, By::Browser);
    }
}

#[tokio::test]
async fn a_browser_that_only_stops_sending_still_gets_the_answer() {
    let mut r = plain().await;
    r.browser.write_all(&masked(0x81, b"question")).await.expect("sent");
    r.browser.shutdown().await.expect("half closed");
    assert_eq!(read_all(&mut r.tenant).await, masked(0x81, b"question"));
    let answer = [bare(0x81, b"answer"), close(1000, "bye")].concat();
    r.tenant.write_all(&answer).await.expect("sent");
    drop(r.tenant);
    assert_eq!(read_all(&mut r.browser).await, answer);
    assert_eq!(ended(r.ended).await.by, By::Browser);
}

#[tokio::test]
async fn a_tenant_that_only_stops_sending_still_gets_what_is_under_way() {
    let mut r = plain().await;
    r.tenant.shutdown().await.expect("half closed");
    assert_eq!(said(&read(&mut r.browser, LOST).await).0, 1011);
    let sent = [masked(0x81, b"under way"), masked(0x88, &1011_u16.to_be_bytes())].concat();
    r.browser.write_all(&sent).await.expect("sent");
    assert_eq!(read_all(&mut r.tenant).await, sent);
    assert_eq!(read_all(&mut r.browser).await, b"");
}

/// From here on nothing more comes of the other side.
async fn ends_within_the_linger(relay: JoinHandle<Ended>) -> Ended {
    let begun = Instant::now();
    let ended = ended(relay).await;
    assert!(begun.elapsed() < LIMITS.linger * 4, "{:?}", begun.elapsed());
    ended
}

#[tokio::test]
async fn who_does_not_answer_a_close_frame_is_left() {
    let mut r = plain().await;
    r.browser.write_all(&masked(0x88, &1000_u16.to_be_bytes())).await.expect("sent");
    read(&mut r.tenant, 8).await;
    ends_within_the_linger(r.ended).await;
    assert_eq!(read_all(&mut r.browser).await, b"");

    let mut r = plain().await;
    r.tenant.write_all(&close(4003, "engine is terminating")).await.expect("sent");
    read(&mut r.browser, 25).await;
    ends_within_the_linger(r.ended).await;
}

#[tokio::test]
async fn who_does_not_close_the_connection_is_left() {
    let mut r = plain().await;
    r.browser.write_all(&masked(0x88, &1000_u16.to_be_bytes())).await.expect("sent");
    read(&mut r.tenant, 8).await;
    r.tenant.write_all(&close(1000, "")).await.expect("sent");
    assert_eq!(read_all(&mut r.browser).await, close(1000, ""), "the end comes at once");
    // Neither of them closes.
    ends_within_the_linger(r.ended).await;
}

#[tokio::test]
async fn nothing_is_passed_after_a_close_frame() {
    let mut r = plain().await;
    let late = [close(4002, "licence renewal"), bare(0x81, b"late")].concat();
    r.tenant.write_all(&late).await.expect("sent");
    assert_eq!(read(&mut r.browser, 19).await, close(4002, "licence renewal"));
    r.browser.write_all(&masked(0x88, &4002_u16.to_be_bytes())).await.expect("sent");
    assert_eq!(read_all(&mut r.browser).await, b"");
}
