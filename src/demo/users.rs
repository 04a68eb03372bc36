//! The people of the tenant (Qlik Cloud facts, sections A.4, A.5 and E): known by their subject, made at first login or by
//! an administrator; and their groups.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{random_hex, settings::NoAccess, settings::TENANT_ID};

/// The role that may do everything.
pub(super) const TENANT_ADMIN: &str = "TenantAdmin";
/// What a user's status may be.
pub(super) const STATUSES: [&str; 5] = ["active", "invited", "disabled", "deleted", "provisioned"];
/// Id and name of the group of all users.
pub(super) const EVERYONE: (&str, &str) = ("000000000000000000000001", "com.qlik.Everyone");

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
    /// Names of the roles assigned, such as `TenantAdmin`.
    pub roles: Vec<String>,
    /// The OAuth client of a bot.
    pub client: Option<String>,
    /// Has a licence, once the engine was used.
    pub licensed: bool,
    /// `active`, `invited` or `disabled`.
    pub status: &'static str,
    /// When the user was made.
    pub created_at: OffsetDateTime,
}

/// A group, which somebody brought along or an administrator made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The tenant's own id, 24 hex characters.
    pub id: String,
    /// Its name, which is unique and case-sensitive.
    pub name: String,
    /// `idp` or `custom`.
    pub provider: String,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

#[derive(Debug, Default)]
pub(super) struct Users {
    by_id: BTreeMap<String, User>,
    /// By name.
    groups: BTreeMap<String, Group>,
    /// Subjects without access to the app, and how that shows.
    pub denied: BTreeMap<String, NoAccess>,
    /// Identifiers of accepted tokens, with the time from which the token is too old anyway.
    used_tokens: BTreeMap<String, i64>,
}

/// What a login says about a person.
pub(super) struct Profile<'a> {
    pub subject: &'a str,
    pub name: &'a str,
    pub email: Option<&'a str>,
    pub groups: Option<Vec<String>>,
}

impl User {
    /// Somebody new, with a fresh id.
    pub(super) fn new(subject: &str, now: OffsetDateTime) -> Self {
        Self {
            id: random_hex::<12>(),
            subject: subject.into(),
            name: subject.into(),
            email: None,
            groups: Vec::new(),
            roles: Vec::new(),
            client: None,
            licensed: false,
            status: "active",
            created_at: now,
        }
    }
}

impl Users {
    pub fn all(&self) -> impl Iterator<Item = &User> {
        self.by_id.values()
    }

    pub fn get(&self, id: &str) -> Option<&User> {
        self.by_id.get(id)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut User> {
        self.by_id.get_mut(id)
    }

    pub fn by_subject(&self, subject: &str) -> Option<&User> {
        self.by_id.values().find(|user| user.subject == subject)
    }

    /// Adds a user whose subject nobody has; the id.
    pub fn add(&mut self, user: User) -> String {
        let id = user.id.clone();
        self.by_id.insert(id.clone(), user);
        id
    }

    pub fn remove(&mut self, id: &str) -> bool {
        self.by_id.remove(id).is_some()
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
        let fresh = known.is_none();
        let id = known.unwrap_or_else(|| self.add(User::new(profile.subject, now)));
        for name in profile.groups.iter().flatten() {
            self.groups.entry(name.clone()).or_insert_with(|| Group::new(name, "idp", now));
        }
        if let Some(user) = self.by_id.get_mut(&id) {
            if refresh || fresh {
                user.name = profile.name.into();
                user.email = profile.email.map(Into::into);
            }
            match profile.groups {
                Some(groups) => user.groups = groups.into_iter().collect::<BTreeSet<_>>().into_iter().collect(),
                None if missing_groups_clear => user.groups.clear(),
                None => {}
            }
        }
        id
    }

    /// The owner of a key or the bot of a client, who is as old as the tenant; the id.
    pub fn staff(&mut self, subject: &str, admin: bool, client: Option<&str>) -> String {
        if let Some(known) = self.by_subject(subject) {
            return known.id.clone();
        }
        let roles = if admin { vec![TENANT_ADMIN.to_owned()] } else { Vec::new() };
        let client = client.map(str::to_owned);
        self.add(User { roles, client, ..User::new(subject, OffsetDateTime::UNIX_EPOCH) })
    }

    pub fn set_status(&mut self, subject: &str, status: &'static str) {
        if let Some(user) = self.by_id.values_mut().find(|user| user.subject == subject) {
            user.status = status;
        }
    }

    /// Makes sure that a user has a licence, by the number there are; `false` when there is none left. Administrators do
    /// their work without `[U]`.
    pub fn license(&mut self, id: &str, automatic: bool, licences: Option<usize>) -> bool {
        let given = self.all().filter(|user| user.licensed).count();
        let Some(user) = self.by_id.get_mut(id) else { return false };
        user.licensed |= automatic && licences.is_none_or(|most| given < most);
        user.licensed || user.roles.iter().any(|role| role == TENANT_ADMIN)
    }
}

impl Group {
    pub(super) fn new(name: &str, provider: &str, now: OffsetDateTime) -> Self {
        Self { id: random_hex::<12>(), name: name.into(), provider: provider.into(), created_at: now }
    }
}

/// Groups.
impl Users {
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.values()
    }

