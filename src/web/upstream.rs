//! What a proxy before us says about the visitor: believed from trusted peers, removed from everybody else's requests,
//! and followed by the session.

use axum::Extension;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tower_sessions::Session;

use super::visitor::{self, Visit};
use super::{Error, address};
use crate::app::App;
use crate::audit::{self, Caller, Event};
use crate::identity::{Identity, Source};

/// Who the visitor is, in the words of a trusted proxy. An extension of requests that bring such words.
#[derive(Clone)]
pub struct Asserted(Identity);

/// Reads the identity headers when the TCP peer is in `TRUSTED_PROXIES`, whatever `X-Forwarded-For` says. Behind this
/// layer no request has them any more.
pub async fn believe(
    State(app): State<App>,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Result<Response, Error> {
    let Some(settings) = &app.header else { return Ok(next.run(request).await) };
    let trusted = address::is_trusted_peer(&app, &request);
    let headers = request.headers_mut();
    let asserted = if trusted {
        let lookalikes = settings.remove_variants(headers);
        if !lookalikes.is_empty() {
            audit::record(caller, &Event::HeadersRemoved(&lookalikes));
        }
        settings.read(headers).inspect_err(|reason| {
            audit::record(caller, &Event::SignInRefused { source: Source::Header, identity: None, reason });
        })?
    } else {
        None
    };
    let removed = settings.remove(headers);
    if !trusted && !removed.is_empty() {
        audit::record(caller, &Event::HeadersRemoved(&removed));
    }
    if let Some(identity) = asserted {
        request.extensions_mut().insert(Asserted(identity));
    }
    Ok(next.run(request).await)
}

/// Makes the session that of the person whom the proxy names, before any handler reads it: the first request begins one
/// and is answered at once, another person gets another one, and without the headers there is none.
pub async fn follow(
    State(app): State<App>,
    session: Session,
    asserted: Option<Extension<Asserted>>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let asserted = asserted.map(|Extension(Asserted(identity))| identity);
    let visit = Visit::current(&app, &session).await?;
    match (visit, asserted) {
        (Some(visit), None) if visit.identity().source == Source::Header => {
            session.flush().await?;
            let reason = &"the proxy names nobody any more";
            audit::record(caller, &Event::SessionEnded { identity: visit.identity(), reason });
        }
        (Some(visit), Some(identity)) if visit.identity().key() == identity.key() => {
            if *visit.identity() != identity {
                visit.update(&app, &session, identity).await?;
            }
        }
        // Signing out is for the session that there is. To begin one just for this would undo it.
        (_, Some(_)) if request.uri().path() == "/logout" => {}
        (_, Some(identity)) => {
            visitor::begin(&app, &session, identity, caller).await?;
        }
        (_, None) => {}
    }
    Ok(next.run(request).await)
}
