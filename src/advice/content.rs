//! The app, its sheet and what is shown of it (Qlik Cloud facts, sections F.3, F.6 and L).

use super::{Advice, Retry, Who, says};

pub(super) const ENTRIES: &[&Advice] = &[
    &NO_APP,
    &NO_SHEET,
    &NO_THEME,
    &APP_FAILED,
    &APP_DAMAGED,
    &APP_TOO_LARGE,
    &APP_MEMORY,
    &APP_OPEN_OTHERWISE,
    &APP_MODE_CHANGED,
    &APP_MOVED,
    &DIALOG_OPEN,
    &ENGINE_ERROR,
    &SELECTIONS_SHARED,
];

pub(super) static NO_APP: Advice = Advice {
    id: "no-app",
    symptom: "Close code 4204, errors 2 and 1003: the app is not found",
    meaning: "The app id is wrong, the app was deleted, it is in another tenant, or this user may not see it.",
    who: Who::Operator,
    remedy: "Check `QLIK_APP_ID`, or `app` of the page: the id behind `/app/` in the address of the opened app. Then check that the user \
             has a role in its space.",
    where_to_click: Some("The app in Qlik Cloud: its address"),
    retry: Retry::No,
    visitor: says(
        "The app does not exist, or you may not see it.",
        "An administrator should check the app in the portal's settings.",
    ),
};

pub(super) static NO_SHEET: Advice = Advice {
    id: "no-sheet",
    symptom: "The app opens, and the sheet or the object is not in it",
    meaning: "Its id is wrong or of another app, or the sheet is private: then only its owner sees it.",
    who: Who::Author,
    remedy: "Make the sheet public in the app, and check `QLIK_SHEET_ID`: the id behind `/sheet/` in its address.",
    where_to_click: Some("The app in Qlik Cloud, Sheets: Make public"),
    retry: Retry::No,
    visitor: None,
};

pub(super) static NO_THEME: Advice = Advice {
    id: "no-theme",
    symptom: "The app has no theme, or one that is not installed",
    meaning: "Not every app has properties with a theme; that is no error, and the sheet has the tenant's own look. A theme that the tenant \
              does not have is ignored.",
    who: Who::Author,
    remedy: "Choose a theme in the app's settings, or name one in `QLIK_THEME`. A theme of your own has to be uploaded to the tenant first.",
    where_to_click: Some("The app in Qlik Cloud, App options: Theme. Administration, Themes"),
    retry: Retry::No,
    visitor: None,
};

pub(super) static APP_FAILED: Advice = Advice {
    id: "app-failed",
    symptom: "`SESSION_ERROR_APP_FAILURE`: the app could not be loaded",
    meaning: "The engine met a problem while it loaded the app.",
    who: Who::Author,
    remedy: "Open the app in Qlik Cloud. If it fails there too, reload it, or put back a version that worked.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says(
        "Qlik Cloud could not load the app.",
        "Try again. If it lasts, an administrator should open the app in Qlik Cloud.",
    ),
};

pub(super) static APP_DAMAGED: Advice = Advice {
    id: "app-damaged",
    symptom: "Error 1007: the app is not valid",
    meaning: "The engine cannot read the app.",
    who: Who::Author,
    remedy: "Open the app in Qlik Cloud. If that fails, import it again, or put back a version that worked.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says("The app is damaged.", "An administrator should open it in Qlik Cloud."),
};

pub(super) static APP_TOO_LARGE: Advice = Advice {
    id: "app-too-large",
    symptom: "Error 1015: the app is too large",
    meaning: "The app is larger than the tenant's subscription allows.",
    who: Who::Author,
    remedy: "Make the app smaller: fewer fields and rows, or several apps. A larger limit is a matter of the subscription.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says("The app is larger than the tenant allows.", "An administrator can make it smaller."),
};

pub(super) static APP_MEMORY: Advice = Advice {
    id: "app-memory",
    symptom: "Error 19: out of memory",
    meaning: "The app, or what was calculated in it, needs more memory than the engine has for it.",
    who: Who::Author,
    remedy: "Make the app smaller, or its calculations simpler. It may work at another time, when the engine has less to do.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(
        "The app needs more memory than Qlik Cloud has for it.",
        "Try again later, or ask an administrator to make the app smaller.",
    ),
};

pub(super) static APP_OPEN_OTHERWISE: Advice = Advice {
    id: "app-open-otherwise",
    symptom: "Error 1009: the app is open in another mode",
    meaning: "In the same engine session, the app is open with data and is asked for without, or the other way round.",
    who: Who::Visitor,
    remedy: "Close other tabs that show the app. A program that opens it without data needs an identity of its own in the address \
             of its websocket.",
    where_to_click: None,
    retry: Retry::No,
    visitor: says(
        "The app is already open in another way in this session.",
        "Close other tabs that show this app, then try again.",
    ),
};

pub(super) static APP_MODE_CHANGED: Advice = Advice {
    id: "app-mode-changed",
    symptom: "Close code 4007: the app's mode changed",
    meaning: "The app now reads its data in another way (Direct Query), so that its sessions begin anew.",
    who: Who::Visitor,
    remedy: "Reconnect.",
    where_to_click: None,
    retry: Retry::Reconnect,
    visitor: says("The app changed the way it reads its data.", "Reconnect to carry on."),
};

pub(super) static APP_MOVED: Advice = Advice {
    id: "app-moved",
    symptom: "Close code 4004: the app left this engine",
    meaning: "The app was taken off the engine that had it, mostly to move to another one.",
    who: Who::Visitor,
    remedy: "Reconnect.",
    where_to_click: None,
    retry: Retry::Reconnect,
    visitor: says("The app was moved to another engine.", "Reconnect to carry on."),
};

pub(super) static DIALOG_OPEN: Advice = Advice {
    id: "dialog-open",
    symptom: "Error 6003: another object is being edited",
    meaning: "Somebody has a selection or a dialog open in the same engine session.",
    who: Who::Visitor,
    remedy: "Confirm or cancel what is open in the sheet, in every tab that shows it.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says(
        "A selection is still open in this app.",
        "Confirm or cancel it, in every tab that shows this app, then try again.",
    ),
};

pub(super) static ENGINE_ERROR: Advice = Advice {
    id: "engine-error",
    symptom: "Any other error of the engine, or of enigma.js (negative codes)",
    meaning: "The engine could not do what it was asked, or its answer could not be read. -1 and -11 are lost connections, -32602 is \
              a request that does not fit its session any more.",
    who: Who::Author,
    remedy: "Open the app in Qlik Cloud and see whether it fails there too. If it does not, report code and message to whoever maintains \
             this server.",
    where_to_click: None,
    retry: Retry::Once,
    visitor: says(
        "Qlik Cloud could not open the app.",
        "Try again. If it lasts, tell your administrator what the details below say.",
    ),
};

pub(super) static SELECTIONS_SHARED: Advice = Advice {
    id: "selections-shared",
    symptom: "Selections are those of another tab or visitor",
    meaning: "Engine sessions are told apart by user, app and the identity in the address. Without an identity, or with one that several share, \
              selections are shared too.",
    who: Who::Operator,
    remedy: "Leave `QLIK_IDENTITY` unset: each session of the portal then has its own. Two people must never have one subject.",
    where_to_click: None,
    retry: Retry::No,
    visitor: None,
};
