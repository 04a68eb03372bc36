//! The engine's websocket and the sessions behind it (Qlik Cloud facts, sections F.2 to F.5 and L).

use super::{Advice, Retry, Who, says};

const CARRY_ON: &str = "Reconnect to carry on.";
const IN_A_MINUTE: &str = "Try again in a minute.";

pub(super) const ENTRIES: &[&Advice] = &[
    &HANDSHAKE_REFUSED,
    &CLOSED_EARLY,
    &BAD_REQUEST,
    &STATE_REFUSED,
    &SILENT,
    &ENGINE_UNAVAILABLE,
    &NO_ENGINE,
    &ABORTED,
    &ENGINE_LOST,
    &SESSION_LIMIT,
    &SIGNED_OUT_THERE,
    &IDLE,
    &TERMINATING,
    &CLIENT_TIMED_OUT,
    &NETWORK,
    &SUSPENDED,
    &CLOSED,
    &CONNECTION_LOST,
    &MESSAGE_TOO_LARGE,
    &SESSION_IDLE,
    &HTTP2,
];

pub(super) static HANDSHAKE_REFUSED: Advice = Advice {
    id: "handshake-refused",
    symptom: "The engine's websocket is refused before it opens",
    meaning: "The CSRF token is missing or old, the web integration id is wrong, the cookies do not come along, or the app is not for \
              this user. A browser does not say which.",
    who: Who::Operator,
    remedy: "Try again with a fresh CSRF token. Then check `QLIK_WEB_INTEGRATION_ID`, the origin in the web integration, and that the \
             reverse proxy passes websockets on (`Upgrade`, `Connection`).",
    where_to_click: None,
    retry: Retry::Soon,
    visitor: says(
        "Qlik Cloud closed the connection before the app was open.",
        "Try again. If it lasts, an administrator should check that you may open the app, and that a firewall or proxy between you and \
         Qlik Cloud lets websockets pass.",
    ),
};

pub(super) static CLOSED_EARLY: Advice = Advice {
    id: "closed-early",
    symptom: "The engine's websocket closes before the app is open, without a code of the engine",
    meaning: "A refused handshake, a user whose rights have not arrived yet, or something between browser and tenant that lets no websocket \
              pass. Browsers do not tell these apart.",
    who: Who::Operator,
    remedy: "Check that the reverse proxy and the company's firewall let websockets pass (`Upgrade`, `Connection`). Then check the user's \
             role in the app's space. A user who was created less than two minutes ago has to wait.",
    where_to_click: None,
    retry: Retry::Soon,
    visitor: says(
        "Qlik Cloud closed the connection before the app was open.",
        "Try again. If it lasts, an administrator should check that you may open the app, and that a firewall or proxy between you and \
         Qlik Cloud lets websockets pass.",
    ),
};

pub(super) static BAD_REQUEST: Advice = Advice {
    id: "bad-engine-request",
    symptom: "Close code 4202: bad request",
    meaning: "The engine's proxy could not read the address of the websocket.",
    who: Who::Operator,
    remedy: "Check `QLIK_APP_ID`, `QLIK_WEB_INTEGRATION_ID` and `QLIK_IDENTITY`: they are parts of that address.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(
        "Qlik Cloud did not understand the request for this app.",
        "An administrator should check app and web integration in the portal's settings.",
    ),
};

pub(super) static STATE_REFUSED: Advice = Advice {
    id: "state-refused",
    symptom: "`OnConnected` brings a state that is not known",
    meaning: "The engine accepted the connection and refused a session, for a reason that is not in this catalogue.",
    who: Who::Operator,
    remedy: "Read the state in the details; its name mostly says what is missing. Report it to whoever maintains this server.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says("Qlik Cloud did not start a session for the app.", IN_A_MINUTE),
};

