//! `[[pages]]`: what an entry means, and what an administrator is told about one that means nothing.

use std::fs;

use qlik_embed_bff::config::{Loaded, Problem, Problems};
use qlik_embed_bff::pages::{Audience, Content, Page};

use super::load_in;
use crate::portal::APP_ID;

/// Without the sheet of the variables, which a list does not need.
pub fn load_file(file: &str, changes: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("portal.toml");
    fs::write(&path, file).expect("written");
    let base = [("CONFIG_FILE", path.to_str().expect("a path")), ("QLIK_SHEET_ID", "")];
    load_in(folder.path(), &[&base, changes].concat())
}

fn pages(file: &str, changes: &[(&str, &str)]) -> Vec<Page> {
    let loaded = load_file(file, changes).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.hints, Vec::<String>::new());
    loaded.config.pages.all().to_vec()
}

pub fn problems(file: &str) -> Vec<(String, String)> {
    let Problems { problems, .. } = load_file(file, &[]).expect_err(file);
    let told = |Problem { variable, reason, remedy }: Problem| {
        assert!(remedy.len() > 10, "{variable} {reason}: {remedy}");
        (variable, reason)
    };
    problems.into_iter().map(told).collect()
}

/// An entry that is good but for what the case adds.
pub fn entry(keys: &str) -> String {
    format!("[[pages]]\nslug = \"sales\"\ntitle = \"Sales\"\n{keys}\n")
}

#[test]
fn variables_are_defaults_for_what_an_entry_leaves_out() {
    let defaults = [("QLIK_THEME", "breeze"), ("QLIK_LANGUAGE", "de"), ("QLIK_IDENTITY", "kiosk")];
    let other = "00000000-0000-4000-8000-000000000000";
    let file = format!(
        r#"
        [[pages]]
        slug = "sales"
        title = "Sales"
        sheet = "PpVjBm"

        [[pages]]
        slug = "own"
        title = "Its own"
        app = "{other}"
        object = "hRZaKk"
        theme = "horizon"
        options = ["noselections", "noanimate"]
        language = "fr"
        identity = "wall"
        flow = "session"

        [[pages]]
        slug = "none"
        title = "None of them"
        sheet = "x"
        theme = ""
        options = "none"
        language = ""
        identity = ""
        "#
    );
    let pages = pages(&file, &defaults);
    let told: Vec<_> = pages
        .iter()
        .map(|page| {
            let texts = [&page.theme, &page.language, &page.identity].map(|text| text.as_deref().unwrap_or("-"));
            (page.slug.as_str(), page.app.to_string(), page.content.clone(), page.options.as_str(), texts)
        })
        .collect();
    assert_eq!(
        told,
        [
            ("sales", APP_ID.to_owned(), Content::Sheet("PpVjBm".into()), "ctxmenu,currsel", ["breeze", "de", "kiosk"]),
            (
                "own",
                other.to_owned(),
                Content::Object("hRZaKk".into()),
                "noselections,noanimate",
                ["horizon", "fr", "wall"]
            ),
            ("none", APP_ID.to_owned(), Content::Sheet("x".into()), "", ["-", "-", "-"]),
        ]
    );
}

#[test]
fn selections_are_texts_numbers_or_lists_of_them() {
    let keys = r#"sheet = "x"
        selections = { Region = "Côte d'Ivoire & more", Year = 2026, "Product group" = ["Kettles", "50 %"] }"#;
    let page = &pages(&entry(keys), &[])[0];
    let told: Vec<_> = page.selections.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["Product group,Kettles,50 %", "Region,Côte d'Ivoire & more", "Year,2026"]);
}

