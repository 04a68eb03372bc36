//! The sessions that the tenant has with our visitors, kept by the server: one login for everybody who waits, also in other
//! instances; renewed, updated and ended; and what the tenant's refusals lead to.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use qlik_embed_bff::audit::Caller;
use qlik_embed_bff::demo::{self, Control, IdentityProvider, Tenant};
use qlik_embed_bff::errand::{Error, Visit};
use qlik_embed_bff::identity::Identity;
use qlik_embed_bff::store::SessionRef;
use qlik_embed_bff::tenant_session::TenantSession;

mod ended;
mod refused;
mod renewed;
mod shared;
pub mod told;

use crate::portal::{Browser, KEY, Portal};

/// A tenant that trusts our key, and an instance in front of it.
struct Stage {
    tenant: Tenant,
    portal: Portal,
}

impl Stage {
    async fn set() -> Self {
        Self::with(|_| {}, &[]).await
    }

    async fn with(edit: impl FnOnce(&mut demo::Settings), changes: &[(&str, &str)]) -> Self {
        let provider = IdentityProvider::new("https://portal.example", "key-1", &KEY.certificate);
        let mut settings = demo::Settings { providers: vec![provider], ..demo::Settings::default() };
        edit(&mut settings);
        let tenant = Tenant::start(settings).await.expect("a tenant");
        let portal = Portal::with(&[&[("QLIK_TENANT", tenant.origin())], changes].concat()).await;
        Self { tenant, portal }
    }

    fn control(&self) -> &Control {
        self.tenant.control()
    }

    /// So much later, for everybody.
    fn pass(&self, seconds: i64) {
        let by = time::Duration::seconds(seconds);
        self.portal.clock.advance(by);
        self.control().shift_clock(by);
    }

    /// How often the tenant accepted a login.
    fn logins(&self) -> usize {
        self.control().logins().iter().filter(|login| login.status == 200).count()
    }

    /// How often it was asked for this path.
    fn asked(&self, path: &str) -> usize {
        self.control().requests().iter().filter(|request| request.path == path).count()
    }
}

/// Somebody who is signed in with us.
pub struct Guest {
    pub browser: Browser,
    pub identity: Identity,
    pub session: SessionRef,
}

impl Guest {
    pub async fn arrive(portal: &Portal, id: &str) -> Self {
        let browser = portal.signed_in(id).await;
        let (account, _) = portal.app.store.account(id).await.expect("the store answers").expect("an account");
        let cookie = browser.cookies["qlik-embed-bff"].parse().expect("a session's id");
        Self { browser, identity: account.identity(), session: SessionRef::of(cookie) }
    }

    pub fn visit(&self) -> Visit<'_> {
        let caller = Caller { request: uuid::Uuid::nil(), address: IpAddr::from([203, 0, 113, 1]) };
        Visit { session: self.session, identity: &self.identity, caller }
    }

    async fn get(&self, portal: &Portal) -> Result<Arc<TenantSession>, Error> {
        portal.app.tenant_sessions.get(&self.visit(), portal.clock.now()).await
    }

    async fn session(&self, portal: &Portal) -> Arc<TenantSession> {
        self.get(portal).await.expect("a session")
    }

    async fn renew(&self, portal: &Portal, stale: &TenantSession) -> Result<Arc<TenantSession>, Error> {
        portal.app.tenant_sessions.renew(&self.visit(), stale, portal.clock.now()).await
    }

    async fn renew_csrf(&self, portal: &Portal, stale: &TenantSession) -> Result<Arc<TenantSession>, Error> {
        portal.app.tenant_sessions.renew_csrf(&self.visit(), stale, portal.clock.now()).await
    }

    /// Many requests at once.
    async fn burst(&self, portal: &Portal, requests: usize) -> Vec<Result<Arc<TenantSession>, Error>> {
        join_all((0..requests).map(|_| self.get(portal))).await
    }
}

fn cookies(session: &Arc<TenantSession>) -> &str {
    session.credentials().cookies.to_str().expect("text")
}

fn csrf(session: &Arc<TenantSession>) -> &str {
    session.credentials().csrf.as_ref().map(|csrf| csrf.to_str().expect("text")).unwrap_or_default()
}

/// Waits until something is so. Bounded, so that a test fails instead of hanging.
pub async fn until(so: impl Fn() -> bool) {
    for _ in 0..500 {
        if so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited five seconds in vain");
}
