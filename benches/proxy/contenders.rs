//! Who is compared: the product as it is shipped, nginx and haproxy, each set up to do the same: connections kept alive on
//! both sides, websockets passed on, cookies added, the tenant's own security headers taken out, its certificate checked.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::geteuid;
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::load::{self, APP, Visitor};
use crate::process::{PATH, Process};
use crate::tenant::{NAME, Tenant};

const PASSWORD: &str = "correct horse";
/// What the others add where the product adds the cookies that it was given: as many, and as long.
const COOKIES: &str = "eas.sid=kX3Jw0aVbN5tYqPzL8mRcD2fGhE7uSo1; \
    eas.sid.sig=Zt6Qm1XvB9sLpK4dRjW7yHcN2gFaE0uToI5lVbMxCzSkPwJrDqYhGnUfAeOiL3t8B6v1XsZmKp9QdRjW7y; \
    _csrfToken=3aBcD3fG-hIjKlMnOpQrStUvWxYz0123456; \
    _csrfToken.sig=mKp9QdRjW7yHcN2gFaE0uToI5lVbMxCzSkPwJrDqYhGnUfAeOiL3t8B6v1XsZt6Qm1XvB9sLpK4dRjW7yHc";
/// A session of the product's length, which the others drop.
const OTHER_SESSION: &str = "qlik-embed-bff=gT4yHn2Wq8ZrKx0vBm6LpA";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encryption {
    Plain,
    Tls,
}

impl Encryption {
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "TLS",
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub enum Contender {
    Nginx,
    /// nginx with buffers of 64 KB, as it is set up by those who know that engine messages are long.
    NginxLarge,
    Haproxy,
    /// A build of the product.
    Product(PathBuf),
}

impl Contender {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxLarge => "nginx, buffers of 64 KB",
            Self::Haproxy => "haproxy",
            Self::Product(_) if self.is_product() => "qlik-embed-bff",
            Self::Product(_) => "qlik-embed-bff, other build",
        }
    }

    /// What `--contenders` knows it by.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxLarge => "nginx-64k",
            Self::Haproxy => "haproxy",
            Self::Product(_) if self.is_product() => "product",
            Self::Product(_) => "other",
        }
    }

    pub fn is_product(&self) -> bool {
        *self == Self::Product(shipped())
    }

    /// Why it cannot take part, if so.
    pub fn absent(&self) -> Option<String> {
        let program = match self {
            Self::Nginx | Self::NginxLarge => "nginx",
            Self::Haproxy => "haproxy",
            Self::Product(_) => return None,
        };
        let version =
            Command::new(program).arg("-v").env("PATH", PATH).stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_err().then(|| format!("{program} is not installed (scripts/setup-bench says how)"))
    }

    /// Starts it in a folder of its own, in front of the tenant, and has somebody sign in.
    pub async fn start(&self, tenant: &Tenant, encryption: Encryption) -> Running {
        let folder = tempfile::tempdir().expect("a folder");
        let site = Site { address: free_address(), tenant, encryption, folder: folder.path() };
        let (process, cookie) = match self {
            Self::Nginx | Self::NginxLarge => {
                let mut process = site.wait_for(nginx(&site, *self == Self::NginxLarge)).await;
                process.measure_worker();
                (process, OTHER_SESSION.to_owned())
            }
            Self::Haproxy => (site.wait_for(haproxy(&site)).await, OTHER_SESSION.to_owned()),
            Self::Product(binary) => {
                set_up(binary, &site);
                let first = site.wait_for(product(binary, &site)).await;
                let cookie = load::sign_in(site.address, PASSWORD).await;
                // Another one is measured: to hash the password took 19 MiB, in which thousands of sockets would find room unnoticed.
                drop(first);
                (site.wait_for(product(binary, &site)).await, cookie)
            }
        };
        Running { process, visitor: Visitor::new(site.address, &cookie), _folder: folder }
    }
}

/// The build that belongs to this bench.
pub fn shipped() -> PathBuf {
    env!("CARGO_BIN_EXE_qlik-embed-bff").into()
}

/// A contender at work.
pub struct Running {
    pub process: Process,
    pub visitor: Visitor,
    _folder: TempDir,
}

struct Site<'a> {
    address: SocketAddr,
    tenant: &'a Tenant,
    encryption: Encryption,
    folder: &'a Path,
}

