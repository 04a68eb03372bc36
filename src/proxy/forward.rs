//! Sends one request on, and gives its answer back while it is still coming.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version, request};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::connections::{Connection, Connections, Failed};
use super::{Credentials, Error, Passed, Proxy, Target, Upgrade};
use crate::metrics::{self, Direction};
use crate::traces::Call;

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("Upgrade");
/// How much of an answer's body may be there before the answer goes on, in bytes. A body that has come whole by then needs
/// nothing of what streaming takes.
const AHEAD: usize = 16 * 1024;
/// Up to this size, in bytes, the body of a request is counted before it is sent.
const SMALL: u64 = 64 * 1024;

impl Proxy {
    /// Sends one request on, once. Both bodies are streamed, at the pace of the slower side: nothing is kept of them.
    ///
    /// A connection that had waited may turn out to be closed. Then the request goes over a new one, if nothing of it was written,
    /// or if it has no body and may be repeated (RFC 9110, section 9.2.2).
    ///
    /// The answer's body fails with this room's [`Error`] when it breaks off, or when nothing comes for a minute. When it is
    /// dropped before its end, the tenant's connection is closed.
    ///
    /// # Errors
    /// When the tenant cannot be reached or does not answer. A minute without a byte in either direction is too long.
    pub async fn send(
        &self,
        target: &Target,
        head: &request::Parts,
        body: Body,
        credentials: &Credentials,
    ) -> Result<Passed, Error> {
        let call = self.call(&head.method);
        let sent = self.send_below(call.as_ref(), target, head, counted(body), credentials).await;
        tell(call, sent.as_ref().map(|passed| passed.response.status()));
        sent
    }

    /// The span of a request to the tenant, when there are traces.
    fn call(&self, method: &Method) -> Option<Call> {
        let tenant = &self.0.tenant;
        Call::begin(method, tenant.host(), tenant.port(), None)
    }

    async fn send_below(
        &self,
        call: Option<&Call>,
        target: &Target,
        head: &request::Parts,
        body: Body,
        credentials: &Credentials,
    ) -> Result<Passed, Error> {
        let may_repeat = body.is_end_stream() && is_idempotent(&head.method);
        let make = |body| {
            let mut headers = self.0.rules.to_tenant(target, head, credentials);
            if let Some(call) = call {
                call.announce(&mut headers);
            }
            make_request(head.method.clone(), target.path_and_query().clone(), headers, body)
        };
        let first = make(body);
        let (response, connection) = match self.0.connections.waiting() {
            None => self.send_over_new(first).await?,
            Some(mut connection) => match connection.answer(first).await {
                Ok(response) => (response, connection),
                Err(Failed { unsent: Some(request), .. }) => self.send_over_new(request).await?,
                Err(Failed { error: Error::Broken(_), .. }) if may_repeat => {
                    self.send_over_new(make(Body::empty())).await?
                }
                Err(Failed { error, .. }) => return Err(error),
            },
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Error::Unusable("it switches to another protocol unasked"));
        }
        Ok(self.pass(&head.method, response, connection).await)
    }

    async fn send_over_new(&self, request: Request<Body>) -> Result<(Response<Incoming>, Connection), Error> {
        // Rare and large, so it has a place of its own.
        let mut connection = Box::pin(self.0.connections.connect()).await?;
        let response = connection.answer(request).await.map_err(|failed| failed.error)?;
        Ok((response, connection))
    }

    /// Asks the tenant to speak the WebSocket protocol (RFC 6455, section 4.1) on a connection of its own. What the browser
    /// offers besides (version, key, extensions, subprotocols) passes as it is, and so does the answer.
    ///
    /// # Errors
    /// As for [`Proxy::send`]; and when the tenant switches to another protocol than was asked for.
    pub async fn upgrade(
        &self,
        target: &Target,
        head: &request::Parts,
        credentials: &Credentials,
    ) -> Result<Upgrade, Error> {
        let call = self.call(&Method::GET);
        let asked = self.upgrade_below(call.as_ref(), target, head, credentials).await;
        match &asked {
            // That one is counted as a socket.
            Ok(Upgrade::Accepted { response, .. }) => drop(call.map(|call| call.answered(response.status()))),
            Ok(Upgrade::Refused(passed)) => tell(call, Ok(passed.response.status())),
            Err(problem) => tell(call, Err(problem)),
        }
        asked
    }

    async fn upgrade_below(
        &self,
        call: Option<&Call>,
        target: &Target,
        head: &request::Parts,
        credentials: &Credentials,
    ) -> Result<Upgrade, Error> {
        let mut headers = self.0.rules.to_tenant(target, head, credentials);
        headers.insert(header::CONNECTION, UPGRADE);
        headers.insert(header::UPGRADE, WEBSOCKET);
        if let Some(call) = call {
            call.announce(&mut headers);
        }
        let path = target.for_upgrade(credentials.csrf.as_ref());
        let request = make_request(Method::GET, path, headers, Body::empty());
        let (response, connection) = self.send_over_new(request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Upgrade::Refused(self.pass(&head.method, response, connection).await));
        }
        let headers = response.into_parts().0.headers;
        let is_websocket = headers
            .get(header::UPGRADE)
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()));
        if !is_websocket {
            return Err(Error::Unusable("it switches to another protocol than WebSocket"));
        }
        let mut answer = self.0.rules.to_browser(headers);
        answer.headers.insert(header::CONNECTION, UPGRADE);
        answer.headers.insert(header::UPGRADE, WEBSOCKET);
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = answer.headers;
        let (io, read_ahead) = connection.into_tunnel().ok_or(Error::Unusable("its connection is gone"))?;
        Ok(Upgrade::Accepted { response, set_cookies: answer.set_cookies, io, read_ahead })
    }

    async fn pass(&self, method: &Method, response: Response<Incoming>, connection: Connection) -> Passed {
        let (head, incoming) = response.into_parts();
        let mut answer = self.0.rules.to_browser(head.headers);
        let mut download = Download::new(connection, incoming, Arc::clone(&self.0.connections));
        let whole = download.read_ahead().await;
        let body = self.0.links.rewrite(method, head.status, &mut answer.headers, whole, download);
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = answer.headers;
        Passed { response, set_cookies: answer.set_cookies, leads_to_login: answer.leads_to_login }
    }
}

