//! Who does not read stops only its own socket.

use super::*;
use std::time::Instant;

/// One thread for all, so that whoever blocks it blocks all.
#[tokio::test]
async fn a_stalled_reader_slows_nobody_else_and_loses_nothing() {
    let mut stalled = plain().await;
    let flood = bare(0x82, &(0..60_000_u32).map(|n| n as u8).collect::<Vec<_>>());
    let mut sent = 0;
    while timeout(Duration::from_millis(200), stalled.tenant.writable()).await.is_ok() {
        if let Ok(count) = stalled.tenant.try_write(&flood[sent % flood.len()..]) {
            sent += count;
        }
        // The relay's turn.
        tokio::task::yield_now().await;
    }
    assert!(sent < 64 * 1024 * 1024, "only the kernel's buffers take so much: {sent}");

    // The other direction of the same socket.
    stalled.browser.write_all(&masked(0x81, b"are you there?")).await.expect("sent");
    assert_eq!(read(&mut stalled.tenant, 20).await, masked(0x81, b"are you there?"));

    // Another socket.
    let (mut browser, mut tenant, relay) = library(plain().await).await;
    tokio::spawn(async move {
        while let Some(Ok(message)) = tenant.next().await {
            if tenant.send(message).await.is_err() {
                break;
            }
        }
    });
    let begun = Instant::now();
    for _ in 0..500 {
        browser.send(Message::text("x".repeat(2_000))).await.expect("sent");
        browser.next().await.expect("a message").expect("good");
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "500 echoes took {:?}", begun.elapsed());
    browser.close(None).await.expect("sent");
    while let Some(Ok(_)) = browser.next().await {}
    ended(relay).await;

    let rest = (flood.len() - sent % flood.len()) % flood.len();
    let rest = flood[flood.len() - rest..].to_vec();
    let (all, ()) = tokio::join!(read(&mut stalled.browser, sent + rest.len()), async {
        stalled.tenant.write_all(&rest).await.expect("sent");
    });
    assert!(all.chunks(flood.len()).all(|frame| frame == flood), "unchanged");
}
