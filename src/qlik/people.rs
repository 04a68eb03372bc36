//! The tenant's users by their subjects: whether somebody is there, and how somebody is made (Qlik Cloud facts, section E).
//! Impersonation makes nobody by itself (section H.2).

use reqwest::{Client, Method};
use serde_json::{Value, json};
use time::OffsetDateTime;
use url::form_urlencoded;

use super::api::{self, Access, Api};
use crate::identity::Subject;
use crate::origin::Origin;

/// How many pages of an answer are read: one subject has one user.
const PAGES: usize = 2;

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There is a user, whatever its status: the tenant says at the impersonation what it thinks of it.
    There,
    /// There is one now.
    Made,
    /// There is none.
    Missing,
    /// The subject has characters that cannot be looked for.
    Unknown,
}

/// Why it is not as it should be.
#[derive(Debug)]
pub enum Error {
    /// It cannot be told whether there is a user.
    LookUp(api::Error),
    /// There is none, and none could be made.
    Creation(api::Error),
}

/// Looks for users, and makes them.
#[derive(Debug)]
pub struct People {
    api: Api,
    create: bool,
    rename: bool,
}

impl People {
    /// Users of this tenant, by this right; whether they are made, and renamed, too.
    pub fn new(client: Client, tenant: Origin, access: Access, create: bool, rename: bool) -> Self {
        Self { api: Api::new(client, tenant, access), create, rename }
    }

    /// From now on, it is asked by this right.
    pub fn follow(&self, access: Access) {
        self.api.follow(access);
    }

    /// Looks for the user with this subject. Where users are made: makes the user who is missing, and has the name of one who is
    /// there be the same as ours. Nothing else of a user is touched.
    ///
    /// # Errors
    /// When the tenant does not answer or refuses; a name that it does not take is only logged.
    pub async fn ensure(&self, subject: &Subject, now: OffsetDateTime) -> Result<Presence, Error> {
        let Some(filter) = filter(&subject.id) else { return Ok(Presence::Unknown) };
        if let Some(user) = self.find(&filter, &subject.id, now).await.map_err(Error::LookUp)? {
            if self.rename {
                self.rename(&user, subject, now).await;
            }
            return Ok(Presence::There);
        }
        if !self.create {
            return Ok(Presence::Missing);
        }
        match self.api.call(Method::POST, "/api/v1/users", Some(&new(subject)), now).await {
            Ok(_) => Ok(Presence::Made),
            // Another instance was faster, or another session of the same person.
            Err(problem) if problem.status() == Some(409) => {
                match self.find(&filter, &subject.id, now).await.map_err(Error::LookUp)? {
                    Some(_) => Ok(Presence::There),
                    None => Err(Error::Creation(problem)),
                }
            }
            Err(problem) => Err(Error::Creation(problem)),
        }
    }

    async fn find(&self, filter: &str, subject: &str, now: OffsetDateTime) -> Result<Option<Value>, api::Error> {
        let found = self.api.list(&format!("/api/v1/users?filter={filter}&limit=100"), PAGES, now).await?;
        // The filter is not relied on: Qlik compares without regard to case, and subjects differ by it.
        Ok(found.into_iter().find(|user| user["subject"] == subject))
    }

    /// The name is all that changes of a person and that may be patched: not the e-mail address (Qlik Cloud facts, section E).
    async fn rename(&self, user: &Value, subject: &Subject, now: OffsetDateTime) {
        let email = user["email"].as_str().unwrap_or_default();
        if !subject.email.is_empty() && !email.eq_ignore_ascii_case(&subject.email) {
            tracing::info!(
                "a user of the tenant has another e-mail address than the portal knows; it cannot be changed there"
            );
        }
        let Some(id) =
            user["id"].as_str().filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'))
        else {
            return;
        };
        if subject.name.is_empty() || user["name"] == subject.name.as_str() {
            return;
        }
        let change = json!([{ "op": "replace", "path": "/name", "value": subject.name }]);
        match self.api.call(Method::PATCH, &format!("/api/v1/users/{id}"), Some(&change), now).await {
            // 207 tells of what failed in its body.
            Ok(Value::Null) => tracing::info!("the tenant has the new name of a user"),
            Ok(_) => tracing::warn!("the tenant does not take the new name of a user"),
            Err(problem) => tracing::warn!(%problem, "the tenant does not take the new name of a user"),
        }
    }
}

fn new(subject: &Subject) -> Value {
    let mut user = json!({ "subject": subject.id, "name": subject.name, "status": "active" });
    if subject.name.is_empty() {
        user["name"] = subject.id.as_str().into();
    }
    if !subject.email.is_empty() {
        user["email"] = subject.email.as_str().into();
    }
    user
}

/// What finds the user with this subject. How quotes and backslashes are escaped in a filter is not known (Qlik Cloud facts,
/// section E), so a subject with one is not looked for.
fn filter(subject: &str) -> Option<String> {
    if subject.contains(['"', '\\']) || subject.contains(char::is_control) {
        return None;
    }
    Some(form_urlencoded::byte_serialize(format!("subject eq \"{subject}\"").as_bytes()).collect())
}