/// Counts what the tenant answered, and ends the span.
fn tell(call: Option<Call>, answered: Result<StatusCode, &Error>) {
    match answered {
        Ok(status) => metrics::tenant_answered(Some(status)),
        // That one is the visitor's.
        Err(Error::Request(_)) => {}
        Err(_) => metrics::tenant_answered(None),
    }
    let Some(call) = call else { return };
    match answered {
        Ok(status) => call.answered(status),
        Err(problem) => call.failed(match problem {
            Error::Unreachable(_) | Error::NoWayOut(_) => "connect",
            Error::TimedOut => "timeout",
            Error::Broken(_) | Error::Request(_) | Error::Unusable(_) => "_OTHER",
        }),
    }
}

/// The same body; its bytes count as they pass. One that is small counts at once, so that it stays what it is.
fn counted(body: Body) -> Body {
    if !metrics::is_on() || body.is_end_stream() {
        return body;
    }
    match body.size_hint().exact() {
        Some(size) if size <= SMALL => {
            metrics::passed(Direction::ToTenant, size);
            body
        }
        _ => Body::new(body.map_frame(|frame| {
            metrics::passed(Direction::ToTenant, frame.data_ref().map_or(0, |data| data.len() as u64));
            frame
        })),
    }
}

fn make_request(method: Method, path: PathAndQuery, headers: HeaderMap, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(path);
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    request
}

/// What has the same effect when it is done twice (RFC 9110, section 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

/// The body of an answer on its way. It moves the connection that it comes over, and gives it back at its end.
pub(super) struct Download {
    under_way: Option<(Connection, Incoming)>,
    connections: Arc<Connections>,
    /// What came together with the head.
    ahead: VecDeque<Result<Bytes, Error>>,
}

impl Download {
    fn new(connection: Connection, incoming: Incoming, connections: Arc<Connections>) -> Self {
        Self { under_way: Some((connection, incoming)), connections, ahead: VecDeque::new() }
    }

    /// Reads what has come already, if it is not much. Some when that is the whole body.
    async fn read_ahead(&mut self) -> Option<Bytes> {
        let mut size = 0;
        while size < AHEAD {
            let next = poll_fn(|cx| match self.poll_next(cx) {
                Poll::Ready(next) => Poll::Ready(Some(next)),
                Poll::Pending => Poll::Ready(None),
            });
            match next.await {
                None => return None,
                Some(Some(piece)) => {
                    size += piece.as_ref().map_or(AHEAD, Bytes::len);
                    self.ahead.push_back(piece);
                }
                Some(None) => return Some(self.join_ahead()),
            }
        }
        None
    }

    fn join_ahead(&mut self) -> Bytes {
        let mut pieces = mem::take(&mut self.ahead).into_iter().flatten();
        let first = pieces.next().unwrap_or_default();
        match pieces.next() {
            None => first,
            Some(second) => [first, second].into_iter().chain(pieces).flatten().collect(),
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let Some((connection, incoming)) = &mut self.under_way else { return Poll::Ready(None) };
            if incoming.is_end_stream() {
                self.end();
                return Poll::Ready(None);
            }
            let piece = match ready!(connection.poll_frame(cx, incoming)) {
                None => None,
                Some(Err(error)) => {
                    self.under_way = None;
                    return Poll::Ready(Some(Err(error)));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        metrics::passed(Direction::ToBrowser, data.len() as u64);
                        Some(data)
                    }
                    // Trailers are headers that nobody has looked at.
                    Err(_) => continue,
                },
            };
            if piece.is_none() || incoming.is_end_stream() {
                self.end();
            }
            return Poll::Ready(piece.map(Ok));
        }
    }

    fn end(&mut self) {
        if let Some((connection, incoming)) = self.under_way.take() {
            // Its end would wake this task, which knows.
            connection.let_go();
            drop(incoming);
            self.connections.keep(connection);
        }
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let piece = match self.ahead.pop_front() {
            Some(piece) => Some(piece),
            None => ready!(self.poll_next(cx)),
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.under_way.is_none() && self.ahead.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        // What breaks off must not look like a body that is shorter.
        let lengths = self.ahead.iter().map(|piece| piece.as_ref().ok().map(|piece| piece.len() as u64));
        let Some(ahead) = lengths.sum::<Option<u64>>() else { return SizeHint::default() };
        let rest =
            self.under_way.as_ref().map_or_else(|| SizeHint::with_exact(0), |(_, incoming)| incoming.size_hint());
        let mut all = SizeHint::new();
        all.set_lower(rest.lower() + ahead);
        if let Some(upper) = rest.upper() {
            all.set_upper(upper + ahead);
        }
        all
    }
}
