//! The pages that visitors come for.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::error::{Error, Site};
use super::policy;
use super::visitor::SignedIn;
use crate::app::App;
use crate::audit::{self, Caller, Event, Refusal};
use crate::identity::Identity;
use crate::pages::{Content, Flow, Page, Selection};
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
    Path(slug): Path<String>,
) -> Result<Response, Error> {
    let refuse = |identity: Option<&Identity>, rule: Option<&str>, reason: Error| {
        // That nobody is signed in is no event.
        if !matches!(reason, Error::SignedOut) {
            let page = app.pages.named(&slug).map(|page| page.slug.as_str());
            audit::record(caller, &Event::PageRefused(Refusal { identity, page, rule, reason: &reason }));
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
    let embed = EmbedPage {
        site: Site::of(&app),
        visitor: Some(who.name().to_owned()),
        pages: links(&app, &who),
        page: Embed {
            slug: page.slug.to_string(),
            title: page.title.clone(),
            flow: flow.as_str(),
            tenant: flow.uses_browser().then(|| app.tenant.origin.to_string()),
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
        },
    };
    let policy = policy::of_embed(flow, &app.tenant.origin, proxy, &app.server.frame_ancestors);
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
}
