//! `doctor`: each pitfall of Qlik Cloud facts, section L, made once in the simulated tenant, and what is found then.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::config::{self, Env};
use qlik_embed_bff::demo::{self, ApiKey, Cookies, CspOrigin, IdentityProvider, Space, Tenant, WebIntegration};
use qlik_embed_bff::doctor::{self, Doctor, Finding, Outcome, Who};
use qlik_embed_bff::identity::Subject;
use qlik_embed_bff::qlik::key::{self, CertificateDates, KeySize, NewKey, SigningKey};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use time::Duration;

mod access_token;
mod pitfalls;
mod report;
mod surroundings;

/// Where nobody listens.
const PORTAL: &str = "http://127.0.0.1:9";
const API_KEY: &str = "an-api-key-of-an-administrator";

/// A key with a certificate that lasts.
static PAIR: LazyLock<NewKey> = LazyLock::new(|| new_pair(1000));

fn new_pair(days: i64) -> NewKey {
    let now = Clock::default().now();
    let dates = CertificateDates { not_before: now - Duration::days(1), not_after: now + Duration::days(days) };
    key::generate(KeySize::Rsa2048, "test", dates).expect("a key")
}

/// A tenant and a configuration between which all is well, until a test changes something.
pub struct Scene {
    pub tenant: Tenant,
    pub folder: TempDir,
    pub env: Env,
    pub who: Who,
}

