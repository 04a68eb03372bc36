/**
 * The page with components: brings the visitor into the tenant, loads what draws, and looks after what is drawn.
 */

import { AccessTokens } from "./access_token.js";
import { Component } from "./component.js";
import { checkPortal } from "./login.js";
import { Notice } from "./notice.js";
import { readPage } from "./page.js";
import { Problem, UNTITLED, signedOut } from "./problem.js";
import { signInThroughProxy } from "./proxy.js";
import { loadRuntime, passNonceOn } from "./runtime.js";
import { askPortal } from "./tenant.js";

/** How often our own server is told that the visitor is active. */
const ACTIVE_MS = 60_000;

const root = /** @type {HTMLElement} */ (document.getElementById("embed"));
const page = readPage(root.dataset, root.querySelector("h1")?.textContent?.trim() ?? "");
const notice = new Notice(root, run);
const tokens = new AccessTokens(page, tell);
const regions = [...root.querySelectorAll(".component:not(.data)")].filter((region) => region instanceof HTMLElement);
const components = regions.map((region) => new Component(region, () => tell(signedOut()), count));

// The names that the elements were told by the server (templates/components.html).
Object.assign(globalThis, {
  qlikAccessToken: () => tokens.take(),
  // Asked before a client that was refused leaves this page to sign in. It does not get to leave: here, that is told.
  qlikSignedOut: () => {
    run();
    return new Promise(() => {});
  },
});
passNonceOn(document);

/** The run whose outcome counts; a new one ends it. */
let current = new AbortController();
let runs = 0;
/** Whether the components are drawn, or are being drawn. */
let drawn = false;

/** Says beside the title whether all of them are there. */
function count() {
  notice.partly(components.some((component) => component.hasFailed));
}

/** From nothing to the components; or, once they are there, whatever they wait for. */
async function run() {
  current.abort();
  const { signal } = (current = new AbortController());
  runs += 1;
  try {
    notice.loading("Signing you in to Qlik Cloud…");
    if (runs > 1) await checkPortal(signal);
    if (page.flow === "proxy") await signInThroughProxy(page, signal);
    else if (!drawn || tokens.isAwaited) await tokens.fetch(signal);
    if (!drawn) {
      notice.loading("Loading the page…");
      await loadRuntime(page, signal);
    }
    signal.throwIfAborted();
    notice.connected();
    if (!drawn) components.forEach((component) => component.watch());
    drawn = true;
  } catch (thrown) {
    if (!signal.aborted) tell(thrown);
  }
}

/**
 * A failure of the whole page. Components keep what they have, under the panel that says so.
 *
 * @param {unknown} thrown
 */
function tell(thrown) {
  current.abort();
  if (!navigator.onLine) return notice.offline();
  const problem = Problem.of(thrown);
  if (problem.title === UNTITLED) problem.title = "The page cannot be shown";
  notice.failed(problem);
}

window.addEventListener("offline", () => {
  current.abort();
  notice.offline();
});
window.addEventListener("online", () => {
  if (notice.state === "offline") run();
});
// Whoever comes back to this page after hours learns at once that their session has ended.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && notice.state === "connected") look();
});
window.addEventListener("pageshow", ({ persisted }) => {
  if (persisted) run();
});

/** When our own server last heard that the visitor is active. */
let heard = Date.now();

/** The components meet the tenant without us, so our session would end while its visitor works: we tell of it. */
function active() {
  if (page.csrf === "" || notice.state !== "connected" || Date.now() - heard < ACTIVE_MS) return;
  heard = Date.now();
  // What comes of it is found out when it matters.
  askPortal("/session", current.signal, { method: "POST", headers: { "csrf-token": page.csrf } }).catch(() => {});
}
for (const kind of ["pointerdown", "keydown", "wheel", "touchstart"]) {
  document.addEventListener(kind, active, { capture: true, passive: true });
}
// A frame in the page keeps its events to itself; that it has the focus is told.
window.addEventListener("blur", active);

/** Is our own session still alive? That it cannot be asked is nothing to tell: what is drawn may work nevertheless. */
async function look() {
  const { signal } = current;
  const ended = await checkPortal(signal).then(
    () => undefined,
    (thrown) => (thrown instanceof Problem && thrown.way ? thrown : undefined),
  );
  if (ended && !signal.aborted) tell(ended);
}

run();
