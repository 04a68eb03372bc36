//! The pages that visitors come for.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Redirect, Response};
use tower_sessions::Session;

use super::error::{Error, Site};
use super::visitor::{self, SignedIn};
use super::{csrf, policy};
use crate::app::App;
use crate::audit::{self, Caller, Event, Refusal};
use crate::data::Settings;
use crate::identity::Identity;
use crate::origin::Origin;
use crate::pages::component::{Component, Grid};
use crate::pages::{Content, Flow, Gallery, Page, Selection};
use crate::subjects::Resolution;

/// With more pages than this, the list of pages can be searched.
const SEARCHED: usize = 10;
/// With more pages than this, a page's header has a menu instead of tabs.
const MOST_TABS: usize = 4;

/// `GET /`: the pages that this visitor may see; the page itself when there is but one.
pub async fn home(State(app): State<App>, who: SignedIn) -> Result<Response, Error> {
    let pages = links(&app, &who);
    if let [page] = &pages[..] {
        return Ok(Redirect::to(&format!("/embed/{}", page.slug)).into_response());
    }
    let page = HomePage { site: Site::of(&app), visitor: Some(who.name().to_owned()), pages };
    Ok(([(CONTENT_SECURITY_POLICY, policy::of_home())], Html(page.render()?)).into_response())
}

/// `GET /embed/{slug}`: one page. Its script brings the visitor into the tenant and mounts the sheet.
pub async fn page(
    State(app): State<App>,
    caller: Caller,
    who: Result<SignedIn, Error>,
    session: Session,
    Path(slug): Path<String>,
) -> Result<Response, Error> {
    let refuse = |identity: Option<&Identity>, rule: Option<&str>, reason: Error| {
        // That nobody is signed in is no event.
        if !matches!(reason, Error::SignedOut) {
            let page = app.pages.named(&slug).map(|page| page.slug.as_str());
            let failed = reason.status().is_server_error();
            audit::record(caller, &Event::PageRefused(Refusal { identity, page, rule, failed, reason: &reason }));
        }
        reason
    };
    let who = who.map_err(|reason| refuse(None, None, reason))?;
    let identity = who.identity();
    let page = app.pages.open(&slug, identity).ok_or_else(|| refuse(Some(identity), None, Error::NoSuchPage))?;
    let resolved = app.subjects.resolve(identity, app.clock.now()).await;
    let resolved = resolved.map_err(|problem| refuse(Some(identity), None, problem.into()))?;
    let Resolution { origin, result, .. } = resolved;
    let subject = result.map_err(|denied| refuse(Some(identity), Some(origin.as_str()), denied.into()))?;
    // A browser that does not keep the tenant's cookies need not find that out for each page.
    let flow = if page.flow == Flow::Auto && who.is_proxied() { Flow::Proxy } else { page.flow };
    let proxy = app.server.proxy_origin();
    let ancestors = &app.server.frame_ancestors;
    let (components, policy) = match &page.content {
        Content::Components(grid) => {
            let components = Components::of(&app, page, flow, grid, who.engine_identity());
            let more = &app.server.embed_csp;
            let policy = policy::of_components(flow, components.met(), &components.nonce, more, ancestors);
            (Some(components), policy)
        }
        _ => (None, policy::of_embed(flow, &app.tenant.origin, proxy, ancestors)),
    };
    // What the browser gets access tokens with.
    let csrf = flow.uses_access_token().then(|| csrf::of(&app, &session)).flatten();
    let embed = EmbedPage {
        site: Site::of(&app),
        visitor: Some(who.name().to_owned()),
        pages: links(&app, &who),
        page: Embed {
            slug: page.slug.to_string(),
            title: page.title.clone(),
            flow: flow.as_str(),
            tenant: flow.meets_tenant().then(|| app.tenant.origin.to_string()),
            web_integration: app.tenant.web_integration.clone().filter(|_| flow.uses_browser()),
            token: flow.uses_browser().then(|| format!("/token/{}", page.slug)),
            proxy: flow.uses_proxy().then(|| proxy.to_string()),
            origin: app.server.public_url.to_string(),
            app: page.app.to_string(),
            content: page.content.clone(),
            theme: page.theme.clone().unwrap_or_default(),
            options: page.options.clone(),
            language: page.language.clone().unwrap_or_default(),
            select: page.selections.iter().map(Selection::to_string).collect::<Vec<_>>().join("\n"),
            identity: page.engine_identity(who.engine_identity()),
            subject: subject.id,
            csrf,
        },
        components,
    };
    Ok(([(CONTENT_SECURITY_POLICY, policy)], Html(embed.render()?)).into_response())
}

