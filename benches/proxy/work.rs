//! What is asked of a contender, and what it may cost.

use std::sync::Arc;
use std::time::Instant;

use crate::contenders::{Contender, Encryption, Running};
use crate::load::{Exchange, Visitor, exchange_all, fetch_all, latencies};
use crate::table::Sample;
use crate::tenant::{BIG, SMALL};

/// One kind of work.
pub struct Unit {
    /// What `--only` knows it by.
    pub key: &'static str,
    pub name: &'static str,
    kind: Kind,
    /// How much of it makes a turn.
    pub times: usize,
    /// Who sets the measure.
    pub reference: Contender,
    pub limit: fn(Encryption) -> Option<f64>,
}

enum Kind {
    Fetch { path: &'static str, body: usize, connections: usize },
    Exchange { exchange: Arc<Exchange>, sockets: usize },
    Latency { exchange: Exchange },
}

/// All of it. A limit holds for the product's times the reference's; None where nothing was promised.
pub fn units() -> Vec<Unit> {
    let fetch = |path, body, connections| Kind::Fetch { path, body, connections };
    let exchange = |exchange| Kind::Exchange { exchange: Arc::new(exchange), sockets: 8 };
    vec![
        Unit {
            key: "json",
            name: "GET of 1 KB JSON, 32 connections",
            kind: fetch("/api/v1/items?limit=1", SMALL, 32),
            times: 4096,
            reference: Contender::Nginx,
            limit: |_| Some(1.4),
        },
        Unit {
            key: "links",
            name: "the same with two links to the tenant, which only the product rewrites",
            kind: fetch("/api/v1/spaces?limit=1", SMALL / 2, 32),
            times: 4096,
            reference: Contender::Nginx,
            limit: |_| None,
        },
        Unit {
            key: "file",
            name: "GET of 1 MB, 8 connections",
            kind: fetch("/resources/big", BIG, 8),
            times: 128,
            reference: Contender::Nginx,
            limit: |encryption| Some(if encryption == Encryption::Tls { 0.9 } else { 0.6 }),
        },
        Unit {
            key: "echo-200",
            name: "socket, echo of 200 B, 8 sockets",
            kind: exchange(Exchange::echo(200)),
            times: 8192,
            reference: Contender::Nginx,
            limit: |encryption| (encryption == Encryption::Tls).then_some(1.0),
        },
        Unit {
            key: "echo-16k",
            name: "socket, echo of 16 KB, 8 sockets",
            kind: exchange(Exchange::echo(16 << 10)),
            times: 2048,
            reference: Contender::NginxLarge,
            limit: |encryption| (encryption == Encryption::Tls).then_some(0.9),
        },
        Unit {
            key: "message-1m",
            name: "socket, 1 MB from the tenant, 8 sockets",
            kind: exchange(Exchange::long_answer()),
            times: 128,
            reference: Contender::NginxLarge,
            limit: |encryption| (encryption == Encryption::Tls).then_some(0.9),
        },
        Unit {
            key: "latency",
            name: "socket, time that is added to an echo of 200 B, one socket",
            kind: Kind::Latency { exchange: Exchange::echo(200) },
            times: 2000,
            reference: Contender::Nginx,
            limit: |_| Some(1.2),
        },
    ]
}

impl Unit {
    pub fn is_latency(&self) -> bool {
        matches!(self.kind, Kind::Latency { .. })
    }

    /// Once through this contender; `direct` leads to the tenant without anybody between.
    pub async fn turn(&self, running: &Running, direct: &Visitor, times: usize) -> Sample {
        match &self.kind {
            Kind::Fetch { path, body, connections } => {
                let request: Arc<[u8]> = running.visitor.asks(path).into();
                let mut open = Vec::with_capacity(*connections);
                for _ in 0..*connections {
                    open.push(running.visitor.connect().await);
                }
                // connections to the tenant are made, the session is read
                let open = fetch_all(open, &request, *connections, *body).await;
                measured(running, times, fetch_all(open, &request, times, *body)).await
            }
            Kind::Exchange { exchange, sockets } => {
                let mut open = Vec::with_capacity(*sockets);
                for _ in 0..*sockets {
                    open.push(running.visitor.socket().await);
                }
                let open = exchange_all(open, exchange, *sockets).await;
                measured(running, times, exchange_all(open, exchange, times)).await
            }
            Kind::Latency { exchange } => {
                let [median, _] = latency(direct, exchange, times).await;
                let [p50, p99] = latency(&running.visitor, exchange, times).await;
                Sample { figure: p99 - median, aside: p50 - median }
            }
        }
    }
}

/// Microseconds of CPU time for each of these, and how much of the time the contender was at work, in percent.
async fn measured(running: &Running, times: usize, work: impl Future) -> Sample {
    let (begun, before) = (Instant::now(), running.process.cpu());
    awake(work).await;
    let spent = running.process.cpu().since(&before);
    Sample { figure: spent / times as f64, aside: spent / begun.elapsed().as_micros() as f64 * 100.0 }
}

/// The median and the 99th of 100, in microseconds.
async fn latency(visitor: &Visitor, exchange: &Exchange, times: usize) -> [f64; 2] {
    let mut socket = visitor.socket().await;
    latencies(&mut socket, exchange, times / 10 + 1).await;
    let taken = awake(latencies(&mut socket, exchange, times)).await;
    [50, 99].map(|of_100| taken[(taken.len() - 1) * of_100 / 100])
}

/// Visitors and tenant never sleep during this. Otherwise whoever sends them something has to wake them, which on a virtual
/// machine can cost more than all the rest, and which no server has to do whose visitors are on machines of their own.
async fn awake<T>(work: impl Future<Output = T>) -> T {
    let never_sleep = async {
        loop {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        () = never_sleep => unreachable!("it has no end"),
    }
}
