//! The session as handlers see it: who is signed in, and since when.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{FromRequestParts, Request};
use axum::http::Method;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tower_sessions::{Expiry, Session};

use super::error::{Error, Wants};
use super::way_back::{self, ReturnPath, WaysBack};
use crate::app::App;
use crate::audit::{self, Caller, Event};
use crate::identity::{Identity, Source};
use crate::pages::Slug;
use crate::store::sessions::{OWNER, PROVIDER_SESSION, Sessions};
use crate::store::{Kind, Place, SessionRef};

/// The entries of a session.
const VISIT: &str = "visit";
/// Under which name the store keeps the ID token of this session: tokens are large, and a session is read with every
/// request.
const ID_TOKEN: &str = "id_token";
/// How often activity is written down; sessions may end that much sooner than `SESSION_IDLE` says.
const TOUCH_EVERY: Duration = Duration::minutes(1);

/// The cookie's name. The prefix makes browsers refuse it from anybody but this very host (RFC 6265bis, section 4.1.3).
pub fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-qlik-embed-bff" } else { "qlik-embed-bff" }
}

/// What a session remembers of its visitor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Visit {
    identity: Identity,
    /// Names this session's own engine session at the tenant, so that its selections are not shared.
    engine: String,
    #[serde(with = "time::serde::timestamp")]
    signed_in: OffsetDateTime,
    #[serde(with = "time::serde::timestamp")]
    seen: OffsetDateTime,
    /// Whether this browser keeps no cookies of the tenant, so that `auto` means the proxy.
    #[serde(default)]
    proxied: bool,
}

impl Visit {
    /// The visit of whoever is signed in. Reading it extends nothing.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn current(app: &App, session: &Session) -> Result<Option<Self>, Error> {
        let entry = session.get_value(VISIT).await?;
        Ok(entry.and_then(|entry| Self::read(app, entry)))
    }

    fn read(app: &App, entry: Value) -> Option<Self> {
        let visit = serde_json::from_value::<Self>(entry).inspect_err(|problem| {
            tracing::warn!(%problem, "a session of another version; its visitor signs in again");
        });
        let is_open = |visit: &Self| app.sign_in.contains(&visit.identity.source);
        visit.ok().filter(|visit| is_open(visit) && app.clock.now() < visit.ends(app))
    }

    /// The visit of the session of this name.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(app: &App, session: SessionRef) -> Result<Option<Self>, Error> {
        let sessions = Sessions::new(app.store.clone(), app.clock.clone());
        let entry = sessions.entry(session, VISIT).await?;
        Ok(entry.and_then(|entry| Self::read(app, entry)))
    }

    /// Notes that the visitor of this session is active, at most once a minute: for what are no requests for our own pages.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn touch(app: &App, session: SessionRef) -> Result<(), Error> {
        let Some(mut visit) = Self::of(app, session).await? else { return Err(Error::SignedOut) };
        if !visit.is_due(app.clock.now()) {
            return Ok(());
        }
        visit.seen = app.clock.now();
        let sessions = Sessions::new(app.store.clone(), app.clock.clone());
        let value = serde_json::to_value(&visit).map_err(|_| Error::Broken("a visit that is no JSON"))?;
        Ok(sessions.set_entry(session, VISIT, value, visit.ends(app)).await?)
    }

    /// Whether it is time to note that the visitor is active.
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        now - self.seen >= TOUCH_EVERY
    }

    /// The next sessions of people who are signed in, behind this place. `None` is one that cannot be read: sealed under another
    /// secret, or of another version.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn list(app: &App, behind: Option<Place>, most: u32) -> Result<Vec<(Place, Option<Self>)>, Error> {
        let sessions = Sessions::new(app.store.clone(), app.clock.clone());
        let listed = sessions.list(VISIT, behind, most).await?;
        let read = |entry: Option<Value>| serde_json::from_value(entry?).ok();
        Ok(listed.into_iter().map(|(place, entry)| (place, read(entry))).collect())
    }

    /// When its visitor signed in, and was last seen, to about a minute.
    pub fn times(&self) -> (OffsetDateTime, OffsetDateTime) {
        (self.signed_in, self.seen)
    }

    /// Whose visit it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The same person, about whom their source now says something else.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn update(mut self, app: &App, session: &Session, identity: Identity) -> Result<(), Error> {
        self.identity = identity;
        self.save(app, session).await
    }

    /// When the session ends unless its visitor comes back.
    pub fn ends(&self, app: &App) -> OffsetDateTime {
        (self.seen + app.session.idle).min(self.signed_in + app.session.max)
    }

    async fn save(&self, app: &App, session: &Session) -> Result<(), Error> {
        session.insert(VISIT, self).await?;
        session.set_expiry(Some(Expiry::AtDateTime(self.ends(app))));
        Ok(())
    }
}