    pub fn group(&self, id: &str) -> Option<&Group> {
        self.groups.values().find(|group| group.id == id)
    }

    /// Adds a group; `false` when its name is taken.
    pub fn add_group(&mut self, group: Group) -> bool {
        let free = !self.groups.contains_key(&group.name) && group.name != EVERYONE.1;
        if free {
            self.groups.insert(group.name.clone(), group);
        }
        free
    }

    pub fn remove_group(&mut self, id: &str) -> bool {
        let Some(name) = self.group(id).map(|group| group.name.clone()) else { return false };
        self.by_id.values_mut().for_each(|user| user.groups.retain(|group| *group != name));
        self.groups.remove(&name).is_some()
    }

    /// The ids of the groups of a user, with that of everyone.
    pub fn groups_of<'a>(&'a self, user: &'a User) -> impl Iterator<Item = &'a str> {
        let own = user.groups.iter().filter_map(|name| self.groups.get(name)).map(|group| group.id.as_str());
        own.chain([EVERYONE.0])
    }
}

/// As the REST interface shows them, links absolute.
impl Users {
    pub fn as_json(&self, user: &User, origin: &str) -> Value {
        let created = user.created_at.format(&Rfc3339).unwrap_or_default();
        let groups = user.groups.iter().filter_map(|name| self.groups.get(name)).map(
            |group| json!({ "id": group.id, "name": group.name, "providerType": group.provider, "assignedRoles": [] }),
        );
        let role = |name: &String| json!({ "id": role_id(name), "name": name, "type": "default", "level": "admin" });
        let mut shown = json!({
            "id": user.id, "tenantId": TENANT_ID, "subject": user.subject, "name": user.name, "status": user.status,
            "createdAt": created, "lastUpdatedAt": created, "assignedScopes": [],
            "assignedRoles": user.roles.iter().map(role).collect::<Vec<_>>(),
            "assignedGroups": groups.collect::<Vec<_>>(),
            "links": { "self": { "href": format!("{origin}/api/v1/users/{}", user.id) } },
        });
        if let Some(email) = &user.email {
            shown["email"] = email.clone().into();
        }
        if let Some(client) = &user.client {
            shown["clientId"] = client.clone().into();
        }
        shown
    }
}

/// Roles have ids too: 24 hex characters, the same for each name.
pub(super) fn role_id(name: &str) -> String {
    name.bytes().chain(std::iter::repeat(0)).take(12).map(|byte| format!("{byte:02x}")).collect()
}
