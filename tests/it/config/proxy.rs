//! The settings of the flow `proxy`.

use qlik_embed_bff::origin::Origin;

use super::{good, load, problem};
use crate::portal::APP_ID;

#[test]
fn the_flow_follows_from_the_web_integration() {
    let flow = |changes: &[(&str, &str)]| good(changes).0.pages.all()[0].flow.as_str();
    assert_eq!(flow(&[]), "auto");
    assert_eq!(flow(&[("QLIK_WEB_INTEGRATION_ID", "")]), "proxy");
    for word in ["auto", "session", "proxy"] {
        assert_eq!(flow(&[("QLIK_FLOW", word)]), word);
    }
    assert_eq!(flow(&[("QLIK_FLOW", "proxy"), ("QLIK_WEB_INTEGRATION_ID", "")]), "proxy");
    for word in ["auto", "session"] {
        let (variable, reason) = problem(&[("QLIK_FLOW", word), ("QLIK_WEB_INTEGRATION_ID", "")]);
        assert_eq!(variable, "QLIK_WEB_INTEGRATION_ID");
        assert_eq!(reason, format!("is not set, and the flow {word} of the page default needs it"));
    }
}

#[test]
fn a_sibling_origin_is_another_host_of_the_same_site() {
    let public = ("PUBLIC_URL", "https://portal.example");
    let with = |url| [public, ("PROXY_URL", url)];
    for (url, hint) in [
        ("https://analytics.portal.example", false),
        ("https://analytics.portal.example:8443", false),
        ("https://elsewhere.test", true),
        ("https://192.0.2.7", true),
    ] {
        let (config, hints) = good(&with(url));
        assert_eq!(config.server.proxy_origin().as_str(), url);
        assert_eq!(!hints.is_empty(), hint, "{hints:?}");
    }
    assert_eq!(good(&[public]).0.server.proxy_origin().as_str(), "https://portal.example");
    for (url, expected) in [
        ("https://portal.example", "has the host of PUBLIC_URL, and the two would share their cookies"),
        ("https://portal.example:8443", "has the host of PUBLIC_URL, and the two would share their cookies"),
        ("http://analytics.portal.example", "has another scheme than PUBLIC_URL, so browsers take it for another site"),
        ("analytics.portal.example", "is not an address such as https://portal.example"),
    ] {
        assert_eq!(problem(&with(url)), ("PROXY_URL".to_owned(), expected.to_owned()), "{url}");
    }
}

#[test]
fn more_paths_may_pass_but_not_all_of_them() {
    assert_eq!(good(&[("PROXY_PATHS", "/hub/, /extra")]).0.proxy_paths, ["/hub/", "/extra"]);
    for (paths, reason) in [
        ("/", "has /, which is every path there is"),
        ("hub/", "has a path that does not begin with one slash"),
        ("//evil.example", "has a path that does not begin with one slash"),
        ("/logout", "has /login or /logout, which are never passed on"),
        ("/hub/,/a%2fb", "has a path with characters that no beginning of a path may have"),
    ] {
        assert_eq!(problem(&[("PROXY_PATHS", paths)]), ("PROXY_PATHS".to_owned(), reason.to_owned()), "{paths}");
    }
}

#[test]
fn the_tenants_sessions_are_kept_as_long_as_the_tenant_says() {
    let of = |changes: &[(&str, &str)]| {
        let kept = good(changes).0.tenant_session;
        (kept.idle.as_secs(), kept.max.as_secs(), kept.logins_a_minute)
    };
    assert_eq!(of(&[]), (1800, 86_400, 100));
    let changes = [("QLIK_SESSION_IDLE", "15m"), ("QLIK_SESSION_MAX", "1h"), ("QLIK_LOGIN_BUDGET", "20")];
    assert_eq!(of(&changes), (900, 3600, 20));
    for (name, value, reason) in [
        ("QLIK_SESSION_IDLE", "2d", "is longer than QLIK_SESSION_MAX"),
        ("QLIK_SESSION_IDLE", "1s", "is less than ten seconds"),
        ("QLIK_SESSION_MAX", "200h", "is more than 168 hours, which no tenant allows"),
        ("QLIK_LOGIN_BUDGET", "0", "is not such a number"),
    ] {
        assert_eq!(problem(&[(name, value)]), (name.to_owned(), reason.to_owned()));
    }
}

