//! What sockets hold while nobody uses them, and what they leave behind.

use std::time::Duration;

use futures_util::{StreamExt, stream};

use crate::contenders::{Contender, Encryption, Running};
use crate::load::{Exchange, Socket, Visitor, descriptors};
use crate::process::Holdings;
use crate::tenant::Tenant;

/// As many as are opened at once.
const AT_ONCE: usize = 8;
/// Each idle socket has passed on one message, and its echo.
const MESSAGE: usize = 1000;
/// What belongs to the programs and not to their sockets.
const OTHER_DESCRIPTORS: usize = 200;
/// Allocators give memory back a while after it was freed.
const SETTLE: Duration = Duration::from_millis(1500);
/// What one thousand sockets may leave behind, in KiB: half of it would be a smaller thing than a task.
const LEFT_BEHIND: u64 = 512;

/// KiB an idle socket may hold.
fn limit(encryption: Encryption) -> f64 {
    match encryption {
        Encryption::Plain => 3.0,
        Encryption::Tls => 20.0,
    }
}

/// Prints resident memory for each idle socket. Returns whether the limit was kept.
pub async fn idle(contenders: &[Contender], tenant: &Tenant, encryption: Encryption, counts: &[usize]) -> bool {
    let name = encryption.name();
    println!("{name}: resident memory for each idle socket, limit {} KiB", limit(encryption));
    let mut kept = true;
    for contender in contenders {
        let running = contender.start(tenant, encryption).await;
        let mut open = Vec::new();
        settle(&running, AT_ONCE * 2).await;
        let before = running.process.holdings().resident;
        print!("  {:46}", contender.name());
        for &count in counts {
            // this process has both ends of what the contender has in the middle
            if count * 2 + OTHER_DESCRIPTORS > descriptors() {
                print!("  not allowed to open {count} (ulimit -n)");
                continue;
            }
            open.extend(sockets(&running.visitor, count - open.len()).await);
            tokio::time::sleep(SETTLE).await;
            let grown = running.process.holdings().resident.saturating_sub(before);
            let each = grown as f64 / count as f64;
            let exceeded = contender.is_product() && each > limit(encryption);
            kept &= !exceeded;
            print!("  {each:>6.2} KiB at {count}{}", if exceeded { " ABOVE" } else { "" });
        }
        println!();
    }
    println!();
    kept
}

/// Prints what is there after so many sockets, and after as many again. Returns whether nothing has grown.
pub async fn cycles(contenders: &[Contender], tenant: &Tenant, encryption: Encryption, count: usize) -> bool {
    println!(
        "{}: what {count} sockets leave behind that were opened, used and closed after {count} others",
        encryption.name()
    );
    let mut kept = true;
    for contender in contenders {
        let running = contender.start(tenant, encryption).await;
        settle(&running, count).await;
        let before = running.process.holdings();
        settle(&running, count).await;
        let after = running.process.holdings();
        let leaves = grown(before, after) && contender.is_product();
        kept &= !leaves;
        println!(
            "  {:46}  {:>6} -> {} KiB, {} -> {} threads, {} -> {} descriptors{}",
            contender.name(),
            before.resident,
            after.resident,
            before.threads,
            after.threads,
            before.descriptors,
            after.descriptors,
            if leaves { "  ABOVE" } else { "" }
        );
    }
    println!();
    kept
}

fn grown(before: Holdings, after: Holdings) -> bool {
    after.resident > before.resident + LEFT_BEHIND
        || after.threads > before.threads
        || after.descriptors > before.descriptors
}

/// Opens so many, uses and closes them, and waits until all is quiet again.
async fn settle(running: &Running, count: usize) {
    for _ in 0..count / AT_ONCE {
        for socket in sockets(&running.visitor, AT_ONCE).await {
            socket.close().await;
        }
    }
    tokio::time::sleep(SETTLE).await;
}

async fn sockets(visitor: &Visitor, count: usize) -> Vec<Socket> {
    let open = async |_| {
        let mut socket = visitor.socket().await;
        socket.exchange(&Exchange::echo(MESSAGE), &mut [0; 2 * MESSAGE]).await;
        socket
    };
    stream::iter(0..count).map(open).buffer_unordered(AT_ONCE).collect().await
}
