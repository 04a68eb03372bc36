//! Users, groups and licences (Qlik Cloud facts, sections A.4 to A.7 and L).

use super::{Advice, Retry, Who, says};

pub(super) const ENTRIES: &[&Advice] = &[
    &NO_PERMISSION,
    &ACCESS_ON_ITS_WAY,
    &NO_LICENCE,
    &LICENCE_RENEWAL,
    &GROUPS_IGNORED,
    &SUBJECT_CHANGES,
    &DUPLICATE_USERS,
];

pub(super) static NO_PERMISSION: Advice = Advice {
    id: "no-permission",
    symptom: "\"No permission to open the app\", close code 4203, error 5",
    meaning: "The login worked, and the user has no role in the app's space: neither themselves, nor by a group, nor as anyone. A group \
              that the tenant does not know yet gives no role.",
    who: Who::Author,
    remedy: "Give the user, or one of their groups, a role that may view in the app's space. If the role is a group's: groups of tokens \
             only count when the tenant creates them. For a user who was created less than two minutes ago, wait first.",
    where_to_click: Some("The space of the app: Manage members. Administration, Settings: Creation of groups"),
    retry: Retry::Soon,
    visitor: says(
        "You have no permission to open the app.",
        "An administrator can give you, or a group of yours, a role in the app's space.",
    ),
};

pub(super) static ACCESS_ON_ITS_WAY: Advice = Advice {
    id: "access-on-its-way",
    symptom: "A new user is refused by the engine, and a little later is not",
    meaning: "The first login creates the user. Its rights can take up to two minutes to be known everywhere.",
    who: Who::Visitor,
    remedy: "Wait up to two minutes; pages try again by themselves in that time. Blame no setting before.",
    where_to_click: None,
    retry: Retry::Soon,
    visitor: None,
};

pub(super) static NO_LICENCE: Advice = Advice {
    id: "no-licence",
    symptom: "Close code 4230, `SESSION_ERROR_NO_LICENSE`",
    meaning: "The user has no licence assigned and gets none by itself, or the capacity of the tenant is used up.",
    who: Who::TenantAdmin,
    remedy: "Assign a licence to the user, or let the tenant assign them by itself. With a capacity licence, look at what is left.",
    where_to_click: Some("Administration, Users: Manage assignments"),
    retry: Retry::No,
    visitor: says(
        "You have no licence for Qlik Cloud, or its capacity is used up.",
        "An administrator of the tenant can assign one.",
    ),
};

pub(super) static LICENCE_RENEWAL: Advice = Advice {
    id: "licence-renewal",
    symptom: "Close code 4002, `SESSION_ERROR_LICENSE_RENEW`",
    meaning: "The engine renews a licence and ends the session for it.",
    who: Who::Visitor,
    remedy: "Reconnect in a minute. If it comes back, an administrator of the tenant should look at the licence.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says("This session has ended because a licence is being renewed.", "Reconnect in a minute."),
};

pub(super) static GROUPS_IGNORED: Advice = Advice {
    id: "groups-ignored",
    symptom: "Groups of tokens have no effect",
    meaning: "The tenant drops the groups of a token unless the creation of groups is on. A group appears there once somebody who has it \
              signs in; before that it cannot be given a role.",
    who: Who::TenantAdmin,
    remedy: "Switch on the creation of groups, let somebody with the group sign in once, then give the group its role in the space. \
             Names are case-sensitive.",
    where_to_click: Some("Administration, Settings, Feature control: Creation of groups"),
    retry: Retry::No,
    visitor: None,
};

pub(super) static SUBJECT_CHANGES: Advice = Advice {
    id: "subject-changes",
    symptom: "The welcome popup comes each time",
    meaning: "To the tenant, each visit is another user: the subject changes. That also uses up licences and loses what people keep.",
    who: Who::Operator,
    remedy: "Give each person one subject that stays: nothing random, no date, no session. `qlik-embed-bff identity` shows the subject and \
             the rule that makes it.",
    where_to_click: None,
    retry: Retry::No,
    visitor: None,
};

pub(super) static DUPLICATE_USERS: Advice = Advice {
    id: "duplicate-users",
    symptom: "One person is several users, licences are used up",
    meaning: "A user is known by its subject, not by its e-mail address. A subject that changed made another user; so did a user id that \
              was copied from the address bar in place of the subject.",
    who: Who::Operator,
    remedy: "Find the person's users by e-mail address, keep one, and name its subject in the list of subjects. Copy the field \
             `subject` of a user, never its `id`.",
    where_to_click: Some("Administration, Users: search for the address"),
    retry: Retry::No,
    visitor: None,
};