pub(super) static SILENT: Advice = Advice {
    id: "engine-silent",
    symptom: "The app does not open within two minutes",
    meaning: "The engine loads a large app, or the connection is open and nothing passes through it.",
    who: Who::Author,
    remedy: "Open the app in Qlik Cloud and see how long it takes there. If it is quick, look for a proxy that holds back websockets.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says("Qlik Cloud took too long to open the app.", "Try again. A large app may be loaded by then."),
};

pub(super) static ENGINE_UNAVAILABLE: Advice = Advice {
    id: "engine-unavailable",
    symptom: "Close codes 4200, 4210, 4211, 4220, 4222, errors 21 and 1008",
    meaning: "The engine, or something that it depends on, is not available. The tenant mends that by itself.",
    who: Who::Qlik,
    remedy: "Wait a minute. If it lasts, look at status.qlikcloud.com, and ask Qlik's support.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says("Qlik Cloud's engine is not available at the moment.", IN_A_MINUTE),
};

pub(super) static NO_ENGINE: Advice = Advice {
    id: "no-engine",
    symptom: "Close code 4240: no engine available",
    meaning: "Every engine that could open the app is busy.",
    who: Who::Qlik,
    remedy: "Wait a minute. If it is often so with this app, make the app smaller.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says("Qlik Cloud has no free engine at the moment.", IN_A_MINUTE),
};

pub(super) static ABORTED: Advice = Advice {
    id: "engine-aborted",
    symptom: "Error 15: aborted",
    meaning: "The engine gave up, mostly because something newer was asked for.",
    who: Who::Visitor,
    remedy: "Try again.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says("Qlik Cloud gave up opening the app.", "Try again."),
};

pub(super) static ENGINE_LOST: Advice = Advice {
    id: "engine-lost",
    symptom: "Error 16: connection lost",
    meaning: "Within the tenant, the connection to the engine was lost.",
    who: Who::Visitor,
    remedy: "Try again.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says("Qlik Cloud lost the connection to its engine.", "Try again."),
};

pub(super) static SESSION_LIMIT: Advice = Advice {
    id: "session-limit",
    symptom: "Close code 4005, `SESSION_ERROR_LIMIT_EXCEEDED`",
    meaning: "The user has more engine sessions open than the tenant allows. How many that is, Qlik does not say.",
    who: Who::Visitor,
    remedy: "Close other tabs and programs that show apps of this tenant. If many people meet this, look whether they share one subject.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says("You have too many open sessions.", "Close other tabs that show this app, then try again."),
};

pub(super) static SIGNED_OUT_THERE: Advice = Advice {
    id: "signed-out-there",
    symptom: "Close code 4006, `SESSION_ERROR_SECURITY_HEADER_CHANGED`",
    meaning: "The sign-in at the tenant has ended, or another person has signed in there in the same browser.",
    who: Who::Visitor,
    remedy: "Reconnect: the page signs in again.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says("Your sign-in at Qlik Cloud has ended.", "Reconnect to be signed in again."),
};

pub(super) static IDLE: Advice = Advice {
    id: "engine-idle",
    symptom: "Close code 4001: nothing happened for a while",
    meaning: "The engine ends sessions in which nothing happens. How long that is, Qlik does not say.",
    who: Who::Visitor,
    remedy: "Reconnect. Keeping sessions alive by artificial traffic may cost capacity.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says("Because nothing happened for a while, this session has ended.", CARRY_ON),
};

pub(super) static TERMINATING: Advice = Advice {
    id: "engine-terminating",
    symptom: "Close code 4003: the engine is terminating",
    meaning: "The engine is shut down, and another one takes over.",
    who: Who::Visitor,
    remedy: "Reconnect.",
    where_to_click: None,
    retry: Retry::Reconnect,
    visitor: says("Qlik Cloud is moving this session to another engine.", CARRY_ON),
};

