/**
 * Failures, told as a visitor would want them told: what happened, and what the visitor or an administrator can do.
 *
 * What the tenant's answers mean, the catalogue says (`advice.js`); what our own server answers is here. What the tenant said stays readable in
 * the detail line.
 */

import { known, named, ofAnswer } from "./advice.js";

/** @typedef {import("./tenant.js").Answer} Answer */
/** @typedef {{ href: string, label: string }} Way  another way forward than trying again */

/** @typedef {{ what: string, advice: string }} Verdict  what happened, and what can be done */

/**
 * What the flow itself makes something of: `unreadable`: the other side answered, but the browser does not let us see
 * what. `blocked`: the browser does not keep the tenant's cookies. `unusable`: our server passes nothing on to the tenant.
 *
 * @typedef {"unreadable" | "blocked" | "unusable"} Kind
 */

/** The headline where a failure has none of its own. */
export const UNTITLED = "The sheet cannot be shown";

/** A failure with a sentence for the visitor. */
export class Problem extends Error {
  /**
   * @param {string} what
   * @param {{ title?: string, advice?: string, detail?: string, wait?: number | undefined, way?: Way, kind?: Kind | undefined, cause?: unknown }} [more]
   */
  constructor(what, { title, advice = "", detail = "", wait, way, kind, cause } = {}) {
    super(what, { cause });
    this.name = "Problem";
    /** Headline. */
    this.title = title ?? UNTITLED;
    /** What the visitor or the administrator can do. */
    this.advice = advice;
    /** Status, code and trace id for the administrator; never a token. */
    this.detail = detail;
    /** Seconds that the other side asked us to wait. */
    this.wait = wait;
    /** Another way forward than trying again. */
    this.way = way;
    /** @type {Kind | undefined} */
    this.kind = kind;
  }

  /**
   * Anything thrown, as a problem.
   *
   * @param {unknown} thrown
   */
  static of(thrown) {
    if (thrown instanceof Problem) return thrown;
    return new Problem("Something unexpected went wrong on this page.", {
      advice: "Try again. If it happens every time, tell your administrator what the details below say.",
      detail: thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : "",
      cause: thrown,
    });
  }
}

/** The portal's own session is over: nothing but signing in helps. */
export const signedOut = () =>
  new Problem("Your session here has ended.", {
    title: "Please sign in again",
    advice: "Sign in again to see this page.",
    // This page itself: for somebody signed out it leads to the sign-in, and that leads back.
    way: { href: location.pathname + location.search, label: "Sign in" },
  });

/**
 * This page was made for a session that is not the one of the browser any more: somebody has signed in again, perhaps somebody
 * else. What it shows has to be made anew.
 *
 * @param {Answer} answer
 */
export const outdated = (answer) =>
  new Problem("You have signed in again since this page was opened.", {
    title: "This page is out of date",
    advice: "Reload it to go on.",
    detail: describe(ASKED.accessToken, answer),
    way: { href: location.pathname + location.search, label: "Reload the page" },
  });

/**
 * The login was accepted, but the browser did not keep the tenant's cookies. When the answer that tells so is hidden
 * from us, the tenant may also have led to an address of its own that is another site to the browser.
 *
 * @param {Answer} answer
 * @param {{ hidden?: boolean }} [how]
 */
export const cookiesBlocked = (answer, { hidden = false } = {}) =>
  new Problem(known("cookiesBlocked").what, {
    title: "Your browser blocks the sign-in",
    advice:
      known("cookiesBlocked").advice +
      (hidden ? " An administrator should also check that QLIK_TENANT is the name under which the tenant answers." : ""),
    detail: describe("users/me after the login", answer),
    kind: "blocked",
  });

/**
 * Our server passes nothing on to the tenant, or the browser does not reach it there.
 *
 * @param {string} detail
 * @param {unknown} [cause]
 */
export const unusable = (detail, cause) =>
  new Problem(known("pathsNotServed").what, {
    advice: known("pathsNotServed").advice,
    detail,
    kind: "unusable",
    cause,
  });

/**
 * The browser does not keep the cookie of `PROXY_URL` either: to it, that is another site.
 *
 * @param {Answer} answer
 */
export function siblingBlocked(answer) {
  const { message, title } = cookiesBlocked(answer);
  return new Problem(message, {
    title,
    advice:
      "An administrator should give PROXY_URL a host of the same site as this portal: then no such cookies are needed.",
    detail: describe(ASKED.proxy, answer),
    kind: "unusable",
  });
}

/**
 * Neither way is open: the browser blocks one, and the other does not work.
 *
 * @param {Problem} blocked
 * @param {Problem} other
 */
export const neitherWay = (blocked, other) =>
  new Problem(blocked.message, {
    title: blocked.title,
    advice:
      "Allow third-party cookies for this site, or leave private browsing, then try again. Without them, this portal's own " +
      "way to Qlik Cloud has to work; the details tell an administrator why it does not.",
    detail: `${blocked.detail} · ${other.detail}`,
    cause: other,
  });

