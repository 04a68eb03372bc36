/**
 * One component on the page: what it does on the way to the screen, and the panel over it, and it alone, when it fails. Another
 * try replaces its element; the others, and what is selected in them, stay.
 */

import { disconnected } from "./objection.js";
import { Problem } from "./problem.js";

/**
 * The element, as far as it is known ("Qlik Cloud facts", section H.3). The runtime that draws in it is the tenant's and changes
 * without notice, so whatever it has may also be missing.
 *
 * @typedef {HTMLElement & { embed?: Promise<unknown>, getRefApi?: () => Promise<any> }} QlikEmbed
 * @typedef {{ on?: (event: string, then: (about: any) => void) => void }} EngineSession
 */

/** After this long with nothing in it, an element has failed. */
const SHOW_MS = 60_000;
/** How long the runtime may take to resume a session by itself: 11 tries, two seconds apart ("Qlik Cloud facts", section G.2). */
const RESUME_MS = 40_000;
const LONGEST_DETAIL = 200;

export class Component {
  #root;
  #body;
  #fault;
  #button;
  #what;
  #advice;
  #details;
  #detail;
  #signedOut;
  #changed;
  /** What is watched now; a new element ends it. */
  #watch = new AbortController();

  /**
   * @param {HTMLElement} root         the region of this component
   * @param {() => void} signedOut     is told when the engine says that the session with us has ended
   * @param {() => void} changed       is told when it has failed, or has not any more
   */
  constructor(root, signedOut, changed) {
    const part = (/** @type {string} */ selector) => {
      const element = root.querySelector(selector);
      if (!(element instanceof HTMLElement)) throw new Error(`a component lacks ${selector}`);
      return element;
    };
    this.#root = root;
    this.#body = part(".body");
    this.#fault = part(".fault");
    this.#what = part(".fault .what");
    this.#advice = part(".fault .advice");
    this.#details = part(".fault details");
    this.#detail = part(".fault code");
    this.#button = part(".fault button");
    this.#signedOut = signedOut;
    this.#changed = changed;
    this.#button.addEventListener("click", () => this.#rebuild());
  }

  get hasFailed() {
    return this.#root.dataset.shown === "failed";
  }

  /** Looks after the element from now on. */
  watch() {
    this.#watch.abort();
    this.#watch = new AbortController();
    const { signal } = this.#watch;
    const element = /** @type {QlikEmbed} */ (this.#body.querySelector("qlik-embed"));
    this.#show("waiting");
    this.#watchContent(element, signal);
    const mounted = element.embed?.catch((thrown) => {
      if (!signal.aborted) this.#fail(broken(element, thrown));
    });
    mounted?.then(() => this.#watchEngine(element, signal));
  }

  /**
   * Whatever is in it was put there by the runtime: then it has begun, and tells the visitor itself how it goes on.
   *
   * @param {QlikEmbed} element
   * @param {AbortSignal} signal
   */
  #watchContent(element, signal) {
    const isFilled = () => element.childElementCount > 0 || element.shadowRoot !== null;
    if (isFilled()) return this.#show("ready");
    const timer = setTimeout(() => this.#fail(silent(element)), SHOW_MS);
    const observer = new MutationObserver(() => {
      if (!isFilled()) return;
      end();
      this.#show("ready");
    });
    const end = () => {
      clearTimeout(timer);
      observer.disconnect();
    };
    observer.observe(element, { childList: true });
    signal.addEventListener("abort", end, { once: true });
  }

  /**
   * The engine session of the app that is shown, where the runtime lets us have it. What enigma.js calls suspended, the runtime
   * tries to resume.
   *
   * @param {QlikEmbed} element
   * @param {AbortSignal} signal
   */
  async #watchEngine(element, signal) {
    const session = await engineOf(element);
    if (signal.aborted || typeof session?.on !== "function") return;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const lost = (/** @type {any} */ about) => {
      clearTimeout(timer);
      if (!signal.aborted) this.#disconnected(about);
    };
    session.on("closed", lost);
    session.on("suspended", (about) => {
      clearTimeout(timer);
      timer = setTimeout(() => lost(about), RESUME_MS);
    });
    session.on("resumed", () => clearTimeout(timer));
    signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  }

  /** @param {any} about   a close event, or what enigma.js tells of a suspension */
  #disconnected(about) {
    const code = typeof about?.code === "number" ? about.code : 1006;
    const { problem } = disconnected({ code, reason: typeof about?.reason === "string" ? about.reason : "" });
    if (problem.way) this.#signedOut();
    else this.#fail(problem);
  }

  /** A clone has all that the server gave the element, and nothing that was drawn in it. */
  #rebuild() {
    const element = this.#body.querySelector("qlik-embed");
    element?.replaceWith(element.cloneNode(false));
    this.watch();
    this.#root.focus();
  }

  /** @param {Problem} problem */
  #fail({ message, advice, detail }) {
    const focused = this.#body.contains(document.activeElement);
    this.#show("failed");
    this.#what.textContent = message;
    this.#advice.textContent = advice;
    this.#detail.textContent = detail;
    this.#details.hidden = detail === "";
    if (focused) this.#button.focus();
  }

  /** @param {"waiting" | "ready" | "failed"} state */
  #show(state) {
    const failed = state === "failed";
    this.#root.dataset.shown = state;
    this.#root.setAttribute("aria-busy", String(state === "waiting"));
    this.#fault.hidden = !failed;
    this.#body.inert = failed;
    if (!failed) for (const text of [this.#what, this.#advice, this.#detail]) text.textContent = "";
    this.#changed();
  }
}

/**
 * @param {QlikEmbed} element
 * @returns {Promise<EngineSession | undefined>}
 */
async function engineOf(element) {
  try {
    const api = await element.getRefApi?.();
    const doc = await api?.getDoc?.();
    return doc?.session;
  } catch {
    return undefined;
  }
}

/**
 * @param {QlikEmbed} element
 * @param {unknown} thrown
 */
function broken(element, thrown) {
  const said = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : "";
  // Addresses may have tokens in their query ("Qlik Cloud facts", section H.5).
  const plain = said.replace(/\?\S*/g, "?…").slice(0, LONGEST_DETAIL);
  return new Problem("This part of the page could not be shown.", {
    advice: "Show it again. If it fails every time, tell your administrator what the details say.",
    detail: [element.getAttribute("ui"), plain].filter(Boolean).join(" · "),
  });
}

/** @param {QlikEmbed} element */
const silent = (element) =>
  new Problem("This part of the page has not appeared.", {
    advice: "Qlik Cloud may be slow. Wait, or show it again. If it lasts, tell your administrator.",
    detail: `${element.getAttribute("ui")} · nothing within ${SHOW_MS / 1000} s`,
  });
