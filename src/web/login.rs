//! Signing in and out.

use askama::Template;
use axum::Extension;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;
use tower_sessions::Session;

use super::error::{Error, Site};
use super::policy;
use super::upstream::Asserted;
use super::visitor::{self, Visit};
use super::way_back::{self, ReturnPath};
use crate::app::App;
use crate::audit::{self, Caller, Event};
use crate::identity::Source;

pub mod guest;
pub mod oidc;
pub mod password;
pub mod ticket;

/// `GET /login`: every way of signing in that is open; whoever is signed in goes on, to what a tab of theirs wanted. When
/// the only way leads elsewhere, it is taken at once: after signing out visitors are at `/logout`, and after a failure at
/// its page, so nobody goes round in circles. Clients of the tenant that take themselves for signed out come with an address
/// to return to; one that is none of our pages is not followed.
pub async fn form(State(app): State<App>, session: Session, Query(asked): Query<Asked>) -> Result<Response, Error> {
    let back = asked.returnto.as_deref().and_then(|to| to.strip_prefix(app.server.public_url.as_str()));
    if let Some(path) = back.and_then(ReturnPath::parse).filter(visitor::leads_to_a_page) {
        way_back::keep(&session, &path, app.clock.now()).await?;
    }
    if let Some(to) = visitor::way_on(&app, &session).await? {
        return Ok(Redirect::to(to.as_str()).into_response());
    }
    let page = LoginPage::of(&app);
    match page.only_way() {
        Some(way) => Ok(Redirect::to(way.href).into_response()),
        None => Ok(Html(page.render()?).into_response()),
    }
}

/// What `GET /login` may be told: `returnto`, as the tenant's own is (Qlik Cloud facts, section C.1).
#[derive(Deserialize)]
pub struct Asked {
    returnto: Option<String>,
}

/// `POST /logout`: ends the session. Whoever signed in at the OpenID provider is sent there to sign out, and comes back to
/// `GET /logout`.
pub async fn sign_out(State(app): State<App>, session: Session, caller: Caller) -> Result<Response, Error> {
    let visit = Visit::current(&app, &session).await?;
    let left = visitor::provider_of(&app, &session).await?;
    // Before anything that takes long: then a tab that is closed meanwhile leaves nobody signed in.
    session.flush().await?;
    if let Some(visit) = visit {
        audit::record(caller, &Event::SignedOut(visit.identity()));
    }
    let Some(way_out) = oidc::way_out(&app, left).await else { return Ok(Redirect::to("/logout").into_response()) };
    // Not a redirect: as the answer to a form, it may not leave our origin (CSP level 3, section 6.4.1, form-action).
    let page = LeavingPage { site: Site::of(&app), visitor: None, way_out };
    Ok(Html(page.render()?).into_response())
}

/// `GET /logout`: says that the session has ended. Its script ends the tenant's session in this browser too; one that this
/// server kept has ended with ours.
pub async fn signed_out(
    State(app): State<App>,
    session: Session,
    asserted: Option<Extension<Asserted>>,
) -> Result<Response, Error> {
    if Visit::current(&app, &session).await?.is_some() {
        return Ok(Redirect::to("/").into_response());
    }
    let tenant = app.pages.use_browser().then_some(&app.tenant.origin);
    let policy = policy::of_signed_out(tenant);
    let page = SignedOutPage {
        site: Site::of(&app),
        visitor: None,
        tenant: tenant.map(ToString::to_string),
        still_known: asserted.is_some(),
        proxy_sign_out: app
            .header
            .as_ref()
            .filter(|_| asserted.is_some())
            .and_then(|header| header.sign_out_url.clone()),
    };
    Ok(([(CONTENT_SECURITY_POLICY, policy)], Html(page.render()?)).into_response())
}

/// The sign-in page: what is open, of a form, ways that lead elsewhere, and ways that begin elsewhere.
#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    site: Site,
    visitor: Option<String>,
    problem: Option<String>,
    username: String,
    /// The form for name and password.
    password: bool,
    /// The form for an e-mail address that nobody checks; in the demo alone.
    guest: bool,
    /// Ways that lead elsewhere, each a button.
    ways: Vec<Way>,
    /// Whether a visitor may also come signed in from a portal.
    from_elsewhere: bool,
    /// Whether a proxy before this server may say who the visitor is.
    through_proxy: bool,
}

