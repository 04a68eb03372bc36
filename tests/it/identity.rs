//! `identity explain`, as an administrator uses it.

use std::fs;
use std::path::Path;
use std::process::Command;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::portal::{KEY, settings};

const RULES: &str = r#"
[[mapping]]
name = "partners"
when = { email_domain = "globex.example" }
deny = "Partners use the other portal."

[[mapping]]
name = "analysts"
when = { source = "oidc", claims = { "realm_access.roles" = "analyst" } }
subject = "acme|{claims.employee}"
display_name = "{name} (Acme)"

[groups]
allow = ["Vertrieb", "IT"]
rename = { Vertrieb = "Sales" }
max = 1

[[pages]]
slug = "sales"
title = "Sales dashboard"
sheet = "PpVjBm"

[[pages]]
slug = "board"
title = "For the board"
sheet = "PpVjBm"
visible_to = { groups = ["Board"] }

[[pages]]
slug = "it"
title = "Machines"
sheet = "PpVjBm"
visible_to = { groups = ["IT"] }
"#;

const CLAIMS: &str = r#"{ "employee": 4711, "realm_access": { "roles": ["analyst"] } }"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("keys")).expect("a new folder");
    fs::write(at("keys/privatekey.pem"), KEY.private_key.expose_secret()).expect("written");
    fs::write(at("portal.toml"), RULES).expect("written");
    fs::write(at("claims.json"), CLAIMS).expect("written");
    let mut env = settings(folder.path());
    env.remove("QLIK_JWT_PRIVATE_KEY");
    env.insert("CONFIG_FILE".into(), "portal.toml".into());
    let lines: String = env.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
    fs::write(at(".env"), lines).expect("written");
    folder
}

/// Exit code, standard output and standard error.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qlik-embed-bff"));
    let output = command.args(arguments).current_dir(folder).env_clear().output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn explain(folder: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    run(folder, &[&["identity", "explain"], more].concat())
}

const ADA: [&str; 15] = [
    "--source=oidc",
    "--id",
    "ada",
    "--name",
    "Ada Lovelace",
    "--email",
    "ada@acme.example",
    "--group",
    "Vertrieb",
    "--group",
    "IT",
    "--group",
    "All",
    "--claims",
    "claims.json",
];

#[test]
fn it_tells_everything_about_one_person() {
    let folder = folder();
    let (code, out, err) = explain(folder.path(), &ADA);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out, @r#"
    Identity
      source  oidc
      id      ada
      name    Ada Lovelace
      e-mail  ada@acme.example
      groups  "Vertrieb", "IT", "All"
      claims  {"employee":4711,"realm_access":{"roles":["analyst"]}}

    Mapping
      [[mapping]] 1 (partners)  no: the e-mail domain is "acme.example", not "globex.example"
      [[mapping]] 2 (analysts)  matches

    Qlik
      subject   acme|4711
      name      Ada Lovelace (Acme)
      e-mail    ada@acme.example
      groups    "IT"
      not sent  "All": not in the allow-list
      not sent  "Sales": more than GROUPS_MAX

    Pages
      /embed/sales  Sales dashboard
      /embed/it     Machines

    Claims
      jti             (random, another in each token)
      sub             "acme|4711"
      subType         "user"
      name            "Ada Lovelace (Acme)"
      email           "ada@acme.example"
      email_verified  true
      groups          ["IT"]
      iss             "https://portal.example"
      aud             "qlik.api/login/jwt-session"
      iat             (when the token is made)
      nbf             (30 s before iat)
      exp             (60 s after iat)
    "#);
    assert_eq!(explain(folder.path(), &ADA).1, out, "always the same");
}

#[test]
fn programs_get_the_same_as_json() {
    let folder = folder();
    let (code, out, err) = explain(folder.path(), &[&ADA[..], &["--json"]].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        told,
        json!({
            "identity": {
                "source": "oidc",
                "id": "ada",
                "name": "Ada Lovelace",
                "email": "ada@acme.example",
                "groups": ["Vertrieb", "IT", "All"],
                "claims": { "employee": 4711, "realm_access": { "roles": ["analyst"] } },
            },
            "rules": [
                {
                    "rule": "[[mapping]] 1 (partners)",
                    "matches": false,
                    "reason": "the e-mail domain is \"acme.example\", not \"globex.example\"",
                },
                { "rule": "[[mapping]] 2 (analysts)", "matches": true, "reason": null },
            ],
            "decided_by": "[[mapping]] 2 (analysts)",
            "subject": {
                "id": "acme|4711",
                "name": "Ada Lovelace (Acme)",
                "email": "ada@acme.example",
                "groups": ["IT"],
            },
            "denied": null,
            "groups_left_out": [
                { "group": "All", "reason": "not in the allow-list" },
                { "group": "Sales", "reason": "more than GROUPS_MAX" },
            ],
            "note": null,
            "pages": [
                { "slug": "sales", "title": "Sales dashboard" },
                { "slug": "it", "title": "Machines" },
            ],
            "claims": {
                "jti": "random, another in each token",
                "sub": "acme|4711",
                "subType": "user",
                "name": "Ada Lovelace (Acme)",
                "email": "ada@acme.example",
                "email_verified": true,
                "groups": ["IT"],
                "iss": "https://portal.example",
                "aud": "qlik.api/login/jwt-session",
                "iat": "when the token is made",
                "nbf": "30 s before iat",
                "exp": "60 s after iat",
            },
        })
    );
}

