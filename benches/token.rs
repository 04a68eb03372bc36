//! What a token costs: CPU time at the endpoint against a bare signature with the same key, in one run.
//!
//! CPU time and not wall time, so that other programs on the machine disturb little; contenders take turns in short
//! rounds, and each is compared with the bare signatures of its own round, so that the rest hits all alike. All run on one
//! core, also the server in a process of its own: what a request costs must not depend on how many cores sleep beside it.
//! `--all-cores` leaves that to the scheduler.
//! `docs/performance.md` has the figures, how to read them, and how to take them on a busy machine.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use qlik_embed_bff::app::App;
use qlik_embed_bff::auth::password;
use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::config::{self, Env};
use qlik_embed_bff::identity::Account;
use qlik_embed_bff::qlik::key::{self, CertificateDates, KeySize, NewKey};
use qlik_embed_bff::qlik::token;
use qlik_embed_bff::web;
use qlik_embed_bff::web::Front;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// As the binary has it.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Visitors who ask at the same time.
const VISITORS: usize = 16;
/// The endpoint may cost this much of a bare signature.
const LIMIT: f64 = 1.1;
const PASSWORD: &str = "correct horse";

fn main() {
    // `cargo bench` says so; anything else only wants to know that it runs
    let asked = |flag: &str| std::env::args().any(|arg| arg == flag);
    let rounds = if asked("--bench") { 31 } else { 1 };
    if !asked("--all-cores") {
        stay_on_one_core();
    }
    println!("{}\nCPU time a token, {rounds} rounds, {VISITORS} visitors at once\n", processor());
    for size in [KeySize::Rsa2048, KeySize::Rsa4096] {
        // Multiples of 32: AWS-LC renews what blinds the private key after that many signatures.
        let tokens = if size == KeySize::Rsa2048 { 128 } else { 64 };
        let bench = Bench::prepare(size);
        print(size, &bench.run(rounds, tokens));
    }
}

/// This thread, and so every thread and process that it starts.
fn stay_on_one_core() {
    let allowed = sched_getaffinity(None).expect("Linux");
    let last = (0..CpuSet::MAX_CPU).rev().find(|&core| allowed.is_set(core)).expect("a core to run on");
    let mut one = CpuSet::new();
    one.set(last);
    sched_setaffinity(None, &one).expect("a core of our own set");
}

fn processor() -> String {
    let described = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |name: &str| {
        let line = described.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, value)| value).to_owned()
    };
    let wide = if value("flags").contains("avx512ifma") { "with" } else { "without" };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let (name, family, model) = (value("model name"), value("cpu family"), value("model\t"));
    format!("{name} (family {family}, model {model}), {wide} AVX-512 IFMA, {cores} core(s)")
}

/// Microseconds a token, in the order of [`Bench::contenders`], one list a round.
type Rounds = Vec<Vec<f64>>;

const CONTENDERS: [&str; 7] = [
    "bare aws-lc-rs signature",
    "Issuer::issue",
    "GET /token, router in this process",
    "GET /token, server over loopback TCP",
    "jsonwebtoken encode()",
    "Node crypto.sign, KeyObject",
    "Node crypto.sign, PEM text",
];

struct Bench {
    _folder: TempDir,
    pem: SecretString,
    pair: RsaKeyPair,
    runtime: Runtime,
    app: App,
    front: Front,
    cookie: String,
    server: Server,
    has_node: bool,
}

