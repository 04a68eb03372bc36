//! The token, the key and the login (Qlik Cloud facts, sections A, B.2 and L).

use super::{Advice, Retry, Who, says};

const IDENTITY_PROVIDER: Option<&str> = Some("Administration, Identity provider: the one of type JWT");
const TOKEN_REFUSED_TO_VISITORS: &str = "Qlik Cloud refused this portal's sign-in token.";

pub(super) const ENTRIES: &[&Advice] = &[
    &TOKEN_REFUSED,
    &NOT_ACCEPTABLE,
    &TOKEN_INCOMPLETE,
    &TOKEN_LIFETIME,
    &CLOCK_SKEW,
    &KEY_MISMATCH,
    &CERTIFICATE_BROKEN,
    &CERTIFICATE_EXPIRED,
    &TOKEN_REPLAYED,
    &IDENTITY_PROVIDER_MISSING,
    &LOGIN_FORBIDDEN,
    &NOT_A_MEMBER,
    &INVITATION_EXPIRED,
    &SAME_EMAIL,
    &LOGIN_REFUSED,
];

pub(super) static TOKEN_REFUSED: Advice = Advice {
    id: "token-refused",
    symptom: "The login answers 401",
    meaning: "Signature, key ID, issuer or audience of the token are not those that the tenant expects, or the token is out of date. \
              It does not say which.",
    who: Who::Operator,
    remedy: "Compare `QLIK_JWT_ISSUER` and `QLIK_JWT_KEY_ID` with the identity provider, letter for letter. Then make sure that the \
             certificate of this very key was uploaded there, and that this machine's clock is right. \
             `qlik-embed-bff token --claims` shows what a token says, `token --try` what the tenant says to it.",
    where_to_click: IDENTITY_PROVIDER,
    retry: Retry::No,
    visitor: says(
        TOKEN_REFUSED_TO_VISITORS,
        "An administrator should compare issuer, key ID and certificate of the tenant's JWT identity provider with the \
         portal's settings, and check the portal server's clock.",
    ),
};

pub(super) static NOT_ACCEPTABLE: Advice = Advice {
    id: "not-acceptable",
    symptom: "The login answers \"406 Not Acceptable\", often as a page in HTML",
    meaning: "Nobody has explained this answer in public. Those who got it had another key ID or issuer in the token than in the \
              identity provider.",
    who: Who::Operator,
    remedy: "Compare `QLIK_JWT_KEY_ID` and `QLIK_JWT_ISSUER` with the identity provider, letter for letter. If they are equal, create \
             the identity provider anew with both fields left empty, and take over the values that Qlik generates.",
    where_to_click: IDENTITY_PROVIDER,
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud did not accept this portal's sign-in token.",
        "This answer usually means that issuer or key ID differ from those of the tenant's JWT identity provider. An administrator \
         should compare them.",
    ),
};

pub(super) static TOKEN_INCOMPLETE: Advice = Advice {
    id: "token-incomplete",
    symptom: "The login answers 400, `INTERNAL-TOKEN-1`",
    meaning: "A claim of the token is missing or has the wrong form; the detail names it. Often it is `nbf` or `jti`, which the tenant \
              demands since 2022.",
    who: Who::Operator,
    remedy: "Read the name of the claim in the detail and look at it with `qlik-embed-bff token --claims`. Tokens of this server have every \
             claim, so an empty name or e-mail address of the person is the likely reason; after that, the clock.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud found this portal's sign-in token incomplete or out of date.",
        "An administrator should look at the claim that is named in the details, and at the portal server's clock.",
    ),
};

pub(super) static TOKEN_LIFETIME: Advice = Advice {
    id: "token-lifetime",
    symptom: "The token lives longer than an hour",
    meaning: "The tenant takes no token with more than 3600 seconds between `nbf` and `exp`. The life of the session does not depend on it.",
    who: Who::Operator,
    remedy: "Make `QLIK_JWT_LIFETIME` and `QLIK_JWT_SKEW` shorter: together they may be 3600 seconds, and a minute is plenty.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(TOKEN_REFUSED_TO_VISITORS, "An administrator should make the life of the portal's tokens shorter."),
};

pub(super) static CLOCK_SKEW: Advice = Advice {
    id: "clock-skew",
    symptom: "401 after a restart or a deployment that works later, \"not yet valid\", \"expired\"",
    meaning: "This machine's clock and the tenant's differ: to the tenant, tokens are from the future, or over. \
              Five seconds are much, thirty are too much.",
    who: Who::Operator,
    remedy: "Set the clock, and keep it right with NTP (chrony, systemd-timesyncd). Until then, a larger `QLIK_JWT_SKEW` makes up for \
             a clock that is ahead.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says(TOKEN_REFUSED_TO_VISITORS, "An administrator should check the portal server's clock."),
};

pub(super) static KEY_MISMATCH: Advice = Advice {
    id: "key-mismatch",
    symptom: "Private key and certificate do not belong together",
    meaning: "The identity provider checks signatures with the certificate that was uploaded. This server signs with another key.",
    who: Who::Operator,
    remedy: "Use the private key of the certificate that was uploaded, or upload the certificate of this key. An identity provider keeps \
             its key for good: create another one, with its own key ID and issuer, and remove the old one afterwards.",
    where_to_click: IDENTITY_PROVIDER,
    retry: Retry::No,
    visitor: says(
        TOKEN_REFUSED_TO_VISITORS,
        "An administrator should compare the portal's key with the certificate in the tenant.",
    ),
};