#[test]
fn who_is_denied_is_told_why_with_exit_code_1() {
    let folder = folder();
    let (code, out, err) = explain(folder.path(), &["--source=oidc", "--id=eve", "--email=eve@globex.example"]);
    assert_eq!(
        (code, err.as_str()),
        (Some(1), "qlik-embed-bff: oidc:eve is denied: [[mapping]] 1 (partners) says so\n")
    );
    insta::assert_snapshot!(out, @r#"
    Identity
      source  oidc
      id      eve
      name    -
      e-mail  eve@globex.example
      groups  -
      claims  -

    Mapping
      [[mapping]] 1 (partners)  matches

    Denied
      because  [[mapping]] 1 (partners) says so
      visitor  Partners use the other portal.
    "#);
    // A hole in a template denies; SUBJECT_TEMPLATE does not step in.
    fs::write(folder.path().join("claims.json"), CLAIMS.replace("4711", "null")).expect("written");
    let (code, _, err) = explain(folder.path(), &ADA);
    assert_eq!(code, Some(1));
    assert!(err.ends_with("the template asks for {claims.employee}, which is empty or missing\n"), "{err}");
    let (code, out, _) = explain(folder.path(), &[&ADA[..], &["--json"]].concat());
    assert_eq!(code, Some(1));
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["denied"]["visitor"], "your account has nothing from which a Qlik user could be named");
    assert_eq!((&told["subject"], &told["claims"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_local_account_is_looked_up() {
    let folder = folder();
    let (code, _, err) = explain(folder.path(), &["--id", "grace"]);
    assert_eq!(code, Some(1));
    assert!(err.starts_with("qlik-embed-bff: there is no "), "{err}");
    let mut add = Command::new("sh");
    let script = "echo 'a password that nobody guesses' | \"$0\" users add Grace --name 'Grace Hopper' --email g@acme.example --group IT";
    let added = add.args(["-c", script, env!("CARGO_BIN_EXE_qlik-embed-bff")]).current_dir(folder.path()).output();
    assert!(added.expect("it runs").status.success());
    let (code, out, err) = explain(folder.path(), &["--id", "Grace"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out, @r#"
    Identity
      source  password
      id      grace
      name    Grace Hopper
      e-mail  g@acme.example
      groups  "IT"
      claims  -

    Mapping
      [[mapping]] 1 (partners)  no: the e-mail domain is "acme.example", not "globex.example"
      [[mapping]] 2 (analysts)  no: the source is password, not oidc
      SUBJECT_TEMPLATE          decides: no rule matches

    Qlik
      subject  password|grace
      name     Grace Hopper
      e-mail   g@acme.example
      groups   "IT"

    Pages
      /embed/sales  Sales dashboard
      /embed/it     Machines

    Claims
      jti             (random, another in each token)
      sub             "password|grace"
      subType         "user"
      name            "Grace Hopper"
      email           "g@acme.example"
      email_verified  true
      groups          ["IT"]
      iss             "https://portal.example"
      aud             "qlik.api/login/jwt-session"
      iat             (when the token is made)
      nbf             (30 s before iat)
      exp             (60 s after iat)
    "#);
}

#[test]
fn a_subject_that_looks_like_an_id_of_qlik_is_noted() {
    let folder = folder();
    let env = fs::read_to_string(folder.path().join(".env")).expect("it is there");
    fs::write(folder.path().join(".env"), env + "SUBJECT_TEMPLATE='{id}'\n").expect("written");
    let (code, out, _) =
        explain(folder.path(), &["--source=header", "--id=64f0c1a2b3d4e5f60718293a", "--email=a@acme.example"]);
    assert_eq!(code, Some(0));
    let note = "  note     64f0c1a2b3d4e5f60718293a looks like the id of a Qlik user, which is what the address of users/me shows;";
    assert!(out.contains(note), "{out}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = folder();
    let with = |file: &str| explain(folder.path(), &["--source=oidc", "--id=a", "--claims", file]).2;
    assert!(with("nothing.json").starts_with("qlik-embed-bff: nothing.json cannot be read: "));
    assert!(with("portal.toml").starts_with("qlik-embed-bff: portal.toml is not a JSON object: "));
    assert_eq!(run(folder.path(), &["identity", "explain", "--source=saml", "--id=a"]).0, Some(2));
}
