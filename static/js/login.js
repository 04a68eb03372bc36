/**
 * Into the tenant in the flow `session`: is the visitor signed in there; if not, a token from our server is exchanged for the tenant's
 * cookies, and a second look proves that the browser kept them ("Qlik Cloud facts", sections B, D and K).
 */

import { known } from "./advice.js";
import { Problem, anotherUser, cookiesBlocked, refused, signedOut } from "./problem.js";
import { askPortal, askTenant, readAnswer, tenantUrl, unsaid } from "./tenant.js";
import { clockOf, isVisitor, readUser } from "./user.js";

/** @typedef {import("./page.js").Page} Page */
/** @typedef {import("./tenant.js").Answer} Answer */
/** @typedef {import("./user.js").TenantUser} TenantUser */

/** The status of an answer that the browser hides from us, as it is of opaque responses. */
const UNREADABLE = 0;

/**
 * Signs the visitor in at the tenant, unless the tenant already knows them.
 *
 * @param {Page} page
 * @param {AbortSignal} signal
 * @returns {Promise<TenantUser>}
 */
export async function signIn(page, signal) {
  const before = await checkLoggedIn(page, signal);
  // The tenant's cookies may be those of the person who sat here before: only the visitor's own count.
  if ("user" in before && before.user.subject === page.subject) return before.user;

  return logIn(page, signal);
}

/**
 * A token from our server for a session at the tenant, and a look whether the browser kept it.
 *
 * @param {Page} page
 * @param {AbortSignal} signal
 * @returns {Promise<TenantUser>}
 */
async function logIn(page, signal) {
  const { token, clock } = await takeToken(page, signal);
  await jwtLogin(page, token, signal);

  const after = await checkLoggedIn(page, signal);
  if (!("user" in after)) {
    const { answer } = after;
    const hidden = answer.status === UNREADABLE;
    throw hidden || answer.status === 401 ? cookiesBlocked(answer, { hidden }) : refused("check", answer);
  }
  if (!isVisitor(page, after.user)) throw anotherUser("Sign out of Qlik Cloud in this browser, then try again.");
  return { ...after.user, clocks: [...after.user.clocks, clock], signedInNow: true };
}

/**
 * Asks the tenant who is signed in; `users/me` redirects to the user's own address.
 *
 * @param {Page} page
 * @param {AbortSignal} signal
 * @returns {Promise<{ user: TenantUser } | { answer: Answer }>}
 */
async function checkLoggedIn(page, signal) {
  const response = await askTenant(page, tenantUrl(page, "/api/v1/users/me"), { signal }).catch(unreadable);
  if (!(response instanceof Response)) return { answer: response };
  if (response.ok) return { user: await readUser(response) };
  const answer = await readAnswer(response);
  if (answer.status === 429 || answer.status >= 500) throw refused("check", answer);
  return { answer };
}

/**
 * Whether a refusal carries CORS headers is documented nowhere (section N 10); one that does not is unreadable here, and
 * most probably says 401. The login that follows has its own answer, and blames the web integration if that is it.
 *
 * @param {unknown} thrown
 * @returns {Answer}
 */
function unreadable(thrown) {
  if (!(thrown instanceof Problem && thrown.kind === "unreadable")) throw thrown;
  return unsaid(UNREADABLE, "not readable");
}

/**
 * The single-use token that our server mints for this visitor.
 *
 * @param {Page} page
 * @param {AbortSignal} signal
 */
async function takeToken(page, signal) {
  const response = await askPortal(page.token, signal);
  if (response.type === "opaqueredirect" || response.status === 401) throw signedOut();
  if (!response.ok) throw refused("token", await readAnswer(response));
  const { body } = await response.json().catch(() => ({}));
  if (typeof body !== "string") throw refused("token", unsaid(response.status, "no token in the answer"));
  return { token: body, clock: clockOf(response) };
}

/**
 * Hands the token to the tenant, which answers with cookies. The web integration is named twice, as in Qlik's samples.
 *
 * @param {Page} page
 * @param {string} token
 * @param {AbortSignal} signal
 */
async function jwtLogin(page, token, signal) {
  const url = tenantUrl(page, "/login/jwt-session", { "qlik-web-integration-id": page.webIntegration });
  const response = await askTenant(page, url, {
    signal,
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  if (!response.ok) throw refused("login", await readAnswer(response));
}

/**
 * A CSRF token for the next socket, from the response header that the tenant exposes. A session that has ended since
 * it was looked at is replaced once, of which the visitor need not know.
 *
 * @param {Page} page
 * @param {AbortSignal} signal
 */
export async function csrfToken(page, signal) {
  const ask = () => askTenant(page, tenantUrl(page, "/api/v1/csrf-token"), { signal });
  const first = await ask().catch(unreadable);
  const isOver = first.status === 401 || !(first instanceof Response);
  const response = isOver ? await logIn(page, signal).then(ask) : first;
  if (!response.ok) throw refused("csrf", await readAnswer(response));
  const token = response.headers.get("qlik-csrf-token");
  if (token === null) {
    const { what, advice } = known("noCsrfToken");
    throw new Problem(what, {
      advice,
      detail: `csrf-token: ${response.status} without a readable qlik-csrf-token`,
    });
  }
  return token;
}

/**
 * Is our own session still alive?
 *
 * @param {AbortSignal} signal
 */
export async function checkPortal(signal) {
  const response = await askPortal("/session", signal);
  if (response.type === "opaqueredirect" || response.status === 401) throw signedOut();
}
