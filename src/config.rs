//! The configuration: checked settings, assembled for the rooms that use them.
//!
//! [`load`] takes the environment as a value and gives a [`Config`], or every problem at once. Nothing that it returns
//! needs another check; nothing below reads an environment variable.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use time::OffsetDateTime;

use crate::identity::Source;
use crate::mapping::Mapping;
use crate::origin::Origin;
use crate::pages::{Gallery, Pages};
use crate::qlik::api::Access;
use crate::qlik::{Tenant, token};
use crate::store;
use crate::{access_token, auth, data, limits, subjects, tenant_session, traces};

mod admin;
mod again;
mod dotenv;
pub mod embed_csp;
mod file;
mod frames;
mod gallery;
mod header;
mod log;
mod mapping;
mod oauth;
mod observed;
mod oidc;
mod page;
mod parts;
mod problem;
mod proxy;
mod rates;
mod reader;
mod server;
mod set_up;
pub mod settings;
mod signing;
mod stores;
mod subject;
mod tickets;
mod tls;
mod way_out;

pub use admin::Admin;
pub use again::{Again, Standing};
pub use dotenv::{read_dotenv, with_dotenv};
use file::Sources;
pub use file::{Env, content};
pub use log::{Log, LogFormat};
pub use parts::{ToFindSubjects, load_list, load_log, load_own_address, load_store, load_tenant, load_token};
pub use problem::{Problem, Problems};
use reader::Reader;
pub use reader::Shown;
pub use set_up::{ToSetUp, Written, load_setup};
pub use signing::{Certificate, EXPIRES_SOON, KeyInPlace};
pub use tls::Tls;

/// The exit code for a configuration that cannot be used (`EX_CONFIG` of BSD's sysexits).
pub const EXIT_CONFIG: u8 = 78;

/// Everything that `serve` needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where and how we listen, and whom we trust.
    pub server: Server,
    /// The tenant.
    pub tenant: Tenant,
    /// What there is to see.
    pub pages: Pages,
    /// Beginnings of the tenant's paths that are passed on besides those that are known to be needed.
    pub proxy_paths: Vec<String>,
    /// How the tenant's sessions are kept, for pages that take the proxy.
    pub tenant_session: tenant_session::Settings,
    /// How access tokens are had, for pages with the flow `oauth`.
    pub access_token: Option<access_token::Settings>,
    /// What data is asked for where a request does not say.
    pub data: data::Settings,
    /// The gallery, when there is one.
    pub gallery: Option<Gallery>,
    /// What tokens say and are signed with; nothing where every page takes access tokens instead.
    pub token: Option<token::Settings>,
    /// The certificate of their key, where one lies beside it.
    pub certificate: Option<Certificate>,
    /// Ways of signing in that are open; at least one.
    pub sign_in: Vec<Source>,
    /// Whether anybody may sign in by an e-mail address that nobody checks. No setting says so: only the command `demo`.
    pub guests: bool,
    /// The OpenID provider, when signing in there is open.
    pub oidc: Option<auth::oidc::Settings>,
    /// What tickets are checked with, when they are one of the ways.
    pub ticket: Option<auth::ticket::Settings>,
    /// How a proxy before us says who the visitor is, when that way is open.
    pub header: Option<auth::header::Settings>,
    /// The rules from identities to subjects.
    pub mapping: Mapping,
    /// How subjects are found and guarded.
    pub subjects: subjects::Settings,
    /// By what right the tenant's administration is asked, if by any.
    pub access: Option<Access>,
    /// What is remembered, and where.
    pub store: store::Settings,
    /// How long sessions live.
    pub session: SessionAges,
    /// How often who may ask for what.
    pub limits: limits::Settings,
    /// The pages for administrators, when there are any.
    pub admin: Option<Admin>,
    /// What operators see of it.
    pub observed: Observed,
}

/// What operators see of the server at work.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The address at which Prometheus reads what is counted.
    pub metrics: Option<SocketAddr>,
    /// Where traces go.
    pub traces: Option<traces::Settings>,
}

/// How long our sessions live.
#[derive(Clone, Copy, Debug)]
pub struct SessionAges {
    /// Without a request.
    pub idle: Duration,
    /// In all.
    pub max: Duration,
}

/// Where and how we listen, and whom we trust.
#[derive(Clone, Debug)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The origin that visitors see.
    pub public_url: Origin,
    /// The origin beside it under which visitors see what is passed on of the tenant; without one, it is `public_url`.
    pub proxy_url: Option<Origin>,
    /// The name in the header of each page.
    pub portal_name: String,
    /// Certificate chain and key, when we speak TLS ourselves.
    pub tls: Option<Tls>,
    /// Proxies whose `X-Forwarded-For` we believe.
    pub trusted_proxies: Vec<IpNet>,
    /// The sources of the CSP directive `frame-ancestors` on embed pages.
    pub frame_ancestors: Vec<String>,
    /// Whether pages of other sites may frame ours, so that our cookie has to reach us from there.
    pub framed_by_other_sites: bool,
    /// What the policy of pages with components allows besides what is known to be needed.
    pub embed_csp: embed_csp::MoreSources,
    /// Other origins whose pages may ask for tokens.
    pub token_allowed_origins: Vec<Origin>,
    /// For how long after the signal to stop everything is served on, while we say that we are not ready.
    pub shutdown_delay: Duration,
    /// How long requests may take to finish after that.
    pub shutdown_grace: Duration,
}