impl Bench {
    /// One portal, one account, one session: for the router in this process and for a server of its own.
    fn prepare(size: KeySize) -> Self {
        let clock = Clock::default();
        let now = clock.now();
        let dates = CertificateDates { not_before: now - time::Duration::HOUR, not_after: now + time::Duration::DAY };
        let NewKey { private_key: pem, .. } = key::generate(size, "bench", dates).expect("a key");
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose_secret().as_bytes()).expect("PEM");
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key");

        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("key.pem"), pem.expose_secret()).expect("written");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let env = settings(folder.path(), address);
        let runtime = Runtime::new().expect("a runtime"); // as the server's
        let loaded = config::load(&env, now).unwrap_or_else(|problems| panic!("{problems}"));
        let app = runtime.block_on(App::open(loaded.config, clock)).expect("a store");
        let hash = password::hash(&SecretString::from(PASSWORD)).expect("a password");
        runtime.block_on(app.store.add_account(&ada(), &hash, now)).expect("an account");
        let front = web::front(app.clone());
        let cookie = runtime.block_on(sign_in(front.clone()));
        let server = Server::start(&env, folder.path(), address);
        let has_node = Command::new("node").arg("--version").output().is_ok_and(|output| output.status.success());
        Self { _folder: folder, pem, pair, runtime, app, front, cookie, server, has_node }
    }

    fn run(&self, rounds: usize, tokens: usize) -> Rounds {
        let contenders: [&dyn Fn(usize) -> f64; 5] = [
            &|tokens| own_cpu(|| self.sign(tokens)),
            &|tokens| own_cpu(|| self.at_once(tokens, |bench| bench.issue())),
            &|tokens| own_cpu(|| self.at_once(tokens, |bench| bench.fetch())),
            &|tokens| self.server.cpu_of(&self.cookie, tokens),
            &|tokens| own_cpu(|| self.encode(tokens)),
        ];
        let mut measured = Rounds::new();
        for round in 0..=rounds {
            let mut times = vec![0.0; contenders.len()];
            for turn in 0..contenders.len() {
                let place = (turn + round) % contenders.len(); // nobody is always first
                times[place] = contenders[place](tokens) / tokens as f64;
            }
            if self.has_node {
                times.extend(self.node(tokens));
            }
            measured.push(times);
        }
        measured.split_off(1) // the first is for caches to fill
    }

    fn sign(&self, tokens: usize) {
        let message = [b'x'; 600];
        let mut signature = vec![0; self.pair.public_modulus_len()];
        for _ in 0..tokens {
            let signed = self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), black_box(&message), &mut signature);
            signed.expect("a signature");
        }
    }

    fn at_once<F: Future<Output = ()> + Send + 'static>(&self, tokens: usize, ask: impl Fn(&Self) -> F) {
        let visitors: Vec<_> =
            (0..VISITORS).map(|_| (0..tokens / VISITORS).map(|_| ask(self)).collect::<Vec<_>>()).map(in_turn).collect();
        self.runtime.block_on(async {
            let visitors: Vec<_> = visitors.into_iter().map(tokio::spawn).collect();
            for visitor in visitors {
                visitor.await.expect("no panic");
            }
        });
    }

    fn issue(&self) -> impl Future<Output = ()> + Send + use<> {
        let app = self.app.clone();
        async move {
            let resolution =
                app.subjects.resolve(&ada().identity(), app.clock.now()).await.expect("a store that answers");
            let ada = resolution.result.expect("a subject");
            black_box(app.tokens.as_ref().expect("a key").issue(&ada, app.clock.now()).await.expect("a token"));
        }
    }

    fn fetch(&self) -> impl Future<Output = ()> + Send + use<> {
        let (front, cookie) = (self.front.clone(), self.cookie.clone());
        async move {
            let request = Request::get("/token")
                .header("cookie", cookie)
                .header("sec-fetch-site", "same-origin")
                .header("sec-fetch-dest", "empty")
                .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40_000))))
                .body(Body::empty());
            let answer = front.oneshot(request.expect("a request")).await.expect("the front does not fail");
            assert_eq!(answer.status(), StatusCode::OK);
            assert!(to_bytes(answer.into_body(), 1 << 16).await.expect("a body").starts_with(b"{\"body\":\"ey"));
        }
    }

    /// jsonwebtoken as its documentation shows it.
    fn encode(&self, tokens: usize) {
        let key = EncodingKey::from_rsa_pem(self.pem.expose_secret().as_bytes()).expect("a key");
        let header = Header { kid: Some("key-1".into()), ..Header::new(Algorithm::RS256) };
        for _ in 0..tokens {
            let claims = json!({
                "jti": token::new_jti().expect("an id"), "sub": "password|ada", "subType": "user", "name": "Ada Lovelace",
                "email": "ada@example.com", "email_verified": true, "groups": ["Analysts", "Mathematicians"],
                "iss": "https://portal.example", "aud": token::AUDIENCE, "iat": 1, "nbf": 1, "exp": 91,
            });
            black_box(jsonwebtoken::encode(&header, &claims, &key).expect("a token"));
        }
    }

    /// The tutorial's `generate.js` in a process that lives on, once with the key parsed and once as it was written.
    fn node(&self, tokens: usize) -> [f64; 2] {
        let output = Command::new("node")
            .args(["-e", NODE, &tokens.to_string()])
            .env("KEY", self.pem.expose_secret())
            .output()
            .expect("node runs");
        let printed = String::from_utf8(output.stdout).expect("text");
        let times: Vec<f64> = printed.split_whitespace().filter_map(|time| time.parse().ok()).collect();
        times.try_into().unwrap_or_else(|_| panic!("node: {}", String::from_utf8_lossy(&output.stderr)))
    }
}

