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
 * Lets the scripts that are made from here on run under this page's policy, by its nonce: the runtime describes its modules in an
 * import map, which is an inline script. Whoever can call this function runs a script here already, and markup that somebody
 * smuggles in is no help to them: scripts that come by `innerHTML` never run.
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
      if (element instanceof HTMLScriptElement) element.nonce = nonce.nonce;
      return element;
    }
  );
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
