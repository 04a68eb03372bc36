use std::io;
use std::sync::Mutex;

use proptest::prelude::*;
use serde_json::{Map, json};

use super::condition::{Condition, Conditions};
use super::pattern::Pattern;
use super::template::Purpose;
use super::*;
use crate::identity::Source;

pub(super) fn ada() -> Identity {
    Identity {
        source: Source::Password,
        id: "ada".into(),
        name: "Ada Lovelace".into(),
        email: Some("ada@example.com".into()),
        groups: vec!["sales".into(), "all".into(), " sales ".into(), String::new()],
        claims: Map::new(),
    }
}

fn template(text: &str) -> Template {
    Template::parse(text).expect("a good template")
}

fn by_template(text: &str) -> Mapping {
    Mapping::new(Vec::new(), Some(template(text)), Groups::default())
}

fn subject(text: &str, identity: &Identity) -> Result<Subject, Denied> {
    by_template(text).decide(identity).result
}

fn rule(label: &str, when: Vec<Condition>, outcome: Outcome) -> Rule {
    Rule { label: label.into(), when: Conditions(when), outcome, shape: Shape::default() }
}

fn id(text: &str) -> Condition {
    Condition::Id(vec![Pattern::parse(text).expect("a pattern")])
}

/// Bob is denied, ada is somebody else, people whose id begins with c have names and groups of their own.
fn rules() -> Vec<Rule> {
    let shape = Shape {
        name: Some(Template::parse_for(Purpose::Name, "{name} ({claims.unit})").expect("good")),
        email: Some(Template::parse_for(Purpose::Email, "{id}@acme.example").expect("good")),
        groups: Some(vec![Template::parse_for(Purpose::Group, "unit {claims.unit}").expect("good")]),
    };
    vec![
        rule("1", vec![id("bob")], Outcome::Deny("Ask Grace.".into())),
        rule("2", vec![Condition::Source(vec![Source::Password]), id("ada")], Outcome::Explicit("auth0|ada".into())),
        Rule { shape, ..rule("3", vec![id("c*")], Outcome::Subject(template("acme|{claims.employee}"))) },
    ]
}

fn step(rule: &str, reason: Option<&str>) -> Step {
    Step { rule: rule.into(), reason: reason.map(str::to_owned) }
}

#[test]
fn a_subject_is_whole_or_denied() {
    assert_eq!(
        subject("{source}|{id}", &ada()),
        Ok(Subject {
            id: "password|ada".into(),
            name: "Ada Lovelace".into(),
            email: "ada@example.com".into(),
            groups: vec!["all".into(), "sales".into()],
        })
    );
    let hole = |field: &str| Err(Denied::NoSubject { field: field.into() });
    assert_eq!(subject("{id}", &Identity { email: None, ..ada() }), Err(Denied::NoEmail));
    assert_eq!(subject("{id}", &Identity { email: Some(" ".into()), ..ada() }), Err(Denied::NoEmail));
    assert_eq!(subject("{email}", &Identity { email: None, ..ada() }), hole("{email}"));
    assert_eq!(subject("{source}|{id}", &Identity { id: " ".into(), ..ada() }), hole("{id}"));
    let unnamed = subject("{id}", &Identity { name: String::new(), ..ada() });
    assert_eq!(unnamed.map(|subject| subject.name).as_deref(), Ok("ada"));
}

