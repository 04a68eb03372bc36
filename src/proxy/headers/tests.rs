use http::Request;
use insta::assert_snapshot;

use super::*;
use crate::client::way_out::WayOut;
use crate::proxy::target::Paths;

fn rules(tenant: &str, origin: &str) -> Rules {
    let origin_of = |text| Origin::parse(text).expect(text);
    Rules::new(&Settings {
        tenant: origin_of(tenant),
        origin: origin_of(origin),
        portal: origin_of("https://portal.example"),
        frame_ancestors: vec!["'self'".into(), "https://portal.example".into()],
        more_paths: Vec::new(),
        way_out: WayOut::default(),
    })
}

fn sibling() -> Rules {
    rules("https://tenant.example", "https://analytics.portal.example")
}

fn credentials() -> Credentials {
    Credentials {
        cookies: HeaderValue::from_static("eas.sid=t; eas.sid.sig=s"),
        csrf: Some(HeaderValue::from_static("csrf-of-tenant")),
    }
}

/// All headers, a line each, sorted by name: the order of values of one name stays.
fn lines(headers: &HeaderMap) -> String {
    let mut lines: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("(not ASCII)"))).collect();
    lines.sort_by_key(|(name, _)| *name);
    lines.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

fn to_tenant(method: &str, target: &str, headers: &[(&str, &str)]) -> String {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let head = request.body(()).expect("a request").into_parts().0;
    let target = Paths::default().target(&head).expect("a target");
    lines(&sibling().to_tenant(&target, &head, &credentials()))
}

fn to_browser(rules: &Rules, headers: &[(&str, &str)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        (name, HeaderValue::from_str(value).expect("a value"))
    });
    let mut from = HeaderMap::new();
    for (name, value) in headers {
        from.append(name, value);
    }
    rules.to_browser(from)
}

