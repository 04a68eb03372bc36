//! The people of the tenant (Qlik Cloud facts, sections A.4, A.5 and E): known by their subject, made at first login.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{random_hex, settings::NoAccess};

/// A user of the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The tenant's own id, 24 hex characters.
    pub id: String,
    /// The `sub` that brought the user in.
    pub subject: String,
    /// Display name.
    pub name: String,
    /// E-mail address, where it was verified.
    pub email: Option<String>,
    /// Group names.
    pub groups: Vec<String>,
    /// `active` or `disabled`.
    pub status: &'static str,
    /// When the user was made.
    pub created_at: OffsetDateTime,
}

#[derive(Debug, Default)]
pub(super) struct Users {
    by_id: BTreeMap<String, User>,
    /// Subjects without access to the app, and how that shows.
    pub denied: BTreeMap<String, NoAccess>,
    /// Identifiers of accepted tokens, with the time from which the token is too old anyway.
    used_tokens: BTreeMap<String, i64>,
    /// Access tokens given out by the control handle, and whose they are.
    access_tokens: BTreeMap<String, String>,
    /// Access tokens of clients, and until when they are good.
    machine_tokens: BTreeMap<String, OffsetDateTime>,
}

/// What a login says about a person.
pub(super) struct Profile<'a> {
    pub subject: &'a str,
    pub name: &'a str,
    pub email: Option<&'a str>,
    pub groups: Option<Vec<String>>,
}

impl Users {
    pub fn all(&self) -> impl Iterator<Item = &User> {
        self.by_id.values()
    }

    pub fn get(&self, id: &str) -> Option<&User> {
        self.by_id.get(id)
    }

    pub fn by_subject(&self, subject: &str) -> Option<&User> {
        self.by_id.values().find(|user| user.subject == subject)
    }

    /// Marks a token as used; `false` when it was before. Tokens too old to be accepted are forgotten.
    pub fn use_token(&mut self, jti: &str, too_old_from: i64, now: i64) -> bool {
        self.used_tokens.retain(|_, until| *until >= now);
        self.used_tokens.insert(jti.to_owned(), too_old_from).is_none()
    }

    /// Another active user with this address.
    pub fn shares_email(&self, profile: &Profile<'_>) -> bool {
        let Some(email) = profile.email else { return false };
        self.all().any(|user| {
            user.subject != profile.subject
                && user.status == "active"
                && user.email.as_deref().is_some_and(|other| other.eq_ignore_ascii_case(email))
        })
    }

    /// Finds the user of this subject, or makes one. Returns the id.
    pub fn admit(
        &mut self,
        profile: Profile<'_>,
        refresh: bool,
        missing_groups_clear: bool,
        now: OffsetDateTime,
    ) -> String {
        let known = self.by_subject(profile.subject).map(|user| user.id.clone());
        let id = known.clone().unwrap_or_else(random_hex::<12>);
        let user = self.by_id.entry(id.clone()).or_insert_with(|| User {
            id: id.clone(),
            subject: profile.subject.into(),
            name: profile.name.into(),
            email: profile.email.map(Into::into),
            groups: Vec::new(),
            status: "active",
            created_at: now,
        });
        if refresh && known.is_some() {
            user.name = profile.name.into();
            user.email = profile.email.map(Into::into);
        }
        match profile.groups {
            Some(groups) => user.groups = groups.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
            None if missing_groups_clear => user.groups.clear(),
            None => {}
        }
        id
    }

    /// A user as the administration makes one; the id.
    pub fn add(&mut self, subject: &str, email: &str, status: &'static str, now: OffsetDateTime) -> String {
        let profile = Profile { subject, name: subject, email: Some(email), groups: None };
        let id = self.admit(profile, true, false, now);
        self.set_status(subject, status);
        id
    }

    pub fn give_machine_token(&mut self, until: OffsetDateTime) -> String {
        let token = random_hex::<32>();
        self.machine_tokens.insert(token.clone(), until);
        token
    }

    pub fn is_machine(&self, token: &str, now: OffsetDateTime) -> bool {
        self.machine_tokens.get(token).is_some_and(|until| *until > now)
    }

    pub fn revoke_machine_tokens(&mut self) {
        self.machine_tokens.clear();
    }

    pub fn set_status(&mut self, subject: &str, status: &'static str) {
        if let Some(user) = self.by_id.values_mut().find(|user| user.subject == subject) {
            user.status = status;
        }
    }

    pub fn give_access_token(&mut self, subject: &str) -> Option<String> {
        let id = self.by_subject(subject)?.id.clone();
        let token = random_hex::<32>();
        self.access_tokens.insert(token.clone(), id);
        Some(token)
    }

    pub fn of_access_token(&self, token: &str) -> Option<&User> {
        self.get(self.access_tokens.get(token)?).filter(|user| user.status == "active")
    }
}

/// The user as `GET /api/v1/users/{id}` shows it, links absolute.
pub(super) fn as_json(user: &User, origin: &str, tenant: &str) -> Value {
    let created = user.created_at.format(&Rfc3339).unwrap_or_default();
    let groups = user.groups.iter().map(|name| json!({ "name": name, "providerType": "idp", "assignedRoles": [] }));
    let mut shown = json!({
        "id": user.id, "tenantId": tenant, "subject": user.subject, "name": user.name, "status": user.status,
        "createdAt": created, "lastUpdatedAt": created, "assignedRoles": [], "assignedScopes": [],
        "assignedGroups": groups.collect::<Vec<_>>(),
        "links": { "self": { "href": format!("{origin}/api/v1/users/{}", user.id) } },
    });
    if let Some(email) = &user.email {
        shown["email"] = email.clone().into();
    }
    shown
}
