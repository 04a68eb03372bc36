//! Everything that a handler may need, built from the [`Config`]: once, or partly anew when another one is read.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use time::OffsetDateTime;

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
use crate::limits::{self, Limits};
use crate::pages::{Gallery, Pages};
use crate::proxy::sockets::Sockets;
use crate::proxy::{self, Proxy};
use crate::qlik::{Tenant, token};
use crate::store::{Renewal, Store};
use crate::subjects::Subjects;
use crate::tenant_session::TenantSessions;

/// The application, as one configuration has it. Clones share it.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What another configuration exchanges while the server runs. Behind it is what stays.
pub struct Parts {
    /// Where we are seen, and whom we trust.
    pub server: Server,
    /// The tenant.
    pub tenant: Tenant,
    /// What there is to see.
    pub pages: Pages,
    /// Data without a chart, when there is a client for access tokens.
    pub data: Option<Data>,
    /// What the gallery shows, when there is one.
    pub gallery: Option<Gallery>,
    /// Passes requests on to the tenant.
    pub proxy: Proxy,
    /// The pages for administrators, when there are any.
    pub admin: Option<Arc<Administration>>,
    /// How often who may ask for what; [`Lasting::limits`] counts.
    pub quotas: limits::Settings,
    lasting: Arc<Lasting>,
}

/// What stays from start to end, whatever configuration is read in between: what visitors have by now, and what was built from
/// settings that are not live, as the list of settings has it. The secrets in it are exchanged.
pub struct Lasting {
    /// From identities to subjects; the rules in it are exchanged, too.
    pub subjects: Arc<Subjects>,
    /// Makes tokens, where any page needs them; the key in it is exchanged.
    pub tokens: Option<token::Issuer>,
    /// The tenant's sessions, for pages that take the proxy.
    pub tenant_sessions: TenantSessions,
    /// The visitors' access tokens, when there is a client that may have them.
    pub access_tokens: Option<AccessTokens>,
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
    /// Counts how often who asks for what.
    pub limits: Limits,
    /// The engine sockets that are open.
    pub sockets: Sockets,
    /// The time.
    pub clock: Clock,
    /// When this was opened.
    since: OffsetDateTime,
    draining: AtomicBool,
}

const NO_CLIENT: &str = "the certificate authorities of this machine cannot be read";

impl Lasting {
    async fn open(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        let store = Store::open(&config.store).await?;
        let client = config.tenant.client().context(NO_CLIENT)?;
        let tenant = &config.tenant.origin;
        let oidc = config.oidc.clone();
        let oidc = oidc.map(|settings| Oidc::new(settings, client.clone(), store.clone(), clock.clone()));
        let tickets = config.ticket.clone().map(|settings| Tickets::new(settings, store.clone(), client.clone()));
        let subjects = Subjects::new(config.subjects.clone(), config.mapping.clone(), Some(store.clone()));
        let subjects = Arc::new(subjects.context(NO_CLIENT)?);
        let tokens = config.token.clone().map(token::Issuer::new).transpose();
        let tokens = tokens.context("cannot start the threads that sign tokens")?;
        let tenant_sessions = TenantSessions::new(
            config.tenant_session,
            tenant.clone(),
            client.clone(),
            Arc::clone(&subjects),
            tokens.clone(),
            store.clone(),
        );
        let access_tokens = config
            .access_token
            .clone()
            .map(|settings| AccessTokens::new(settings, tenant.clone(), client, Arc::clone(&subjects), store.clone()));
        Ok(Self {
            subjects,
            tokens,
            tenant_sessions,
            access_tokens,
            sign_in: config.sign_in.clone(),
            guests: config.guests,
            header: config.header.clone(),
            passwords: Passwords::new(store.clone()),
            oidc,
            tickets,
            session: config.session,
            limits: Limits::new(store.clone()),
            store,
            sockets: Sockets::new(),
            since: clock.now(),
            clock,
            draining: AtomicBool::new(false),
        })
    }

    /// From now on, the rules and secrets of this configuration hold. Whether a part is there at all stays as it is.
    fn follow(&self, config: &Config, store: Renewal) {
        self.store.follow(store);
        self.subjects.follow(config.mapping.clone(), config.subjects.clone());
        if let (Some(oidc), Some(settings)) = (&self.oidc, &config.oidc) {
            oidc.follow(settings.clone());
        }
        if let (Some(tickets), Some(settings)) = (&self.tickets, &config.ticket) {
            tickets.follow(settings.clone());
        }
        if let (Some(tokens), Some(settings)) = (&self.access_tokens, &config.access_token) {
            tokens.follow(settings.clone());
        }
    }
}

/// Between whom requests are passed on.
fn passing(config: &Config) -> proxy::Settings {
    proxy::Settings {
        tenant: config.tenant.origin.clone(),
        origin: config.server.proxy_origin().clone(),
        portal: config.server.public_url.clone(),
        frame_ancestors: config.server.proxy_ancestors(),
        more_paths: config.proxy_paths.clone(),
        way_out: config.tenant.way_out.clone(),
    }
}

impl App {
    /// Opens the store and puts the parts together.
    ///
    /// # Errors
    /// When the store cannot be opened, no client for calls can be made, or no thread can be started for signing.
    pub async fn open(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let lasting = Lasting::open(&config, clock).await?;
        let tls = config.tenant.authorities.tls().context(NO_CLIENT)?;
        let data = lasting.access_tokens.clone().map(|tokens| Data::new(config.data.clone(), &config.tenant, tokens));
        let admin = Administration::of(&config, &lasting.clock, lasting.since).map(Arc::new);
        Ok(Self(Arc::new(Parts {
            proxy: Proxy::with_tls(passing(&config), tls),
            server: config.server,
            tenant: config.tenant,
            pages: config.pages,
            data: data.transpose().context(NO_CLIENT)?,
            gallery: config.gallery,
            admin,
            quotas: config.limits,
            lasting: Arc::new(lasting),
        })))
    }

    /// The application as this configuration has it: with what stays of this one, and rules for subjects and secrets that hold for both
    /// at once; those of the store were prepared ([`Store::prepare`]), which may fail, as nothing here does. What is not live in the
    /// configuration has to be as it was. The key that signs is exchanged by itself ([`token::Issuer::exchange`]).
    pub fn renewed(&self, config: Config, store: Renewal) -> Self {
        let lasting = Arc::clone(&self.0.lasting);
        let admin = match &self.admin {
            Some(admin) => admin.renewed(&config),
            None => Administration::of(&config, &lasting.clock, lasting.since),
        };
        lasting.follow(&config, store);
        Self(Arc::new(Parts {
            proxy: self.proxy.with(passing(&config)),
            server: config.server,
            tenant: config.tenant,
            pages: config.pages,
            data: self.data.as_ref().map(|data| data.with(config.data)),
            gallery: config.gallery,
            admin: admin.map(Arc::new),
            quotas: config.limits,
            lasting,
        }))
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

    /// From now on this instance is not ready, and says so to whoever keeps a connection: it is about to finish what it has.
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

impl Deref for Parts {
    type Target = Lasting;

    fn deref(&self) -> &Lasting {
        &self.lasting
    }
}