impl Server {
    /// The origin under which visitors see what is passed on of the tenant.
    pub fn proxy_origin(&self) -> &Origin {
        self.proxy_url.as_ref().unwrap_or(&self.public_url)
    }

    /// Who may frame what is passed on of the tenant: our pages, and with them whoever frames those. Browsers ask about every
    /// page around (CSP level 3, section 6.4.2).
    pub fn proxy_ancestors(&self) -> Vec<String> {
        let others = self.frame_ancestors.iter().filter(|source| !matches!(source.as_str(), "'self'" | "'none'"));
        ["'self'".to_owned(), self.public_url.to_string()].into_iter().chain(others.cloned()).collect()
    }
}

/// Where a program on this machine reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnAddress {
    /// Address and port: where it listens, and loopback where it listens everywhere.
    pub address: SocketAddr,
    /// Whether it speaks TLS there.
    pub tls: bool,
}

/// A configuration, and what was noticed while reading it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// How to log.
    pub log: Log,
    /// Remarks for the administrator.
    pub hints: Vec<String>,
    /// The settings in effect, secrets masked.
    pub shown: Vec<Shown>,
}

/// Reads and checks everything that `serve` needs.
///
/// # Errors
/// All problems in one report.
pub fn load(env: &Env, now: OffsetDateTime) -> Result<Loaded, Problems> {
    load_from(&Sources::of(env), now)
}

fn load_from(sources: &Sources, now: OffsetDateTime) -> Result<Loaded, Problems> {
    let mut reader = Reader::new(sources);
    let server = server::read(&mut reader);
    let log = log::read(&mut reader);
    let observed = observed::read(&mut reader, server.as_ref());
    let tenant = page::tenant(&mut reader);
    let mut pages = page::read(&mut reader);
    let proxy_paths = proxy::paths(&mut reader);
    let tenant_session = proxy::tenant_session(&mut reader);
    let needs_token = pages.as_ref().is_none_or(|pages| pages.all().iter().any(|page| !page.flow.uses_access_token()));
    let token = if needs_token || signing::is_given(&reader) { Some(signing::read(&mut reader, now)) } else { None };
    let sign_in = server::sign_in(&mut reader);
    frames::check_ways(&mut reader, server.as_ref(), sign_in.as_deref());
    let public_url = server.as_ref().map(|server| &server.public_url);
    let oidc = oidc::read(&mut reader, sign_in.as_deref(), public_url);
    let ticket = tickets::read(&mut reader, sign_in.as_deref(), public_url);
    let header = header::read(&mut reader, sign_in.as_deref(), server.as_ref());
    let shared = mapping::shared(&mut reader);
    let mapping = mapping::read(&mut reader, sign_in.as_deref().unwrap_or_default(), shared == Some(true));
    let access = subject::access(&mut reader);
    let subjects = subject::read(&mut reader, tenant.as_ref(), access.as_ref().and_then(Option::as_ref), shared);
    let oauth_client = tenant.as_ref().and_then(|tenant| tenant.oauth_client.as_deref());
    let logins_a_minute = tenant_session.map(|sessions| sessions.logins_a_minute);
    let right = access.as_ref().and_then(Option::as_ref);
    let access_token = oauth::read(&mut reader, oauth_client, right, logins_a_minute, shared == Some(true));
    let data = gallery::data(&mut reader);
    let gallery = gallery::read(&mut reader, &mut pages, &data);
    let store = stores::read(&mut reader);
    let session = server::session(&mut reader);
    let limits = rates::read(&mut reader);
    let admin_groups = admin::groups(&mut reader, server.as_ref(), pages.as_ref());
    reader.report_strangers();
    let (hints, shown) = reader.finish()?;
    let admin = admin_groups.map(|groups| Admin { groups, hints: hints.clone(), shown: shown.clone() });
    // No problem was reported, so everything was read; a gap here would be a mistake of this module.
    let config = (|| {
        let (token, certificate) = match token {
            Some(read) => read.map(|(token, certificate)| (Some(token), certificate))?,
            None => (None, None),
        };
        let config = Config {
            server: server?,
            tenant: tenant?,
            pages: pages?,
            proxy_paths,
            tenant_session: tenant_session?,
            access_token: access_token?,
            data,
            gallery: gallery?,
            token,
            certificate,
            sign_in: sign_in?,
            guests: false,
            oidc,
            ticket: ticket?,
            header: header?,
            mapping: mapping?,
            subjects: subjects?,
            access: access?,
            store: store?,
            session: session?,
            limits: limits?,
            admin,
            observed,
        };
        Some((config, log?))
    })();
    let (config, log) = config.expect("what could not be read was reported as a problem");
    Ok(Loaded { config, log, hints, shown })
}
