//! The pages for administrators: who gets them, what they show, what they do, and what is told of it.

use axum::http::{Method, StatusCode};
use qlik_embed_bff::audit::Told;
use scraper::{Html, Selector};

mod doctor;
mod identity;
mod sessions;
mod told;

use crate::portal::{Answer, Browser, Portal};

/// Ada is in `sales` and `all`; Bob is in no group.
const ADMINS: (&str, &str) = ("ADMIN_GROUPS", "board, sales");
const PAGES: [&str; 6] =
    ["/admin", "/admin/settings", "/admin/pages", "/admin/sessions", "/admin/identity", "/admin/audit"];
const FORMS: [&str; 2] = ["/admin/doctor", "/admin/sessions/end"];

/// What all elements that a CSS selector finds say, or have in this attribute.
fn all(answer: &Answer, selector: &str, attribute: Option<&str>) -> Vec<String> {
    let (page, selector) = (Html::parse_document(&answer.body), Selector::parse(selector).expect("a selector"));
    let told = |element: scraper::ElementRef<'_>| match attribute {
        Some(name) => element.attr(name).unwrap_or_default().to_owned(),
        None => element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" "),
    };
    page.select(&selector).map(told).collect()
}

/// The events that this instance has kept, the last one first, without requests and addresses.
fn kept(portal: &Portal) -> Vec<Told> {
    let desk = portal.app.admin.as_ref().expect("there are administrators");
    let mut events = desk.recent.events();
    events.iter_mut().for_each(|event| event.fields.retain(|(name, _)| !["request_id", "address"].contains(name)));
    events
}

async fn assert_unknown(browser: &mut Browser, method: Method, path: &str) {
    let navigation = [
        ("sec-fetch-dest", "document"),
        ("sec-fetch-site", "same-origin"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let answer = browser.send(method.clone(), path, &navigation, "as=probe").await;
    let unknown = browser.send(method.clone(), "/administration", &navigation, "").await;
    assert_eq!((answer.status, unknown.status), (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND), "{method} {path}");
    let same = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        // Whoever is signed in may get their cookie anew with any answer of a page.
        ["x-request-id", "content-length", "set-cookie"].iter().for_each(|name| drop(headers.remove(*name)));
        (headers, answer.body.replace(answer.header("x-request-id"), ""))
    };
    assert_eq!(same(&answer), same(&unknown), "{method} {path}");
}

#[tokio::test]
async fn to_everybody_else_they_do_not_exist() {
    let portal = Portal::with(&[ADMINS]).await;
    let mut bob = portal.signed_in("bob").await;
    for path in PAGES.iter().chain(&FORMS) {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            assert_unknown(&mut bob, method, path).await;
        }
    }
    let refused = kept(&portal);
    assert_eq!(refused.len(), 1 + 3 * 8, "a sign-in, and each of them");
    let refusal = refused.first().expect("there are some");
    assert_eq!((refusal.what, refusal.warning), ("administration refused", true));
    assert_eq!(refusal.fields, [("identity", "password:bob".to_owned())]);
}

#[tokio::test]
async fn without_administrators_nobody_has_them() {
    for changes in [&[][..], &[("ADMIN_GROUPS", "")][..]] {
        let portal = Portal::with(changes).await;
        let (mut ada, mut nobody) = (portal.signed_in("ada").await, portal.browser());
        for path in PAGES.iter().chain(&FORMS) {
            for method in [Method::GET, Method::POST] {
                assert_unknown(&mut ada, method.clone(), path).await;
                assert_unknown(&mut nobody, method, path).await;
            }
        }
    }
}

#[tokio::test]
async fn who_is_not_signed_in_signs_in_first_and_comes_back() {
    let portal = Portal::with(&[ADMINS]).await;
    let mut browser = portal.browser();
    for path in PAGES {
        let answer = browser.fetch(path).await;
        assert_eq!((answer.status, &answer.json()["error"]), (StatusCode::UNAUTHORIZED, &"session_expired".into()));
        assert_eq!(browser.open(path).await.location(), "/login");
    }
    let answer = portal.browser().post("/admin/doctor", "").await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/login"));
    let mut browser = portal.browser();
    browser.open("/admin/sessions?q=ada").await;
    assert_eq!(browser.sign_in("ada", crate::portal::PASSWORD).await.location(), "/admin/sessions?q=ada");
}

