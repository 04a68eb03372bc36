/**
 * The flow of the page: by which way the visitor gets in, and what happens when one is closed.
 */

import { signIn } from "./login.js";
import { throughProxy } from "./page.js";
import { Problem, neitherWay } from "./problem.js";
import { signInThroughProxy } from "./proxy.js";
import { askPortal } from "./tenant.js";

/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./user.js").TenantUser} TenantUser */

/**
 * From signing in to the sheet, on one way.
 *
 * @callback Journey
 * @param {Page} page         the page as that way has it
 * @param {TenantUser} user
 * @returns {Promise<void>}
 */

/**
 * Shows the page by its flow. In the flow `auto`, a browser that does not keep the tenant's cookies carries on through our
 * server, at whatever point that shows, and without a word.
 *
 * @param {Page} page
 * @param {Journey} journey
 * @param {AbortSignal} signal
 * @returns {Promise<Page>}   the page to show from now on: when `auto` had to choose, it has
 */
export async function show(page, journey, signal) {
  try {
    await journey(page, await enter(page, signal));
    return page;
  } catch (thrown) {
    signal.throwIfAborted();
    if (page.flow !== "auto" || !isA("blocked", thrown)) throw thrown;
    return carryOn(throughProxy(page), thrown, journey, signal);
  }
}

/**
 * @param {Page} page
 * @param {Problem} blocked
 * @param {Journey} journey
 * @param {AbortSignal} signal
 */
async function carryOn(page, blocked, journey, signal) {
  try {
    const user = await enter(page, signal);
    remember(signal);
    await journey(page, user);
    return page;
  } catch (thrown) {
    signal.throwIfAborted();
    throw isA("unusable", thrown) ? neitherWay(blocked, thrown) : thrown;
  }
}

/**
 * @param {Page} page
 * @param {AbortSignal} signal
 */
const enter = (page, signal) => (page.flow === "proxy" ? signInThroughProxy(page, signal) : signIn(page, signal));

/**
 * Until the visitor signs out, pages go the way that works from the beginning. If this fails, they find it again.
 *
 * @param {AbortSignal} signal
 */
function remember(signal) {
  askPortal("/flow", signal, { method: "POST", body: new URLSearchParams({ flow: "proxy" }) }).catch(() => {});
}

/**
 * @param {import("./problem.js").Kind} kind
 * @param {unknown} thrown
 * @returns {thrown is Problem}
 */
const isA = (kind, thrown) => thrown instanceof Problem && thrown.kind === kind;
