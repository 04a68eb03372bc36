/**
 * What the tenant's answers mean to a visitor. Made from `src/advice` by `make advice`: change it there.
 *
 * @typedef {"no" | "once" | "later" | "soon" | "reconnect"} Retry
 * @typedef {{ what: string, advice: string, retry: Retry }} Entry
 */

/** By its name. @type {Readonly<Record<string, Entry>>} */
export const ENTRIES = {
  "connection-refused": {
    "what": "Qlik Cloud cannot be reached.",
    "advice": "Try again in a minute. If it lasts, tell your administrator.",
    "retry": "later"
  },
  "unknown-host": {
    "what": "Qlik Cloud knows no sign-in for this tenant's address.",
    "advice": "An administrator should check the name of the tenant in the portal's settings.",
    "retry": "no"
  },
  "wrong-address": {
    "what": "Qlik Cloud does not answer at this address.",
    "advice": "An administrator should check the tenant's name.",
    "retry": "no"
  },
  "too-many-requests": {
    "what": "Qlik Cloud is receiving too many requests.",
    "advice": "It asked for a pause before the next try.",
    "retry": "later"
  },
  "tenant-trouble": {
    "what": "Qlik Cloud has a problem at the moment.",
    "advice": "Try again in a minute. If it lasts, tell your administrator.",
    "retry": "later"
  },
  "answered-in-html": {
    "what": "Qlik Cloud gave an answer that this page does not understand.",
    "advice": "Try again. If it lasts, tell your administrator what the details below say.",
    "retry": "no"
  },
  "session-ended-there": {
    "what": "Your session at Qlik Cloud has ended.",
    "advice": "Try again to start a new one.",
    "retry": "once"
  },
  "not-found": {
    "what": "Qlik Cloud gave an answer that this page does not understand.",
    "advice": "Try again. If it lasts, tell your administrator what the details below say.",
    "retry": "no"
  },
  "request-refused": {
    "what": "Qlik Cloud gave an answer that this page does not understand.",
    "advice": "Try again. If it lasts, tell your administrator what the details below say.",
    "retry": "no"
  },
  "token-refused": {
    "what": "Qlik Cloud refused this portal's sign-in token.",
    "advice": "An administrator should compare issuer, key ID and certificate of the tenant's JWT identity provider with the portal's settings, and check the portal server's clock.",
    "retry": "no"
  },
  "not-acceptable": {
    "what": "Qlik Cloud did not accept this portal's sign-in token.",
    "advice": "This answer usually means that issuer or key ID differ from those of the tenant's JWT identity provider. An administrator should compare them.",
    "retry": "no"
  },
  "token-incomplete": {
    "what": "Qlik Cloud found this portal's sign-in token incomplete or out of date.",
    "advice": "An administrator should look at the claim that is named in the details, and at the portal server's clock.",
    "retry": "no"
  },
  "token-lifetime": {
    "what": "Qlik Cloud refused this portal's sign-in token.",
    "advice": "An administrator should make the life of the portal's tokens shorter.",
    "retry": "no"
  },
  "clock-skew": {
    "what": "Qlik Cloud refused this portal's sign-in token.",
    "advice": "An administrator should check the portal server's clock.",
    "retry": "once"
  },
  "certificate-broken": {
    "what": "Qlik Cloud refused this portal's sign-in token.",
    "advice": "An administrator should upload the certificate to the tenant again, as one line.",
    "retry": "no"
  },
  "token-replayed": {
    "what": "Qlik Cloud refused this portal's sign-in token.",
    "advice": "Try again: the page takes a new token.",
    "retry": "once"
  },
  "login-forbidden": {
    "what": "Qlik Cloud does not let you in.",
    "advice": "An administrator of the tenant can tell whether you are a member and active.",
    "retry": "no"
  },
  "not-a-member": {
    "what": "You are not a member of this Qlik Cloud tenant.",
    "advice": "An administrator of the tenant can add you.",
    "retry": "no"
  },
  "invitation-expired": {
    "what": "Your invitation to Qlik Cloud has expired.",
    "advice": "An administrator of the tenant can invite you again or delete the old invitation.",
    "retry": "no"
  },
  "same-email": {
    "what": "Qlik Cloud knows several active users with your e-mail address.",
    "advice": "An administrator of the tenant should delete or disable all but one of them.",
    "retry": "no"
  },
  "login-refused": {
    "what": "Qlik Cloud did not let this portal sign you in.",
    "advice": "Try again in a minute. If it lasts, an administrator finds the reason in the log of the portal's server.",
    "retry": "no"
  },
  "cookies-blocked": {
    "what": "Third-party cookies are not enabled in your browser settings and/or browser mode.",
    "advice": "Allow third-party cookies for this site, or leave private browsing, then try again. In a managed browser your administrator can allow them for Qlik Cloud.",
    "retry": "no"
  },
  "cookies-not-set": {
    "what": "Qlik Cloud did not let this portal sign you in.",
    "advice": "Try again in a minute. If it lasts, an administrator finds the reason in the log of the portal's server.",
    "retry": "no"
  },
  "origin-not-listed": {
    "what": "Qlik Cloud does not accept this portal's address.",
    "advice": "An administrator should add it to the origins of the web integration.",
    "retry": "no"
  },
  "answer-hidden": {
    "what": "Qlik Cloud gave an answer that this page may not read.",
    "advice": "Try again in a minute, in case Qlik Cloud has a problem. If it lasts, an administrator should add this portal's address to the origins of the tenant's web integration, and check its ID.",
    "retry": "no"
  },
  "return-not-listed": {
    "what": "Qlik Cloud does not accept this portal's address.",
    "advice": "An administrator should add it to the origins of the web integration.",
    "retry": "no"
  },
  "csrf-refused": {
    "what": "Qlik Cloud did not accept this page's security token.",
    "advice": "Try again: the page asks for a fresh one.",
    "retry": "once"
  },
  "no-csrf-token": {
    "what": "Qlik Cloud gave this page no security token.",
    "advice": "An administrator should check the web integration in the portal's settings.",
    "retry": "once"
  },
  "other-subject": {
    "what": "Qlik Cloud still takes you for somebody else.",
    "advice": "Sign out of Qlik Cloud in this browser, then try again.",
    "retry": "no"
  },
  "no-permission": {
    "what": "You have no permission to open the app.",
    "advice": "An administrator can give you, or a group of yours, a role in the app's space.",
    "retry": "soon"
  },
  "no-licence": {
    "what": "You have no licence for Qlik Cloud, or its capacity is used up.",
    "advice": "An administrator of the tenant can assign one.",
    "retry": "no"
  },
  "licence-renewal": {
    "what": "This session has ended because a licence is being renewed.",
    "advice": "Reconnect in a minute.",
    "retry": "once"
  },
  "no-app": {
    "what": "The app does not exist, or you may not see it.",
    "advice": "An administrator should check the app in the portal's settings.",
    "retry": "no"
  },
  "app-failed": {
    "what": "Qlik Cloud could not load the app.",
    "advice": "Try again. If it lasts, an administrator should open the app in Qlik Cloud.",
    "retry": "once"
  },
  "app-damaged": {
    "what": "The app is damaged.",
    "advice": "An administrator should open it in Qlik Cloud.",
    "retry": "no"
  },
  "app-too-large": {
    "what": "The app is larger than the tenant allows.",
    "advice": "An administrator can make it smaller.",
    "retry": "no"
  },
  "app-memory": {
    "what": "The app needs more memory than Qlik Cloud has for it.",
    "advice": "Try again later, or ask an administrator to make the app smaller.",
    "retry": "no"
  },
  "app-open-otherwise": {
    "what": "The app is already open in another way in this session.",
    "advice": "Close other tabs that show this app, then try again.",
    "retry": "no"
  },
  "app-mode-changed": {
    "what": "The app changed the way it reads its data.",
    "advice": "Reconnect to carry on.",
    "retry": "reconnect"
  },
  "app-moved": {
    "what": "The app was moved to another engine.",
    "advice": "Reconnect to carry on.",
    "retry": "reconnect"
  },
  "dialog-open": {
    "what": "A selection is still open in this app.",
    "advice": "Confirm or cancel it, in every tab that shows this app, then try again.",
    "retry": "once"
  },
  "engine-error": {
    "what": "Qlik Cloud could not open the app.",
    "advice": "Try again. If it lasts, tell your administrator what the details below say.",
    "retry": "once"
  },
  "closed-early": {
    "what": "Qlik Cloud closed the connection before the app was open.",
    "advice": "Try again. If it lasts, an administrator should check that you may open the app, and that a firewall or proxy between you and Qlik Cloud lets websockets pass.",
    "retry": "soon"
  },
  "bad-engine-request": {
    "what": "Qlik Cloud did not understand the request for this app.",
    "advice": "An administrator should check app and web integration in the portal's settings.",
    "retry": "no"
  },
  "state-refused": {
    "what": "Qlik Cloud did not start a session for the app.",
    "advice": "Try again in a minute.",
    "retry": "once"
  },
  "engine-silent": {
    "what": "Qlik Cloud took too long to open the app.",
    "advice": "Try again. A large app may be loaded by then.",
    "retry": "no"
  },
  "engine-unavailable": {
    "what": "Qlik Cloud's engine is not available at the moment.",
    "advice": "Try again in a minute.",
    "retry": "once"
  },
  "no-engine": {
    "what": "Qlik Cloud has no free engine at the moment.",
    "advice": "Try again in a minute.",
    "retry": "once"
  },
  "engine-aborted": {
    "what": "Qlik Cloud gave up opening the app.",
    "advice": "Try again.",
    "retry": "once"
  },
  "engine-lost": {
    "what": "Qlik Cloud lost the connection to its engine.",
    "advice": "Try again.",
    "retry": "once"
  },
  "session-limit": {
    "what": "You have too many open sessions.",
    "advice": "Close other tabs that show this app, then try again.",
    "retry": "once"
  },
  "signed-out-there": {
    "what": "Your sign-in at Qlik Cloud has ended.",
    "advice": "Reconnect to be signed in again.",
    "retry": "once"
  },
  "engine-idle": {
    "what": "Because nothing happened for a while, this session has ended.",
    "advice": "Reconnect to carry on.",
    "retry": "once"
  },
  "engine-terminating": {
    "what": "Qlik Cloud is moving this session to another engine.",
    "advice": "Reconnect to carry on.",
    "retry": "reconnect"
  },
  "connection-timed-out": {
    "what": "The connection to Qlik Cloud timed out.",
    "advice": "Reconnect to carry on.",
    "retry": "reconnect"
  },
  "network-trouble": {
    "what": "Qlik Cloud has a network problem.",
    "advice": "Try again in a minute.",
    "retry": "reconnect"
  },
  "suspended-by-client": {
    "what": "This session has ended.",
    "advice": "Reconnect to start a new one.",
    "retry": "no"
  },
  "session-closed": {
    "what": "This session has ended.",
    "advice": "Reconnect to start a new one.",
    "retry": "no"
  },
  "connection-lost": {
    "what": "Due to loss of connection, this session has been suspended.",
    "advice": "Reconnect to carry on where you were.",
    "retry": "reconnect"
  },
  "message-too-large": {
    "what": "The app sent more at once than can be passed on.",
    "advice": "Reconnect, and select less. If it lasts, tell your administrator.",
    "retry": "no"
  },
  "paths-not-served": {
    "what": "This portal's own way to Qlik Cloud does not work.",
    "advice": "Try again in a minute. If it lasts, an administrator should check that every path, and PROXY_URL with its Host header, leads to this portal's server.",
    "retry": "no"
  },
  "signed-out-here": {
    "what": "Your session here has ended.",
    "advice": "Sign in again to see this page.",
    "retry": "no"
  },
  "oauth-client": {
    "what": "Qlik Cloud does not let the portal open this for you.",
    "advice": "Nothing is wrong with your account. If it lasts, an administrator finds the reason in the log of the portal's server.",
    "retry": "no"
  },
  "oauth-request": {
    "what": "Qlik Cloud does not let the portal open this for you.",
    "advice": "Nothing is wrong with your account. If it lasts, an administrator finds the reason in the log of the portal's server.",
    "retry": "no"
  },
  "oauth-forbidden": {
    "what": "Qlik Cloud does not open this for you: your user there may be disabled, or have too many sessions.",
    "advice": "An administrator of the tenant can see to that.",
    "retry": "no"
  }
};

