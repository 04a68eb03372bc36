/**
 * The tenant as a browser meets it, itself or through our server: its addresses, requests that end in bounded time, and its answers made readable.
 *
 * Everything that goes into an address is encoded here and nowhere else.
 */

import { known } from "./advice.js";
import { Problem, unusable } from "./problem.js";

/** @typedef {import("./page.js").Page} Page */

/**
 * What an answer other than the wished one says. Qlik's envelopes differ from service to service ("Qlik Cloud facts",
 * section I), so every part may be empty.
 *
 * @typedef {object} Answer
 * @property {number} status
 * @property {string} code            such as `LOGIN-2`
 * @property {string} text            detail, else title
 * @property {string} trace           the tenant's trace id, or our request id
 * @property {string} advice          the name of an entry of the catalogue, when our server has looked it up
 * @property {boolean} html           whether it was a page instead of data
 * @property {number | undefined} wait  seconds to wait before the next try
 */

const TIMEOUT_MS = 20_000;
/** Our server may have to sign the visitor in first, and to wait for others who want that too. */
const PROXY_TIMEOUT_MS = 60_000;
const LONGEST_WAIT_S = 300;
const LONGEST_TEXT = 200;

/**
 * An address on the tenant. Spaces become `%20`: form encoding's `+` is not undone by everybody who reads a query.
 *
 * @param {Page} page
 * @param {string} path
 * @param {Record<string, string | string[]>} [query]  empty values are left out; a list is a parameter that comes again
 */
export function tenantUrl(page, path, query = {}) {
  const url = new URL(path, page.tenant);
  const all = Object.entries(query).flatMap(([name, values]) => [values].flat().map((value) => ({ name, value })));
  const given = all.filter(({ value }) => value !== "");
  url.search = given.map(({ name, value }) => `${name}=${encodeURIComponent(value)}`).join("&");
  return url;
}

/**
 * The engine's address: same app and identity as the frame, so that both share one engine session (section F.1).
 *
 * @param {Page} page
 * @param {string} csrfToken   empty where our server adds it
 */
export function engineUrl(page, csrfToken) {
  const identity = page.identity && `/identity/${encodeURIComponent(page.identity)}`;
  const url = tenantUrl(page, `/app/${encodeURIComponent(page.app)}${identity}`, {
    "qlik-web-integration-id": page.webIntegration,
    "qlik-csrf-token": csrfToken,
  });
  url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
  return url;
}

/**
 * The page that the frame shows (section G).
 *
 * @param {Page} page
 * @param {string} theme
 */
export function singleUrl(page, theme) {
  return tenantUrl(page, "/single/", {
    appid: page.app,
    sheet: page.sheet,
    obj: page.object,
    theme,
    identity: page.identity,
    opt: page.options,
    lang: page.language,
    select: page.select,
  });
}

/**
 * Asks the tenant with the visitor's cookies, under the name of our web integration (section C.1); or our server, which
 * has the tenant's cookies and needs no such name.
 *
 * @param {Page} page
 * @param {URL} url
 * @param {{ signal: AbortSignal, method?: string, headers?: Record<string, string>, body?: URLSearchParams }} options
 */
export async function askTenant(page, url, { signal, headers = {}, ...request }) {
  const proxied = page.flow === "proxy";
  const bounded = within(proxied ? PROXY_TIMEOUT_MS : TIMEOUT_MS, signal);
  const name = page.webIntegration && { "qlik-web-integration-id": page.webIntegration };
  try {
    return await fetch(url, {
      ...request,
      mode: "cors",
      credentials: "include",
      cache: "no-store",
      headers: { ...name, ...headers },
      signal: bounded,
    });
  } catch (thrown) {
    signal.throwIfAborted();
    throw proxied ? unpassed(page, thrown) : await unanswered(page, thrown, signal);
  }
}

/**
 * Asks our own server.
 *
 * @param {string} path
 * @param {AbortSignal} signal
 * @param {{ method?: string, headers?: Record<string, string>, body?: URLSearchParams }} [post]
 */
export async function askPortal(path, signal, { headers, ...post } = {}) {
  const bounded = within(TIMEOUT_MS, signal);
  try {
    return await fetch(path, {
      ...post,
      mode: "same-origin",
      credentials: "same-origin",
      cache: "no-store",
      redirect: "manual",
      headers: { accept: "application/json", ...headers },
      signal: bounded,
    });
  } catch (thrown) {
    signal.throwIfAborted();
    throw portalUnreachable(thrown);
  }
}

/** @param {unknown} thrown */
const portalUnreachable = (thrown) =>
  new Problem("This portal cannot be reached.", {
    advice: "Check your network connection, then try again.",
    detail: named(thrown),
    cause: thrown,
  });

/**
 * Our server did not answer where it passes requests on. A script is told neither whether it was not found, nor whether
 * it answered and does not know our origin.
 *
 * @param {Page} page
 * @param {unknown} thrown
 */
function unpassed(page, thrown) {
  if (location.origin !== page.origin) {
    return new Problem("This portal has another address.", {
      advice: `Open the page at ${page.origin} instead.`,
      detail: `${page.proxy}: answer not readable from ${location.origin}`,
      way: atItsAddress(page),
      cause: thrown,
    });
  }
  if (isTimeout(thrown)) {
    return new Problem(known("unreachable").what, {
      advice: "Try again in a minute. If it lasts, tell your administrator.",
      detail: `${page.proxy}: no answer in time`,
      cause: thrown,
    });
  }
  return page.proxy === location.origin ? portalUnreachable(thrown) : unusable(`${page.proxy}: ${named(thrown)}`, thrown);
}

