//! The app and those who may open it: app, space, users, licences (Qlik Cloud facts, sections A.4 to A.6 and E).

use std::collections::HashSet;

use serde_json::Value;
use url::form_urlencoded::byte_serialize;

use super::finding::{Check, Finding, Look, Outcome};
use super::refused::{PAGES, refused};
use super::{Doctor, Tell, Who};
use crate::advice::{At, Sign};
use crate::identity::Subject;
use crate::qlik::api::{Api, Error};
use crate::qlik::users::Address;

/// The group of everybody (section A.5).
const EVERYONE: &str = "000000000000000000000001";

pub(super) async fn examine(doctor: &Doctor, api: &Api, who: &Who, tell: Tell<'_>) {
    let mut seen = HashSet::new();
    for page in doctor.config.pages.all().iter().filter(|page| seen.insert(page.app)) {
        let (finding, app) = app(doctor, api, &page.app.to_string()).await;
        tell(finding);
        let look = Look::new(Check::Space, format!("the space of app {}", page.app));
        tell(match (app, who) {
            (None, _) => look.skip("the app cannot be looked at"),
            (_, Who::Nobody(why)) => look.skip(why),
            (Some(app), Who::Subject(subject)) => space(doctor, api, &app, subject, look).await,
        });
    }
    let look = Look::new(Check::Duplicates, "GET /api/v1/users");
    tell(match who {
        Who::Nobody(why) => look.skip(why),
        Who::Subject(subject) => duplicates(doctor, api, subject, look).await,
    });
    tell(licence(doctor, api).await);
}

async fn app(doctor: &Doctor, api: &Api, id: &str) -> (Finding, Option<Value>) {
    let look = Look::new(Check::App, format!("GET /api/v1/apps/{id}"));
    match api.get(&format!("/api/v1/apps/{id}"), doctor.now()).await {
        Ok(app) => {
            let name = app["attributes"]["name"].as_str().or_else(|| app["name"].as_str()).unwrap_or("without a name");
            (look.pass(format!("\u{201c}{name}\u{201d}")), Some(app))
        }
        Err(problem) if problem.status() == Some(404) => {
            (look.sign(Outcome::Failure, "it is not there, or not for whom the right is", Sign::AppMissing), None)
        }
        Err(problem) => (refused(look, At::Admin, problem), None),
    }
}

/// Whether somebody has a role in the space, by themselves or by a group.
async fn space(doctor: &Doctor, api: &Api, app: &Value, subject: &Subject, look: Look) -> Finding {
    let id = app["attributes"]["spaceId"].as_str().or_else(|| app["spaceId"].as_str()).unwrap_or_default();
    if id.is_empty() {
        let remedy = "publish or move the app to a shared or managed space, and give the visitors' groups a role there";
        return look.warn("it lies in no space, and so in the personal one of its owner", remedy);
    }
    let list = format!("/api/v1/spaces/{id}/assignments?limit=100");
    let (user, assignments) = match (user(doctor, api, subject).await, api.list(&list, PAGES, doctor.now()).await) {
        (Ok(user), Ok(assignments)) => (user, assignments),
        (Err(problem), _) | (_, Err(problem)) => return refused(look, At::Admin, problem),
    };
    let user = user.unwrap_or_default();
    let groups: Vec<_> = user["assignedGroups"].as_array().into_iter().flatten().collect();
    let is_of = |assignment: &&Value| {
        let whose = &assignment["assigneeId"];
        match assignment["type"].as_str() {
            Some("user") => user["id"].is_string() && *whose == user["id"],
            Some("group") => whose == EVERYONE || groups.iter().any(|group| group["id"] == *whose),
            _ => false,
        }
    };
    let with_roles = |assignment: &&Value| assignment["roles"].as_array().is_some_and(|roles| !roles.is_empty());
    match assignments.iter().filter(with_roles).find(is_of) {
        Some(assignment) => {
            let roles: Vec<_> =
                assignment["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let by = assignment["type"].as_str().unwrap_or("member");
            look.pass(format!("{} has {} there, as a {by}", subject.id, roles.join(", ")))
        }
        None if user.is_null() => {
            let found = format!("{} is no user of the tenant yet, and not everybody may open it", subject.id);
            look.sign(Outcome::Warning, found, Sign::NoSpaceRole)
        }
        None => {
            let found = format!("neither {} nor one of its groups has a role there", subject.id);
            look.sign(Outcome::Failure, found, Sign::NoSpaceRole)
        }
    }
}

/// The user with this subject. How quotes are escaped in a filter is not known, so a subject with one is not looked for.
async fn user(doctor: &Doctor, api: &Api, subject: &Subject) -> Result<Option<Value>, Error> {
    if subject.id.contains(['"', '\\']) {
        return Ok(None);
    }
    let users = filtered(doctor, api, &format!("subject eq \"{}\"", subject.id)).await?;
    Ok(users.into_iter().find(|user| user["subject"] == subject.id.as_str()))
}

async fn filtered(doctor: &Doctor, api: &Api, filter: &str) -> Result<Vec<Value>, Error> {
    let filter: String = byte_serialize(filter.as_bytes()).collect();
    api.list(&format!("/api/v1/users?limit=100&filter={filter}"), PAGES, doctor.now()).await
}

async fn duplicates(doctor: &Doctor, api: &Api, subject: &Subject, look: Look) -> Finding {
    let Some(address) = Address::parse(&subject.email) else {
        return look.skip("the subject's address cannot be in a filter");
    };
    let users = match filtered(doctor, api, &address.filter()).await {
        Ok(users) => users,
        Err(problem) => return refused(look, At::Admin, problem),
    };
    let active = users.iter().filter(|user| user["status"] == "active");
    let others: Vec<_> =
        active.filter_map(|user| user["subject"].as_str()).filter(|other| *other != subject.id).collect();
    match others.as_slice() {
        [] => look.pass("nobody"),
        others => {
            let found = format!("so have the active users {}", others.join(", "));
            look.sign(Outcome::Warning, found, Sign::SameEmail)
        }
    }
}

async fn licence(doctor: &Doctor, api: &Api) -> Finding {
    let look = Look::new(Check::Licence, "GET /api/v1/licenses/settings");
    let settings = match api.get("/api/v1/licenses/settings", doctor.now()).await {
        Ok(settings) => settings,
        // Only the change of these settings is documented.
        Err(problem) if matches!(problem.status(), Some(404 | 405)) => return look.skip("the tenant does not tell"),
        Err(problem) => return refused(look, At::Admin, problem),
    };
    let on: Vec<_> =
        ["autoAssignAnalyzer", "autoAssignProfessional"].into_iter().filter(|name| settings[*name] == true).collect();
    if on.is_empty() {
        let found =
            "neither analyzer nor professional access is given by itself: with licences for users, new ones have none";
        return look.sign(Outcome::Warning, found, Sign::NoLicence);
    }
    look.pass(format!("{} is on", on.join(" and ")))
}
