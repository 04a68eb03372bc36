use serde_json::json;

use super::*;
use crate::mapping::tests::ada;

fn render(template: &str, identity: &Identity) -> Result<String, Denied> {
    Template::parse(template).unwrap_or_else(|problem| panic!("{template} {problem}")).subject(identity)
}

fn clara() -> Identity {
    let claims = json!({
        "employee": 4711, "tier": 1.5, "active": true, "Mail": " Clara@ACME.example ",
        "realm_access": { "roles": ["b", "a", "", 3, null] },
        "none": [], "blank": "  ", "lines": "a\nb", "https://acme.example/id": "c-1",
    });
    Identity { claims: claims.as_object().expect("an object").clone(), ..ada() }
}

#[test]
fn templates_take_fields_text_and_filters() {
    for (template, expected) in [
        ("{source}|{id}", "password|ada"),
        ("{id}", "ada"),
        ("{email}", "ada@example.com"),
        ("acme\\{ id }", "acme\\ada"),
        ("{source}{id}", "passwordada"),
        ("{id} <{email}>", "ada <ada@example.com>"),
        ("{claims.employee}", "4711"),
        ("hr|{claims.Mail|trim|lower}", "hr|clara@acme.example"),
        ("{ claims.https://acme.example/id | lower }", "c-1"),
    ] {
        assert_eq!(render(template, &clara()).as_deref(), Ok(expected), "{template}");
    }
    assert_eq!(render("{id|sha256}{email|sha256}", &clara()), Ok(hash("ada") + &hash("ada@example.com")));
}

fn hash(text: &str) -> String {
    Filter::Sha256.apply(text.into()).into_owned()
}

/// The example of FIPS 180-2, appendix B.1.
#[test]
fn sha256_is_written_in_small_hexadecimal_digits() {
    assert_eq!(hash("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn a_hole_denies_and_is_named() {
    let nobody = Identity { id: " ".into(), email: None, ..clara() };
    for (template, field) in [
        ("{source}|{id}", "{id}"),
        ("{email}", "{email}"),
        ("{email|sha256}", "{email}"),
        ("x|{claims.missing|lower}", "{claims.missing}"),
        ("{claims.blank|sha256}", "{claims.blank}"),
        ("{claims.active}", "{claims.active}"),
        ("{claims.tier}", "{claims.tier}"),
        ("{claims.lines}", "{claims.lines}"),
        ("{claims.realm_access}", "{claims.realm_access}"),
        ("{claims.none}", "{claims.none}"),
    ] {
        let expected = Err(Denied::NoSubject { field: field.to_owned() });
        assert_eq!(render(template, &nobody), expected, "{template}");
    }
}

#[test]
fn templates_that_cannot_name_one_person_are_refused() {
    let unknown = |name: &str| TemplateError::Unknown(name.into(), "{source}, {id}, {email} and {claims.x}");
    let changing = |name: &str| TemplateError::Changing(name.into());
    let chosen = |name: &str| TemplateError::Chosen(name.into());
    for (template, problem) in [
        ("", TemplateError::Empty),
        ("   ", TemplateError::Empty),
        ("{id}\n{email}", TemplateError::Control),
        ("everyone", TemplateError::NotUnique),
        ("{source}", TemplateError::NotUnique),
        ("{claims.tid}", TemplateError::NotUnique),
        ("{source}|{claims.iss}", TemplateError::NotUnique),
        ("{name}|{id}", changing("name")),
        ("{group}|{id}", changing("group")),
        ("{id", TemplateError::Unbalanced),
        ("id}", TemplateError::Unbalanced),
        ("{id}}", TemplateError::Unbalanced),
        ("{id}{", TemplateError::Unbalanced),
        ("{{id}}", unknown("{id")),
        ("{}|{id}", unknown("")),
        ("{Id}", unknown("Id")),
        ("{claims}|{id}", unknown("claims")),
        ("{claims.}|{id}", unknown("claims.")),
        ("{|lower}", unknown("")),
        ("{id|upper}", TemplateError::UnknownFilter("upper".into())),
        ("{id|}", TemplateError::UnknownFilter(String::new())),
        ("{id}|{random}", changing("random")),
        ("{auth_time}|{id}", changing("auth_time")),
        ("{claims.auth_time}|{id}", changing("claims.auth_time")),
        ("{id}|{claims.sid|sha256}", changing("claims.sid")),
        ("{id}|{claims.Auth_Time}", changing("claims.Auth_Time")),
        ("{claims.iat}", changing("claims.iat")),
        ("{claims.jti}", changing("claims.jti")),
        ("{claims.nonce}", changing("claims.nonce")),
        ("{claims.exp}", changing("claims.exp")),
        ("{claims.at_hash}", changing("claims.at_hash")),
        ("{claims.session.sid}", changing("claims.session.sid")),
        ("{claims.https://acme.example/department}|{id}", changing("claims.https://acme.example/department")),
        ("{claims.preferred_username}", chosen("claims.preferred_username")),
        ("{source}|{claims.upn|lower}", chosen("claims.upn")),
        ("{id}|{claims.Unique_Name}", chosen("claims.Unique_Name")),
        ("{id}{email}", TemplateError::Touching),
        ("{id|lower}{claims.employee}", TemplateError::Touching),
        ("{id}{source}", TemplateError::Touching),
    ] {
        assert_eq!(Template::parse(template), Err(problem), "{template}");
    }
    // A hash has one width, a source is one of four words: where they end can be seen.
    for template in ["{source}{id}", "{id|sha256}{email}", "{id}{email|sha256}", "{claims.tid}|{claims.oid}"] {
        assert!(Template::parse(template).is_ok(), "{template}");
    }
}

#[test]
fn other_templates_have_guards_of_their_own() {
    let parse = Template::parse_for;
    assert!(parse(Purpose::Email, "{id}@acme.example").is_ok());
    assert!(parse(Purpose::Name, "{name} (Acme)").is_ok());
    assert!(parse(Purpose::Name, "Visitor").is_ok());
    assert!(parse(Purpose::Group, "Everybody").is_ok());
    assert!(parse(Purpose::Group, "{source}:{group|lower}").is_ok());
    assert_eq!(parse(Purpose::Email, "sales@acme.example"), Err(TemplateError::OneAddress));
    assert_eq!(parse(Purpose::Email, "{name}@acme.example"), Err(TemplateError::OneAddress));
    assert_eq!(parse(Purpose::Group, "{group}-{claims.x}"), Err(TemplateError::TwoLists));
    assert_eq!(
        parse(Purpose::Name, "{group}"),
        Err(TemplateError::Unknown("group".into(), "{source}, {id}, {email}, {name} and {claims.x}"))
    );
}

#[test]
fn a_group_template_gives_one_group_for_each_value() {
    for (template, expected) in [
        ("Everybody", &["Everybody"][..]),
        ("{group}", &["sales", "all", "sales"]),
        ("{source}:{group|lower}", &["password:sales", "password:all", "password:sales"]),
        ("role {claims.realm_access.roles}", &["role b", "role a", "role 3"]),
        ("no {claims.employee}", &["no 4711"]),
        ("{claims.none}", &[]),
        ("{claims.missing}", &[]),
        ("{claims.active}", &[]),
    ] {
        let template = Template::parse_for(Purpose::Group, template).expect("a good template");
        assert_eq!(template.render_each(&clara()), expected, "{template:?}");
    }
}
