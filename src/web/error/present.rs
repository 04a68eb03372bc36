//! Failures in the form that their sender can use: a page, a page for frames, or JSON.

use askama::Template;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde_json::json;

use super::failure::{Failure, ForAdmin, Way};
use crate::app::App;
use crate::web::proxy::Place;
use crate::web::trail::RequestId;
use crate::web::{assets, limited, policy};

/// In which form the sender of a request can use an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// A browser's window or tab: a page, and redirects.
    Page,
    /// A frame in somebody's page: a page, but never the sign-in form.
    Frame,
    /// A script or a program: JSON.
    Data,
}

impl Wants {
    /// By `Sec-Fetch-Dest`; browsers that do not send it, by `Accept`.
    pub fn of(headers: &HeaderMap) -> Self {
        let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        match header("sec-fetch-dest") {
            Some("document") => Self::Page,
            Some("iframe" | "frame" | "embed" | "object") => Self::Frame,
            Some(_) => Self::Data,
            None if header("accept").is_some_and(|accept| accept.contains("text/html")) => Self::Page,
            None => Self::Data,
        }
    }
}

/// What the layers inside have added and a failure keeps. The rest described the body that is replaced.
const KEPT: [HeaderName; 9] = [
    SET_COOKIE,
    VARY,
    ALLOW,
    REFERRER_POLICY,
    ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_ALLOW_CREDENTIALS,
    HeaderName::from_static("cross-origin-resource-policy"),
    limited::POLICY,
    limited::STANDING,
];

/// Turns what handlers and layers report as failures into what their sender can read.
pub async fn present(State(app): State<App>, request: Request, next: Next) -> Response {
    let wants = Wants::of(request.headers());
    let id = request.extensions().get::<RequestId>().copied().unwrap_or_default();
    let response = next.run(request).await;
    finish(&app, Place::Portal, wants, id, response)
}

/// The answer in the form that its receiver can use, if it is a failure.
pub fn finish(app: &App, place: Place, wants: Wants, id: RequestId, response: Response) -> Response {
    let mut status = response.status();
    let failure = match response.extensions().get::<Failure>() {
        Some(failure) => failure.clone(),
        // All failures of ours are named. This one is the session layer's, when it could not write a session.
        None if status == StatusCode::INTERNAL_SERVER_ERROR && !has_own_words(&response) => {
            status = StatusCode::SERVICE_UNAVAILABLE;
            Failure::of_status(status)
        }
        // Handlers that answer in their own words do so in HTML or JSON; layers and extractors give plain text or nothing.
        None if is_error(status) && !has_own_words(&response) => Failure::of_status(status),
        None => return response,
    };
    let mut presented = match (wants, status) {
        (Wants::Page, StatusCode::UNAUTHORIZED) => Redirect::to(&at_portal(app, place, "/login")).into_response(),
        (Wants::Page | Wants::Frame, _) => page(app, place, wants, status, &failure, id),
        (Wants::Data, _) => {
            let mut body = json!({ "error": failure.code, "message": failure.message, "request_id": id.to_string() });
            if let Some(ForAdmin { advice, told }) = &failure.for_admin {
                body["advice"] = advice.id.into();
                if let Some(told) = told {
                    body["detail"] = told.as_str().into();
                }
            }
            (status, Json(body)).into_response()
        }
    };
    for name in KEPT {
        for value in response.headers().get_all(&name) {
            presented.headers_mut().append(&name, value.clone());
        }
    }
    if let Some(seconds) = failure.retry_after {
        presented.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    presented
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

fn has_own_words(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/html") || kind.starts_with("application/json")
}

/// An address of ours, as it is reached from this origin.
fn at_portal(app: &App, place: Place, path: &str) -> String {
    match place {
        Place::Portal => path.to_owned(),
        Place::Sibling => format!("{}{path}", app.server.public_url),
    }
}

fn page(app: &App, place: Place, wants: Wants, status: StatusCode, failure: &Failure, id: RequestId) -> Response {
    let mut site = Site::of(app);
    site.assets = at_portal(app, place, &site.assets);
    let html = if wants == Wants::Frame && status == StatusCode::UNAUTHORIZED {
        FramedPage { site, entry: Entry::of(app) }.render()
    } else {
        let request_id = id.to_string();
        let Failure { title, message, advice, for_admin, mut way, .. } = failure.clone();
        let framed = wants == Wants::Frame;
        // The session of a frame on another site cannot be reached from a tab, and the page after signing out in no frame.
        if framed && app.server.framed_by_other_sites {
            way = way.filter(|way| !matches!(way, Way::SignOut));
        }
        let status = status.as_u16();
        ErrorPage { site, visitor: None, framed, status, title, message, advice, for_admin, way, request_id }.render()
    };
    match html {
        Ok(html) => {
            let policy = match place {
                Place::Portal => policy::of_failure("'self'", &app.server.frame_ancestors),
                Place::Sibling => policy::of_failure(app.server.public_url.as_str(), &app.server.proxy_ancestors()),
            };
            // The address of a page that failed may have something in it that is nobody's business, such as a ticket. The
            // pages that have a form are at addresses without: browsers shall say where it comes from.
            let referrer = if matches!(failure.way, Some(Way::SignOut)) { "same-origin" } else { "no-referrer" };
            let headers = [(CONTENT_SECURITY_POLICY, policy), (REFERRER_POLICY, referrer.to_owned())];
            (status, headers, Html(html)).into_response()
        }
        Err(problem) => {
            tracing::error!(%problem, "the error page did not render");
            (status, failure.message.clone()).into_response()
        }
    }
}

/// What every page's frame shows.
pub struct Site {
    /// The portal's name.
    pub name: String,
    /// What addresses of assets begin with.
    pub assets: String,
}

impl Site {
    /// The site of this application.
    pub fn of(app: &App) -> Self {
        Self { name: app.server.portal_name.clone(), assets: assets::prefix() }
    }
}

/// A failure, for people.
#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    site: Site,
    visitor: Option<String>,
    /// In somebody else's page: without our header.
    framed: bool,
    status: u16,
    title: &'static str,
    message: String,
    advice: Option<&'static str>,
    for_admin: Option<ForAdmin>,
    way: Option<Way>,
    request_id: String,
}

/// Instead of the sign-in form, inside a frame.
#[derive(Template)]
#[template(path = "framed.html")]
struct FramedPage {
    site: Site,
    entry: Entry,
}

/// How somebody in a frame comes to be signed in.
enum Entry {
    /// In another tab; then they come back.
    AnotherTab,
    /// By the page around, which hands them over.
    PageAround,
    /// Not in this frame.
    OwnTab,
}

impl Entry {
    /// In a page of another site, a session that begins in a tab is in another jar of cookies: only a ticket that comes
    /// into the frame, or a proxy that every request passes, begins one there.
    fn of(app: &App) -> Self {
        match (app.server.framed_by_other_sites, app.tickets.is_some()) {
            (true, true) => Self::PageAround,
            (true, false) if app.header.is_none() => Self::OwnTab,
            _ => Self::AnotherTab,
        }
    }
}
