//! What Prometheus reads, of the real binary at work.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use qlik_embed_bff::metrics;
use qlik_embed_bff::metrics::table::METRICS;
use qlik_embed_bff::web::observed;
use tokio::task::block_in_place;
use tower::ServiceExt;

use crate::binary::stopping::{Site, ask};
use crate::binary::{configure, free_port, run};
use crate::portal::Portal;
use crate::proxied::until;

/// A server that counts, and where.
async fn counting(changes: &[(&str, &str)]) -> (Site, u16) {
    let port = free_port();
    let listen = port.to_string();
    let site = Site::start(&[&[("METRICS_LISTEN", listen.as_str())], changes].concat()).await;
    (site, port)
}

fn get(port: u16, path: &str) -> String {
    block_in_place(|| ask(port, &format!("GET {path} HTTP/1.1\r\n"), "")).expect("it listens")
}

/// The text that is served.
fn text(port: u16) -> String {
    let answer = get(port, "/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    body.to_owned()
}

/// The values by their series; those of histograms' buckets and sums left out.
fn values(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let values = lines.map(|line| line.rsplit_once(' ').expect("a value"));
    let values = values.filter(|(series, _)| !series.contains("_bucket{") && !series.contains("_sum{"));
    values.map(|(series, value)| (series.to_owned(), value.parse().expect("a number"))).collect()
}

/// What a visitor does, with the cookie of the session. What the script of one of our pages sends is marked as that.
fn visit(site: &Site, line: &str, body: &str) -> StatusCode {
    let (method, path) = line.split_once(' ').expect("a method and a path");
    let origin = format!("http://localhost:{}", site.port);
    let head = format!(
        "{method} {path} HTTP/1.1\r\nCookie: {}\r\nOrigin: {origin}\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\n",
        site.cookie
    );
    let answer = block_in_place(|| ask(site.port, &head, body)).expect("it listens");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).expect(&answer);
    StatusCode::from_u16(status).expect("a status")
}

/// The series of a metric that are not 0.
fn of(values: &BTreeMap<String, f64>, metric: &str) -> Vec<(String, f64)> {
    let series = values.iter().filter(|(series, value)| series.split('{').next() == Some(metric) && **value != 0.0);
    series.map(|(series, value)| (series[metric.len()..].to_owned(), *value)).collect()
}

