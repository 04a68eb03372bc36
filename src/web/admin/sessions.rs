//! Who is signed in: listed, searched, and ended.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use tower_sessions::Session;
use url::form_urlencoded::Serializer;

use super::words::{Moment, count};
use super::{Admin, Part};
use crate::app::App;
use crate::audit::{self, Event};
use crate::identity::Identity;
use crate::store::{Place, SessionRef, SessionsOf};
use crate::web::error::{Error, Site};
use crate::web::visitor::Visit;

/// How many are on one page.
const SHOWN: usize = 50;
/// How many are searched for one page. What is searched is sealed one by one: the database has no names.
const SEARCHED: usize = 10_000;
/// How many are read at once.
const BATCH: u32 = 500;

/// What to list.
#[derive(Deserialize)]
pub struct Asked {
    /// A part of a name, of an id, or of an e-mail address.
    #[serde(default)]
    q: String,
    /// Behind which place.
    after: Option<String>,
    /// How many were ended a moment ago.
    ended: Option<u64>,
}

/// `GET /admin/sessions`.
pub async fn show(
    State(app): State<App>,
    admin: Admin,
    session: Session,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Error> {
    let (site, visitor) = admin.look_at(&app, Part::Sessions, None);
    let query = asked.q.trim().to_owned();
    let behind = asked.after.as_deref().and_then(Place::parse);
    let own = session.id().map(|id| (SessionRef::of(id), admin.who.visit()));
    let Found { rows, looked_at, next } = find(&app, &query, behind, own).await?;
    let all = app.store.count_sessions(app.clock.now()).await?;
    let told = match (query.is_empty(), next) {
        (true, _) => format!("{} in all, at all instances.", count(all, "session")),
        (false, Some(_)) if looked_at == SEARCHED => {
            let (found, searched) = (count(rows.len() as u64, "session"), count(SEARCHED as u64, "session"));
            format!("{found} found among {searched}. There are more to search.")
        }
        (false, Some(_)) => format!("{} found so far. There are more to search.", count(rows.len() as u64, "session")),
        (false, None) => format!("{} found.", count(rows.len() as u64, "session")),
    };
    let done = asked.ended.map(|ended| match ended {
        0 => "There was nothing left to end.".to_owned(),
        1 => "One session was ended.".to_owned(),
        more => format!("{} were ended.", count(more, "session")),
    });
    let next = next.map(|place| list_at(&query, &[("after", &place.to_string())]));
    let first = behind.map(|_| list_at(&query, &[]));
    Ok(Html(Sessions { site, visitor, part: Part::Sessions, query, told, done, rows, next, first }.render()?))
}

/// The address of a list.
fn list_at(query: &str, more: &[(&str, &str)]) -> String {
    let mut pairs = Serializer::new(String::new());
    if !query.is_empty() {
        pairs.append_pair("q", query);
    }
    match pairs.extend_pairs(more).finish() {
        pairs if pairs.is_empty() => "/admin/sessions".to_owned(),
        pairs => format!("/admin/sessions?{pairs}"),
    }
}

/// What to end: one session, or all of an identity.
#[derive(Deserialize)]
pub struct Ending {
    session: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    q: String,
}

/// `POST /admin/sessions/end`: as when their visitors had signed out, their sessions at the tenant and their sockets end too.
pub async fn end(State(app): State<App>, admin: Admin, Form(form): Form<Ending>) -> Result<Response, Error> {
    let session = form.session.as_deref().map(SessionRef::parse);
    let (whose, ended) = match (session, form.owner) {
        (Some(Some(session)), None) => {
            let visit = Visit::of(&app, session).await?;
            (visit.map(|visit| visit.identity().key()), u64::from(app.store.end_session(session).await?))
        }
        (None, Some(owner)) => {
            let ended = app.store.end_sessions(SessionsOf::Owner(&owner)).await?;
            (Some(owner), ended)
        }
        _ => return Ok(StatusCode::BAD_REQUEST.into_response()),
    };
    let (identity, by) = (whose.as_deref(), Some(admin.identity()));
    let reason = &"an administrator ended them";
    audit::record(admin.caller, &Event::SessionsEnded { identity, ended, reason, by });
    Ok(Redirect::to(&list_at(form.q.trim(), &[("ended", &ended.to_string())])).into_response())
}

#[derive(Template)]
#[template(path = "admin_sessions.html")]
struct Sessions {
    site: Site,
    visitor: Option<String>,
    part: Part,
    query: String,
    told: String,
    /// What was done a moment ago.
    done: Option<String>,
    rows: Vec<Row>,
    /// Where the list goes on.
    next: Option<String>,
    /// Where it begins, unless that is here.
    first: Option<String>,
}

/// A session.
struct Row {
    /// Its name in forms. It is not what the visitor's cookie has, and cannot be used in its place.
    session: String,
    /// Whether it is the session of whoever looks.
    own: bool,
    /// `None` when it cannot be read.
    visit: Option<Told>,
}

/// Whose it is, and its times.
struct Told {
    name: String,
    key: String,
    email: String,
    begun: Moment,
    seen: Moment,
    ends: Moment,
}

impl Row {
    fn of(app: &App, place: Place, visit: Option<&Visit>, own: Own<'_>) -> Self {
        let now = app.clock.now();
        // This very look is written down when it is answered.
        let own = own.filter(|(session, _)| *session == place.session).map(|(_, visit)| visit);
        let told = |visit: &Visit| {
            let (begun, seen) = visit.times();
            let Identity { name, email, .. } = visit.identity();
            Told {
                name: name.clone(),
                key: visit.identity().key(),
                email: email.clone().unwrap_or_default(),
                begun: Moment::of(begun, now),
                seen: Moment::of(seen, now),
                ends: Moment::of(visit.ends(app), now),
            }
        };
        Self { session: place.session.to_hex(), own: own.is_some(), visit: own.or(visit).map(told) }
    }
}

/// The session of whoever looks.
type Own<'a> = Option<(SessionRef, &'a Visit)>;

/// What one page shows.
struct Found {
    rows: Vec<Row>,
    looked_at: usize,
    /// Behind which place there is more.
    next: Option<Place>,
}

/// Goes through the sessions behind a place until the page is full, or enough were looked at.
async fn find(app: &App, query: &str, behind: Option<Place>, own: Own<'_>) -> Result<Found, Error> {
    let wanted = query.to_lowercase();
    let batch = if query.is_empty() { SHOWN as u32 + 1 } else { BATCH };
    let (mut found, mut behind) = (Found { rows: Vec::new(), looked_at: 0, next: None }, behind);
    loop {
        let listed = Visit::list(app, behind, batch).await?;
        let is_last = listed.len() < batch as usize;
        for (place, visit) in listed {
            if found.rows.len() == SHOWN || found.looked_at == SEARCHED {
                found.next = behind;
                return Ok(found);
            }
            found.looked_at += 1;
            behind = Some(place);
            if wanted.is_empty() || visit.as_ref().is_some_and(|visit| is_like(visit.identity(), &wanted)) {
                found.rows.push(Row::of(app, place, visit.as_ref(), own));
            }
        }
        if is_last {
            return Ok(found);
        }
        // To open five hundred takes a few milliseconds: others have their turn.
        tokio::task::yield_now().await;
    }
}

fn is_like(identity: &Identity, wanted: &str) -> bool {
    let texts = [Some(identity.key()), Some(identity.name.clone()), identity.email.clone()];
    texts.into_iter().flatten().any(|text| text.to_lowercase().contains(wanted))
}