/**
 * This page, at the address of ours that everybody knows.
 *
 * @param {Page} page
 */
const atItsAddress = (page) => ({ href: new URL(location.pathname, page.origin).href, label: "Open it there" });

/**
 * Why a request to the tenant got no readable answer. A browser does not say whether the tenant is down or refuses our
 * origin, so a second, opaque request finds out. Errors of the tenant's edge may be as unreadable as those of a refused
 * origin: the advice has both.
 *
 * @param {Page} page
 * @param {unknown} thrown
 * @param {AbortSignal} signal
 */
async function unanswered(page, thrown, signal) {
  const { host } = new URL(page.tenant);
  const reachable = !isTimeout(thrown) && (await answersAtAll(page, signal));
  signal.throwIfAborted();
  if (reachable && location.origin !== page.origin) {
    return new Problem("Qlik Cloud knows this portal under another address.", {
      advice: `Open the page at ${page.origin} instead.`,
      detail: `${host}: answer not readable from ${location.origin}`,
      way: atItsAddress(page),
      kind: "unreadable",
      cause: thrown,
    });
  }
  if (reachable) {
    return new Problem(known("hidden").what, {
      advice:
        "Try again in a minute, in case Qlik Cloud has a problem. If it lasts, an administrator should add " +
        `${location.origin} to the origins of the tenant's web integration, and check its ID.`,
      detail: `${host}: answer not readable from ${location.origin}`,
      kind: "unreadable",
      cause: thrown,
    });
  }
  return new Problem(known("unreachable").what, {
    advice: "Check your network connection and try again. If it lasts, tell your administrator.",
    detail: `${host}: ${isTimeout(thrown) ? "no answer in time" : "no connection"}`,
    cause: thrown,
  });
}

/**
 * Asks for a file that needs no sign-in, without looking at the answer.
 *
 * @param {Page} page
 * @param {AbortSignal} signal
 */
async function answersAtAll(page, signal) {
  const bounded = within(TIMEOUT_MS / 4, signal);
  try {
    await fetch(tenantUrl(page, "/resources/autogenerated/product-info.json"), {
      mode: "no-cors",
      credentials: "omit",
      cache: "no-store",
      signal: bounded,
    });
    return true;
  } catch {
    return false;
  }
}

/**
 * Ends with the run, or when the time is up. By hand where a browser cannot (before Chrome 116, Firefox 124, Safari 17.4).
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 */
function within(ms, signal) {
  if ("any" in AbortSignal) return AbortSignal.any([signal, AbortSignal.timeout(ms)]);
  const bounded = new AbortController();
  const end = () => bounded.abort(signal.reason);
  if (signal.aborted) end();
  signal.addEventListener("abort", end, { once: true });
  setTimeout(() => bounded.abort(new DOMException("no answer in time", "TimeoutError")), ms);
  return bounded.signal;
}

/** @param {unknown} thrown */
const isTimeout = (thrown) => thrown instanceof DOMException && thrown.name === "TimeoutError";

/** @param {unknown} thrown */
const named = (thrown) => (isTimeout(thrown) ? "no answer in time" : "no connection");

/**
 * Reads an answer that was not the wished one, whatever its form: an envelope of Qlik's, one of ours, or HTML.
 *
 * @param {Response} response
 * @returns {Promise<Answer>}
 */
export async function readAnswer(response) {
  const body = await response.text().catch(() => "");
  const said = readEnvelope(body);
  return { status: response.status, ...said, wait: readWait(response, said.text) };
}

/**
 * An answer of which nothing is known but its status.
 *
 * @param {number} status
 * @param {string} text   what is to be said of it
 * @returns {Answer}
 */
export const unsaid = (status, text) => ({ status, code: "", text, trace: "", advice: "", html: false, wait: undefined });

/**
 * @param {string} body
 * @returns {Pick<Answer, "code" | "text" | "trace" | "advice" | "html">}
 */
export function readEnvelope(body) {
  const json = parse(body);
  if (json === undefined) {
    const title = /<title[^>]*>([^<]*)<\/title>/i.exec(body)?.[1];
    return { code: "", text: short(title), trace: "", advice: "", html: body.trimStart().startsWith("<") };
  }
  const first = Array.isArray(json.errors) && isRecord(json.errors[0]) ? json.errors[0] : {};
  return {
    code: short(first.code ?? json.code ?? json.error),
    text: short(first.detail ?? json.detail ?? first.title ?? json.title ?? json.message),
    trace: short(json.traceId ?? first.traceId ?? json.request_id),
    advice: short(json.advice),
    html: false,
  };
}

/**
 * `Retry-After` in seconds or as a date; it may be hidden from us cross-origin, then Qlik's sentence has the number.
 *
 * @param {Response} response
 * @param {string} text
 */
function readWait({ status, headers }, text) {
  if (![429, 502, 503, 504].includes(status)) return undefined;
  const header = headers.get("retry-after") ?? /(\d+) second/.exec(text)?.[1];
  if (header === undefined) return undefined;
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.min(Math.max(Math.ceil(seconds), 1), LONGEST_WAIT_S) : undefined;
}

/**
 * @param {string} body
 * @returns {Record<string, unknown> | undefined}
 */
function parse(body) {
  try {
    const json = JSON.parse(body);
    return isRecord(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {unknown} value */
const short = (value) =>
  ["string", "number"].includes(typeof value) ? String(value).trim().slice(0, LONGEST_TEXT) : "";
