//! How a connection for an engine socket is asked for.

use std::time::Duration;

use http::{Request, request};
use qlik_embed_bff::proxy::{Credentials, Error, Tunnel, Upgrade};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::{Tenant, body_of, credentials, proxy_to};

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\
                        Set-Cookie: AWSALB=1\r\nStrict-Transport-Security: max-age=1\r\n\r\n";

fn handshake(path: &str) -> request::Parts {
    let request = Request::get(path)
        .header("host", "analytics.portal.example")
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "websocket")
        .header("origin", "https://analytics.portal.example")
        .header("cookie", "ours=1")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-extensions", "permessage-deflate; client_max_window_bits")
        .header("user-agent", "Browser/1");
    request.body(()).unwrap().into_parts().0
}

async fn upgrade(tenant: &Tenant, path: &str, credentials: &Credentials) -> Result<Upgrade, Error> {
    let head = handshake(path);
    let proxy = proxy_to(tenant);
    let target = proxy.target(&head).unwrap();
    proxy.upgrade(&target, &head, credentials).await
}

/// Says what it hears, after the first words.
async fn echo(mut line: super::tenant::Line, _number: usize) {
    line.head().await;
    line.say(format!("{ACCEPTED}first words")).await;
    let heard = line.body(5).await;
    line.say(heard).await;
}

#[tokio::test]
async fn the_connection_is_handed_over_with_what_came_along() {
    for tenant in [Tenant::start(echo).await, Tenant::start_tls(echo).await] {
        let path = "/app/7c3b/identity/x?reloadUri=a%2Fb&qlik-csrf-token=theirs&qlik-web-integration-id=w";
        let Ok(Upgrade::Accepted { response, set_cookies, mut io, read_ahead }) =
            upgrade(&tenant, path, &credentials()).await
        else {
            panic!("not accepted")
        };
        assert_eq!(response.status(), 101);
        let headers = response.headers();
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("sec-websocket-extensions", "permessage-deflate"),
        ] {
            assert_eq!(headers[name], value);
        }
        assert!(
            ["set-cookie", "strict-transport-security", "sec-websocket-protocol"]
                .iter()
                .all(|name| !headers.contains_key(*name))
        );
        assert_eq!(set_cookies, ["AWSALB=1"]);

        let mut heard = read_ahead.to_vec();
        let rest = async {
            match &mut io {
                Tunnel::Plain(stream) => {
                    stream.write_all(b"hello").await.unwrap();
                    stream.read_to_end(&mut heard).await.map(drop)
                }
                Tunnel::Tls(stream) => {
                    stream.write_all(b"hello").await.unwrap();
                    stream.read_to_end(&mut heard).await.map(drop)
                }
            }
        };
        // The tenant ends TLS without saying so.
        let _ = timeout(Duration::from_secs(5), rest).await.unwrap();
        assert_eq!(heard, b"first wordshello");

        let head = &tenant.heads()[0];
        let first = "get /app/7c3b/identity/x?reloaduri=a%2fb&qlik-csrf-token=csrf+of%2ftenant http/1.1";
        assert_eq!(head.lines().next().unwrap(), first);
        for line in [
            "connection: upgrade",
            "upgrade: websocket",
            "cookie: eas.sid=t",
            "sec-websocket-version: 13",
            "sec-websocket-key: dghlihnhbxbszsbub25jzq==",
            "sec-websocket-extensions: permessage-deflate; client_max_window_bits",
            "user-agent: browser/1",
        ] {
            assert_eq!(head.lines().filter(|found| *found == line).count(), 1, "{line}: {head}");
        }
        for absent in ["origin:", "ours=1", "sec-websocket-protocol", "analytics", "\nqlik-csrf"] {
            assert!(!head.contains(absent), "{absent}: {head}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_an_answer() {
    let tenant = Tenant::answering(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nSet-Cookie: a=b\r\nContent-Length: 23\r\n\r\n{\"code\":\"CSRF-TOKEN-2\"}",
    )
    .await;
    let credentials = Credentials { csrf: None, ..credentials() };
    let Ok(Upgrade::Refused(passed)) = upgrade(&tenant, "/app/7c3b", &credentials).await else { panic!("not refused") };
    assert_eq!(passed.response.status(), 403);
    assert_eq!(passed.set_cookies, ["a=b"]);
    assert_eq!(body_of(passed).await.unwrap(), "{\"code\":\"CSRF-TOKEN-2\"}");
    assert_eq!(tenant.heads()[0].lines().next().unwrap(), "get /app/7c3b http/1.1");
}

#[tokio::test]
async fn another_protocol_is_no_answer() {
    for answer in [
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 10",
    ] {
        let tenant = Tenant::start(move |mut line, _| async move {
            line.head().await;
            line.say(answer).await;
        })
        .await;
        let error = upgrade(&tenant, "/app/7c3b", &credentials()).await;
        assert!(matches!(error, Err(Error::Unusable(_) | Error::Broken(_))), "{answer}: {error:?}");
    }
}
