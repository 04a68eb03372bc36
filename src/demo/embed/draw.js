// What each `ui` shows (Qlik Cloud facts, section H.4), drawn from the app's own data.

import { charts, selectionBar } from "./charts.js";
import { enter } from "./session.js";

const UIS = {
  "analytics/sheet": (scene) => sheet(scene, scene.props.sheetId || scene.props.objectId),
  "analytics/chart": chart,
  "analytics/field": field,
  "analytics/selections": selections,
  "analytics/snapshot": snapshot,
  "classic/app": (scene) => sheet(scene, scene.props.sheetId || scene.props.sheet),
  "classic/chart": chart,
};

/**
 * Fills the element.
 * @returns {Promise<{ session?: object, handle?: number, id?: string }>} what pages may get hold of
 */
export async function draw(root, host, props, drawing) {
  const { ui = "" } = props;
  if (ui === "ai/assistant" || ui === "ai/agentic-assistant") {
    await host.viewer();
    return assistant(root, props);
  }
  if (!UIS[ui]) throw new Error(`Unknown ui: ${ui}`);
  const appId = props.appId || props.app;
  if (!appId) throw new Error("app-id is missing.");
  // Frames of the tenant's pages need its cookies.
  if (ui.startsWith("classic/") && host.hasCookies) {
    await host.viewer();
    return frame(root, host, appId, props);
  }
  const session = await enter(host, appId, props.identity);
  drawing.hold(session);
  const { language, theme, interactions } = props.context ?? {};
  if (theme || props.theme) root.dataset.theme = theme || props.theme;
  const model = modelOf(session, language, interactions?.select === false || interactions?.active === false);
  const handles = await UIS[ui]({ root, props, session, drawing, model });
  return { session, ...handles };
}

/** What the drawings of `/single/` need. */
function modelOf(session, language, passive) {
  return {
    language,
    passive,
    call: session.call.bind(session),
    clearAll: () => session.call(session.doc, "ClearAll", false),
    clearField: async (name) => session.call(await session.field(name), "Clear"),
  };
}

async function sheet(scene, id) {
  if (!id) throw new Error("sheet-id is missing.");
  const handle = await scene.session.object(id);
  const layout = await scene.session.layoutOf(handle);
  scene.root.append(element("h2", { className: "sheet-title", textContent: layout.qMeta.title }));
  for (const cell of layout.cells) await object(scene, await scene.session.object(cell.name), cell.name);
  return { handle, id };
}

async function chart(scene) {
  const { objectId, type, dimensions = [], measures = [] } = scene.props;
  if (objectId) {
    const handle = await scene.session.object(objectId);
    await object(scene, handle, objectId);
    return { handle, id: objectId };
  }
  if (!type) throw new Error("object-id or type is missing.");
  const handle = await scene.session.sessionObject(cubeOf(type, dimensions, measures));
  await object(scene, handle, type);
  return { handle, id: type };
}

/** Properties of a chart that the page makes up. Dimensions and measures may be formulas, or definitions. */
function cubeOf(type, dimensions, measures) {
  const title = (one) => one.label ?? one.qDef?.qLabel ?? one.qDef?.qFieldLabels?.[0] ?? one.replace?.(/^=/, "") ?? type;
  const dimension = (one) => one.qDef ? one : { qDef: { qFieldDefs: [one.field ?? one], qFieldLabels: [title(one)] } };
  const measure = (one) =>
    one.qDef ? one : { qDef: { qDef: one.formula ?? one, qLabel: title(one) }, qSortBy: { qSortByNumeric: -1 } };
  return {
    qInfo: { qType: type },
    visualization: dimensions.length > 0 ? "barchart" : "kpi",
    title: [...measures, ...dimensions].map(title).join(" by "),
    qHyperCubeDef: {
      qDimensions: dimensions.map(dimension),
      qMeasures: measures.map(measure),
      qInterColumnSortOrder: dimensions.length > 0 ? [dimensions.length, 0] : [0],
      qInitialDataFetch: [{ qLeft: 0, qTop: 0, qWidth: dimensions.length + measures.length, qHeight: 500 }],
    },
  };
}

