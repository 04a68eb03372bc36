//! The OpenID provider (RFC 6749, sections 4.1.2.1 and 5.2; OpenID Connect Core 1.0, section 3.1.2.6).

use super::{Advice, Retry, Who};

pub(super) const ENTRIES: &[&Advice] =
    &[&UNAVAILABLE, &UNUSABLE, &CLIENT, &REDIRECT, &GRANT, &SCOPE, &REFUSED, &UNVERIFIED, &TOO_MUCH];

pub(super) static UNAVAILABLE: Advice = Advice {
    id: "provider-unavailable",
    symptom: "The OpenID provider does not answer, or says that it cannot now",
    meaning: "No connection, no answer in time, or a status 5xx.",
    who: Who::Provider,
    remedy: "Check that this server reaches `OIDC_ISSUER`: its name, port 443, its certificate. Otherwise wait until the provider is back.",
    where_to_click: None,
    retry: Retry::Later,
    visitor: None,
};

pub(super) static UNUSABLE: Advice = Advice {
    id: "provider-unusable",
    symptom: "What the OpenID provider answers cannot be used",
    meaning: "Its discovery document is not found, names another issuer, or lacks what is needed; or its token endpoint refuses this server.",
    who: Who::Operator,
    remedy: "Set `OIDC_ISSUER` to the issuer exactly as the provider's discovery document has it, slash at the end included. The log says what \
             could not be used.",
    where_to_click: None,
    retry: Retry::No,
    visitor: None,
};

pub(super) static CLIENT: Advice = Advice {
    id: "provider-client",
    symptom: "`invalid_client` or `unauthorized_client` of the OpenID provider",
    meaning: "The provider does not know this server under that id and secret, or does not let it sign people in with a code.",
    who: Who::Operator,
    remedy: "Check `OIDC_CLIENT_ID` and `OIDC_CLIENT_SECRET`: secrets expire at some providers. The client needs the authorization code flow.",
    where_to_click: Some("The provider: the client, its secrets"),
    retry: Retry::No,
    visitor: None,
};

pub(super) static REDIRECT: Advice = Advice {
    id: "provider-redirect",
    symptom: "The OpenID provider shows an error about the redirect URI",
    meaning: "The provider sends browsers back only to addresses that it has in its list, letter for letter.",
    who: Who::Provider,
    remedy: "Add `PUBLIC_URL` with `/login/oidc/callback` behind it to the client's redirect URIs.",
    where_to_click: Some("The provider: the client, its redirect URIs"),
    retry: Retry::No,
    visitor: None,
};

pub(super) static GRANT: Advice = Advice {
    id: "provider-grant",
    symptom: "`invalid_grant` of the OpenID provider",
    meaning: "The code was used before, is too old, or does not belong to this sign-in.",
    who: Who::Visitor,
    remedy: "Begin the sign-in again. If it is so for everybody, check the clocks, and that nothing repeats requests to this server.",
    where_to_click: None,
    retry: Retry::No,
    visitor: None,
};

pub(super) static SCOPE: Advice = Advice {
    id: "provider-scope",
    symptom: "`invalid_scope` of the OpenID provider",
    meaning: "The provider does not give this client one of the scopes that are asked for.",
    who: Who::Operator,
    remedy: "Name only scopes in `OIDC_SCOPES` that the client may have, or allow them at the provider.",
    where_to_click: Some("The provider: the client, its scopes"),
    retry: Retry::No,
    visitor: None,
};

pub(super) static REFUSED: Advice = Advice {
    id: "provider-refused",
    symptom: "The OpenID provider did not let somebody in",
    meaning: "The visitor turned back, or may not use this application there.",
    who: Who::Provider,
    remedy: "Assign the person, or a group of theirs, to the application. The log has what the provider said.",
    where_to_click: Some("The provider: the application, who may use it"),
    retry: Retry::No,
    visitor: None,
};

pub(super) static UNVERIFIED: Advice = Advice {
    id: "provider-unverified",
    symptom: "The OpenID provider's word could not be verified",
    meaning: "The ID token has another issuer or audience, a signature of an unknown key, or is out of date.",
    who: Who::Operator,
    remedy: "Check this machine's clock, then `OIDC_ISSUER` and `OIDC_CLIENT_ID`. The log says what was not right. If it happens to somebody once, \
             it may also have been an attack.",
    where_to_click: None,
    retry: Retry::No,
    visitor: None,
};

pub(super) static TOO_MUCH: Advice = Advice {
    id: "provider-too-much",
    symptom: "The OpenID provider says more about somebody than a session can hold",
    meaning: "Mostly the person is in very many groups.",
    who: Who::Provider,
    remedy: "Let the provider send only the groups that are assigned to this application.",
    where_to_click: Some("The provider: the application, its claims"),
    retry: Retry::No,
    visitor: None,
};
