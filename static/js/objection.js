/**
 * What the engine objects to, and what that means: close codes, session states and errors of "Qlik Cloud facts",
 * sections F.2 to F.4.
 */

import { Problem, signedOut } from "./problem.js";

/**
 * A close code, an `OnConnected` state, an error of the engine's API, or nothing at all.
 *
 * @typedef {{ from: "close", code: number, reason: string }
 *   | { from: "state", state: string }
 *   | { from: "error", code: number, reason: string }
 *   | { from: "silence", seconds: number }} Objection
 */

/**
 * @typedef {object} Verdict
 * @property {string} what       what happened
 * @property {string} advice     what can be done
 * @property {boolean} [final]   another try cannot help
 * @property {boolean} [access]  may be a new user whose rights have not arrived everywhere yet
 * @property {boolean} [resumes] the engine expects the client to come back: an interruption, not an end
 */

/** Our server's own close code, in the flow `proxy`: the session with us has ended. */
const SIGNED_OUT_HERE = 4401;

const BUSY = { what: "Qlik Cloud is receiving too many requests.", advice: "Try again in a minute." };
const NO_PERMISSION = {
  what: "You have no permission to open the app.",
  advice: "An administrator can give you, or a group of yours, a role in the app's space.",
  access: true,
};
const NO_APP = {
  what: "The app does not exist, or you may not see it.",
  advice: "An administrator should check the app in the portal's settings.",
  final: true,
};
const NO_LICENCE = {
  what: "You have no licence for Qlik Cloud, or its capacity is used up.",
  advice: "An administrator of the tenant can assign one.",
  final: true,
};
const TOO_MANY = {
  what: "You have too many open sessions.",
  advice: "Close other tabs that show this app, then try again.",
};
const ENGINE = { what: "Qlik Cloud's engine is not available at the moment.", advice: "Try again in a minute." };
const SIGNED_OUT = { what: "Your sign-in at Qlik Cloud has ended.", advice: "Reconnect to be signed in again." };

/** Ends that only mean something once the app is open. */
/** @type {Verdict} */
const ENDED = { what: "This session has ended.", advice: "Reconnect to start a new one." };
/** @type {Verdict} */
const LOST = {
  what: "Due to loss of connection, this session has been suspended.",
  advice: "Reconnect to carry on where you were.",
  resumes: true,
};

/** @type {Readonly<Record<number, Verdict>>} */
const CLOSES = {
  4001: { what: "Because nothing happened for a while, this session has ended.", advice: "Reconnect to carry on." },
  4002: { what: "This session has ended because a licence is being renewed.", advice: "Reconnect in a minute." },
  4003: {
    what: "Qlik Cloud is moving this session to another engine.",
    advice: "Reconnect to carry on.",
    resumes: true,
  },
  4004: { what: "The app was moved to another engine.", advice: "Reconnect to carry on.", resumes: true },
  4005: TOO_MANY,
  4006: SIGNED_OUT,
  4007: { what: "The app changed the way it reads its data.", advice: "Reconnect to carry on.", resumes: true },
  4200: ENGINE,
  4201: { what: "The connection to Qlik Cloud timed out.", advice: "Reconnect to carry on.", resumes: true },
  4202: {
    what: "Qlik Cloud did not understand the request for this app.",
    advice: "An administrator should check app and web integration in the portal's settings.",
    final: true,
  },
  4203: NO_PERMISSION,
  4204: NO_APP,
  4205: BUSY,
  4206: { what: "Qlik Cloud has a network problem.", advice: "Try again in a minute.", resumes: true },
  4210: ENGINE,
  4211: ENGINE,
  4220: ENGINE,
  4222: ENGINE,
  4230: NO_LICENCE,
  4240: { what: "Qlik Cloud has no free engine at the moment.", advice: "Try again in a minute." },
};

/** @type {Readonly<Record<string, Verdict>>} */
const STATES = {
  SESSION_ERROR_NO_LICENSE: NO_LICENCE,
  SESSION_ERROR_LICENSE_RENEW: CLOSES[4002] ?? ENGINE,
  SESSION_ERROR_LIMIT_EXCEEDED: TOO_MANY,
  SESSION_ERROR_SECURITY_HEADER_CHANGED: SIGNED_OUT,
  SESSION_ACCESS_CONTROL_SETUP_FAILURE: NO_PERMISSION,
  SESSION_ERROR_APP_ACCESS_DENIED: NO_PERMISSION,
  SESSION_ERROR_APP_FAILURE: {
    what: "Qlik Cloud could not load the app.",
    advice: "Try again. If it lasts, an administrator should open the app in Qlik Cloud.",
  },
};

