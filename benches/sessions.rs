//! What many sessions cost the store: a look-up, memory, and a sweep of half of them.
//!
//! ```sh
//! cargo bench --bench sessions -- --postgres postgres://portal@127.0.0.1/bench --redis redis://127.0.0.1
//! ```
//!
//! Without addresses only SQLite is measured, and with `--servers-only` not even that. The database and the Redis are to be empty
//! and nobody else's: they are filled. Most
//! sessions are written past the store, alike in size to those of a portal; those that are looked up are made by it.
//! `docs/performance.md` has the figures.

use std::time::{Duration, Instant};

use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::store::redis::Beside;
use qlik_embed_bff::store::sessions::{OWNER, Sessions};
use qlik_embed_bff::store::{Database, Server, SessionRef, Settings, Store, redis as session_store};
use secrecy::SecretString;
use serde_json::json;
use sqlx::AnyPool;
use time::OffsetDateTime;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

/// As many bytes as a session of somebody with a few groups has, sealed.
const SIZE: usize = 500;
/// How many are looked up.
const LOOKED_UP: usize = 2000;

/// Where sessions are kept.
enum Engine {
    Sql(AnyPool, &'static str),
    Redis(redis::aio::MultiplexedConnection),
}

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    // `cargo bench` says so; anything else only wants to know that it runs
    let sizes: &[usize] =
        if arguments.iter().any(|word| word == "--bench") { &[10_000, 100_000, 1_000_000] } else { &[100] };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    sqlx::any::install_default_drivers();
    println!("{:12} {:>9} {:>12} {:>12} {:>14} {:>12}", "", "sessions", "median us", "p99 us", "bytes each", "sweep s");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bench.db");
    let secret = Some(SecretString::from("a secret of thirty-two characters"));
    let sqlite = Settings { secret: secret.clone(), ..Settings::file(file.clone()) };
    let url = format!("sqlite://{}", file.display());
    let size = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
    if !arguments.iter().any(|word| word == "--servers-only") {
        let open = async || Engine::Sql(AnyPool::connect(&url).await.expect("it opens"), size);
        measure("SQLite", &sqlite, sizes, open).await;
    }
    if let Some(url) = value("--postgres") {
        let server = Server::parse(url, None, 10).expect("an address");
        let settings = Settings {
            database: Database::Postgres(server),
            sessions: None,
            secret: secret.clone(),
            previous: Vec::new(),
        };
        let size = "SELECT pg_total_relation_size('record')";
        measure("PostgreSQL", &settings, sizes, async || {
            Engine::Sql(AnyPool::connect(url).await.expect("it opens"), size)
        })
        .await;
    }
    if let Some(url) = value("--redis") {
        let beside = Beside { prefix: "bench".into(), ..Beside::default() };
        let sessions = Some(session_store::Settings::parse(url, beside).expect("an address"));
        let settings = Settings { sessions, ..sqlite };
        let client = redis::Client::open(url.as_str()).expect("an address");
        measure("Redis", &settings, sizes, async || {
            Engine::Redis(client.get_multiplexed_async_connection().await.expect("it answers"))
        })
        .await;
    }
}

async fn measure(name: &str, settings: &Settings, sizes: &[usize], open: impl AsyncFn() -> Engine) {
    let (store, clock) = (Store::open(settings).await.expect("the store opens"), Clock::default());
    let mut engine = open().await;
    for &size in sizes {
        let (now, before) = (clock.now(), engine.size().await);
        // Half of them end within an hour, which the sweep finds over.
        engine.fill(size / 2, now + time::Duration::minutes(30)).await;
        engine.fill(size - size / 2, now + time::Duration::hours(12)).await;
        let each = (engine.size().await - before) / i64::try_from(size).expect("a number of sessions");
        let real = sessions(&store, &clock, LOOKED_UP.min(size), now + time::Duration::hours(12)).await;
        let mut times = Vec::new();
        for session in &real {
            let begun = Instant::now();
            assert!(store.has_session(*session, now).await.expect("it answers"));
            times.push(begun.elapsed());
        }
        times.sort_unstable();
        let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
        let begun = Instant::now();
        let swept = store.sweep(now + time::Duration::hours(1)).await.expect("it answers");
        let took = begun.elapsed();
        assert!(swept >= (size / 2) as u64, "{swept} of {size}");
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        println!(
            "{name:12} {size:>9} {:>12.0} {:>12.0} {each:>14} {:>12.2}",
            micros(median),
            micros(p99),
            took.as_secs_f64()
        );
        // Everything else goes, for the next size.
        store.sweep(now + time::Duration::days(2)).await.expect("it answers");
    }
    store.close().await;
}