const NODE: &str = r#"
const { createPrivateKey, randomBytes, sign } = require("node:crypto");
const tokens = Number(process.argv[1]);
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
function token(key) {
  const now = Math.floor(Date.now() / 1000);
  const input = part({ alg: "RS256", typ: "JWT", kid: "key-1" }) + "." + part({
    jti: randomBytes(32).toString("base64url"), sub: "password|ada", subType: "user", name: "Ada Lovelace",
    email: "ada@example.com", email_verified: true, groups: ["Analysts", "Mathematicians"],
    iss: "https://portal.example", aud: "qlik.api/login/jwt-session", iat: now, nbf: now - 30, exp: now + 60,
  });
  return input + "." + sign("sha256", input, key).toString("base64url");
}
for (const key of [createPrivateKey(process.env.KEY), process.env.KEY]) {
  for (let i = 0; i < 32; i++) token(key);
  const before = process.cpuUsage();
  for (let i = 0; i < tokens; i++) token(key);
  const { user, system } = process.cpuUsage(before);
  console.log((user + system) / tokens);
}
"#;

async fn in_turn<F: Future<Output = ()>>(requests: Vec<F>) {
    for request in requests {
        request.await;
    }
}

fn ada() -> Account {
    let groups = vec!["Analysts".into(), "Mathematicians".into()];
    Account { id: "ada".into(), name: "Ada Lovelace".into(), email: "ada@example.com".into(), groups }
}

fn settings(folder: &Path, address: SocketAddr) -> Env {
    [
        ("QLIK_TENANT", "acme.eu.qlikcloud.com"),
        ("QLIK_WEB_INTEGRATION_ID", "web-integration-1"),
        ("QLIK_APP_ID", "2d54bd8e-76a9-4c53-85d2-066b44240146"),
        ("QLIK_SHEET_ID", "PpVjBm"),
        ("QLIK_JWT_ISSUER", "https://portal.example"),
        ("QLIK_JWT_KEY_ID", "key-1"),
        ("QLIK_JWT_PRIVATE_KEY_FILE", &folder.join("key.pem").display().to_string()),
        ("DATABASE_URL", &format!("sqlite:{}", folder.join("bench.db").display())),
        ("RATE_LIMIT_TOKEN", "off"),
        ("LISTEN", &address.to_string()),
        ("PUBLIC_URL", &format!("http://{address}")),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

async fn sign_in(front: Front) -> String {
    let request = Request::post("/login")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .extension(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 40_000))))
        .body(Body::from(format!("username=ada&password={}", PASSWORD.replace(' ', "+"))));
    let answer = front.oneshot(request.expect("a request")).await.expect("the front does not fail");
    let cookie = answer.headers().get("set-cookie").expect("a session").to_str().expect("text");
    cookie.split_once(';').map_or(cookie, |(pair, _)| pair).to_owned()
}

