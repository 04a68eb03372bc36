//! What stands between a browser and the tenant (Qlik Cloud facts, sections C, D, G, K and L).

use super::{Advice, Retry, Who, says};

const WEB_INTEGRATION: Option<&str> = Some("Administration, Web: the web integration");

pub(super) const ENTRIES: &[&Advice] = &[
    &COOKIES_BLOCKED,
    &COOKIES_NOT_SET,
    &COOKIES_NOT_CROSS_SITE,
    &ORIGIN_NOT_LISTED,
    &ANSWER_HIDDEN,
    &RETURN_NOT_LISTED,
    &WEB_INTEGRATION_MISSING,
    &CSRF_REFUSED,
    &NO_CSRF_TOKEN,
    &FRAMES_NOT_ALLOWED,
    &FRAME_LEADS_TO_LOGIN,
    &OTHER_SUBJECT,
    &EMBED_ASKS,
];

pub(super) static COOKIES_BLOCKED: Advice = Advice {
    id: "cookies-blocked",
    symptom: "The login is accepted, and `users/me` answers 401: \"Third-party cookies are not enabled\"",
    meaning: "The browser did not keep the tenant's cookies: to it, the tenant is another site. Safari and private windows keep none of \
              other sites, and other browsers can be told not to.",
    who: Who::Operator,
    remedy: "Use the flow `auto` or `proxy`: they need no such cookies. Otherwise visitors have to allow third-party cookies for \
             the portal. With the flow `proxy`, `PROXY_URL` has to be of the same site as `PUBLIC_URL`.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(
        "Third-party cookies are not enabled in your browser settings and/or browser mode.",
        "Allow third-party cookies for this site, or leave private browsing, then try again. In a managed browser your administrator can \
         allow them for Qlik Cloud.",
    ),
};

pub(super) static COOKIES_NOT_SET: Advice = Advice {
    id: "cookies-not-set",
    symptom: "The login is accepted, and sets no cookie",
    meaning: "The session is in cookies, and none came. Something between this server and the tenant removes them, or answers itself.",
    who: Who::Operator,
    remedy: "Let this server reach the tenant without a proxy that removes `Set-Cookie`. Check that `QLIK_TENANT` is the tenant itself.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud did not let this portal sign you in.",
        "Try again in a minute. If it lasts, an administrator finds the reason in the log of the portal's server.",
    ),
};

pub(super) static COOKIES_NOT_CROSS_SITE: Advice = Advice {
    id: "cookies-not-cross-site",
    symptom: "The tenant's cookies lack `SameSite=None; Secure`",
    meaning: "Browsers send such cookies only to pages of the tenant itself. In a page of another site, nobody stays signed in.",
    who: Who::Operator,
    remedy: "Use the flow `proxy`: there the cookies stay with this server. If something between changes cookies, take it out of the way.",
    where_to_click: None,
    retry: Retry::No,
    visitor: None,
};

pub(super) static ORIGIN_NOT_LISTED: Advice = Advice {
    id: "origin-not-listed",
    symptom: "\"Origin has not been granted access\", a CORS error, or a preflight that is refused",
    meaning: "The web integration does not list this portal's origin. Scheme, host and port all count, and there are no wildcards.",
    who: Who::TenantAdmin,
    remedy: "Add the origin of `PUBLIC_URL` to the web integration, exactly as the browser shows it. \
             Then check that `QLIK_WEB_INTEGRATION_ID` is the id of that web integration, and of this tenant.",
    where_to_click: WEB_INTEGRATION,
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud does not accept this portal's address.",
        "An administrator should add it to the origins of the web integration.",
    ),
};

pub(super) static ANSWER_HIDDEN: Advice = Advice {
    id: "answer-hidden",
    symptom: "\"Qlik Cloud gave an answer that this page may not read\"",
    meaning: "The tenant answers, but its answer does not allow this origin. Either the web integration does not list the origin, or the \
              edge in front of the tenant answered with an error, which has no such headers.",
    who: Who::TenantAdmin,
    remedy: "Add the origin of `PUBLIC_URL` to the web integration, and check `QLIK_WEB_INTEGRATION_ID`. Visitors have to come by \
             `PUBLIC_URL` and by no other name.",
    where_to_click: WEB_INTEGRATION,
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud gave an answer that this page may not read.",
        "Try again in a minute, in case Qlik Cloud has a problem. If it lasts, an administrator should add this portal's address to the \
         origins of the tenant's web integration, and check its ID.",
    ),
};

