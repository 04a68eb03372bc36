//! The login and what comes of it: cookies, user, CSRF token (Qlik Cloud facts, sections B, D and E).

use http::HeaderValue;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::finding::{Check, Finding, Look, Outcome};
use super::local::NO_TOKENS;
use super::{CALL, Doctor, Tell, Who, reach};
use crate::advice::{self, Answer, At, Sign, Silent};
use crate::client::redirect;
use crate::qlik::cookies::{Cookies, is_routine};
use crate::qlik::session;

/// For so long a new user may be refused without a reason (section F.5).
const NEW: time::Duration = time::Duration::minutes(2);
/// How often `users/me` may lead on.
const HOPS: usize = 4;

/// A session at the tenant, for the checks behind it.
pub(super) struct Login {
    pub cookies: HeaderValue,
    pub csrf: Option<HeaderValue>,
    /// Whether the user was made a moment ago.
    pub is_new: bool,
}

impl Login {
    pub async fn end(&self, doctor: &Doctor) {
        // What it is worth ends by itself, too.
        let _ = session::log_out(&doctor.client, &doctor.config.tenant.origin, &self.cookies, doctor.now()).await;
    }
}

pub(super) async fn examine(doctor: &Doctor, answers: bool, who: &Who, tell: Tell<'_>) -> Option<Login> {
    let look = Look::new(Check::Login, format!("POST {}", doctor.tenant("/login/jwt-session")));
    let signed_in = match who {
        Who::Nobody(why) => Err(look.skip(why)),
        Who::Subject(_) if !answers => Err(look.skip("the tenant does not answer")),
        Who::Subject(subject) => log_in(doctor, subject, look).await.map(|(found, response)| {
            tell(found);
            (subject, response)
        }),
    };
    let (subject, response) = match signed_in {
        Ok(signed_in) => signed_in,
        Err(finding) => {
            tell(finding);
            for check in [Check::Cookies, Check::User, Check::Links, Check::Csrf] {
                tell(Look::new(check, "the session at the tenant").skip("nobody is signed in there"));
            }
            return None;
        }
    };
    let mut kept = Cookies::default();
    kept.update(response.headers().get_all(SET_COOKIE), doctor.now());
    tell(cookies(doctor, &response, kept.header(doctor.now()).is_some()));
    let Some(cookies) = kept.header(doctor.now()) else {
        for check in [Check::User, Check::Links, Check::Csrf] {
            tell(Look::new(check, "the session at the tenant").skip("there is no cookie to ask with"));
        }
        return None;
    };
    let (finding, user) = user(doctor, &cookies, &subject.id).await;
    tell(finding);
    tell(links(doctor, user.as_ref()));
    let (finding, csrf) = csrf(doctor, &cookies).await;
    tell(finding);
    let is_new = user.as_ref().is_some_and(|user| is_new(user, doctor.now()));
    user.map(|_| Login { cookies, csrf, is_new })
}

/// Without an `Origin`, as a server does (section B.1).
async fn log_in(
    doctor: &Doctor,
    subject: &crate::identity::Subject,
    look: Look,
) -> Result<(Finding, Response), Finding> {
    let Some(settings) = &doctor.config.token else { return Err(look.skip(NO_TOKENS)) };
    let token = match settings.mint(subject, doctor.now()) {
        Ok(token) => token,
        Err(problem) => return Err(look.fail(problem.to_string(), "make a new key with `qlik-embed-bff keygen`")),
    };
    let request = doctor.client.post(doctor.tenant("/login/jwt-session")).bearer_auth(token.expose()).timeout(CALL);
    match request.send().await {
        Err(problem) => Err(unreachable(look, At::Login, problem)),
        Ok(response) if response.status() == StatusCode::OK => {
            Ok((look.pass(format!("status 200 for {}", subject.id)), response))
        }
        Ok(response) => {
            let (_, (told, _)) = reach::told(response).await;
            Err(look.advise(Outcome::Failure, told.to_string(), told.advice(At::Login)))
        }
    }
}

