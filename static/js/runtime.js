/**
 * The scripts that draw components: the tenant's runtime, and then the elements, which find it there ("Qlik Cloud facts", section
 * H.3). In this order a runtime that did not come can be asked for again; the elements themselves ask once and wait for ever.
 */

import { known } from "./advice.js";
import { Problem } from "./problem.js";
import { tenantUrl } from "./tenant.js";

/** @typedef {import("./page.js").Page} Page */

const LOAD_MS = 60_000;

/**
 * Loads what is not there yet.
 *
 * @param {Page} page
 * @param {AbortSignal} signal
 */
export async function loadRuntime(page, signal) {
  if (!("QlikMain" in globalThis)) {
    const main = tenantUrl(page, "/qlik-embed/main.js");
    await load(main, signal);
    if (!("QlikMain" in globalThis)) throw missing(main, "it is no runtime of components");
  }
  if (customElements.get("qlik-embed") === undefined) {
    await load(new URL("../vendor/embed-web-components.js", import.meta.url), signal);
  }
}

/**
 * Lets import maps that are made from here on pass this page's policy, by its nonce: the runtime describes its modules in one,
 * which is an inline script. Other scripts get none, so that they come of the origins that the policy names, or not at all.
 *
 * @param {Document} document
 */
export function passNonceOn(document) {
  const nonce = document.querySelector("script[nonce]");
  if (!(nonce instanceof HTMLScriptElement)) throw new Error("the page has no nonce");
  const create = document.createElement;
  document.createElement = /** @type {typeof document.createElement} */ (
    function (/** @type {string} */ name, /** @type {ElementCreationOptions | undefined} */ options) {
      const element = create.call(document, name, options);
      if (element instanceof HTMLScriptElement) watchType(element, nonce.nonce);
      return element;
    }
  );
}

/**
 * Gives a script the nonce as soon as it is said to be an import map.
 *
 * @param {HTMLScriptElement} script
 * @param {string} nonce
 */
function watchType(script, nonce) {
  const set = script.setAttribute;
  script.setAttribute = (name, value) => {
    set.call(script, name, value);
    if (script.getAttribute("type") === "importmap") script.nonce = nonce;
  };
  Object.defineProperty(script, "type", {
    configurable: true,
    get: () => script.getAttribute("type") ?? "",
    set: (value) => script.setAttribute("type", value),
  });
}

/**
 * @param {URL} url
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
function load(url, signal) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const end = (/** @type {unknown} */ problem) => {
      clearTimeout(timer);
      if (problem === undefined) return resolve();
      // One that comes late would run beside the next try.
      script.remove();
      reject(problem);
    };
    const timer = setTimeout(() => end(missing(url, "no answer in time")), LOAD_MS);
    script.addEventListener("load", () => end(undefined));
    script.addEventListener("error", () => end(missing(url, "not loaded")));
    signal.addEventListener("abort", () => end(signal.reason), { once: true });
    script.src = url.href;
    document.head.append(script);
  });
}

/**
 * @param {URL} url
 * @param {string} how
 */
const missing = (url, how) =>
  new Problem(known("unreachable").what, {
    advice: "Check your network connection and try again. If it lasts, tell your administrator.",
    detail: `${url.host}${url.pathname}: ${how}`,
  });
