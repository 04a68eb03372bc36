//! Reaching the tenant at all, and what any call may be answered.

use super::{Advice, Retry, Who, says};

const AGAIN: &str = "Try again in a minute. If it lasts, tell your administrator.";
const DETAILS: &str = "Try again. If it lasts, tell your administrator what the details below say.";
const NOT_REACHED: &str = "Qlik Cloud cannot be reached.";
const NOT_UNDERSTOOD: &str = "Qlik Cloud gave an answer that this page does not understand.";

pub(super) const ENTRIES: &[&Advice] = &[
    &NAME_UNKNOWN,
    &CONNECTION_REFUSED,
    &NO_WAY_OUT,
    &TLS_FAILED,
    &NO_ANSWER_IN_TIME,
    &CONNECTION_BROKEN,
    &UNKNOWN_HOST,
    &WRONG_ADDRESS,
    &TOO_MANY_REQUESTS,
    &TENANT_TROUBLE,
    &ANSWERED_IN_HTML,
    &SESSION_ENDED_THERE,
    &NOT_FOUND,
    &CONFLICT,
    &LED_ELSEWHERE,
    &REQUEST_REFUSED,
    &UNEXPECTED_ANSWER,
];

pub(super) static NAME_UNKNOWN: Advice = Advice {
    id: "name-unknown",
    symptom: "The tenant's name is not known",
    meaning: "DNS has no address for the host in `QLIK_TENANT`, or this server has no DNS.",
    who: Who::Operator,
    remedy: "Check `QLIK_TENANT`, letter for letter, and that this machine can resolve names. \
             The name looks like `acme.eu.qlikcloud.com`.",
    where_to_click: None,
    retry: Retry::Later,
    visitor: says(NOT_REACHED, AGAIN),
};

pub(super) static CONNECTION_REFUSED: Advice = Advice {
    id: "connection-refused",
    symptom: "No connection to the tenant",
    meaning: "Something refused the connection: a firewall, or nobody listens at that address. Perhaps the way leads through a proxy \
              of the network.",
    who: Who::Operator,
    remedy: "Let this server connect to port 443 of the tenant. Where a proxy has to be used, name it in `HTTPS_PROXY`.",
    where_to_click: None,
    retry: Retry::Later,
    visitor: says(NOT_REACHED, AGAIN),
};

pub(super) static NO_WAY_OUT: Advice = Advice {
    id: "no-way-out",
    symptom: "The proxy of the network lets nobody through to the tenant",
    meaning: "The proxy in `HTTPS_PROXY` cannot be reached, does not answer, or refused: with 407 it wants a user name and a password, \
              with 403 it does not allow the tenant.",
    who: Who::Operator,
    remedy: "Check `HTTPS_PROXY`, and that the proxy allows the tenant with CONNECT to port 443. User name and password stand before the \
             host, as in `http://name:password@proxy.example:3128`; what is reached without it is in `NO_PROXY`.",
    where_to_click: None,
    retry: Retry::Later,
    visitor: says(NOT_REACHED, AGAIN),
};

pub(super) static TLS_FAILED: Advice = Advice {
    id: "tls-failed",
    symptom: "The tenant's certificate is not accepted",
    meaning: "Something between this server and the tenant opens TLS and shows a certificate of its own, or this machine's certificate \
              authorities are out of date, or its clock is wrong.",
    who: Who::Operator,
    remedy: "Add the certificate authority of whatever opens TLS to those of this machine. Check that the clock is right and \
             that the package with certificate authorities is installed.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(NOT_REACHED, AGAIN),
};

pub(super) static NO_ANSWER_IN_TIME: Advice = Advice {
    id: "no-answer-in-time",
    symptom: "The tenant does not answer in time",
    meaning: "Packets get lost on the way, a firewall drops them without a word, or the tenant is slow.",
    who: Who::Operator,
    remedy: "Check the way from this server to port 443 of the tenant. If others reach it quickly, a firewall drops what \
             this server sends. Qlik tells of outages at status.qlikcloud.com.",
    where_to_click: None,
    retry: Retry::Later,
    visitor: says(NOT_REACHED, AGAIN),
};

pub(super) static CONNECTION_BROKEN: Advice = Advice {
    id: "connection-broken",
    symptom: "The connection to the tenant broke off",
    meaning: "The answer did not come to its end. Once in a while that is nothing; often, something between ends connections.",
    who: Who::Operator,
    remedy: "Look for time limits and inspection of what passes in the firewall or proxy between this server and the tenant.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says(NOT_REACHED, AGAIN),
};

pub(super) static UNKNOWN_HOST: Advice = Advice {
    id: "unknown-host",
    symptom: "`LOGIN-2`: no authentication configured for this hostname",
    meaning: "Qlik Cloud answers under that name, but has no such tenant: names below a region all lead to the same place.",
    who: Who::Operator,
    remedy: "Correct `QLIK_TENANT`: name and region as in the address of the tenant's hub. The name that Qlik generated \
             stays; an alias that was changed now belongs to nobody, or to somebody else.",
    where_to_click: Some("Qlik Cloud, your profile, About: the tenant's hostname"),
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud knows no sign-in for this tenant's address.",
        "An administrator should check the name of the tenant in the portal's settings.",
    ),
};