pub(super) static CERTIFICATE_BROKEN: Advice = Advice {
    id: "certificate-broken",
    symptom: "\"unable to decode jwt\", or the certificate cannot be saved",
    meaning: "The certificate in the identity provider was damaged by line breaks or blanks, or it is not that of this key.",
    who: Who::TenantAdmin,
    remedy: "Upload the certificate again as one line, without line breaks and without a blank at the end. \
             `qlik-embed-bff keygen` prints it so.",
    where_to_click: IDENTITY_PROVIDER,
    retry: Retry::No,
    visitor: says(
        TOKEN_REFUSED_TO_VISITORS,
        "An administrator should upload the certificate to the tenant again, as one line.",
    ),
};

pub(super) static CERTIFICATE_EXPIRED: Advice = Advice {
    id: "certificate-expired",
    symptom: "The uploaded certificate has expired, or soon will",
    meaning: "Whether the tenant looks at the end of a certificate is not documented. Take it for a reason to be refused.",
    who: Who::Operator,
    remedy: "Make a new key with `qlik-embed-bff keygen`, create a second identity provider with its certificate, a new key ID and a new \
             issuer, and change the settings. Then remove the old one.",
    where_to_click: IDENTITY_PROVIDER,
    retry: Retry::No,
    visitor: says(TOKEN_REFUSED_TO_VISITORS, "An administrator should renew the portal's certificate in the tenant."),
};

pub(super) static TOKEN_REPLAYED: Advice = Advice {
    id: "token-replayed",
    symptom: "The second login with the same token fails",
    meaning: "The tenant takes a token once, by its `jti`. Something keeps tokens, or sends requests twice.",
    who: Who::Operator,
    remedy: "Take a new token for each login, as the pages of this server do. Look for a cache or a proxy that keeps the answer \
             of `/token` or repeats requests.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says(TOKEN_REFUSED_TO_VISITORS, "Try again: the page takes a new token."),
};

pub(super) static IDENTITY_PROVIDER_MISSING: Advice = Advice {
    id: "identity-provider-missing",
    symptom: "The tenant has no JWT identity provider with this issuer and key ID",
    meaning: "None was created, it was created in another tenant, or one of the two values differs. It may also be switched off.",
    who: Who::TenantAdmin,
    remedy: "Create an identity provider of type JWT with the certificate, `QLIK_JWT_ISSUER` and `QLIK_JWT_KEY_ID` of this server. Both \
             fields may be left empty there: then copy what Qlik generates into the settings.",
    where_to_click: Some("Administration, Identity provider: Create new, type JWT"),
    retry: Retry::No,
    visitor: says(
        TOKEN_REFUSED_TO_VISITORS,
        "An administrator should create the JWT identity provider in the tenant, with the portal's issuer and key ID.",
    ),
};

pub(super) static LOGIN_FORBIDDEN: Advice = Advice {
    id: "login-forbidden",
    symptom: "The login, or `users/me`, answers 403",
    meaning: "The token is good, and its user may not come in: disabled, deleted, or no member of the tenant.",
    who: Who::TenantAdmin,
    remedy: "Look up the user by the subject and enable it. `qlik-embed-bff token --claims` shows the subject, as `sub`.",
    where_to_click: Some("Administration, Users"),
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud does not let you in.",
        "An administrator of the tenant can tell whether you are a member and active.",
    ),
};

pub(super) static NOT_A_MEMBER: Advice = Advice {
    id: "not-a-member",
    symptom: "`AUTH-5`: not a member of the tenant",
    meaning: "The tenant knows no user with this subject, and did not make one.",
    who: Who::TenantAdmin,
    remedy: "Add the user, or let the identity provider create users. Check that `QLIK_TENANT` is the tenant that was meant.",
    where_to_click: Some("Administration, Users"),
    retry: Retry::No,
    visitor: says("You are not a member of this Qlik Cloud tenant.", "An administrator of the tenant can add you."),
};

pub(super) static INVITATION_EXPIRED: Advice = Advice {
    id: "invitation-expired",
    symptom: "`USER_INVITE_EXPIRED`",
    meaning: "Somebody was invited to the tenant with this e-mail address, and the invitation ran out.",
    who: Who::TenantAdmin,
    remedy: "Delete the pending invitation, or invite again.",
    where_to_click: Some("Administration, Users: those who are invited"),
    retry: Retry::No,
    visitor: says(
        "Your invitation to Qlik Cloud has expired.",
        "An administrator of the tenant can invite you again or delete the old invitation.",
    ),
};

pub(super) static SAME_EMAIL: Advice = Advice {
    id: "same-email",
    symptom: "`LOGIN-12`: several active users with one e-mail address",
    meaning: "The tenant has more than one active user with this e-mail address and does not know which one is meant. Mostly one \
              came from another way of signing in, and one from this portal.",
    who: Who::TenantAdmin,
    remedy: "Delete or disable all but one of them. The subject of the one that stays should be what this server sends, or be \
             named in its list of subjects.",
    where_to_click: Some("Administration, Users: search for the address"),
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud knows several active users with your e-mail address.",
        "An administrator of the tenant should delete or disable all but one of them.",
    ),
};

pub(super) static LOGIN_REFUSED: Advice = Advice {
    id: "login-refused",
    symptom: "The login is refused with any other status",
    meaning: "The tenant refused the token for a reason that is not in this catalogue. Qlik publishes no list of its codes.",
    who: Who::Operator,
    remedy: "Read what the tenant said, in the log; `qlik-embed-bff token --try` shows it too. With the code and the trace id, \
             Qlik's support can tell more.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud did not let this portal sign you in.",
        "Try again in a minute. If it lasts, an administrator finds the reason in the log of the portal's server.",
    ),
};
