//! The flow `proxy`: which requests are the tenant's, whose they are, and whether they may pass. How they pass is the affair of
//! [`crate::proxy`].

use std::ops::ControlFlow;
use std::sync::{Arc, Once};

use axum::extract::Request;
use axum::http::header::{ORIGIN, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse, Redirect, Response};
use moka::sync::Cache;
use tokio::sync::broadcast::error::RecvError;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::error::{Error, Wants};
use super::security::Headers;
use super::trail::{Journey, RequestId};
use super::visitor::Visit;
use super::{address, error, limited, upstream};
use crate::app::App;
use crate::audit::Caller;
use crate::limits::{Standing, Whom};
use crate::metrics;
use crate::origin::Origin;
use crate::proxy::sockets::SESSION_ENDED;
use crate::proxy::{Refused, Target};
use crate::traces;

pub mod entry;
mod guest;
mod origins;
mod own;
mod pass;
mod socket;

use guest::{Guest, Guests, cookie_name};

/// Paths of ours. None of them is ever the tenant's, whatever `PROXY_PATHS` says.
const OURS: [&str; 19] = [
    "/admin",
    "/embed",
    "/login",
    "/logout",
    "/session",
    "/token",
    "/access-token",
    "/csrf-token",
    "/app-sheets",
    "/hypercube",
    "/user-attributes",
    "/config",
    "/gallery",
    "/flow",
    "/hand-over",
    "/healthz",
    "/readyz",
    "/static",
    "/favicon.ico",
];
/// Where the page makes its visitor known at the sibling origin.
const HAND_OVER: &str = "/hand-over";
/// How many paths that were not passed on are remembered, so that each is logged once.
const MISSES: u64 = 1000;
/// No more of such a path is logged, in bytes.
const LONGEST_MISS: usize = 200;

/// At which of our origins a request arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// That of the pages.
    Portal,
    /// `PROXY_URL`: nothing but what is passed on of the tenant.
    Sibling,
}

/// Tells the tenant's paths from ours, and lets through what may pass.
pub struct Gate {
    app: App,
    headers: Headers,
    memory: Memory,
}

/// What the gate remembers, and gates that come after it. Clones share it.
#[derive(Clone)]
pub struct Memory(Arc<Parts>);

struct Parts {
    guests: Guests,
    own: own::Answers,
    misses: Cache<Box<str>, ()>,
    followed: Once,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Parts {
            guests: Guests::new(),
            own: own::Answers::default(),
            misses: Cache::builder().max_capacity(MISSES).build(),
            followed: Once::new(),
        }))
    }
}

/// What is left of a request when it has failed.
struct Head {
    id: RequestId,
    place: Place,
    wants: Wants,
    origin: Option<HeaderValue>,
}

impl Head {
    fn of(place: Place, request: &Request) -> Self {
        Self {
            id: RequestId(Uuid::new_v4()),
            place,
            wants: Wants::of(request.headers()),
            origin: request.headers().get(ORIGIN).cloned(),
        }
    }
}

impl Gate {
    /// A gate before the pages of this application, with these security headers on what is not the tenant's. The first one
    /// with this memory begins to follow what becomes of sessions, for itself and for those after it.
    pub fn new(app: App, headers: Headers, memory: &Memory) -> Self {
        memory.0.followed.call_once(|| {
            memory.follow_ends(&app);
            Memory::follow_use(&app);
        });
        Self { app, headers, memory: memory.clone() }
    }

    /// The answer to what is the tenant's, or the request for a page of ours.
    ///
    /// Proxied requests pass none of the layers of our pages: they have sessions, time limits and forms of their own, and
    /// come by the hundred.
    pub async fn take(&self, request: Request) -> ControlFlow<Response, Request> {
        let place = self.place(&request);
        let elsewhere = self.app.server.proxy_url.is_some();
        if place == Place::Portal && (elsewhere || is_ours(request.uri().path())) {
            return ControlFlow::Continue(request);
        }
        let head = Head::of(place, &request);
        let (parts, body) = request.into_parts();
        let target = self.app.proxy.target(&parts);
        let request = Request::from_parts(parts, body);
        if place == Place::Portal && matches!(target, Err(Refused::NotAllowed)) {
            Box::pin(self.log_miss(place, request.uri().path(), request.headers())).await;
            return ControlFlow::Continue(request);
        }
        let journey = Journey::begin(&self.app, self.origin(place), route_of(&target, &request), &request);
        let response = match journey.trace() {
            None => self.answer(&head, target, request).await,
            // With its id in the log lines, too, which is worth a span only then.
            Some(trace) => {
                let span = head.id.span_in(Some(trace.id()));
                Box::pin(trace.around(self.answer(&head, target, request).instrument(span))).await
            }
        };
        journey.end(response.status());
        ControlFlow::Break(response)
    }