async fn sessions(store: &Store, clock: &Clock, count: usize, until: OffsetDateTime) -> Vec<SessionRef> {
    let sessions = Sessions::new(store.clone(), clock.clone());
    let mut made = Vec::new();
    for number in 0..count {
        let data = [(OWNER.to_owned(), json!(format!("password:{number}")))].into();
        let mut record = Record { id: Id::default(), data, expiry_date: until };
        sessions.create(&mut record).await.expect("it answers");
        made.push(SessionRef::of(record.id));
    }
    made
}

impl Engine {
    /// All that it has, in bytes.
    async fn size(&mut self) -> i64 {
        match self {
            Self::Sql(pool, size) => sqlx::query_scalar(*size).fetch_one(&*pool).await.expect("it answers"),
            Self::Redis(connection) => {
                let info: String = redis::cmd("INFO").arg("memory").query_async(connection).await.expect("it answers");
                let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("it says so");
                used.trim().parse().expect("a number")
            }
        }
    }

    /// Sessions of as many people, which end then.
    async fn fill(&mut self, count: usize, until: OffsetDateTime) {
        const BATCH: usize = 1000;
        for begin in (0..count).step_by(BATCH) {
            let many = i64::try_from(BATCH.min(count - begin)).expect("a small number");
            match self {
                Self::Sql(pool, size) => {
                    let statement = if size.contains("pragma") {
                        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
                         INSERT INTO record (id, owner, value, expires_at)
                         SELECT randomblob(32), randomblob(32), randomblob($2), $3 FROM n"
                    } else {
                        "INSERT INTO record (id, owner, value, expires_at)
                         SELECT sha256(random()::text::bytea), sha256(random()::text::bytea),
                                decode(repeat(md5(random()::text), ($2 / 16)::int), 'hex'), $3
                         FROM generate_series(1, $1)"
                    };
                    let query = sqlx::query(statement).bind(many).bind(SIZE as i64).bind(until.unix_timestamp());
                    query.execute(&*pool).await.expect("it answers");
                }
                Self::Redis(connection) => {
                    let mut pipe = redis::pipe();
                    for _ in 0..many {
                        let (mut id, mut owner, value) = ([0_u8; 32], [0_u8; 32], [7_u8; SIZE]);
                        aws_lc_rs::rand::fill(&mut id).expect("the operating system has randomness");
                        aws_lc_rs::rand::fill(&mut owner).expect("the operating system has randomness");
                        let key = |kind: &str, id: &[u8]| [b"{bench}:", kind.as_bytes(), id].concat();
                        let until = until.unix_timestamp();
                        let end = until.to_string();
                        let fields = [("v", &value[..]), ("e", end.as_bytes()), ("o", &owner[..])];
                        pipe.hset_multiple(key("r", &id), &fields).ignore();
                        pipe.expire_at(key("r", &id), until + 3600).ignore();
                        pipe.sadd(key("o", &owner), &id[..]).ignore();
                        pipe.expire_at(key("o", &owner), until + 3600).ignore();
                        pipe.zadd(key("sessions", b""), &id[..], until).ignore();
                    }
                    let _: () = pipe.query_async(connection).await.expect("it answers");
                }
            }
        }
    }
}
