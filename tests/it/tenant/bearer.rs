//! Section M 20, and 12 for access tokens: from which origins they may be used, and what opens a socket.

use qlik_embed_bff::demo::{self, HandshakeRefusal, OauthClient};
use reqwest::{Method, Response, header};

use super::oauth::{embedding, exchange_of, exchanged};
use super::site::{End, PORTAL, Site, Visitor};

const CLIENT: &str = "embedding";
const EVIL: &str = "https://evil.example";

/// Who may read the answer, and with cookies?
fn shared(response: &Response) -> (Option<&str>, bool) {
    let text = |name| response.headers().get(name).map(|value| value.to_str().unwrap());
    let credentials = text(header::ACCESS_CONTROL_ALLOW_CREDENTIALS) == Some("true");
    (text(header::ACCESS_CONTROL_ALLOW_ORIGIN), credentials)
}

async fn preflight(site: &Site, path: &str, origin: &str) -> Response {
    let request = site.ask(Method::OPTIONS, path).header(header::ORIGIN, origin);
    let request = request.header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST");
    request.header(header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type").send().await.unwrap()
}

async fn with_token(site: &Site, token: &str, origin: &str) -> Response {
    let request = site.ask(Method::GET, "/api/v1/user-locale").bearer_auth(token);
    request.header(header::ORIGIN, origin).send().await.unwrap()
}

#[tokio::test]
async fn a_token_is_used_where_its_client_lists_the_origin() {
    let site = embedding(|_| {}).await;
    let token = site.control().access_token_of(CLIENT, "ada").unwrap();
    let good = with_token(&site, &token, PORTAL).await;
    assert_eq!((good.status().as_u16(), shared(&good)), (200, (Some(PORTAL), false)));
    for origin in [EVIL, "https://another.example", "null"] {
        let refused = with_token(&site, &token, origin).await;
        assert_eq!((refused.status().as_u16(), shared(&refused).0), (401, None), "{origin}");
    }
    site.control().change(|settings| {
        settings.switches.token_origin_status = 403;
        settings.switches.cors_on_foreign_origin = true;
    });
    let refused = with_token(&site, &token, EVIL).await;
    assert_eq!((refused.status().as_u16(), shared(&refused).0), (403, Some(EVIL)));

    site.control().expire_tokens();
    for token in [token.as_str(), "never-given"] {
        let over = with_token(&site, token, PORTAL).await;
        assert_eq!((over.status().as_u16(), shared(&over)), (401, (Some(PORTAL), false)), "the page has to read it");
    }
    let without = site.ask(Method::GET, "/api/v1/user-locale").header(header::ORIGIN, PORTAL).send().await.unwrap();
    assert_eq!((without.status().as_u16(), shared(&without).0), (403, None), "no token and no web integration");
    let key = with_token(&site, super::admin::API_KEY, PORTAL).await;
    assert_eq!((key.status().as_u16(), shared(&key).0), (403, None), "an API key is not for browsers");
}

#[tokio::test]
async fn preflights_carry_no_token_and_pass_where_some_client_lists_the_origin() {
    let site = embedding(|_| {}).await;
    let rest = preflight(&site, "/api/v1/users/me", PORTAL).await;
    assert_eq!((rest.status().as_u16(), shared(&rest)), (204, (Some(PORTAL), false)));
    let allowed = rest.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
    for name in ["authorization", "content-type", "qlik-api-version"] {
        assert!(allowed.split(", ").any(|header| header == name), "{name}");
    }
    let refused = preflight(&site, "/api/v1/users/me", EVIL).await;
    assert_eq!((refused.status().as_u16(), shared(&refused).0), (403, None));

    let exchange = preflight(&site, "/oauth/token", PORTAL).await;
    assert_eq!((exchange.status().as_u16(), shared(&exchange)), (204, (Some(PORTAL), true)), "with credentials");
    assert_eq!(shared(&preflight(&site, "/oauth/token", EVIL).await).0, None);
    let token = site.control().access_token_of(CLIENT, "ada").unwrap();
    let post = async |origin: &str| {
        let request = site.ask(Method::POST, "/oauth/token").header(header::ORIGIN, origin);
        super::admin::json_body(request, &exchange_of(&token, "websocket")).send().await.unwrap()
    };
    let given = post(PORTAL).await;
    assert_eq!((given.status().as_u16(), shared(&given)), (200, (Some(PORTAL), true)));
    let refused = post("https://another.example").await;
    assert_eq!((refused.status().as_u16(), shared(&refused).0), (401, None));
}

#[tokio::test]
async fn sockets_take_what_was_exchanged_for_them() {
    let site = embedding(|_| {}).await;
    let token = site.control().access_token_of(CLIENT, "ada").unwrap();
    let nobody = Visitor { site: &site, cookies: String::new() };
    let open = async |token: &str, origin: &str| {
        let path = format!("/app/{}?accessToken={token}", demo::APP_ID);
        nobody.try_socket_from(&path, Some(origin)).await
    };
    let ticket = exchanged(&site, &token, "websocket").await;
    let mut socket = open(&ticket, PORTAL).await.unwrap();
    assert_eq!(socket.hear().await["params"]["qSessionState"], "SESSION_CREATED");
    assert_eq!(site.control().sockets()[0].subject, "ada");
    assert!(open(&ticket, PORTAL).await.is_ok(), "again");
    assert_eq!(open(&ticket, EVIL).await.err(), Some(401), "from elsewhere");
    assert_eq!(open(&exchanged(&site, &token, "webresource").await, PORTAL).await.err(), Some(401));
    assert!(nobody.try_socket_with(&format!("/app/{}", demo::APP_ID), &token).await.is_ok(), "in the header");
    assert_eq!(nobody.try_socket_with(&format!("/app/{}", demo::APP_ID), &ticket).await.err(), Some(401));

    site.control().change(|settings| settings.switches.exchanged_once = true);
    assert!(open(&ticket, PORTAL).await.is_ok());
    assert_eq!(open(&ticket, PORTAL).await.err(), Some(401), "used up");
    assert!(open(&token, PORTAL).await.is_ok(), "not exchanged at all");
    site.control().change(|settings| settings.switches.exchange_required = true);
    assert_eq!(open(&token, PORTAL).await.err(), Some(401));

    let ticket = exchanged(&site, &token, "websocket").await;
    site.control().disable_user("ada");
    assert_eq!(open(&ticket, PORTAL).await.err(), Some(401), "disabled since");
    assert_eq!(with_token(&site, &token, PORTAL).await.status(), 401);
    site.control().change(|settings| settings.switches.handshake_refusal = HandshakeRefusal::CloseCode);
    let refused = End::Closed(4006, "Authentication failed".into());
    assert_eq!(open(&ticket, PORTAL).await.unwrap().end().await, refused);
}

#[tokio::test]
async fn an_open_socket_outlives_its_token_unless_told_not_to() {
    let site = embedding(|_| {}).await;
    let nobody = Visitor { site: &site, cookies: String::new() };
    let open = async || {
        let token = site.control().access_token_of(CLIENT, "ada").unwrap();
        let ticket = exchanged(&site, &token, "websocket").await;
        let path = format!("/app/{}?accessToken={ticket}", demo::APP_ID);
        let mut socket = nobody.try_socket(&path).await.unwrap();
        socket.hear().await;
        (token, socket)
    };
    let (token, mut socket) = open().await;
    site.control().revoke_token(&token);
    assert!(socket.call(-1, "EngineVersion", serde_json::json!([])).await["result"].is_object());
    site.control().change(|settings| settings.switches.sockets_end_with_token = true);
    let (token, mut socket) = open().await;
    site.control().revoke_token(&token);
    assert_eq!(socket.end().await, End::Closed(4006, "Authentication failed".into()));
}

#[tokio::test]
async fn a_web_integration_and_a_client_stand_side_by_side() {
    let site = embedding(|settings| {
        settings.clients = vec![OauthClient::impersonating(CLIENT, "s3cret").at(["https://spa.example"])];
        settings.web_integrations = vec![demo::WebIntegration::new(demo::WEB_INTEGRATION_ID, [PORTAL])];
    })
    .await;
    let token = site.control().access_token_of(CLIENT, "ada").unwrap();
    let request = site.ask(Method::GET, "/api/v1/user-locale").bearer_auth(&token).header(header::ORIGIN, PORTAL);
    let by_integration = request.header("qlik-web-integration-id", demo::WEB_INTEGRATION_ID).send().await.unwrap();
    assert_eq!((by_integration.status().as_u16(), shared(&by_integration)), (200, (Some(PORTAL), true)));
    assert_eq!(with_token(&site, &token, PORTAL).await.status(), 401);
    assert_eq!(with_token(&site, &token, "https://spa.example").await.status(), 200);
    assert_eq!(shared(&preflight(&site, "/api/v1/users/me", PORTAL).await), (Some(PORTAL), true));
    assert!(!shared(&preflight(&site, "/api/v1/users/me", "https://spa.example").await).1);
}
