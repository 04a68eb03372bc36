/**
 * Into the tenant in the flow `proxy`: our server holds the tenant's cookies and passes requests on. Here it is only
 * proved that it does, and for the right person.
 */

import { checkPortal } from "./login.js";
import { anotherUser, describe, isOurCode, refused, siblingBlocked, signedOut, unusable } from "./problem.js";
import { askPortal, askTenant, readAnswer, tenantUrl } from "./tenant.js";
import { clockOf, isVisitor, readUser } from "./user.js";

/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./tenant.js").Answer} Answer */
/** @typedef {import("./user.js").TenantUser} TenantUser */

/**
 * Asks through our server who the visitor is to the tenant, which makes it sign them in there. When our own session is
 * not known where requests are passed on, it is handed over once more.
 *
 * @param {Page} page   of the flow `proxy`
 * @param {AbortSignal} signal
 * @returns {Promise<TenantUser>}
 */
export async function signInThroughProxy(page, signal) {
  const hasSibling = page.proxy !== page.origin;
  for (let tries = 1; ; tries += 1) {
    const clock = hasSibling ? await handOver(page, signal) : NaN;
    const response = await askTenant(page, tenantUrl(page, "/api/v1/users/me"), { signal });
    if (response.ok) return visitor(page, await readUser(response), clock);

    const answer = await readAnswer(response);
    if (answer.code !== "session_expired") throw notPassed(answer);
    await checkPortal(signal);
    if (tries === 2) throw hasSibling ? siblingBlocked(answer) : signedOut();
  }
}

/**
 * The tenant's session belongs to our own, so it is the visitor's; unless who they are to the tenant has changed since.
 *
 * @param {Page} page
 * @param {TenantUser} user
 * @param {number} clock
 */
function visitor(page, user, clock) {
  if (!isVisitor(page, user)) throw anotherUser("Sign out here, then sign in again.");
  return { ...user, clocks: [...user.clocks, clock] };
}

/**
 * Not found means that requests for the tenant do not get to where they are passed on. The tenant itself would say so in
 * its own words.
 *
 * @param {Answer} answer
 */
function notPassed(answer) {
  const isPassed = answer.status !== 404 || (answer.code !== "" && !isOurCode(answer.code));
  return isPassed ? refused("proxy", answer) : unusable(describe("users/me through the portal", answer));
}

/**
 * Lets the origin that passes requests on know our session: a code, good once, for a cookie there. Says what our
 * server's clock showed.
 *
 * @param {Page} page
 * @param {AbortSignal} signal
 */
async function handOver(page, signal) {
  const given = await askPortal("/hand-over", signal, { method: "POST" });
  if (given.type === "opaqueredirect" || given.status === 401) throw signedOut();
  if (!given.ok) throw notHandedOver(await readAnswer(given));
  const { code } = await given.json().catch(() => ({}));
  const taken = await askTenant(page, tenantUrl(page, "/hand-over"), {
    signal,
    method: "POST",
    body: new URLSearchParams({ code: String(code) }),
  });
  if (!taken.ok) throw notHandedOver(await readAnswer(taken));
  return clockOf(given);
}

/** @param {Answer} answer */
const notHandedOver = (answer) =>
  [401, 404].includes(answer.status) ? unusable(describe("hand-over", answer)) : refused("handOver", answer);
