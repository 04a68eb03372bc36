/**
 * The frame with the sheet, or with one visualization.
 */

import { singleUrl } from "./tenant.js";

/** @typedef {import("./page.js").Page} Page */

/** A frame never reports failure; after this long, what it shows is better than our waiting. */
const LOAD_MS = 30_000;

/**
 * Puts a fresh frame into its holder, so that reconnecting leaves no trace in the browser's history.
 *
 * @param {HTMLElement} holder
 * @param {Page} page
 * @param {string} theme
 * @param {AbortSignal} signal
 * @returns {Promise<void>}  settles when the frame has loaded
 */
export function mountFrame(holder, page, theme, signal) {
  const frame = document.createElement("iframe");
  frame.title = `${page.title}: ${page.sheet ? "sheet" : "visualization"} in Qlik Cloud`;
  frame.allow = "fullscreen; clipboard-write";
  frame.src = singleUrl(page, theme).href;
  return new Promise((resolve, reject) => {
    frame.addEventListener("load", () => resolve(), { once: true });
    setTimeout(resolve, LOAD_MS);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    holder.replaceChildren(frame);
  });
}
