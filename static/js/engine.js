/**
 * The page's own engine session, by enigma.js over a websocket: it proves that the visitor may open the app, knows the
 * app's theme, and tells when the session that the frame shares comes to its end.
 */

import { csrfToken } from "./login.js";
import { notOpened, objectionMeans } from "./objection.js";
import { Problem } from "./problem.js";
import { signInThroughProxy } from "./proxy.js";
import { engineUrl } from "./tenant.js";

/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./user.js").TenantUser} TenantUser */
/** @typedef {import("./objection.js").Objection} Objection */

/**
 * The few things of enigma.js that are needed here.
 *
 * @typedef {{ getLayout(): Promise<any> }} GenericObject
 * @typedef {{ createSessionObject(properties: object): Promise<GenericObject>, destroySessionObject(id: string): Promise<unknown> }} App
 * @typedef {{ openDoc(app: string): Promise<App>, getActiveDoc(): Promise<App> }} Global
 * @typedef {{ open(): Promise<Global>, close(): Promise<unknown>, on(event: string, then: (...args: any[]) => void): void }} EnigmaSession
 * @typedef {{ create(settings: { schema: object, url: string, createSocket: (url: string) => WebSocket }): EnigmaSession }} Enigma
 */

/**
 * @typedef {object} Engine
 * @property {App} app
 * @property {Promise<{ code: number, reason: string }>} ended   settles when the socket closes, for whatever reason
 */

const OPEN_S = 120;
const THEME_MS = 10_000;

/** The engine's error for an app that is open in its session already. */
const APP_ALREADY_OPEN = 1002;
/** Errors of enigma.js that only tell of a lost socket: not connected, session suspended. */
const LOST = [-1, -11];

/** How long somebody counts as new, how far clocks may be wrong, and how long a new user is waited for. */
const NEW_MS = 120_000;
const SKEW_MS = 30_000;
const PATIENCE_MS = 120_000;

/**
 * Opens the app, and tries again where that can help.
 *
 * @param {Page} page
 * @param {TenantUser} user
 * @param {{ signal: AbortSignal, preparing: () => void }} options   `preparing` is told when a new user has to wait
 * @returns {Promise<Engine>}
 */
export async function openApp(page, user, { signal, preparing }) {
  const schema = await loadSchema(signal);
  let refusedAt = 0;
  for (let tries = 1; ; tries += 1) {
    const objection = await connect(page, schema, signal);
    if ("app" in objection) return objection;
    signal.throwIfAborted();

    refusedAt ||= Date.now();
    const isNew = isNewUser(user, Date.now());
    const pause = nextTry(objection, { isNew, tries, waited: Date.now() - refusedAt });
    if (pause === undefined) throw notOpened(objection);
    if (isNew) preparing();
    await sleep(pause, signal);
    if (page.flow === "proxy" && isWordless(objection)) await signInThroughProxy(page, signal);
  }
}

/**
 * A handshake that our server refuses looks to the page like one that was lost. Another question tells why.
 *
 * @param {Objection} objection
 */
const isWordless = (objection) => objection.from === "close" && objection.code < 4000;

/**
 * Milliseconds until the next try; undefined when there should be none. The rights of a user who was created a moment
 * ago need up to two minutes to arrive everywhere ("Qlik Cloud facts", section F.5); everybody else gets a second try.
 *
 * @param {Objection} objection
 * @param {{ isNew: boolean, tries: number, waited: number }} so_far
 */
export function nextTry(objection, { isNew, tries, waited }) {
  const { retry } = objectionMeans(objection);
  // A pause that is asked for is longer than anybody waits here.
  if (retry === "no" || retry === "later") return undefined;
  if (!isNew || retry !== "soon") return tries === 1 ? 1500 : undefined;
  return waited < PATIENCE_MS ? Math.min(1000 * 1.5 ** (tries - 1), 8000, PATIENCE_MS - waited) : undefined;
}

/**
 * Was the user created a moment ago? True when one clock, the browser's, our server's or the tenant's, says so: any of
 * them may be wrong. When no clock can tell, somebody who had to be signed in just now may be new.
 *
 * @param {Pick<TenantUser, "createdAt" | "clocks" | "signedInNow">} user
 * @param {number} now   by the browser's clock
 */
export function isNewUser({ createdAt, clocks, signedInNow }, now) {
  const ages = [now, ...clocks].map((clock) => clock - createdAt).filter((age) => age >= -SKEW_MS);
  return ages.length > 0 ? ages.some((age) => age <= NEW_MS + SKEW_MS) : signedInNow;
}

/**
 * One socket, in the flow `session` with a CSRF token of its own, up to the open app.
 *
 * @param {Page} page
 * @param {object} schema
 * @param {AbortSignal} signal
 * @returns {Promise<Engine | Objection>}
 */