    /// The answer to what is no page of ours.
    async fn answer(&self, head: &Head, target: Result<Target, Refused>, request: Request) -> Response {
        let mut standing = None;
        let passed = match target {
            Ok(target) => self.pass(head, &target, request, &mut standing).await,
            Err(Refused::NotAllowed) => return Box::pin(self.elsewhere(head, request)).await,
            Err(Refused::Malformed(why)) => Err(Error::BadTarget(why)),
            Err(Refused::TooLong) => Err(Error::LongTarget),
            Err(Refused::Method) => Err(Error::NoSuchMethod),
        };
        let mut response = passed.unwrap_or_else(|problem| self.failed(head, problem));
        limited::tell(response.headers_mut(), standing);
        response
    }

    fn origin(&self, place: Place) -> &Origin {
        match place {
            Place::Portal => &self.app.server.public_url,
            Place::Sibling => self.app.server.proxy_origin(),
        }
    }

    fn place(&self, request: &Request) -> Place {
        match &self.app.server.proxy_url {
            Some(origin) if is_host(address::host(&self.app, request), origin.authority()) => Place::Sibling,
            _ => Place::Portal,
        }
    }

    /// Passes it on, or says why not; and how the limit of its visitor stands, if they have one.
    async fn pass(
        &self,
        head: &Head,
        target: &Target,
        mut request: Request,
        standing: &mut Option<Standing>,
    ) -> Result<Response, Error> {
        let (Self { app, memory: Memory(parts), .. }, Head { place, id, .. }) = (self, head);
        let origin = origins::check(app, &request)?;
        let mut response = if origins::is_preflight(&request) {
            origins::preflight(&request)
        } else if let Some(answer) = parts.own.without_visitor(app, target, request.method()).await {
            answer
        } else {
            let caller = Caller { request: id.0, address: address::of_client(app, &request) };
            let asserted = upstream::asserted(app, caller, &mut request)?;
            let guest = match parts.guests.find(app, *place, request.headers()).await {
                Err(Error::SignedOut) if pass::is_for_anybody(app, target, &request) => {
                    let mut response = pass::as_nobody(app, target, request).await?;
                    origins::share(response.headers_mut(), origin);
                    return Ok(response);
                }
                found => found?,
            };
            upstream::agree(*place == Place::Portal, guest.identity(), asserted.as_ref())?;
            let is_socket = request.headers().contains_key(UPGRADE);
            match own::for_visitor(target, request.method()).filter(|_| !is_socket) {
                Some(answer) => answer,
                None => {
                    let refused;
                    (*standing, refused) = count(app, &guest, caller).await;
                    refused.map_or(Ok(()), Err)?;
                    if is_socket {
                        Box::pin(socket::open(app, &parts.guests, &guest, caller, target, request)).await?
                    } else {
                        pass::on(app, &guest, caller, target, request).await?
                    }
                }
            }
        };
        origins::share(response.headers_mut(), origin);
        Ok(response)
    }

    /// At the sibling origin, everything that is not the tenant's.
    async fn elsewhere(&self, head: &Head, request: Request) -> Response {
        let path = request.uri().path();
        // Where clients go that take themselves for signed out (Qlik Cloud facts, section G.2), and people who type.
        if request.method() == Method::GET && matches!(path, "/login" | "/logout" | "/") {
            let query = request.uri().query().filter(|_| path == "/login");
            let query = query.map(|query| format!("?{query}")).unwrap_or_default();
            let there = format!("{}{path}{query}", self.app.server.public_url);
            let mut response = Redirect::to(&there).into_response();
            self.headers.add(response.headers_mut());
            return response;
        }
        if path != HAND_OVER {
            self.log_miss(Place::Sibling, path, request.headers()).await;
            return self.failed(head, Error::NoSuchPage);
        }
        match entry::enter(&self.app, request).await {
            Ok(mut response) => {
                self.headers.add(response.headers_mut());
                response
            }
            Err(problem) => self.failed(head, problem),
        }
    }

