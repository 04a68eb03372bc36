/**
 * What the engine objects to: close codes, session states and errors of "Qlik Cloud facts", sections F.2 to F.4. What they
 * mean, the catalogue says.
 */

import { entry, idOfClose, idOfError, idOfState, known } from "./advice.js";
import { Problem, signedOut } from "./problem.js";

/**
 * A close code, an `OnConnected` state, an error of the engine's API, or nothing at all.
 *
 * @typedef {{ from: "close", code: number, reason: string }
 *   | { from: "state", state: string }
 *   | { from: "error", code: number, reason: string }
 *   | { from: "silence", seconds: number }} Objection
 */

/** @typedef {import("./catalogue.js").Entry} Entry */

/** Our server's own close code, in the flow `proxy`: the session with us has ended. */
const SIGNED_OUT_HERE = 4401;

/**
 * What an objection of the engine means while the app is being opened. A socket that closes without a code of the engine's own,
 * right after connecting or even before, is how a tenant treats a user whose rights have not arrived yet, but also a refused
 * handshake; browsers do not tell the two apart.
 *
 * @param {Objection} objection
 * @returns {Entry}
 */
export function objectionMeans(objection) {
  switch (objection.from) {
    case "state":
      return entry(idOfState(objection.state));
    case "error":
      return entry(idOfError(objection.code));
    case "silence":
      return known("silence");
    case "close":
      return entry(idOfClose(objection.code, { open: false }));
  }
}

/**
 * The app could not be opened.
 *
 * @param {Objection} objection
 */
export function notOpened(objection) {
  if (isSignedOut(objection)) return signedOut();
  const { what, advice } = objectionMeans(objection);
  return new Problem(what, { advice, detail: describeObjection(objection) });
}

/**
 * The engine session ended while the sheet was on the screen: for good, or as an interruption.
 *
 * @param {{ code: number, reason: string }} closed
 * @returns {{ resumes: boolean, problem: Problem }}
 */
export function disconnected({ code, reason }) {
  if (code === SIGNED_OUT_HERE) return { resumes: false, problem: signedOut() };
  const { what, advice, retry } = entry(idOfClose(code, { open: true }));
  const resumes = retry === "reconnect";
  const title = resumes ? "Connection interrupted" : "Session ended";
  return {
    resumes,
    problem: new Problem(what, { title, advice, detail: describeObjection({ from: "close", code, reason }) }),
  };
}

/** @param {Objection} objection */
const isSignedOut = (objection) => objection.from === "close" && objection.code === SIGNED_OUT_HERE;

/** @param {Objection} objection */
function describeObjection(objection) {
  switch (objection.from) {
    case "close":
      return ["engine", `close code ${objection.code}`, objection.reason].filter(Boolean).join(" · ");
    case "error":
      return ["engine", `error ${objection.code}`, objection.reason].filter(Boolean).join(" · ");
    case "state":
      return `engine · ${objection.state}`;
    case "silence":
      return `engine · no answer within ${objection.seconds} s`;
  }
}
