/**
 * Failures, told as a visitor would want them told: what happened, and what the visitor or an administrator can do.
 *
 * Codes are those of "Qlik Cloud facts", sections I and L; those of the engine are in `objection.js`. Where Qlik publishes no list, the HTTP status
 * decides, and what the tenant said stays readable in the detail line.
 */

/** @typedef {import("./tenant.js").Answer} Answer */
/** @typedef {{ href: string, label: string }} Way  another way forward than trying again */

/** @typedef {{ what: string, advice: string }} Verdict  what happened, and what can be done */

/**
 * What the flow itself makes something of: `unreadable`: the other side answered, but the browser does not let us see
 * what. `blocked`: the browser does not keep the tenant's cookies. `unusable`: our server passes nothing on to the tenant.
 *
 * @typedef {"unreadable" | "blocked" | "unusable"} Kind
 */

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
    this.title = title ?? "The sheet cannot be shown";
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
 * The login was accepted, but the browser did not keep the tenant's cookies. When the answer that tells so is hidden
 * from us, the tenant may also have led to an address of its own that is another site to the browser.
 *
 * @param {Answer} answer
 * @param {{ hidden?: boolean }} [how]
 */
export const cookiesBlocked = (answer, { hidden = false } = {}) =>
  new Problem("Third-party cookies are not enabled in your browser settings and/or browser mode.", {
    title: "Your browser blocks the sign-in",
    advice:
      "Allow third-party cookies for this site, or leave private browsing, then try again. " +
      "In a managed browser your administrator can allow them for Qlik Cloud." +
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
  new Problem("This portal's own way to Qlik Cloud does not work.", {
    advice:
      "Try again in a minute. If it lasts, an administrator should check that every path, and PROXY_URL with its Host " +
      "header, leads to this portal's server.",
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
  new Problem("Qlik Cloud still takes you for somebody else.", {
    advice,
    detail: "users/me: another subject than this portal's",
  });

const BUSY = {
  what: "Qlik Cloud is receiving too many requests.",
  advice: "It asked for a pause before the next try.",
};

/** @type {Readonly<Record<string, Verdict>>} */
const CODES = {
  "LOGIN-2": {
    what: "Qlik Cloud knows no sign-in for this tenant's address.",
    advice: "An administrator should check the name of the tenant in the portal's settings.",
  },
  "LOGIN-10": {
    what: "Qlik Cloud does not accept this portal's address.",
    advice: "An administrator should add it to the origins of the web integration.",
  },
  "LOGIN-12": {
    what: "Qlik Cloud knows several active users with your e-mail address.",
    advice: "An administrator of the tenant should delete or disable all but one of them.",
  },
  USER_INVITE_EXPIRED: {
    what: "Your invitation to Qlik Cloud has expired.",
    advice: "An administrator of the tenant can invite you again or delete the old invitation.",
  },
  "AUTH-5": {
    what: "You are not a member of this Qlik Cloud tenant.",
    advice: "An administrator of the tenant can add you.",
  },
  "INTERNAL-TOKEN-1": {
    what: "Qlik Cloud found this portal's sign-in token incomplete or out of date.",
    advice: "An administrator should look at the claim that is named in the details, and at the portal server's clock.",
  },
  "CSRF-TOKEN-2": {
    what: "Qlik Cloud did not accept this page's security token.",
    advice: "Try again: the page asks for a fresh one.",
  },
  "HTTP-429": BUSY,
};

/** @type {Verdict} */
const CROWDED = { what: "Too many people are signing in at this moment.", advice: "Your turn comes in a moment." };

/** @typedef {"check" | "token" | "login" | "csrf" | "handOver" | "proxy"} Step */

/** @type {Readonly<Record<Step, string>>} */
const ASKED = {
  check: "users/me",
  token: "token",
  login: "login/jwt-session",
  csrf: "csrf-token",
  handOver: "hand-over",
  proxy: "users/me through the portal",
};

/** @type {Readonly<Record<number, Verdict>>} */
const CLOSED_HERE = {
  403: { what: "You may not open this page.", advice: "Ask your administrator for access." },
  404: { what: "This page does not exist any more.", advice: "Go back to the start page and choose another." },
};

/** @type {Readonly<Record<number, Verdict>>} */
const CLOSED_THERE = {
  403: {
    what: "Qlik Cloud does not let you in.",
    advice: "An administrator of the tenant can tell whether your user is disabled.",
  },
  404: {
    what: "Qlik Cloud does not answer at this address.",
    advice: "An administrator should check the tenant's name.",
  },
};

/** @type {Readonly<Record<number, Verdict>>} */
const ENDED_THERE = {
  401: { what: "Your session at Qlik Cloud has ended.", advice: "Try again to start a new one." },
};

/** @type {Readonly<Record<Step, Readonly<Record<number, Verdict>>>>} */
const STATUSES = {
  check: CLOSED_THERE,
  token: CLOSED_HERE,
  login: {
    400: CODES["INTERNAL-TOKEN-1"] ?? BUSY,
    401: {
      what: "Qlik Cloud refused this portal's sign-in token.",
      advice:
        "An administrator should compare issuer, key ID and certificate of the tenant's JWT identity provider with the " +
        "portal's settings, and check the portal server's clock.",
    },
    403: {
      what: "Qlik Cloud does not let you in.",
      advice: "An administrator of the tenant can tell whether you are a member and active.",
    },
    406: {
      what: "Qlik Cloud did not accept this portal's sign-in token.",
      advice:
        "This answer usually means that issuer or key ID differ from those of the tenant's JWT identity provider. " +
        "An administrator should compare them.",
    },
  },
  csrf: ENDED_THERE,
  handOver: CLOSED_HERE,
  proxy: { ...CLOSED_THERE, ...ENDED_THERE },
};

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
function verdictOn(step, { status, code, text }) {
  const ours = isOurs(step, code);
  if (status === 429 && !ours) return BUSY;
  const named = ours ? ourOwn(code, text) : CODES[code];
  const known = named ?? (ours ? CLOSED_HERE : STATUSES[step])[status];
  if (known) return known;
  const who = ours ? "This portal" : "Qlik Cloud";
  if (status >= 500)
    return {
      what: `${who} has a problem at the moment.`,
      advice: "Try again in a minute. If it lasts, tell your administrator.",
    };
  return {
    what: `${who} gave an answer that this page does not understand.`,
    advice: "Try again. If it lasts, tell your administrator what the details below say.",
  };
}

/**
 * Whether our own server speaks; what it passes on are the tenant's words.
 *
 * @param {Step} step
 * @param {string} code
 */
const isOurs = (step, code) => step === "token" || step === "handOver" || (step === "proxy" && isOurCode(code));

/**
 * Codes of our server are small letters, which no code of Qlik's has ("Qlik Cloud facts", section I).
 *
 * @param {string} code
 */
export const isOurCode = (code) => /^[a-z_]+$/.test(code);

/** @type {Verdict} */
const UNREACHABLE = {
  what: "Qlik Cloud cannot be reached.",
  advice: "Nothing is wrong with your account. Try again in a minute. If it lasts, tell your administrator.",
};

/** What our server could not do for the visitor. @type {Readonly<Record<string, Verdict>>} */
const OUR_CODES = {
  busy: CROWDED,
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
  ["no_qlik_user", "Ask your administrator to name or to invite your user in Qlik Cloud."],
  ["tenant_unavailable", "Try again in a moment."],
]);

/**
 * What our own server says by its codes; why somebody is denied a page, it says best itself.
 *
 * @param {string} code
 * @param {string} text
 * @returns {Verdict | undefined}
 */
function ourOwn(code, text) {
  if (code === "tenant_refused") return refusedThere(text);
  if (Object.hasOwn(OUR_CODES, code)) return OUR_CODES[code];
  const advice = OUR_ADVICE.get(code);
  return advice && text ? { what: text, advice } : undefined;
}

/**
 * The tenant refused the login of our server, and that says so in the tenant's words: with a status, and perhaps a code. To
 * the visitor it is the same as a login of the browser.
 *
 * @param {string} text
 */
function refusedThere(text) {
  const code = text.match(/[A-Z]+(?:[-_][A-Z0-9]+)+/g)?.find((word) => Object.hasOwn(CODES, word));
  const status = /\bstatus (\d{3})\b/.exec(text)?.[1];
  return CODES[code ?? ""] ?? STATUSES.login[Number(status)] ?? OUR_CODES["tenant_refused"];
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
