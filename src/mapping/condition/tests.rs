use serde_json::json;

use super::*;
use crate::mapping::tests::ada;

fn patterns(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| Pattern::parse(text).expect("a pattern")).collect()
}

fn words(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Every operator, what it takes, and what it says when it does not.
#[test]
fn each_condition_holds_or_says_why_not() {
    use Condition::{Claim, Email, EmailDomain, Group, HasClaim, Id, LacksClaim, Source as From};
    let text = |text: &str| Expected::Text(patterns(&[text]).remove(0));
    let number = |value: Value| Expected::Number(value.as_number().expect("a number").clone());
    let claims = json!({
        "department": "Sales", "level": 3, "share": 0.5, "active": true, "gone": null,
        "roles": ["analyst", 7, false], "empty": [], "object": { "inner": "x" }, "long": "x".repeat(200),
    });
    let identity = Identity { claims: claims.as_object().expect("an object").clone(), ..ada() };
    let claim = |path: &str, expected: Expected| Claim(path.to_owned(), vec![expected]);
    let long = format!("claim long is \"{}..., not \"y\"", "x".repeat(79));
    for (condition, reason) in [
        (From(vec![Source::Password]), None),
        (From(vec![Source::Oidc, Source::Password]), None),
        (From(vec![Source::Oidc]), Some("the source is password, not oidc")),
        (From(vec![Source::Oidc, Source::Ticket]), Some("the source is password, not oidc or ticket")),
        (Id(patterns(&["ada"])), None),
        (Id(patterns(&["bob", "a*"])), None),
        (Id(patterns(&["Ada"])), Some(r#"the id is "ada", not "Ada""#)),
        (Email(patterns(&["ada@example.com"])), None),
        (Email(patterns(&["*@example.org"])), Some(r#"the e-mail address is "ada@example.com", not "*@example.org""#)),
        (EmailDomain(patterns(&["example.com"])), None),
        (EmailDomain(patterns(&["*.com"])), None),
        (EmailDomain(patterns(&["com"])), Some(r#"the e-mail domain is "example.com", not "com""#)),
        (EmailDomain(patterns(&["*.example.com"])), Some(r#"the e-mail domain is "example.com", not "*.example.com""#)),
        (Group(patterns(&["sales"])), None),
        (Group(patterns(&["x", "s*s"])), None),
        (Group(patterns(&["Sales"])), Some(r#"none of the groups (4) is "Sales""#)),
        (Group(patterns(&["x", "y", "z"])), Some(r#"none of the groups (4) is one of "x", "y", "z""#)),
        (claim("department", text("Sales")), None),
        (claim("department", text("S*")), None),
        (Claim("department".into(), vec![text("HR"), text("Sales")]), None),
        (claim("department", text("sales")), Some(r#"claim department is "Sales", not "sales""#)),
        (claim("department", number(json!(3))), Some(r#"claim department is "Sales", not 3"#)),
        (claim("level", number(json!(3))), None),
        (claim("level", number(json!(3.0))), None),
        (claim("level", text("3")), Some(r#"claim level is 3, not "3""#)),
        (claim("level", number(json!(4))), Some("claim level is 3, not 4")),
        (claim("share", number(json!(0.5))), None),
        (claim("active", Expected::Truth(true)), None),
        (claim("active", Expected::Truth(false)), Some("claim active is true, not false")),
        (claim("active", text("true")), Some(r#"claim active is true, not "true""#)),
        (claim("roles", text("ana*")), None),
        (claim("roles", number(json!(7))), None),
        (claim("roles", Expected::Truth(false)), None),
        (claim("roles", text("admin")), Some(r#"none of the items (3) of claim roles is "admin""#)),
        (claim("empty", text("*")), Some(r#"none of the items (0) of claim empty is "*""#)),
        (claim("object.inner", text("x")), None),
        (claim("object", text("*")), Some(r#"claim object is an object, not "*""#)),
        (claim("missing", text("*")), Some("claim missing is missing")),
        (claim("gone", text("*")), Some("claim gone is missing")),
        (claim("long", text("y")), Some(&*long)),
        (HasClaim(words(&["missing", "empty"])), None),
        (HasClaim(words(&["missing"])), Some("there is no claim missing")),
        (HasClaim(words(&["gone", "missing"])), Some("there is no claim gone or missing")),
        (LacksClaim(words(&["gone"])), None),
        (LacksClaim(words(&["level", "missing"])), None),
        (LacksClaim(words(&["level"])), Some("there is a claim level")),
    ] {
        assert_eq!(Conditions(vec![condition.clone()]).unmet(&identity).as_deref(), reason, "{condition:?}");
    }
}

#[test]
fn what_is_missing_meets_nothing() {
    let nobody = Identity { email: Some(" ".into()), groups: Vec::new(), ..ada() };
    for (condition, reason) in [
        (Condition::Email(patterns(&["*"])), "the e-mail address is missing"),
        (Condition::EmailDomain(patterns(&["*"])), "the e-mail domain is missing"),
        (Condition::Group(patterns(&["*"])), "there are no groups, and it asks for \"*\""),
    ] {
        assert_eq!(condition.unmet(&nobody).as_deref(), Some(reason));
    }
    let odd = Identity { email: Some("ada".into()), ..ada() };
    assert!(Condition::EmailDomain(patterns(&["*"])).unmet(&odd).is_some());
}

#[test]
fn case_says_nothing_in_addresses() {
    let identity = Identity { email: Some(" Ada@Example.COM ".into()), ..ada() };
    assert_eq!(Condition::Email(patterns(&["ada@example.com"])).unmet(&identity), None);
    assert_eq!(Condition::EmailDomain(patterns(&["example.com"])).unmet(&identity), None);
}

#[test]
fn all_conditions_must_hold_and_the_first_that_does_not_speaks() {
    let source = Condition::Source(vec![Source::Password]);
    let id = |text: &str| Condition::Id(patterns(&[text]));
    assert_eq!(Conditions::default().unmet(&ada()), None);
    assert_eq!(Conditions(vec![source.clone(), id("ada")]).unmet(&ada()), None);
    let reason = Conditions(vec![source, id("bob"), id("eve")]).unmet(&ada());
    assert_eq!(reason.as_deref(), Some(r#"the id is "ada", not "bob""#));
}

#[test]
fn one_identity_is_one_source_and_one_id() {
    let one = |sources: &[Source], ids: &[&str]| {
        Conditions(vec![Condition::Source(sources.to_vec()), Condition::Id(patterns(ids))]).name_one_identity()
    };
    assert!(one(&[Source::Oidc], &["ada"]));
    assert!(!one(&[Source::Oidc, Source::Ticket], &["ada"]));
    assert!(!one(&[Source::Oidc], &["ada", "bob"]));
    assert!(!one(&[Source::Oidc], &["a*"]));
    assert!(!Conditions(vec![Condition::Id(patterns(&["ada"]))]).name_one_identity());
    assert!(!Conditions::default().name_one_identity());
}