async function field(scene) {
  const { fieldId, libraryId } = scene.props;
  if (!fieldId) throw new Error(libraryId ? "library-id is not simulated." : "field-id is missing.");
  const name = fieldId.replace(/^=?\[?|\]$/g, "");
  const handle = await scene.session.sessionObject({
    qInfo: { qType: "listbox" },
    visualization: "listbox",
    title: name,
    qListObjectDef: {
      qDef: { qFieldDefs: [name], qFieldLabels: [name], qSortCriterias: [{ qSortByNumeric: 1, qSortByAscii: 1 }] },
      qInitialDataFetch: [{ qLeft: 0, qTop: 0, qWidth: 1, qHeight: 500 }],
    },
  });
  await object(scene, handle, name);
  return { handle, id: name };
}

async function selections({ root, session, drawing, model }) {
  const bar = element("section", { className: "cell selections" });
  bar.setAttribute("aria-label", "Selections");
  root.append(bar);
  const handle = await session.sessionObject({ qInfo: { qType: "CurrentSelections" }, qSelectionObjectDef: {} });
  const update = selectionBar(bar, model);
  await drawing.live(session, handle, (layout) => {
    update(layout);
    forgetIds(bar);
  });
  return { handle, id: "selections" };
}

/** The app has no snapshots: an object as it is now, which nobody can select in and which does not change. */
async function snapshot({ root, props, session, model }) {
  const id = props.snapshotId || props.objectId;
  if (!id) throw new Error("snapshot-id is missing.");
  const handle = await session.object(id);
  const layout = await session.layoutOf(handle);
  const cell = cellOf(root, id, layout.visualization);
  charts[layout.visualization](cell, { ...model, passive: true }, handle)(layout);
  forgetIds(cell);
  return { handle, id };
}

async function object({ root, session, drawing, model }, handle, id) {
  const { visualization } = await session.layoutOf(handle);
  const cell = cellOf(root, id, visualization);
  const update = charts[visualization](cell, model, handle);
  await drawing.live(session, handle, update);
  forgetIds(cell);
}

function cellOf(root, id, visualization) {
  if (!charts[visualization]) throw new Error(`Invalid visualization: ${id}`);
  const cell = element("section", { className: `cell ${visualization}` });
  cell.dataset.object = id;
  root.append(cell);
  return cell;
}

/** The drawings were made for a page of their own, where ids are unique. */
function forgetIds(cell) {
  cell.querySelectorAll("[id]").forEach((one) => one.removeAttribute("id"));
}

function frame(root, host, appId, { ui, sheetId, sheet, objectId, identity, theme, select, bookmark, clearSelections }) {
  const query = new URLSearchParams({ appid: appId });
  const shown = ui === "classic/app" ? ["sheet", sheetId || sheet] : ["obj", objectId];
  const asked = [shown, ["identity", identity], ["theme", theme], ["bookmark", bookmark], ["select", select]];
  asked.filter(([, value]) => value).forEach(([name, value]) => query.append(name, value));
  if (clearSelections !== undefined && clearSelections !== "false") query.append("select", "clearall");
  query.append("opt", "ctxmenu,currsel");
  const made = element("iframe", { src: `${host.origin}/single/?${query}`, title: "Qlik Sense" });
  root.append(made);
  return {};
}

/** A conversation with nobody: what is asked is repeated, with the name of the assistant. */
function assistant(root, { ui, assistantId, appearance }) {
  if (!assistantId) throw new Error("assistant-id is missing.");
  const log = element("div", { className: "talk" });
  log.setAttribute("role", "log");
  const question = element("input", { name: "question", autocomplete: "off", required: true });
  question.setAttribute("aria-label", "Question");
  const form = element("form", {}, question, element("button", { type: "submit", textContent: "Ask" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const asked = element("p", { className: "asked", textContent: question.value });
    const answer = element("p", { className: "answer", textContent: `${assistantId} heard: ${question.value}` });
    log.append(asked, answer);
    form.reset();
  });
  const panel = element("section", { className: "cell assistant" });
  panel.dataset.assistant = assistantId;
  if (appearance) panel.dataset.appearance = typeof appearance === "string" ? appearance : JSON.stringify(appearance);
  const kind = ui === "ai/assistant" ? "Assistant" : "Agentic assistant";
  panel.append(element("h2", { textContent: `${kind} ${assistantId}` }), log, form);
  root.append(panel);
  return {};
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
