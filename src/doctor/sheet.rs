//! The engine, the app, what a page shows of it, and its frame (Qlik Cloud facts, sections F and G).

use reqwest::Response;
use reqwest::header::CONTENT_SECURITY_POLICY;
use uuid::Uuid;

use super::finding::{Check, Finding, Look, Outcome};
use super::session::{Login, unreachable, with_session};
use super::{Doctor, Tell, reach};
use crate::advice::{At, Sign};
use crate::origin::Origin;
use crate::pages::{Content, Page};
use crate::qlik::engine::{self, Engine, Right};

/// The engine session of the diagnosis: apart from every visitor's.
const IDENTITY: &str = "doctor";

pub(super) async fn examine(doctor: &Doctor, login: Option<&Login>, tell: Tell<'_>) {
    for (app, pages) in by_app(doctor.config.pages.all()) {
        match login {
            Some(login) => open(doctor, app, &pages, login, tell).await,
            None => {
                for page in pages {
                    skip(page, &[Check::Engine, Check::Sheet, Check::Theme], "nobody is signed in at the tenant", tell);
                }
            }
        }
    }
    let look = Look::new(Check::Frame, format!("GET {}", doctor.tenant("/single/")));
    let framed = doctor.config.pages.all().iter().find_map(|page| Some((page, framed(page)?)));
    match (login, framed) {
        (Some(login), Some((page, id))) => tell(frame(doctor, page, &id, login, look).await),
        (Some(_), None) => tell(look.skip("every page has components instead of a frame")),
        (None, _) => tell(look.skip("nobody is signed in at the tenant")),
    }
}

/// The pages of each app: one socket is enough for all of them. A page with components may show several.
fn by_app(pages: &[Page]) -> Vec<(Uuid, Vec<&Page>)> {
    let mut apps: Vec<(Uuid, Vec<&Page>)> = Vec::new();
    for (app, page) in pages.iter().flat_map(|page| page.apps().into_iter().map(move |app| (app, page))) {
        match apps.iter_mut().find(|(known, _)| *known == app) {
            Some((_, of_app)) => of_app.push(page),
            None => apps.push((app, vec![page])),
        }
    }
    apps
}

fn skip(page: &Page, checks: &[Check], why: &str, tell: Tell<'_>) {
    for check in checks {
        tell(Look::new(*check, format!("page {}", page.slug)).skip(why));
    }
}

/// Opens an app, and looks for what its pages show. The theme is looked up for the first of them.
async fn open(doctor: &Doctor, id: Uuid, pages: &[&Page], login: &Login, tell: Tell<'_>) {
    let app = id.to_string();
    let look = Look::new(Check::Engine, format!("{}/app/{app}", doctor.config.tenant.origin).replacen("http", "ws", 1));
    let right = Right::Session { cookies: &login.cookies, csrf: login.csrf.as_ref() };
    let tenant = &doctor.config.tenant.origin;
    match Engine::open(&doctor.http1, tenant, &app, IDENTITY, &right, doctor.now()).await {
        Ok(mut engine) => {
            let title = engine.title().await.unwrap_or_default();
            tell(look.pass(format!("connected, and opened \u{201c}{title}\u{201d}")));
            for page in pages {
                for (kind, id) in page.shown_of(id) {
                    tell(content(page, kind, id, &mut engine).await);
                }
            }
            if let Some(first) = pages.first() {
                tell(theme(first, &mut engine).await);
            }
            engine.close().await;
        }
        Err(problem) => {
            tell(refused(look, problem, login.is_new));
            for page in pages {
                skip(page, &[Check::Sheet, Check::Theme], "the app cannot be opened", tell);
            }
        }
    }
}

fn refused(look: Look, problem: engine::Error, is_new: bool) -> Finding {
    let found = problem.to_string();
    let advice = problem.advice();
    // Access of a new user may need two minutes to come through, and how that shows is not documented (section F.5): to blame the
    // configuration would be wrong.
    if is_new && matches!(advice.id, "no-permission" | "closed-early") {
        let found = format!("{found}; the user was made a moment ago");
        return look.sign(Outcome::Warning, found, Sign::AccessOnItsWay);
    }
    look.advise(Outcome::Failure, found, advice)
}

async fn content(page: &Page, kind: &str, id: &str, engine: &mut Engine) -> Finding {
    let look = Look::new(Check::Sheet, format!("page {}, {kind} {id}", page.slug.as_str()));
    match engine.kind_of(id).await {
        Ok(Some(found)) if kind == "sheet" && found != "sheet" => {
            let found = format!("it is in the app, and is a {found}: set object instead of sheet");
            look.sign(Outcome::Warning, found, Sign::SheetMissing)
        }
        Ok(Some(_)) => look.pass("it is in the app"),
        Ok(None) => {
            let known = engine.sheets().await.unwrap_or_default();
            let known: Vec<_> = known.iter().take(10).map(|sheet| format!("{} ({})", sheet.id, sheet.title)).collect();
            let known = if known.is_empty() { "no sheet".to_owned() } else { known.join(", ") };
            look.sign(Outcome::Failure, format!("it is not in the app; this user sees {known}"), Sign::SheetMissing)
        }
        Err(problem) => refused(look, problem, false),
    }
}

async fn theme(page: &Page, engine: &mut Engine) -> Finding {
    let look = Look::new(Check::Theme, format!("page {}", page.slug.as_str()));
    if let Some(theme) = &page.theme {
        return look.pass(format!("the page names {theme}"));
    }
    match engine.theme().await {
        Ok(Some(theme)) => look.pass(format!("the app names {theme}")),
        Ok(None) => look.sign(Outcome::Pass, "the app names none, so the tenant's own is used", Sign::NoTheme),
        Err(problem) => refused(look, problem, false),
    }
}