pub(super) static CLIENT_TIMED_OUT: Advice = Advice {
    id: "connection-timed-out",
    symptom: "Close code 4201: the client has closed, or timed out",
    meaning: "The tenant heard nothing of the browser for too long: a laptop that slept, or a network that was gone.",
    who: Who::Visitor,
    remedy: "Reconnect.",
    where_to_click: None,
    retry: Retry::Reconnect,
    visitor: says("The connection to Qlik Cloud timed out.", CARRY_ON),
};

pub(super) static NETWORK: Advice = Advice {
    id: "network-trouble",
    symptom: "Close code 4206: network problem",
    meaning: "Within the tenant, the network failed.",
    who: Who::Qlik,
    remedy: "Wait a minute, and reconnect. If it lasts, look at status.qlikcloud.com.",
    where_to_click: None,
    retry: Retry::Reconnect,
    visitor: says("Qlik Cloud has a network problem.", IN_A_MINUTE),
};

pub(super) static SUSPENDED: Advice = Advice {
    id: "suspended-by-client",
    symptom: "Close code 4000: suspended",
    meaning: "A program on the page has suspended the session by itself.",
    who: Who::Visitor,
    remedy: "Reconnect when you want to go on.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says("This session has ended.", "Reconnect to start a new one."),
};

pub(super) static CLOSED: Advice = Advice {
    id: "session-closed",
    symptom: "Close code 1000: a normal end",
    meaning: "One of the two sides has ended the session on purpose.",
    who: Who::Visitor,
    remedy: "Reconnect to start a new one.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says("This session has ended.", "Reconnect to start a new one."),
};

pub(super) static CONNECTION_LOST: Advice = Advice {
    id: "connection-lost",
    symptom: "The websocket drops without a code of the engine (1001, 1006, 1011, 1012)",
    meaning: "The connection was lost somewhere between browser and engine. After exactly a minute of silence, it is the time limit of \
              a reverse proxy.",
    who: Who::Operator,
    remedy: "Reconnect. If it comes again and again, raise the time limit for silent connections in the reverse proxy, such as \
             `proxy_read_timeout` of nginx.",
    where_to_click: None,
    retry: Retry::Reconnect,
    visitor: says(
        "Due to loss of connection, this session has been suspended.",
        "Reconnect to carry on where you were.",
    ),
};

pub(super) static MESSAGE_TOO_LARGE: Advice = Advice {
    id: "message-too-large",
    symptom: "Close code 1009: a message is too large",
    meaning: "One message of the engine was larger than something on the way lets pass. This server lets 256 MiB pass.",
    who: Who::Author,
    remedy: "Show less at once in the object that loads when it happens. If it was smaller than that, look for a limit in a proxy between.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(
        "The app sent more at once than can be passed on.",
        "Reconnect, and select less. If it lasts, tell your administrator.",
    ),
};

pub(super) static SESSION_IDLE: Advice = Advice {
    id: "session-idle",
    symptom: "The session ends after 30 minutes although the sheet is used",
    meaning: "The tenant ends sessions that are idle. Whether work in a sheet counts as activity, or only other requests do, Qlik does not say.",
    who: Who::TenantAdmin,
    remedy: "Let sessions be idle for longer in the tenant. The page signs in again by itself when somebody reconnects; in the flow `proxy`, \
             `QLIK_SESSION_IDLE` has to be what the tenant has.",
    where_to_click: Some("Administration, Settings: Session timeout"),
    retry: Retry::Once,
    visitor: None,
};

pub(super) static HTTP2: Advice = Advice {
    id: "http2-websocket",
    symptom: "Errors named NGHTTP2, or websockets that fail where HTTP/2 is spoken",
    meaning: "The engine's websocket is an upgrade of HTTP/1.1. Clients and proxies that insist on HTTP/2 cannot open one.",
    who: Who::Operator,
    remedy: "Let the reverse proxy and the client speak HTTP/1.1 for websockets. This server speaks it to the tenant.",
    where_to_click: None,
    retry: Retry::No,
    visitor: None,
};
