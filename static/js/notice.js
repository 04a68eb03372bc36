/**
 * What the visitor is told: one panel over the frame and one line of status beside the title. The status line is a polite
 * live region, failures speak through an assertive one, and focus goes to the way forward and back to the sheet.
 */

import { disconnected } from "./objection.js";
import { Problem } from "./problem.js";

/** @typedef {"loading" | "preparing" | "connected" | "error" | "closed" | "suspended" | "offline"} State */

/**
 * What the status line says; failures are told by the panel.
 *
 * @type {Partial<Record<State, string>>}
 */
const STATUS = { loading: "Connecting", preparing: "Preparing access", connected: "Connected" };

/** Tries in a row that happen by themselves when the other side asked for a pause. */
const AUTOMATIC_TRIES = 3;

export class Notice {
  /** @type {State} */
  #state = "loading";
  #automatic = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #countdown;

  /**
   * @param {HTMLElement} root      the embed element
   * @param {() => void} retry      runs the flow again
   */
  constructor(root, retry) {
    const part = (/** @type {string} */ name) => {
      const element = root.querySelector(`#${name}`);
      if (!(element instanceof HTMLElement)) throw new Error(`the page lacks #${name}`);
      return element;
    };
    this.root = root;
    this.retry = retry;
    this.stage = part("stage");
    this.frame = part("frame");
    this.status = part("status");
    this.alert = part("alert");
    this.panel = part("notice");
    this.heading = part("notice-title");
    this.what = part("notice-what");
    this.advice = part("notice-advice");
    this.wait = part("notice-wait");
    this.button = part("notice-retry");
    this.way = part("notice-way");
    this.details = part("notice-details");
    this.detail = part("notice-detail");
    this.button.addEventListener("click", () => this.retry());
  }

  get state() {
    return this.#state;
  }

  /** @param {string} step */
  loading(step) {
    this.#show("loading", { title: step });
  }

  /** A user whom the tenant has only just created: their rights need a moment. */
  preparing() {
    this.#show("preparing", {
      title: "Preparing your access…",
      what: "This is your first visit, and Qlik Cloud needs a moment to set you up. It can take up to two minutes; the page carries on by itself.",
    });
  }

  /** The sheet is there: the panel goes, and focus with it into the sheet, or to where the components begin. */
  connected() {
    this.#automatic = 0;
    this.#enter("connected");
    const focused = this.panel.contains(document.activeElement);
    this.panel.hidden = true;
    this.frame.inert = false;
    this.alert.textContent = "";
    if (focused) (this.frame.querySelector("iframe") ?? this.stage).focus();
  }

  /**
   * Some of the parts that are shown may have failed, each with a panel of its own.
   *
   * @param {boolean} some
   */
  partly(some) {
    if (this.#state !== "connected") return;
    this.root.toggleAttribute("data-partly", some);
    this.status.textContent = some ? "Partly connected" : (STATUS.connected ?? "");
  }

  /** @param {Problem} problem */
  failed(problem) {
    const wait = this.#automatic < AUTOMATIC_TRIES ? problem.wait : undefined;
    this.#fail("error", problem, { button: problem.way || wait ? "" : "Try again" });
    if (wait) this.#countDown(wait);
  }

  /**
   * The engine session ended under the sheet.
   *
   * @param {{ code: number, reason: string }} closed
   */
  disconnected(closed) {
    const { resumes, problem } = disconnected(closed);
    this.#fail(resumes ? "suspended" : "closed", problem, { button: problem.way ? "" : "Reconnect" });
  }

  offline() {
    const problem = new Problem("Your device has lost its network connection.", {
      title: "You are offline",
      advice: "The page comes back by itself when the connection does.",
    });
    this.#fail("offline", problem, { button: "Reconnect now" });
  }

  /**
   * @param {State} state
   * @param {Problem} problem
   * @param {{ button: string }} options
   */
  #fail(state, problem, { button }) {
    this.#show(state, {
      title: problem.title,
      what: problem.message,
      advice: problem.advice,
      detail: problem.detail,
      button,
      way: problem.way,
    });
    this.alert.textContent = `${problem.title}. ${problem.message} ${problem.advice}`;
    const active = document.activeElement;
    // Whoever is busy elsewhere on the page keeps their place; the alert has told them.
    if (active === null || active === document.body || this.stage.contains(active)) this.#wayForward().focus();
  }

  /**
   * @param {State} state
   * @param {{ title: string, what?: string, advice?: string, detail?: string, button?: string, way?: Problem["way"] }} says
   */
  #show(state, { title, what = "", advice = "", detail = "", button = "", way }) {
    const pressed = document.activeElement === this.button;
    this.#enter(state);
    write(this.heading, title);
    write(this.what, what);
    write(this.advice, advice);
    write(this.detail, detail);
    write(this.button, button);
    write(this.way, way?.label ?? "");
    if (way) this.way.setAttribute("href", way.href);
    this.details.hidden = detail === "";
    this.alert.textContent = "";
    this.panel.hidden = false;
    this.frame.inert = true;
    if (pressed && this.button.hidden) this.panel.focus();
  }

  /** @param {State} state */
  #enter(state) {
    clearInterval(this.#countdown);
    write(this.wait, "");
    this.#state = state;
    this.root.dataset.state = state;
    this.root.removeAttribute("data-partly");
    this.root.setAttribute("aria-busy", String(state === "loading" || state === "preparing"));
    const status = STATUS[state] ?? "";
    if (this.status.textContent !== status) this.status.textContent = status;
  }

  /**
   * Tries again by itself when the pause is over that the other side asked for.
   *
   * @param {number} seconds
   */
  #countDown(seconds) {
    this.#automatic += 1;
    const over = Date.now() + seconds * 1000;
    const tick = () => {
      const left = Math.ceil((over - Date.now()) / 1000);
      if (left <= 0) return this.retry();
      write(this.wait, `Trying again in ${left} s`);
    };
    tick();
    this.#countdown = setInterval(tick, 1000);
  }

  #wayForward() {
    return [this.button, this.way].find((element) => !element.hidden) ?? this.panel;
  }
}

/**
 * Text, or nothing at all.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
  element.hidden = text === "";
}
