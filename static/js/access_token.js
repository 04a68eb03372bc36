/**
 * Access tokens for the components of the flow `oauth`, from our own server. They are in memory, and only on their way: the
 * components' runtime keeps what it was given, and asks again when the tenant has refused it ("Qlik Cloud facts", section H.5).
 */

import { outdated, refused, signedOut } from "./problem.js";
import { askPortal, readAnswer, unsaid } from "./tenant.js";

/** @typedef {import("./page.js").Page} Page */

/** Where they come from. */
const PATH = "/access-token";
/** How long one that was taken before anybody asked is handed out. */
const EARLY_MS = 60_000;

export class AccessTokens {
  #page;
  #failed;
  /** Taken before the runtime was there, for whoever asks first; and when. Later, it may be what the tenant has just refused. */
  #early = { token: "", at: 0 };
  /** The question that is under way, or waits for another try: one for all who ask meanwhile. @type {{ answer: Promise<string>, resolve: (token: string) => void } | undefined} */
  #open;
  #forever = new AbortController().signal;

  /**
   * @param {Page} page
   * @param {(thrown: unknown) => void} failed   is told why a token that somebody waits for was not to be had
   */
  constructor(page, failed) {
    this.#page = page;
    this.#failed = failed;
  }

  /** Whether somebody waits for a token. */
  get isAwaited() {
    return this.#open !== undefined;
  }

  /**
   * What the components call. It never rejects: `@qlik/api` chains its questions for tokens, and after one that was rejected
   * every later one would be, until the page is reloaded. A failure is told to the visitor instead, and whoever asked waits until
   * {@link AccessTokens.fetch} has succeeded.
   *
   * @returns {Promise<string>}
   */
  take() {
    const { token, at } = this.#early;
    this.#early = { token: "", at: 0 };
    if (token && Date.now() - at < EARLY_MS) return Promise.resolve(token);
    if (this.#open) return this.#open.answer;
    const { promise: answer, resolve } = withResolver();
    this.#open = { answer, resolve };
    this.#ask(this.#forever).then((token) => this.#give(token), this.#failed);
    return answer;
  }

  /**
   * A token for those who wait; else for the one who will ask first.
   *
   * @param {AbortSignal} signal
   */
  async fetch(signal) {
    const token = await this.#ask(signal);
    if (this.#open) this.#give(token);
    else this.#early = { token, at: Date.now() };
  }

  /** @param {string} token */
  #give(token) {
    this.#open?.resolve(token);
    this.#open = undefined;
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<string>}
   */
  async #ask(signal) {
    const response = await askPortal(PATH, signal, { method: "POST", headers: { "csrf-token": this.#page.csrf } });
    if (response.type === "opaqueredirect") throw signedOut();
    if (!response.ok) {
      const answer = await readAnswer(response);
      if (answer.status === 401 && ["session_expired", ""].includes(answer.code)) throw signedOut();
      if (answer.code === "csrf_token") throw outdated(answer);
      throw refused("accessToken", answer);
    }
    const { access_token: token } = await response.json().catch(() => ({}));
    if (typeof token !== "string" || token === "") {
      throw refused("accessToken", unsaid(response.status, "no token in the answer"));
    }
    return token;
  }
}

/** By hand where a browser has no `Promise.withResolvers` (before Chrome 119, Firefox 121, Safari 17.4). */
function withResolver() {
  /** @type {(token: string) => void} */
  let resolve = () => {};
  const promise = new Promise((/** @type {(token: string) => void} */ done) => (resolve = done));
  return { promise, resolve };
}
