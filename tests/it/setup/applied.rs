//! What it makes, and that it makes it once.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use qlik_embed_bff::demo::{self, CspOrigin, OauthClient, Refusal, TENANT_ID, Times, WebIntegration};
use serde_json::{Value, json};

use super::{API_KEY, Newcomer, PORTAL, done, states};
use crate::binary::run;

fn plan(newcomer: &Newcomer, more: &[&str]) -> Value {
    serde_json::from_str(&newcomer.set_up(&[&["--json"], more].concat())).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn from_nothing_but_an_api_key_to_a_good_configuration() {
    let newcomer = Newcomer::with(|_| {}).await;
    let text = newcomer.set_up(&[]);
    assert!(text.contains("Nothing was changed. `qlik-embed-bff setup --apply` carries it out."), "{text}");
    assert!(newcomer.files().is_empty() && newcomer.writes().is_empty(), "a plan changes nothing");
    let expected = json!({
        "key-pair": "create", "identity-provider": "create", "web-integration": "create", "content-security": "create",
        "groups": "left", "page": "there", "settings": "create",
    });
    assert_eq!(states(&plan(&newcomer, &[])), expected);

    let told = newcomer.set_up(&["--apply", "--yes", "--groups"]);
    assert!(told.contains("qlik-embed-bff serve"), "{told}");
    let settings = newcomer.settings();
    let control = newcomer.tenant.control();
    let integration = control.settings().web_integrations[0].id.clone();
    let key_id = settings["QLIK_JWT_KEY_ID"].clone();
    let issuer = format!("qlik-embed-bff-{}", &key_id[..8]);
    let expected = [
        ("QLIK_TENANT", newcomer.tenant.origin()),
        ("PUBLIC_URL", PORTAL),
        ("QLIK_WEB_INTEGRATION_ID", &integration),
        ("QLIK_APP_ID", demo::APP_ID),
        ("QLIK_SHEET_ID", demo::SHEET_ID),
        ("QLIK_JWT_ISSUER", &issuer),
        ("QLIK_JWT_KEY_ID", &key_id),
    ];
    assert_eq!(settings, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let mode = |file: &str| fs::metadata(newcomer.path().join(file)).expect("a file").permissions().mode() & 0o777;
    assert_eq!((mode(".env"), mode("keys/privatekey.pem")), (0o600, 0o600));

    let certificate = fs::read_to_string(newcomer.path().join("keys/publickey.cer")).expect("a certificate");
    let administration = newcomer.administration();
    assert_eq!(
        administration["identity-providers"],
        json!([{
            "tenantIds": [TENANT_ID], "provider": "external", "protocol": "jwtAuth", "interactive": false, "active": true,
            "description": format!("Made by qlik-embed-bff setup, key {key_id}"), "clockToleranceSec": 5,
            "options": {
                "jwtLoginEnabled": true, "issuer": issuer,
                "staticKeys": [{ "kid": key_id, "pem": certificate.replace('\n', "") }],
            },
        }])
    );
    assert_eq!(
        administration["web-integrations"],
        json!([{ "name": "qlik-embed-bff", "tenantId": TENANT_ID, "validOrigins": [PORTAL] }])
    );
    assert_eq!(administration["csp-origins"][0]["origin"], "localhost:8080");
    assert_eq!(administration["csp-origins"][0]["frameAncestors"], true);
    assert_eq!(administration["groups/settings"]["autoCreateGroups"], true);
    assert_eq!(run(newcomer.path(), &["config", "check"]).1, "the configuration is good\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing() {
    let newcomer = Newcomer::with_key(|_| {}).await;
    newcomer.set_up(&["--apply", "--yes"]);
    let (files, administration) = (newcomer.files(), newcomer.administration());
    newcomer.tenant.control().forget();
    newcomer.set_up(&["--apply", "--yes"]);
    assert_eq!(newcomer.writes(), []);
    assert_eq!((newcomer.files(), newcomer.administration()), (files, administration));
    assert_eq!(states(&plan(&newcomer, &[])), done());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_administrator_made_is_kept_and_completed() {
    let newcomer = Newcomer::with_key(|settings| {
        // More than a page of each, and ours on the last one.
        let other =
            |number: usize| WebIntegration::new(format!("other-{number}"), [format!("https://{number}.example")]);
        settings.web_integrations = (0..130).map(other).collect();
        settings.csp_origins = (0..120).map(|number| CspOrigin::framing(format!("{number}.example"))).collect();
        let without_frames = CspOrigin { directives: vec!["imgSrc"], ..CspOrigin::framing("localhost:8080") };
        settings.csp_origins.push(CspOrigin { name: "Theirs".into(), ..without_frames });
        settings.switches.longest_page = 30;
    })
    .await;
    let before = "# ours\nQLIK_WEB_INTEGRATION_ID=other-129\n\nSESSION_MAX=4h\n";
    fs::write(newcomer.path().join(".env"), before).expect("written");
    newcomer.set_up(&["--apply", "--yes"]);

    let settings = newcomer.tenant.control().settings();
    assert_eq!((settings.web_integrations.len(), settings.csp_origins.len()), (130, 121), "nothing is made twice");
    assert_eq!(settings.web_integrations[129].origins, ["https://129.example", PORTAL]);
    let entry = &settings.csp_origins[120];
    assert_eq!((entry.name.as_str(), &entry.directives), ("Theirs", &vec!["frameAncestors", "imgSrc"]));

    let text = fs::read_to_string(newcomer.path().join(".env")).expect("a file");
    assert!(text.starts_with(&format!("{before}\n# Written by `qlik-embed-bff setup`:\nQLIK_TENANT=http")), "{text}");
    let backups: Vec<_> = newcomer.files().into_iter().filter(|(name, _)| name.starts_with(".env.bak-")).collect();
    assert_eq!(backups.len(), 1);
    assert_eq!(backups[0].1, before.as_bytes());
    let mode = fs::metadata(newcomer.path().join(&backups[0].0)).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_readings_of_what_is_not_documented_work() {
    for other in [false, true] {
        let newcomer = Newcomer::with_key(|settings| {
            settings.web_integrations = vec![WebIntegration::new("theirs", ["https://other.example"])];
            settings.switches.origins_as_text = other;
            settings.switches.one_line_required = other;
            settings.switches.null_links = other;
            settings.switches.retry_after_is_date = other;
            settings.switches.duplicate_csp_status = other.then_some(409);
        })
        .await;
        let mut env = newcomer;
        env.env.insert("QLIK_WEB_INTEGRATION_ID", "theirs".into());
        env.set_up(&["--apply", "--yes"]);
        assert_eq!(env.tenant.control().settings().web_integrations[0].origins, ["https://other.example", PORTAL]);
        assert_eq!(env.settings()["QLIK_WEB_INTEGRATION_ID"], "theirs", "the environment ends with the process");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oauth_client_for_machines_may_set_up_too_and_one_for_people_becomes_trusted() {
    let mut newcomer = Newcomer::with_key(|settings| {
        let untrusted =
            OauthClient { name: "qlik-embed-bff".into(), trusted: false, ..OauthClient::impersonating("people", "x") };
        settings.clients = vec![OauthClient::admin("machine", API_KEY), untrusted];
    })
    .await;
    newcomer.env.remove("QLIK_API_KEY");
    newcomer.env.extend([("QLIK_ADMIN_CLIENT_ID", "machine".into()), ("QLIK_ADMIN_CLIENT_SECRET", API_KEY.to_owned())]);
    newcomer.set_up(&["--apply", "--yes", "--oauth"]);
    let settings = newcomer.tenant.control().settings();
    assert!(settings.clients[1].trusted && settings.providers.len() == 1);
    assert!(!fs::read_to_string(newcomer.path().join(".env")).expect("a file").contains("SECRET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn app_and_sheet_are_taken_by_id_or_by_title_and_never_guessed() {
    let newcomer = Newcomer::with_key(|settings| {
        settings.more_apps = vec!["11111111-2222-4333-8444-555555555555".into()];
        settings.more_sheets = vec!["second".into()];
    })
    .await;
    let several = newcomer.setup(&["--apply", "--yes"]);
    assert_eq!(several.code, Some(1), "{several:?}");
    assert!(several.err.contains("nothing was changed: there are 2 apps; name one with --app:"), "{several:?}");
    assert!(several.err.contains("11111111-2222-4333-8444-555555555555"), "{several:?}");
    let wrong = newcomer.setup(&["--apply", "--yes", "--app", "Nonsense"]);
    assert!(wrong.err.contains("no app, or more than one, is called Nonsense"), "{wrong:?}");
    let sheets = newcomer.setup(&["--apply", "--yes", "--app", "11111111-2222-4333-8444-555555555555"]);
    assert!(sheets.err.contains("there are 2 sheets; name one with --sheet:"), "{sheets:?}");
    assert!(newcomer.writes().is_empty() && !newcomer.path().join(".env").exists());

    let app = "11111111-2222-4333-8444-555555555555";
    newcomer.set_up(&["--apply", "--yes", "--app", app, "--sheet", "second"]);
    let settings = newcomer.settings();
    assert_eq!((&*settings["QLIK_APP_ID"], &*settings["QLIK_SHEET_ID"]), (app, "second"));
    newcomer.set_up(&["--apply", "--yes"]);
    assert_eq!(newcomer.settings(), settings, "what was chosen is not asked for again");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_right_the_steps_are_told() {
    let mut newcomer = Newcomer::with_key(|_| {}).await;
    newcomer.env.remove("QLIK_API_KEY");
    let text = newcomer.set_up(&["--groups", "--oauth"]);
    for part in [
        "Identity provider, Create new, type JWT",
        "Issuer       qlik-embed-bff-",
        &format!("Origin  {PORTAL}"),
        "Directive  frame-ancestors",
        "switch on Creation of groups",
        "An OAuth client",
        "QLIK_APP_ID=",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let line = text.lines().rfind(|line| !line.is_empty()).expect("a line");
    assert_eq!(line, crate::portal::KEY.certificate.replace('\n', ""));
    assert!(newcomer.tenant.control().requests().is_empty(), "nobody is asked");

    newcomer.set_up(&["--apply", "--yes"]);
    assert!(newcomer.settings().contains_key("QLIK_JWT_ISSUER"));
    assert!(newcomer.tenant.control().requests().is_empty());
}

/// What only browsers need is made when one page has its visitor's browser call the tenant, whatever the others do; and read only then.
#[tokio::test(flavor = "multi_thread")]
async fn the_flow_of_each_page_counts() {
    let mut newcomer = Newcomer::with_key(|_| {}).await;
    newcomer.env.insert("CONFIG_FILE", "portal.toml".to_owned());
    let page = |slug: &str, flow: &str| {
        format!("[[pages]]\nslug = \"{slug}\"\ntitle = \"Sales\"\napp = \"{}\"\nsheet = \"x\"\n{flow}\n", demo::APP_ID)
    };
    for (shared, flow, expected) in [
        ("proxy", "flow = \"session\"", "create"),
        ("proxy", "", "left"),
        ("auto", "flow = \"proxy\"", "create"),
        ("auto", "", "create"),
    ] {
        newcomer.env.insert("QLIK_FLOW", shared.to_owned());
        let pages = [page("one", ""), page("two", flow)].concat();
        fs::write(newcomer.path().join("portal.toml"), pages).expect("written");
        let states = states(&plan(&newcomer, &[]));
        assert_eq!(
            (states["web-integration"].as_str(), states["content-security"].as_str()),
            (Some(expected), Some(expected)),
            "{shared} {flow}"
        );
    }
    newcomer.env.insert("QLIK_FLOW", "proxy".to_owned());
    fs::write(newcomer.path().join("portal.toml"), page("one", "")).expect("written");
    newcomer.tenant.control().refuse("/api/v1/web-integrations", Refusal::Status(403), Times::Always);
    newcomer.tenant.control().refuse("/api/v1/groups/settings", Refusal::Status(403), Times::Always);
    assert_eq!(states(&plan(&newcomer, &[]))["identity-provider"], "create");
}