    /// Tells once what a page of the tenant may have needed. Only for visitors, so that no scanner fills the log.
    async fn log_miss(&self, place: Place, path: &str, headers: &HeaderMap) {
        let is_new = path.len() <= LONGEST_MISS && path != "/" && !self.memory.0.misses.contains_key(path);
        if is_new && self.memory.0.guests.find(&self.app, place, headers).await.is_ok() {
            self.memory.0.misses.insert(path.into(), ());
            tracing::warn!(path, "not passed on; if pages of the tenant need it, add its beginning to PROXY_PATHS");
        }
    }

    fn failed(&self, head: &Head, problem: Error) -> Response {
        // With traces, everything here is in such a span already.
        let span = if traces::current().is_some() { Span::current() } else { head.id.span() };
        let response = span.in_scope(|| problem.into_response());
        let mut response = error::finish(&self.app, head.place, head.wants, head.id, response);
        self.headers.add(response.headers_mut());
        origins::share(
            response.headers_mut(),
            head.origin.clone().filter(|origin| origins::is_known(&self.app, origin)),
        );
        response
    }
}

impl Memory {
    /// Sessions that end, here or at another instance, are known no more, and their sockets close. Also while there is no gate:
    /// the sockets that were opened through an earlier one are still there.
    fn follow_ends(&self, app: &App) {
        let (mut ended, sockets, Self(parts)) = (app.store.ended(), app.sockets.clone(), self.clone());
        tokio::spawn(async move {
            loop {
                match ended.recv().await {
                    Ok(session) => {
                        parts.guests.forget(session);
                        sockets.end(session, SESSION_ENDED);
                    }
                    // Which they were is lost: everybody is looked at anew, and whoever had a socket opens another.
                    Err(RecvError::Lagged(_)) => {
                        parts.guests.forget_all();
                        sockets.end_all(SESSION_ENDED);
                    }
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }

    /// Whoever works with a sheet may send nothing but frames for hours: that counts as activity of their session. How long
    /// sessions live is the same in every application that shares these sockets.
    fn follow_use(app: &App) {
        let (mut used, app) = (app.sockets.used(), app.clone());
        tokio::spawn(async move {
            loop {
                match used.recv().await {
                    Ok(session) => match Visit::touch(&app, session).await {
                        Ok(()) | Err(Error::SignedOut) => {}
                        Err(problem) => tracing::warn!(%problem, "a visitor's activity could not be noted"),
                    },
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                }
            }
        });
    }
}

/// Counts a request of a visitor that is to be passed on; mostly without a look at the store.
async fn count(app: &App, guest: &Guest, caller: Caller) -> (Option<Standing>, Option<Error>) {
    let Some(quota) = app.quotas.proxy else { return (None, None) };
    let (counter, now) = (guest.counter(), app.clock.now());
    let verdict = match counter.take(quota, now) {
        None => Box::pin(app.limits.count(counter, quota, now)).await,
        known => known,
    };
    limited::judge(verdict, Whom::Identity(guest.identity()), caller)
}

/// As what it is counted.
fn route_of(target: &Result<Target, Refused>, request: &Request) -> &'static str {
    match target {
        Ok(_) => metrics::PROXY,
        Err(Refused::NotAllowed) if request.uri().path() == HAND_OVER => HAND_OVER,
        Err(_) => metrics::OTHER,
    }
}

fn is_ours(path: &str) -> bool {
    let begins = |ours: &str| path.strip_prefix(ours).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    path == "/" || OURS.iter().any(|ours| begins(ours))
}

/// Names of hosts have no case (RFC 9110, section 4.2.3).
fn is_host(host: Option<&str>, authority: &str) -> bool {
    host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
}
