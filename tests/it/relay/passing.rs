//! What is sent arrives as it was sent.

use super::*;
use qlik_embed_bff::proxy::relay::By;
use qlik_embed_bff::proxy::relay::frames::Traffic;

const CODES: [u16; 30] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 4000, 4001, 4002, 4003, 4004, 4005, 4006, 4007,
    4200, 4201, 4202, 4203, 4204, 4205, 4206, 4210, 4220, 4230, 4240,
];

#[tokio::test]
async fn close_codes_and_reasons_arrive_both_ways() {
    for code in CODES.into_iter().chain([4211, 4222]) {
        let told = CloseFrame { code: code.into(), reason: format!("because of {code}").into() };

        let (mut browser, mut tenant, relay) = library(plain().await).await;
        tenant.send(Message::Close(Some(told.clone()))).await.expect("sent");
        assert_eq!(browser.next().await.expect("a frame").expect("good"), Message::Close(Some(told.clone())));
        assert!(browser.next().await.is_none(), "the library answers and sees the end");
        assert_eq!(tenant.next().await.expect("a frame").expect("good"), Message::Close(Some(told.clone())));
        assert!(tenant.next().await.is_none());
        drop((browser, tenant));
        assert_eq!(ended(relay).await.by, By::Tenant);

        let (mut browser, mut tenant, relay) = library(plain().await).await;
        browser.send(Message::Close(Some(told.clone()))).await.expect("sent");
        assert_eq!(tenant.next().await.expect("a frame").expect("good"), Message::Close(Some(told.clone())));
        assert!(tenant.next().await.is_none());
        assert_eq!(browser.next().await.expect("a frame").expect("good"), Message::Close(Some(told)));
        assert!(browser.next().await.is_none());
        drop((browser, tenant));
        assert_eq!(ended(relay).await.by, By::Browser);
    }
}

#[tokio::test]
async fn a_close_frame_without_a_code_arrives_too() {
    let mut r = plain().await;
    r.tenant.write_all(&bare(0x88, b"")).await.expect("sent");
    assert_eq!(read(&mut r.browser, 2).await, bare(0x88, b""));
    r.browser.write_all(&masked(0x88, b"")).await.expect("sent");
    assert_eq!(read_all(&mut r.tenant).await, masked(0x88, b""));
    assert_eq!(read_all(&mut r.browser).await, b"");
    drop((r.browser, r.tenant));
    ended(r.ended).await;
}

/// Everything that the two ends alone can judge: compressed frames, fragments, pings between them, opcodes and bits that
/// nobody has defined, lengths that could be written shorter.
fn anything(frame: impl Fn(u8, &[u8]) -> Vec<u8>) -> Vec<u8> {
    [
        frame(0x81, b"{\"jsonrpc\":\"2.0\"}"),
        frame(0xc1, &[0xaa, 0x56, 0x2a, 0x00]),
        frame(0x41, &[1; 200]),
        frame(0x89, b"are you there?"),
        frame(0x00, &[2; 70_000]),
        frame(0x8a, b""),
        frame(0x80, b""),
        frame(0x82, &[0; 125]),
        frame(0xb3, b"reserved"),
        frame(0x8b, b"a control frame to come"),
        frame(0x82, &vec![9; 65_536]),
    ]
    .concat()
}

#[tokio::test]
async fn bytes_pass_unchanged_wherever_they_are_cut() {
    for piece in [1, 3, 7, 4_000, 1_000_000] {
        let mut r = plain().await;
        let (up, down) = (anything(masked), anything(bare));
        // Few enough pieces for a debug build; the first thousand bytes hold most of the headers.
        let (up_cuts, down_cuts) = (cut(&up, piece), cut(&down, piece));
        for (up, down) in up_cuts.iter().zip(&down_cuts) {
            r.browser.write_all(up).await.expect("sent");
            r.tenant.write_all(down).await.expect("sent");
            tokio::task::yield_now().await;
        }
        let (at_tenant, at_browser) = tokio::join!(read(&mut r.tenant, up.len()), read(&mut r.browser, down.len()));
        assert!(at_tenant == up && at_browser == down, "in pieces of {piece}");
        drop(r.browser);
        drop(r.tenant);
        let ended = ended(r.ended).await;
        assert_eq!(ended.to_tenant, Traffic { frames: 11, messages: 6, bytes: up.len() as u64 });
        assert_eq!(ended.to_browser, Traffic { frames: 11, messages: 6, bytes: down.len() as u64 });
    }
}