/** By the tenant's codes. @type {Readonly<Record<string, string>>} */
export const CODES = {
  "LOGIN-2": "unknown-host",
  "LOGIN-10": "return-not-listed",
  "LOGIN-12": "same-email",
  "USER_INVITE_EXPIRED": "invitation-expired",
  "AUTH-5": "not-a-member",
  "INTERNAL-TOKEN-1": "token-incomplete",
  "CSRF-TOKEN-2": "csrf-refused",
  "USERS-7": "not-found",
  "GROUPS-7": "not-found",
  "TENANTS-8": "not-found"
};

/** By words in the detail of a refused login. @type {Readonly<Record<string, string>>} */
export const DETAILS = {
  "unable to decode": "certificate-broken",
  "already been used": "token-replayed",
  "already used": "token-replayed",
  "replay": "token-replayed",
  "not yet valid": "clock-skew",
  "not active": "clock-skew",
  "in the future": "clock-skew",
  "expired": "clock-skew",
  "3600": "token-lifetime",
  "lifetime": "token-lifetime",
  "granted access": "origin-not-listed"
};

/** By call and status. @type {Readonly<Record<string, Record<string, string>>>} */
export const STATUSES = {
  "login": {
    "400": "token-incomplete",
    "401": "token-refused",
    "403": "login-forbidden",
    "404": "wrong-address",
    "406": "not-acceptable",
    "other": "login-refused"
  },
  "usersMe": {
    "401": "session-ended-there",
    "403": "login-forbidden",
    "404": "wrong-address",
    "other": "request-refused"
  },
  "csrf": {
    "400": "no-csrf-token",
    "401": "session-ended-there",
    "404": "no-csrf-token",
    "other": "request-refused"
  }
};

