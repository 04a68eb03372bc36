//! Who somebody is to Qlik, and why, as a page.

use axum::http::StatusCode;

use super::{ADMINS, all};
use crate::portal::{Answer, Portal};

const RULES: &str = "[[mapping]]\nname = \"partners\"\nwhen = { email_domain = \"globex.example\" }\ndeny = \"Not here.\"\n\
                     [[mapping]]\nname = \"analysts\"\nwhen = { source = \"oidc\" }\nsubject = \"acme|{id}\"\n";

/// The lines of a section: names and values.
fn section(page: &Answer, title: &str) -> Vec<(String, String)> {
    let titles = all(page, "section h2", None);
    let place = titles.iter().position(|shown| shown == title).unwrap_or_else(|| panic!("{title}: {titles:?}"));
    let html = scraper::Html::parse_document(&page.body);
    let select = |selector: &str| scraper::Selector::parse(selector).expect("a selector");
    let (sections, names, values) = (select("section"), select("dt"), select("dd"));
    let section = html.select(&sections).nth(place).expect("it was counted");
    let text = |element: scraper::ElementRef<'_>| element.text().collect::<String>();
    section.select(&names).map(text).zip(section.select(&values).map(text)).collect()
}

fn lines(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn an_account_a_session_and_somebody_described_are_explained() {
    let portal = Portal::with_file(RULES, &[ADMINS]).await;
    let mut ada = portal.signed_in("ada").await;
    let page = ada.open("/admin/identity").await;
    assert!(
        all(&page, "section", None).is_empty() && all(&page, "[role=status]", None).is_empty(),
        "nobody was asked for"
    );

    let page = ada.open("/admin/identity?source=password&id=%20ADA&name=&email=&groups=").await;
    let told = "password:ada is password|ada to Qlik Cloud. Decided by: SUBJECT_TEMPLATE.";
    assert_eq!(page.text("[role=status]"), told);
    assert_eq!(all(&page, "section h2", None), ["Identity", "Mapping", "Qlik", "Pages", "Claims"]);
    assert_eq!(
        section(&page, "Identity"),
        lines(&[
            ("source", "password"),
            ("id", "ada"),
            ("name", "Ada Lovelace"),
            ("e-mail", "ada@example.com"),
            ("groups", "\"sales\", \"all\""),
            ("claims", "-"),
        ])
    );
    assert_eq!(section(&page, "Pages"), lines(&[("/embed/default", "Dashboard")]));
    let claims = section(&page, "Claims");
    assert!(claims.contains(&("jti".into(), "(random, another in each token)".into())), "{claims:?}");

    let described = "/admin/identity?source=oidc&id=eve&name=Eve&email=eve%40example.com&groups=a%20b%2C%20c";
    let page = ada.open(described).await;
    assert_eq!(page.text("[role=status]"), "oidc:eve is acme|eve to Qlik Cloud. Decided by: [[mapping]] 2 (analysts).");
    assert_eq!(section(&page, "Identity")[4], ("groups".into(), "\"a b\", \"c\"".into()));
    assert_eq!(page.attributes("#groups")["value"], "a b, c", "the form keeps what was typed");
    assert_eq!(all(&page, "option[selected]", None), ["oidc"]);

    let page = ada.open("/admin/identity?source=header&id=mia&email=mia%40globex.example").await;
    assert_eq!(page.text("[role=status]"), "header:mia is denied. Decided by: [[mapping]] 1 (partners).");
    assert_eq!(
        section(&page, "Denied"),
        lines(&[("because", "[[mapping]] 1 (partners) says so"), ("visitor", "Not here.")])
    );

    portal.signed_in("bob").await;
    let list = ada.open("/admin/sessions?q=bob").await;
    let way = all(&list, "tbody th a", Some("href")).pop().expect("a way to him");
    let page = ada.open(&way).await;
    assert_eq!(page.text("[role=status]"), "password:bob is password|bob to Qlik Cloud. Decided by: SUBJECT_TEMPLATE.");
    ada.post("/admin/sessions/end", "owner=password:bob").await;
    assert_eq!(ada.open(&way).await.text("[role=status]"), "That session has ended.");
}

#[tokio::test]
async fn who_is_nobody_and_what_cannot_be_asked_is_said() {
    let portal = Portal::with(&[
        ADMINS,
        ("QLIK_TENANT", "http://127.0.0.1:9"),
        ("SUBJECT_LOOKUP", "email"),
        ("QLIK_API_KEY", "a-key"),
    ])
    .await;
    let mut ada = portal.signed_in("ada").await;
    let page = ada.open("/admin/identity?source=password&id=zoe").await;
    assert!(page.text("[role=status]").starts_with("There is no local account of that name."));
    let page = ada.open("/admin/identity?session=zoe").await;
    assert_eq!(page.text("[role=status]"), "That session has ended.");
    let page = ada.open("/admin/identity?id=ada").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text("[role=status]").starts_with("Qlik Cloud did not say who that is there: "), "{}", page.body);
    // To look claims nothing.
    assert_eq!(portal.app.store.holder("password|zoe").await.expect("it answers").map(|held| held.identity), None);
}
