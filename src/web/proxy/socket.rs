//! A visitor's socket to the engine (Qlik Cloud facts, section F): who may open one, and to which app.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, on};

use super::guest::{Guest, Guests};
use crate::app::App;
use crate::audit::Caller;
use crate::metrics;
use crate::proxy::relay::{Limits, Line, relay};
use crate::proxy::{Passed, Target, Upgrade};
use crate::tenant_session::TenantSession;
use crate::web::Error;

/// Opens the socket on both sides, and joins them. What the tenant answers instead is passed on as it is.
///
/// # Errors
/// When the visitor may not open the app, there is no session of the tenant's, or this instance takes nothing new.
pub async fn open(
    app: &App,
    guests: &Guests,
    guest: &Guest,
    caller: Caller,
    target: &Target,
    mut request: Request,
) -> Result<Response, Error> {
    if request.method() != Method::GET || !is_websocket(&request) {
        return Err(Error::BadTarget("it asks for another protocol than websocket"));
    }
    if !target.app().is_some_and(|id| app.pages.opens_app(id, guest.identity())) {
        return Err(Error::UnlistedApp);
    }
    if request.extensions().get::<OnUpgrade>().is_none() {
        return Err(Error::BadTarget("its connection cannot be upgraded"));
    }
    // First the seat: a session that ends from here on ends the socket, and one that has ended before is seen.
    let seat = app.sockets.seat(guest.session()).ok_or(Error::Draining)?;
    if guests.is_over(guest.session()) {
        return Err(Error::SignedOut);
    }
    let browser = on(&mut request);
    match ask(app, guest, caller, target, request).await? {
        Upgrade::Refused(passed) if passed.is_signed_out() => Err(Error::TenantRefuses),
        Upgrade::Refused(passed) => Ok(passed.response),
        Upgrade::Accepted { response, io, read_ahead, .. } => {
            let tenant = Line::from(io).read_ahead(&read_ahead);
            tokio::spawn(async move {
                match browser.await {
                    Ok(browser) => {
                        let _open = metrics::socket_opened();
                        let ended = relay(browser.into(), tenant, seat, Limits::default()).await;
                        tracing::debug!(?ended, "a socket has ended");
                    }
                    Err(problem) => tracing::debug!(%problem, "a browser did not wait for its socket"),
                }
            });
            Ok(response.map(|()| Body::empty()))
        }
    }
}

/// Asks the tenant. It may say 401 or 403 to a session that has ended, and 403 to a CSRF token that is stale; which, is not
/// known (Qlik Cloud facts, section F.1). So what may be stale is made anew, once.
async fn ask(app: &App, guest: &Guest, caller: Caller, target: &Target, request: Request) -> Result<Upgrade, Error> {
    let (head, _) = request.into_parts();
    let (sessions, visit, clock) = (&app.tenant_sessions, guest.visit(caller), &app.clock);
    let upgrade = async |session: &TenantSession| {
        let answer = app.proxy.upgrade(target, &head, session.credentials()).await?;
        let (Upgrade::Accepted { set_cookies, .. } | Upgrade::Refused(Passed { set_cookies, .. })) = &answer;
        sessions.absorb(&visit, session, set_cookies, clock.now()).await;
        Ok::<_, Error>(answer)
    };
    let session = sessions.get(&visit, clock.now()).await?;
    let answer = upgrade(&session).await?;
    let Upgrade::Refused(passed) = &answer else { return Ok(answer) };
    let session = match passed.response.status() {
        StatusCode::FORBIDDEN => sessions.renew_csrf(&visit, &session, clock.now()).await?,
        _ if passed.is_signed_out() => sessions.renew(&visit, &session, clock.now()).await?,
        _ => return Ok(answer),
    };
    upgrade(&session).await
}

/// RFC 6455, section 4.2.1. The rest of the handshake is the tenant's to judge.
fn is_websocket(request: &Request) -> bool {
    request.headers().get("upgrade").is_some_and(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
