//! A tenant with one key that it trusts, and visitors who hold its cookies.

use std::{sync::LazyLock, time::Duration};

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use qlik_embed_bff::demo::{self, CspOrigin, IdentityProvider, Settings, Tenant, WebIntegration};
use reqwest::{Method, RequestBuilder, Response, header};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::CloseFrame},
};

/// The portal's origin in these tests.
pub const PORTAL: &str = "https://portal.example";
pub const ISSUER: &str = "portal";
pub const KEY_ID: &str = "key-1";

/// One RSA key for all tests, with its public key and its certificate.
pub static KEY: LazyLock<Key> = LazyLock::new(Key::generate);

pub struct Key {
    pub private: String,
    pub public: String,
    pub certificate: String,
}

impl Key {
    pub fn generate() -> Self {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let certificate = parameters.self_signed(&pair).unwrap().pem();
        Self { private: pair.serialize_pem(), public: pair.public_key_pem(), certificate }
    }

    pub fn sign(&self, header: &Header, claims: &Value) -> String {
        jsonwebtoken::encode(header, claims, &EncodingKey::from_rsa_pem(self.private.as_bytes()).unwrap()).unwrap()
    }
}

pub fn jwt_header() -> Header {
    Header { kid: Some(KEY_ID.into()), ..Header::new(Algorithm::RS256) }
}

pub struct Site {
    pub tenant: Tenant,
    http: reqwest::Client,
}

impl Site {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(edit: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings {
            providers: vec![IdentityProvider::new(ISSUER, KEY_ID, &KEY.public)],
            web_integrations: vec![WebIntegration::new(demo::WEB_INTEGRATION_ID, [PORTAL])],
            csp_origins: vec![CspOrigin::framing("portal.example")],
            ..Settings::default()
        };
        edit(&mut settings);
        let tenant = Tenant::start(settings).await.unwrap();
        let http = client(&tenant);
        Self { tenant, http }
    }

    pub fn control(&self) -> &demo::Control {
        self.tenant.control()
    }

    /// The claims of a token that is accepted, and never the same `jti` twice.
    pub fn claims(&self) -> Value {
        let now = self.control().now().unix_timestamp();
        json!({
            "iss": ISSUER, "aud": "qlik.api/login/jwt-session", "jti": uuid::Uuid::new_v4().to_string(),
            "sub": "ada", "subType": "user", "name": "Ada Lovelace", "email": "ada@portal.example", "email_verified": true,
            "groups": ["analysts"], "iat": now, "nbf": now - 5, "exp": now + 60,
        })
    }

    pub fn token(&self, edit: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims();
        edit(&mut claims);
        KEY.sign(&jwt_header(), &claims)
    }

    /// A request without cookies.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.tenant.origin()))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    pub async fn post_token(&self, token: &str) -> Response {
        self.ask(Method::POST, "/login/jwt-session").bearer_auth(token).send().await.unwrap()
    }

    /// Signs in; `sub` is the subject and, capitalised by nobody, the name as well.
    pub async fn visitor(&self, sub: &str) -> Visitor<'_> {
        let token = self.token(|claims| {
            claims["sub"] = sub.into();
            claims["name"] = sub.into();
            claims["email"] = format!("{sub}@portal.example").into();
        });
        let response = self.post_token(&token).await;
        assert_eq!(response.status(), 200);
        Visitor { site: self, cookies: jar(&response) }
    }

    /// Waits until something is so. Bounded, so that a test fails instead of hanging.
    pub async fn until(&self, so: impl Fn(&demo::Control) -> bool) {
        for _ in 0..500 {
            if so(self.control()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited five seconds in vain");
    }
}

/// The cookies of an answer as a browser would send them back.
pub fn jar(response: &Response) -> String {
    let lines = response.headers().get_all(header::SET_COOKIE).iter();
    let pairs: Vec<&str> = lines.map(|line| line.to_str().unwrap().split(';').next().unwrap()).collect();
    pairs.join("; ")
}

#[expect(clippy::disallowed_methods, reason = "a browser's stand-in: no redirects, no cookie jar, no product code")]
fn client(tenant: &Tenant) -> reqwest::Client {
    // Installed by whichever test comes first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let builder =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(10));
    // A tenant of another name, and with a certificate of its own making, is found on loopback all the same.
    let origin = reqwest::Url::parse(tenant.origin()).unwrap();
    let builder = builder.resolve(origin.host_str().unwrap(), tenant.address()).tls_danger_accept_invalid_certs(true);
    builder.build().unwrap()
}

pub struct Visitor<'a> {
    pub site: &'a Site,
    pub cookies: String,
}