/// Begins a session for this person under a new id, so that one planted before is worth nothing. [`way_on`] says where
/// they wanted to go.
///
/// # Errors
/// When the store does not answer.
pub async fn begin(app: &App, session: &Session, identity: Identity, caller: Caller) -> Result<(), Error> {
    let ways = ways_of(app, session, &identity).await?;
    begin_anew(app, session, identity, &ways, caller).await
}

/// What a sign-in at an OpenID provider leaves for signing out of both.
pub struct AtProvider {
    /// Names the session there.
    pub session: Option<String>,
    /// The ID token, as a hint to the provider.
    pub id_token: Option<String>,
}

/// Begins a session as [`begin`] does, for a person whom an OpenID provider has signed in. Where they wanted to go is
/// known from where the sign-in began, and no longer kept.
///
/// # Errors
/// When the store does not answer.
pub async fn begin_at_provider(
    app: &App,
    session: &Session,
    identity: Identity,
    at: AtProvider,
    to: &ReturnPath,
    caller: Caller,
) -> Result<(), Error> {
    let mut ways = ways_of(app, session, &identity).await?;
    ways.forget(to);
    begin_anew(app, session, identity, &ways, caller).await?;
    if let Some(name) = at.session {
        session.insert(PROVIDER_SESSION, name).await?;
    }
    if let Some(token) = at.id_token {
        let (name, until) = (random(), app.clock.now() + app.session.max);
        app.store.keep(Kind::IdToken, &name, token.into_bytes(), until).await?;
        session.insert(ID_TOKEN, name).await?;
    }
    Ok(())
}

/// Whether whoever is signed in came from an OpenID provider; if so, the ID token that is left for signing out. It is
/// given once.
///
/// # Errors
/// When the store does not answer.
pub async fn provider_of(app: &App, session: &Session) -> Result<Option<Option<String>>, Error> {
    let visit = Visit::current(app, session).await?;
    if visit.is_none_or(|visit| visit.identity.source != Source::Oidc) {
        return Ok(None);
    }
    let Some(name) = session.get::<String>(ID_TOKEN).await? else { return Ok(Some(None)) };
    let token = app.store.take(Kind::IdToken, &name, app.clock.now()).await?;
    Ok(Some(token.and_then(|token| String::from_utf8(token).ok())))
}

/// Where whoever is signed in goes on to from a sign-in: to where one of their tabs wanted to go. `None` when nobody is
/// signed in.
///
/// # Errors
/// When the store does not answer.
pub async fn way_on(app: &App, session: &Session) -> Result<Option<ReturnPath>, Error> {
    let Some(visit) = Visit::current(app, session).await? else { return Ok(None) };
    let mut ways = WaysBack::of(session, app.clock.now()).await?;
    if ways.is_empty() {
        return Ok(Some(ReturnPath::default()));
    }
    let to = ways.take();
    ways.save(session).await?;
    visit.save(app, session).await?;
    Ok(Some(to))
}

/// What the tabs of this browser wait for; nothing when somebody else was signed in until now.
async fn ways_of(app: &App, session: &Session, identity: &Identity) -> Result<WaysBack, Error> {
    match Visit::current(app, session).await? {
        Some(visit) if visit.identity.key() != identity.key() => Ok(WaysBack::default()),
        _ => WaysBack::of(session, app.clock.now()).await,
    }
}

async fn begin_anew(
    app: &App,
    session: &Session,
    identity: Identity,
    ways: &WaysBack,
    caller: Caller,
) -> Result<(), Error> {
    let before = Visit::current(app, session).await?;
    session.clear().await;
    session.cycle_id().await?;
    let now = app.clock.now();
    session.insert(OWNER, identity.key()).await?;
    ways.save(session).await?;
    let visit = Visit { identity, engine: random(), signed_in: now, seen: now, proxied: false };
    visit.save(app, session).await?;
    audit::record(caller, &Event::SignedIn(&visit.identity));
    if let Some(before) = before.filter(|before| before.identity.key() != visit.identity.key()) {
        let by_proxy = visit.identity.source == Source::Header;
        let reason = if by_proxy { "the proxy names somebody else" } else { "somebody else signed in" };
        audit::record(caller, &Event::SessionEnded { identity: &before.identity, reason: &reason });
    }
    Ok(())
}

