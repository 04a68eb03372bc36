//! Behind the proxy of a company's network: every call to the tenant takes it, ours and those of visitors.

use axum::http::StatusCode;
use futures_util::StreamExt;
use tokio_tungstenite::tungstenite::Error;

use super::{Proxied, assert_refused, clients};
use crate::passage::network::{Gateway, Mood};

#[tokio::test]
async fn calls_and_sockets_take_the_proxy() {
    let gateway = Gateway::start(Mood::Good).await;
    let (proxied, origin, mut ada) = clients::listening(&[("http_proxy", &gateway.url())]).await;
    let answer = ada.fetch("/api/v1/users/me").await;
    assert_eq!(answer.json()["subject"], "password|ada", "{}", answer.body);
    let login = format!("POST {}/login/jwt-session HTTP/1.1\r\n", proxied.tenant.origin());
    let heads = gateway.heads();
    assert!(heads.iter().any(|head| head.starts_with(&login)), "our own calls: {heads:?}");
    assert!(heads.iter().all(|head| head.to_lowercase().contains("proxy-authorization: basic")), "{heads:?}");
    let before = gateway.tunnels();
    assert!(before >= 1);
    let request = clients::socket_of(&origin, &ada, &origin);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a socket");
    let first = socket.next().await.expect("a message").expect("no error");
    assert!(first.to_text().expect("text").contains("SESSION_CREATED"), "{first}");
    assert_eq!(gateway.tunnels(), before + 1);

    gateway.change(Mood::Says("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"));
    let refused = tokio_tungstenite::connect_async(clients::socket_of(&origin, &ada, &origin)).await;
    let Err(Error::Http(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.status(), StatusCode::BAD_GATEWAY);
    let body = String::from_utf8_lossy(refused.body().as_deref().unwrap_or_default()).into_owned();
    assert!(body.contains("tenant_unreachable") && !body.contains("407"), "{body}");
    drop(socket);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_as_a_tenant_out_of_reach() {
    let gateway = Gateway::start(Mood::Says("HTTP/1.1 403 Forbidden\r\n\r\n")).await;
    let proxied = Proxied::with(&[("HTTP_PROXY", &gateway.url())], |_| {}).await;
    let mut ada = proxied.portal.signed_in("ada").await;
    assert_refused(&ada.fetch("/api/v1/features").await, StatusCode::BAD_GATEWAY, "tenant_unreachable");
    gateway.change(Mood::Good);
    assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
}

#[tokio::test]
async fn hosts_that_need_no_proxy_are_called_without() {
    let gateway = Gateway::start(Mood::Hangs).await;
    let changes = [("ALL_PROXY", gateway.url()), ("NO_PROXY", "localhost".to_owned())];
    let changes = changes.each_ref().map(|(name, value)| (*name, value.as_str()));
    let proxied = Proxied::with(&changes, |_| {}).await;
    let mut ada = proxied.portal.signed_in("ada").await;
    assert_eq!(ada.fetch("/api/v1/features").await.status, StatusCode::OK);
    assert_eq!(gateway.heads(), Vec::<String>::new());
}