#[test]
fn only_apps_of_visible_pages_are_opened() {
    let (config, _) = good(&[]);
    let who = qlik_embed_bff::identity::Identity {
        source: qlik_embed_bff::identity::Source::Password,
        id: "ada".into(),
        name: String::new(),
        email: None,
        groups: Vec::new(),
        claims: serde_json::Map::new(),
    };
    assert!(config.pages.opens_app(APP_ID, &who));
    assert!(config.pages.opens_app(&APP_ID.to_uppercase(), &who));
    for app in ["", "engineData", "SessionApp_1", "00000000-0000-4000-8000-000000000000"] {
        assert!(!config.pages.opens_app(app, &who), "{app}");
    }
}

#[test]
fn more_authorities_may_vouch_for_the_tenant() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ca.pem");
    let path = file.to_str().expect("a path");
    std::fs::write(&file, &*crate::portal::KEY.certificate).expect("written");
    let (config, hints) = good(&[("TLS_CA_FILE", path)]);
    assert_eq!(hints, Vec::<String>::new());
    assert!(config.tenant.client().is_ok() && config.tenant.authorities.tls().is_ok());
    for (text, reason) in [
        ("", "names a file without a certificate in PEM format"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "has a certificate that cannot be used ("),
    ] {
        std::fs::write(&file, text).expect("written");
        let (variable, said) = problem(&[("TLS_CA_FILE", path)]);
        assert!(variable == "TLS_CA_FILE" && said.starts_with(reason), "{said}");
    }
}

#[test]
fn the_proxy_of_the_network_is_what_other_programs_take_for_it() {
    let via = |changes: &[(&str, &str)], origin: &str| {
        let (config, hints) = good(changes);
        assert_eq!(hints, Vec::<String>::new());
        let via = config.tenant.way_out.to(&Origin::parse(origin).expect("an origin"))?;
        Some((format!("{}:{}", via.host, via.port), via.authorization.is_some()))
    };
    let (tenant, local) = ("https://acme.eu.qlikcloud.com", "http://localhost:4000");
    let at = |address: &str, signed: bool| Some((address.to_owned(), signed));
    assert_eq!(via(&[], tenant), None);
    assert_eq!(
        via(&[("HTTPS_PROXY", "http://ada:s3cret@proxy.example:3128/")], tenant),
        at("proxy.example:3128", true)
    );
    assert_eq!(via(&[("https_proxy", "proxy.example:3128")], tenant), at("proxy.example:3128", false));
    assert_eq!(
        via(&[("HTTPS_PROXY", "http://a.example"), ("https_proxy", "http://b")], tenant),
        at("a.example:80", false)
    );
    assert_eq!(via(&[("HTTPS_PROXY", "http://a.example")], local), None);
    assert_eq!(via(&[("http_proxy", "http://a.example")], local), at("a.example:80", false));
    assert_eq!(via(&[("ALL_PROXY", "http://a"), ("HTTPS_PROXY", "http://b")], local), at("a:80", false));
    assert_eq!(via(&[("all_proxy", "http://a"), ("HTTPS_PROXY", "http://b")], tenant), at("b:80", false));
    assert_eq!(via(&[("HTTPS_PROXY", "http://a"), ("no_proxy", ".qlikcloud.com")], tenant), None);

    let shown = load(&[("https_proxy", "http://ada:s3cret@proxy.example:3128")]).expect("good").shown;
    let shown = shown.iter().find(|line| line.name == "HTTPS_PROXY").expect("shown");
    let expected = "http://proxy.example:3128 (user name and password not shown)";
    assert_eq!((shown.value.as_str(), shown.from.as_str()), (expected, "https_proxy"));

    let other = "names a proxy that is not reached by http://, which is not supported";
    for (name, value, reason) in [
        ("HTTPS_PROXY", "socks5://ada:s3cret@proxy.example", other),
        ("all_proxy", "https://proxy.example", other),
        ("HTTP_PROXY", "http://", "is not the address of a proxy"),
    ] {
        assert_eq!(problem(&[(name, value)]), (name.to_owned(), reason.to_owned()), "{value}");
    }
}