fn links(app: &App, who: &SignedIn) -> Vec<PageLink> {
    let link = |page: &Page| PageLink { slug: page.slug.to_string(), title: page.title.clone() };
    app.pages.visible_to(who.identity()).map(link).collect()
}

/// A page's name and address.
struct PageLink {
    slug: String,
    title: String,
}

/// The list of pages.
#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    site: Site,
    visitor: Option<String>,
    pages: Vec<PageLink>,
}

/// The page that embeds a sheet.
#[derive(Template)]
#[template(path = "embed.html")]
struct EmbedPage {
    site: Site,
    visitor: Option<String>,
    pages: Vec<PageLink>,
    page: Embed,
    components: Option<Components>,
}

/// What the page's script is told, as `data-*` attributes. Nothing here is a secret.
struct Embed {
    slug: String,
    title: String,
    flow: &'static str,
    /// Where a browser finds the tenant, by which name it calls there, and where it gets a token for that.
    tenant: Option<String>,
    web_integration: Option<String>,
    token: Option<String>,
    /// Where requests are passed on to the tenant.
    proxy: Option<String>,
    /// Our public origin: the only one that the tenant's web integration knows.
    origin: String,
    app: String,
    content: Content,
    /// Empty for the app's own theme.
    theme: String,
    options: String,
    /// Empty for the browser's own.
    language: String,
    /// What is selected when it opens: one `select` parameter a line.
    select: String,
    /// The engine session's identity, which the frame shares.
    identity: String,
    /// Who the visitor is to the tenant: the script refuses to show what the tenant would show somebody else.
    subject: String,
    /// The session's token for what the script posts.
    csrf: Option<String>,
}

/// Elements instead of a frame, and the one place where they are told how to meet the tenant (Qlik Cloud facts, section H.3).
struct Components {
    /// Where they meet it.
    host: Origin,
    /// How they show who they are there.
    auth_type: &'static str,
    /// Under which client's name they ask, in the flow `oauth`.
    client: Option<String>,
    /// The engine session that they share.
    identity: String,
    /// The app in which something is selected when the page opens.
    app: String,
    selections: Vec<Selection>,
    grid: Grid,
    /// Dimension and measure of the table without a chart, in the gallery.
    data: Option<(String, String)>,
    /// Marks what this answer's own scripts put into the page.
    nonce: String,
}

impl Components {
    fn of(app: &App, page: &Page, flow: Flow, grid: &Grid, own_identity: &str) -> Self {
        let (host, auth_type) = match flow {
            Flow::Oauth => (&app.tenant.origin, "oauth2"),
            // `none` adds cookies to calls of its own origin only. `cookie` adds them to those of another, such as the
            // sibling's, too; the CSRF token that it asks for there, we answer (Qlik Cloud facts, section G.2).
            _ if app.server.proxy_url.is_some() => (app.server.proxy_origin(), "cookie"),
            _ => (app.server.proxy_origin(), "none"),
        };
        Self {
            host: host.clone(),
            auth_type,
            client: app.tenant.oauth_client.clone().filter(|_| flow.uses_access_token()),
            identity: page.engine_identity(own_identity),
            app: page.app.to_string(),
            selections: page.selections.clone(),
            grid: grid.clone(),
            data: app.data.as_ref().filter(|_| page.slug.as_str() == Gallery::SLUG).and_then(|data| {
                let Settings { dimension, measure } = &data.settings;
                dimension.clone().zip(measure.clone())
            }),
            nonce: visitor::random(),
        }
    }

    fn met(&self) -> &Origin {
        &self.host
    }

    /// How high it is, in pixels; nothing for the one that fills the page.
    fn height(&self, component: &Component) -> Option<u16> {
        let given = component.height.unwrap_or_else(|| component.kind.usual_height());
        (!self.grid.is_filled()).then_some(given)
    }
}
