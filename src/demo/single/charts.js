// The drawings: each takes its cell, and returns what to do with a new layout.

const SVG = "http://www.w3.org/2000/svg";

export const charts = { barchart, kpi, listbox };

/** Bars in one direction, each a button: a click selects its value, or takes it back. */
function barchart(cell, model, handle) {
  const list = element("ul", { className: "bars", id: "bars" });
  const axis = element("div", { className: "axis" });
  axis.setAttribute("aria-hidden", "true");
  const grid = svg("svg", { class: "grid", "aria-hidden": "true" });
  const plot = element("div", { className: "plot" }, grid, list);

  return (layout) => {
    heading(cell, layout, plot, axis);
    list.setAttribute("aria-label", layout.title);
    const rows = layout.qHyperCube.qDataPages[0]?.qMatrix ?? [];
    const ticks = scale(layout.qHyperCube.qMeasureInfo[0].qMax);
    const end = ticks.at(-1);
    grid.replaceChildren(...ticks.map((tick) => line(tick / end)));
    axis.replaceChildren(...ticks.map((tick) => element("span", { textContent: money(model, tick, 0) })));
    list.style.setProperty("--rows", rows.length);
    const known = new Map([...list.children].map((item) => [item.firstChild.dataset.value, item]));
    arrange(list, rows.map(([dimension, measure]) => {
      const item = known.get(dimension.qText) ?? bar(dimension);
      const button = item.firstChild;
      button.setAttribute("aria-pressed", String(dimension.qState === "S"));
      button.querySelector(".value").textContent = money(model, measure.qNum, 2);
      button.querySelector("rect").setAttribute("width", `${(100 * measure.qNum) / end}%`);
      return item;
    }));
  };

  function bar({ qText, qElemNumber }) {
    const shape = svg("svg", { class: "bar", "aria-hidden": "true" });
    shape.append(svg("rect", { height: "100%", width: "0", rx: "3" }));
    const button = choice(model, qText, () =>
      model.call(handle, "SelectHyperCubeValues", "/qHyperCubeDef", 0, [qElemNumber], true));
    button.append(element("span", { className: "label", textContent: qText }), shape, element("span", { className: "value" }));
    return element("li", {}, button);
  }
}

/** One large figure, and a smaller one if there is a second measure. */
function kpi(cell, model) {
  const figure = element("p", { className: "figure", id: "kpi-value" });
  figure.setAttribute("aria-live", "polite");
  const second = element("p", { className: "second" });
  return (layout) => {
    heading(cell, layout, figure, second);
    const { qMeasureInfo, qDataPages } = layout.qHyperCube;
    const [first, other] = qDataPages[0].qMatrix[0];
    figure.textContent = money(model, first.qNum, 2);
    figure.dataset.value = first.qNum;
    second.textContent = other ? `${number(model, other.qNum)} ${qMeasureInfo[1].qFallbackTitle.toLowerCase()}` : "";
  };
}

/** The values of a field, with their states. */
function listbox(cell, model, handle) {
  const list = element("ul", { className: "values" });
  return (layout) => {
    heading(cell, layout, list);
    list.setAttribute("aria-label", layout.title);
    const known = new Map([...list.children].map((item) => [item.firstChild.dataset.value, item]));
    const rows = layout.qListObject.qDataPages[0]?.qMatrix ?? [];
    arrange(list, rows.map(([{ qText, qState, qElemNumber }]) => {
      const item = known.get(qText) ?? element("li", {}, choice(model, qText, () =>
        model.call(handle, "SelectListObjectValues", "/qListObjectDef", [qElemNumber], true)));
      const button = item.firstChild;
      if (!button.textContent) button.textContent = qText;
      button.setAttribute("aria-pressed", String(qState.includes("S")));
      button.dataset.selection = qState;
      return item;
    }));
  };
}

/** What is selected, field by field, each with a way to clear it. */
export function selectionBar(bar, model) {
  return (layout) => {
    const fields = layout.qSelectionObject.qSelections;
    const held = document.activeElement?.closest("#selections") !== null;
    const chips = fields.map(({ qField, qSelected }) => {
      const clear = clearButton("×", `Clear ${qField}`, () => model.clearField(qField));
      clear.dataset.clear = qField;
      const text = element("span", {}, element("b", { textContent: qField }), `: ${qSelected}`);
      return element("li", { className: "chip" }, text, ...(model.passive ? [] : [clear]));
    });
    const all = clearButton("Clear all", "Clear all selections", model.clearAll);
    all.id = "clear-all";
    all.hidden = fields.length === 0 || model.passive;
    const none = element("p", { textContent: "No selections applied" });
    bar.replaceChildren(fields.length ? element("ul", {}, ...chips) : none, all);
    // The button that had the focus is gone with its selection: keep the keyboard where it was.
    if (held) (bar.querySelector("button:not([hidden])") ?? focusable(bar)).focus();
  };
}

function focusable(target) {
  target.tabIndex = -1;
  return target;
}

function clearButton(text, label, onClick) {
  const button = element("button", { type: "button", textContent: text, title: label });
  button.setAttribute("aria-label", label);
  button.addEventListener("click", () => onClick().catch(() => {}));
  return button;
}

/** A value that can be selected; a plain one where selections are switched off. */
function choice(model, value, onClick) {
  const button = element("button", { type: "button", className: "choice" });
  button.dataset.value = value;
  if (model.passive) button.setAttribute("aria-disabled", "true");
  // A lost connection shows on the page already.
  else button.addEventListener("click", () => onClick().catch(() => {}));
  return button;
}

/** Puts these items into a list, moving no more than it must: what stays keeps its focus and its transition. */
function arrange(list, items) {
  const focused = document.activeElement;
  [...list.children].filter((item) => !items.includes(item)).forEach((item) => item.remove());
  items.forEach((item, at) => {
    if (list.children[at] !== item) list.insertBefore(item, list.children[at] ?? null);
  });
  if (document.activeElement !== focused && list.contains(focused)) focused.focus();
}

function heading(cell, { title, subtitle }, ...content) {
  if (cell.firstChild) return;
  const parts = [element("h2", { textContent: title })];
  if (subtitle) parts.push(element("p", { className: "subtitle", textContent: subtitle }));
  cell.append(element("header", {}, ...parts), ...content);
}

/** Round numbers from zero to the first that is not below the largest value. */
function scale(largest) {
  const top = Number.isFinite(largest) && largest > 0 ? largest : 1;
  const rough = top / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough);
  return Array.from({ length: Math.ceil(top / step) + 1 }, (_, at) => at * step);
}

function line(share) {
  const x = `${100 * share}%`;
  return svg("line", { x1: x, x2: x, y1: "0", y2: "100%" });
}

/** Short: $8.26M with two places for figures, $2.5M with at most one for an axis. */
function money(model, amount, places) {
  const digits = amount < 1e6 ? { maximumFractionDigits: 0 } : { minimumFractionDigits: places, maximumFractionDigits: places || 1 };
  return format(model, amount, { style: "currency", currency: "USD", notation: "compact", ...digits });
}

function number(model, amount) {
  return format(model, amount, {});
}

function format({ language }, amount, style) {
  try {
    return new Intl.NumberFormat(language, style).format(amount);
  } catch {
    return new Intl.NumberFormat("en", style).format(amount);
  }
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}