#[tokio::test]
async fn administrators_get_each_page_in_no_frame_and_from_no_cache() {
    let portal = Portal::with(&[ADMINS, ("FRAME_ANCESTORS", "self")]).await;
    let mut ada = portal.signed_in("ada").await;
    for path in PAGES {
        let page = ada.open(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.body);
        assert_eq!(
            page.header("content-security-policy"),
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
             frame-ancestors 'none'"
        );
        assert_eq!((page.header("x-frame-options"), page.header("cache-control")), ("DENY", "no-store"));
        assert_eq!(all(&page, ".tabs a", Some("href")), PAGES);
        assert_eq!(all(&page, ".tabs a[aria-current=page]", Some("href")), [path]);
        assert_eq!(all(&page, "h1", None).len(), 1);
        assert_eq!(
            (page.text("a.skip"), page.attributes("main")["id"].as_str()),
            ("Skip to content".into(), "content")
        );
        for none in ["script", "style", "[style]", "[onclick]"] {
            assert_eq!(all(&page, none, None), [""; 0], "{path}: {none}");
        }
        for asset in all(&page, "link[href], img[src]", Some("href")).iter().filter(|asset| !asset.is_empty()) {
            assert_eq!(portal.browser().fetch(asset).await.status, StatusCode::OK, "{asset}");
        }
        let head = ada.send(Method::HEAD, path, &[("sec-fetch-dest", "document")], "").await;
        assert_eq!((head.status, &*head.body), (StatusCode::OK, ""));
    }
    let wrong = ada.send(Method::PUT, "/admin/doctor", &[("sec-fetch-site", "same-origin")], "").await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ada.open("/admin/nothing").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn forms_of_other_sites_do_nothing() {
    let portal = Portal::with(&[ADMINS]).await;
    let (mut ada, bob) = (portal.signed_in("ada").await, portal.signed_in("bob").await);
    let form = ("content-type", "application/x-www-form-urlencoded");
    for from in [
        &[form, ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")][..],
        &[form, ("sec-fetch-site", "same-site"), ("origin", "https://evil.portal.example")],
        &[form, ("host", "localhost:8080"), ("origin", "https://evil.example")],
        &[form, ("host", "localhost:8080"), ("origin", "null")],
    ] {
        for (path, body) in [("/admin/sessions/end", "owner=password:bob"), ("/admin/doctor", "as=probe")] {
            let answer = ada.send(Method::POST, path, from, body).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{from:?}");
        }
    }
    assert_eq!(bob.clone().fetch("/session").await.status, StatusCode::OK, "he is still there");
    assert!(portal.app.admin.as_ref().is_some_and(|desk| desk.rounds.last().is_none()), "nobody looked");
}

#[tokio::test]
async fn settings_are_shown_as_config_show_prints_them_and_secrets_are_not() {
    let secret = "a secret that nobody else shall ever see, at all";
    let portal =
        Portal::with(&[ADMINS, ("SESSION_SECRET", secret), ("QLIK_API_KEY", "another-secret"), ("QLIK_TITEL", "x")])
            .await;
    let page = portal.signed_in("ada").await.open("/admin/settings").await;
    let names = all(&page, "tbody th", None);
    let values = all(&page, "tbody td[data-label=Value]", None);
    let from = all(&page, "tbody td[data-label=From]", None);
    let line = |name: &str| {
        let place = names.iter().position(|shown| shown == name).unwrap_or_else(|| panic!("{name}: {names:?}"));
        (values[place].as_str(), from[place].as_str())
    };
    assert_eq!(line("ADMIN_GROUPS"), ("board, sales", "environment"));
    assert_eq!(line("SESSION_IDLE"), ("30m", "default"));
    for name in ["SESSION_SECRET", "QLIK_API_KEY", "QLIK_JWT_PRIVATE_KEY"] {
        assert_eq!(line(name), ("(set, not shown)", "environment"), "{name}");
    }
    let manual = qlik_embed_bff::config::settings::SETTINGS.iter().map(|setting| setting.name);
    assert_eq!(names, manual.filter(|name| names.iter().any(|shown| shown == name)).collect::<Vec<_>>());
    let remarks = all(&page, "#hints + ul li", None);
    assert!(remarks.iter().any(|hint| hint.contains("QLIK_TITEL is not known")), "{remarks:?}");
    assert!(remarks.iter().any(|hint| hint.starts_with("ADMIN_GROUPS is set and PROXY_URL is not")), "{remarks:?}");
    for secret in [secret, "another-secret", "PRIVATE KEY"] {
        assert!(!page.body.contains(secret));
    }
}

#[tokio::test]
async fn every_page_is_told_whoever_may_see_it() {
    let file = "[[pages]]\nslug = \"sales\"\ntitle = \"Sales <2026>\"\nsheet = \"PpVjBm\"\ntheme = \"breeze\"\n\
                selections = { Year = 2026 }\n\
                [[pages]]\nslug = \"board\"\ntitle = \"Board\"\nobject = \"EAjjuyE\"\nflow = \"session\"\n\
                visible_to = { groups = [\"board\"], identities = [\"oidc:eve\"] }\n";
    let portal = Portal::with_file(file, &[ADMINS, ("QLIK_SHEET_ID", "")]).await;
    let page = portal.signed_in("ada").await.open("/admin/pages").await;
    assert_eq!(all(&page, "tbody th", None), ["Sales <2026> /embed/sales", "Board /embed/board, not for you"]);
    assert_eq!(all(&page, "tbody th a", Some("href")), ["/embed/sales"]);
    let app = crate::portal::APP_ID;
    assert_eq!(
        all(&page, "td[data-label=Shows]", None),
        [
            format!("sheet PpVjBm app {app} theme breeze options ctxmenu,currsel selects Year: 2026"),
            format!("object EAjjuyE app {app} options ctxmenu,currsel")
        ]
    );
    assert_eq!(all(&page, "td[data-label=Flow]", None), ["auto", "session"]);
    assert_eq!(
        all(&page, "td[data-label='Visible to'] .line", None),
        ["everybody who is signed in", "group board", "oidc:eve"]
    );
}

#[test]
fn a_list_of_groups_has_names_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = qlik_embed_bff::clock::Clock::default().now();
    for (value, reason) in [("a,,b", "has an empty item"), (",", "has an empty item")] {
        let mut env = crate::portal::settings(folder.path());
        env.insert("ADMIN_GROUPS".into(), value.into());
        let problems = qlik_embed_bff::config::load(&env, now).expect_err("no list of groups");
        let told: Vec<_> = problems.problems.iter().map(|problem| (&*problem.variable, &*problem.reason)).collect();
        assert_eq!(told, [("ADMIN_GROUPS", reason)]);
    }
}
