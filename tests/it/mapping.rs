//! Rules from identities to subjects: what an administrator may write, and what visitors get.

use std::fs;

use axum::http::StatusCode;
use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::config::{self, Loaded, Problems};
use qlik_embed_bff::identity::{Identity, Source, Subject};
use qlik_embed_bff::mapping::Denied;
use serde_json::json;

use crate::portal::{Portal, settings};

fn load(toml: &str, changes: &[(&str, &str)]) -> Result<Loaded, Problems> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("portal.toml");
    fs::write(&file, toml).expect("written");
    let mut env = settings(folder.path());
    env.insert("CONFIG_FILE".into(), file.to_str().expect("a path").into());
    env.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    config::load(&env, Clock::default().now())
}

fn good(toml: &str, changes: &[(&str, &str)]) -> Loaded {
    load(toml, changes).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Where each problem is, and what it is.
fn problems(toml: &str, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let problems = load(toml, changes).map(|_| ()).expect_err(toml).problems;
    assert!(problems.iter().all(|problem| problem.remedy.len() > 10), "{problems:?}");
    problems.into_iter().map(|problem| (problem.variable, problem.reason)).collect()
}

fn ada() -> Identity {
    Identity {
        source: Source::Oidc,
        id: "ada".into(),
        name: "Ada Lovelace".into(),
        email: Some("Ada@acme.example".into()),
        groups: vec!["Vertrieb".into(), "IT, Basel".into()],
        claims: json!({ "employee": 4711, "since": "2019-05-01", "realm_access": { "roles": ["analyst"] } })
            .as_object()
            .expect("one")
            .clone(),
    }
}

fn subject(toml: &str, changes: &[(&str, &str)], identity: &Identity) -> Result<Subject, Denied> {
    good(toml, changes).config.mapping.decide(identity).result
}

fn id(toml: &str, identity: &Identity) -> Result<String, Denied> {
    subject(toml, &[], identity).map(|subject| subject.id)
}

#[test]
fn every_condition_can_be_written() {
    for when in [
        r#"{}"#,
        r#"{ source = "oidc" }"#,
        r#"{ source = ["ticket", "oidc"] }"#,
        r#"{ id = "ada" }"#,
        r#"{ id = ["bob", "a*"] }"#,
        r#"{ email = "ADA@acme.example" }"#,
        r#"{ email_domain = "acme.EXAMPLE" }"#,
        r#"{ group = ["Vertrieb", "Einkauf"] }"#,
        r#"{ group = "IT, *" }"#,
        r#"{ claims = { employee = 4711 } }"#,
        r#"{ claims = { employee = [1, 4711.0] } }"#,
        r#"{ claims = { "realm_access.roles" = "analyst" } }"#,
        r#"{ claims.realm_access.roles = "ana*" }"#,
        r#"{ claims = { since = 2019-05-01 } }"#,
        r#"{ has_claim = "employee", lacks_claim = "left" }"#,
    ] {
        let toml = format!("[[mapping]]\nwhen = {when}\nsubject = \"acme|{{claims.employee}}\"\n");
        assert_eq!(id(&toml, &ada()).as_deref(), Ok("acme|4711"), "{when}");
    }
    for when in [
        r#"{ source = "ticket" }"#,
        r#"{ source = "oidc", id = "bob" }"#,
        r#"{ email_domain = "example" }"#,
        r#"{ group = "vertrieb" }"#,
        r#"{ claims = { employee = "4711" } }"#,
        r#"{ claims = { employee = true } }"#,
        r#"{ lacks_claim = "employee" }"#,
    ] {
        let toml = format!("[[mapping]]\nwhen = {when}\ndeny = \"No.\"\n");
        assert_eq!(id(&toml, &ada()).as_deref(), Ok("oidc|ada"), "{when}");
    }
}

const RULES: &str = r#"
SUBJECT_UNMAPPED = "deny"

[[mapping]]
name = "left"
description = "Those who left stay in the directory for a year."
when = { claims = { left = true } }
deny = "You have left Acme. Ask the help desk if this is wrong."

[[mapping]]
name = "grace"
when = { source = "oidc", id = "grace" }
explicit = "auth0|grace"

[[mapping]]
when = { email_domain = ["acme.example", "*.acme.example"] }
subject = "acme|{email|lower}"
display_name = "{name} (Acme)"
email = "{claims.employee}@staff.acme.example"
groups = ["{group}", "role {claims.realm_access.roles}"]

[groups]
allow = ["Vertrieb", "role *", "IT, Basel"]
rename = { "IT, Basel" = "IT" }
prefix = "acme "
max = 2
"#;

#[test]
fn the_first_rule_that_matches_decides() {
    assert_eq!(
        subject(RULES, &[], &ada()),
        Ok(Subject {
            id: "acme|ada@acme.example".into(),
            name: "Ada Lovelace (Acme)".into(),
            email: "4711@staff.acme.example".into(),
            groups: vec!["acme IT".into(), "acme Vertrieb".into()],
        })
    );
    let grace = Identity { id: "grace".into(), ..ada() };
    assert_eq!(id(RULES, &grace).as_deref(), Ok("auth0|grace"));
    let mut left = ada();
    left.claims.insert("left".into(), json!(true));
    let sentence = "You have left Acme. Ask the help desk if this is wrong.".to_owned();
    assert_eq!(id(RULES, &left), Err(Denied::ByRule { rule: "[[mapping]] 1 (left)".into(), sentence }));
    let stranger = Identity { email: Some("eve@example.org".into()), ..ada() };
    assert_eq!(id(RULES, &stranger), Err(Denied::Unmapped));
    let decision = good(RULES, &[]).config.mapping.decide(&ada());
    let steps: Vec<_> = decision.steps.iter().map(|step| (step.rule.as_str(), step.reason.as_deref())).collect();
    assert_eq!(
        steps,
        [
            ("[[mapping]] 1 (left)", Some("claim left is missing")),
            ("[[mapping]] 2 (grace)", Some(r#"the id is "ada", not "grace""#)),
            ("[[mapping]] 3", None),
        ]
    );
}

#[test]
fn every_problem_of_a_rule_stands_under_its_name() {
    let where_it_is = |name: &str| format!("[[mapping]] 1{name}");
    for (rule, reason) in [
        ("", "has neither subject nor explicit nor deny"),
        ("subject = '{id}'\ndeny = 'No.'", "has more than one of subject, explicit and deny"),
        ("subject = '{id'", "subject has a brace without its partner"),
        (
            "subject = '{claims.sid}'",
            "subject has {claims.sid}, which can change: one person would become several Qlik users",
        ),
        (
            "subject = '{id|upper}'",
            "subject has the filter \"upper\", which is not known; there are lower, trim and sha256",
        ),
        (
            "subject = '{id}{email}'",
            "subject has two fields with nothing between them, so two people could share one subject; put | between them",
        ),
        (
            "subject = '{id}'\ndisplay_name = '{nick}'",
            "display_name has {nick}, which is not known; there are {source}, {id}, {email}, {name} and {claims.x}",
        ),
        (
            "subject = '{id}'\nemail = 'a@acme.example'",
            "email is the same for several people, and Qlik locks users with one address out; it needs {id}, {email} or a claim that is one person's",
        ),
        (
            "subject = '{id}'\ngroups = ['a', '{group}{claims.x}']",
            "groups has two fields that may have several values; write a template for each",
        ),
        ("deny = ' '", "deny is no sentence"),
        ("deny = 'No.'\ngroups = 'a'", "has display_name, email or groups beside deny, where they say nothing"),
        ("explicit = ''\nwhen = { source = 'oidc', id = 'a' }", "explicit is empty"),
        (
            "explicit = '{id}'\nwhen = { source = 'oidc', id = 'a' }",
            "explicit has braces, and is taken letter for letter",
        ),
        ("explicit = 'a'", "gives one subject to everybody whom it takes"),
        ("explicit = 'a'\nwhen = { id = 'a' }", "gives one subject to everybody whom it takes"),
        ("explicit = 'a'\nwhen = { source = 'oidc', id = 'a*' }", "gives one subject to everybody whom it takes"),
        ("subject = '{id}'\nwhen = { id = [] }", "id is empty, or has an empty item"),
        ("subject = '{id}'\nwhen = { group = ['a', ' '] }", "group is empty, or has an empty item"),
        ("subject = '{id}'\nwhen = { source = 'saml' }", "source has a word that is none"),
        ("subject = '{id}'\nwhen = { claims = { a = [] } }", "claims has a, which is compared with nothing"),
        ("subject = '{id}'\nwhen = { claims = { a = { b = '' } } }", "claims has a.b, which is compared with nothing"),
        ("subject = '{id}'\nwhen = { id = 3 }", "cannot be used: what should be a text or a list of texts is neither"),
        (
            "subjekt = '{id}'",
            "cannot be used: unknown field `subjekt`, expected one of `name`, `description`, `when`, `subject`, `explicit`, `deny`, `display_name`, `email`, `groups`",
        ),
        (
            "subject = '{id}'\nwhen = { mail = 'a' }",
            "cannot be used: unknown field `mail`, expected one of `source`, `id`, `email`, `email_domain`, `group`, `claims`, `has_claim`, `lacks_claim`",
        ),
    ] {
        for (line, label) in [("", ""), ("name = 'x y'", " (x y)")] {
            let found = problems(&format!("[[mapping]]\n{line}\n{rule}\n"), &[]);
            assert_eq!(found, [(where_it_is(label), reason.to_owned())], "{rule}");
        }
    }
    assert_eq!(
        problems("[[mapping]]\nsubject = '{sid}'\nemail = 'x'\nwhen = { id = '', source = 'x' }\n[[mapping]]\n", &[])
            .len(),
        5,
        "all at once"
    );
}

#[test]
fn rules_that_undo_one_another_are_refused() {
    let everybody = "[[mapping]]\nname = 'all'\nsubject = '{source}|{id}'\n";
    let staff = "[[mapping]]\nwhen = { group = 'Staff' }\nsubject = '{source}|{id}'\n";
    let explicit = |id: &str, subject: &str| {
        format!("[[mapping]]\nwhen = {{ source = 'oidc', id = '{id}' }}\nexplicit = '{subject}'\n")
    };
    let second = |reason: &str| [("[[mapping]] 2".to_owned(), reason.to_owned())];
    let after_all = second("is never reached: [[mapping]] 1 (all) takes everybody");
    assert_eq!(problems(&[everybody, staff].concat(), &[]), after_all);
    assert_eq!(
        problems(&[staff, staff].concat(), &[]),
        second("is never reached: [[mapping]] 1 takes the same people")
    );
    good(&[staff, everybody].concat(), &[]);

    let twice = [explicit("ada", "auth0|ada"), explicit("bob", "Auth0|Ada")].concat();
    assert_eq!(problems(&twice, &[]), second("gives the subject of [[mapping]] 1 to somebody else"));
    good(&twice, &[("SUBJECT_SHARED", "allow")]);
    let kiosk = "[[mapping]]\nwhen = { group = 'Kiosk' }\nexplicit = 'kiosk'\n";
    assert_eq!(problems(kiosk, &[])[0].1, "gives one subject to everybody whom it takes");
    let mut visitor = ada();
    visitor.groups = vec!["Kiosk".into()];
    let shared = subject(kiosk, &[("SUBJECT_SHARED", "allow")], &visitor);
    assert_eq!(shared.map(|subject| subject.id).as_deref(), Ok("kiosk"));
}

#[test]
fn an_explicit_subject_that_looks_like_an_id_of_qlik_is_warned_about() {
    let rule =
        "[[mapping]]\nname = 'ada'\nwhen = { source = 'oidc', id = 'ada' }\nexplicit = '64f0c1a2b3d4e5f60718293a'\n";
    assert_eq!(
        good(rule, &[]).hints,
        ["the subject of [[mapping]] 1 (ada) looks like the id of a Qlik user, which is what the address of users/me \
          shows; as a subject it makes a new user. To be an existing user, take the field \"subject\" of that user instead"]
    );
}

#[test]
fn variables_do_for_the_simple_case() {
    let groups = [("GROUPS_ALLOW", "Vertrieb, IT*"), ("GROUPS_RENAME", "Vertrieb=Sales, HR = People")];
    let of = |changes: &[(&str, &str)]| subject("", changes, &ada()).map(|subject| subject.groups);
    assert_eq!(of(&[]), Ok(vec!["IT, Basel".into(), "Vertrieb".into()]));
    assert_eq!(of(&groups), Ok(vec!["IT, Basel".into(), "Sales".into()]));
    assert_eq!(of(&[("GROUPS_PREFIX", "portal:"), ("GROUPS_MAX", "1")]), Ok(vec!["portal:IT, Basel".into()]));
    assert_eq!(of(&[("GROUPS_MAX", "0")]), Ok(vec![]));
    assert_eq!(subject("", &[("SUBJECT_UNMAPPED", "deny")], &ada()), Err(Denied::Unmapped));
    let by_email = subject("", &[("SUBJECT_TEMPLATE", "{email|lower}")], &ada());
    assert_eq!(by_email.map(|subject| subject.id).as_deref(), Ok("ada@acme.example"));
    // A variable wins over the table, and says so.
    let table = "[groups]\nallow = ['x']\nprefix = 'x'\nmax = 3\n";
    let loaded = good(table, &[("GROUPS_ALLOW", "Vertrieb"), ("GROUPS_MAX", "7")]);
    assert_eq!(loaded.config.mapping.decide(&ada()).result.expect("a subject").groups, ["xVertrieb"]);
    assert_eq!(
        loaded.hints,
        ["allow in [groups] has no effect beside GROUPS_ALLOW", "max in [groups] has no effect beside GROUPS_MAX"]
    );
}

#[test]
fn problems_of_groups_are_reported() {
    let long = "x".repeat(257);
    for (name, value, reason) in [
        ("GROUPS_ALLOW", "a,,b", "has an empty item"),
        ("GROUPS_RENAME", "a", "has an item without ="),
        ("GROUPS_RENAME", "a=b,a=c", "has one name twice"),
        ("GROUPS_RENAME", "a=", "has a name that is empty, longer than 256 characters, or not one line"),
        ("GROUPS_PREFIX", &long, "is longer than 256 characters, or not one line"),
        ("GROUPS_MAX", "many", "is no number"),
        ("GROUPS_MAX", "1001", "is not between 0 and 1000: no Qlik user can have more groups"),
        ("GROUPS_MAX", "-1", "is not between 0 and 1000: no Qlik user can have more groups"),
        ("SUBJECT_UNMAPPED", "refuse", "is neither template nor deny"),
        ("SUBJECT_SHARED", "yes", "is neither deny nor allow"),
    ] {
        assert_eq!(problems("", &[(name, value)]), [(name.to_owned(), reason.to_owned())]);
    }
    for (table, reason) in [
        ("allow = ['']", "allow has an empty item"),
        ("rename = { a = '' }", "rename has a name that is empty, longer than 256 characters, or not one line"),
        ("max = 2000", "max is not between 0 and 1000: no Qlik user can have more groups"),
        ("limit = 3", "cannot be used: unknown field `limit`, expected one of `allow`, `rename`, `prefix`, `max`"),
    ] {
        assert_eq!(problems(&format!("[groups]\n{table}\n"), &[]), [("[groups]".to_owned(), reason.to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_is_told_the_sentence_of_the_rule_that_denies() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("portal.toml");
    let rule = "[[mapping]]\nname = 'bob'\nwhen = { id = 'bob' }\ndeny = 'Bob, your project has ended. Ask <Grace>.'\n";
    fs::write(&file, rule).expect("written");
    let portal = Portal::with(&[("CONFIG_FILE", file.to_str().expect("a path"))]).await;
    assert_eq!(portal.signed_in("ada").await.fetch("/token").await.status, StatusCode::OK);

    let mut bob = portal.signed_in("bob").await;
    let refused = bob.fetch("/token").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.json()["error"], "denied");
    assert_eq!(refused.json()["message"], "Bob, your project has ended. Ask <Grace>.");
    let page = bob.open("/embed/default").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text("main").contains("Bob, your project has ended. Ask <Grace>."), "{}", page.body);
    assert!(!page.body.contains("[[mapping]]") && !page.body.contains("complete your account"), "{}", page.body);
}
