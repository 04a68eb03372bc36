/**
 * Which entry of the catalogue an answer of the tenant means. The tables are the server's own, and so is the order in which
 * they are asked: the status first, then the code, never a title alone ("Qlik Cloud facts", section I).
 */

import { CLOSES, CLOSES_WHEN_OPEN, CODES, DETAILS, ENTRIES, ERRORS, OTHERWISE, STATES, STATUSES } from "./catalogue.js";

/** @typedef {import("./catalogue.js").Entry} Entry */
/** @typedef {import("./tenant.js").Answer} Answer */
/** @typedef {"login" | "usersMe" | "csrf"} Call */

/**
 * The entry with this name, if the page has it.
 *
 * @param {string} id
 * @returns {Entry | undefined}
 */
export const named = (id) => (Object.hasOwn(ENTRIES, id) ? ENTRIES[id] : undefined);

/**
 * What a refusal means.
 *
 * @param {Call} call
 * @param {Pick<Answer, "status" | "code" | "text" | "html">} answer
 * @returns {Entry}
 */
export const ofAnswer = (call, answer) => entry(idOfAnswer(call, answer));

/**
 * @param {Call} call
 * @param {Pick<Answer, "status" | "code" | "text" | "html">} answer
 */
export function idOfAnswer(call, { status, code, text, html }) {
  if (status === 429) return otherwise("tooMany");
  if (status >= 500) return otherwise("trouble");
  if (html && ![404, 406].includes(status)) return otherwise("html");
  const refused = status >= 400;
  const said = text.toLowerCase();
  const ofCode = refused ? find(CODES, code) : undefined;
  // The one code that stands for several problems.
  const isOpen = !ofCode || code === "INTERNAL-TOKEN-1";
  const isOfToken = isOpen && call === "login" && [400, 401].includes(status);
  const detail = isOfToken ? Object.keys(DETAILS).find((words) => said.includes(words)) : undefined;
  const statuses = STATUSES[call] ?? {};
  return (
    (detail && DETAILS[detail]) ||
    ofCode ||
    find(statuses, status) ||
    find(statuses, "other") ||
    otherwise("trouble")
  );
}

/**
 * What a close code means, while the app is being opened or once it is open.
 *
 * @param {number} code
 * @param {{ open: boolean }} when
 */
export const idOfClose = (code, { open }) =>
  find(CLOSES, code) ?? (open ? (find(CLOSES_WHEN_OPEN, code) ?? otherwise("lost")) : otherwise("early"));

/** @param {number} code */
export const idOfError = (code) => find(ERRORS, code) ?? otherwise("error");

/** @param {string} state */
export const idOfState = (state) => find(STATES, state) ?? otherwise("state");

/** @param {keyof typeof OTHERWISE} what */
const otherwise = (what) => OTHERWISE[what] ?? "";

/**
 * What is known without an answer that says so.
 *
 * @param {keyof typeof OTHERWISE} what
 */
export const known = (what) => entry(otherwise(what));

/**
 * @param {string} id
 * @returns {Entry}
 */
export function entry(id) {
  const found = named(id);
  // A test of the server says that there is one for each row of each table.
  if (found === undefined) throw new Error(`the catalogue lacks ${id}`);
  return found;
}

/**
 * @param {Readonly<Record<string | number, string>>} table
 * @param {string | number} key
 * @returns {string | undefined}
 */
const find = (table, key) => (Object.hasOwn(table, key) ? table[key] : undefined);