/// 128 random bits, as text.
pub fn random() -> String {
    let mut bits = [0; 16];
    aws_lc_rs::rand::fill(&mut bits).expect("the operating system has randomness");
    URL_SAFE_NO_PAD.encode(bits)
}

/// Like [`begin`]; but somebody who is signed in as this very person keeps their session, with what is known of them now:
/// a portal hands the same person over again and again, and tabs that are open carry on.
///
/// # Errors
/// When the store does not answer.
pub async fn begin_or_renew(app: &App, session: &Session, identity: Identity, caller: Caller) -> Result<(), Error> {
    match Visit::current(app, session).await? {
        Some(visit) if visit.identity.key() == identity.key() => {
            let now = app.clock.now();
            let visit = Visit { identity, signed_in: now, seen: now, ..visit };
            visit.save(app, session).await?;
            audit::record(caller, &Event::SignedIn(&visit.identity));
            Ok(())
        }
        _ => begin(app, session, identity, caller).await,
    }
}

/// Whether the person with this [`Identity::key`] is signed in.
///
/// # Errors
/// When the store does not answer.
pub async fn is(app: &App, session: &Session, key: &str) -> Result<bool, Error> {
    Ok(Visit::current(app, session).await?.is_some_and(|visit| visit.identity.key() == key))
}

/// A visitor who is signed in. Handlers that take one are closed to everybody else.
pub struct SignedIn(Visit);

impl SignedIn {
    /// Who this is to us.
    pub fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// The visit as it is with this request.
    pub fn visit(&self) -> &Visit {
        &self.0
    }

    /// The name to greet with.
    pub fn name(&self) -> &str {
        if self.0.identity.name.is_empty() { &self.0.identity.id } else { &self.0.identity.name }
    }

    /// The engine identity of this session.
    pub fn engine_identity(&self) -> &str {
        &self.0.engine
    }

    /// Whether this browser keeps no cookies of the tenant, as a page has found out.
    pub fn is_proxied(&self) -> bool {
        self.0.proxied
    }

    /// Remembers for this session that the browser keeps no cookies of the tenant.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn carry_on_by_proxy(mut self, app: &App, session: &Session) -> Result<(), Error> {
        self.0.proxied = true;
        self.0.save(app, session).await
    }
}

/// What a layer has found out about the visitor, for the one that asks next. Requests have to be clones of themselves, which
/// failures are not.
#[derive(Clone)]
struct Found(Arc<Mutex<Option<Result<SignedIn, Error>>>>);

impl SignedIn {
    /// Leaves to the handler what a layer before it has found out, so that a store that does not answer is waited for once.
    pub fn hand_on(found: Result<Self, Error>, request: &mut Request) {
        request.extensions_mut().insert(Found(Arc::new(Mutex::new(Some(found)))));
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        if let Some(Found(found)) = parts.extensions.remove()
            && let Some(found) = found.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            return found;
        }
        let session = Session::from_request_parts(parts, app).await.map_err(|(_, why)| Error::Broken(why))?;
        if let Some(mut visit) = Visit::current(app, &session).await? {
            if visit.is_due(app.clock.now()) {
                visit.seen = app.clock.now();
                visit.save(app, &session).await?;
            }
            return Ok(Self(visit));
        }
        if parts.method == Method::GET
            && Wants::of(&parts.headers) == Wants::Page
            && let Some(path) = ReturnPath::of(&parts.uri)
            && path != ReturnPath::default()
            && (leads_to_a_page(&path) || leads_to_administration(&path))
        {
            way_back::keep(&session, &path, app.clock.now()).await?;
        }
        Err(Error::SignedOut)
    }
}

/// Whether this is the address that a page could have. Whoever types something else costs no record in the store; and
/// whether there is such a page is for those to know who may see it.
pub fn leads_to_a_page(path: &ReturnPath) -> bool {
    if path.as_str() == "/gallery" {
        return true;
    }
    let slug = path.as_str().strip_prefix("/embed/").map(|rest| rest.split('?').next().unwrap_or(rest));
    slug.is_some_and(|slug| Slug::parse(slug).is_some())
}

/// Whether this is the address of a page for administrators, if there are any.
fn leads_to_administration(path: &ReturnPath) -> bool {
    let path = path.as_str().split('?').next().unwrap_or_default();
    path == "/admin" || path.starts_with("/admin/")
}
