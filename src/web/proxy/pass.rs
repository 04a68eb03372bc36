//! One request of a visitor, on to the tenant and back; with a session of the tenant's that is alive, and once more when it
//! turns out not to be.

use std::borrow::Cow;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, LOCATION, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::Response;
use bytes::Bytes;
use url::form_urlencoded;

use super::guest::Guest;
use super::own;
use crate::app::App;
use crate::audit::Caller;
use crate::errand::Visit;
use crate::proxy::{Credentials, Passed, Target};
use crate::tenant_session::TenantSession;
use crate::web::Error;

/// A body up to this size, in bytes, is held until the answer is there, so that it can be sent once more.
const REPEATABLE: u64 = 64 * 1024;
/// What redirects to the visitor's own address, which a proxy follows itself (Qlik Cloud facts, sections E and G.1).
const FOLLOWED: [&str; 2] = ["/api/v1/users/me", "/api/v1/tenants/me"];
const MOST_HOPS: usize = 3;
/// What browsers ask with when they look for a worker.
const WORKER: &str = "service-worker";

/// Passes a request on.
///
/// # Errors
/// When the visitor may not open the app, or there is no session of the tenant's, or no answer.
pub async fn on(
    app: &App,
    guest: &Guest,
    caller: Caller,
    target: &Target,
    request: Request,
) -> Result<Response, Error> {
    // A worker would stand between every page of this origin and us, for good (Service Workers, section 4.2.3).
    if request.headers().contains_key(WORKER) {
        return Err(Error::NoSuchPage);
    }
    if !apps_of(target).iter().all(|id| app.pages.opens_app(id, guest.identity())) {
        return Err(Error::UnlistedApp);
    }
    let (head, body) = request.into_parts();
    let locale = own::is_locale(target, &head.method);
    let body = Held::of(&head, body).await?;
    match (Passage { app, visit: guest.visit(caller), head }).run(target, body).await {
        Ok(response) if locale && !own::is_json(&response) => Ok(own::no_locale()),
        Err(Error::Passage(_)) if locale => Ok(own::no_locale()),
        other => other,
    }
}

/// Whether this is a script of the runtime that draws components. Pages of other origins load it from the tenant before anybody
/// is anybody there (Qlik Cloud facts, section H.3), so it is no visitor's. Browsers ask for the modules of another origin, such
/// as the sibling, without cookies (HTML, "fetch a single module script").
pub fn is_for_anybody(app: &App, target: &Target, request: &Request) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_more = [UPGRADE.as_str(), WORKER].iter().any(|name| request.headers().contains_key(*name));
    reads && !is_more && target.path().starts_with("/qlik-embed/") && app.pages.pass_components()
}

/// Passes on what is for anybody, in nobody's name.
///
/// # Errors
/// When there is no answer.
pub async fn as_nobody(app: &App, target: &Target, request: Request) -> Result<Response, Error> {
    let (head, _) = request.into_parts();
    let nobody = Credentials { cookies: HeaderValue::from_static(""), csrf: None };
    Ok(app.proxy.send(target, &head, Body::empty(), &nobody).await?.response)
}

/// A request under way.
struct Passage<'a> {
    app: &'a App,
    visit: Visit<'a>,
    head: Parts,
}

/// A body, held if it is small.
enum Held {
    Small(Bytes),
    Large(Option<Body>),
}

impl Held {
    async fn of(head: &Parts, body: Body) -> Result<Self, Error> {
        use http_body::Body as _;
        if body.is_end_stream() {
            return Ok(Self::Small(Bytes::new()));
        }
        let length = head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_none_or(|length| length > REPEATABLE) {
            return Ok(Self::Large(Some(body)));
        }
        let limit = usize::try_from(REPEATABLE).unwrap_or(usize::MAX);
        to_bytes(body, limit).await.map(Self::Small).map_err(|_| Error::BadTarget("its body ended too soon"))
    }

    /// The body, as often as it can be had.
    fn take(&mut self) -> Option<Body> {
        match self {
            Self::Small(bytes) if bytes.is_empty() => Some(Body::empty()),
            Self::Small(bytes) => Some(Body::from(bytes.clone())),
            Self::Large(body) => body.take(),
        }
    }
}

impl Passage<'_> {
    async fn run(self, target: &Target, mut body: Held) -> Result<Response, Error> {
        let (sessions, visit, clock) = (&self.app.tenant_sessions, self.visit, &self.app.clock);
        let mut session = sessions.get(&visit, clock.now()).await?;
        let mut passed = self.send(target, body.take(), &session).await?;
        if passed.is_signed_out() {
            session = Box::pin(sessions.renew(&visit, &session, clock.now())).await?;
            passed = self.send(target, body.take(), &session).await?;
            if passed.is_signed_out() {
                return Err(Error::TenantRefuses);
            }
        }
        let is_refused = passed.response.status() == StatusCode::FORBIDDEN && !self.head.method.is_safe();
        if is_refused && passed.misses_csrf().await {
            session = Box::pin(sessions.renew_csrf(&visit, &session, clock.now())).await?;
            passed = self.send(target, body.take(), &session).await?;
        }
        let mut response = passed.response;
        if self.head.method == Method::GET && FOLLOWED.contains(&target.path()) {
            response = Box::pin(self.follow(response, &session)).await?;
        }
        Ok(response)
    }

    /// Sends it, if there is a body to send: a large one can be had once.
    async fn send(&self, target: &Target, body: Option<Body>, session: &TenantSession) -> Result<Passed, Error> {
        let body = body.ok_or(Error::NotRepeated)?;
        let passed = self.app.proxy.send(target, &self.head, body, session.credentials()).await?;
        if !passed.set_cookies.is_empty() {
            let now = self.app.clock.now();
            Box::pin(self.app.tenant_sessions.absorb(&self.visit, session, &passed.set_cookies, now)).await;
        }
        Ok(passed)
    }

    async fn follow(&self, mut response: Response, session: &TenantSession) -> Result<Response, Error> {
        for _ in 0..MOST_HOPS {
            let Some(target) = self.leads_to(&response) else { break };
            response = self.send(&target, Some(Body::empty()), session).await?.response;
        }
        Ok(response)
    }

    /// Where a redirect leads, when that is the tenant again: its host is ours already in the answer.
    fn leads_to(&self, response: &Response) -> Option<Target> {
        if !response.status().is_redirection() {
            return None;
        }
        let location = response.headers().get(LOCATION)?.to_str().ok()?;
        let path = location.strip_prefix(self.app.server.proxy_origin().as_str()).unwrap_or(location);
        let (head, ()) = Request::get(path.parse::<Uri>().ok()?).body(()).ok()?.into_parts();
        self.app.proxy.target(&head).ok()
    }
}

/// The apps that a page of the tenant is asked to show (Qlik Cloud facts, section G): every one, so that none hides behind
/// another.
fn apps_of(target: &Target) -> Vec<Cow<'_, str>> {
    let (path, query) = (target.path(), target.query().unwrap_or_default());
    if path == "/single" || path.starts_with("/single/") {
        let pairs = form_urlencoded::parse(query.as_bytes());
        return pairs.filter(|(name, _)| name.eq_ignore_ascii_case("appid")).map(|(_, id)| id).collect();
    }
    let of_path = ["/sense/app/", "/app/"].iter().find_map(|before| path.strip_prefix(before));
    of_path.and_then(|rest| rest.split('/').next()).map(Cow::Borrowed).into_iter().collect()
}