impl Scene {
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings of the tenant.
    pub async fn with(change: impl FnOnce(&mut demo::Settings)) -> Self {
        let space = Space::shared("Portal");
        let mut settings = demo::Settings {
            providers: vec![IdentityProvider::new("https://portal.example", "key-1", PAIR.certificate.clone())],
            web_integrations: vec![WebIntegration::new("web-integration-1", [PORTAL])],
            csp_origins: vec![CspOrigin::framing("127.0.0.1:9")],
            cookies: Cookies::cross_site(),
            api_keys: vec![ApiKey::of_admin(API_KEY)],
            app_space: Some(space.id.clone()),
            spaces: vec![space],
            ..Default::default()
        };
        change(&mut settings);
        let tenant = Tenant::start(settings).await.expect("a tenant");
        let folder = tempfile::tempdir().expect("a folder");
        write_pair(folder.path(), &PAIR);
        let mut env = crate::portal::settings(folder.path());
        env.remove("QLIK_JWT_PRIVATE_KEY");
        let key = folder.path().join("privatekey.pem").display().to_string();
        for (name, value) in [
            ("QLIK_TENANT", tenant.origin()),
            ("PUBLIC_URL", PORTAL),
            ("QLIK_APP_ID", demo::APP_ID),
            ("QLIK_SHEET_ID", demo::SHEET_ID),
            ("QLIK_JWT_PRIVATE_KEY_FILE", &key),
            ("QLIK_API_KEY", API_KEY),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        let scene = Self { tenant, folder, env, who: Who::Subject(ada(&[])) };
        scene.let_in();
        scene
    }

    /// The subject has been a user for an hour, and may open the app.
    fn let_in(&self) {
        let hour = Duration::hours(1);
        self.tenant.control().shift_clock(-hour);
        self.let_in_now();
        self.tenant.control().shift_clock(hour);
    }

    fn let_in_now(&self) {
        let control = self.tenant.control();
        if let (Who::Subject(subject), Some(space)) = (&self.who, control.settings().app_space) {
            control.add_user(&subject.id, &subject.email, "active");
            let user = control.users().into_iter().find(|user| user.subject == subject.id).expect("just added");
            control.assign(&space, "user", &user.id);
        }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    pub async fn examine(&self) -> Vec<Finding> {
        let clock = Clock::default();
        let mut findings = Vec::new();
        match config::load(&self.env, clock.now()) {
            Err(problems) => findings = doctor::of_problems(&problems),
            Ok(loaded) => {
                let doctor = Doctor::new(loaded.config, clock).expect("a doctor");
                doctor.examine(&loaded.hints, &self.who, &mut |finding| findings.push(finding)).await;
            }
        }
        findings
    }

    /// What is not well, in lines.
    pub async fn complaints(&self) -> String {
        let findings = self.examine().await;
        self.lines(findings.iter().filter(|finding| matches!(finding.outcome, Outcome::Warning | Outcome::Failure)))
    }

    pub fn lines<'a>(&self, findings: impl Iterator<Item = &'a Finding>) -> String {
        let text: Vec<_> = findings.map(line).collect();
        let end = (Clock::default().now() + Duration::days(1000)).date().to_string();
        let key = SigningKey::parse(&PAIR.private_key).expect("a key");
        let names = [
            (end, "END"),
            (key.fingerprint(), "FINGERPRINT"),
            (self.tenant.origin().to_owned(), "TENANT"),
            (self.tenant.origin().replace("http", "ws"), "SOCKET"),
            (self.folder.path().display().to_string(), "FOLDER"),
        ];
        names.iter().fold(text.join("\n"), |text, (own, name)| text.replace(own, name))
    }
}

pub fn write_pair(folder: &Path, pair: &NewKey) {
    use std::os::unix::fs::PermissionsExt;
    let key = folder.join("privatekey.pem");
    fs::write(&key, pair.private_key.expose_secret()).expect("written");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("permitted");
    fs::write(folder.join("publickey.cer"), &pair.certificate).expect("written");
}

pub fn ada(groups: &[&str]) -> Subject {
    Subject {
        id: "password|ada".to_owned(),
        name: "Ada Lovelace".to_owned(),
        email: "ada@example.com".to_owned(),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    }
}

/// All of a finding.
fn line(finding: &Finding) -> String {
    let Finding { check, outcome, looked_at, found, remedy, advice } = finding;
    let advice = advice.map_or_else(String::new, |advice| format!("\n  advice: {}", advice.id));
    let remedy = remedy.as_ref().map_or_else(String::new, |remedy| format!("\n  do: {remedy}"));
    format!("{outcome} {}: {looked_at}\n  {found}{remedy}{advice}", check.id())
}

/// When nothing is wrong.
#[tokio::test]
async fn all_is_well() {
    let scene = Scene::new().await;
    let findings = scene.examine().await;
    insta::assert_snapshot!(scene.lines(findings.iter()), @"
    pass configuration: environment, .env and CONFIG_FILE
      all of them can be used
    pass signing-key: QLIK_JWT_PRIVATE_KEY
      RSA, 2048 bits, SHA-256 of the public key FINGERPRINT
    pass certificate: FOLDER/publickey.cer
      of this key, valid until END
    pass token: QLIK_JWT_ISSUER, QLIK_JWT_KEY_ID, mapping
      issuer https://portal.example, key ID key-1, subject password|ada
    pass selections: QLIK_IDENTITY, identity of pages
      the name of each session is its own
    pass store: FOLDER/portal.db
      there is none yet: the first start makes it
    skipped session-store: settings
      sessions are in the database
    pass public-address: PUBLIC_URL http://127.0.0.1:9
      plain http, for this machine only
    pass own-cookies: PUBLIC_URL, PROXY_URL, FRAME_ANCESTORS
      first-party at http://127.0.0.1:9
    pass tenant-name: localhost
      1 address
    pass tenant-answers: GET TENANT/.well-known/oauth-authorization-server
      it answers as this tenant
    pass clock: the header Date of the tenant
      the same
    pass login: POST TENANT/login/jwt-session
      status 200 for password|ada
    pass cookies: the headers Set-Cookie of the login
      eas.sid, eas.sid.sig, _csrfToken, _csrfToken.sig, AWSALB, AWSALBCORS; whether a visitor's browser keeps them, only that browser knows
    pass user: GET TENANT/api/v1/users/me
      password|ada, active
    pass links: links.self.href in the answer to users/me
      this tenant's
    pass csrf-token: GET TENANT/api/v1/csrf-token
      there is one
    pass engine: SOCKET/app/a51a902d-76a9-4c53-85d2-066b44240146
      connected, and opened “Sales overview”
    pass sheet: page default, sheet 8b2c54d1-5f0a-4e0e-9d2e-6f1f0a7c3b90
      it is in the app
    pass theme: page default
      the app names breeze
    pass frame: GET TENANT/single/
      status 200, frame-ancestors 'self' 127.0.0.1:9
    pass preflight: OPTIONS TENANT/login/jwt-session
      status 204, for http://127.0.0.1:9 with credentials
    pass product-info: GET TENANT/resources/autogenerated/product-info.json
      deployment type CloudNative
    skipped own-paths: GET http://127.0.0.1:9/healthz
      nobody listens there: start the server to check it
    skipped token-endpoint: GET http://127.0.0.1:9/token
      it cannot be reached from here
    skipped provider: SIGN_IN
      nobody signs in at an OpenID provider here
    pass administration: QLIK_API_KEY, QLIK_ADMIN_CLIENT_ID
      of auth0|administrator
    pass identity-provider: GET /api/v1/identity-providers
      active, with our issuer, key ID and certificate, until END
    pass web-integration: GET /api/v1/web-integrations/web-integration-1
      it lists http://127.0.0.1:9
    pass content-security: GET /api/v1/csp-origins/actions/generate-header
      frame-ancestors has http://127.0.0.1:9
    pass session-ages: GET /api/core/auth-settings
      not shorter than this server assumes
    pass groups: GET /api/v1/groups/settings
      on
    pass app: GET /api/v1/apps/a51a902d-76a9-4c53-85d2-066b44240146
      “Sales overview”
    pass space: the space of app a51a902d-76a9-4c53-85d2-066b44240146
      password|ada has consumer there, as a user
    pass duplicate-users: GET /api/v1/users
      nobody
    pass licence: GET /api/v1/licenses/settings
      autoAssignAnalyzer is on
    skipped oauth-client: GET /api/v1/oauth-clients
      none may impersonate visitors; only components of qlik-embed need one
    ");
}
