/**
 * Who the tenant says is signed in there.
 */

/** @typedef {import("./page.js").Page} Page */

/**
 * @typedef {object} TenantUser
 * @property {string} subject
 * @property {number} createdAt   milliseconds since the epoch; NaN when the tenant does not say
 * @property {number[]} clocks    what other clocks than the browser's showed at about the time of asking
 * @property {boolean} signedInNow  this run of the flow signed the visitor in
 */

/**
 * Reads the answer of `users/me` ("Qlik Cloud facts", section E).
 *
 * @param {Response} response
 * @returns {Promise<TenantUser>}
 */
export async function readUser(response) {
  const { subject, createdAt } = await response.json().catch(() => ({}));
  return {
    subject: typeof subject === "string" ? subject : "",
    createdAt: Date.parse(createdAt),
    clocks: [clockOf(response)],
    signedInNow: false,
  };
}

/**
 * After a login with a token of ours: nobody but the visitor, if the tenant says who. Without case, since nothing is
 * documented about it ("Qlik Cloud facts", section A.4).
 *
 * @param {Page} page
 * @param {TenantUser} user
 */
export function isVisitor({ subject }, user) {
  return user.subject === "" || user.subject.toLowerCase() === subject.toLowerCase();
}

/** @param {Response} response */
export const clockOf = (response) => Date.parse(response.headers.get("date") ?? "");