/** By close codes, at any time. @type {Readonly<Record<number, string>>} */
export const CLOSES = {
  "4000": "suspended-by-client",
  "4001": "engine-idle",
  "4002": "licence-renewal",
  "4003": "engine-terminating",
  "4004": "app-moved",
  "4005": "session-limit",
  "4006": "signed-out-there",
  "4007": "app-mode-changed",
  "4200": "engine-unavailable",
  "4201": "connection-timed-out",
  "4202": "bad-engine-request",
  "4203": "no-permission",
  "4204": "no-app",
  "4205": "too-many-requests",
  "4206": "network-trouble",
  "4210": "engine-unavailable",
  "4211": "engine-unavailable",
  "4220": "engine-unavailable",
  "4222": "engine-unavailable",
  "4230": "no-licence",
  "4240": "no-engine",
  "4401": "signed-out-here"
};

/** By close codes, once the app is open. @type {Readonly<Record<number, string>>} */
export const CLOSES_WHEN_OPEN = {
  "1000": "session-closed",
  "1009": "message-too-large"
};

/** By errors of the engine. @type {Readonly<Record<number, string>>} */
export const ERRORS = {
  "2": "no-app",
  "5": "no-permission",
  "15": "engine-aborted",
  "16": "engine-lost",
  "19": "app-memory",
  "21": "engine-unavailable",
  "401": "signed-out-there",
  "403": "no-permission",
  "404": "no-app",
  "429": "too-many-requests",
  "500": "engine-unavailable",
  "502": "engine-unavailable",
  "503": "engine-unavailable",
  "504": "engine-unavailable",
  "1003": "no-app",
  "1007": "app-damaged",
  "1008": "engine-unavailable",
  "1009": "app-open-otherwise",
  "1015": "app-too-large",
  "1019": "no-app",
  "6003": "dialog-open"
};