/// CPU time of this process while it does this, in microseconds.
fn own_cpu(work: impl FnOnce()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
    };
    let before = now();
    work();
    now() - before
}

/// The product as it is shipped, in a process of its own, on the same database.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    fn start(env: &Env, folder: &Path, address: SocketAddr) -> Self {
        let process = Command::new(env!("CARGO_BIN_EXE_qlik-embed-bff"))
            .arg("serve")
            .env_clear()
            .envs(env)
            .current_dir(folder)
            .stderr(Stdio::null()) // it logs as it would, to nowhere
            .spawn()
            .expect("the server starts");
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < patience, "the server does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        Self { process, address }
    }

    /// CPU time of the server for this many tokens, in microseconds; the visitors' own is not counted.
    fn cpu_of(&self, cookie: &str, tokens: usize) -> f64 {
        let mut visitors: Vec<_> = (0..VISITORS).map(|_| Visitor::connect(self.address, cookie)).collect();
        visitors.iter_mut().for_each(Visitor::fetch); // connections are made, the session is read
        let before = self.cpu();
        thread::scope(|scope| {
            for visitor in &mut visitors {
                scope.spawn(|| (0..tokens / VISITORS).for_each(|_| visitor.fetch()));
            }
        });
        let spent = |(thread, after): (String, f64)| after - before.get(&thread).copied().unwrap_or_default();
        self.cpu().into_iter().map(spent).sum()
    }

    /// CPU time of each thread so far (`/proc/PID/stat` only counts in steps of 10 ms).
    fn cpu(&self) -> BTreeMap<String, f64> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("Linux");
        let cpu = threads.filter_map(|thread| {
            let path = thread.ok()?.path().join("schedstat");
            let nanoseconds: f64 = fs::read_to_string(&path).ok()?.split(' ').next()?.parse().ok()?;
            Some((path.display().to_string(), nanoseconds / 1e3))
        });
        cpu.collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// A connection that is kept alive.
struct Visitor {
    connection: BufReader<TcpStream>,
    request: String,
}

impl Visitor {
    fn connect(address: SocketAddr, cookie: &str) -> Self {
        let connection = TcpStream::connect(address).expect("a connection");
        connection.set_nodelay(true).expect("a socket option");
        let request = format!(
            "GET /token HTTP/1.1\r\nhost: {address}\r\ncookie: {cookie}\r\nsec-fetch-site: same-origin\r\n\
             sec-fetch-dest: empty\r\naccept: */*\r\n\r\n"
        );
        Self { connection: BufReader::new(connection), request }
    }

    fn fetch(&mut self) {
        self.connection.get_mut().write_all(self.request.as_bytes()).expect("sent");
        let mut length = 0;
        let mut line = String::new();
        self.connection.read_line(&mut line).expect("an answer");
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        while line != "\r\n" {
            line.clear();
            self.connection.read_line(&mut line).expect("a header");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
        }
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body).expect("a body");
        assert!(body.starts_with(b"{\"body\":\"ey"));
    }
}

fn print(size: KeySize, rounds: &Rounds) {
    println!("{size} bits{:34}  {:>9}  {:>12}  quartiles", "", "median us", "x bare");
    for (place, name) in CONTENDERS.iter().enumerate().take(rounds.first().map_or(0, Vec::len)) {
        let times = sorted(rounds.iter().map(|times| times[place]));
        let ratios = sorted(rounds.iter().map(|times| times[place] / times[0]));
        let at = |values: &[f64], quarter: usize| values[(values.len() - 1) * quarter / 4];
        let verdict = match (name.starts_with("GET"), at(&ratios, 2) <= LIMIT) {
            (true, true) => "within 1.1",
            (true, false) => "ABOVE 1.1",
            (false, _) => "",
        };
        let (low, high) = (at(&ratios, 1), at(&ratios, 3));
        println!("  {name:41}  {:>9.0}  {:>12.3}  {low:.3} {high:.3}  {verdict}", at(&times, 2), at(&ratios, 2));
    }
    println!();
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}