impl Site<'_> {
    async fn wait_for(&self, mut process: Process) -> Process {
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(self.address).await.is_err() {
            let lost = process.has_ended() || Instant::now() > patience;
            assert!(!lost, "it does not listen: {}", process.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        process
    }

    fn upstream(&self) -> SocketAddr {
        match self.encryption {
            Encryption::Plain => self.tenant.plain,
            Encryption::Tls => self.tenant.tls,
        }
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    }
}

/// Not one of those that the kernel gives to whoever asks for any: somebody could be given it before the contender starts.
fn free_address() -> SocketAddr {
    let ports = (21_000..30_000).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let mut free = ports.filter(|&address| TcpListener::bind(address).is_ok());
    free.next().expect("a free port")
}

const LARGE_BUFFERS: &str = "proxy_buffer_size 64k; proxy_buffers 8 64k; proxy_busy_buffers_size 128k;";

fn nginx(site: &Site, has_large_buffers: bool) -> Process {
    let buffers = if has_large_buffers { LARGE_BUFFERS } else { "" };
    let folder = site.folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {folder}/{kind};\n"))
        .concat();
    let upstream = site.upstream();
    let (scheme, tls) = match site.encryption {
        Encryption::Plain => ("http", String::new()),
        Encryption::Tls => {
            let authority = site.tenant.authority.display();
            let tls = format!(
                "proxy_ssl_protocols TLSv1.2 TLSv1.3; proxy_ssl_server_name on; proxy_ssl_name {NAME};
                 proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority};"
            );
            ("https", tls)
        }
    };
    // Started by root, its worker would be somebody who may not read this folder.
    let user = if geteuid().is_root() { "user root root;" } else { "" };
    // Headers are inherited only by a location that sets none itself.
    let request = format!(
        r#"proxy_set_header Host {upstream}; proxy_set_header Cookie "{COOKIES}";
           proxy_set_header Origin ""; proxy_set_header Referer "";"#
    );
    let hidden: String = ["Set-Cookie", "Content-Security-Policy", "X-Frame-Options", "Strict-Transport-Security"]
        .map(|header| format!("proxy_hide_header {header};\n"))
        .concat();
    let config = format!(
        r#"{user}
        worker_processes 1;
        worker_rlimit_nofile {descriptors};
        pid {folder}/nginx.pid;
        error_log stderr warn;
        events {{ worker_connections {connections}; }}
        http {{
            access_log off;
            keepalive_timeout 1h;
            keepalive_requests 1000000000;
            {temporary}
            upstream tenant {{
                server {upstream};
                keepalive 64;
                keepalive_timeout 1h;
                keepalive_requests 1000000000;
            }}
            server {{
                listen {listen};
                {buffers}
                {tls}
                proxy_max_temp_file_size 0;
                proxy_http_version 1.1;
                {hidden}
                add_header X-Content-Type-Options nosniff;
                add_header Referrer-Policy same-origin;
                add_header Cross-Origin-Resource-Policy same-origin;
                location / {{
                    {request}
                    proxy_set_header Connection "";
                    proxy_pass {scheme}://tenant;
                }}
                location /app/ {{
                    {request}
                    proxy_set_header Connection upgrade;
                    proxy_set_header Upgrade $http_upgrade;
                    proxy_read_timeout 1h;
                    proxy_send_timeout 1h;
                    proxy_pass {scheme}://tenant;
                }}
            }}
        }}
        "#,
        listen = site.address,
        descriptors = load::descriptors(),
        connections = load::descriptors() / 4 * 5, // close to the end it would drop those that are idle
    );
    let config = site.write("nginx.conf", &config);
    let prefix = folder.to_string();
    let arguments = ["-p", &prefix, "-c", &config, "-e", "stderr", "-g", "daemon off;"];
    Process::start(Path::new("nginx"), &arguments, &[], site.folder)
}

fn haproxy(site: &Site) -> Process {
    let tls = match site.encryption {
        Encryption::Plain => String::new(),
        Encryption::Tls => format!(
            "ssl ssl-min-ver TLSv1.2 verify required ca-file {} verifyhost {NAME} sni str({NAME})",
            site.tenant.authority.display()
        ),
    };
    let config = format!(
        r#"
global
    nbthread 1
    maxconn {connections}
defaults
    mode http
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
    http-reuse always
frontend visitors
    bind {listen}
    http-request set-header Host {upstream}
    http-request set-header Cookie "{COOKIES}"
    http-request del-header Origin
    http-request del-header Referer
    http-response del-header Set-Cookie
    http-response del-header Content-Security-Policy
    http-response del-header X-Frame-Options
    http-response del-header Strict-Transport-Security
    http-response set-header X-Content-Type-Options nosniff
    http-response set-header Referrer-Policy same-origin
    http-response set-header Cross-Origin-Resource-Policy same-origin
    default_backend tenant
backend tenant
    server tenant {upstream} {tls}
"#,
        listen = site.address,
        upstream = site.upstream(),
        connections = load::descriptors() / 2 - 50,
    );
    let config = site.write("haproxy.conf", &config);
    Process::start(Path::new("haproxy"), &["-db", "-f", &config], &[], site.folder)
}

/// A portal with one key, one account and one page, on the road that everybody takes who sets it up.
fn set_up(binary: &Path, site: &Site) {
    let password = site.write("password", &format!("{PASSWORD}\n"));
    let password = File::open(password).expect("just written");
    let run = |arguments: &[&str], input: Stdio| {
        let ended = Command::new(binary)
            .args(arguments)
            .env_clear()
            .envs(settings(site))
            .current_dir(site.folder)
            .stdin(input)
            .output()
            .expect("it runs");
        assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    };
    run(&["keygen", "--bits", "2048"], Stdio::null());
    run(&["users", "add", "ada", "--email", "ada@example.com"], password.into());
}

fn product(binary: &Path, site: &Site) -> Process {
    Process::start(binary, &["serve"], &settings(site), site.folder)
}

fn settings(site: &Site) -> [(&'static str, String); 11] {
    let upstream = site.upstream();
    let scheme = if site.encryption == Encryption::Tls { "https" } else { "http" };
    [
        ("QLIK_TENANT", format!("{scheme}://{upstream}")),
        ("QLIK_FLOW", "proxy".to_owned()),
        ("QLIK_APP_ID", APP.to_owned()),
        ("QLIK_SHEET_ID", "PpVjBm".to_owned()),
        ("QLIK_JWT_ISSUER", "https://portal.example".to_owned()),
        ("QLIK_JWT_KEY_ID", "key-1".to_owned()),
        ("DATABASE_URL", format!("sqlite:{}", site.folder.join("bench.db").display())),
        ("LISTEN", site.address.to_string()),
        ("PUBLIC_URL", format!("http://{}", site.address)),
        ("SHUTDOWN_GRACE", "1s".to_owned()),
        ("TLS_CA_FILE", site.tenant.authority.display().to_string()),
    ]
}