/** By states of `OnConnected`. @type {Readonly<Record<string, string>>} */
export const STATES = {
  "SESSION_ERROR_NO_LICENSE": "no-licence",
  "SESSION_ERROR_LICENSE_RENEW": "licence-renewal",
  "SESSION_ERROR_LIMIT_EXCEEDED": "session-limit",
  "SESSION_ERROR_SECURITY_HEADER_CHANGED": "signed-out-there",
  "SESSION_ACCESS_CONTROL_SETUP_FAILURE": "no-permission",
  "SESSION_ERROR_APP_ACCESS_DENIED": "no-permission",
  "SESSION_ERROR_APP_FAILURE": "app-failed"
};

/** Where nothing else fits. @type {Readonly<Record<string, string>>} */
export const OTHERWISE = {
  "tooMany": "too-many-requests",
  "trouble": "tenant-trouble",
  "html": "answered-in-html",
  "early": "closed-early",
  "lost": "connection-lost",
  "error": "engine-error",
  "state": "state-refused",
  "silence": "engine-silent",
  "cookiesBlocked": "cookies-blocked",
  "hidden": "answer-hidden",
  "unreachable": "connection-refused",
  "otherSubject": "other-subject",
  "noCsrfToken": "no-csrf-token",
  "pathsNotServed": "paths-not-served"
};