/// Browsers give cookies to frames and scripts of other sites only with `SameSite=None; Secure` (section B.3).
fn cookies(doctor: &Doctor, response: &Response, is_session: bool) -> Finding {
    let look = Look::new(Check::Cookies, "the headers Set-Cookie of the login");
    let lines: Vec<String> = response
        .headers()
        .get_all(SET_COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok().map(str::to_owned))
        .collect();
    let names: Vec<&str> = lines.iter().filter_map(|line| line.split('=').next()).map(str::trim).collect();
    if !is_session {
        return look.sign(Outcome::Failure, "the login was accepted, and no cookie was set", Sign::CookiesNotSet);
    }
    let has = |line: &str, what: &str| {
        line.split(';').skip(1).any(|part| part.trim().replace(' ', "").eq_ignore_ascii_case(what))
    };
    let closed: Vec<_> = lines
        .iter()
        .zip(&names)
        // A load balancer sets one of its two cookies for its own site alone, and means it.
        .filter(|(line, name)| !(is_routine(name) || has(line, "samesite=none") && has(line, "secure")))
        .map(|(_, name)| *name)
        .collect();
    let all = names.join(", ");
    if !closed.is_empty() && doctor.config.pages.use_browser() {
        let found = format!("{} can be used by no page of another site", closed.join(", "));
        return look.sign(Outcome::Warning, found, Sign::CookiesNotCrossSite);
    }
    let partitioned = if lines.iter().any(|line| has(line, "partitioned")) { ", partitioned" } else { "" };
    let limit = if doctor.config.pages.use_browser() {
        "; whether a visitor's browser keeps them, only that browser knows"
    } else {
        "; they stay at this server"
    };
    look.pass(format!("{all}{partitioned}{limit}"))
}

/// `users/me` leads on to the user (section E). Gives the user, when the session is good.
async fn user(doctor: &Doctor, cookies: &HeaderValue, subject: &str) -> (Finding, Option<Value>) {
    let look = Look::new(Check::User, format!("GET {}", doctor.tenant("/api/v1/users/me")));
    let response = match with_session(&doctor.client, &doctor.tenant("/api/v1/users/me"), cookies).await {
        Ok(response) => response,
        Err(problem) => return (unreachable(look, At::UsersMe, problem), None),
    };
    if let Some(elsewhere) = elsewhere(&response) {
        let found = format!("it leads to {elsewhere}: if that is this tenant's other name, set QLIK_TENANT to it");
        return (look.sign(Outcome::Failure, found, Sign::LinksLeave), None);
    }
    let (status, (told, body)) = reach::told(response).await;
    let user = match body.filter(|_| status == 200) {
        Some(user) if user.is_object() => user,
        _ if status == 401 => {
            let found = "the login was accepted, and its cookies are not";
            return (look.sign(Outcome::Failure, found, Sign::CookiesBlocked), None);
        }
        _ => return (look.advise(Outcome::Failure, told.to_string(), told.advice(At::UsersMe)), None),
    };
    let theirs = user["subject"].as_str().unwrap_or_default();
    let finding = match user["status"].as_str() {
        // Whether case counts is not documented (section A.4).
        _ if theirs != subject && theirs.eq_ignore_ascii_case(subject) => {
            let found = format!("it is {theirs}, and {subject} signed in: they differ in case");
            look.sign(Outcome::Warning, found, Sign::OtherSubject)
        }
        _ if theirs != subject => {
            let found = format!("it is {theirs}, and {subject} signed in");
            look.sign(Outcome::Failure, found, Sign::OtherSubject)
        }
        Some(status) if status != "active" => {
            let advice = advice::of(&Answer::Http { at: At::Login, status: 403, code: None, detail: "", html: false });
            look.advise(Outcome::Failure, format!("{theirs} is {status}"), advice)
        }
        _ if user["id"].as_str() == Some(theirs) || crate::mapping::looks_like_a_qlik_id(theirs) => {
            let found = format!("{theirs} looks like the id of a user: a subject made of it is a user of its own");
            look.sign(Outcome::Warning, found, Sign::DuplicateUsers)
        }
        _ => {
            let new = if is_new(&user, doctor.now()) { ", made a moment ago" } else { "" };
            look.pass(format!("{theirs}, active{new}"))
        }
    };
    (finding, Some(user))
}

