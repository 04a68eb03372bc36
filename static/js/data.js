/**
 * Data without a chart, in the gallery: what `GET /hypercube` gives, as a table.
 */

import { askPortal } from "./tenant.js";

const root = /** @type {HTMLElement} */ (document.getElementById("data"));
const button = /** @type {HTMLButtonElement} */ (root.querySelector("button"));
const told = /** @type {HTMLElement} */ (root.querySelector("[role=status]"));
const rows = /** @type {HTMLElement} */ (root.querySelector("tbody"));

async function load() {
  button.disabled = true;
  told.textContent = "Loading…";
  try {
    const response = await askPortal("/hypercube?limit=20", new AbortController().signal);
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.message);
    const { returnedDimension: names, returnedMeasure: figures, total } = answer;
    rows.replaceChildren(...names.map((/** @type {string} */ name, /** @type {number} */ at) => row(name, figures[at])));
    told.textContent = `${names.length} of ${total} rows, ${new Date().toLocaleTimeString()}`;
  } catch (thrown) {
    told.textContent = thrown instanceof Error && thrown.message ? thrown.message : "The data cannot be had. Try again shortly.";
  } finally {
    button.disabled = false;
  }
}

/**
 * @param {string} name
 * @param {string} figure
 */
function row(name, figure) {
  const line = document.createElement("tr");
  for (const [kind, text] of [["th", name], ["td", figure]]) {
    const cell = document.createElement(kind ?? "td");
    cell.textContent = text ?? "";
    if (cell instanceof HTMLTableCellElement && kind === "th") cell.scope = "row";
    line.append(cell);
  }
  return line;
}

button.addEventListener("click", load);
load();
