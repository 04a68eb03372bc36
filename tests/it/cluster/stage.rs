//! The tenant, the stores, the instances and nginx before them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use qlik_embed_bff::demo::{self, Control, IdentityProvider, Tenant};
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::visitor::Visitor;
use crate::binary::{command, configure, free_port, run_with_input};
use crate::portal::KEY;
use crate::servers::cable::Cable;
use crate::servers::nginx::{ADDRESS, Deployed};
use crate::servers::postgres::Postgres;
use crate::servers::redis::Redis;
use crate::servers::signal;

pub const SECRET: &str = "a secret that all instances have, of some length";

/// Where the instances keep things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// All in one file.
    File,
    /// All in PostgreSQL.
    Postgres,
    /// What lasts in PostgreSQL, what expires in Redis.
    Both,
}

/// One instance.
pub struct Instance {
    folder: TempDir,
    pub port: u16,
    process: Option<Child>,
    /// How far its clock is off, as faketime writes it.
    clock: Option<&'static str>,
}

pub struct Stage {
    pub tenant: Tenant,
    pub postgres: Option<Postgres>,
    pub redis: Option<Redis>,
    /// Between the instances and those two.
    pub to_postgres: Option<Cable>,
    pub to_redis: Option<Cable>,
    pub instances: Vec<Instance>,
    pub host: String,
    /// nginx's port.
    pub port: u16,
    _nginx: Deployed,
    _folder: TempDir,
}

impl Stage {
    pub async fn set(keeping: Keeping, instances: usize) -> Self {
        Self::with(keeping, &vec![None; instances], &[]).await
    }

    /// An instance for each of these clocks, and these settings changed.
    pub async fn with(keeping: Keeping, clocks: &[Option<&'static str>], changes: &[(&str, &str)]) -> Self {
        let provider = IdentityProvider::new("https://portal.example", "key-1", &*KEY.certificate);
        let settings = demo::Settings { providers: vec![provider], ..demo::Settings::default() };
        let tenant = Tenant::start(settings).await.expect("a tenant");
        let folder = tempfile::tempdir().expect("a folder");
        let postgres = (keeping != Keeping::File).then(|| block_in_place(Postgres::start));
        let redis = (keeping == Keeping::Both).then(|| block_in_place(Redis::start));
        let mut to_postgres = None;
        if let Some(server) = &postgres {
            block_in_place(|| server.database("portal"));
            to_postgres = Some(Cable::to(server.port).await);
        }
        let mut to_redis = None;
        if let Some(server) = &redis {
            to_redis = Some(Cable::to(server.port).await);
        }
        let port = free_port();
        let host = format!("localhost:{port}");
        let mut base = vec![
            ("PUBLIC_URL", format!("http://{host}")),
            ("QLIK_TENANT", tenant.origin().to_owned()),
            ("QLIK_WEB_INTEGRATION_ID", String::new()),
            ("QLIK_APP_ID", demo::APP_ID.to_owned()),
            ("QLIK_SHEET_ID", demo::SHEET_ID.to_owned()),
            ("TRUSTED_PROXIES", ADDRESS.to_owned()),
            ("SESSION_SECRET", SECRET.to_owned()),
            ("RATE_LIMIT_TOKEN", "off".to_owned()),
            ("DATABASE_URL", format!("sqlite:{}", folder.path().join("portal.db").display())),
        ];
        if let Some(cable) = &to_postgres {
            base.push(("DATABASE_URL", format!("postgres://portal@127.0.0.1:{}/portal", cable.port)));
        }
        if let Some(cable) = &to_redis {
            base.push(("SESSION_STORE_URL", format!("redis://127.0.0.1:{}", cable.port)));
        }
        let ports: Vec<_> = clocks.iter().map(|_| free_port()).collect();
        let (nginx, instances) = block_in_place(|| {
            let mut instances: Vec<_> =
                ports.iter().zip(clocks).map(|(port, clock)| Instance::new(*port, *clock, &base, changes)).collect();
            for name in ["ada", "bob"] {
                let add = ["users", "add", name, "--email", &format!("{name}@example.com")];
                let (code, _, err) = run_with_input(instances[0].folder.path(), &add, "correct horse\n");
                assert_eq!(code, Some(0), "{err}");
            }
            // All at once, as a load balancer's target group begins.
            instances.iter_mut().for_each(Instance::start);
            instances.iter_mut().for_each(Instance::wait_until_ready);
            (Deployed::before(&ports, folder.path(), port), instances)
        });
        Self { tenant, postgres, redis, to_postgres, to_redis, instances, host, port, _nginx: nginx, _folder: folder }
    }

    pub fn control(&self) -> &Control {
        self.tenant.control()
    }

    /// The way to the store that has the sessions.
    pub fn cable(&self) -> &Cable {
        self.to_redis.as_ref().or(self.to_postgres.as_ref()).expect("a cable")
    }

    /// Somebody who signs in at the instance of this number.
    pub async fn sign_in(&self, name: &str, at: usize) -> Visitor {
        Visitor::sign_in(&self.host, self.instances[at].port, name).await
    }

    /// The same visitor at the instance of this number.
    pub fn at(&self, visitor: &Visitor, number: usize) -> Visitor {
        visitor.at(self.instances[number].port)
    }

    /// How often the tenant was asked for a session.
    pub fn logins(&self) -> usize {
        self.control().requests().iter().filter(|request| request.path == "/login/jwt-session").count()
    }

    /// What the instances said, all of it.
    pub fn logs(&self) -> String {
        self.instances.iter().map(Instance::log).collect()
    }
}

impl Instance {
    fn new(port: u16, clock: Option<&'static str>, base: &[(&str, String)], changes: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listen = format!("127.0.0.1:{port}");
        let mut all: Vec<_> = base.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.push(("LISTEN", &listen));
        all.extend(changes);
        configure(folder.path(), &all);
        Self { folder, port, process: None, clock }
    }

    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).expect("a file");
        let mut command = command(self.folder.path(), &["serve"]);
        if let Some(clock) = self.clock {
            command.env("LD_PRELOAD", "libfaketime.so.1").env("FAKETIME", clock);
            let places = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime"];
            command.env("LD_LIBRARY_PATH", places.join(":")).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        self.process = Some(command.stdin(Stdio::null()).stderr(log).spawn().expect("it runs"));
    }

    pub fn wait_until_ready(&mut self) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !is_ready(self.port) {
            let ended = self.process.as_mut().expect("it was started").try_wait().expect("a child");
            assert!(Instant::now() < patience && ended.is_none(), "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Without a word, in the middle of whatever it does.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("ours");
        process.wait().expect("it ends");
    }

    pub fn signal(&self, name: &str) {
        signal(self.process.as_ref().expect("it runs"), name);
    }

    /// As a supervisor does. Gives the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.process.take().expect("it runs").wait().expect("it ends").code()
    }
}

fn is_ready(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = String::new();
    // It may not listen any more.
    let request = format!("GET /readyz HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    answer.starts_with("HTTP/1.1 200")
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