#[test]
fn the_tenant_gets_what_a_browser_of_its_own_would_send() {
    assert_snapshot!(
        to_tenant(
            "GET",
            "/resources/a.js",
            &[
                ("Host", "analytics.portal.example"),
                ("Cookie", "__Host-qlik-embed-bff=ours"),
                ("Cookie", "other=ours"),
                ("Origin", "https://portal.example"),
                ("Referer", "https://portal.example/embed/default"),
                ("Authorization", "Basic b3Vycw=="),
                ("Accept", "*/*"),
                ("Accept-Language", "de"),
                ("Accept-Encoding", "gzip, deflate, br, zstd"),
                ("User-Agent", "Browser/1"),
                ("Sec-Fetch-Site", "same-origin"),
                ("Sec-Fetch-Dest", "script"),
                ("Sec-CH-UA", "\"Browser\""),
                ("If-None-Match", "\"1\""),
                ("If-Modified-Since", "Mon, 23 Nov 2026 00:00:00 GMT"),
                ("If-Range", "\"1\""),
                ("Range", "bytes=0-1"),
                ("Cache-Control", "no-cache"),
                ("qlik-api-version", "2026-08"),
                ("qlik-csrf-token", "the browser's"),
                ("qlik-web-integration-id", "the page's"),
                ("X-Feature", "one"),
                ("X-Feature", "two"),
            ],
        ),
        @r#"
    accept: */*
    accept-encoding: gzip, deflate, br, zstd
    accept-language: de
    cache-control: no-cache
    cookie: eas.sid=t; eas.sid.sig=s
    host: tenant.example
    if-modified-since: Mon, 23 Nov 2026 00:00:00 GMT
    if-none-match: "1"
    if-range: "1"
    qlik-api-version: 2026-08
    range: bytes=0-1
    sec-ch-ua: "Browser"
    user-agent: Browser/1
    x-feature: one
    x-feature: two
    "#);
}

#[test]
fn what_concerns_one_connection_or_the_way_to_us_goes_no_further() {
    assert_snapshot!(
        to_tenant(
            "POST",
            "/api/v1/items",
            &[
                ("Connection", "keep-alive, X-Hop,, Content-Language"),
                ("Connection", "cookie, host, Qlik-Csrf-Token"),
                ("X-Hop", "1"),
                ("Content-Language", "de"),
                ("Keep-Alive", "timeout=5"),
                ("Proxy-Connection", "keep-alive"),
                ("Proxy-Authorization", "Basic eDp5"),
                ("TE", "trailers"),
                ("Trailer", "X-Sum"),
                ("Transfer-Encoding", "chunked"),
                ("Upgrade", "h2c"),
                ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
                ("Expect", "100-continue"),
                ("Forwarded", "for=192.0.2.1"),
                ("X-Forwarded-For", "192.0.2.1"),
                ("X-Forwarded-Host", "portal.example"),
                ("X-Forwarded-Anything", "1"),
                ("X-Real-IP", "192.0.2.1"),
                ("True-Client-IP", "192.0.2.1"),
                ("Via", "1.1 front"),
                ("X-Original-URL", "/login"),
                ("X-Rewrite-URL", "/login"),
                ("X-Host", "evil.example"),
                ("X-HTTP-Method-Override", "DELETE"),
                ("Content-Type", "application/json"),
                ("Content-Length", "2"),
            ],
        ),
        @"
    content-length: 2
    content-type: application/json
    cookie: eas.sid=t; eas.sid.sig=s
    host: tenant.example
    qlik-csrf-token: csrf-of-tenant
    ");
}

#[test]
fn the_csrf_token_goes_with_what_changes_something() {
    for (method, expected) in [
        ("GET", false),
        ("HEAD", false),
        ("OPTIONS", false),
        ("POST", true),
        ("PUT", true),
        ("PATCH", true),
        ("DELETE", true),
        ("PURGE", true),
    ] {
        assert_eq!(to_tenant(method, "/api/v1/x", &[]).contains("qlik-csrf-token"), expected, "{method}");
    }
}

#[test]
fn rest_is_asked_for_in_encodings_that_can_be_read() {
    for (accepted, expected) in [
        ("gzip, deflate, br, zstd", Some("gzip, br")),
        ("gzip, deflate, br", Some("gzip, br")),
        ("GZIP;q=0.5 ,zstd;q=1.0,br;q=0,*;q=0.1", Some("GZIP;q=0.5, br;q=0")),
        ("deflate, zstd", None),
        ("x-gzip", None),
        ("identity", None),
        ("", None),
    ] {
        let rest = to_tenant("GET", "/api/v1/x", &[("Accept-Encoding", accepted)]);
        let found = rest.lines().find_map(|line| line.strip_prefix("accept-encoding: "));
        assert_eq!(found, expected, "{accepted}");
        let file = to_tenant("GET", "/assets/x", &[("Accept-Encoding", accepted)]);
        assert!(file.contains(&format!("accept-encoding: {accepted}\n")), "{file}");
    }
}

#[test]
fn the_browser_gets_the_answer_and_not_the_tenants_own_affairs() {
    let answer = to_browser(
        &sibling(),
        &[
            ("Content-Type", "text/html; charset=UTF-8"),
            ("Content-Length", "5"),
            ("Content-Encoding", "zstd"),
            ("Content-Range", "bytes 0-4/5"),
            ("ETag", "\"1\""),
            ("Last-Modified", "Mon, 23 Nov 2026 00:00:00 GMT"),
            ("Cache-Control", "max-age=60"),
            ("Vary", "Accept-Encoding"),
            ("Vary", "Cookie"),
            ("Retry-After", "13"),
            ("Date", "Mon, 23 Nov 2026 00:00:00 GMT"),
            ("Set-Cookie", "eas.sid=new; Path=/; HttpOnly; Secure"),
            ("Set-Cookie", "eas.sid.sig=new; Path=/; Expires=Mon, 23 Nov 2026 00:00:00 GMT"),
            ("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'"),
            ("Content-Security-Policy-Report-Only", "default-src 'self'"),
            ("X-Frame-Options", "DENY"),
            ("Strict-Transport-Security", "max-age=1"),
            ("Alt-Svc", "h3=\":443\""),
            ("Clear-Site-Data", "*"),
            ("Service-Worker-Allowed", "/"),
            ("Report-To", "{}"),
            ("Reporting-Endpoints", "a=\"https://tenant.example\""),
            ("NEL", "{}"),
            ("Access-Control-Allow-Origin", "https://portal.example"),
            ("Access-Control-Allow-Credentials", "true"),
            ("Cross-Origin-Resource-Policy", "cross-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Embedder-Policy-Report-Only", "require-corp"),
            ("Referrer-Policy", "unsafe-url"),
            ("X-Content-Type-Options", "other"),
            ("qlik-csrf-token", "csrf-of-tenant"),
            ("X-Accel-Redirect", "/internal"),
            ("X-Sendfile", "/etc/passwd"),
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Authenticate", "Basic"),
            ("Transfer-Encoding", "chunked"),
            ("Trailer", "X-Sum"),
            ("Upgrade", "h2c"),
            ("Deprecation", "@1"),
        ],
    );
    assert_snapshot!(lines(&answer.headers), @r#"
    cache-control: max-age=60
    content-encoding: zstd
    content-length: 5
    content-range: bytes 0-4/5
    content-security-policy: frame-ancestors 'self' https://portal.example
    content-type: text/html; charset=UTF-8
    cross-origin-resource-policy: same-site
    date: Mon, 23 Nov 2026 00:00:00 GMT
    deprecation: @1
    etag: "1"
    last-modified: Mon, 23 Nov 2026 00:00:00 GMT
    referrer-policy: same-origin
    retry-after: 13
    vary: Accept-Encoding
    vary: Cookie
    x-content-type-options: nosniff
    "#);
    let cookies: Vec<&str> = answer.set_cookies.iter().filter_map(|value| value.to_str().ok()).collect();
    assert_eq!(
        cookies,
        ["eas.sid=new; Path=/; HttpOnly; Secure", "eas.sid.sig=new; Path=/; Expires=Mon, 23 Nov 2026 00:00:00 GMT"]
    );
    assert!(answer.set_cookies.iter().all(HeaderValue::is_sensitive));
    assert!(!format!("{answer:?}").contains("eas.sid"), "{answer:?}");
    assert!(!answer.leads_to_login);
}

#[test]
fn only_pages_say_who_may_frame_them() {
    for (media_type, expected) in [
        ("text/html", true),
        ("Text/HTML;charset=utf-8", true),
        ("application/xhtml+xml", true),
        ("application/json", false),
        ("text/css", false),
    ] {
        let answer = to_browser(&sibling(), &[("Content-Type", media_type)]);
        assert_eq!(answer.headers.contains_key(header::CONTENT_SECURITY_POLICY), expected, "{media_type}");
    }
    assert!(!to_browser(&sibling(), &[]).headers.contains_key(header::CONTENT_SECURITY_POLICY));
}

#[test]
fn on_our_own_origin_resources_are_for_it_alone() {
    let answer = to_browser(&rules("https://tenant.example", "https://portal.example"), &[]);
    assert_snapshot!(lines(&answer.headers), @"
    cross-origin-resource-policy: same-origin
    referrer-policy: same-origin
    x-content-type-options: nosniff
    ");
}

#[test]
fn addresses_of_the_tenant_become_ours() {
    let here = "https://analytics.portal.example";
    for (location, expected) in [
        ("https://tenant.example/api/v1/users/1", "https://analytics.portal.example/api/v1/users/1"),
        ("https://tenant.example", here),
        ("https://tenant.example?a=b", "https://analytics.portal.example?a=b"),
        ("HTTPS://Tenant.Example:443/A#b", "https://analytics.portal.example/A#b"),
        ("http://tenant.example/a", "https://analytics.portal.example/a"),
        ("http://tenant.example:80/a", "https://analytics.portal.example/a"),
        ("//tenant.example/a", "https://analytics.portal.example/a"),
        ("wss://tenant.example/app/1", "wss://analytics.portal.example/app/1"),
        ("https://tenant.example//evil.example/", "https://analytics.portal.example//evil.example/"),
        // Others stay.
        ("/api/v1/users/1", "/api/v1/users/1"),
        ("users/1", "users/1"),
        ("https://cdn.example/a.js", "https://cdn.example/a.js"),
        ("https://tenant.example.evil.example/", "https://tenant.example.evil.example/"),
        ("https://tenant.example:8443/a", "https://tenant.example:8443/a"),
        ("https://a@tenant.example/a", "https://a@tenant.example/a"),
        ("//cdn.example/login", "//cdn.example/login"),
        ("https://login.example/login", "https://login.example/login"),
    ] {
        let answer = to_browser(&sibling(), &[("Location", location), ("Content-Location", location)]);
        assert_eq!(answer.headers[header::LOCATION], expected, "{location}");
        assert_eq!(answer.headers[header::CONTENT_LOCATION], expected, "{location}");
        assert!(!answer.leads_to_login, "{location}");
    }
}

#[test]
fn the_tenants_login_page_is_ours() {
    for location in [
        "/login",
        "/login?returnto=%2Fsingle",
        "https://tenant.example/login?returnto=x",
        "//tenant.example/login",
        "https://tenant.example/login/x",
    ] {
        let answer = to_browser(&sibling(), &[("Location", location)]);
        assert_eq!(answer.headers[header::LOCATION], "https://portal.example/login", "{location}");
        assert!(answer.leads_to_login, "{location}");
    }
}

#[test]
fn a_tenant_on_this_machine_has_a_port() {
    let rules = rules("http://localhost:81", "http://analytics.localhost:8080");
    for (location, expected) in [
        ("http://localhost:81/a", "http://analytics.localhost:8080/a"),
        ("ws://localhost:81/app/1", "ws://analytics.localhost:8080/app/1"),
        ("http://localhost/a", "http://localhost/a"),
        ("http://localhost:810/a", "http://localhost:810/a"),
    ] {
        assert_eq!(to_browser(&rules, &[("Location", location)]).headers[header::LOCATION], expected);
    }
}

#[test]
fn headers_that_are_not_text_cross_as_they_are() {
    let mut from = HeaderMap::new();
    let value = HeaderValue::from_bytes(b"caf\xe9").expect("a value");
    from.insert(header::LOCATION, value.clone());
    from.insert("x-name", value.clone());
    from.insert(header::CONNECTION, value.clone());
    let answer = sibling().to_browser(from);
    assert_eq!((&answer.headers[header::LOCATION], &answer.headers["x-name"]), (&value, &value));
}