/// A way of signing in that leads elsewhere.
struct Way {
    href: &'static str,
    label: String,
}

impl LoginPage {
    fn of(app: &App) -> Self {
        Self { guest: app.guests, ..Self::offering(&app.sign_in, Site::of(app)) }
    }

    fn offering(open: &[Source], site: Site) -> Self {
        let mut page = Self {
            site,
            visitor: None,
            problem: None,
            username: String::new(),
            password: false,
            guest: false,
            ways: Vec::new(),
            from_elsewhere: false,
            through_proxy: false,
        };
        for source in open {
            match source {
                Source::Password => page.password = true,
                Source::Oidc => {
                    page.ways.push(Way { href: "/login/oidc", label: "Sign in with your company account".to_owned() });
                }
                Source::Header => page.through_proxy = true,
                Source::Ticket => page.from_elsewhere = true,
            }
        }
        page
    }

    /// The way to take without asking, since there is nothing to choose and nothing to read.
    fn only_way(&self) -> Option<&Way> {
        match &self.ways[..] {
            [way] if !(self.password || self.from_elsewhere || self.through_proxy || self.problem.is_some()) => {
                Some(way)
            }
            _ => None,
        }
    }
}

/// While signing out at the provider.
#[derive(Template)]
#[template(path = "leaving.html")]
struct LeavingPage {
    site: Site,
    visitor: Option<String>,
    way_out: String,
}

/// After signing out.
#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage {
    site: Site,
    visitor: Option<String>,
    /// Where this browser may have a session that has to end too.
    tenant: Option<String>,
    /// A proxy before us still says who this is: the next page signs in again.
    still_known: bool,
    /// Where the session at that proxy is ended.
    proxy_sign_out: Option<String>,
}

#[cfg(test)]
mod tests {
    use scraper::{Html, Selector};

    use super::*;

    #[test]
    fn the_page_offers_every_way_that_is_open_and_no_other() {
        use Source::{Header, Oidc, Password, Ticket};
        // Open; then: form, ways, sentences about elsewhere, taken at once.
        type Case<'a> = (&'a [Source], bool, &'a [&'a str], &'a [&'a str], bool);
        const PROXY: &str = "Behind your company’s sign-in, Portal knows you by itself: open it by its usual address.";
        const PROXY_ALONE: &str =
            "Your company’s sign-in tells Portal who you are, and it did not. Open Portal by its usual address.";
        const PORTAL: &str = "Coming from your company’s own portal? Its links to Portal sign you in by themselves.";
        const PORTAL_ALONE: &str =
            "You come here signed in, from your company’s own portal. Go there, and follow its link to Portal.";
        let cases: [Case<'_>; 7] = [
            (&[Password], true, &[], &[], false),
            (&[Oidc], false, &["/login/oidc"], &[], true),
            (&[Password, Oidc], true, &["/login/oidc"], &[], false),
            (&[Header], false, &[], &[PROXY_ALONE], false),
            (&[Ticket], false, &[], &[PORTAL_ALONE], false),
            (&[Oidc, Ticket], false, &["/login/oidc"], &[PORTAL], false),
            (&[Password, Oidc, Header, Ticket], true, &["/login/oidc"], &[PORTAL, PROXY], false),
        ];
        for (open, form, ways, elsewhere, at_once) in cases {
            let site = Site { name: "Portal".into(), assets: "/static/x/".into() };
            let mut page = LoginPage::offering(open, site);
            assert_eq!(page.only_way().is_some(), at_once, "{open:?}");
            let html = Html::parse_document(&page.render().expect("it renders"));
            let all = |selector: &str| {
                let selector = Selector::parse(selector).expect("a selector");
                html.select(&selector).filter_map(|element| element.attr("href").map(str::to_owned)).collect::<Vec<_>>()
            };
            let has = |selector: &str| html.select(&Selector::parse(selector).expect("a selector")).next().is_some();
            assert_eq!(has("form[action='/login']"), form, "{open:?}");
            assert_eq!(all(".ways a"), ways, "{open:?}");
            let selector = Selector::parse(".elsewhere").expect("a selector");
            let sentences: Vec<String> = html.select(&selector).map(|element| element.text().collect()).collect();
            assert_eq!(sentences, elsewhere, "{open:?}");
            page.problem = Some("No.".to_owned());
            assert!(page.only_way().is_none(), "a problem is read first");
        }
    }
}