pub(super) static WRONG_ADDRESS: Advice = Advice {
    id: "wrong-address",
    symptom: "Status 404 where every tenant answers",
    meaning: "The host in `QLIK_TENANT` is no tenant of Qlik Cloud, or something before it answers in its place. A Qlik Sense \
              server on Windows is none either.",
    who: Who::Operator,
    remedy: "Correct `QLIK_TENANT`: the host alone, without a path. Look whether a proxy between answers instead.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says("Qlik Cloud does not answer at this address.", "An administrator should check the tenant's name."),
};

pub(super) static TOO_MANY_REQUESTS: Advice = Advice {
    id: "too-many-requests",
    symptom: "Status 429, `HTTP-429`, or close code 4205",
    meaning: "The limit of calls is reached. Logins, access tokens and changes count together: about 100 a minute, over five minutes. \
              Reading has its own limit of about 1000 a minute.",
    who: Who::Operator,
    remedy: "Wait as long as `Retry-After` says; this server does. If it happens at peaks, lower `QLIK_LOGIN_BUDGET` so that \
             logins queue here, and let sessions live longer. The limits cannot be raised.",
    where_to_click: None,
    retry: Retry::Later,
    visitor: says("Qlik Cloud is receiving too many requests.", "It asked for a pause before the next try."),
};

pub(super) static TENANT_TROUBLE: Advice = Advice {
    id: "tenant-trouble",
    symptom: "Status 5xx: the tenant has a problem",
    meaning: "The tenant, or the edge in front of it, failed. Nothing here is wrong.",
    who: Who::Qlik,
    remedy: "Wait, and try again with growing pauses. If it lasts, look at status.qlikcloud.com and give the trace id to \
             Qlik's support.",
    where_to_click: None,
    retry: Retry::Later,
    visitor: says("Qlik Cloud has a problem at the moment.", AGAIN),
};

pub(super) static ANSWERED_IN_HTML: Advice = Advice {
    id: "answered-in-html",
    symptom: "A page in HTML where data should come",
    meaning: "The answer is not from the service that was asked: a proxy or firewall in between, a sign-in page of the company's \
              network, or the edge in front of the tenant.",
    who: Who::Operator,
    remedy: "Read the title of the page in the log: it mostly says who answered. Then let this server reach the tenant \
             without what stands between, or allow its address there.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(NOT_UNDERSTOOD, DETAILS),
};

pub(super) static SESSION_ENDED_THERE: Advice = Advice {
    id: "session-ended-there",
    symptom: "Status 401 with a session that was good",
    meaning: "The tenant's session has ended: it was idle for 30 minutes, is older than 24 hours, or was ended. An administrator \
              may have set other times.",
    who: Who::Visitor,
    remedy: "Log in once more; the page and this server do so by themselves, once. If it comes again and again, the cookies do not \
             come back: look whether the tenant is asked under one name only, and whether something removes cookies.",
    where_to_click: Some("Administration, Settings: Session timeout"),
    retry: Retry::Once,
    visitor: says("Your session at Qlik Cloud has ended.", "Try again to start a new one."),
};

pub(super) static NOT_FOUND: Advice = Advice {
    id: "not-found",
    symptom: "Status 404, codes such as `USERS-7`",
    meaning: "What was asked for does not exist in this tenant, or not for whoever asks.",
    who: Who::Operator,
    remedy: "Check the id, and that it is one of this tenant. Ids of another tenant look the same.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(NOT_UNDERSTOOD, DETAILS),
};

pub(super) static CONFLICT: Advice = Advice {
    id: "exists-already",
    symptom: "Status 409: it exists already",
    meaning: "There is one with that name, subject, issuer or key ID in the tenant.",
    who: Who::TenantAdmin,
    remedy: "Use the one that is there, or remove it first if it is no longer needed.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(NOT_UNDERSTOOD, DETAILS),
};

pub(super) static LED_ELSEWHERE: Advice = Advice {
    id: "led-elsewhere",
    symptom: "A redirect where data should come",
    meaning: "The tenant leads to another host or to its login page: it was asked under an alias, or nobody is signed in.",
    who: Who::Operator,
    remedy: "Set `QLIK_TENANT` to the name under which the tenant answers without a redirect. The name that Qlik generated is \
             safer than an alias.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(NOT_UNDERSTOOD, DETAILS),
};

pub(super) static REQUEST_REFUSED: Advice = Advice {
    id: "request-refused",
    symptom: "Any other status 4xx",
    meaning: "The tenant refused for a reason that is not in this catalogue. Qlik publishes no list of its codes.",
    who: Who::Operator,
    remedy: "Read what the tenant said, in the log or the details. With the code and the trace id, Qlik's support can tell more.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(NOT_UNDERSTOOD, DETAILS),
};

pub(super) static UNEXPECTED_ANSWER: Advice = Advice {
    id: "unexpected-answer",
    symptom: "Any other answer",
    meaning: "The answer is none that Qlik documents for this call. Perhaps something between answered, perhaps the tenant has changed.",
    who: Who::Operator,
    remedy: "Read what was said, in the log or the details. Look for a newer version of this server, and report what it said.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(NOT_UNDERSTOOD, DETAILS),
};
