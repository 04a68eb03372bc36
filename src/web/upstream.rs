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
    if let Some(identity) = asserted(&app, caller, &mut request)? {
        request.extensions_mut().insert(Asserted(identity));
    }
    Ok(next.run(request).await)
}

/// Takes the identity headers out of a request. Says whom a trusted proxy names.
///
/// # Errors
/// When a trusted proxy's headers can be read in two ways.
pub fn asserted(app: &App, caller: Caller, request: &mut Request) -> Result<Option<Identity>, Error> {
    let Some(settings) = &app.header else { return Ok(None) };
    let trusted = address::is_trusted_peer(app, request);
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
    Ok(asserted)
}

/// Whether a session is still that of the person whom the proxy names: for requests that begin and end no session. The
/// sibling origin may have no such proxy before it.
///
/// # Errors
/// [`Error::SignedOut`]; the next page begins the right session.
pub fn agree(of_portal: bool, visitor: &Identity, asserted: Option<&Identity>) -> Result<(), Error> {
    match asserted {
        Some(asserted) if asserted.key() != visitor.key() => Err(Error::SignedOut),
        None if of_portal && visitor.source == Source::Header => Err(Error::SignedOut),
        _ => Ok(()),
    }
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