async function connect(page, schema, signal) {
  // Our server has one and adds it.
  const csrf = page.flow === "proxy" ? "" : await csrfToken(page, signal);
  const socket = new WebSocket(engineUrl(page, csrf));
  const session = enigma().create({ schema, url: socket.url, createSocket: () => socket });
  signal.addEventListener("abort", () => socket.close(), { once: true });

  // From the socket itself: enigma.js keeps a close with code 1000 to itself, and an early one without its code.
  const ended = new Promise((/** @type {(closed: { code: number, reason: string }) => void} */ resolve) => {
    socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
  });
  const closed = ended.then(({ code, reason }) => /** @type {Objection} */ ({ from: "close", code, reason }));
  const stated = new Promise((/** @type {(objection: Objection) => void} */ resolve) => {
    session.on("notification:OnConnected", ({ qSessionState: state }) => {
      if (!["SESSION_CREATED", "SESSION_ATTACHED"].includes(state)) resolve({ from: "state", state });
    });
  });
  const silent = sleep(OPEN_S * 1000, signal).then(
    () => /** @type {Objection} */ ({ from: "silence", seconds: OPEN_S }),
  );
  const opened = session
    .open()
    .then((global) => openOrJoin(global, page.app))
    .then(
      (app) => ({ app, ended }),
      async (thrown) => {
        // A lost socket also rejects what was asked through it, or comes as an event; its close says more.
        if (!(thrown instanceof Error) || (isCoded(thrown) && LOST.includes(thrown.code))) return closed;
        if (!isCoded(thrown)) throw thrown;
        return /** @type {Objection} */ ({ from: "error", code: thrown.code, reason: thrown.message });
      },
    );

  let engine;
  try {
    const first = await Promise.race([closed, stated, silent, opened]);
    if ("app" in first) engine = first;
    return first;
  } finally {
    if (engine === undefined) socket.close();
  }
}

/**
 * The app, opened; or as it is, when a reload or a reconnect has found the engine session alive. Then the engine may
 * refuse to open the app once more ("Qlik Cloud facts", sections F.3 and F.5).
 *
 * @param {Global} global
 * @param {string} app
 */
async function openOrJoin(global, app) {
  try {
    return await global.openDoc(app);
  } catch (thrown) {
    if (isCoded(thrown) && thrown.code === APP_ALREADY_OPEN) return global.getActiveDoc();
    throw thrown;
  }
}

/**
 * Errors of the engine have positive codes; those of enigma.js itself, and of JSON-RPC, negative ones.
 *
 * @param {unknown} thrown
 * @returns {thrown is Error & { code: number }}
 */
const isCoded = (thrown) => thrown instanceof Error && "code" in thrown && typeof thrown.code === "number";

/**
 * The theme that the app's author chose. An app without one, or without properties, is no error ("Qlik Cloud facts",
 * section F.6): the frame then uses the tenant's default. The engine names the list: tabs of one visitor share its
 * session, where a name of ours would be taken.
 *
 * @param {Engine} engine
 * @param {AbortSignal} signal
 */
export async function readTheme({ app, ended }, signal) {
  const asked = (async () => {
    const list = await app.createSessionObject({
      qInfo: { qType: "AppPropsList" },
      qAppObjectListDef: { qType: "appprops", qData: { theme: "/theme" } },
    });
    const layout = await list.getLayout();
    await app.destroySessionObject(layout.qInfo.qId).catch(() => {});
    return themeOf(layout);
  })();
  const none = Promise.race([ended, sleep(THEME_MS, signal)]).then(() => "");
  return Promise.race([asked.catch(() => ""), none]);
}

/** @param {any} layout */
export function themeOf(layout) {
  const theme = layout?.qAppObjectList?.qItems?.[0]?.qData?.theme;
  return typeof theme === "string" ? theme : "";
}

/** @returns {Enigma} */
function enigma() {
  const { enigma } = /** @type {{ enigma?: Enigma }} */ (/** @type {unknown} */ (globalThis));
  if (enigma === undefined) throw incomplete("enigma.js");
  return enigma;
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<object>}
 */
async function loadSchema(signal) {
  try {
    const response = await fetch(new URL("../vendor/enigma-schema.json", import.meta.url), { signal });
    return await response.json();
  } catch (thrown) {
    signal.throwIfAborted();
    throw incomplete("enigma-schema.json", thrown);
  }
}

/**
 * @param {string} file
 * @param {unknown} [cause]
 */
const incomplete = (file, cause) =>
  new Problem("A part of this page could not be loaded.", {
    advice: "Check your network connection, then reload the page.",
    detail: file,
    cause,
  });

/**
 * Waits, unless the run is given up.
 *
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
