//! What lies between browsers, this server and the tenant, and the OpenID provider.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::any;
use qlik_embed_bff::app::App;
use qlik_embed_bff::clock::Clock;
use qlik_embed_bff::commands::serve;
use qlik_embed_bff::config;
use qlik_embed_bff::demo::{Refusal, Times};
use qlik_embed_bff::doctor::Finding;
use tokio::net::TcpListener;

use super::Scene;

/// 7: something on the way to the tenant sends requests twice, so that each token is used a second time.
#[tokio::test]
async fn p07_a_token_is_used_twice() {
    let mut scene = Scene::with(|tenant| tenant.switches.reasons_told = true).await;
    let tenant = scene.tenant.origin().to_owned();
    let twice = any(move |request: Request<Body>| send_twice(tenant.clone(), request));
    let relay = listen(Router::new().fallback(twice)).await;
    scene.set("QLIK_TENANT", &relay);
    let complaints = scene.complaints().await.replace(&relay, "RELAY");
    let login = complaints.split("failure").find(|finding| finding.starts_with(" login")).expect("a finding");
    insta::assert_snapshot!(login.trim(), @"
    login: POST RELAY/login/jwt-session
      status 401: LOGIN-1, Unauthorized, jti was used before
      advice: token-refused
    ");
}

#[expect(clippy::disallowed_methods, reason = "a client of the test's own")]
async fn send_twice(tenant: String, request: Request<Body>) -> Response<Body> {
    let (head, _) = request.into_parts();
    let path = head.uri.path_and_query().expect("a path").clone();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let send = || client.request(head.method.clone(), format!("{tenant}{path}")).headers(head.headers.clone()).send();
    let _ = send().await.expect("an answer");
    let second = send().await.expect("an answer");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = second.status();
    *response.headers_mut() = second.headers().clone();
    response.headers_mut().remove(header::TRANSFER_ENCODING);
    *response.body_mut() = Body::from(second.bytes().await.expect("a body"));
    response
}

async fn listen(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
    address
}

fn of_our_addresses(scene: &Scene, findings: &[Finding], address: &str) -> String {
    let ours = findings.iter().filter(|finding| matches!(finding.check.id(), "own-paths" | "token-endpoint"));
    scene.lines(ours).replace(address, "PORTAL")
}

/// As a browser meets it: the real server.
#[tokio::test]
async fn this_server_answers_at_its_own_addresses() {
    let mut scene = Scene::new().await;
    let listener = serve::bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    scene.set("PUBLIC_URL", &address);
    let config = config::load(&scene.env, Clock::default().now()).expect("a configuration").config;
    let app = App::open(config, Clock::default()).await.expect("a portal");
    tokio::spawn(serve::serve(app, listener));
    let findings = scene.examine().await;
    insta::assert_snapshot!(of_our_addresses(&scene, &findings, &address), @"
    pass own-paths: GET PORTAL/healthz
      this server answers
    pass token-endpoint: GET PORTAL/token
      401 for strangers, and nothing keeps it
    ");
}

/// 23: a sign-in page of something else answers in place of the token endpoint.
#[tokio::test]
async fn p23_something_else_answers() {
    let mut scene = Scene::new().await;
    let page = listen(Router::new().fallback(async || Html("<title>Sign in</title>"))).await;
    scene.set("PUBLIC_URL", &page);
    let findings = scene.examine().await;
    insta::assert_snapshot!(of_our_addresses(&scene, &findings, &page), @"
    failure own-paths: GET PORTAL/healthz
      something else answers, with status 200: Sign in
      advice: paths-not-served
    failure token-endpoint: GET PORTAL/token
      something else answers, with status 200: Sign in
      advice: embed-asks-to-authorize
    ");
}

/// 7, from the other side: what lies before this server keeps its answers.
#[tokio::test]
async fn p07_answers_are_kept() {
    let mut scene = Scene::new().await;
    let answer = async || {
        let headers = [(header::CACHE_CONTROL, "public, max-age=600"), (header::CONTENT_TYPE, "application/json")];
        (StatusCode::UNAUTHORIZED, headers, r#"{"error":"session_expired"}"#).into_response()
    };
    let cache = listen(Router::new().route("/token", any(answer))).await;
    scene.set("PUBLIC_URL", &cache);
    let findings = scene.examine().await;
    insta::assert_snapshot!(of_our_addresses(&scene, &findings, &cache), @"
    failure own-paths: GET PORTAL/healthz
      something else answers, with status 404: no explanation
      advice: paths-not-served
    failure token-endpoint: GET PORTAL/token
      the answer may be kept: cache-control is public, max-age=600
      advice: token-replayed
    ");
}

/// A provider that knows our redirect URI, one that does not, one with another name, and none at all.
#[tokio::test]
async fn the_provider_is_asked_whether_it_knows_us() {
    let document = |issuer: &str, own: &str| {
        format!(r#"{{"issuer":"{issuer}","jwks_uri":"{own}/keys","authorization_endpoint":"{own}/authorize"}}"#)
    };
    for (case, known, named) in [("known", true, true), ("unknown", false, true), ("another", true, false)] {
        let mut scene = Scene::new().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = format!("http://{}", listener.local_addr().expect("an address"));
        let text = document(if named { &own } else { "https://other.example" }, &own);
        let authorize = async move || match known {
            true => (
                StatusCode::SEE_OTHER,
                [(
                    header::LOCATION,
                    format!("{}/login/oidc/callback?error=login_required&state=doctor", super::PORTAL),
                )],
            )
                .into_response(),
            false => (StatusCode::BAD_REQUEST, Html("<title>invalid redirect_uri</title>")).into_response(),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", any(async move || text.clone()))
            .route("/keys", any(async || r#"{"keys":[{}]}"#))
            .route("/authorize", any(authorize));
        tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        for (name, value) in [("SIGN_IN", "oidc"), ("OIDC_ISSUER", own.as_str()), ("OIDC_CLIENT_ID", "portal")] {
            scene.set(name, value);
        }
        let findings = scene.examine().await;
        let of_provider = findings.iter().filter(|finding| matches!(finding.check.id(), "provider" | "redirect-uri"));
        insta::assert_snapshot!(case, scene.lines(of_provider).replace(&own, "PROVIDER"));
    }
}

/// What cannot be reached, and what is no tenant: said once, and the rest is skipped for that reason.
#[tokio::test]
async fn there_is_no_tenant() {
    let mut scene = Scene::new().await;
    scene.tenant.control().refuse("/", Refusal::NotAcceptablePage, Times::Always);
    insta::assert_snapshot!(scene.complaints().await, @"
    failure tenant-answers: GET TENANT/.well-known/oauth-authorization-server
      status 406: 406 Not Acceptable
      advice: request-refused
    failure login: POST TENANT/login/jwt-session
      status 406: 406 Not Acceptable
      advice: not-acceptable
    warning product-info: GET TENANT/resources/autogenerated/product-info.json
      status 406: 406 Not Acceptable
      advice: product-info
    failure administration: QLIK_API_KEY, QLIK_ADMIN_CLIENT_ID
      status 406: 406 Not Acceptable
      advice: request-refused
    ");
    scene.tenant.control().mend();
    let plain = scene.tenant.origin().to_owned();
    let encrypted = plain.replace("http:", "https:");
    scene.set("QLIK_TENANT", &encrypted);
    let complaints = scene.complaints().await.replace(&encrypted, "ENCRYPTED");
    assert!(complaints.starts_with("failure tenant-answers: GET ENCRYPTED/.well-known/"), "{complaints}");
    assert!(complaints.ends_with("advice: tls-failed"), "{complaints}");
    scene.set("QLIK_TENANT", &plain);
    scene.tenant.control().unplug().await;
    let complaints = scene.complaints().await;
    assert!(complaints.starts_with("failure tenant-answers: "), "{complaints}");
    assert!(complaints.ends_with("advice: connection-refused"), "{complaints}");
    let skipped = scene.examine().await;
    let of_tenant = skipped.iter().filter(|finding| finding.found == "the tenant does not answer");
    let of_tenant: Vec<_> = of_tenant.map(|finding| finding.check.id()).collect();
    assert_eq!(of_tenant, ["clock", "login", "preflight", "product-info", "administration"]);
}
