//! The pages that visitors come for.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::error::{Error, Site};
use super::policy;
use super::visitor::SignedIn;
use crate::app::App;
use crate::pages::Page;

/// `GET /`: the pages there are; the page itself when there is but one.
pub async fn home(State(app): State<App>, who: SignedIn) -> Result<Response, Error> {
    if let [page] = app.pages.all() {
        return Ok(Redirect::to(&format!("/embed/{}", page.slug)).into_response());
    }
    let page = HomePage { site: Site::of(&app), visitor: Some(who.name().to_owned()), pages: links(&app) };
    Ok(Html(page.render()?).into_response())
}

/// `GET /embed/{slug}`: one page. Its script brings the visitor into the tenant and mounts the sheet.
pub async fn page(State(app): State<App>, who: SignedIn, Path(slug): Path<String>) -> Result<Response, Error> {
    let page = app.pages.open(&slug).ok_or(Error::NoSuchPage)?;
    let subject = app.mapping.subject(who.identity())?;
    let embed = EmbedPage {
        site: Site::of(&app),
        visitor: Some(who.name().to_owned()),
        pages: links(&app),
        page: Embed {
            slug: page.slug.to_string(),
            title: page.title.clone(),
            tenant: app.tenant.origin.to_string(),
            origin: app.server.public_url.to_string(),
            app: page.app.to_string(),
            sheet: page.sheet.clone(),
            web_integration: app.tenant.web_integration.clone(),
            flow: page.flow.as_str(),
            theme: page.theme.clone().unwrap_or_default(),
            options: page.options.clone(),
            language: page.language.clone().unwrap_or_default(),
            identity: page.identity.clone().unwrap_or_else(|| who.engine_identity().to_owned()),
            subject: subject.id,
        },
    };
    let policy = policy::of_embed(&app.tenant.origin, &app.server.frame_ancestors);
    Ok(([(CONTENT_SECURITY_POLICY, policy)], Html(embed.render()?)).into_response())
}

fn links(app: &App) -> Vec<PageLink> {
    let link = |page: &Page| PageLink { slug: page.slug.to_string(), title: page.title.clone() };
    app.pages.all().iter().map(link).collect()
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
    tenant: String,
    /// Our public origin: the only one that the tenant's web integration knows.
    origin: String,
    app: String,
    sheet: String,
    web_integration: String,
    flow: &'static str,
    /// Empty for the app's own theme.
    theme: String,
    options: String,
    /// Empty for the browser's own.
    language: String,
    /// The engine session's identity, which the frame shares.
    identity: String,
    /// Who the visitor is to the tenant: the script refuses to show what the tenant would show somebody else.
    subject: String,
}
