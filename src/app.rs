//! Everything that a handler may need, built once from the [`Config`].

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;

use crate::access_token::AccessTokens;
use crate::admin::Administration;
use crate::auth::header;
use crate::auth::oidc::Oidc;
use crate::auth::password::Passwords;
use crate::auth::ticket::Tickets;
use crate::clock::Clock;
use crate::config::{Config, Server, SessionAges};
use crate::data::Data;
use crate::identity::Source;
use crate::pages::{Gallery, Pages};
use crate::proxy::sockets::Sockets;
use crate::proxy::{self, Proxy};
use crate::qlik::{Tenant, token};
use crate::store::Store;
use crate::subjects::Subjects;
use crate::tenant_session::TenantSessions;

/// The application. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// The parts of the application.
pub struct Parts {
    /// Where we are seen, and whom we trust.
    pub server: Server,
    /// The tenant.
    pub tenant: Tenant,
    /// What there is to see.
    pub pages: Pages,
    /// From identities to subjects.
    pub subjects: Arc<Subjects>,
    /// Makes tokens, where any page needs them.
    pub tokens: Option<token::Issuer>,
    /// The tenant's sessions, for pages that take the proxy.
    pub tenant_sessions: TenantSessions,
    /// The visitors' access tokens, when there is a client that may have them.
    pub access_tokens: Option<AccessTokens>,
    /// Data without a chart, with those.
    pub data: Option<Data>,
    /// What the gallery shows, when there is one.
    pub gallery: Option<Gallery>,
    /// Passes requests on to the tenant.
    pub proxy: Proxy,
    /// Ways of signing in that are open.
    pub sign_in: Vec<Source>,
    /// Whether anybody may sign in by an e-mail address that nobody checks. Only the command `demo` says so.
    pub guests: bool,
    /// How a proxy before us says who the visitor is, when that way is open.
    pub header: Option<header::Settings>,
    /// Checks passwords.
    pub passwords: Passwords,
    /// Signs in at the OpenID provider, when that is open.
    pub oidc: Option<Oidc>,
    /// Takes tickets, when they are one of the ways.
    pub tickets: Option<Tickets>,
    /// How long sessions live.
    pub session: SessionAges,
    /// What is remembered.
    pub store: Store,
    /// The engine sockets that are open.
    pub sockets: Sockets,
    /// The pages for administrators, when there are any.
    pub admin: Option<Arc<Administration>>,
    /// The time.
    pub clock: Clock,
    draining: AtomicBool,
}

impl App {
    /// Opens the store and puts the parts together.
    ///
    /// # Errors
    /// When the store cannot be opened, no client for calls can be made, or no thread can be started for signing.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Self> {
        const NO_CLIENT: &str = "the certificate authorities of this machine cannot be read";
        let store = Store::open(&config.store).await?;
        let admin = Administration::of(&config, &clock).map(Arc::new);
        let client = config.tenant.client().context(NO_CLIENT)?;
        let oidc = config.oidc.map(|settings| Oidc::new(settings, client.clone(), store.clone(), clock.clone()));
        let tickets = config.ticket.map(|settings| Tickets::new(settings, store.clone(), client.clone()));
        let subjects = Subjects::new(config.subjects, config.mapping, Some(store.clone())).context(NO_CLIENT)?;
        let subjects = Arc::new(subjects);
        let tokens = config.token.map(token::Issuer::new).transpose();
        let tokens = tokens.context("cannot start the threads that sign tokens")?;
        let tenant_sessions = TenantSessions::new(
            config.tenant_session,
            config.tenant.origin.clone(),
            client.clone(),
            Arc::clone(&subjects),
            tokens.clone(),
            store.clone(),
        );
        let access_tokens = config.access_token.map(|settings| {
            let tenant = config.tenant.origin.clone();
            AccessTokens::new(settings, tenant, client, Arc::clone(&subjects), store.clone())
        });
        let data = access_tokens.clone().map(|tokens| Data::new(config.data, &config.tenant, tokens));
        let passing = proxy::Settings {
            tenant: config.tenant.origin.clone(),
            origin: config.server.proxy_origin().clone(),
            portal: config.server.public_url.clone(),
            frame_ancestors: config.server.proxy_ancestors(),
            more_paths: config.proxy_paths,
            way_out: config.tenant.way_out.clone(),
        };
        let tls = config.tenant.authorities.tls().context(NO_CLIENT)?;
        Ok(Self(Arc::new(Parts {
            server: config.server,
            tenant: config.tenant,
            pages: config.pages,
            subjects,
            tokens,
            tenant_sessions,
            access_tokens,
            data: data.transpose().context(NO_CLIENT)?,
            gallery: config.gallery,
            proxy: Proxy::with_tls(passing, tls),
            sign_in: config.sign_in,
            guests: config.guests,
            header: config.header,
            passwords: Passwords::new(store.clone()),
            oidc,
            tickets,
            session: config.session,
            store,
            sockets: Sockets::new(),
            admin,
            clock,
            draining: AtomicBool::new(false),
        })))
    }

    /// What goes on beside requests: sessions that have ended are noticed, wherever they ended, and the tenant's end with
    /// them. Runs until the store is closed.
    pub async fn tend(&self) {
        let ending = tokio::spawn(self.tenant_sessions.clone().run(self.clock.clone()));
        let revoking = self.access_tokens.clone().map(|tokens| tokio::spawn(tokens.run(self.clock.clone())));
        self.store.watch().await;
        ending.abort();
        if let Some(revoking) = revoking {
            revoking.abort();
        }
    }

    /// From now on this instance is not ready: it finishes what it has and takes nothing new.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether [`App::drain`] was called.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
