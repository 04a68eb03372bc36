//! What no websocket sends is answered with a Close frame to both sides, and does not pass.

use super::*;
use qlik_embed_bff::proxy::relay::By;
use qlik_embed_bff::proxy::relay::frames::Fault;

const MASK: &str = "a frame was masked in the wrong direction";
const CONTROL: &str = "a control frame was too long or fragmented";

#[tokio::test]
async fn faults_of_the_browser_close_both() {
    let limits = Limits { message: 1_000, ..LIMITS };
    for (wrong, fault, code, reason) in [
        (bare(0x81, b"without a mask"), Fault::Mask, 1002, MASK),
        (masked(0x89, &[0; 126]), Fault::Control, 1002, CONTROL),
        (masked(0x08, b""), Fault::Control, 1002, CONTROL),
        (masked(0x82, &[0; 1_001]), Fault::TooLarge, 1009, "the message is too large"),
    ] {
        let mut r = plain_with(limits).await;
        let good = masked(0x81, b"good");
        r.browser.write_all(&[&good[..], &wrong, &good].concat()).await.expect("sent");
        assert_eq!(read(&mut r.tenant, good.len()).await, good);
        assert_eq!(said(&read_all(&mut r.tenant).await), (code, reason.to_owned()));
        assert_eq!(said(&read_all(&mut r.browser).await), (code, reason.to_owned()));
        assert_eq!(ended(r.ended).await.by, By::Fault(fault));
    }
}

#[tokio::test]
async fn faults_of_the_tenant_close_both() {
    let limits = Limits { message: 1_000, ..LIMITS };
    for (wrong, fault, code, reason) in [
        (masked(0x81, b"with a mask"), Fault::Mask, 1002, MASK),
        (bare(0x8a, &[0; 126]), Fault::Control, 1002, CONTROL),
        (bare(0x09, b""), Fault::Control, 1002, CONTROL),
        ([bare(0x02, &[0; 600]), bare(0x80, &[0; 401])].concat(), Fault::TooLarge, 1009, "the message is too large"),
    ] {
        let mut r = plain_with(limits).await;
        r.tenant.write_all(&wrong).await.expect("sent");
        let told = read_all(&mut r.tenant).await;
        assert_eq!(told[1] & 0x80, 0x80, "it is a client that speaks to the tenant");
        assert_eq!(said(&told), (code, reason.to_owned()));
        let passed = if fault == Fault::TooLarge { 604 } else { 0 };
        assert_eq!(read(&mut r.browser, passed).await, wrong[..passed]);
        assert_eq!(said(&read_all(&mut r.browser).await), (code, reason.to_owned()));
        assert_eq!(ended(r.ended).await.by, By::Fault(fault));
    }
}

#[tokio::test]
async fn the_other_side_is_told_when_its_frame_has_passed() {
    let mut r = plain().await;
    let under_way = bare(0x82, &[7; 100_000]);
    r.tenant.write_all(&under_way[..50_000]).await.expect("sent");
    assert_eq!(read(&mut r.browser, 50_000).await, under_way[..50_000]);
    r.browser.write_all(&bare(0x81, b"without a mask")).await.expect("sent");
    assert_eq!(said(&read(&mut r.tenant, 6 + 2 + MASK.len()).await).0, 1002);
    r.tenant.write_all(&[&under_way[50_000..], &bare(0x81, b"the next")].concat()).await.expect("sent");
    let rest = read_all(&mut r.browser).await;
    let (frame, told) = rest.split_at(under_way.len() - 50_000);
    assert!(frame == &under_way[50_000..]);
    assert_eq!(said(told).0, 1002);
}