/// What the frame of a page is asked to show, if it has one.
fn framed(page: &Page) -> Option<String> {
    match &page.content {
        Content::Sheet(id) => Some(format!("sheet={id}")),
        Content::Object(id) => Some(format!("obj={id}")),
        Content::Components(_) => None,
    }
}

/// A server can ask for the page; only a browser would show it.
async fn frame(doctor: &Doctor, page: &Page, id: &str, login: &Login, look: Look) -> Finding {
    let address = doctor.tenant(&format!("/single/?appid={}&{id}", page.app));
    let response = match with_session(&doctor.client, &address, &login.cookies).await {
        Ok(response) => response,
        Err(problem) => return unreachable(look, At::Single, problem),
    };
    let status = response.status();
    if status.is_redirection() || status == 401 {
        let found = format!("status {}: it leads to the tenant's login page", status.as_u16());
        return look.sign(Outcome::Failure, found, Sign::FrameLeadsToLogin);
    }
    let ancestors = ancestors(&response);
    if !status.is_success() {
        let (_, (told, _)) = reach::told(response).await;
        return look.advise(Outcome::Failure, told.to_string(), told.advice(At::Single));
    }
    if !doctor.config.pages.use_browser() {
        return look.pass("status 200; who may frame it is this server's affair in the flow proxy");
    }
    let ours = &doctor.config.server.public_url;
    match ancestors {
        None => look.pass("status 200, and no frame-ancestors"),
        Some(sources) if allows(&sources, ours, &doctor.config.tenant.origin) => {
            look.pass(format!("status 200, frame-ancestors {sources}"))
        }
        Some(sources) => {
            let found = format!("status 200, and frame-ancestors is {sources}, without {ours}");
            look.sign(Outcome::Failure, found, Sign::FramesNotAllowed)
        }
    }
}

/// The sources of the directive, when there is one.
fn ancestors(response: &Response) -> Option<String> {
    let policies = response.headers().get_all(CONTENT_SECURITY_POLICY).iter().filter_map(|policy| policy.to_str().ok());
    policies.into_iter().find_map(ancestors_of)
}

/// The same, of a whole policy.
pub(super) fn ancestors_of(policy: &str) -> Option<String> {
    policy.split([';', ',']).find_map(directive)
}

fn directive(text: &str) -> Option<String> {
    let (name, sources) = text.trim().split_once(' ')?;
    name.eq_ignore_ascii_case("frame-ancestors").then(|| sources.trim().to_owned())
}

/// Whether one of these sources, in a policy of the tenant, stands for an origin (CSP level 3, section 6.7.2.7).
pub(super) fn allows(sources: &str, origin: &Origin, tenant: &Origin) -> bool {
    sources.to_ascii_lowercase().split_ascii_whitespace().any(|source| matches(source, origin, tenant))
}

fn matches(source: &str, origin: &Origin, tenant: &Origin) -> bool {
    if source == "*" {
        return true;
    }
    let is_scheme =
        |scheme: &str| origin.as_str().starts_with(&format!("{scheme}://")) || (scheme == "http" && origin.is_https());
    if let Some(scheme) = source.strip_suffix(':') {
        return is_scheme(scheme);
    }
    let (scheme_fits, rest) = match source.split_once("://") {
        Some((scheme, rest)) => (is_scheme(scheme), rest),
        // Without a scheme it is that of the page with the policy, or a safer one.
        None => (origin.is_https() || !tenant.is_https(), source),
    };
    let rest = rest.split('/').next().unwrap_or_default();
    let (host, port) = rest.rsplit_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let port_fits = match port {
        Some("*") => true,
        Some(port) => port.parse() == Ok(origin.port()),
        None => origin.authority() == origin.host(),
    };
    let host_fits = match host.strip_prefix("*.") {
        Some(above) => origin.host().ends_with(&format!(".{above}")),
        None => host == origin.host(),
    };
    scheme_fits && host_fits && port_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_stand_for_what_browsers_take_them_for() {
        let origin = |text: &str| Origin::parse(text).expect("an origin");
        let (https, http) = (origin("https://acme.eu.qlikcloud.com"), origin("http://localhost:9"));
        for (sources, ours, tenant, expected) in [
            ("portal.example", "https://portal.example", &https, true),
            ("'self' https://other.example Portal.Example", "https://portal.example", &https, true),
            ("*.example", "https://portal.example", &https, true),
            ("*.portal.example", "https://portal.example", &https, false),
            ("https:", "https://portal.example", &https, true),
            ("portal.example", "https://portal.example:8443", &https, false),
            ("portal.example:8443", "https://portal.example:8443", &https, true),
            ("portal.example:*", "https://portal.example:8443", &https, true),
            ("http://portal.example", "https://portal.example", &https, true),
            ("https://portal.example", "http://portal.example", &https, false),
            // A page over http needs its scheme written out where the tenant is https.
            ("localhost:8080", "http://localhost:8080", &https, false),
            ("http://localhost:8080", "http://localhost:8080", &https, true),
            ("localhost:8080", "http://localhost:8080", &http, true),
            ("'none'", "https://portal.example", &https, false),
            ("", "https://portal.example", &https, false),
        ] {
            assert_eq!(allows(sources, &origin(ours), tenant), expected, "{sources} {ours}");
        }
    }
}