#[test]
fn the_first_rule_that_matches_decides_and_the_earlier_ones_say_why_they_do_not() {
    let mapping = Mapping::new(rules(), Some(template("{source}|{id}")), Groups::default());
    let decision = mapping.decide(&ada());
    assert_eq!(decision.steps, [step("1", Some(r#"the id is "ada", not "bob""#)), step("2", None)]);
    assert_eq!(decision.rule.as_deref(), Some("2"));
    assert_eq!(decision.result.map(|subject| subject.id).as_deref(), Ok("auth0|ada"));

    let decision = mapping.decide(&Identity { id: "bob".into(), ..ada() });
    assert_eq!((decision.steps, decision.rule.as_deref()), (vec![step("1", None)], Some("1")));
    assert_eq!(decision.result, Err(Denied::ByRule { rule: "1".into(), sentence: "Ask Grace.".into() }));

    let grace = Identity { id: "grace".into(), ..ada() };
    let decision = mapping.decide(&grace);
    assert_eq!((decision.steps.len(), decision.rule), (3, None));
    assert_eq!(decision.result.map(|subject| subject.id).as_deref(), Ok("password|grace"));
    let strict = Mapping::new(rules(), None, Groups::default());
    assert_eq!(strict.decide(&grace).result, Err(Denied::Unmapped));
}

#[test]
fn a_rule_makes_name_address_and_groups_and_a_hole_in_its_subject_denies() {
    let mapping = Mapping::new(rules(), Some(template("{source}|{id}")), Groups::default());
    let mut clara = Identity { id: "clara".into(), ..ada() };
    // No later rule and no fallback takes over: that would be another person in Qlik.
    assert_eq!(mapping.decide(&clara).result, Err(Denied::NoSubject { field: "{claims.employee}".into() }));
    clara.claims.insert("employee".into(), json!(7));
    let plain = mapping.decide(&clara).result.expect("a subject");
    assert_eq!((plain.name.as_str(), plain.groups.len()), ("Ada Lovelace", 0));
    clara.claims.insert("unit".into(), json!("R&D"));
    assert_eq!(
        mapping.decide(&clara).result,
        Ok(Subject {
            id: "acme|7".into(),
            name: "Ada Lovelace (R&D)".into(),
            email: "clara@acme.example".into(),
            groups: vec!["unit R&D".into()],
        })
    );
    let found = mapping.complete(&clara, "found elsewhere").expect("a subject");
    assert_eq!((found.id.as_str(), found.email.as_str()), ("found elsewhere", "clara@acme.example"));
}

#[test]
fn what_was_found_elsewhere_counts_more_than_a_rule_that_denies() {
    let mapping = Mapping::new(rules(), None, Groups::default());
    let bob = Identity { id: "bob".into(), ..ada() };
    assert_eq!(mapping.complete(&bob, "x").map(|subject| subject.id).as_deref(), Ok("x"));
    assert_eq!(mapping.complete(&Identity { email: None, ..bob }, "x"), Err(Denied::NoEmail));
}

#[test]
fn subjects_that_look_like_ids_of_qlik_are_seen() {
    for yes in ["64f0c1a2b3d4e5f60718293a", "64F0C1A2B3D4E5F60718293A", "5xN2dZtUXL_GCxFzCkDaVjU7rJ0-LLvD"] {
        assert!(looks_like_a_qlik_id(yes), "{yes}");
    }
    for no in ["", "ada", "password|ada", "64f0c1a2b3d4e5f60718293g", "auth0|64f0c1a2b3d4e5f60718293a", &"a".repeat(64)]
    {
        assert!(!looks_like_a_qlik_id(no), "{no}");
    }
}

/// Anybody, from anywhere, and their groups once more in another order.
fn people() -> impl Strategy<Value = (Identity, Vec<String>)> {
    let id = prop_oneof!["ada|bob|clara|carl", "[^\\pC\\pZ]{1,20}"];
    let claims = (proptest::option::of(1_u32..9), proptest::option::of("[A-Z]{1,3}")).prop_map(|(employee, unit)| {
        let employee = employee.map(|employee| ("employee".to_owned(), json!(employee)));
        employee.into_iter().chain(unit.map(|unit| ("unit".to_owned(), json!(unit)))).collect::<Map<_, _>>()
    });
    let email = proptest::option::of("[a-z]{1,8}@(acme|partner)\\.example");
    let groups = proptest::collection::vec("[a-c]{0,2} ?", 0..6);
    (proptest::sample::select(&Source::ALL[..]), id, email, groups, claims)
        .prop_map(|(source, id, email, groups, claims)| Identity { source, id, email, groups, claims, ..ada() })
        .prop_flat_map(|one| (Just(one.clone()), Just(one.groups).prop_shuffle()))
}

fn rules_or_none() -> impl Strategy<Value = Vec<Rule>> {
    any::<bool>().prop_map(|some| if some { rules() } else { Vec::new() })
}

fn all_groups() -> impl Strategy<Value = Groups> {
    let patterns = ["a*", "b", "unit *"].map(|text| Pattern::parse(text).expect("a pattern")).to_vec();
    (0_usize..4, any::<bool>(), any::<bool>(), "(p-)?").prop_map(move |(max, allow, rename, prefix)| Groups {
        max,
        allow: allow.then(|| patterns.clone()),
        rename: rename.then(|| ("a".to_owned(), "b".to_owned())).into_iter().collect(),
        prefix,
    })
}

proptest! {
    #[test]
    fn the_same_person_is_the_same_subject((one, groups) in people(), rules in rules_or_none(), groups_of in all_groups()) {
        let mapping = Mapping::new(rules.clone(), Some(template("{source}|{id}")), groups_of.clone());
        let result = mapping.decide(&one).result;
        prop_assert_eq!(&result, &mapping.decide(&one).result, "deterministic");
        let shuffled = Identity { groups, ..one.clone() };
        prop_assert_eq!(&result, &mapping.decide(&shuffled).result, "the order of groups does not matter");
        let denied = !rules.is_empty()
            && (one.id == "bob" || (one.id.starts_with('c') && !one.claims.contains_key("employee")));
        let by_rule = !rules.is_empty() && one.id.starts_with('c');
        prop_assert_eq!(result.is_err(), denied || (one.email.is_none() && !by_rule), "{:?}", result);
        if let Ok(subject) = result {
            prop_assert!(!subject.id.is_empty() && !subject.name.is_empty() && !subject.email.is_empty());
            prop_assert!(subject.groups.len() <= groups_of.max && subject.groups.is_sorted());
            prop_assert!(subject.groups.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }

    #[test]
    fn different_people_are_different_subjects(one in "[a-z| ]{1,5}[a-z]", other in "[a-z| ]{1,5}[a-z]") {
        prop_assume!(one != other);
        for text in ["{source}|{id}", "{source}{id|sha256}"] {
            let subject = |id: &str| subject(text, &Identity { id: id.to_owned(), ..ada() });
            prop_assert_ne!(subject(&one), subject(&other));
        }
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged while this runs.
fn log_of(run: impl FnOnce()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).without_time().finish();
    tracing::subscriber::with_default(subscriber, run);
    let log = log.0.lock().expect("nobody panicked");
    String::from_utf8_lossy(&log).into_owned()
}

#[test]
fn each_warning_about_a_person_is_logged_once() {
    let groups = Groups { max: 1, allow: Some(vec![Pattern::parse("s*").expect("a pattern")]), ..Groups::default() };
    let mapping = Mapping::new(Vec::new(), Some(template("{id}")), groups);
    let odd = Identity { id: "64f0c1a2b3d4e5f60718293a".into(), ..ada() };
    let many = Identity { id: "many".into(), groups: vec!["s1".into(), "s2".into(), "s3".into()], ..ada() };
    let log = log_of(|| {
        for _ in 0..3 {
            assert!([&odd, &many, &ada()].iter().all(|identity| mapping.decide(identity).result.is_ok()));
        }
    });
    // That the allow-list leaves out the group "all" is what was asked for.
    let lines: Vec<_> = log.lines().map(str::trim).collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].contains("the subject looks like the id of a Qlik user"), "{log}");
    assert!(
        lines[0].ends_with(r#"identity="password:64f0c1a2b3d4e5f60718293a" subject="64f0c1a2b3d4e5f60718293a""#),
        "{log}"
    );
    assert!(lines[1].ends_with(r#"identity="password:many" groups=1 lost=2"#), "{log}");
}