fn is(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
    expected.iter().map(|(labels, value)| ((*labels).to_owned(), *value)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_counted_once() {
    let (site, port) = counting(&[]).await;
    let wrong =
        "POST /login HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\n";
    block_in_place(|| ask(site.port, wrong, "username=ada&password=wrong+horse"));
    assert_eq!(visit(&site, "GET /embed/default", ""), 200);
    assert_eq!(visit(&site, "GET /token/default", ""), 200);
    assert_eq!(visit(&site, "GET /token/nothing-like-it", ""), 404);
    assert_eq!(visit(&site, "GET /api/v1/themes?secret=never-counted", ""), 200);
    let refused = visit(&site, "POST /api/v1/users", "0123456789");
    for path in ["/one", "/two/../../three", "/metrics", "/%00"] {
        visit(&site, &format!("BREW {path}"), "");
        visit(&site, &format!("GET {path}"), "");
    }

    let before = text(port);
    let now = values(&before);
    assert_eq!(
        of(&now, "qlik_embed_sign_ins_total"),
        is(&[("{source=\"password\",outcome=\"accepted\"}", 1.0), ("{source=\"password\",outcome=\"refused\"}", 1.0)])
    );
    assert_eq!(
        of(&now, "qlik_embed_tokens_total"),
        is(&[("{outcome=\"denied\"}", 1.0), ("{outcome=\"issued\"}", 1.0)])
    );
    assert_eq!(of(&now, "qlik_embed_tenant_logins_total"), is(&[("{kind=\"login\",outcome=\"done\"}", 1.0)]));
    assert_eq!(
        of(&now, "qlik_embed_tenant_requests_total"),
        is(&[("{status=\"2xx\"}", 1.0), ("{status=\"4xx\"}", 1.0)])
    );
    let proxied = |method, status: &str| format!("{{route=\"proxy\",method=\"{method}\",status=\"{status}\"}}");
    let requests = of(&now, "qlik_embed_http_requests_total");
    assert_eq!(
        requests,
        is(&[
            ("{route=\"/embed/{slug}\",method=\"GET\",status=\"200\"}", 1.0),
            ("{route=\"/login\",method=\"POST\",status=\"303\"}", 1.0),
            ("{route=\"/login\",method=\"POST\",status=\"401\"}", 1.0),
            ("{route=\"/token/{slug}\",method=\"GET\",status=\"200\"}", 1.0),
            ("{route=\"/token/{slug}\",method=\"GET\",status=\"404\"}", 1.0),
            ("{route=\"other\",method=\"GET\",status=\"400\"}", 2.0),
            ("{route=\"other\",method=\"GET\",status=\"404\"}", 2.0),
            ("{route=\"other\",method=\"other\",status=\"400\"}", 2.0),
            ("{route=\"other\",method=\"other\",status=\"404\"}", 2.0),
            (&proxied("GET", "200"), 1.0),
            (&proxied("POST", refused.as_str()), 1.0),
        ])
    );
    assert_eq!(now["qlik_embed_http_request_duration_seconds_count{route=\"proxy\"}"], 2.0);
    assert_eq!(now["qlik_embed_http_request_duration_seconds_count{route=\"other\"}"], 8.0);
    assert_eq!(now["qlik_embed_proxied_bytes_total{direction=\"to_tenant\"}"], 10.0);
    assert!(now["qlik_embed_proxied_bytes_total{direction=\"to_browser\"}"] > 10.0);
    assert_eq!(of(&now, "qlik_embed_tenant_budget_left"), is(&[("{what=\"logins\"}", 99.0)]));
    assert_eq!((now["qlik_embed_ready"], now["qlik_embed_config_last_reload_successful"]), (1.0, 1.0));
    assert!(now["process_resident_memory_bytes"] > 1e6 && now["process_start_time_seconds"] > 1.7e9);
    assert_eq!(now[concat!("qlik_embed_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}")], 1.0);
    assert_eq!((now["qlik_embed_sockets_total"], now["qlik_embed_sockets_open"]), (0.0, 0.0));
    // What is known beforehand is there before it happens.
    assert_eq!(now["qlik_embed_rate_limited_total{limit=\"proxy\"}"], 0.0);

    let socket = site.socket().await;
    until(async || values(&text(port))["qlik_embed_sockets_open"] == 1.0).await;
    drop(socket);
    until(async || values(&text(port))["qlik_embed_sockets_open"] == 0.0).await;
    visit(&site, "POST /logout", "");
    let after_text = text(port);
    let after = values(&after_text);
    assert_eq!((after["qlik_embed_sockets_total"], after["qlik_embed_sign_outs_total"]), (1.0, 1.0));
    let sent = "qlik_embed_proxied_bytes_total{direction=\"to_browser\"}";
    assert!(after[sent] > now[sent], "a socket's bytes count");
    assert_eq!(of(&after, "qlik_embed_tenant_requests_total").len(), 2, "a socket is counted as one");
    assert_eq!(after[&format!("qlik_embed_http_requests_total{}", proxied("GET", "101"))], 1.0);

    assert_told(&after_text);
    let cookie = site.cookie.split_once('=').expect("a cookie").1;
    for secret in ["never-counted", "nothing-like-it", "three", "ada", "example.com", "BREW", "horse", cookie] {
        assert!(!before.contains(secret) && !after_text.contains(secret), "{secret}");
    }
}

/// That Prometheus can read it, and that everything has its words.
fn assert_told(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = promtool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    // The one remark: people read days.
    let remark = "qlik_embed_certificate_days_left use base unit \"seconds\" instead of \"days\"";
    assert_eq!(said, if text.contains("days_left{") { remark } else { "" });
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a kind");
        let metric =
            METRICS.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name} is not listed"));
        assert_eq!(metric.kind.word(), kind, "{name}");
        assert!(text.contains(&format!("# HELP {name} {}\n", metric.help)), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_answered_until_the_end_and_visitors_never() {
    let (mut site, port) = counting(&[("SHUTDOWN_GRACE", "1m")]).await;
    assert!(get(site.port, "/metrics").starts_with("HTTP/1.1 404"));
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/", 404), ("/embed/default", 404), ("/metrics/", 404)]
    {
        let answer = get(port, path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
    let socket = site.socket().await;
    site.server.ask_to_stop();
    block_in_place(|| site.server.wait_for("stopping"));
    until(async || values(&text(port))["qlik_embed_ready"] == 0.0).await;
    assert_eq!(values(&text(port))["qlik_embed_sockets_open"], 1.0);
    assert!(get(port, "/readyz").starts_with("HTTP/1.1 503"));
    assert!(get(port, "/healthz").starts_with("HTTP/1.1 200"));
    drop(socket);
    block_in_place(|| site.server.wait_for("stopped"));
    assert_eq!(site.exit_code(), Some(0));
}

#[test]
fn an_address_in_use_is_said_and_nothing_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    configure(folder.path(), &[("LISTEN", "127.0.0.1:0"), ("METRICS_LISTEN", &address)]);
    let (code, _, err) = run(folder.path(), &["serve"]);
    assert_eq!(code, Some(1));
    assert!(
        err.contains(&format!("cannot listen on {address}: stop the program that does, or set METRICS_LISTEN")),
        "{err}"
    );
    assert!(!folder.path().join("portal.db").exists());
}

#[tokio::test]
async fn what_the_store_does_not_say_is_left_out() {
    let portal = Portal::open().await;
    let scrape = metrics::install(portal.clock.now()).expect("nothing else counts in this process");
    assert!(metrics::install(portal.clock.now()).is_err(), "only once");
    metrics::certificate_expires(metrics::Use::Tls, Some(portal.clock.now() - time::Duration::days(2)));
    let scraped = async |router: axum::Router| {
        let request = Request::get("/metrics").body(Body::empty()).expect("a request");
        let answer = router.oneshot(request).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK);
        let body = to_bytes(answer.into_body(), 1 << 20).await.expect("a body");
        let text = std::str::from_utf8(&body).expect("text");
        assert_told(text);
        values(text)
    };
    let router = || observed::router(portal.app.clone(), scrape.clone());
    let good = scraped(router()).await;
    assert_eq!((good["qlik_embed_ready"], good["qlik_embed_tenant_budget_left{what=\"logins\"}"]), (1.0, 100.0));
    assert_eq!(good["qlik_embed_certificate_days_left{use=\"tls\"}"], -2.0);
    assert!(!good.contains_key("qlik_embed_certificate_days_left{use=\"jwt\"}"));
    portal.app.store.close().await;
    let bad = scraped(router()).await;
    assert_eq!(bad["qlik_embed_ready"], 0.0);
    assert!(!bad.keys().any(|series| series.starts_with("qlik_embed_tenant_budget_left")), "{bad:?}");
}

#[test]
fn the_page_about_metrics_tells_of_each_what_the_code_says() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).expect("the page");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let rows: Vec<Vec<_>> = rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect();
    let expected: Vec<Vec<_>> = METRICS
        .iter()
        .map(|metric| {
            let (name, labels) = (format!("`{}`", metric.name), metric.labels.join(", "));
            vec![name, metric.kind.word().to_owned(), labels, metric.help.to_owned()]
        })
        .collect();
    assert_eq!(rows, expected);
}
