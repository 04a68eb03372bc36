//! Sockets leave nothing behind.

use super::*;
use std::collections::HashSet;
use std::fs;
use std::os::fd::AsRawFd;

/// What the kernel calls this socket.
fn name(socket: &impl AsRawFd) -> String {
    link(&format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("it is open")
}

fn link(path: &str) -> Option<String> {
    fs::read_link(path).ok()?.into_os_string().into_string().ok()
}

#[tokio::test]
async fn a_thousand_sockets_leave_no_task_and_no_descriptor() {
    let sockets = Sockets::new();
    let mut names = HashSet::new();
    let before = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for n in 0..1_000 {
        let ((near_browser, mut browser), (near_tenant, mut tenant)) = (tcp().await, tcp().await);
        names.extend([name(&near_browser), name(&near_tenant)]);
        let session = SessionRef::of(Id(n % 7));
        let seat = sockets.seat(session).expect("not stopping");
        let relay = tokio::spawn(relay(near_browser.into(), near_tenant.into(), seat, LIMITS));
        browser.write_all(&masked(0x81, b"hello")).await.expect("sent");
        read(&mut tenant, 11).await;
        match n % 4 {
            0 => {
                browser.write_all(&masked(0x88, &1000_u16.to_be_bytes())).await.expect("sent");
                read(&mut tenant, 8).await;
                tenant.write_all(&close(1000, "")).await.expect("sent");
            }
            1 => browser.set_zero_linger().expect("set"),
            2 => tenant.set_zero_linger().expect("set"),
            _ => sockets.end(session, qlik_embed_bff::proxy::sockets::SESSION_ENDED),
        }
        drop((browser, tenant));
        ended(relay).await;
    }
    assert_eq!(sockets.count(), 0);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), before);
    let open: HashSet<String> = fs::read_dir("/proc/self/fd")
        .expect("a folder")
        .filter_map(|entry| link(entry.expect("an entry").path().to_str()?))
        .collect();
    // Names are given again: what another test opened meanwhile is not ours.
    assert!(open.intersection(&names).count() < 20, "descriptors stay open");
}