impl Visitor<'_> {
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.site.ask(method, path).header(header::COOKIE, &self.cookies)
    }

    pub async fn get(&self, path: &str) -> Response {
        self.ask(Method::GET, path).send().await.unwrap()
    }

    pub async fn csrf(&self) -> String {
        let response = self.get("/api/v1/csrf-token").await;
        assert_eq!(response.status(), 204);
        response.headers()["qlik-csrf-token"].to_str().unwrap().to_owned()
    }

    /// Opens an engine socket; `path` follows the app, such as `/identity/x`.
    pub async fn socket(&self, path: &str) -> Socket {
        let socket =
            self.try_socket(&format!("/app/{}{path}?qlik-csrf-token={}", demo::APP_ID, self.csrf().await)).await;
        socket.expect("the handshake is accepted")
    }

    /// A socket that has heard `OnConnected` and opened the app.
    pub async fn document(&self, path: &str) -> Socket {
        let mut socket = self.socket(path).await;
        assert_eq!(socket.hear().await["method"], "OnConnected");
        let answer = socket.call(-1, "OpenDoc", json!([demo::APP_ID])).await;
        assert_eq!(answer["result"]["qReturn"]["qHandle"], 1);
        socket
    }

    /// The status of a refused handshake, or the socket.
    pub async fn try_socket(&self, path: &str) -> Result<Socket, u16> {
        self.try_socket_from(path, None).await
    }

    pub async fn try_socket_from(&self, path: &str, origin: Option<&str>) -> Result<Socket, u16> {
        let origin = origin.map(|origin| (header::ORIGIN, origin.to_owned()));
        self.connect(path, origin.into_iter().collect()).await
    }

    /// With a key or an access token.
    pub async fn try_socket_with(&self, path: &str, bearer: &str) -> Result<Socket, u16> {
        self.connect(path, vec![(header::AUTHORIZATION, format!("Bearer {bearer}"))]).await
    }

    async fn connect(&self, path: &str, headers: Vec<(header::HeaderName, String)>) -> Result<Socket, u16> {
        let mut request = format!("ws://{}{path}", self.site.tenant.address()).into_client_request().unwrap();
        request.headers_mut().insert(header::COOKIE, self.cookies.parse().unwrap());
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        match tokio_tungstenite::connect_async(request).await {
            Ok((wire, _)) => Ok(Socket { wire, last_id: 0 }),
            Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }
}

pub struct Socket {
    wire: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_id: u64,
}

/// How a socket ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With a close frame: code and reason. 1005 where it has none.
    Closed(u16, String),
    /// Without one.
    Broken,
}

impl Socket {
    /// The next text message.
    pub async fn hear(&mut self) -> Value {
        match self.next().await {
            Ok(message) => message,
            Err(end) => panic!("the socket ended: {end:?}"),
        }
    }

    /// The next text message, or the end.
    pub async fn next(&mut self) -> Result<Value, End> {
        loop {
            match timeout(Duration::from_secs(5), self.wire.next()).await.expect("something is heard in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return Err(End::Closed(code.into(), reason.to_string()));
                }
                Some(Ok(Message::Close(None))) => return Err(End::Closed(1005, String::new())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(End::Broken),
            }
        }
    }

    /// How it ends, whatever is said before.
    pub async fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.next().await {
                return end;
            }
        }
    }

    /// Waits for a ping frame.
    pub async fn pinged(&mut self) -> bool {
        let ping = async {
            loop {
                match self.wire.next().await {
                    Some(Ok(Message::Ping(_))) => return true,
                    Some(Ok(_)) => {}
                    _ => return false,
                }
            }
        };
        timeout(Duration::from_secs(5), ping).await.unwrap_or(false)
    }

    pub async fn say(&mut self, text: &str) {
        self.wire.send(Message::text(text)).await.unwrap();
    }

    /// Calls a method and returns the whole answer.
    pub async fn call(&mut self, handle: i64, method: &str, params: Value) -> Value {
        self.call_with(handle, method, params, json!({})).await
    }

    pub async fn call_with(&mut self, handle: i64, method: &str, params: Value, more: Value) -> Value {
        self.last_id += 1;
        let mut request =
            json!({ "jsonrpc": "2.0", "id": self.last_id, "handle": handle, "method": method, "params": params });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.say(&request.to_string()).await;
        let answer = self.hear().await;
        assert_eq!(answer["id"], self.last_id, "{answer}");
        answer
    }

    /// Calls a method of the app (handle 1) that returns a handle.
    pub async fn handle(&mut self, method: &str, params: Value) -> i64 {
        let answer = self.call(1, method, params).await;
        answer["result"]["qReturn"]["qHandle"].as_i64().unwrap_or_else(|| panic!("{answer}"))
    }

    /// The text in the first column of an object's cube.
    pub async fn bars(&mut self, handle: i64) -> Vec<String> {
        let answer = self.call(handle, "GetLayout", json!([])).await;
        let rows = answer["result"]["qLayout"]["qHyperCube"]["qDataPages"][0]["qMatrix"].as_array().unwrap().clone();
        rows.iter().map(|row| row[0]["qText"].as_str().unwrap().to_owned()).collect()
    }

    /// Leaves politely.
    pub async fn leave(mut self) {
        self.wire.close(None).await.unwrap();
        while let Some(Ok(_)) = self.wire.next().await {}
    }
}
