/**
 * Finds pages in the list by the words of their titles, however they are written. Without scripts the list stands as it is.
 */

/**
 * Text without case and accents. Upper case first: it makes ß the SS that others type.
 *
 * @param {string} text
 */
export const folded = (text) => text.toUpperCase().normalize("NFKD").replace(/\p{Mn}/gu, "");

/**
 * Whether a title has every word of the query, in any order, also as parts of its own words.
 *
 * @param {string} title
 * @param {string} query
 */
export function matches(title, query) {
  const text = folded(title);
  return folded(query).split(/\s+/).every((word) => text.includes(word));
}

/**
 * @param {number} shown
 * @param {number} all
 */
export function counted(shown, all) {
  if (shown === all) return `${all} pages`;
  return shown === 0 ? "No page found" : `${shown} of ${all} pages`;
}

/** Brings the search field to life. */
function start() {
  const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
  const field = /** @type {HTMLInputElement} */ (part("query"));
  const items = [...part("pages").children].map((item) => /** @type {HTMLElement} */ (item));

  const show = () => {
    for (const item of items) item.hidden = !matches(item.textContent ?? "", field.value);
    const shown = items.filter((item) => !item.hidden).length;
    part("nothing").hidden = shown > 0;
    part("count").textContent = counted(shown, items.length);
  };
  field.addEventListener("input", show);
  field.addEventListener("keydown", ({ key }) => {
    const found = items.filter((item) => !item.hidden);
    if (key === "Enter" && field.value.trim() !== "" && found.length === 1) found[0]?.querySelector("a")?.click();
  });
  part("nothing").querySelector("button")?.addEventListener("click", () => {
    field.value = "";
    field.focus();
    show();
  });
  // The browser may have kept what was typed before the visitor went to a page and came back.
  show();
  part("search").hidden = false;
}

if (globalThis.document?.getElementById("search")) start();
