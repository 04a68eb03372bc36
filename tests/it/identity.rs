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
            "before_rules": null,
            "shaped_by": "[[mapping]] 2 (analysts)",
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

/// What is told here stands in for what the account says, and the rest is the account's.
#[test]
fn of_an_account_the_rest_is_taken() {
    let folder = folder();
    let (at, args) = (folder.path(), ["--id=ada", "--group=Board"]);
    crate::binary::run_with_input(
        at,
        &["users", "add", "ada", "--name", "Ada Lovelace", "--email", "ada@acme.example", "--group", "IT"],
        "a password that nobody guesses\n",
    );
    let (code, out, err) = explain(at, &args);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out.split("\n\n").next().expect("a section"), @r#"
    Identity
      source  password
      id      ada
      name    Ada Lovelace
      e-mail  ada@acme.example
      groups  "Board"
      claims  -
    "#);
    assert!(out.contains("/embed/board  For the board"), "{out}");
}

#[test]
fn claims_are_read_as_signing_in_reads_them() {
    let folder = folder();
    change(folder.path(), &[("SIGN_IN", "password,oidc"), ("OIDC_GROUPS_CLAIM", "realm_access.roles")]);
    change(folder.path(), &[("OIDC_ISSUER", "https://login.example"), ("OIDC_CLIENT_ID", "portal")]);
    let said = json!({
        "iss": "https://login.example", "aud": "portal", "exp": 1, "iat": 1, "nonce": "n", "sid": "s",
        "sub": "4711", "given_name": "Ada", "family_name": "King", "email": "ada@acme.example",
        "email_verified": false, "realm_access": { "roles": ["IT"] }, "groups": ["mine"],
    });
    fs::write(folder.path().join("claims.json"), said.to_string()).expect("written");
    let identity = |args: &[&str]| -> Value {
        let args = [&["--claims=claims.json", "--json"], args].concat();
        serde_json::from_str::<Value>(&explain(folder.path(), &args).1).expect("JSON")["identity"].clone()
    };
    let rest = json!({
        "given_name": "Ada", "family_name": "King", "email_verified": false,
        "realm_access": { "roles": ["IT"] }, "groups": ["mine"],
    });
    assert_eq!(
        identity(&["--source=oidc"]),
        json!({ "source": "oidc", "id": "4711", "name": "Ada King", "email": null, "groups": ["IT"], "claims": rest })
    );
    // What is told on the command line wins.
    assert_eq!(
        identity(&["--source=oidc", "--id=x", "--name=X", "--email=x@acme.example", "--group=G"]),
        json!({ "source": "oidc", "id": "x", "name": "X", "email": "x@acme.example", "groups": ["G"], "claims": rest })
    );
    let of_ticket = identity(&["--source=ticket"]);
    assert_eq!(
        (&of_ticket["groups"], &of_ticket["email"], &of_ticket["name"]),
        (&json!(["mine"]), &Value::Null, &json!(""))
    );
    fs::write(folder.path().join("claims.json"), "{}").expect("written");
    let err = explain(folder.path(), &["--source=oidc", "--claims=claims.json"]).2;
    assert_eq!(err, "qlik-embed-bff: not verified: the subject is empty\n");
    let err = explain(folder.path(), &["--source=header", "--id=x", "--claims=claims.json"]).2;
    assert!(err.starts_with("qlik-embed-bff: --claims is for --source oidc and --source ticket"), "{err}");
}

/// Other settings than those of [`folder`].
fn change(folder: &Path, changes: &[(&str, &str)]) {
    let env = fs::read_to_string(folder.join(".env")).expect("it is there");
    let same = |line: &&str| changes.iter().all(|(name, _)| !line.starts_with(&format!("{name}=")));
    let mut lines: Vec<_> = env.lines().filter(same).map(str::to_owned).collect();
    lines.extend(changes.iter().map(|(name, value)| format!("{name}='{value}'")));
    fs::write(folder.join(".env"), lines.join("\n") + "\n").expect("written");
}

#[test]
fn the_list_names_the_subject_and_a_rule_makes_the_rest() {
    let folder = folder();
    let plain = explain(folder.path(), &ADA).1;
    assert_eq!(run(folder.path(), &["subjects", "set", "oidc:ada", "ACME\\ada"]).0, Some(0));
    let (code, out, err) = explain(folder.path(), &ADA);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let list = "Mapping\n  the list of subjects      names the subject; [[mapping]] 2 (analysts) makes name, e-mail and groups\n";
    let expected = plain
        .replace("Mapping\n", list)
        .replace("subject   acme|4711", "subject   ACME\\ada")
        .replace("\"acme|4711\"", "\"ACME\\\\ada\"");
    assert_eq!(out, expected);
    // A rule that denies does not count.
    assert_eq!(run(folder.path(), &["subjects", "set", "oidc:eve", "eve"]).0, Some(0));
    let (code, out, _) = explain(folder.path(), &["--source=oidc", "--id=eve", "--email=eve@globex.example"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("names the subject, though [[mapping]] 1 (partners) denies\n"), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_tenant_says_is_told() {
    use qlik_embed_bff::demo::{Settings, Tenant};
    let tenant = Settings { api_keys: vec!["a-key-of-the-tenant".into()], ..Settings::default() };
    let tenant = Tenant::start(tenant).await.expect("a tenant");
    let folder = folder();
    let explain = |args: &[&str]| tokio::task::block_in_place(|| explain(folder.path(), args));
    let plain = explain(&ADA).1;
    let settings =
        [("SUBJECT_LOOKUP", "email"), ("QLIK_API_KEY", "a-key-of-the-tenant"), ("SUBJECT_LOOKUP_ELSE", "rules")];
    change(folder.path(), &[("QLIK_TENANT", tenant.origin())]);
    change(folder.path(), &settings);
    let with = |told: &str| plain.replace("Mapping\n", &format!("Mapping\n  SUBJECT_LOOKUP            {told}\n"));
    let (code, out, err) = explain(&ADA);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, with("no active user of the tenant has the e-mail address"));
    tenant.control().add_user("ACME\\ada", "ada@acme.example", "active");
    let found = with("found the user; [[mapping]] 2 (analysts) makes name, e-mail and groups")
        .replace("subject   acme|4711", "subject   ACME\\ada")
        .replace("\"acme|4711\"", "\"ACME\\\\ada\"");
    assert_eq!(explain(&ADA).1, found);
    tenant.control().add_user("another", "ada@acme.example", "active");
    assert_eq!(explain(&ADA).1, with("several active users of the tenant have the e-mail address"));
    let out = explain(&["--source=oidc", "--id=x", "--email=\"x\"@acme.example"]).1;
    let told = "  SUBJECT_LOOKUP            the tenant was not asked: the e-mail address has characters that cannot be looked up\n";
    assert!(out.contains(told), "{out}");
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