/// A tenant has two names (section J). Addresses with the other one would lead browsers away from a proxy, and from their cookies.
fn links(doctor: &Doctor, user: Option<&Value>) -> Finding {
    let look = Look::new(Check::Links, "links.self.href in the answer to users/me");
    let tenant = &doctor.config.tenant.origin;
    match user.and_then(|user| user["links"]["self"]["href"].as_str()) {
        None => look.skip("there is none"),
        Some(link) if link.starts_with('/') || link.starts_with(&format!("{tenant}/")) => look.pass("this tenant's"),
        Some(link) => {
            let host = Url::parse(link).map(|link| link.origin().ascii_serialization()).unwrap_or_default();
            let found = format!("it leads to {host}: if that is this tenant's other name, set QLIK_TENANT to it");
            look.sign(Outcome::Warning, found, Sign::LinksLeave)
        }
    }
}

fn is_new(user: &Value, now: OffsetDateTime) -> bool {
    let made = user["createdAt"].as_str().and_then(|made| OffsetDateTime::parse(made, &Rfc3339).ok());
    made.is_some_and(|made| now - made < NEW)
}

async fn csrf(doctor: &Doctor, cookies: &HeaderValue) -> (Finding, Option<HeaderValue>) {
    let look = Look::new(Check::Csrf, format!("GET {}", doctor.tenant("/api/v1/csrf-token")));
    let tenant = &doctor.config.tenant.origin;
    match session::csrf_token(&doctor.client, tenant, cookies, doctor.now()).await {
        Ok(csrf) => (look.pass("there is one"), Some(csrf.token)),
        Err(session::Error::Unreachable(problem)) => (unreachable(look, At::Csrf, problem), None),
        Err(session::Error::Refused(refusal)) if refusal.status() < 300 => {
            (look.sign(Outcome::Failure, "the header qlik-csrf-token is missing", Sign::NoCsrfToken), None)
        }
        Err(session::Error::Refused(refusal)) => {
            (look.advise(Outcome::Failure, refusal.told.to_string(), refusal.advice()), None)
        }
    }
}

/// Gets something of the tenant with a session, wherever the tenant leads within itself.
pub(super) async fn with_session(client: &Client, address: &str, cookies: &HeaderValue) -> reqwest::Result<Response> {
    let mut address = address.to_owned();
    for _ in 0..HOPS {
        let response = client.get(&address).header(COOKIE, cookies.clone()).timeout(CALL).send().await?;
        match leads_to(&response) {
            Some(there) => address = there.to_string(),
            None => return Ok(response),
        }
    }
    client.get(&address).header(COOKIE, cookies.clone()).timeout(CALL).send().await
}

/// Within the tenant. The login page is where pages lead whose session is over.
fn leads_to(response: &Response) -> Option<Url> {
    let is_within = |there: &Url| there.origin() == response.url().origin() && !there.path().starts_with("/login");
    redirect(response).filter(is_within)
}

/// The other origin to which an answer leads.
fn elsewhere(response: &Response) -> Option<String> {
    let there = redirect(response).filter(|there| there.origin() != response.url().origin());
    there.map(|there| there.origin().ascii_serialization())
}

pub(super) fn unreachable(look: Look, at: At, problem: reqwest::Error) -> Finding {
    let advice = advice::of(&Answer::Unreachable { at, why: Silent::of(&problem) });
    look.advise(Outcome::Failure, reach::cause(problem), advice)
}