/** @type {Readonly<Record<number, Verdict>>} */
const ERRORS = {
  2: NO_APP,
  5: NO_PERMISSION,
  15: { what: "Qlik Cloud gave up opening the app.", advice: "Try again." },
  16: { what: "Qlik Cloud lost the connection to its engine.", advice: "Try again." },
  19: {
    what: "The app needs more memory than Qlik Cloud has for it.",
    advice: "Try again later, or ask an administrator to make the app smaller.",
    final: true,
  },
  21: ENGINE,
  403: NO_PERMISSION,
  404: NO_APP,
  1003: NO_APP,
  1007: { what: "The app is damaged.", advice: "An administrator should open it in Qlik Cloud.", final: true },
  1008: ENGINE,
  1009: {
    what: "The app is already open in another way in this session.",
    advice: "Close other tabs that show this app, then try again.",
    final: true,
  },
  1015: {
    what: "The app is larger than the tenant allows.",
    advice: "An administrator can make it smaller.",
    final: true,
  },
  1019: NO_APP,
};

/**
 * What an objection of the engine means while the app is being opened.
 *
 * @param {Objection} objection
 * @returns {Verdict}
 */
export function objectionMeans(objection) {
  switch (objection.from) {
    case "state":
      return (
        STATES[objection.state] ?? {
          what: "Qlik Cloud did not start a session for the app.",
          advice: "Try again in a minute.",
        }
      );
    case "error":
      return (
        ERRORS[objection.code] ?? {
          what: "Qlik Cloud could not open the app.",
          advice: "Try again. If it lasts, tell your administrator what the details below say.",
        }
      );
    case "silence":
      return {
        what: "Qlik Cloud took too long to open the app.",
        advice: "Try again. A large app may be loaded by then.",
        final: true,
      };
    case "close":
      if (isSignedOut(objection)) return { ...SIGNED_OUT, final: true };
      // Closed without a code of the engine's own, right after connecting or even before: how a tenant treats a user
      // whose rights have not arrived yet, but also a refused handshake; browsers do not tell the two apart.
      return (
        CLOSES[objection.code] ?? {
          what: "Qlik Cloud closed the connection before the app was open.",
          advice:
            "Try again. If it lasts, an administrator should check that you may open the app, and that a firewall or proxy " +
            "between you and Qlik Cloud lets websockets pass.",
          access: true,
        }
      );
  }
}

/**
 * The app could not be opened.
 *
 * @param {Objection} objection
 */
export function notOpened(objection) {
  if (isSignedOut(objection)) return signedOut();
  const { what, advice } = objectionMeans(objection);
  return new Problem(what, { advice, detail: describeObjection(objection) });
}

/**
 * The engine session ended while the sheet was on the screen: for good, or as an interruption.
 *
 * @param {{ code: number, reason: string }} closed
 * @returns {{ resumes: boolean, problem: Problem }}
 */
export function disconnected({ code, reason }) {
  if (code === SIGNED_OUT_HERE) return { resumes: false, problem: signedOut() };
  const known = code === 1000 ? ENDED : CLOSES[code];
  const { what, advice, resumes = false } = known ?? LOST;
  const title = resumes ? "Connection interrupted" : "Session ended";
  return {
    resumes,
    problem: new Problem(what, { title, advice, detail: describeObjection({ from: "close", code, reason }) }),
  };
}

/** @param {Objection} objection */
const isSignedOut = (objection) => objection.from === "close" && objection.code === SIGNED_OUT_HERE;

/** @param {Objection} objection */
function describeObjection(objection) {
  switch (objection.from) {
    case "close":
      return ["engine", `close code ${objection.code}`, objection.reason].filter(Boolean).join(" · ");
    case "error":
      return ["engine", `error ${objection.code}`, objection.reason].filter(Boolean).join(" · ");
    case "state":
      return `engine · ${objection.state}`;
    case "silence":
      return `engine · no answer within ${objection.seconds} s`;
  }
}