fn cut(bytes: &[u8], piece: usize) -> Vec<&[u8]> {
    let (first, rest) = bytes.split_at(1_000);
    first.chunks(piece).chain(rest.chunks(piece.max(997))).collect()
}

async fn large_messages_pass<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(relayed: Relayed<T>) {
    let (mut browser, mut tenant, relay) = library(relayed).await;
    let large: Bytes =
        (0..20_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>().into();
    let text = Message::text("x".repeat(200));
    let expected = large.clone();
    let far = tokio::spawn(async move {
        let mut pongs = 0;
        loop {
            match tenant.next().await.expect("a message").expect("good") {
                Message::Pong(_) => pongs += 1,
                Message::Close(_) => break,
                Message::Text(text) => {
                    tenant.send(Message::Ping(Bytes::from_static(b"p"))).await.expect("sent");
                    tenant.send(Message::Text(text)).await.expect("sent");
                }
                large => {
                    assert!(large == Message::Binary(expected.clone()));
                    tenant.send(large).await.expect("sent");
                }
            }
        }
        assert_eq!(pongs, 2);
        assert!(tenant.next().await.is_none());
    });
    for _ in 0..2 {
        browser.send(Message::Binary(large.clone())).await.expect("sent");
        assert!(browser.next().await.expect("a message").expect("good") == Message::Binary(large.clone()));
        browser.send(text.clone()).await.expect("sent");
        assert_eq!(browser.next().await.expect("a message").expect("good"), Message::Ping(Bytes::from_static(b"p")));
        assert_eq!(browser.next().await.expect("a message").expect("good"), text);
    }
    browser.close(None).await.expect("sent");
    while let Some(Ok(_)) = browser.next().await {}
    far.await.expect("as expected");
    let ended = ended(relay).await;
    assert_eq!((ended.by, ended.to_tenant.messages, ended.to_browser.messages), (By::Browser, 4, 4));
}

#[tokio::test]
async fn a_frame_of_20_mb_passes() {
    large_messages_pass(plain().await).await;
}

#[tokio::test]
async fn a_frame_of_20_mb_passes_through_tls() {
    large_messages_pass(with_tls().await).await;
}

#[tokio::test]
async fn what_was_read_before_comes_first() {
    let (near_browser, mut browser) = tcp().await;
    let (near_tenant, mut tenant) = tcp().await;
    let sockets = Sockets::new();
    let seat = sockets.seat(SessionRef::of(Id::default())).expect("not stopping");
    let (first, second) = (masked(0x81, b"first"), masked(0x81, b"second"));
    let greeting = [bare(0x81, b"OnConnected"), vec![0x81]].concat();
    let relay = tokio::spawn(relay(
        Line::from(near_browser).read_ahead(&first),
        Line::from(near_tenant).read_ahead(&greeting),
        seat,
        LIMITS,
    ));
    browser.write_all(&second).await.expect("sent");
    tenant.write_all(b"\x02ok").await.expect("sent");
    assert_eq!(read(&mut tenant, first.len() + second.len()).await, [first, second].concat());
    assert_eq!(read(&mut browser, greeting.len() + 3).await, [&greeting[..], b"\x02ok"].concat());
    drop((browser, tenant));
    ended(relay).await;
}

#[tokio::test]
async fn the_session_is_in_use_while_the_browser_sends_messages() {
    let mut r = plain().await;
    let mut used = r.sockets.used();
    r.tenant.write_all(&bare(0x89, b"ping")).await.expect("sent");
    r.browser.write_all(&masked(0x8a, b"pong")).await.expect("sent");
    read(&mut r.tenant, 10).await;
    assert!(used.try_recv().is_err(), "a pong is no visitor");
    for _ in 0..3 {
        r.browser.write_all(&masked(0x81, b"x")).await.expect("sent");
        read(&mut r.tenant, 7).await;
    }
    assert_eq!(used.recv().await.expect("told"), r.session);
    assert!(used.try_recv().is_err(), "once in a few seconds");
}
