//! API keys and OAuth clients (Qlik Cloud facts, sections E, H and L).

use super::{Advice, Retry, Who, says};

const OAUTH: Option<&str> = Some("Administration, OAuth: the client");
const NOT_KNOWN: &str = "Qlik Cloud did not say who you are there.";
const NOT_FOR_YOU: &str = "Qlik Cloud does not let the portal open this for you.";
const NOT_YOURS: &str = "Nothing is wrong with your account. If it lasts, an administrator finds the reason in the log of the portal's server.";

pub(super) const ENTRIES: &[&Advice] = &[
    &ADMIN_UNAUTHORIZED,
    &ADMIN_FORBIDDEN,
    &OAUTH_CLIENT,
    &OAUTH_REQUEST,
    &OAUTH_FORBIDDEN,
    &CONSENT,
    &ORIGIN,
    &NO_USER,
];

pub(super) static ADMIN_UNAUTHORIZED: Advice = Advice {
    id: "admin-unauthorized",
    symptom: "Status 401 for a call with an API key or a machine's token",
    meaning: "The API key has expired, was deleted, or is of another tenant. The access token of a client may have been revoked.",
    who: Who::Operator,
    remedy: "Check `QLIK_API_KEY`, or `QLIK_ADMIN_CLIENT_ID` and `QLIK_ADMIN_CLIENT_SECRET`. API keys expire: make a new one in the tenant, \
             as a user who may do what is asked.",
    where_to_click: Some("Qlik Cloud, your profile, Settings: API keys"),
    retry: Retry::No,
    visitor: says(NOT_KNOWN, NOT_YOURS),
};

pub(super) static ADMIN_FORBIDDEN: Advice = Advice {
    id: "admin-forbidden",
    symptom: "Status 403 for a call with an API key or a machine's token",
    meaning: "Whoever the key or the client stands for may not do this: listing users takes a role, and changing the tenant takes Tenant Admin.",
    who: Who::TenantAdmin,
    remedy: "Give the user of `QLIK_API_KEY` the role Tenant Admin, or the client of `QLIK_ADMIN_CLIENT_ID` the scope `admin_classic`.",
    where_to_click: Some("Administration, Users: roles. Administration, OAuth: scopes"),
    retry: Retry::No,
    visitor: says(NOT_KNOWN, NOT_YOURS),
};

pub(super) static OAUTH_CLIENT: Advice = Advice {
    id: "oauth-client",
    symptom: "`/oauth/token` answers 401",
    meaning: "The tenant does not know the client, or its secret is wrong, was deleted, or is of another client.",
    who: Who::Operator,
    remedy: "Check client id and secret; make a new secret if in doubt, a client may have five. First try the client with \
             `client_credentials` alone, then with impersonation.",
    where_to_click: OAUTH,
    retry: Retry::No,
    visitor: says(NOT_FOR_YOU, NOT_YOURS),
};

pub(super) static OAUTH_REQUEST: Advice = Advice {
    id: "oauth-request",
    symptom: "`/oauth/token` answers 400",
    meaning: "The grant type or the scope is not one that the client may have, or the user that it shall stand for does not exist: with OAuth, \
              no user is created by itself.",
    who: Who::TenantAdmin,
    remedy: "Allow the client machine-to-machine impersonation and the scope `user_default`, and make sure that the user exists and is active. \
             It has to be a client of the tenant, of type web.",
    where_to_click: OAUTH,
    retry: Retry::No,
    visitor: says(NOT_FOR_YOU, NOT_YOURS),
};

pub(super) static OAUTH_FORBIDDEN: Advice = Advice {
    id: "oauth-forbidden",
    symptom: "`/oauth/token` answers 403",
    meaning: "The user is disabled, has as many tokens as the tenant allows, or the client's consent method is not trusted.",
    who: Who::TenantAdmin,
    remedy: "Enable the user, and set the client's consent method to trusted. If tokens are used up, revoke those that nobody needs: they \
             live for six hours.",
    where_to_click: OAUTH,
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud does not open this for you: your user there may be disabled, or have too many sessions.",
        "An administrator of the tenant can see to that.",
    ),
};

pub(super) static CONSENT: Advice = Advice {
    id: "consent-not-trusted",
    symptom: "The OAuth client is not trusted",
    meaning: "Nobody can give consent when a server asks for the token, so the client's consent method has to be trusted.",
    who: Who::TenantAdmin,
    remedy: "Change the client's consent method to trusted.",
    where_to_click: Some("Administration, OAuth: the menu of the client, Change consent method"),
    retry: Retry::No,
    visitor: None,
};

pub(super) static ORIGIN: Advice = Advice {
    id: "oauth-origin",
    symptom: "The components stay empty, and the browser's console tells of CORS at the tenant",
    meaning: "Tokens of an OAuth client are good in a browser only on pages whose origin the client lists.",
    who: Who::TenantAdmin,
    remedy: "Add the origin of `PUBLIC_URL` to the allowed origins of the client, letter for letter.",
    where_to_click: OAUTH,
    retry: Retry::No,
    visitor: says(NOT_FOR_YOU, NOT_YOURS),
};

pub(super) static NO_USER: Advice = Advice {
    id: "no-user",
    symptom: "The tenant has no user with the visitor's subject",
    meaning: "With OAuth, no user is created by itself: whoever has never been in the tenant is not there.",
    who: Who::Operator,
    remedy: "Set `QLIK_PROVISION=create`, with an admin client or the API key of an administrator, or create the user with exactly this subject. \
             The audit names the visitor.",
    where_to_click: Some("Administration, Users"),
    retry: Retry::No,
    visitor: says("You have no user in Qlik Cloud yet.", "An administrator can create one, or let the portal do that."),
};