pub(super) static RETURN_NOT_LISTED: Advice = Advice {
    id: "return-not-listed",
    symptom: "`LOGIN-10`: returnto not included in web integration whitelist",
    meaning: "A page sent the browser to the tenant's own login, with a way back that the web integration does not list.",
    who: Who::TenantAdmin,
    remedy: "Add the origin of `PUBLIC_URL` to the web integration, and check `QLIK_WEB_INTEGRATION_ID`. The pages of this server \
             never send anybody to that login: look for a script of yours that does.",
    where_to_click: WEB_INTEGRATION,
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud does not accept this portal's address.",
        "An administrator should add it to the origins of the web integration.",
    ),
};

pub(super) static WEB_INTEGRATION_MISSING: Advice = Advice {
    id: "web-integration-missing",
    symptom: "The web integration does not exist",
    meaning: "There is none with the id in `QLIK_WEB_INTEGRATION_ID` in this tenant. It may be the id of another tenant.",
    who: Who::TenantAdmin,
    remedy: "Create a web integration with the origin of `PUBLIC_URL`, and put its id into `QLIK_WEB_INTEGRATION_ID`. \
             The flow `proxy` needs none.",
    where_to_click: WEB_INTEGRATION,
    retry: Retry::No,
    visitor: None,
};

pub(super) static CSRF_REFUSED: Advice = Advice {
    id: "csrf-refused",
    symptom: "`CSRF-TOKEN-2`, or 403 for requests that change something while reading works",
    meaning: "The request had no CSRF token, or an old one. Everything but reading needs one when the session is in cookies.",
    who: Who::Operator,
    remedy: "Ask for a fresh token and send the request once more; pages and the flow `proxy` do that by themselves. If it lasts, \
             something removes the header `qlik-csrf-token`.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says("Qlik Cloud did not accept this page's security token.", "Try again: the page asks for a fresh one."),
};

pub(super) static NO_CSRF_TOKEN: Advice = Advice {
    id: "no-csrf-token",
    symptom: "No CSRF token: the header `qlik-csrf-token` is missing or cannot be read",
    meaning: "In a browser, the web integration decides whether the header can be read. At this server, the tenant gave none.",
    who: Who::TenantAdmin,
    remedy: "Check that the web integration lists the origin of `PUBLIC_URL`. At this server, look for a proxy that removes headers.",
    where_to_click: WEB_INTEGRATION,
    retry: Retry::Once,
    visitor: says(
        "Qlik Cloud gave this page no security token.",
        "An administrator should check the web integration in the portal's settings.",
    ),
};

pub(super) static FRAMES_NOT_ALLOWED: Advice = Advice {
    id: "frames-not-allowed",
    symptom: "The frame stays blank, and the console names `frame-ancestors`",
    meaning: "The tenant does not allow this site to show its pages in a frame. The web integration alone does not allow that.",
    who: Who::TenantAdmin,
    remedy: "Add an entry for the host of `PUBLIC_URL` with the directive `frame-ancestors`, then reload the page.",
    where_to_click: Some("Administration, Content Security Policy"),
    retry: Retry::No,
    visitor: None,
};

pub(super) static FRAME_LEADS_TO_LOGIN: Advice = Advice {
    id: "frame-leads-to-login",
    symptom: "The frame shows the tenant's login page, or nothing",
    meaning: "The frame's requests have no session: its cookies are blocked, or the session has ended.",
    who: Who::Operator,
    remedy: "Do as for blocked cookies: use the flow `auto` or `proxy`. If it only happens after a while, reload the page, and see \
             how long sessions may be idle in the tenant.",
    where_to_click: Some("Administration, Settings: Session timeout"),
    retry: Retry::Once,
    visitor: None,
};

pub(super) static OTHER_SUBJECT: Advice = Advice {
    id: "other-subject",
    symptom: "\"Qlik Cloud still takes you for somebody else\": `users/me` has another subject",
    meaning: "In this browser, somebody else is signed in at the tenant, and the login did not replace them; or the tenant changed \
              the subject.",
    who: Who::Visitor,
    remedy: "Sign out of Qlik Cloud in this browser, then try again. If a fresh browser shows the same, compare the subject \
             of `qlik-embed-bff token --claims` with the user's in the tenant, also in upper and lower case.",
    where_to_click: Some("Administration, Users: the column Subject"),
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud still takes you for somebody else.",
        "Sign out of Qlik Cloud in this browser, then try again.",
    ),
};

pub(super) static EMBED_ASKS: Advice = Advice {
    id: "embed-asks-to-authorize",
    symptom: "An embed of qlik-embed shows a button \"authorize\", or leads away",
    meaning: "The component got no access token from the page, so it tries to sign the visitor in by itself.",
    who: Who::Operator,
    remedy: "Call the page's token function in the console: it has to return the token as a text. Check that the component has \
             `auth-type` and `get-access-token` from the page, and that our session has not ended.",
    where_to_click: None,
    retry: Retry::No,
    visitor: None,
};
