//! The 31 pitfalls of Qlik Cloud facts, section L, in their order.

use std::time::Duration;

use qlik_embed_bff::demo::{self, ApiKey, NoAccess, OauthClient, Race, Refusal, Theme, Times, WebIntegration};
use qlik_embed_bff::doctor::Who;

use super::{Scene, ada, new_pair, write_pair};

/// 1, with the switch for tenants that answer so to a key ID that they do not know.
#[tokio::test]
async fn p01_not_acceptable() {
    let mut scene = Scene::with(|tenant| tenant.switches.unknown_key_is_406 = true).await;
    scene.set("QLIK_JWT_KEY_ID", "another");
    insta::assert_snapshot!(scene.complaints().await, @"
    failure login: POST TENANT/login/jwt-session
      status 406: 406 Not Acceptable
      advice: not-acceptable
    failure identity-provider: GET /api/v1/identity-providers
      the one of our issuer has the key ID key-1, and QLIK_JWT_KEY_ID is another
      advice: identity-provider-missing
    ");
}

#[tokio::test]
async fn p02_a_claim_is_missing() {
    let mut scene = Scene::new().await;
    let mut subject = ada(&[]);
    subject.email = String::new();
    scene.who = Who::Subject(subject);
    insta::assert_snapshot!(scene.complaints().await, @"
    failure token: QLIK_JWT_ISSUER, QLIK_JWT_KEY_ID, mapping
      email would be empty
      do: give the person a name and an e-mail address, or change the mapping
      advice: token-incomplete
    failure login: POST TENANT/login/jwt-session
      status 400: INTERNAL-TOKEN-1, Invalid token request, JWT_LOGIN_VALIDATIONS Invalid type of claim: email
      advice: token-incomplete
    ");
}

#[tokio::test]
async fn p03_tokens_live_too_long() {
    let mut scene = Scene::new().await;
    scene.set("QLIK_JWT_LIFETIME", "2h");
    insta::assert_snapshot!(scene.complaints().await, @"
    failure token: QLIK_JWT_LIFETIME
      QLIK_JWT_LIFETIME makes tokens good for 7230 s, skew included, and Qlik refuses more than 3600 s
      do: leave QLIK_JWT_LIFETIME at 60s and QLIK_JWT_SKEW at 30s unless clocks are far apart
      advice: token-lifetime
    ");
}

#[tokio::test]
async fn p04_the_clock_is_wrong() {
    let scene = Scene::new().await;
    scene.tenant.control().shift_clock(time::Duration::seconds(-90));
    insta::assert_snapshot!(scene.complaints().await, @"
    failure clock: the header Date of the tenant
      this machine is 90 s ahead
      advice: clock-skew
    failure login: POST TENANT/login/jwt-session
      status 401: LOGIN-1, Unauthorized
      advice: token-refused
    ");
}

#[tokio::test]
async fn p05_another_private_key() {
    let scene = Scene::with(|tenant| tenant.providers[0].key = new_pair(1000).certificate).await;
    insta::assert_snapshot!(scene.complaints().await, @"
    failure login: POST TENANT/login/jwt-session
      status 401: LOGIN-1, Unauthorized
      advice: token-refused
    failure identity-provider: GET /api/v1/identity-providers
      its certificate belongs to another private key
      advice: key-mismatch
    ");
}

#[tokio::test]
async fn p06_the_certificate_is_damaged() {
    let scene = Scene::with(|tenant| {
        let key = &mut tenant.providers[0].key;
        *key = key.replace("MII", "M\\II");
    })
    .await;
    insta::assert_snapshot!(scene.complaints().await, @"
    failure login: POST TENANT/login/jwt-session
      status 401: LOGIN-1, Unauthorized
      advice: token-refused
    failure identity-provider: GET /api/v1/identity-providers
      its certificate is not a certificate in PEM format: expected a text that begins with -----BEGIN CERTIFICATE-----
      advice: certificate-broken
    ");
}

/// 8: any name below Qlik's domain resolves.
#[tokio::test]
async fn p08_no_such_tenant() {
    let scene = Scene::new().await;
    scene.tenant.control().refuse("/", Refusal::UnknownHostname, Times::Always);
    insta::assert_snapshot!(scene.complaints().await, @"
    failure tenant-answers: GET TENANT/.well-known/oauth-authorization-server
      status 401: LOGIN-2, No authentication configured for this hostname
      advice: unknown-host
    ");
}

#[tokio::test]
async fn p09_the_origin_is_not_listed() {
    let scene = Scene::with(|tenant| {
        tenant.web_integrations = vec![WebIntegration::new("web-integration-1", ["https://other.example"])];
    })
    .await;
    insta::assert_snapshot!(scene.complaints().await, @"
    failure preflight: OPTIONS TENANT/login/jwt-session
      status 403, and it allows no origin instead of http://127.0.0.1:9
      advice: origin-not-listed
    failure web-integration: GET /api/v1/web-integrations/web-integration-1
      it lists https://other.example, and not http://127.0.0.1:9
      advice: origin-not-listed
    ");
}

#[tokio::test]
async fn p09_the_web_integration_is_of_another_tenant() {
    let scene = Scene::with(|tenant| tenant.web_integrations.clear()).await;
    insta::assert_snapshot!(scene.complaints().await, @"
    failure preflight: OPTIONS TENANT/login/jwt-session
      status 403, and it allows no origin instead of http://127.0.0.1:9
      advice: origin-not-listed
    failure web-integration: GET /api/v1/web-integrations/web-integration-1
      it is not there
      advice: web-integration-missing
    ");
}

#[tokio::test]
async fn p10_cookies_do_not_come_back() {
    let scene = Scene::new().await;
    scene.tenant.control().refuse("/api/v1/users/me", Refusal::Unauthorized, Times::Next(1));
    insta::assert_snapshot!(scene.complaints().await, @"
    failure user: GET TENANT/api/v1/users/me
      the login was accepted, and its cookies are not
      advice: cookies-blocked
    ");
}

#[tokio::test]
async fn p10_cookies_are_for_one_site() {
    let scene = Scene::with(|tenant| tenant.cookies = demo::Cookies::plain()).await;
    insta::assert_snapshot!(scene.complaints().await, @"
    warning cookies: the headers Set-Cookie of the login
      eas.sid, eas.sid.sig, _csrfToken, _csrfToken.sig can be used by no page of another site
      advice: cookies-not-cross-site
    ");
}

#[tokio::test]
async fn p11_no_entry_for_frames() {
    let scene = Scene::with(|tenant| tenant.csp_origins.clear()).await;
    insta::assert_snapshot!(scene.complaints().await, @"
    failure frame: GET TENANT/single/
      status 200, and frame-ancestors is 'self', without http://127.0.0.1:9
      advice: frames-not-allowed
    failure content-security: GET /api/v1/csp-origins/actions/generate-header
      frame-ancestors is 'self', without http://127.0.0.1:9
      advice: frames-not-allowed
    ");
}

#[tokio::test]
async fn p12_the_frame_leads_to_the_login_page() {
    let scene = Scene::new().await;
    scene.tenant.control().refuse("/single", Refusal::Unauthorized, Times::Always);
    insta::assert_snapshot!(scene.complaints().await, @"
    failure frame: GET TENANT/single/
      status 401: it leads to the tenant's login page
      advice: frame-leads-to-login
    ");
}

#[tokio::test]
async fn p13_no_role_in_the_space() {
    let scene = Scene::new().await;
    scene.tenant.control().change(|tenant| tenant.spaces[0].assignments.clear());
    insta::assert_snapshot!(scene.complaints().await, @"
    failure engine: SOCKET/app/a51a902d-76a9-4c53-85d2-066b44240146
      the engine closed the socket with code 4203: No permission to open the app
      advice: no-permission
    failure space: the space of app a51a902d-76a9-4c53-85d2-066b44240146
      neither password|ada nor one of its groups has a role there
      advice: no-permission
    ");
}

#[tokio::test]
async fn p13_access_is_on_its_way() {
    let mut scene = Scene::with(|tenant| {
        tenant.switches.race = Some(Race { lasts: Duration::from_secs(60), signal: NoAccess::OpenDocError });
    })
    .await;
    let mut subject = ada(&[]);
    (subject.id, subject.email) = ("password|bob".to_owned(), "bob@example.com".to_owned());
    scene.who = Who::Subject(subject);
    scene.let_in_now();
    insta::assert_snapshot!(scene.complaints().await, @"
    warning engine: SOCKET/app/a51a902d-76a9-4c53-85d2-066b44240146
      the engine answered with error 5: Access denied, a51a902d-76a9-4c53-85d2-066b44240146; the user was made a moment ago
      advice: access-on-its-way
    ");
}

#[tokio::test]
async fn p14_no_such_app() {
    let mut scene = Scene::new().await;
    scene.set("QLIK_APP_ID", "11111111-2222-4333-8444-555555555555");
    insta::assert_snapshot!(scene.complaints().await, @"
    failure engine: SOCKET/app/11111111-2222-4333-8444-555555555555
      the engine closed the socket with code 4204: App not found
      advice: no-app
    failure app: GET /api/v1/apps/11111111-2222-4333-8444-555555555555
      it is not there, or not for whom the right is
      advice: no-app
    ");
}

#[tokio::test]
async fn p14_no_such_sheet() {
    let mut scene = Scene::new().await;
    scene.set("QLIK_SHEET_ID", "nothing");
    insta::assert_snapshot!(scene.complaints().await, @"
    failure sheet: page default, sheet nothing
      it is not in the app; this user sees 8b2c54d1-5f0a-4e0e-9d2e-6f1f0a7c3b90 (Sales overview)
      advice: no-sheet
    ");
}

#[tokio::test]
async fn p15_no_licence() {
    let scene = Scene::with(|tenant| {
        tenant.licences = Some(0);
        tenant.auto_assign_analyzer = false;
    })
    .await;
    insta::assert_snapshot!(scene.complaints().await, @"
    failure engine: SOCKET/app/a51a902d-76a9-4c53-85d2-066b44240146
      the engine refused the session: SESSION_ERROR_NO_LICENSE
      advice: no-licence
    warning licence: GET /api/v1/licenses/settings
      neither analyzer nor professional access is given by itself: with licences for users, new ones have none
      advice: no-licence
    ");
}

/// 16: a subject that changes is refused before anybody can sign in with it.
#[tokio::test]
async fn p16_the_subject_changes() {
    let mut scene = Scene::new().await;
    scene.set("SUBJECT_TEMPLATE", "{source}|{claims.sid}");
    insta::assert_snapshot!(scene.complaints().await, @"
    failure subject: SUBJECT_TEMPLATE
      SUBJECT_TEMPLATE has {claims.sid}, which can change: one person would become several Qlik users
      do: write a template such as {source}|{id}
      advice: subject-changes
    ");
}

/// 17: somebody copied the id that the browser shows into the subject.
#[tokio::test]
async fn p17_the_subject_is_the_id_of_a_user() {
    let mut scene = Scene::new().await;
    scene.tenant.control().add_user("auth0|ada", "ada@example.com", "active");
    let mut subject = ada(&[]);
    subject.id = "64f1c2a9d3b7e5f8a1c0d9e4".to_owned();
    scene.who = Who::Subject(subject);
    scene.let_in();
    insta::assert_snapshot!(scene.complaints().await, @"
    warning user: GET TENANT/api/v1/users/me
      64f1c2a9d3b7e5f8a1c0d9e4 looks like the id of a user: a subject made of it is a user of its own
      advice: duplicate-users
    warning duplicate-users: GET /api/v1/users
      so have the active users auth0|ada, password|ada
      advice: same-email
    ");
}

#[tokio::test]
async fn p18_one_address_for_two_users() {
    let scene = Scene::with(|tenant| tenant.switches.email_collision_refused = true).await;
    scene.tenant.control().add_user("auth0|ada", "ada@example.com", "active");
    insta::assert_snapshot!(scene.complaints().await, @"
    failure login: POST TENANT/login/jwt-session
      status 400: LOGIN-12, Multiple active users detected
      advice: same-email
    warning duplicate-users: GET /api/v1/users
      so have the active users auth0|ada
      advice: same-email
    ");
}

#[tokio::test]
async fn p19_groups_are_not_created() {
    let mut scene = Scene::with(|tenant| tenant.auto_create_groups = false).await;
    scene.who = Who::Subject(ada(&["sales", "all"]));
    insta::assert_snapshot!(scene.complaints().await, @"
    failure groups: GET /api/v1/groups/settings
      off, and the subject's token names 2 groups
      advice: groups-ignored
    ");
}

#[tokio::test]
async fn p20_the_handshake_is_refused() {
    let scene = Scene::new().await;
    scene.tenant.control().refuse("/app/", Refusal::Status(403), Times::Always);
    insta::assert_snapshot!(scene.complaints().await, @"
    failure engine: SOCKET/app/a51a902d-76a9-4c53-85d2-066b44240146
      the tenant refused the engine's socket with status 403: HTTP-403, Forbidden
      advice: handshake-refused
    ");
}

#[tokio::test]
async fn p21_there_is_no_csrf_token() {
    let scene = Scene::new().await;
    scene.tenant.control().refuse("/api/v1/csrf-token", Refusal::Status(404), Times::Always);
    insta::assert_snapshot!(scene.complaints().await, @"
    failure csrf-token: GET TENANT/api/v1/csrf-token
      status 404: HTTP-404, Not Found
      advice: no-csrf-token
    failure engine: SOCKET/app/a51a902d-76a9-4c53-85d2-066b44240146
      the tenant refused the engine's socket with status 403: CSRF-TOKEN-2, CSRF token missing or invalid
      advice: csrf-refused
    ");
}

#[tokio::test]
async fn p22_the_admin_client() {
    let mut scene = Scene::with(|tenant| tenant.clients = vec![OauthClient::admin("machine", "right")]).await;
    scene.env.remove("QLIK_API_KEY");
    scene.set("QLIK_ADMIN_CLIENT_ID", "machine");
    scene.set("QLIK_ADMIN_CLIENT_SECRET", "wrong");
    insta::assert_snapshot!(scene.complaints().await, @"
    failure administration: QLIK_API_KEY, QLIK_ADMIN_CLIENT_ID
      status 401: OAUTH-2, Invalid client
      advice: oauth-client
    ");
    scene.set("QLIK_ADMIN_CLIENT_SECRET", "right");
    insta::assert_snapshot!(scene.complaints().await, @"");
    scene.tenant.control().change(|tenant| tenant.clients[0].grants.clear());
    insta::assert_snapshot!(scene.complaints().await, @"
    failure administration: QLIK_API_KEY, QLIK_ADMIN_CLIENT_ID
      status 400: OAUTH-3, Grant type is not allowed for this client
      advice: oauth-request
    ");
}

/// 22, for clients that components of qlik-embed would need.
#[tokio::test]
async fn p22_the_client_that_impersonates() {
    let scene = Scene::with(|tenant| {
        let client = OauthClient::impersonating("embed", "secret");
        tenant.clients = vec![OauthClient { trusted: false, origins: Vec::new(), ..client }];
    })
    .await;
    insta::assert_snapshot!(scene.complaints().await, @"
    warning oauth-client: /api/v1/oauth-clients/embed
      its consent method is required
      advice: consent-not-trusted
    ");
    scene.tenant.control().change(|tenant| tenant.clients[0].trusted = true);
    insta::assert_snapshot!(scene.complaints().await, @"
    warning oauth-client: /api/v1/oauth-clients/embed
      trusted, and http://127.0.0.1:9 is none of its allowed origins
      advice: oauth-origin
    ");
    scene.tenant.control().change(|tenant| tenant.clients[0].origins = vec!["http://127.0.0.1:9".to_owned()]);
    assert_eq!(scene.complaints().await, "");
}

#[tokio::test]
async fn p22_the_api_key() {
    let mut scene = Scene::with(|tenant| tenant.api_keys.push(ApiKey::of_user("powerless"))).await;
    scene.set("QLIK_API_KEY", "expired");
    insta::assert_snapshot!(scene.complaints().await, @"
    failure administration: QLIK_API_KEY, QLIK_ADMIN_CLIENT_ID
      status 401: LOGIN-1, Unauthorized
      advice: admin-unauthorized
    ");
    scene.set("QLIK_API_KEY", "powerless");
    insta::assert_snapshot!(scene.complaints().await, @"
    warning administration: QLIK_API_KEY, QLIK_ADMIN_CLIENT_ID
      of auth0|somebody, who is no tenant administrator: not everything can be looked at
      do: make the API key as a user with the role TenantAdmin
    failure app: GET /api/v1/apps/a51a902d-76a9-4c53-85d2-066b44240146
      it is not there, or not for whom the right is
      advice: no-app
    ");
}

#[tokio::test]
async fn p24_there_is_no_product_info() {
    let scene = Scene::new().await;
    let path = "/resources/autogenerated/product-info.json";
    scene.tenant.control().refuse(path, Refusal::Unavailable, Times::Always);
    insta::assert_snapshot!(scene.complaints().await, @"
    warning product-info: GET TENANT/resources/autogenerated/product-info.json
      status 503: 503 Service Temporarily Unavailable
      advice: product-info
    ");
}

/// 25: the tenant answers under its other name.
#[tokio::test]
async fn p25_links_lead_elsewhere() {
    let other = "https://acme.eu.qlikcloud.test";
    let mut scene = Scene::with(|tenant| tenant.public_origin = Some(other.to_owned())).await;
    let address = format!("http://{}", scene.tenant.address());
    scene.set("QLIK_TENANT", &address);
    insta::assert_snapshot!(scene.complaints().await.replace(&address, "TENANT"), @"
    failure user: GET TENANT/api/v1/users/me
      it leads to TENANT: if that is this tenant's other name, set QLIK_TENANT to it
      advice: links-leave
    failure administration: QLIK_API_KEY, QLIK_ADMIN_CLIENT_ID
      status 301: no explanation
      advice: led-elsewhere
    ");
}

#[tokio::test]
async fn p26_too_many_logins() {
    let scene = Scene::new().await;
    scene.tenant.control().refuse("/login/jwt-session", Refusal::RateLimited { retry_after: 13 }, Times::Always);
    insta::assert_snapshot!(scene.complaints().await, @"
    failure login: POST TENANT/login/jwt-session
      status 429: HTTP-429, API rate limit reached., You need to wait 13 seconds until limit is lifted.
      advice: too-many-requests
    ");
}

#[tokio::test]
async fn p27_sessions_end_sooner_than_is_assumed() {
    let scene = Scene::with(|tenant| tenant.idle_timeout = Duration::from_secs(15 * 60)).await;
    insta::assert_snapshot!(scene.complaints().await, @"
    warning session-ages: GET /api/core/auth-settings
      userSessionInactivityTimeoutMinutes is 15, and QLIK_SESSION_IDLE is 30 minutes
      do: set QLIK_SESSION_IDLE and QLIK_SESSION_MAX to what the tenant says, or let sessions live longer there
      advice: session-idle
    ");
}

#[tokio::test]
async fn p28_selections_are_shared() {
    let mut scene = Scene::new().await;
    scene.set("QLIK_IDENTITY", "everybody");
    insta::assert_snapshot!(scene.complaints().await, @"
    warning selections: QLIK_IDENTITY, identity of pages
      one name for all sessions of a user: default (everybody)
      advice: selections-shared
    ");
}

/// 29: no theme is nothing bad, and says so.
#[tokio::test]
async fn p29_there_is_no_theme() {
    let scene = Scene::with(|tenant| tenant.switches.theme = Theme::NoAppProperties).await;
    let findings = scene.examine().await;
    let theme = findings.iter().filter(|finding| finding.check.id() == "theme");
    insta::assert_snapshot!(scene.lines(theme), @"
    pass theme: page default
      the app names none, so the tenant's own is used
      advice: no-theme
    ");
}

#[tokio::test]
async fn p30_sockets_are_refused_over_http_2() {
    let scene = Scene::new().await;
    scene.tenant.control().refuse("/app/", Refusal::Status(426), Times::Always);
    insta::assert_snapshot!(scene.complaints().await, @"
    failure engine: SOCKET/app/a51a902d-76a9-4c53-85d2-066b44240146
      the tenant refused the engine's socket with status 426: HTTP-426, Upgrade Required
      advice: http2-websocket
    ");
}

#[tokio::test]
async fn p31_the_certificate_ends_soon() {
    let scene = Scene::new().await;
    let pair = new_pair(10);
    write_pair(scene.folder.path(), &pair);
    scene.tenant.control().change(|tenant| tenant.providers[0].key = pair.certificate.clone());
    let complaints = scene.complaints().await;
    let (before, _) = complaints.split_once("until").expect("a date");
    insta::assert_snapshot!(before, @"
    warning configuration: environment, .env and CONFIG_FILE
      the certificate FOLDER/publickey.cer expires in 9 days: make a new key and identity provider
      do: see .env.example, the manual of all settings
    warning certificate: FOLDER/publickey.cer
      of this key, and valid for another 9 days only,
    ");
}
