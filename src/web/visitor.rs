//! The session as handlers see it: who is signed in, since when, and where they wanted to go.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use tower_sessions::{Expiry, Session};

use super::error::{Error, Wants};
use crate::app::App;
use crate::audit::{self, Caller, Event};
use crate::identity::{Identity, Source};
use crate::pages::Slug;
use crate::store::Kind;
use crate::store::sessions::{OWNER, PROVIDER_SESSION};

/// The entries of a session.
const VISIT: &str = "visit";
const RETURN_TO: &str = "return_to";
/// Under which name the store keeps the ID token of this session: tokens are large, and a session is read with every
/// request.
const ID_TOKEN: &str = "id_token";
/// How long the way back is kept for somebody who has not signed in.
const WAY_BACK: Duration = Duration::minutes(15);
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
}

impl Visit {
    /// The visit of whoever is signed in. Reading it extends nothing.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn current(app: &App, session: &Session) -> Result<Option<Self>, Error> {
        let Some(visit) = session.get_value(VISIT).await? else { return Ok(None) };
        let visit = serde_json::from_value::<Self>(visit).inspect_err(|problem| {
            tracing::warn!(%problem, "a session of another version; its visitor signs in again");
        });
        let is_open = |visit: &Self| app.sign_in.contains(&visit.identity.source);
        Ok(visit.ok().filter(|visit| is_open(visit) && app.clock.now() < visit.ends(app)))
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
    fn ends(&self, app: &App) -> OffsetDateTime {
        (self.seen + app.session.idle).min(self.signed_in + app.session.max)
    }

    async fn save(&self, app: &App, session: &Session) -> Result<(), Error> {
        session.insert(VISIT, self).await?;
        session.set_expiry(Some(Expiry::AtDateTime(self.ends(app))));
        Ok(())
    }
}

/// Begins a session for this person under a new id (so that one planted before is worth nothing), and says where they
/// wanted to go.
///
/// # Errors
/// When the store does not answer.
pub async fn begin(app: &App, session: &Session, identity: Identity, caller: Caller) -> Result<ReturnPath, Error> {
    let wanted: Option<String> = session.remove(RETURN_TO).await?;
    begin_anew(app, session, identity, caller).await?;
    Ok(wanted.as_deref().and_then(ReturnPath::parse).unwrap_or_default())
}

/// What a sign-in at an OpenID provider leaves for signing out of both.
pub struct AtProvider {
    /// Names the session there.
    pub session: Option<String>,
    /// The ID token, as a hint to the provider.
    pub id_token: Option<String>,
}