/** @param {string} advice */
export const anotherUser = (advice) =>
  new Problem(known("otherSubject").what, {
    advice,
    detail: "users/me: another subject than this portal's",
  });

/** @type {Verdict} */
const CROWDED = { what: "Too many people are signing in at this moment.", advice: "Your turn comes in a moment." };

/** @typedef {"check" | "token" | "login" | "csrf" | "handOver" | "proxy" | "accessToken"} Step */

/** @type {Readonly<Record<Step, string>>} */
const ASKED = {
  check: "users/me",
  token: "token",
  login: "login/jwt-session",
  csrf: "csrf-token",
  handOver: "hand-over",
  proxy: "users/me through the portal",
  accessToken: "access-token",
};

/** @type {Readonly<Record<number, Verdict>>} */
const CLOSED_HERE = {
  403: { what: "You may not open this page.", advice: "Ask your administrator for access." },
  404: { what: "This page does not exist any more.", advice: "Go back to the start page and choose another." },
};

/** What is asked of the tenant in each step; nothing where our own server answers. @type {Readonly<Partial<Record<Step, import("./advice.js").Call>>>} */
const CALLS = { check: "usersMe", login: "login", csrf: "csrf", proxy: "usersMe" };

/**
 * An answer that was not the one the flow needs.
 *
 * @param {Step} step
 * @param {Answer} answer
 */
export function refused(step, answer) {
  const { what, advice } = verdictOn(step, answer);
  // What our server waits for then is its own patience with the tenant, and no reason to expect anything else.
  const wait = answer.code === "tenant_refused" ? undefined : answer.wait;
  return new Problem(what, { advice, detail: describe(ASKED[step], answer), wait });
}

/**
 * @param {Step} step
 * @param {Answer} answer
 * @returns {Verdict}
 */
function verdictOn(step, answer) {
  const call = CALLS[step];
  if (call !== undefined && !isOurs(step, answer.code)) return ofAnswer(call, answer);
  const known = ourOwn(answer) ?? CLOSED_HERE[answer.status];
  if (known) return known;
  if (answer.status >= 500)
    return {
      what: "This portal has a problem at the moment.",
      advice: "Try again in a minute. If it lasts, tell your administrator.",
    };
  return {
    what: "This portal gave an answer that this page does not understand.",
    advice: "Try again. If it lasts, tell your administrator what the details below say.",
  };
}

/**
 * Whether our own server speaks; what it passes on are the tenant's words.
 *
 * @param {Step} step
 * @param {string} code
 */
const isOurs = (step, code) =>
  ["token", "handOver", "accessToken"].includes(step) || (step === "proxy" && isOurCode(code));

/**
 * Codes of our server are small letters, which no code of Qlik's has ("Qlik Cloud facts", section I).
 *
 * @param {string} code
 */
export const isOurCode = (code) => /^[a-z_]+$/.test(code);

/** @type {Verdict} */
const UNREACHABLE = {
  what: known("unreachable").what,
  advice: "Nothing is wrong with your account. Try again in a minute. If it lasts, tell your administrator.",
};

/** What our server could not do for the visitor. @type {Readonly<Record<string, Verdict>>} */
const OUR_CODES = {
  busy: CROWDED,
  too_many_requests: {
    what: "This page was asked for too often within a minute.",
    advice: "Nothing is wrong with your account. Wait a minute, then try again. Close other tabs that show it.",
  },
  tenant_unreachable: UNREACHABLE,
  tenant_timeout: UNREACHABLE,
  tenant_refused: {
    what: "Qlik Cloud did not let this portal sign you in.",
    advice:
      "Try again in a minute. If it lasts, an administrator finds the reason in the log of the portal's server, by the " +
      "trace in the details.",
  },
};

/** What to do where our own server says best itself what is the matter, by its codes. */
const OUR_ADVICE = new Map([
  ["denied", "Ask your administrator to complete your account."],
  ["subject_taken", "Ask your administrator whose it shall be."],
  ["no_user", "Ask your administrator to add you to Qlik Cloud."],
  ["no_qlik_user", "Ask your administrator to name or to invite your user in Qlik Cloud."],
  ["tenant_unavailable", "Try again in a moment."],
]);

/**
 * What our own server says by its codes; why somebody is denied a page, it says best itself. When the tenant refused the login of
 * our server, that names the advice: to the visitor it is the same as a login of the browser.
 *
 * @param {Answer} answer
 * @returns {Verdict | undefined}
 */
function ourOwn({ code, text, advice: id }) {
  const there = code === "tenant_refused" ? named(id) : undefined;
  if (there !== undefined) return there;
  if (Object.hasOwn(OUR_CODES, code)) return OUR_CODES[code];
  const advice = OUR_ADVICE.get(code);
  return advice && text ? { what: text, advice } : undefined;
}

/**
 * The detail line: who answered what, for the administrator.
 *
 * @param {string} asked
 * @param {Answer} answer
 */
export function describe(asked, { status, code, text, trace }) {
  return [`${asked}: ${status}`, code, text, trace && `trace ${trace}`].filter(Boolean).join(" · ");
}