#[test]
fn an_audience_is_everyone_or_groups_and_identities() {
    let audience = |visible_to: &str| pages(&entry(&format!("sheet = \"x\"\n{visible_to}")), &[])[0].visible_to.clone();
    let only = |groups: &[&str], identities: &[&str]| Audience::Only {
        groups: groups.iter().map(|text| (*text).to_owned()).collect(),
        identities: identities.iter().map(|text| (*text).to_owned()).collect(),
    };
    assert_eq!(audience(""), Audience::Everyone);
    assert_eq!(audience(r#"visible_to = "everyone""#), Audience::Everyone);
    assert_eq!(audience(r#"visible_to = { groups = ["Sales", "Board"] }"#), only(&["Sales", "Board"], &[]));
    assert_eq!(
        audience(r#"visible_to = { groups = "Sales", identities = ["oidc:Ada", "password: Ada "] }"#),
        only(&["Sales"], &["oidc:Ada", "password:ada"]),
        "names of accounts in the form in which they sign in, ids of others letter for letter"
    );
}

#[test]
fn every_mistake_in_an_entry_is_named() {
    for (keys, key, reason) in [
        ("", "", "has neither sheet nor object"),
        ("sheet = \"a\"\nobject = \"b\"", "", "has both sheet and object"),
        ("sheet = \"\"", "", "has neither sheet nor object"),
        ("sheet = \" \"", "", "has neither sheet nor object"),
        ("sheet = \"a/b\"", "sheet", "is not a sheet id"),
        ("sheet = { id = \"a\" }", "sheet", "is not text"),
        ("object = \"a b\"", "object", "is not the id of a visualization"),
        ("sheet = \"a\"\napp = \"Sales\"", "app", "is not an app id, which is a GUID"),
        ("sheet = \"a\"\ntheme = \"<x>\"", "theme", "is not a theme id"),
        ("sheet = \"a\"\noptions = \"ctxmenu&x\"", "options", "has something that is no option"),
        ("sheet = \"a\"\nlanguage = \"d e\"", "language", "is not a language"),
        ("sheet = \"a\"\nidentity = \"a\\nb\"", "identity", "has control characters"),
        ("sheet = \"a\"\nflow = \"magic\"", "flow", "is not a flow"),
        ("sheet = \"a\"\nselections = \"Region,Europe\"", "selections", "is not a table of fields and their values"),
        ("sheet = \"a\"\nselections = { Region = [] }", "selections", "has no value for \"Region\""),
        ("sheet = \"a\"\nselections = { Region = 1.5 }", "selections", "has something for \"Region\" that is no value"),
        (
            "sheet = \"a\"\nselections = { Region = \"Rome, Italy\" }",
            "selections",
            "has \"Rome, Italy\", which an address cannot hold",
        ),
        (
            "sheet = \"a\"\nselections = { \"State::Region\" = \"x\" }",
            "selections",
            "has \"State::Region\", which an address cannot hold",
        ),
        (
            "sheet = \"a\"\nvisible_to = \"nobody\"",
            "visible_to",
            "says neither \"everyone\" nor which groups or identities",
        ),
        (
            "sheet = \"a\"\nvisible_to = [\"Sales\"]",
            "visible_to",
            "says neither \"everyone\" nor which groups or identities",
        ),
        ("sheet = \"a\"\nvisible_to = {}", "visible_to", "names nobody"),
        ("sheet = \"a\"\nvisible_to = { groups = [] }", "visible_to", "has groups without a name"),
        (
            "sheet = \"a\"\nvisible_to = { groups = [], identities = [\"oidc:a\"] }",
            "visible_to",
            "has groups without a name",
        ),
        ("sheet = \"a\"\nvisible_to = { groups = [\" \"] }", "visible_to", "has \" \" in groups, which is empty"),
        ("sheet = \"a\"\nvisible_to = { group = [\"Sales\"] }", "visible_to", "has group, which is not known"),
        (
            "sheet = \"a\"\nvisible_to = { identities = [\"ada\"] }",
            "visible_to",
            "has \"ada\" in identities, which has no source, such as oidc:",
        ),
        (
            "sheet = \"a\"\nvisible_to = { identities = [\"ldap:ada\"] }",
            "visible_to",
            "has \"ldap:ada\" in identities, which does not begin with password:, oidc:, header: or ticket:",
        ),
        (
            "sheet = \"a\"\nvisible_to = { identities = [\"oidc:\"] }",
            "visible_to",
            "has \"oidc:\" in identities, which has no id",
        ),
        ("sheet = \"a\"\nvisibleto = \"everyone\"", "visibleto", "is not known"),
    ] {
        let variable = if key.is_empty() { String::new() } else { format!(": {key}") };
        let expected = (format!("[[pages]] 1 (sales){variable}"), reason.to_owned());
        assert_eq!(problems(&entry(keys)), [expected], "{keys}");
    }
    let many: String =
        (0..501).map(|n| format!("[[pages]]\nslug = \"p{n}\"\ntitle = \"P\"\nsheet = \"s\"\n")).collect();
    assert_eq!(problems(&many), [("[[pages]]".to_owned(), "has 501 entries, and 500 are the most".to_owned())]);
    let long = entry(&format!("sheet = \"a\"\nselections = {{ Region = {:?} }}", "x".repeat(2001)));
    assert!(problems(&long)[0].1.starts_with("has more than 2000 bytes"), "{:?}", problems(&long));
}

#[test]
fn all_mistakes_of_all_entries_stand_in_one_report() {
    let file = r#"
        QLIK_SHEET_ID = "x"

        [[pages]]
        title = "Sales"
        sheet = "a"

        [[pages]]
        slug = "Sales"
        sheet = "a"

        [[pages]]
        slug = "sales"
        title = "Sales"
        sheet = "a"
        themes = "breeze"
        colour = "red"

        [[pages]]
        slug = "sales"
        title = "More sales"
        object = "a"
        theme = 2.5
    "#;
    let told = load_file(file, &[("QLIK_APP_ID", "")]).expect_err("problems").to_string();
    assert_eq!(
        told,
        "the configuration has 11 problems\n\
         \n  [[pages]] 1: slug is not set\
         \n      write the page's name in addresses: small letters, digits and hyphens, at most 64, such as sales\n\
         \n  [[pages]] 1: app is not set, and neither is QLIK_APP_ID for all pages\
         \n      open the app in the tenant and copy the id behind /app/ in the address, such as 2d54bd8e-...-0a5c\n\
         \n  [[pages]] 2 (Sales): slug is not a slug\
         \n      write the page's name in addresses: small letters, digits and hyphens, at most 64, such as sales\n\
         \n  [[pages]] 2 (Sales): title is not set\
         \n      write a title for the page\n\
         \n  [[pages]] 2 (Sales): app is not set, and neither is QLIK_APP_ID for all pages\
         \n      open the app in the tenant and copy the id behind /app/ in the address, such as 2d54bd8e-...-0a5c\n\
         \n  [[pages]] 3 (sales): app is not set, and neither is QLIK_APP_ID for all pages\
         \n      open the app in the tenant and copy the id behind /app/ in the address, such as 2d54bd8e-...-0a5c\n\
         \n  [[pages]] 3 (sales): colour is not known\
         \n      remove it; an entry has slug, title, app, sheet, object, theme, options, language, selections, identity, \
         flow, visible_to, embed, embeds, columns\n\
         \n  [[pages]] 3 (sales): themes is not known\
         \n      did you mean theme?\n\
         \n  [[pages]] 4 (sales): slug is that of [[pages]] 3 (sales) too\
         \n      give each page a slug of its own\n\
         \n  [[pages]] 4 (sales): app is not set, and neither is QLIK_APP_ID for all pages\
         \n      open the app in the tenant and copy the id behind /app/ in the address, such as 2d54bd8e-...-0a5c\n\
         \n  [[pages]] 4 (sales): theme is not text\
         \n      write a theme id, such as breeze, or leave it out\n\
         \n  note: QLIK_SHEET_ID has no effect beside [[pages]]: each entry has its own sheet or object\n"
    );
}

#[test]
fn a_list_stands_in_for_the_variables_of_one_page() {
    let page = entry("sheet = \"a\"");
    let loaded = load_file(&page, &[("SHEETID", "b"), ("QLIK_TITLE", "T")]).expect("good");
    assert_eq!(
        loaded.hints,
        [
            "QLIK_SHEET_ID has no effect beside [[pages]]: each entry has its own sheet or object",
            "QLIK_TITLE has no effect beside [[pages]]: each entry has its own title"
        ]
    );
    let shown: Vec<_> = loaded.shown.iter().map(|line| (line.name, &*line.value)).collect();
    assert!(shown.contains(&("[[pages]]", "sales")), "{shown:?}");
    // An empty list is none.
    let one = load_file("pages = []", &[("QLIK_SHEET_ID", "b"), ("QLIK_TITLE", "T")]).expect("good").config.pages;
    assert_eq!((one.all().len(), one.all()[0].slug.as_str(), one.all()[0].title.as_str()), (1, "default", "T"));
    for file in ["[pages]\nslug = \"sales\"", "pages = \"sales\"", "pages = [\"sales\"]"] {
        let problem = ("pages".to_owned(), "is not a list of tables".to_owned());
        assert!(problems(file).contains(&problem), "{file}");
    }
}