/// Begins a session as [`begin`] does, for a person whom an OpenID provider has signed in. Where they wanted to go is
/// known from where the sign-in began.
///
/// # Errors
/// When the store does not answer.
pub async fn begin_at_provider(
    app: &App,
    session: &Session,
    identity: Identity,
    at: AtProvider,
    caller: Caller,
) -> Result<(), Error> {
    begin_anew(app, session, identity, caller).await?;
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

/// Where a visitor who has not signed in wants to go.
///
/// # Errors
/// When the store does not answer.
pub async fn wanted(session: &Session) -> Result<ReturnPath, Error> {
    let wanted: Option<String> = session.get(RETURN_TO).await?;
    Ok(wanted.as_deref().and_then(ReturnPath::parse).unwrap_or_default())
}

async fn begin_anew(app: &App, session: &Session, identity: Identity, caller: Caller) -> Result<(), Error> {
    let before = Visit::current(app, session).await?;
    session.clear().await;
    session.cycle_id().await?;
    let now = app.clock.now();
    session.insert(OWNER, identity.key()).await?;
    let visit = Visit { identity, engine: random(), signed_in: now, seen: now };
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
pub async fn begin_or_renew(
    app: &App,
    session: &Session,
    identity: Identity,
    caller: Caller,
) -> Result<ReturnPath, Error> {
    match Visit::current(app, session).await? {
        Some(visit) if visit.identity.key() == identity.key() => {
            let now = app.clock.now();
            let visit = Visit { identity, signed_in: now, seen: now, ..visit };
            visit.save(app, session).await?;
            audit::record(caller, &Event::SignedIn(&visit.identity));
            Ok(ReturnPath::default())
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

    /// The name to greet with.
    pub fn name(&self) -> &str {
        if self.0.identity.name.is_empty() { &self.0.identity.id } else { &self.0.identity.name }
    }

    /// The engine identity of this session.
    pub fn engine_identity(&self) -> &str {
        &self.0.engine
    }
}

impl FromRequestParts<App> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let session = Session::from_request_parts(parts, app).await.map_err(|(_, why)| Error::Broken(why))?;
        if let Some(mut visit) = Visit::current(app, &session).await? {
            if app.clock.now() - visit.seen >= TOUCH_EVERY {
                visit.seen = app.clock.now();
                visit.save(app, &session).await?;
            }
            return Ok(Self(visit));
        }
        if parts.method == Method::GET
            && Wants::of(&parts.headers) == Wants::Page
            && let Some(path) = ReturnPath::of(&parts.uri)
            && path != ReturnPath::default()
            && leads_to_a_page(&path)
        {
            session.insert(RETURN_TO, path.as_str()).await?;
            session.set_expiry(Some(Expiry::AtDateTime(app.clock.now() + WAY_BACK)));
        }
        Err(Error::SignedOut)
    }
}

/// Whether this is the address that a page could have. Whoever types something else costs no record in the store; and
/// whether there is such a page is for those to know who may see it.
fn leads_to_a_page(path: &ReturnPath) -> bool {
    let slug = path.as_str().strip_prefix("/embed/").map(|rest| rest.split('?').next().unwrap_or(rest));
    slug.is_some_and(|slug| Slug::parse(slug).is_some())
}

/// `GET /session`: who is signed in, and until when. Asking extends nothing.
pub async fn session(State(app): State<App>, session: Session) -> Result<Json<SessionAnswer>, Error> {
    let visit = Visit::current(&app, &session).await?.ok_or(Error::SignedOut)?;
    let expires_at = visit.ends(&app).format(&Rfc3339).map_err(|_| Error::Broken("a time after the year 9999"))?;
    Ok(Json(SessionAnswer { name: visit.identity.name, id: visit.identity.id, expires_at }))
}

/// What `/session` says.
#[derive(Serialize)]
pub struct SessionAnswer {
    name: String,
    id: String,
    /// RFC 3339, UTC.
    expires_at: String,
}

/// A path on this server, to return to after signing in. Anything that a browser could read as another place is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnPath(String);

impl Default for ReturnPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl ReturnPath {
    /// The longest path that is kept, in bytes.
    const LONGEST: usize = 1024;

    fn of(uri: &Uri) -> Option<Self> {
        Self::parse(uri.path_and_query()?.as_str())
    }

    /// `None` for everything but a path of ours: browsers treat `\` as `/`, ignore tabs and line breaks, and read `//x`
    /// as another host.
    pub fn parse(text: &str) -> Option<Self> {
        let local = text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/login");
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        (local && plain && text.len() <= Self::LONGEST).then(|| Self(text.to_owned()))
    }

    /// The path, with its query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_ours_are_ways_back() {
        for good in ["/", "/embed/default", "/embed/sales?select=a%20b", "/embed/%2F%2Fevil.example"] {
            assert_eq!(ReturnPath::parse(good).as_ref().map(ReturnPath::as_str), Some(good));
        }
        let long = format!("/{}", "x".repeat(ReturnPath::LONGEST));
        for bad in [
            "",
            "embed",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "javascript:alert(1)",
            "/login",
            "/login?x",
            "/ä",
            &long,
        ] {
            assert_eq!(ReturnPath::parse(bad), None, "{bad}");
        }
    }
}
